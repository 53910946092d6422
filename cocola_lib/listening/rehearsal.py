"""A rehearsal: invented listeners take the test, through the same store and the same checks as people.

It shows that the design is balanced and that the analysis runs, before anyone is asked. It says nothing about people.
"""

import numpy as np

from cocola_lib.listening.folder import ATTENTION, Study
from cocola_lib.listening.ratings import SIMULATED
from cocola_lib.listening.simulated import assumed
from cocola_lib.listening.store import Store


def rehearse(store: Store, n_listeners: int, seed: int, n_careless: int = 0) -> None:
    """Let invented listeners take the whole test. None of them hears anything: their opinions are `simulated.assumed`.

    Args:
        store: of answers of its own, never one that people use.
        n_listeners: called "simulated 01" and so on; those that are there already are left alone.
        seed: of their opinions.
        n_careless: the last so many rate at random, beeps included.
    """
    for i in range(n_listeners):
        name, rng = f"{SIMULATED}{i + 1:02d}", np.random.default_rng([seed, 9, i])
        if store.find(name):
            continue
        store.join(name)
        _answer(store, name, rng, careless=i >= n_listeners - n_careless)
        store.finish(name)


def _answer(store: Store, name: str, rng: np.random.Generator, careless: bool) -> None:
    lowest, top = store.study.scale[0][0], store.study.scale[-1][0]
    mildness = rng.normal(0, 0.3)  # rating points
    for clip in (clip for page in store.pages(name) for clip in page):
        row = store.study.by_id[clip]
        if careless:
            rating = int(rng.integers(lowest, top + 1))
        elif row["system"] == ATTENTION:
            rating = int(row["expected"])
        else:
            opinion = assumed(row["system"], lowest) + mildness + rng.normal(0, 0.8)
            rating = int(np.clip(round(opinion), lowest, top))
        store.listen(name, clip, store.study.settings.seconds, store.study.settings.seconds)
        store.rate(name, clip, rating)


def assumptions(study: Study) -> str:
    """The assumptions in one sentence, for captions."""
    lowest = study.scale[0][0]
    return "assumed mean ratings: " + ", ".join(f"{name} {assumed(name, lowest):.1f}" for name in study.systems)
