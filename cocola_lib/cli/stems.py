"""`cocola score-stems` and `cocola matrix`: stems against the rest of their song, and clips all against all."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import Hop, Model

STEMS_HELP = """Score each stem of a song against the sum of the others.

\b
  cocola score-stems my_song/ --curves curves.csv
  cocola score-stems my_songs/ --out stems.csv

FOLDER holds one song as stems, or several songs, or is a data set. A row per stem gives its score, the 95 % interval
and, where there is a next song, Random: the same stem with that song. The curves say where in the song a stem falls
out of it, and are drawn beside the table that --curves writes.
"""
MATRIX_HELP = """Score all clips of one folder against all clips of another, in both directions.

\b
  cocola matrix vocals/ instrumentals/ --out matrix.csv
  cocola matrix loops/ loops/ --symmetric

The table has a row per pair: a_to_b, with the clip of A as conditioning, b_to_a, and their mean, both_ways. With --out
a heat map is drawn beside it.
"""

Mode = Annotated[Literal["all", "both", "harmonic", "percussive"], typer.Option(help="What to listen to.")]
Out = Annotated[Path | None, typer.Option(help="Write the table as .csv or .json instead of printing it.")]


@options_of(Model)
def score_stems(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="A song as stems, or several songs.")],
    out: Out = None,
    curves: Annotated[Path | None, typer.Option(help="Write the scores of every window as .csv or .json.")] = None,
    mode: Mode = "all",
    hop_s: Hop = 2.5,
):
    """Score each stem against the others (see `STEMS_HELP`)."""
    from cocola_lib.accompaniment import stem_scores
    from cocola_lib.cli import console
    from cocola_lib.data.pair_files import check_apart, check_result
    from cocola_lib.data.tracks import load_tracks

    check_apart(out=out, curves=curves)
    if out is not None:
        check_result(out, ("track", "stem", "stem_class"))
    if curves is not None:
        check_result(curves, ("track", "stem", "start_s"), figure=True)
    tracks, scorer = load_tracks(folder), model.open()
    chosen = None if mode == "all" else mode
    rows, by_window = stem_scores.score_stems(scorer, tracks, hop_s, chosen, console.progress_bar("score"))
    _show(rows, out)
    if curves is not None:
        _show(by_window, curves)
        _draw("save_curves", by_window, chosen or scorer.modes[0], curves.with_suffix(".png"))
    if len(tracks) < 2:
        typer.echo(f"{folder}: one song, so there is no Random; a folder of several songs has it", err=True)


@options_of(Model)
def matrix(
    model: Model,
    a: Annotated[Path, typer.Argument(help="Folder of clips.")],
    b: Annotated[Path, typer.Argument(help="Another folder of clips, or the same.")],
    out: Out = None,
    symmetric: Annotated[bool, typer.Option("--symmetric", help="The mean of both directions only.")] = False,
    mode: Annotated[Literal["both", "harmonic", "percussive"], typer.Option(help="What to listen to.")] = "both",
    hop_s: Hop = 2.5,
):
    """Score all against all (see `MATRIX_HELP`)."""
    from cocola_lib.accompaniment.stem_scores import all_against_all
    from cocola_lib.data.pair_files import audio_files, check_result

    if out is not None:
        check_result(out, ("a", "b", "mode"), figure=True)
    sides = [[str(folder / name) for name in audio_files(folder)] for folder in (a, b)]
    table = all_against_all(model.open(), *sides, mode, hop_s)
    directions = ["both_ways"] if symmetric else ["a_to_b", "b_to_a"]
    shown = directions if symmetric else [*directions, "both_ways"]
    _show(table[["a", "b", "mode", *shown]], out)
    if out is not None:
        _draw("save_heat_map", table, directions, out.with_suffix(".png"))


def _show(frame, out):
    """Print a table, or write it and say where."""
    from cocola_lib.cli import console
    from cocola_lib.data.pair_files import write_rows

    if out is None:
        console.show_frame(frame)
        return
    write_rows(frame.to_dict("records"), out)
    _say(out)


def _draw(figure, *arguments):
    """Save a figure of `plots.matrix` where a light install can."""
    from cocola_lib.extras import ExtraMissing

    try:
        from cocola_lib.notebook.plots import matrix
    except ExtraMissing as missing:
        typer.echo(f"no figure: {missing}", err=True)
    else:
        _say(getattr(matrix, figure)(*arguments))


def _say(path):
    typer.echo(f"-> {path}", err=True)
