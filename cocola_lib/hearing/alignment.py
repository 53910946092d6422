"""Harmonic accuracy and rhythmic alignment of a model: does a pair beat itself in a wrong key, or out of time?

A few doses of `responses`, for models that come in numbers. Used by notebook 08.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from cocola_lib.data.stems import Track
from cocola_lib.hearing import responses
from cocola_lib.hearing.probes import Probe
from cocola_lib.scoring import Scorer

TESTS = {  # what is asked -> kind of pairs, and what is done to them
    "harmony": ("pitched", (("pitch", -1), ("pitch", 1), ("pitch", 6))),
    "rhythm": ("any", (("delay in beats", 0.5), ("stretch", 0.9), ("stretch", 1.1))),
}


def make_sets(tracks: Sequence[Track], n_pairs: int, seed: int = 0) -> dict[str, list[Probe]]:
    """Probes of `responses.make_sets` with the doses of `TESTS` alone."""
    made = responses.make_sets(tracks, n_pairs, seed)
    return {
        kind: [replace(probe, changed={dose: probe.changed[dose] for dose in doses}) for probe in made[kind]]
        for kind, doses in TESTS.values()
    }


def ask(metric: Scorer, sets: dict[str, list[Probe]]) -> pd.DataFrame:
    """In how many comparisons does a pair beat its changed self?

    Returns:
        mode, test (a key of `TESTS`), track, accuracy (0.5 is chance), n_pairs (comparisons).
    """
    answered = responses.respond(metric, sets).dropna(subset=["true", "changed"])
    test_of = {change: test for test, (_, doses) in TESTS.items() for change, _ in doses}
    asked = answered.assign(test=answered["change"].map(test_of), won=answered["true"] > answered["changed"])
    return (
        asked.groupby(["mode", "test", "track"], sort=False)["won"].agg(accuracy="mean", n_pairs="size").reset_index()
    )
