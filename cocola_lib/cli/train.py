"""`python -m cocola_lib train`: the settings of a run as options."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.data import miniatures
from cocola_lib.files import default_run_dir
from cocola_lib.models.provenance import provenance


class Masking(StrEnum):
    """Which channel is silenced in training."""

    group = "group"
    batch = "batch"
    pair = "pair"
    none = "none"


class Start(StrEnum):
    """Where a model starts from."""

    measured = "measured"
    paper = "paper"


class Precision(StrEnum):
    """Arithmetic of the training step."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Logger(StrEnum):
    """Where curves go beside the CSV."""

    tensorboard = "tensorboard"
    wandb = "wandb"


FROM_PROFILE = "the profile's"


def train(
    recipe: Annotated[
        str, typer.Argument(help="moisesdb, slakh2100, cocochorales, all, hps-all, hps-all-time or cola.")
    ] = "hps-all-time",
    profile: Annotated[str, typer.Option(help="How long: smoke, quick or full.")] = "quick",
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made here")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Gets the model.", show_default="outputs/<profile>/models/<recipe>")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, batches, masks, noise and dropout.")] = 0,
    k: Annotated[int | None, typer.Option(help="Windows per batch, all devices.", show_default=FROM_PROFILE)] = None,
    n_steps: Annotated[int | None, typer.Option(help="Optimiser steps.", show_default=FROM_PROFILE)] = None,
    valid_every: Annotated[
        int | None, typer.Option(help="Steps between validations and saved states.", show_default=FROM_PROFILE)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam.", show_default="0.001")] = None,
    max_overlap: Annotated[
        float | None, typer.Option(help="r, of two windows of a track in a batch.", show_default="0.5")
    ] = None,
    masking: Annotated[
        Masking | None, typer.Option(help="Which channel is silenced.", show_default=FROM_PROFILE)
    ] = None,
    start: Annotated[
        Start | None, typer.Option(help="One that learns in minutes, or the paper's.", show_default=FROM_PROFILE)
    ] = None,
    both_ways: Annotated[bool, typer.Option("--both-ways", help="Loss over rows and columns.")] = False,
    ema: Annotated[float, typer.Option(help="Decay of a moving average of the weights; 0: none.")] = 0.0,
    patience: Annotated[
        int | None, typer.Option(help="Validations without progress before it stops.", show_default="never stops early")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="bfloat16 and float16 are mixed.")] = Precision.float32,
    n_workers: Annotated[
        int | None, typer.Option(help="Loader processes per device.", show_default=FROM_PROFILE)
    ] = None,
    devices: Annotated[int, typer.Option(help="GPUs per machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    logger: Annotated[Logger | None, typer.Option(help="Curves beside the CSV.", show_default="none")] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--fresh", help="Go on with an unfinished run, or start it again.", show_default=False),
    ] = None,
):
    """Train a model, as notebook 02 does, and leave its checkpoint.

    \b
      cocola train hps-all-time --profile quick
      cocola train hps-all --profile full --data-root /data/stems
      cocola train hps-all --profile full --data-root /data/stems --resume
      cocola train hps-all --profile full --data-root /data/stems --devices 8 --k 256

    The run folder gets checkpoint/ (best validation accuracy), last/, history.csv, and the states that --resume goes
    on from: a run that was killed then ends with the weights of one that was not.
    """
    from cocola_lib.training import recipes, states
    from cocola_lib.training import run as training
    from cocola_lib.training.profiles import get_profile
    from cocola_lib.training.settings import TrainSettings

    size, chosen = get_profile(profile), recipes.get_recipe(recipe)
    own = {"seed": seed, "k": k, "n_steps": n_steps, "valid_every": valid_every, "learning_rate": learning_rate}
    own |= {"max_overlap": max_overlap, "masking": masking and masking.value, "both_ways": both_ways, "ema": ema}
    own |= {"patience": patience, "precision": precision.value, "n_workers": n_workers, "devices": devices}
    settings = TrainSettings.of(size, **own, nodes=nodes, logger=logger and logger.value)
    training.check_logger(settings.logger)
    folder = run_dir or default_run_dir(profile) / "models" / recipe
    if resume is None and (reached := states.unfinished(folder)):
        raise ValueError(f"{folder}: holds an unfinished run (step {reached}): --resume goes on, --fresh starts again")
    tracks = miniatures.open_tracks(data_root, size.data_size, seed)
    origin = provenance(tracks, seed)
    try:
        result = training.train(
            chosen, settings, tracks, folder, origin, resume=bool(resume), start=start.value if start else size.start
        )
    except KeyboardInterrupt:
        typer.echo(f"stopped; --resume goes on from the last state in {folder / states.FOLDER}", err=True)
        raise
    if result is None:  # another rank reports
        return
    best = result.history[result.history["split"] == "valid"].nlargest(1, "accuracy").iloc[0]
    typer.echo(
        f"{result.checkpoint}: validation accuracy {best.accuracy:.1%} at K = {best.k:.0f} "
        f"(chance {1 / best.k:.1%}), step {best.step:.0f} of {result.history['step'].max():.0f}"
    )
