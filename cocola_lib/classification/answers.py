"""Classification: what every model answered, pair by pair, and all that Tables I and II say about it.

`rank` keeps of a similarity matrix what Eq. 4 needs: per pair, how many rivals the true partner does not beat. Every
number of notebook 03 follows from those ranks (`tables/03_ranks.csv`) and from the counts of mistakes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.data.stem_classes import class_of_mix
from cocola_lib.evaluation import (
    bootstrap_interval,
    bootstrap_ratio,
    grouped_means,
    unbeaten_rivals,
    win_probability,
)
from cocola_lib.sampling import PairSpec

KEYS = ["test_set", "model", "mode"]


def rank(matrices: dict[str, np.ndarray], specs: Sequence[PairSpec], test_set: str, model: str) -> pd.DataFrame:
    """One model's answers to one list of pairs.

    Args:
        matrices: mode -> (n, n), rows = anchors, column i = the positive of anchor i.
        specs: the n pairs.
        test_set, model: names, for the columns.

    Returns:
        A row per pair and mode: test_set, model, mode, pair, track, stems_anchor, stems_positive (how many), score (of
        the true pair), unbeaten (rivals that the true partner does not beat), n (pairs in the list).
    """
    pairs = pd.DataFrame(
        {
            "pair": range(len(specs)),
            "track": [s.track_id for s in specs],
            "stems_anchor": [len(s.anchor) for s in specs],
            "stems_positive": [len(s.positive) for s in specs],
        }
    )
    frames = [
        pairs.assign(mode=mode, score=np.diag(matrix), unbeaten=unbeaten_rivals(matrix), n=len(specs))
        for mode, matrix in matrices.items()
    ]
    return pd.concat(frames, ignore_index=True).assign(test_set=test_set, model=model)[
        [*KEYS, "pair", "track", "stems_anchor", "stems_positive", "score", "unbeaten", "n"]
    ]


def _hits(rows: pd.DataFrame, k: int) -> np.ndarray:
    return win_probability(rows["unbeaten"].to_numpy(), int(rows["n"].iloc[0]), k)


def accuracy(ranks: pd.DataFrame, ks: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """Eq. 4 per test set, model, mode and K (Tables I and II).

    Returns:
        Tidy: test_set, model, mode, k (asked for), k_used (no more than the list has pairs), accuracy, low, high (95 %
        over tracks), chance (1 / k_used), n_pairs, n_tracks. A list of fewer than two pairs is left out.
    """
    rows = []
    for key, found in ranks.groupby(KEYS, sort=False):
        n, tracks = len(found), found["track"].to_numpy()
        for k in ks if n >= 2 else ():
            hits = _hits(found, min(k, n))
            low, high = bootstrap_interval(hits, tracks, seed)
            rows.append(
                dict(zip(KEYS, key, strict=True))
                | {"k": k, "k_used": min(k, n), "accuracy": hits.mean(), "low": low, "high": high}
                | {"chance": 1 / min(k, n), "n_pairs": n, "n_tracks": len(set(tracks))}
            )
    return pd.DataFrame(rows)


def paired(ranks: pd.DataFrame, a: str, b: str, ks: Sequence[int], mode: str = "both", seed: int = 0) -> pd.DataFrame:
    """Model a against model b on the same pairs: the difference is taken pair by pair, its interval over tracks.

    Args:
        ranks: from `rank`, with both models; mode: that they are compared in.

    Returns:
        Tidy: test_set, a, b, k, difference (accuracy of a minus that of b), low, high, n_pairs; a K above the number of
        pairs is left out.

    Raises:
        ValueError: they were not asked the same pairs.
    """
    rows = []
    for test_set, found in ranks[ranks["mode"] == mode].groupby("test_set", sort=False):
        one, other = (found[found["model"] == name].sort_values("pair") for name in (a, b))
        if one["track"].tolist() != other["track"].tolist() or one["pair"].tolist() != other["pair"].tolist():
            raise ValueError(f"{a} and {b} were not asked the same pairs of {test_set}; nothing to subtract")
        for k in (k for k in ks if k <= len(one)):
            difference = _hits(one, k) - _hits(other, k)
            low, high = bootstrap_interval(difference, one["track"], seed)
            rows.append(
                {"test_set": test_set, "a": a, "b": b, "k": k, "difference": difference.mean()}
                | {"low": low, "high": high, "n_pairs": len(one)}
            )
    return pd.DataFrame(rows, columns=["test_set", "a", "b", "k", "difference", "low", "high", "n_pairs"])


def by_stems(ranks: pd.DataFrame, model: str, k: int = 2, mode: str = "both", most: int = 4, seed: int = 0):
    """Accuracy against the number of stems in each sub-mix, all test sets together (each in its own list).

    Args:
        most: this many stems or more are one group.

    Returns:
        Tidy: model, stems_anchor, stems_positive (1 to `most`), accuracy, low, high, n_pairs; only groups that occur.
    """
    found = ranks[(ranks["model"] == model) & (ranks["mode"] == mode) & (ranks["n"] >= k)]
    lists = [rows.assign(hit=_hits(rows, k)) for _, rows in found.groupby("test_set", sort=False)]
    if not lists:
        return pd.DataFrame(columns=["model", "stems_anchor", "stems_positive", "accuracy", "low", "high", "n_pairs"])
    sizes = ["stems_anchor", "stems_positive"]
    hits = pd.concat(lists)
    hits[sizes] = hits[sizes].clip(upper=most)
    means = grouped_means(hits, sizes, "hit", seed).rename(columns={"mean": "accuracy", "n": "n_pairs"})
    return means.assign(model=model).sort_values(sizes, ignore_index=True)


def worst_mistake(matrix: np.ndarray) -> tuple[int, int]:
    """The anchor whose true partner is furthest behind, or least ahead of, its best rival: (anchor, that rival).

    Args:
        matrix: (n, n), n of 2 or more, rows = anchors, column i = the positive of anchor i.
    """
    rivals = np.where(np.eye(len(matrix), dtype=bool), -np.inf, np.nan_to_num(matrix, nan=-np.inf))
    anchor = int((np.diag(matrix) - rivals.max(axis=1)).argmin())
    return anchor, int(rivals[anchor].argmax())


def mistakes(matrix: np.ndarray, specs: Sequence[PairSpec], test_set: str, model: str) -> pd.DataFrame:
    """Every comparison of a true partner with a rival, counted by their classes: which pairs are mistaken?

    Args:
        matrix: (n, n), rows = anchors, column i = the positive of anchor i.
        specs: the n pairs, best with one stem on each side; sub-mixes of several classes count as "mixed".

    Returns:
        test_set, model, track (of the anchor), anchor, true, rival (classes), where ("same song", another section, or
        "another song"), n (comparisons), lost (those that the true partner did not win).
    """
    n = len(specs)
    tracks = np.array([s.track_id for s in specs])
    anchor, positive = (np.array([class_of_mix(getattr(s, side)) for s in specs]) for side in ("anchor", "positive"))
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    frame = pd.DataFrame({"track": tracks[i], "anchor": anchor[i], "true": positive[i], "rival": positive[j]})
    frame["where"] = np.where(tracks[i] == tracks[j], "same song", "another song")
    frame["lost"] = ~(matrix[i, j] < matrix[i, i])
    counts = frame.groupby(list(frame.columns[:-1]))["lost"].agg(n="size", lost="sum").reset_index()
    return counts.assign(test_set=test_set, model=model)[
        ["test_set", "model", "track", "anchor", "true", "rival", "where", "n", "lost"]
    ]


def mistake_rates(counts: pd.DataFrame, by: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """How often a rival beats the true partner (50 % is chance), by anything that `mistakes` counted.

    Args:
        by: columns, such as ["model", "true", "rival"] or ["model", "where"].

    Returns:
        `by`, then rate, low, high (95 % over tracks), n (comparisons), n_tracks.
    """
    rows = []
    for key, group in counts.groupby(list(by), sort=False):
        low, high = bootstrap_ratio(group["lost"], group["n"], group["track"], seed)
        rows.append(
            dict(zip(by, key, strict=True))
            | {"rate": group["lost"].sum() / group["n"].sum(), "low": low, "high": high}
            | {"n": int(group["n"].sum()), "n_tracks": group["track"].nunique()}
        )
    return pd.DataFrame(rows, columns=[*by, "rate", "low", "high", "n", "n_tracks"])
