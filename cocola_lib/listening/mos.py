"""Mean opinion scores: of systems, with intervals, and of stimuli, with who disagrees about them (notebook 07)."""

import numpy as np
import pandas as pd

from cocola_lib.listening.metric_agreement import N_BOOTSTRAP, draws
from cocola_lib.listening.ratings import GROUND_TRUTH


def system_means(
    ratings: pd.DataFrame, value: str = "rating", n_bootstrap: int = N_BOOTSTRAP, seed: int = 0
) -> pd.DataFrame:
    """Mean opinion per system, and its distance from the best one, with 95 % intervals over raters and songs.

    Args:
        ratings: tidy; value: the column averaged, "rating" or "z".

    Returns:
        By falling mean: system, mean, low, high; difference, difference_low, difference_high (from the ground truth, or
        from the first system where there is none; raters and songs are the same on both sides, so this interval is the
        one that compares); n_ratings, n_stimuli.
    """
    code, systems = pd.factorize(ratings["system"], sort=True)
    y, m = ratings[value].to_numpy(dtype=np.float64), len(systems)

    def means(weights):
        with np.errstate(invalid="ignore"):
            return np.bincount(code, weights * y, m) / np.bincount(code, weights, m)

    estimate = means(np.ones(len(y)))
    best = list(systems).index(GROUND_TRUTH) if GROUND_TRUTH in systems else int(np.argmax(estimate))
    drawn = np.stack([means(rater * song) for rater, song in draws(ratings, n_bootstrap, seed)])
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    apart = drawn - drawn[:, [best]]
    apart_low, apart_high = np.nanquantile(apart, [0.025, 0.975], axis=0)
    counts = ratings.groupby("system").agg(n_ratings=("rating", "size"), n_stimuli=("item", "nunique"))
    table = pd.DataFrame({"system": systems, "mean": estimate, "low": low, "high": high})
    table = table.assign(difference=estimate - estimate[best], difference_low=apart_low, difference_high=apart_high)
    return table.merge(counts.reset_index(), on="system").sort_values("mean", ascending=False, ignore_index=True)


def stimuli(joined: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per stimulus: its mean rating, how raters scatter about it, and how far the metric's rank is from it.

    Args:
        joined: ratings with the metric as a column, see `metric_agreement.join`.

    Returns:
        item, system, track, n, mos, sd (of its ratings; NaN with one), score, rank_gap: the metric's rank minus that of
        the mean rating, both in [0, 1] among all stimuli (0.5: the metric puts it half of all stimuli higher than
        listeners do); conditioning, output.
    """
    table = joined.groupby(["item", "system"], as_index=False).agg(
        track=("track", "first"),
        n=("rating", "size"),
        mos=("rating", "mean"),
        sd=("rating", "std"),
        score=(metric, "first"),
        conditioning=("conditioning", "first"),
        output=("output", "first"),
    )
    return table.assign(rank_gap=table["score"].rank(pct=True) - table["mos"].rank(pct=True))
