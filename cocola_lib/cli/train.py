"""`cocola train`: the settings of a run as options.

Nothing heavy is imported here, so that `--help` answers at once: the types are those of `training.settings`.
"""

import inspect
from pathlib import Path
from typing import Annotated, Literal

import typer

PROFILES = "the profile's"
OPTIONS = {  # of a run: field of TrainSettings -> type, value if it is not given, what it is
    "seed": (int, "0", "Of weights, batches, masks, noise and dropout."),
    "k": (int, PROFILES, "Windows per batch, over all devices."),
    "n_steps": (int, PROFILES, "Optimiser steps."),
    "valid_every": (int, PROFILES, "Steps between validations and saved states."),
    "n_valid_pairs": (int, PROFILES, "Validation pairs, at most."),
    "start": (
        Literal["measured", "paper"],
        PROFILES,
        "measured learns within minutes; paper: raw dB, W from N(0, 0.05), no data-dependent start.",
    ),
    "learning_rate": (float, "0.001", "Adam's learning rate."),
    "max_overlap": (float, "0.5", "r: the largest overlap of two windows of one track in a batch."),
    "masking": (Literal["group", "batch", "pair", "none"], PROFILES, "How the channel to silence is drawn."),
    "both_ways": (bool, "rows only", "Compute the loss over rows and columns."),
    "ema": (float, "0, none", "Decay of a moving average of the weights."),
    "patience": (int, "never stops early", "Validations without progress before the run stops."),
    "precision": (Literal["float32", "bfloat16", "float16"], "float32", "bfloat16 and float16 are mixed."),
    "n_workers": (int, PROFILES, "Loader processes per device."),
    "devices": (int, "1", "GPUs per machine."),
    "nodes": (int, "1", "Machines."),
    "logger": (Literal["tensorboard", "wandb"], "none", "Curves beside the CSV."),
}


def _with_options(command):
    """Give a command that takes **settings the options of a run; one that is not given is None."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for name, (kind, default, text) in OPTIONS.items():
        names = ("--both-ways",) if kind is bool else ()  # a switch
        option = Annotated[kind | None, typer.Option(*names, help=text, show_default=default)]
        own.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option))
    command.__signature__ = signature.replace(parameters=own)
    return command


@_with_options
def train(
    recipe: Annotated[
        str, typer.Argument(help="moisesdb, slakh2100, cocochorales, all, hps-all, b0-time, hps-all-time or cola.")
    ] = "hps-all-time",
    profile: Annotated[str, typer.Option(help="How long: smoke, quick or full.")] = "quick",
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made here")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for the model.", show_default="outputs/<profile>/models/<recipe>")
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--fresh", help="Go on with a run that is there, or start it again.", show_default=False),
    ] = None,
    **settings,
):
    """Train a model, as notebook 02 does, and save its checkpoint.

    \b
      cocola train b0-time --profile quick
      cocola train hps-all --profile full --data-root /data/stems
      cocola train hps-all --profile full --data-root /data/stems --resume
      cocola train hps-all --profile full --data-root /data/stems --devices 8 --k 256

    hps-all is the paper's model. Two of ours hear the same features: b0-time taps the paper's backbone where a step is
    80 ms, and hps-all-time has the form of the model that comes with the library.

    The run folder gets checkpoint/ (best validation accuracy), last/, history.csv, and the states that --resume goes
    on from: a run that was killed then ends with the weights of one that was not. What an earlier run left is deleted
    with --fresh only.
    """
    from cocola_lib.files import default_run_dir

    _train(recipe, profile, data_root, run_dir or default_run_dir(profile) / "models" / recipe, resume, settings)


def _train(recipe, profile, data_root, folder, resume, changes):
    from cocola_lib.training import by_name, states

    by_name.plan(recipe, profile, **changes)
    if resume is None and (kept := states.kept(folder)):
        raise ValueError(f"{folder}: holds {kept}: --resume goes on with it, --fresh deletes it and starts again")
    try:
        result = by_name.train(folder, recipe, profile, data_root, resume=bool(resume), **changes)
    except KeyboardInterrupt:
        typer.echo(f"stopped; --resume goes on from the last state in {folder / states.FOLDER}", err=True)
        raise
    if result is None:  # another rank reports
        return
    best = by_name.best(result.history)
    typer.echo(
        f"{result.checkpoint}: validation accuracy {best.accuracy:.1%} at K = {best.k:.0f} "
        f"(chance {1 / best.k:.1%}), step {best.step:.0f} of {result.history['step'].max():.0f}"
    )
