"""Profiles: how much of the study runs. One table of numbers, in one place.

`smoke` proves that everything executes, `quick` is for a student's laptop, `full` is real data, a GPU and the
paper's encoder, K and (estimated) number of steps.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """The numbers that change between profiles."""

    name: str
    data_size: str  # of the miniatures, when data_root is not given
    recipe: str  # the model that notebook 02 trains, see training.RECIPES
    k: int  # K: windows per contrastive batch
    n_steps: int  # optimiser steps
    valid_every: int  # steps between validations
    n_valid_pairs: int  # frozen validation pairs
    n_test_pairs: int  # frozen test pairs per data set (capped by what the tracks hold)
    n_workers: int  # loader processes


PROFILES = {
    p.name: p
    for p in (
        #       name     data     recipe          K   steps    valid  n_va  n_te  workers
        Profile("smoke", "tiny", "hps-all-time", 12, 6, 3, 16, 24, 0),
        Profile("quick", "small", "hps-all-time", 48, 120, 30, 128, 128, 0),
        Profile("full", "large", "hps-all", 32, 500_000, 5_000, 1024, 2048, 8),
    )
}


def get_profile(name: str) -> Profile:
    """Look a profile up by name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if name not in PROFILES:
        raise ValueError(f"profile is {name!r}; use {', '.join(PROFILES)}")
    return PROFILES[name]
