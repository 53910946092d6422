"""A training by the name of its recipe and its profile: what `cocola train` does, and a cell of a grid of trainings."""

import warnings
from dataclasses import fields
from pathlib import Path

import pandas as pd

from cocola_lib.data import miniatures
from cocola_lib.training import run, states
from cocola_lib.training.fitting import fitted
from cocola_lib.training.profiles import Profile, get_profile
from cocola_lib.training.recipes import Recipe, get_recipe
from cocola_lib.training.settings import TrainSettings

PATHS = ("data_root",)  # what a path is among the parameters of a cell


def plan(recipe: str, profile: str, **changes) -> tuple[Recipe, Profile, TrainSettings]:
    """What a training would be.

    Args:
        recipe, profile: names.
        changes: settings that differ from the profile's, see `TrainSettings`; None keeps the profile's.

    Raises:
        ValueError: one line: an unknown name, a value that cannot be, or a logger that is not installed.
    """
    known = [field.name for field in fields(TrainSettings)]
    if unknown := [name for name in changes if name not in known]:
        raise ValueError(f"{', '.join(unknown)}: not a setting of a training; there are {', '.join(known)}")
    chosen, size = get_recipe(recipe), get_profile(profile)
    try:
        settings = size.settings(**changes)
    except TypeError as error:
        given = ", ".join(f"{name} {value!r}" for name, value in changes.items())
        raise ValueError(f"{given}: a setting has a value of the wrong kind ({error})") from None
    run.check_logger(settings.logger)
    return chosen, size, settings


def train(
    run_dir: Path,
    recipe: str,
    profile: str,
    data_root: Path | str | None = None,
    resume: bool = False,
    progress: bool = True,
    **changes,
) -> run.TrainResult | None:
    """Train; names and settings are those of `plan`, the others, the result and errors those of `run.train`."""
    chosen, size, settings = plan(recipe, profile, **changes)
    tracks = miniatures.open_tracks(data_root, size.data_size, settings.seed)
    if changes.get("k") is None:  # one that was asked for is refused where the tracks cannot fill it
        settings, smaller = fitted(chosen, settings, tracks)
        if smaller:
            warnings.warn(smaller, stacklevel=2)
    return run.train(chosen, settings, tracks, run_dir, resume=resume, progress=progress)


def best(history: pd.DataFrame) -> pd.Series:
    """The validation with the best accuracy, a row of a run's history."""
    return history[history["split"] == "valid"].nlargest(1, "accuracy").iloc[0]


def train_cell(
    folder: Path, recipe: str, profile: str = "quick", data_root: str | None = None, **changes
) -> dict[str, float]:
    """A training as a task of `grids.run_grid`; one that was interrupted goes on from its last saved state.

    Returns:
        The best validation of the checkpoint that is kept (its candidates are `valid_k`), steps, and minutes.
    """
    history = train(
        folder, recipe, profile, data_root, resume=bool(states.kept(folder)), progress=False, **changes
    ).history
    row = best(history)
    found = {f"valid_{name}": row[name] for name in ("accuracy", "low", "high", "loss", "k")}
    return found | {"best_step": row["step"], "last_step": history["step"].max(), "minutes": history["minutes"].max()}


train_cell.resumes = True


def check_cell(
    recipe: str, profile: str = "quick", data_root: str | None = None, **changes
) -> tuple[str | None, str, int]:
    """Refuse a cell that could not run, as `plan` does; the arguments of `miniatures.open_tracks` that it will give."""
    _, size, settings = plan(recipe, profile, **changes)
    return data_root, size.data_size, settings.seed
