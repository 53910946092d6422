"""What the command line prints: tables of scores on a terminal, plain CSV in a pipe."""

import math
import sys

from cocola_lib.data.names import one_line
from cocola_lib.data.pair_files import csv_of_rows
from cocola_lib.data.progress import bar
from cocola_lib.features import MODES
from cocola_lib.files import csv_of

HEADINGS = {"percentile": "beats random (%)"}  # columns that have another name on a terminal


def show_score(score, names):
    """Print one `Score` as a table, a row per mode."""
    print(*map(one_line, names), sep="\n")
    table = _table()
    calibrated = bool(score.odds)
    for name in ("mode", "score", "95 % interval", *(("beats random", "odds true : random") * calibrated)):
        table.add_column(name, justify="left" if name == "mode" else "right")
    for mode in score.curves:
        low, high = score.intervals[mode]
        cells = [mode, _number(getattr(score, mode)), "" if math.isnan(low) else f"{low:.3f} to {high:.3f}"]
        if calibrated:
            known = score.calibration.modes.get(mode)
            said = known and known.odds_in_words(getattr(score, mode))
            cells += [_percent(score.percentiles[mode]), said] if known else ["", ""]
        table.add_row(*cells)
    _console().print(table)
    n = len(score.starts_s)
    scored = f"{n - score.n_silent} of {n} windows of 5 s scored, {score.n_silent} silent on either side"
    print(f"{scored}{'; a clip is shorter than a window: zero padded' if score.padded else ''}.")
    if score.reason:
        print(f"No score: {score.reason}.")
    elif calibrated:
        print(f"Beats random: the share of random pairs that score less, measured on {score.calibration.dataset}.")
    else:
        print("Raw scores compare within one checkpoint only; `calibrate` gives them a meaning.")


def show_rows(rows, modes):
    """Print rows of `score_rows`: a table on a terminal, CSV in a pipe."""
    if not sys.stdout.isatty():
        sys.stdout.write(csv_of_rows(rows))
        return
    table = _table()
    for name in ("conditioning", "accompaniment", *modes, "beats random", "windows", "note"):
        table.add_column(name, justify="right" if name in (*MODES, "windows", "beats random") else "left")
    for row in rows:
        percentile = row.get(f"{modes[0]}_percentile", "")
        scored = "" if row["status"] == "failed" else f"{int(row['n_windows']) - int(row['n_silent'])}"
        table.add_row(
            *(_tail(row[name]) for name in ("conditioning", "accompaniment")),
            *(_number(row.get(mode, "")) for mode in modes),
            _percent(percentile),
            scored,
            one_line(row["reason"]),
        )
    _console().print(table)


def show_frame(frame):
    """Print a data frame: a table on a terminal, CSV in a pipe."""
    if not sys.stdout.isatty():
        sys.stdout.write(csv_of(frame))
        return
    table = _table()
    for name in frame.columns:
        numeric = frame[name].dtype.kind in "if"
        table.add_column(HEADINGS.get(name, name.replace("_", " ")), justify="right" if numeric else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(_number(cell) if isinstance(cell, float) else one_line(cell) for cell in row))
    _console().print(table)


def progress_bar(what, shown=True):
    """A function for `progress=` of the library: a bar on stderr where that is a terminal."""
    return lambda rows, total=None: bar(rows, what, total, shown, unit="", leave=False)


def _console():
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)  # names are not markup


def _table():
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD)


def _number(value):
    return "" if value in ("", None) else f"{float(value):.3f}"


def _percent(value):
    return "" if value in ("", None) or math.isnan(float(value)) else f"{float(value):.1f} %"


def _tail(path, width=40):
    """The end of a long path, where file names differ."""
    path = one_line(path)
    return path if len(path) <= width else f"...{path[3 - width :]}"


def agreed(question="Go on?"):
    """Ask; no answer (a script, a closed terminal) is no."""
    import typer

    try:
        return typer.confirm(question, err=True)
    except (typer.Abort, EOFError):
        typer.echo(err=True)
        return False
