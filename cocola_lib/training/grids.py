"""Grids: one task for every combination of some parameters, each cell in a folder of its own, and one table at the end.

A cell is known by what it contains: its parameters and fixed values, its rows, and what made them. A finished one is
read, and not run again; a failed one keeps what it left and the reason; one whose worker was lost is run again, and its
task finds the folder as it was, from which a training can go on.
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cocola_lib.fast.workers import Workers
from cocola_lib.files import locked, write_csv
from cocola_lib.training.cells import Cell, Task, cells_of

TABLE = "grid.csv"


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
            writes goes into `folder`, the cell's own, where it finds what an attempt that was killed has left. Ctrl-C
            removes the folders of cells that have begun, unless the task has an attribute `resumes` that is True.
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
            with closing(crew.map(partial(run_cell, origin=origin()), missing)) as results:
                for i, result in results:
                    n_done += 1
                    outcome = f"failed: {missing[i].fail(result)}" if isinstance(result, Exception) else result
                    say(f"{n_done} of {len(cells)}  {missing[i].folder.name}  {outcome}")
        except KeyboardInterrupt:
            say(f"stopped; {n_done} of {len(cells)} cells are done, and the same call goes on with the others")
            if crew.scheduler is None:  # workers of others finish the cells that they have begun
                _discard(missing)
            raise
        _report_failures([cell for cell in cells if cell.failure()], report or warnings.warn)
        found = table(cells)
        write_csv(grid / TABLE, found)
    return found


def run_cell(cell: Cell, origin: dict) -> str:
    """Run one cell in this process, unless it has finished; how that went, in words."""
    os.environ["COCOLA_COMMAND"] = origin["command"]  # for the provenance of what the task itself writes
    with locked(cell.lock, "", wait=True):  # a worker that was taken for lost may still be at it
        if cell.rows() is not None:
            return "done before"
        cell.begin()
        started = time.monotonic()
        try:
            found = cell.task(cell.folder, **cell.parameters, **cell.fixed)
            cell.finish(found, time.monotonic() - started, origin)
        except (Exception, SystemExit) as error:
            return f"failed: {cell.fail(error)}"
        return f"{time.monotonic() - started:.0f} s"


def _discard(cells: Sequence[Cell]) -> None:
    """Remove what an interrupted grid has begun, but for tasks that go on from it (their attribute `resumes`)."""
    for cell in cells:
        cell.lock.unlink(missing_ok=True)
        if cell.rows() is None and not cell.failure() and not getattr(cell.task, "resumes", False):
            shutil.rmtree(cell.folder, ignore_errors=True)


def table(cells: Sequence[Cell]) -> pd.DataFrame:
    """The rows of the cells that have not failed, each with its parameters in the first columns.

    Raises:
        ValueError: all have failed.
    """
    parts = []
    for cell in (cell for cell in cells if not cell.failure()):
        rows = cell.rows()
        known = pd.DataFrame([cell.parameters] * len(rows), columns=list(cell.parameters))
        parts.append(known.join(rows))
    if not parts:
        raise ValueError(f"no cell of the grid has finished; of the first: {cells[0].failure()}")
    return pd.concat(parts, ignore_index=True)


def _report_failures(failed: Sequence[Cell], say: Callable[[str], Any]) -> None:
    if failed:
        reasons = "; ".join(f"{cell.folder}: {cell.failure()}" for cell in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        many = "1 cell has" if len(failed) == 1 else f"{len(failed)} cells have"
        say(f"{many} failed, to be tried again with retry: {reasons}{more}")
