"""Grids: one task for every combination of some parameters, each cell in a folder of its own, and one table at the end.

A cell is known by what it contains: its parameters and fixed values, its rows, and what made them. A finished one is
read, and not run again; a failed one keeps what it left and the reason; an interrupted one is run again, and its task
finds the folder as it was, from which a training can go on.
"""

import hashlib
import inspect
import json
import os
import re
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from cocola_lib.fast.workers import Workers
from cocola_lib.files import cached, locked, read_csv, read_json, write_csv, write_json, write_text

CELL, ROWS, ERROR, TABLE = "cell.json", "rows.csv", "error.txt", "grid.csv"
NAME_LENGTH = 80  # characters of a cell's folder before its digest
Task = Callable[..., pd.DataFrame | dict]


@dataclass(frozen=True)
class Cell:
    """One combination of parameters.

    Attributes:
        task: see `run_grid`.
        parameters: name -> value, what this cell differs in.
        fixed: name -> value, the same in all of them.
        grid: folder of all cells.
    """

    task: Task
    parameters: dict[str, Any]
    fixed: dict[str, Any]
    grid: Path

    @property
    def digest(self) -> str:
        """What differs between two cells that differ in a parameter, a fixed value, the task, or a value's type."""
        known = [f"{self.task.__module__}.{self.task.__qualname__}", self.parameters, self.fixed]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """The cell's own folder: its parameters, as far as every file system takes them, and its digest."""
        words = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        return self.grid / f"{re.sub(r'[^A-Za-z0-9.,=+-]+', '_', words)[:NAME_LENGTH]}-{self.digest[:10]}"

    def rows(self) -> pd.DataFrame | None:
        """What the finished cell found; None where it has not finished."""
        if cached(self.folder / CELL, lambda path: read_json(path)["digest"]) != self.digest:
            return None
        return cached(self.folder / ROWS, lambda path: read_csv(path, float_precision="round_trip"))

    def failure(self) -> str:
        """Why the cell has failed, in one line; "" where it has not."""
        with suppress(FileNotFoundError):
            return (self.folder / ERROR).read_text(encoding="utf-8").partition("\n")[0]
        return ""

    def fail(self, error: BaseException) -> str:
        """Keep why the cell has failed, for people: the reason in one line, and where it came about."""
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        write_text(self.folder / ERROR, f"{reason}\n\n{''.join(traceback.format_exception(error))}")
        return reason

    def finish(self, found: pd.DataFrame | dict, seconds: float, origin: dict) -> None:
        """Keep what the task found, and what made it; the file that says that the cell has finished comes last."""
        rows = pd.DataFrame([found]) if isinstance(found, dict) else found
        if not isinstance(rows, pd.DataFrame) or rows.columns.empty:
            raise TypeError(
                f"{self.task.__qualname__} gave {type(found).__name__}; a cell gives a data frame or a dict"
            )
        write_csv(self.folder / ROWS, rows.drop(columns=list(self.parameters), errors="ignore"))
        known = {"parameters": self.parameters, "fixed": self.fixed, "digest": self.digest}
        write_json(self.folder / CELL, known | {"seconds": round(seconds, 3), "provenance": origin})


def run_grid(
    task: Task,
    parameters: Mapping[str, Sequence],
    folder: Path | str,
    *,
    fixed: Mapping[str, Any] | None = None,
    retry: bool = False,
    report: Callable[[str], Any] | None = None,
    **workers,
) -> pd.DataFrame:
    """Run a task for every combination of parameters that has not finished yet, several at a time.

    Args:
        task: `task(folder, **cell)` -> rows, a data frame or one dict of plain values; a function of a module. What it
            writes goes into `folder`, the cell's own, where it finds what an interrupted attempt has left.
        parameters: name -> list of plain values: numbers, texts, True, False or None.
        folder: of the grid; gets a folder for each cell, and `grid.csv`.
        fixed: name -> value, the same for every cell: plain values, paths (the task gets texts), lists and dicts of
            them. A cell with other fixed values is another cell.
        retry: try again the cells that have failed.
        report: called with a line for people whenever a cell is done; None: only a warning if cells have failed.
        workers: who does the work, see `fast.workers.Workers`: `backend` ("local" or "dask"), `n_workers` (1 is this
            process), `scheduler`.

    Returns:
        The rows of the finished cells in the order of the grid, parameters in the first columns (a column that a task
        gives the name of a parameter is left out); also written as `grid.csv`.

    Raises:
        ValueError: one line: parameters that make no grid, or that the task does not take; another process is running
            this grid; no cell has finished.
        ChildProcessError, OSError: see `Workers.map`.
    """
    return run_cells(cells_of(task, parameters, folder, fixed), retry=retry, report=report, **workers)


def run_cells(
    cells: Sequence[Cell], *, retry: bool = False, report: Callable[[str], Any] | None = None, **workers
) -> pd.DataFrame:
    """Run the cells of one grid, see `run_grid`."""
    from cocola_lib.models.provenance import origin  # it imports torch, which the workers of a cheap task do without

    crew, grid, say = Workers(**workers), cells[0].grid, report or (lambda line: None)
    with locked(grid / ".lock", f"{grid}: another process is running this grid; wait for it"):
        missing = [cell for cell in cells if cell.rows() is None and (retry or not cell.failure())]
        n_done = len(cells) - len(missing)
        say(f"{len(cells)} cells" + (f", {n_done} of them from before" if n_done else ""))
        try:
            for i, result in crew.map(partial(run_cell, origin=origin()), missing):
                n_done += 1
                outcome = f"failed: {missing[i].fail(result)}" if isinstance(result, Exception) else result
                say(f"{n_done} of {len(cells)}  {missing[i].folder.name}  {outcome}")
        except KeyboardInterrupt:
            say(f"stopped; {n_done} of {len(cells)} cells are done, and the same call goes on with the others")
            raise
        _report_failures([cell for cell in cells if cell.failure()], report or warnings.warn)
        found = table([cell for cell in cells if not cell.failure()])
        write_csv(grid / TABLE, found)
    return found


def cells_of(
    task: Task, parameters: Mapping[str, Sequence], folder: Path | str, fixed: Mapping[str, Any] | None = None
) -> list[Cell]:
    """The cells of a grid, the last parameter changing fastest; arguments and errors as in `run_grid`."""
    lists = {name: _values(name, values) for name, values in parameters.items()}
    same = {name: _same(name, value) for name, value in (fixed or {}).items()}
    if not lists:
        raise ValueError("a grid needs a parameter with a list of values; there is none")
    if twice := sorted(lists.keys() & same.keys()):
        raise ValueError(f"{', '.join(twice)}: a parameter of the grid and fixed as well; leave it in one of them")
    check_task(task, [*lists, *same])
    grid = Path(folder).absolute()
    return [Cell(task, dict(zip(lists, cell, strict=True)), same, grid) for cell in product(*lists.values())]


def check_task(task: Task, names: Sequence[str]) -> None:
    """Refuse a task that other processes cannot import, or that does not take these names."""
    if not inspect.isfunction(task) or "<" in task.__qualname__:
        raise ValueError(f"task is {task!r}; give a function of a module, which other processes can import")
    taken = list(inspect.signature(task).parameters.values())[1:]
    known = {p.name: p.default is p.empty for p in taken if p.kind is not p.VAR_KEYWORD}  # True: it is needed
    unknown = [name for name in names if name not in known]
    if unknown and len(known) == len(taken):
        there = ", ".join(known) or "none"
        raise ValueError(f"{', '.join(unknown)}: not a parameter of {task.__qualname__}; it has {there}")
    if missing := [name for name, needed in known.items() if needed and name not in names]:
        raise ValueError(f"{task.__qualname__} needs {', '.join(missing)} as well; make it a parameter, or fix it")


def _same(name: str, value: Any) -> Any:
    """A fixed value as JSON keeps it: tuples become lists, paths texts."""
    try:
        return json.loads(json.dumps(value, default=os.fspath))
    except (TypeError, ValueError):
        raise ValueError(f"fixed {name} is a {type(value).__name__}; give a plain value, a list or a dict") from None


def _values(name: str, values: Any) -> list:
    """The values of one parameter, plain and each of them once."""
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        raise ValueError(f"parameter {name} is {values!r}; give a list of values, [{values!r}] for a single one")
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    if not plain:
        raise ValueError(f"parameter {name} is an empty list; give it a value, or leave it out")
    for value in plain:
        if value is not None and not isinstance(value, (str, bool, int, float)):
            raise ValueError(f"parameter {name} holds {value!r}, a {type(value).__name__}; give numbers, texts or None")
    texts = [json.dumps(value) for value in plain]
    if again := next((text for text in texts if texts.count(text) > 1), None):
        raise ValueError(f"parameter {name} holds {again} twice; a cell is run once")
    return plain


def run_cell(cell: Cell, origin: dict) -> str:
    """Run one cell in this process, unless it has finished; how that went, in words."""
    os.environ["COCOLA_COMMAND"] = origin["command"]  # for the provenance of what the task itself writes
    lock = cell.grid / f".{cell.folder.name}.lock"
    with locked(lock, "", wait=True):  # a worker that was taken for lost may still be at it
        if cell.rows() is not None:
            return "done before"
        cell.folder.mkdir(parents=True, exist_ok=True)
        (cell.folder / ERROR).unlink(missing_ok=True)
        started = time.monotonic()
        try:
            found = cell.task(cell.folder, **cell.parameters, **cell.fixed)
            cell.finish(found, time.monotonic() - started, origin)
        except (Exception, SystemExit) as error:
            return f"failed: {cell.fail(error)}"
        return f"{time.monotonic() - started:.0f} s"


def table(cells: Sequence[Cell]) -> pd.DataFrame:
    """The rows of finished cells, each with its parameters in the first columns.

    Raises:
        ValueError: none has finished.
    """
    parts = []
    for cell in cells:
        rows = cell.rows()
        known = pd.DataFrame([cell.parameters] * len(rows), columns=list(cell.parameters))
        parts.append(known.join(rows))
    if not parts:
        raise ValueError("no cell of the grid has finished; see error.txt in their folders")
    return pd.concat(parts, ignore_index=True)


def _report_failures(failed: Sequence[Cell], say: Callable[[str], Any]) -> None:
    if failed:
        reasons = "; ".join(f"{cell.folder}: {cell.failure()}" for cell in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        say(f"{len(failed)} cells have failed, to be tried again with retry: {reasons}{more}")
