"""The command line: `python -m cocola_lib COMMAND`, also installed as `cocola`. One function per command.

Heavy imports live inside the functions, so that `--help` answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli import accompany as accompany_commands
from cocola_lib.cli import data as data_commands
from cocola_lib.cli import listen as listen_commands
from cocola_lib.cli import train as train_commands
from cocola_lib.files import default_run_dir
from cocola_lib.models.formats import checkpoint_hash

app = typer.Typer(
    name="cocola",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""COCOLA: do these musical stems belong together?

    \b
      cocola run                               execute the notebooks, the whole study
      cocola train hps-all-time                train a model
      cocola score mix.wav bass.wav            score one pair
      cocola rank mix.wav loops/               the loops that fit a mix best
      cocola accompany evaluate outputs/       judge a generator by a folder of its outputs (Table III)
      cocola COMMAND --help                    everything about one command

    Errors are one line on stderr and exit code 2; exit code 1 means that some rows failed.
    """,
)
app.add_typer(data_commands.app, name="data")
app.add_typer(accompany_commands.app, name="accompany")
app.add_typer(listen_commands.app, name="listen")


class Mode(StrEnum):
    """What an embedding hears."""

    both = "both"
    harmonic = "harmonic"
    percussive = "percussive"


class By(StrEnum):
    """What a clip is ranked by."""

    mean = "mean"
    best = "best"


class AnyMode(StrEnum):
    """One mode, or all that the model has."""

    all = "all"
    both = "both"
    harmonic = "harmonic"
    percussive = "percussive"


Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Folder of a model, or a released .ckpt.", show_default="the model that comes with it"),
]
Device = Annotated[str, typer.Option(help="auto (CUDA, MPS, else CPU), cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[int, typer.Option(help="Windows of 5 s per batch; lower it when memory runs out.")]
Hop = Annotated[float, typer.Option(help="Seconds from one window of 5 s to the next.")]


@app.command()
def score(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[CONDITIONING ACCOMPANIMENT]", help="Two audio files.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="CSV with columns conditioning, accompaniment; others are carried through."),
    ] = None,
    conditioning: Annotated[Path | None, typer.Option(help="Folder, matched by file name with")] = None,
    accompaniment: Annotated[Path | None, typer.Option(help="this folder; suffixes may differ.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write .csv or .json instead of printing; needed for resuming.")
    ] = None,
    mode: Annotated[AnyMode, typer.Option(help="What to listen to.")] = AnyMode.all,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    batch_size: BatchSize = 64,
    hop_s: Hop = 2.5,
    fresh: Annotated[bool, typer.Option("--fresh", help="Score again what --out already holds.")] = False,
):
    """Score how well two clips belong together, or many pairs of them.

    \b
      cocola score mix.wav bass.wav
      cocola score --pairs pairs.csv --out scores.csv
      cocola score --conditioning mixes/ --accompaniment basses/ --out scores.json
      torchrun --nproc-per-node 4 -m cocola_lib score --pairs pairs.csv --out scores.csv

    Clips may have any length, rate and number of channels. They are cut into windows of 5 s; the score is the
    mean over the windows in which both sides sound (above -60 dBFS RMS). Higher is more coherent. A pair that
    never sounds together gets nan and the reason.

    With --out, finished rows survive an interruption: run the same command again to go on, or to try failed rows
    once more. Rows that fail are written with their reason, and the exit code is 1. Under torchrun the rows are
    shared out; folders must be visible to all machines.
    """
    from cocola_lib.cli import console, score_files
    from cocola_lib.data import pair_files

    if files and len(files) != 2:
        raise ValueError(f"score: {len(files)} given; expected two files, a conditioning and an accompaniment")
    sources = [bool(files), pairs is not None, conditioning is not None or accompaniment is not None]
    if sum(sources) != 1 or (conditioning is None) != (accompaniment is None):
        raise ValueError("score: give two files, or --pairs, or both --conditioning and --accompaniment")
    if out is not None:
        pair_files.check_out(out, pairs)
    if files:
        rows = [dict(zip(pair_files.PAIR, map(str, files), strict=True))]
    elif pairs is not None:
        rows = pair_files.read_pairs(pairs)
    else:
        rows = pair_files.match_folders(conditioning, accompaniment)
    rank, _ = score_files.ranks(out)
    scorer = _scorer(checkpoint, device, batch_size)
    modes = scorer.modes if mode is AnyMode.all else (mode.value,)
    if files and out is None:
        console.show_score(scorer.score(*map(str, files), hop_s=hop_s, modes=modes), files)
        return
    bar = console.progress_bar("score") if rank == 0 else lambda rows, total: rows
    folder = pairs.parent if pairs else "."
    rows = score_files.score_rows(scorer, rows, out, modes, hop_s, fresh, bar, folder)
    if rows is None:
        return
    if out is None:
        console.show_rows(rows, modes)
    typer.echo(score_files.summary(rows) + (f" -> {out}" if out else ""), err=True)
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(1)


@app.command()
def rank(
    mix: Annotated[Path, typer.Argument(help="Audio file that something is wanted for.")],
    folder: Annotated[Path, typer.Argument(help="Loops or stems to choose from, subfolders included.")],
    top: Annotated[int, typer.Option(min=1, help="How many to list.")] = 10,
    mode: Annotated[Mode, typer.Option(help="What to listen to.")] = Mode.both,
    by: Annotated[By, typer.Option(help="Loops: mean over all places in the mix, or best place.")] = By.mean,
    index: Annotated[
        Path | None, typer.Option(help="Keep the embeddings here; only new and changed files are read again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the list as .csv or .json.")] = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    batch_size: BatchSize = 64,
):
    """List the clips of a folder that fit a mix best.

    \b
      cocola rank mix.wav loops/ --top 5
      cocola rank mix.wav loops/ --index loops.safetensors --out best.csv

    A clip at least half as long as the mix is a stem and starts with it; a shorter one is a loop and is tried at
    every window of the mix. The folder is embedded once; with --index later searches only read the mix. Clips that
    cannot be read are named on stderr and make the exit code 1.
    """
    from cocola_lib.accompaniment import retrieval
    from cocola_lib.cli import console
    from cocola_lib.data import pair_files

    if out is not None:
        pair_files.check_suffix(out)
    scorer = _scorer(checkpoint, device, batch_size)
    known = retrieval.Index.load(index) if index is not None and index.exists() else None
    built = retrieval.build_index(scorer, folder, mode.value, known, console.progress_bar("embed"))
    if index is not None:
        built.save(index)
    found = retrieval.rank(scorer, str(mix), built, top, by.value)
    if out is None:
        console.show_frame(found)
    else:
        pair_files.write_rows(found.to_dict("records"), out)
    for reason in built.failed.values():
        typer.echo(f"left out: {reason}", err=True)
    if built.failed:
        raise typer.Exit(1)


@app.command()
def calibrate(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a model; its config.json is completed.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of a data set, or of several.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Which data set of the folder; or a name.")] = None,
    split: Annotated[str, typer.Option(help="train, valid or test: never the one it was trained on.")] = "valid",
    pairs: Annotated[
        Path | None, typer.Option(help="CSV of true pairs (conditioning, accompaniment) instead of a data set.")
    ] = None,
    n: Annotated[int, typer.Option(min=8, help="Pairs to draw from the data set.")] = 256,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    device: Device = "auto",
    batch_size: BatchSize = 64,
):
    """Teach a checkpoint what its scores mean, on a data set of your choice.

    \b
      cocola calibrate my_model/ --data-root /my/data --dataset CocoChorales
      cocola calibrate my_model/ --pairs true_pairs.csv --dataset "my songs"

    Scores the true pairs, and every anchor with the positives of other songs as random pairs. From then on scores
    of this checkpoint also come as "beats x % of random pairs" and as odds true : random.
    """
    from cocola_lib.cli import console
    from cocola_lib.models import calibration

    if (data_root is None) == (pairs is None):
        raise ValueError("calibrate: give --data-root or --pairs, one of them")
    calibration.check_folder(checkpoint)
    if pairs is not None:
        name, drawn, groups = dataset or pairs.stem, *calibration.pairs_from_table(pairs)
    else:
        name, drawn, groups = calibration.draw_pairs(data_root, dataset, split, n, seed)
    scorer = _scorer(checkpoint, device, batch_size)
    bar = console.progress_bar("embed")
    result = calibration.calibrate(scorer, drawn, name, groups, bar)
    calibration.store(checkpoint, result)
    for mode, entry in result.modes.items():
        typer.echo(
            f"{name}, {mode}: a true pair beats a random one in {entry.auc:.1%} of cases "
            f"({entry.n_true} true, {entry.n_random} random pairs; median {entry.true_quantiles[100]:.2f} "
            f"and {entry.random_quantiles[100]:.2f})"
        )


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A released Lightning .ckpt (or a folder of ours).")],
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
):
    """Convert a released checkpoint to our format: safetensors weights and a JSON config.

    \b
      cocola convert COCOLA_HP_v1.ckpt hp_v1/

    Tensors only are taken from the file; code that its pickle may hold is never run.
    """
    from cocola_lib.models import checkpoints

    model, config = checkpoints.load(source)
    origin = {"converted_from": source.name, "source_hash": checkpoint_hash(source)}
    rest = {key: config.get(key) for key in ("training", "calibration")}
    checkpoints.save(target, model, **rest, provenance=(config.get("provenance") or {}) | origin)
    typer.echo(f"{target}: {model.config.backbone}, features {model.config.features!r}")


@app.command()
def run(
    profile: Annotated[str, typer.Option(help="How much runs: smoke, quick or full.")] = "quick",
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made here")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes.", show_default="outputs/<profile>")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Notebooks by prefix, e.g. --only 00 --only 01.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="A notebook parameter as name=value, repeatable.")
    ] = None,
):
    """Execute the notebooks in order and leave them with their figures, tables and results.

    \b
      cocola run
      cocola run --profile full --data-root /data/stems
      cocola run --only 02 -p k=64 -p recipe=hps-all --run-dir outputs/k64

    Needs a clone of the repository. Each parameter goes to the notebooks that have it.
    """
    from cocola_lib.notebook import study
    from cocola_lib.training.profiles import get_profile

    pairs = [text.split("=", 1) for text in parameter or []]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"--parameter {parameter}: expected name=value")
    size = get_profile(profile)
    folder = run_dir or default_run_dir(profile)
    executed = study.run_notebooks(size, folder, data_root, seed, dict(pairs), only)
    typer.echo(study.summary(folder, executed))


app.command()(train_commands.train)


def _scorer(checkpoint, device, batch_size):
    from cocola_lib.scoring import Scorer

    return Scorer(checkpoint, device, batch_size)
