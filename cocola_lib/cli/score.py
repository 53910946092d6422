"""`cocola score` and `cocola rank`: how well clips belong together, and which clips of a folder fit a mix best."""

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import Crew, Hop, Model
from cocola_lib.data.names import one_line

SCORE_HELP = """Score how well two clips belong together, or score many pairs of clips.

\b
  cocola score mix.wav bass.wav
  cocola score --pairs pairs.csv --out scores.csv
  cocola score --conditioning mixes/ --accompaniment basses/ --out scores.json
  cocola score --pairs pairs.csv --out scores.csv --backend dask --scheduler tcp://10.0.0.1:8786
  torchrun --nproc-per-node 4 -m cocola_lib score --pairs pairs.csv --out scores.csv

Clips may have any length, sample rate and number of channels. They are cut into windows of 5 s; the score is the
mean over the windows in which both sides sound (above -60 dBFS RMS). A higher score means that the clips are more
coherent. A pair that never sounds together gets nan and the reason.

With --out, finished rows survive an interruption: run the same command again to go on, or to score anew the rows that
failed or whose audio has changed. A row that fails is written with the reason, and the exit code is 1. Under torchrun
the processes share the rows; with --backend, workers do, of this machine or of a Dask cluster. Every machine must be
able to see the folders.
"""

RANK_HELP = """List the clips of a folder that fit a mix best.

\b
  cocola rank mix.wav loops/ --top 5
  cocola rank mix.wav loops/ --index loops.safetensors --out best.csv

A clip that is at least half as long as the mix is taken for a stem, which starts together with the mix. A shorter clip
is taken for a loop and is tried at every window of the mix. A clip is heard every 5 s, where `cocola score` hears it
every 2.5 s, so that the two scores of a long pair differ a little. The folder is embedded once; with --index, later
searches read only the mix. Clips that cannot be read are named on stderr, and the exit code is then 1.
"""


@dataclass
class Sources:
    """Where many pairs come from."""

    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns conditioning and accompaniment; relative paths start here, or beside it."
        ),
    ] = None
    conditioning: Annotated[
        Path | None, typer.Option(help="Folder of conditionings, matched by file name with --accompaniment.")
    ] = None
    accompaniment: Annotated[Path | None, typer.Option(help="Folder of accompaniments; suffixes may differ.")] = None


@options_of(Crew)
@options_of(Model)
@options_of(Sources)
def score(
    sources: Sources,
    model: Model,
    crew: Crew,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[CONDITIONING ACCOMPANIMENT]", help="Two audio files.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a .csv or .json instead of printing; needed for resuming.")
    ] = None,
    mode: Annotated[Literal["all", "both", "harmonic", "percussive"], typer.Option(help="What to listen to.")] = "all",
    hop_s: Hop = 2.5,
    fresh: Annotated[bool, typer.Option("--fresh", help="Score again the rows that --out already holds.")] = False,
):
    """Score one pair of files, a table of pairs, or two folders (see `SCORE_HELP`)."""
    from cocola_lib.cli import console, score_files
    from cocola_lib.cli.score_records import Job
    from cocola_lib.data import pair_files
    from cocola_lib.fast.workers import Workers

    rows, shared = _rows(files, sources), crew.options()
    workers = Workers(**shared) if shared else None
    if out is not None:
        pair_files.check_out(out, sources.pairs)
    rank, _ = score_files.ranks(out)
    scorer = model.open()
    modes = scorer.modes if mode == "all" else (mode,)
    if files and out is None:
        console.show_score(scorer.score(*map(str, files), hop_s=hop_s, modes=modes), files)
        return
    folder = sources.pairs.parent if sources.pairs else Path()
    job = Job(modes, hop_s, out, fresh, folder, workers, astuple(model))
    rows = score_files.score_rows(scorer, rows, job, console.progress_bar("score", shown=rank == 0))
    if rows is not None:  # None: another rank reports
        _report(rows, modes, out)


def _rows(files, sources):
    """The pairs to score, as rows, from whichever of the three sources was given."""
    from cocola_lib.data import pair_files

    if files and len(files) != 2:
        raise ValueError(f"score: {len(files)} given; expected two files, a conditioning and an accompaniment")
    pairs, folders = sources.pairs, (sources.conditioning, sources.accompaniment)
    if bool(files) + (pairs is not None) + any(folders) != 1 or any(folders) != all(folders):
        raise ValueError("score: give two files, or --pairs, or both --conditioning and --accompaniment")
    if files:
        return [dict(zip(pair_files.PAIR, map(str, files), strict=True))]
    return pair_files.read_pairs(pairs) if pairs else pair_files.match_folders(*folders)


def _report(rows, modes, out):
    """Print the rows or where they were written; exit code 1 where some failed."""
    from cocola_lib.cli import console, score_files

    if out is None:
        console.show_rows(rows, modes)
    typer.echo(score_files.summary(rows) + (f" -> {out}" if out else ""), err=True)
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(1)


@options_of(Model)
def rank(
    model: Model,
    mix: Annotated[Path, typer.Argument(help="Audio file that you want a clip for.")],
    folder: Annotated[Path, typer.Argument(help="Loops or stems to choose from, subfolders included.")],
    top: Annotated[int, typer.Option(min=1, help="How many to list.")] = 10,
    mode: Annotated[Literal["both", "harmonic", "percussive"], typer.Option(help="What to listen to.")] = "both",
    by: Annotated[
        Literal["mean", "best"], typer.Option(help="Loops: the mean over all places in the mix, or the best place.")
    ] = "mean",
    index: Annotated[
        Path | None, typer.Option(help="Keep the embeddings here; only new and changed files are read again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the list as .csv or .json.")] = None,
):
    """List the clips of a folder that fit a mix best (see `RANK_HELP`)."""
    from cocola_lib.accompaniment import retrieval
    from cocola_lib.cli import console
    from cocola_lib.data import pair_files
    from cocola_lib.files import check_writable

    pair_files.check_apart(out=out, index=index)
    if out is not None:
        pair_files.check_result(out, ("rank", "name", "score"))
    if index is not None:
        check_writable(index)
    scorer = model.open()
    known = retrieval.Index.load(index) if index is not None and index.exists() else None
    built = retrieval.build_index(scorer, folder, mode, known, console.progress_bar("embed"))
    if index is not None:
        built.save(index)
    found = retrieval.rank(scorer, str(mix), built, top, by)
    if out is None:
        console.show_frame(found)
    else:
        pair_files.write_rows(found.to_dict("records"), out)
        typer.echo(f"{len(found)} of {len(built.names)} clips -> {out}", err=True)
    for reason in built.failed.values():
        typer.echo(one_line(f"left out: {reason}"), err=True)
    if built.failed:
        raise typer.Exit(1)
