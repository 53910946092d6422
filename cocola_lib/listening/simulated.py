"""Simulated listeners, for when nobody was asked: they show the method of notebook 05 and say nothing about people."""

import numpy as np
import pandas as pd

from cocola_lib.listening.ratings import OPTIONAL, SIMULATED, ListeningTest

SCALE = (0, 4)  # the paper's rating points
ASSUMED = {  # assumed mean opinions; any other system gets UNKNOWN, in between
    "Random": 0.8,
    "Shifted": 1.5,
    "Stretched": 1.5,
    "Shifted back": 2.8,
    "Ground Truth": 3.4,
}
UNKNOWN = 2.0
ITEM_SD, BIAS_SD = 0.4, 0.3  # rating points: how much items differ within a system, and listeners in severity


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
    listener milder or stricter, and every rating scatters. A page holds all systems of one item in random order; every
    listener rates `n_pages` pages, drawn so that all items are rated about equally often. The first listeners are
    careless: they answer at random, so that the screening has something to find.

    Args:
        stimuli: system, item, track, one row per stimulus (scores are not read).
        n_listeners: how many; noise: standard deviation of a rating, in rating points.
        n_pages: pages per listener, at most the number of items; n_careless: listeners who answer at random.

    Returns:
        A `ListeningTest` without metrics, on the paper's scale of 0 to 4.

    Raises:
        ValueError: fewer than two listeners, or more careless ones than listeners.
    """
    if n_listeners < 2 or not 0 <= n_careless <= n_listeners:
        raise ValueError(
            f"{n_listeners} listeners, {n_careless} of them careless: two or more listeners are needed, of whom some"
            " may be careless"
        )
    rng = np.random.default_rng(seed)
    stimuli = stimuli[["system", "item", "track"]].drop_duplicates().astype(str).reset_index(drop=True)
    quality = stimuli["system"].map(ASSUMED).fillna(UNKNOWN) + ITEM_SD * rng.standard_normal(len(stimuli))
    pages = stimuli.assign(quality=quality).groupby("item", sort=False)
    items = list(pages.groups)
    queue = np.concatenate([rng.permutation(len(items)) for _ in range(n_listeners * n_pages // len(items) + 2)])
    rows = []
    for i in range(n_listeners):
        bias = BIAS_SD * rng.standard_normal()
        mine = list(dict.fromkeys(queue))[: min(n_pages, len(items))]  # the next items that this listener has not had
        queue = _without(queue, mine)
        for number, k in enumerate(mine):
            page = pages.get_group(items[k]).sample(frac=1, random_state=rng)
            heard = page["quality"] + bias + noise * rng.standard_normal(len(page))
            rating = (
                rng.integers(SCALE[0], SCALE[1] + 1, len(page)) if i < n_careless else np.clip(np.round(heard), *SCALE)
            )
            rows.append(
                page[["item", "system", "track"]].assign(
                    listener=f"{SIMULATED}{i:02d}", page=str(number), rating=rating, position=range(len(page))
                )
            )
    ratings = pd.concat(rows, ignore_index=True).assign(scale_min=SCALE[0], scale_max=SCALE[1])
    ratings = ratings.assign(**{name: value for name, value in OPTIONAL.items() if name not in ratings})
    ratings["rating"] = ratings["rating"].astype(float)
    return ListeningTest(ratings, None, "SIMULATED ratings, no people", simulated=True)


def _without(queue: np.ndarray, taken: list[int]) -> np.ndarray:
    """The queue less the first occurrence of each item taken."""
    first = {k: int(np.argmax(queue == k)) for k in taken}
    return np.delete(queue, list(first.values()))
