"""`cocola calibrate`, `convert` and `export`: what scores mean, released files in our format, and models as ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import BatchSize, Checkpoint, Device

CALIBRATE_HELP = """Measure what the scores of a checkpoint mean, on a data set of your choice.

\b
  cocola calibrate my_model/
  cocola calibrate my_model/ --data-root /my/data --dataset CocoChorales
  cocola calibrate my_model/ --pairs true_pairs.csv --dataset "my songs"

It scores the true pairs and, as random pairs, every anchor with the positives of other songs. From then on, the scores
of this checkpoint also come as "beats x % of random pairs" and as the odds of a true pair against a random one.
"""

CONVERT_HELP = """Convert a released checkpoint to our format: weights as safetensors and a JSON config.

\b
  cocola convert COCOLA_HP_v1.ckpt hp_v1/

Only tensors are taken from the file; code that its pickle may hold is never run.
"""

EXPORT_HELP = """Write a model as ONNX, for plug-ins and other programs without Python.

\b
  cocola export --onnx model.onnx/ --checkpoint hps-all-time
  cocola export --onnx my_model.onnx/ --checkpoint my_model/

The folder gets encoder.onnx (5 s of 16 kHz samples to embeddings, features included), similarity.onnx (Eq. 2) and
onnx.json (modes, calibration). The graphs are compared with the model before they are kept.
"""


@dataclass
class Drawn:
    """Which pairs of a data set."""

    dataset: Annotated[
        str | None, typer.Option(help="Which data set of the folder; with --pairs, a name for them.")
    ] = None
    split: Annotated[str, typer.Option(help="train, valid, test or all: tracks that the model was not trained on.")] = (
        "valid"
    )
    n: Annotated[int, typer.Option(min=8, help="How many pairs to draw from the data set.")] = 256
    seed: Annotated[int, typer.Option(min=0, help="Seed of that draw.")] = 0


@options_of(Drawn)
def calibrate(
    drawn: Drawn,
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a model; its config.json gets the calibration.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of one data set or of several.", show_default="miniatures, made here")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV of true pairs (conditioning, accompaniment) instead of a data set.")
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 64,
):
    """Calibrate a checkpoint (see `CALIBRATE_HELP`)."""
    from cocola_lib.cli import console
    from cocola_lib.models import calibration, true_pairs
    from cocola_lib.scoring import Scorer

    if data_root is not None and pairs is not None:
        raise ValueError("calibrate: give --data-root or --pairs, one of them")
    calibration.check_folder(checkpoint)
    if pairs is not None:
        name, chosen, groups = drawn.dataset or pairs.stem, *true_pairs.pairs_from_table(pairs)
    else:
        name, chosen, groups = true_pairs.draw_pairs(data_root, drawn.dataset, drawn.split, drawn.n, drawn.seed)
    scorer = Scorer(checkpoint, device, batch_size)
    result = calibration.calibrate(scorer, chosen, name, groups, console.progress_bar("embed"))
    calibration.store(checkpoint, result)
    for mode, entry in result.modes.items():
        typer.echo(f"{name}, {mode}: {entry}")


def convert(
    source: Annotated[Path, typer.Argument(help="A released Lightning .ckpt, or a folder in our format.")],
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace a checkpoint without asking.")] = False,
):
    """Convert a checkpoint (see `CONVERT_HELP`)."""
    from cocola_lib.cli import console
    from cocola_lib.models import checkpoints
    from cocola_lib.models.describe import describe
    from cocola_lib.models.formats import CONFIG, checkpoint_hash

    model, config = checkpoints.load(source)
    if (target / CONFIG).exists() and not yes and not console.agreed(f"{target} holds a checkpoint. Replace it?"):
        raise ValueError(f"{target}: holds a checkpoint, which is kept; answer y, give --yes, or choose another folder")
    origin = {"converted_from": source.name, "source_hash": checkpoint_hash(source)}
    rest = {key: config.get(key) for key in ("training", "calibration")}
    checkpoints.save(target, model, **rest, provenance=(config.get("provenance") or {}) | origin)
    typer.echo(f"{target}: {describe(target)['kind']}")


def export(
    onnx: Annotated[Path, typer.Option(help="Folder to write.")],
    checkpoint: Checkpoint = None,
):
    """Write a model as ONNX (see `EXPORT_HELP`)."""
    from cocola_lib.models import graphs
    from cocola_lib.scoring import BUNDLED

    difference = graphs.export(checkpoint or BUNDLED, onnx)
    typer.echo(f"{onnx}: {graphs.ENCODER}, {graphs.SIMILARITY}, {graphs.ABOUT}; embeddings within {difference:.1g}")
