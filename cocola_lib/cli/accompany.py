"""`cocola accompany export|evaluate`: questions for a generator, and Table III of its answers."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import Checkpoint, Device
from cocola_lib.data.names import one_line

app = typer.Typer(rich_markup_mode=None, help="Accompaniment systems (Table III): export, evaluate.")


@app.callback(invoke_without_command=True)
def accompany(context: typer.Context):
    """Accompaniment systems: questions for a generator, and the table of its answers."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


Protocol = Annotated[
    str, typer.Option(help="Whose constants: ours, paper, streamgen, apa or multitrack; options go before them.")
]
Describe = Annotated[bool, typer.Option("--describe", help="Print the protocol's constants as a table.")]


@dataclass
class Asked:
    """What a generator is asked; what is not given is the protocol's."""

    n: Annotated[
        int | None, typer.Option(min=1, help="How many questions.", show_default="the protocol's; ours is 48")
    ] = None
    chunk_s: Annotated[
        float | None,
        typer.Option(min=5.0, max=3600, help="Length of a conditioning, s.", show_default="the protocol's; 10"),
    ] = None
    split: Annotated[
        str | None, typer.Option(help="train, valid, test, some of them by commas, or all.", show_default="test")
    ] = None
    system: Annotated[str, typer.Option(help="Name of the system that will answer.")] = "my system"
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw.", show_default="the protocol's; 0")] = None
    protocol: Protocol = "ours"
    describe: Describe = False

    def constants(self):
        """The protocol, with what is given in place of its own."""
        from cocola_lib.accompaniment.protocols import get_protocol

        given = {name: getattr(self, name) for name in ("n", "chunk_s", "split", "seed")}
        return replace(get_protocol(self.protocol), **{name: x for name, x in given.items() if x is not None})


@app.command()
@options_of(Asked)
def export(
    asked: Asked,
    out: Annotated[
        Path | None, typer.Argument(help="New folder: conditionings, references, manifest.csv, README.md.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made here")
    ] = None,
):
    """Write questions for a generator, and a manifest.

    The folder holds audio to accompany, and manifest.csv, which names the files that the generator is to write.

    \b
      cocola accompany export questions/ --data-root /my/musdb18hq --n 236 --chunk-s 47.55
      (the generator writes questions/outputs/0000.wav, ...)
      cocola accompany evaluate questions/

    Each question is a random subset of the stems of a window, and one more stem to be played (never vocals or
    "other"); a protocol may say otherwise. The README.md in the folder says how the systems of the paper produce
    outputs.
    """
    constants = asked.constants()
    if asked.describe:
        _describe(constants)
    elif out is None:
        raise ValueError("OUT: name a new folder for the questions, or give --describe")
    else:
        _export(constants, out, data_root, asked.system)


def _export(asked, out, data_root, system):
    """Draw and write the questions, and say what to do next."""
    from cocola_lib.accompaniment import systems
    from cocola_lib.data import miniatures

    found = miniatures.open_tracks(data_root, seed=asked.seed)
    tracks = [track for track in found if asked.split == "all" or track.split in _names(asked.split)]
    if not tracks:
        there = ", ".join(sorted({track.split for track in found}))
        raise ValueError(
            f"{data_root or 'miniatures'}: no tracks in the split {asked.split!r}; there are {there}: try --split all"
        )
    questions = systems.export(tracks, out, asked.n, asked.chunk_s, asked.seed, system, asked.exclude, asked)
    sources = len({question.track_id for question in questions})
    typer.echo(f"{out}: {len(questions)} questions of {asked.chunk_s:g} s from {sources} tracks")
    if len(questions) < asked.n:
        typer.echo(f"{asked.n} were asked for; the tracks hold no more windows that overlap by half at most", err=True)
    typer.echo(f"next: write the outputs that {out / systems.MANIFEST} names, then: cocola accompany evaluate {out}")


def _describe(protocol):
    """Print a protocol's constants."""
    from cocola_lib.accompaniment import protocols
    from cocola_lib.cli import console

    console.show_frame(protocols.describe(protocol))


Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders with manifest.csv, of stream-music-gen, or SYSTEM/EXAMPLE/{context,output}.flac."),
]
Out = Annotated[Path, typer.Option(help="Folder for the table, scores and embeddings.")]


@dataclass
class Measures:
    """What is measured, and of what."""

    baselines: Annotated[
        str, typer.Option(help="Baselines to add, separated by commas, or none; they need references.")
    ] = "Random,Copy,Shifted,Stretched,Accompanist,Ground Truth"
    fad: Annotated[
        str | None,
        typer.Option(
            help="Embeddings, by commas: log-mel, COCOLA, CLAP, larger_clap_music, EnCodec, VGGish; or none.",
            show_default="the protocol's; all but larger_clap_music",
        ),
    ] = None
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH of the weights of an embedder or of beat-this, repeatable; e.g. CLAP=/my/clap.pt"),
    ] = None
    download: Annotated[bool, typer.Option("--download", help="Fetch weights that are not in the cache.")] = False
    tracker: Annotated[
        str, typer.Option(help="Beats of Beat F1: beat-this, librosa, or auto, which is the first one that is here.")
    ] = "auto"
    against: Annotated[
        str | None, typer.Option(help="Compare all systems with this one, question by question, corrected by Holm.")
    ] = None
    beside: Annotated[
        list[str] | None, typer.Option(help="Another checkpoint, COCOLA's or PHALAR's, as more columns; repeatable.")
    ] = None
    cut_s: Annotated[
        float | None, typer.Option(help="Cut all clips to this many seconds.", show_default="the protocol's; shortest")
    ] = None
    hop_s: Annotated[
        float | None,
        typer.Option(help="Seconds from one window of 5 s to the next.", show_default="the protocol's; 2.5"),
    ] = None
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Leave out rows without an output.")] = False
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of intervals and Random.", show_default="the protocol's; 0")
    ] = None
    protocol: Protocol = "ours"
    describe: Describe = False

    def plan(self):
        """The plan of the protocol, with what is given in place of its own."""
        from cocola_lib.accompaniment.evaluate import Plan

        return Plan.of(
            self.protocol,
            baselines=_names(self.baselines),
            embedders=None if self.fad is None else _names(self.fad),
            weights=_paths(self.weights or []),
            missing="drop" if self.allow_missing else "error",
            beside=self.beside or (),
            **{name: getattr(self, name) for name in ("download", "cut_s", "hop_s", "seed", "tracker", "against")},
        )


@app.command()
@options_of(Measures)
def evaluate(
    measures: Measures,
    folders: Folders = None,
    out: Out = Path("table3"),
    checkpoint: Checkpoint = None,
    device: Device = "auto",
):
    """Make Table III from folders of outputs.

    The table has COCOLA Scores, the control without learning, Beat F1, key and chord agreement, FAD, KAD, density and
    coverage of mixes and stems, and APA, with intervals and ranks; and counts of answers that are nearly silent, or
    repeat what the system heard. --describe prints the protocol's constants, and a paragraph of methods.

    \b
      cocola accompany evaluate generator_a/ generator_b/ --out table3
      cocola accompany evaluate questions/ --beside PHALAR_best.ckpt --weights CLAP=/my/clap.pt
      cocola accompany evaluate predictions/ --protocol streamgen --against "my baseline"

    It writes table.csv, table.json, ranks.csv, agreement.csv, scores.csv, checks.csv, by_class.csv, methods.txt,
    embeddings/*.npz and, with --against, paired.csv; a pipe gets table.csv. Missing weights: empty cells and a line.
    """
    from cocola_lib.accompaniment.evaluate import evaluate_folders
    from cocola_lib.accompaniment.protocols import get_protocol
    from cocola_lib.cli import console
    from cocola_lib.scoring import Scorer

    if measures.describe:
        _describe(get_protocol(measures.protocol))
    if not folders:
        if measures.describe:
            return
        raise ValueError("FOLDERS: name one or more folders of outputs; cocola accompany export makes questions")
    scorer, bar = Scorer(checkpoint, device), console.progress_bar("measure")
    result = evaluate_folders(folders, out, scorer, measures.plan(), bar)
    for frame in result.shown if sys.stdout.isatty() else [result.table]:
        console.show_frame(frame)
    if measures.describe:
        typer.echo(result.methods)
    for line in (*result.notes, f"{out}: table.csv and what it is made of; methods.txt"):
        typer.echo(one_line(line), err=True)


def _paths(weights):
    """NAME=PATH, ... as name -> path."""
    sources = [text.partition("=") for text in weights]
    if bad := next((name for name, equals, path in sources if not (equals and path)), None):
        raise ValueError(f"--weights {bad}: expected NAME=PATH")
    return {name: path for name, _, path in sources}


def _names(text):
    """Names by comma; "none" is none of them."""
    return [] if text.strip().lower() == "none" else [name.strip() for name in text.split(",") if name.strip()]
