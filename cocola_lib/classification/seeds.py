"""What trainings with several seeds found on the same songs, as a table: another seed and other songs would differ."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.evaluation import N_BOOTSTRAP


def crossed(rows: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Draws of a mean over pairs, seeds of the training and songs of the test both drawn again: (2000,).

    Args:
        rows: seed, track, accuracy (of its pairs), n_pairs: every seed with the same tracks.
        seed: of the draws; the same for other rows of the same seeds and tracks, so that differences are paired.
    """
    wide = rows.assign(total=rows["accuracy"] * rows["n_pairs"]).pivot(index="seed", columns="track")
    totals, counts = (wide[name].to_numpy(float) for name in ("total", "n_pairs"))  # (seeds, tracks)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(totals), size=(N_BOOTSTRAP, len(totals), 1))
    tracks = rng.integers(totals.shape[1], size=(N_BOOTSTRAP, 1, totals.shape[1]))
    return totals[drawn, tracks].sum(axis=(1, 2)) / counts[drawn, tracks].sum(axis=(1, 2))


def over_seeds_and_songs(rows: pd.DataFrame, by: Sequence[str], reference: dict) -> pd.DataFrame:
    """Means with their 95 % intervals over seeds and songs, and by how much a reference is ahead.

    Args:
        rows: the columns of `by`, those of `crossed`, and others that are averaged over seeds.
        by: columns that make the groups.
        reference: column -> value; what is compared are the groups that differ from it in these columns alone.

    Returns:
        The columns of `by`, accuracy, low, high, ahead, ahead_low, ahead_high (NaN where there is no reference),
        n_seeds, n_tracks, n_pairs (of one seed), and the means of the other columns.
    """
    by, known = list(by), {"seed", "track", "accuracy", "n_pairs"}
    others = [name for name in rows.columns if name not in known | set(by)]
    groups = dict(list(rows.groupby(by, sort=False, dropna=False)))
    draws, found = {key: crossed(group) for key, group in groups.items()}, []
    for key, group in groups.items():
        other = tuple(reference.get(name, value) for name, value in zip(by, key, strict=True))
        ahead = (np.nan, np.nan, np.nan)
        if other in groups:
            ahead = (_mean(groups[other]) - _mean(group), *_middle(draws[other] - draws[key]))
        once = group[group["seed"] == group["seed"].iloc[0]]
        sizes = group["seed"].nunique(), len(once), once["n_pairs"].sum()
        found.append((*key, _mean(group), *_middle(draws[key]), *ahead, *sizes, *group[others].mean()))
    columns = ["accuracy", "low", "high", "ahead", "ahead_low", "ahead_high", "n_seeds", "n_tracks", "n_pairs"]
    return pd.DataFrame(found, columns=[*by, *columns, *others])


def _mean(rows: pd.DataFrame) -> float:
    return float(np.average(rows["accuracy"], weights=rows["n_pairs"]))


def _middle(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
