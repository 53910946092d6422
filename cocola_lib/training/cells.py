"""The cells of a grid: a combination of parameters each, in a folder of its own, known by what the folder holds."""

import hashlib
import inspect
import json
import math
import os
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from cocola_lib.files import cached, read_csv, read_json, write_csv, write_json, write_text

CELL, ROWS, ERROR = "cell.json", "rows.csv", "error.txt"
MOST_CELLS = 100_000  # of one grid
NAME_LENGTH = 80  # characters of a cell's folder before its digest
Task = Callable[..., pd.DataFrame | dict]


@dataclass(frozen=True)
class Cell:
    """One combination of parameters.

    Attributes:
        task: see `grids.run_grid`.
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

    @property
    def lock(self) -> Path:
        """A file that is there while a process runs the cell."""
        return self.grid / f".{self.folder.name}.lock"

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

    def begin(self) -> None:
        """Make the folder, or take an earlier failure away."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ERROR).unlink(missing_ok=True)

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


def cells_of(
    task: Task, parameters: Mapping[str, Sequence], folder: Path | str, fixed: Mapping[str, Any] | None = None
) -> list[Cell]:
    """The cells of a grid, the last parameter changing fastest; arguments and errors as in `grids.run_grid`."""
    lists = {name: _values(name, values) for name, values in parameters.items()}
    same = {name: _same(name, value) for name, value in (fixed or {}).items()}
    if not lists:
        raise ValueError("a grid needs a parameter with a list of values; there is none")
    if twice := sorted(lists.keys() & same.keys()):
        raise ValueError(f"{', '.join(twice)}: a parameter of the grid and fixed as well; leave it in one of them")
    check_task(task, [*lists, *same])
    if (n := math.prod(map(len, lists.values()))) > MOST_CELLS:
        raise ValueError(f"{n:,} cells; a grid has {MOST_CELLS:,} at most: give fewer values, or make several grids")
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
