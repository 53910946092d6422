"""Profiles: how much of the study runs. One table of numbers, in one place.

`smoke` proves that everything executes, `quick` is for a student's laptop, `full` is real data, a GPU and the
paper's settings: encoder, K, start, masks, and (estimated) number of steps.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """The numbers that change between profiles."""

    name: str
    data_size: str  # of the miniatures, when data_root is not given
    recipe: str  # the model that notebook 02 trains, see recipes.RECIPES
    k: int  # K: windows per contrastive batch
    n_steps: int  # optimiser steps
    valid_every: int  # steps between validations
    n_valid_pairs: int  # frozen validation pairs
    n_test_pairs: int  # frozen test pairs per data set (capped by what the tracks hold)
    n_workers: int  # loader processes
    masking: str  # which channel is silenced in training, see settings.MASKINGS
    small_pairs: int  # that each small run of notebook 02 hears
    start: str  # "measured": one that learns within minutes; "paper": raw dB, W from N(0, 0.05)


PROFILES = {
    p.name: p
    for p in (
        #       name     data     recipe          K   steps    valid  n_va  n_te  workers  masks  small  start
        Profile("smoke", "tiny", "hps-all-time", 12, 6, 3, 16, 24, 0, "group", 24, "measured"),
        Profile("quick", "small", "hps-all-time", 48, 72, 18, 128, 128, 0, "group", 480, "measured"),
        Profile("full", "large", "hps-all", 32, 500_000, 5_000, 1024, 2048, 8, "pair", 9600, "paper"),
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
