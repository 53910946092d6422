"""Simulated listeners, for when nobody was asked: they show the method of notebook 07 and say nothing about people."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cocola_lib.listening.folder import HIGH, LOW
from cocola_lib.listening.ratings import OPTIONAL, SIMULATED, ListeningTest

SCALE = (0, 4)  # the paper's rating points
ASSUMED = {  # mean opinions, as a share of the scale
    LOW: 0.05,
    "Random": 0.2,
    "Shifted": 0.375,
    "Stretched": 0.375,
    "Ground Truth": 0.85,
    HIGH: 0.9,
}
UNKNOWN = 0.5  # of any other system
UNRATED = "Copy"  # repeats what is accompanied: a check of metrics, and no accompaniment that people are asked about
ITEM_SD, BIAS_SD = 0.4, 0.3  # rating points: how much items differ within a system, and listeners in severity


def assumed(system: str, lowest: float = SCALE[0]) -> float:
    """The mean opinion, in rating points, that invented listeners have of a system."""
    return lowest + (SCALE[1] - SCALE[0]) * ASSUMED.get(system, UNKNOWN)


def simulate(
    stimuli: pd.DataFrame,
    n_listeners: int = 22,
    noise: float = 1.0,
    n_pages: int = 10,
    n_careless: int = 1,
    seed: int = 0,
) -> ListeningTest:
    """Invent listeners **without looking at any score**.

    Each system has an assumed mean (`ASSUMED`), each stimulus is a little better or worse than its system, each
    listener milder or stricter, and every rating scatters. A page holds all systems of one item in random order. The
    first listeners are careless: they answer at random, so that the screening has something to find.

    Args:
        stimuli: system, item, track, one row per stimulus (scores are not read); `UNRATED` is left out.
        n_listeners: how many; noise: standard deviation of a rating, in rating points.
        n_pages: pages per listener, at most the number of items; n_careless: listeners who answer at random.

    Returns:
        A `ListeningTest` without metrics, on the paper's scale of 0 to 4.

    Raises:
        ValueError: fewer than two listeners, or more careless ones than listeners.
    """
    if n_listeners < 2 or not 0 <= n_careless <= n_listeners:
        found = f"{n_listeners} listeners, {n_careless} of them careless"
        raise ValueError(f"{found}: two or more listeners are needed, of whom some may be careless")
    rng = np.random.default_rng(seed)
    stimuli = stimuli.loc[stimuli["system"] != UNRATED, ["system", "item", "track"]]
    stimuli = stimuli.drop_duplicates().astype(str).reset_index(drop=True)
    quality = stimuli["system"].map(assumed) + ITEM_SD * rng.standard_normal(len(stimuli))
    items = [page for _, page in stimuli.assign(quality=quality).groupby("item", sort=False)]
    rated = []
    for i, hand in enumerate(_hands(len(items), n_listeners, n_pages, rng)):
        pages = _rate([items[k] for k in hand], None if i < n_careless else noise, rng)
        rated.append(pages.assign(listener=f"{SIMULATED}{i:02d}"))
    ratings = pd.concat(rated, ignore_index=True).assign(scale_min=SCALE[0], scale_max=SCALE[1])
    ratings = ratings.assign(**{name: value for name, value in OPTIONAL.items() if name not in ratings})
    return ListeningTest(ratings, None, "SIMULATED ratings, no people", simulated=True)


def _hands(n_items: int, n_listeners: int, n_pages: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """The items of each listener, dealt from shuffled decks so that all items are rated about equally often."""
    queue = np.concatenate([rng.permutation(n_items) for _ in range(n_listeners * n_pages // n_items + 2)]).tolist()
    for _ in range(n_listeners):
        hand = list(dict.fromkeys(queue))[:n_pages]  # the next items that this listener has not had
        for item in hand:
            queue.remove(item)
        yield hand


def _rate(pages: list[pd.DataFrame], noise: float | None, rng: np.random.Generator) -> pd.DataFrame:
    """The ratings that one listener gives to some pages; at random where the noise is None."""
    bias, rated = BIAS_SD * rng.standard_normal(), []
    for number, page in enumerate(pages):
        page = page.sample(frac=1, random_state=rng)
        if noise is None:
            rating = rng.integers(SCALE[0], SCALE[1] + 1, len(page)).astype(float)
        else:
            opinion = page["quality"] + bias + noise * rng.standard_normal(len(page))
            rating = np.clip(np.round(opinion), *SCALE)
        rated.append(page.assign(page=str(number), rating=rating, position=range(len(page))))
    return pd.concat(rated).drop(columns="quality")
