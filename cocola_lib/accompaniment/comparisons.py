"""Scores of systems compared: on one scale for all checkpoints, by class of stem, and paired with a chosen system.

Functions of stored scores (`measure.SCORES`) alone. Every interval resamples conditionings (`track`), as these repeat.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from cocola_lib.accompaniment.table3 import COLUMNS, CONTROL, RANDOM, SCALE, TRUTH, metric_name
from cocola_lib.data.stem_classes import stem_class
from cocola_lib.evaluation import bootstrap_interval, bootstrap_ratio, grouped_means


def common_scale(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Scores with Random at 0 and Ground Truth at 100, so that checkpoints compare: rows of the table.

    The mean over the items that all three have; raw scores of two checkpoints have nothing in common. No rows where
    the truth is not above Random (its 95 % interval).

    Args:
        scores: with `Random` and `Ground Truth`; else there are no rows. seed: of the bootstrap.
    """
    rows = []
    for (rater, mode), found in scores.groupby(["rater", "mode"], sort=False):
        wide = found.pivot(index=["item", "track"], columns="system", values="score").reset_index()
        if rater == "control" or mode not in CONTROL or not {RANDOM, TRUTH} <= set(wide):
            continue
        for system in found["system"].unique():
            items = wide[["track", *dict.fromkeys((system, RANDOM, TRUTH))]].dropna()
            above, whole = 100 * (items[system] - items[RANDOM]), items[TRUTH] - items[RANDOM]
            if not bootstrap_interval(whole, items["track"], seed)[0] > 0:  # no scale without a difference to divide by
                continue
            value, known = above.sum() / whole.sum(), system in (RANDOM, TRUTH)
            low, high = (np.nan, np.nan) if known else bootstrap_ratio(above, whole, items["track"], seed)
            note = "by definition" if known else ""
            rows.append((system, f"{rater} {mode}{SCALE}", value, low, high, len(items), "higher", note))
    return pd.DataFrame(rows, columns=COLUMNS)


def by_class(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Means per system and class of the stem that was asked for: system, stem_class, metric, mean, low, high, n."""
    named = scores.assign(
        stem_class=scores["stem_class"].map(stem_class),
        metric=[metric_name(*names) for names in zip(scores["rater"], scores["mode"], strict=True)],
    )
    return grouped_means(named, ["system", "stem_class", "metric"], "score", seed)


def paired(scores: pd.DataFrame, reference: str, seed: int = 0) -> pd.DataFrame:
    """How much better or worse than one system are the others, on the same questions?

    Args:
        scores: of all. reference: the system that the others are compared with. seed: of the bootstrap.
    Returns:
        metric, system, difference (its score minus the reference's), low, high (95 % over conditionings), n (items),
        conditionings, p (Wilcoxon's signed-rank test on the means per conditioning), holm (p corrected for the
        systems compared by that metric).
    Raises:
        ValueError: no such system.
    """
    if reference not in set(scores["system"]):
        raise ValueError(f"{reference!r}: no such system; there are {', '.join(scores['system'].unique())}")
    tables = []
    for (rater, mode), found in scores.groupby(["rater", "mode"], sort=False):
        wide, rows = found.pivot(index=["item", "track"], columns="system", values="score").reset_index(), []
        for system in (s for s in found["system"].unique() if s != reference):
            items = wide[["track", system, reference]].dropna()
            steps = items[system] - items[reference]
            means = steps.groupby(items["track"]).mean()
            interval = bootstrap_interval(steps, items["track"], seed) if len(items) else (np.nan, np.nan)
            p = wilcoxon(means).pvalue if means.any() else np.nan
            rows.append((metric_name(rater, mode), system, steps.mean(), *interval, len(items), len(means), p))
        columns = ["metric", "system", "difference", "low", "high", "n", "conditionings", "p"]
        table = pd.DataFrame(rows, columns=columns)
        tables.append(table.assign(holm=holm(table["p"])))
    return pd.concat(tables, ignore_index=True)


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values corrected for their number so that the family-wise error holds; NaN stays NaN.

    Holm, Scandinavian Journal of Statistics 6, 1979, which scipy lacks.
    """
    p = np.asarray(p, dtype=np.float64)
    there, result = np.isfinite(p), np.full(len(p), np.nan)
    order = np.argsort(p[there])
    adjusted = np.maximum.accumulate(np.arange(there.sum(), 0, -1) * p[there][order])
    result[there] = np.minimum(adjusted, 1)[np.argsort(order)]
    return result
