"""`cocola accompany export|evaluate`: questions for a generator, and Table III of its answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import Checkpoint, Device, Hop

app = typer.Typer(rich_markup_mode=None, help="Accompaniment systems (Table III): export, evaluate.")


@app.callback(invoke_without_command=True)
def accompany(context: typer.Context):
    """Accompaniment systems: questions for a generator, and the table of its answers."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="New folder: conditionings, references, manifest.csv, README.md.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made here")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="How many questions; the paper has 168 and 236.")] = 48,
    chunk_s: Annotated[float, typer.Option(min=5.0, help="Length of a conditioning, s; the paper's is 47.55.")] = 10.0,
    split: Annotated[str, typer.Option(help="train, valid, test, or all.")] = "test",
    system: Annotated[str, typer.Option(help="Name of the system that will answer.")] = "my system",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
):
    """Write questions for a generator, and a manifest.

    The folder holds audio to accompany, and manifest.csv, which names the files that the generator is to write.

    \b
      cocola accompany export questions/ --data-root /my/musdb18hq --n 236 --chunk-s 47.55
      (the generator writes questions/outputs/0000.wav, ...)
      cocola accompany evaluate questions/

    Each question is a random subset of the stems of a window, and one more stem to be played (never vocals or
    "other"). The README.md in the folder says how the systems of the paper produce outputs.
    """
    from cocola_lib.accompaniment import systems
    from cocola_lib.data import miniatures

    found = miniatures.open_tracks(data_root, seed=seed)
    tracks = [track for track in found if split in ("all", track.split)]
    if not tracks:
        there = ", ".join(sorted({track.split for track in found}))
        raise ValueError(
            f"{data_root or 'miniatures'}: no tracks in the split {split!r}; there are {there}: try --split all"
        )
    questions = systems.export(tracks, out, n, chunk_s, seed, system)
    typer.echo(f"{out}: {len(questions)} questions of {chunk_s:g} s from {len({q.track_id for q in questions})} tracks")
    if len(questions) < n:
        typer.echo(f"{n} were asked for; the tracks hold no more windows that overlap by half at most", err=True)
    typer.echo(f"next: write the outputs that {out / systems.MANIFEST} names, then: cocola accompany evaluate {out}")


Folders = Annotated[list[Path], typer.Argument(help="Folders with manifest.csv and audio.")]
Out = Annotated[Path, typer.Option(help="Folder for the table, scores and embeddings.")]


@dataclass
class Measures:
    """What is measured, and of what."""

    baselines: Annotated[
        str, typer.Option(help="Baselines to add, separated by commas, or none; they need references.")
    ] = "Random,Shifted,Stretched,Accompanist,Ground Truth"
    fad: Annotated[
        str, typer.Option(help="Embeddings, by commas: log-mel, COCOLA, CLAP, EnCodec, VGGish; or none.")
    ] = "log-mel,COCOLA,CLAP,EnCodec,VGGish"
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH of an embedder's weights, repeatable; e.g. CLAP=/my/clap")
    ] = None
    download: Annotated[bool, typer.Option("--download", help="Fetch weights that are not in the cache.")] = False
    cut_s: Annotated[
        float | None, typer.Option(help="Cut all clips to this many seconds.", show_default="the shortest clip")
    ] = None
    hop_s: Hop = 2.5
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Leave out rows without an output.")] = False
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0


@app.command()
@options_of(Measures)
def evaluate(
    measures: Measures,
    folders: Folders,
    out: Out = Path("table3"),
    checkpoint: Checkpoint = None,
    device: Device = "auto",
):
    """Make Table III from folders of outputs.

    The table has COCOLA Scores, the control without learning, FAD and APA, with intervals and ranks.

    \b
      cocola accompany evaluate generator_a/ generator_b/ --out table3
      cocola accompany evaluate questions/ --checkpoint COCOLA_HP_v1.ckpt --weights CLAP=/my/larger_clap_music

    It writes table.csv, table.json, ranks.csv, agreement.csv, scores.csv and embeddings/*.npz. Where an embedder's
    weights are missing, its cells are empty and a line says how to get them.
    """
    from cocola_lib.accompaniment.evaluate import Plan, evaluate_folders
    from cocola_lib.cli import console
    from cocola_lib.scoring import Scorer

    m, missing = measures, "drop" if measures.allow_missing else "error"
    names, weights = (_names(m.baselines), _names(m.fad)), _paths(m.weights or [])
    plan = Plan(*names, weights, m.download, m.cut_s, m.hop_s, missing, m.seed)
    progress = console.progress_bar("measure")
    result = evaluate_folders(folders, out, Scorer(checkpoint, device), plan, progress)
    for frame in result.shown:
        console.show_frame(frame)
    written = f"{out}: table.csv, table.json, ranks.csv, agreement.csv, scores.csv"
    typer.echo("\n".join([*result.notes, written]), err=True)


def _paths(weights):
    """NAME=PATH, ... as name -> path."""
    sources = [text.partition("=") for text in weights]
    if bad := next((name for name, equals, path in sources if not (equals and path)), None):
        raise ValueError(f"--weights {bad}: expected NAME=PATH")
    return {name: path for name, _, path in sources}


def _names(text):
    """Names by comma; "none" is none of them."""
    return [] if text.strip().lower() == "none" else [name.strip() for name in text.split(",") if name.strip()]
