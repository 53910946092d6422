"""How far raters agree: Krippendorff's alpha, intraclass correlations, and the ceiling that they set for any metric.

All functions take one matrix, raters x stimuli, NaN where a rater did not rate a stimulus (see `matrix`).
Notebook 07 shows them side by side.
"""

from typing import Literal

import krippendorff
import numpy as np
import pandas as pd

from cocola_lib.listening.ratings import clusters


def matrix(ratings: pd.DataFrame, value: str = "rating") -> pd.DataFrame:
    """Ratings as raters x stimuli; NaN where nobody rated, the mean where a rater met a stimulus several times."""
    return ratings.pivot_table(index="listener", columns=["item", "system"], values=value, aggfunc="mean")


def krippendorff_alpha(table, level: Literal["nominal", "ordinal", "interval"] = "interval") -> float:
    """Krippendorff's alpha, 1 - observed / expected disagreement, as the package `krippendorff` computes it.

    Missing ratings are handled: each stimulus counts with the pairs of ratings that it has, a stimulus with one rating
    not at all (Krippendorff, Content Analysis, 2nd ed. 2004, ch. 11).

    Args:
        table: raters x stimuli, NaN = not rated.
        level: what counts as a large disagreement. Ratings such as 0 to 4 are ordinal; "interval" also takes the steps
            to be equal.

    Returns:
        1 is full agreement, 0 what chance gives, below 0 systematic disagreement. NaN where no stimulus has two
        ratings, or all ratings are the same.
    """
    x = np.asarray(table, dtype=np.float64)
    x = x[:, (~np.isnan(x)).sum(axis=0) >= 2]
    if len(np.unique(x[~np.isnan(x)])) < 2:
        return float("nan")
    return float(krippendorff.alpha(x, level_of_measurement=level))


def variance_components(table) -> dict[str, float]:
    """Variance between stimuli, between raters, and what is left, in squared rating points.

    Two-way random effects without interaction by Henderson's method 1 (Biometrics 9, 1953): sums of squares are set
    equal to their expectations. With every stimulus rated by every rater this is the usual analysis of variance; with
    ratings missing at random it stays unbiased. Components may come out below 0 where the truth is near 0.

    Args:
        table: raters x stimuli, NaN = not rated.

    Returns:
        {"stimuli", "raters", "residual"}; NaN where the design cannot tell them apart (a single rater or stimulus, or
        no stimulus with two ratings).
    """
    x = np.asarray(table, dtype=np.float64)
    there = ~np.isnan(x)
    x, there = x[there.any(axis=1)], there[there.any(axis=1)]
    x, there = x[:, there.any(axis=0)], there[:, there.any(axis=0)]
    names = ("stimuli", "raters", "residual")
    if min(x.shape) < 2 or there.sum() < 4:
        return dict.fromkeys(names, float("nan"))
    y = np.where(there, x - x[there].mean(), 0.0)
    n, per_rater, per_stimulus = there.sum(), there.sum(axis=1), there.sum(axis=0)
    total, mean = (y**2).sum(), y.sum() ** 2 / n
    by_stimulus, by_rater = (y.sum(axis=0) ** 2 / per_stimulus).sum(), (y.sum(axis=1) ** 2 / per_rater).sum()
    # what each sum expects of the components: a stimulus mean holds 1 / per_stimulus of the variance of raters, times
    # per_stimulus, summed over stimuli: their number; a rater mean likewise
    n_raters, n_stimuli = x.shape
    expected = np.array([[n, n_stimuli, n_stimuli], [n_raters, n, n_raters], [n, n, n]], dtype=np.float64)
    equations = expected - np.array([(per_stimulus**2).sum() / n, (per_rater**2).sum() / n, 1.0])
    if np.linalg.matrix_rank(equations) < 3:
        return dict.fromkeys(names, float("nan"))
    solved = np.linalg.solve(equations, np.array([by_stimulus, by_rater, total]) - mean)
    return dict(zip(names, map(float, solved), strict=True))


def ratings_per_stimulus(table) -> float:
    """Harmonic mean number of ratings of a stimulus: the k whose mean is as noisy as these means are on average."""
    counts = (~np.isnan(np.asarray(table, dtype=np.float64))).sum(axis=0)
    counts = counts[counts > 0]
    return float(len(counts) / (1 / counts).sum()) if len(counts) else float("nan")


def icc(table, k: float | None = None) -> dict[str, float]:
    """Intraclass correlations for absolute agreement, raters as a random sample: ICC(2,1) and ICC(2,k).

    Shrout and Fleiss, Psychological Bulletin 86, 1979, from `variance_components`, so that missing ratings are handled.

    Args:
        table: raters x stimuli, NaN = not rated.
        k: ratings per stimulus in the mean that ICC(2,k) describes; None: as many as there are, see
            `ratings_per_stimulus`.

    Returns:
        {"single", "mean", "k"}: the share of the variance of one rating, and of a mean of k, that the stimuli make.
    """
    parts = variance_components(table)
    k = ratings_per_stimulus(table) if k is None else k
    noise = parts["raters"] + parts["residual"]

    def share(of_noise):
        whole = parts["stimuli"] + of_noise
        return float(parts["stimuli"] / whole) if whole > 0 else float("nan")

    return {"single": share(noise), "mean": share(noise / k), "k": float(k)}


def split_half(table, seed: int = 0, n_splits: int = 200) -> dict[str, float]:
    """Reliability of the mean ratings from random halves of the raters, stepped up by Spearman and Brown.

    Args:
        table: raters x stimuli, NaN = not rated. Stimuli that a half did not rate drop out of that split.

    Returns:
        {"half": mean correlation of the halves' means, "reliability": 2 half / (1 + half), "n_stimuli": mean number
        compared}; NaN with fewer than two raters.
    """
    x = np.asarray(table, dtype=np.float64)
    there, rng = ~np.isnan(x), np.random.default_rng(seed)
    halves, sizes = [], []
    for _ in range(n_splits if len(x) >= 2 else 0):
        first = rng.permutation(len(x)) < len(x) // 2
        counts = np.stack([there[first].sum(axis=0), there[~first].sum(axis=0)])
        both = (counts > 0).all(axis=0)
        sums = np.stack([np.nansum(x[first], axis=0), np.nansum(x[~first], axis=0)])
        halves.append(pearson(*(sums[:, both] / counts[:, both])))
        sizes.append(both.sum())
    if not np.isfinite(halves).any():
        return {"half": float("nan"), "reliability": float("nan"), "n_stimuli": 0.0}
    half = float(np.nanmean(halves))
    return {"half": half, "reliability": 2 * half / (1 + half), "n_stimuli": float(np.mean(sizes))}


def leave_one_out(table) -> pd.Series:
    """Each rater's correlation with the mean of all others, over the stimuli that both rated: what a person achieves.

    Args:
        table: frame of raters x stimuli, NaN = not rated.

    Returns:
        Pearson r by rater; NaN below three shared stimuli, or where a rater gave everything the same rating.
    """
    values = {}
    for rater in table.index:
        others, own = table.drop(index=rater).mean(axis=0), table.loc[rater]
        both = others.notna() & own.notna()
        values[rater] = pearson(own[both].to_numpy(), others[both].to_numpy())
    return pd.Series(values, name="leave_one_out", dtype=np.float64)


def summary(ratings: pd.DataFrame, n_bootstrap: int = 300, seed: int = 0) -> pd.DataFrame:
    """Alpha and the intraclass correlations with 95 % intervals over songs.

    Raters are not resampled here: a rater drawn twice would agree with himself.

    Args:
        ratings: tidy, see `ratings`.

    Returns:
        statistic, value, low, high (NaN where all ratings are of one item, or no stimulus has two).
    """
    table = matrix(ratings)
    song = ratings.groupby(["item", "system"])[clusters(ratings)].first().loc[list(table.columns)]
    code, names = pd.factorize(song)
    columns = [np.flatnonzero(code == c) for c in range(len(names))]
    x, rng = table.to_numpy(), np.random.default_rng(seed)
    drawn = []
    for _ in range(n_bootstrap if len(names) > 1 else 0):
        picked = np.concatenate([columns[c] for c in rng.integers(len(names), size=len(names))])
        drawn.append(list(_statistics(x[:, picked]).values()))
    values = _statistics(x)
    known = drawn and np.isfinite(drawn).any(axis=0).all()  # else nobody shares a stimulus, or all are of one song
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0) if known else np.full((2, 4), np.nan)
    return pd.DataFrame({"statistic": values.keys(), "value": values.values(), "low": low, "high": high})


def _statistics(x: np.ndarray) -> dict[str, float]:
    both = icc(x)
    return {
        "Krippendorff's alpha, ordinal": krippendorff_alpha(x, "ordinal"),
        "Krippendorff's alpha, interval": krippendorff_alpha(x, "interval"),
        "ICC(2,1), one rating": both["single"],
        "ICC(2,k), the mean rating": both["mean"],
    }


def ceiling(table, seed: int = 0) -> dict[str, float]:
    """The highest correlation with ratings that any metric can expect, because the ratings themselves are noisy.

    A metric that knew the true opinion of every stimulus would correlate by the square root of the reliability
    (Spearman 1904): of one rating ICC(2,1), of the mean rating ICC(2,k), or what split halves say of it.

    Args:
        table: frame of raters x stimuli, NaN = not rated.

    Returns:
        {"rating", "item", "item_split_half", "person": mean correlation of one rater with the mean of the others,
        "ratings_per_stimulus", "reliability": ICC(2,k), "reliability_split_half", "stimuli_split_half"}
    """
    both, halves = icc(table), split_half(table, seed)
    return {
        "rating": _root(both["single"]),
        "item": _root(both["mean"]),
        "item_split_half": _root(halves["reliability"]),
        "person": float(leave_one_out(table).mean()),
        "ratings_per_stimulus": both["k"],
        "reliability": both["mean"],
        "reliability_split_half": halves["reliability"],
        "stimuli_split_half": halves["n_stimuli"],
    }


def ratings_needed(single: float, wanted: float) -> float:
    """Ratings per stimulus so that the ceiling of their mean reaches a correlation (Spearman and Brown).

    Args:
        single: ICC(2,1); wanted: the ceiling, in (0, 1).
    """
    return float(wanted**2 * (1 - single) / (single * (1 - wanted**2))) if single > 0 else float("inf")


def _root(reliability: float) -> float:
    return float(np.sqrt(max(reliability, 0.0)))  # a reliability below 0 is one of 0


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; NaN below three values or where one side is constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
