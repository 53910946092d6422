"""Evaluation: Eq. 4 for any K from one embedding pass, with intervals.

All pairs of a frozen list are embedded once; their n x n similarities hold every batch of K windows that could be
drawn from the list. Eq. 4 averaged over all of those batches has a closed form, so K = 2, 8, 16 and 64 cost one pass.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

N_BOOTSTRAP = 2000


def hit_probability(similarities: np.ndarray, k: int) -> np.ndarray:
    """Eq. 4 per anchor, averaged over all batches: the probability that its own positive wins among K.

    Args:
        similarities: (n, n), rows = anchors, column i = the positive of anchor i.
        k: K, from 2 to n. One own positive and K - 1 of the n - 1 others, all subsets equally likely.

    Returns:
        (n,) in [0, 1]. Ties count as misses (a constant score is worth nothing), NaN likewise.

    Raises:
        ValueError: not square, or K outside 2..n.
    """
    unbeaten = unbeaten_rivals(similarities)
    return win_probability(unbeaten, len(unbeaten), k)


def unbeaten_rivals(similarities: np.ndarray) -> np.ndarray:
    """How many of its n - 1 rivals each anchor's own positive does not beat: (n, n) -> (n,), all that Eq. 4 needs."""
    s = np.asarray(similarities, dtype=np.float64)
    if s.ndim != 2 or s.shape[0] != s.shape[1]:
        raise ValueError(f"similarities has shape {s.shape}; a square matrix (anchors x positives) is needed")
    return (~(s < np.diag(s)[:, None]) & ~np.eye(len(s), dtype=bool)).sum(axis=1)


def win_probability(unbeaten: np.ndarray, n: int, k: int) -> np.ndarray:
    """The probability that K - 1 rivals, drawn from n - 1 without replacement, are all among those that are beaten.

    Args:
        unbeaten: rivals that are not beaten, see `unbeaten_rivals`. n: pairs in the list. k: K, from 2 to n.

    Returns:
        C(n - 1 - unbeaten, K - 1) / C(n - 1, K - 1), in [0, 1].
    """
    if not 2 <= k <= n:
        raise ValueError(f"K is {k}; with {n} pairs it must lie in 2..{n}")
    beaten = n - 1 - np.asarray(unbeaten)
    return np.prod([np.maximum(beaten - i, 0) / (n - 1 - i) for i in range(k - 1)], axis=0)


def bootstrap_interval(
    values: np.ndarray, groups: Sequence[str], seed: int = 0, n_bootstrap: int = N_BOOTSTRAP
) -> tuple[float, float]:
    """95 % interval of the mean, (low, high), see `bootstrap_ratio`: windows of one track are not independent."""
    return bootstrap_ratio(values, np.ones(len(values)), groups, seed, n_bootstrap)


def grouped_means(rows: pd.DataFrame, by: Sequence[str], value: str, seed: int = 0) -> pd.DataFrame:
    """The mean of a column in every group of rows, with its 95 % interval over tracks; NaN is left out.

    Args:
        rows: with a column `track`. by: columns that make the groups. value: column to average.

    Returns:
        The columns of `by`, mean, low, high, n (rows that count), in order of appearance; NaN where n is 0.
    """
    found = []
    for key, group in rows.groupby(list(by), sort=False):
        known = group.dropna(subset=[value])
        interval = bootstrap_interval(known[value], known["track"], seed)
        found.append((*key, known[value].mean(), *interval, len(known)))
    return pd.DataFrame(found, columns=[*by, "mean", "low", "high", "n"])


def bootstrap_ratio(
    values: np.ndarray, weights: np.ndarray, groups: Sequence[str], seed: int = 0, n_bootstrap: int = N_BOOTSTRAP
) -> tuple[float, float]:
    """95 % interval of sum(values) / sum(weights) by resampling groups (tracks), both together.

    Args:
        values, weights: (n,) one per pair; a mean is the case of all weights 1.
        groups: (n,) the track of each pair.

    Returns:
        (low, high); NaN where there is a single group.
    """
    codes, names = pd.factorize(np.asarray(groups))
    if len(names) < 2:
        return float("nan"), float("nan")
    tops, bottoms = (np.bincount(codes, weights=np.asarray(x, dtype=np.float64)) for x in (values, weights))
    draws = np.random.default_rng(seed).integers(len(names), size=(n_bootstrap, len(names)))
    low, high = np.quantile(tops[draws].sum(axis=1) / bottoms[draws].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def accuracy_table(similarities: np.ndarray, ks: Sequence[int], groups: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Accuracy (Eq. 4) for several K, with chance and a bootstrap interval over tracks.

    Returns:
        A tidy frame: k, accuracy, low, high, chance (all in [0, 1]), n_pairs, n_tracks. A K above the number of
        pairs is left out.
    """
    rows = []
    for k in ks:
        if k > len(similarities):
            continue
        hits = hit_probability(similarities, k)
        low, high = bootstrap_interval(hits, groups, seed)
        rows.append(
            {"k": k, "accuracy": hits.mean(), "low": low, "high": high, "chance": 1 / k}
            | {"n_pairs": len(hits), "n_tracks": len(set(groups))}
        )
    return pd.DataFrame(rows)
