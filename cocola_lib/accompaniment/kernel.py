"""Distances for few clips: KAD, density and coverage, which need no covariance.

KAD (Chung et al., 2025, arXiv 2502.15602) is the unbiased squared maximum mean discrepancy under a Gaussian kernel
whose bandwidth is the median distance within the reference. Density and coverage (Naeem et al., 2020, arXiv 2002.09797)
count neighbours: how deep in the reference a system's rows lie, and how much of the reference they reach.
"""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist, pdist

from cocola_lib.accompaniment.distances import MAX_GROUPS_WIDE, groups_of

SCALE = 100.0  # of KAD, as its authors print it
NEAREST = 5  # the neighbour that sets a reference row's radius
MAX_ROWS = 1500  # of a system: the kernel needs their square; evenly spaced rows of each item beyond that


def median_distance(reference: np.ndarray) -> float:
    """The bandwidth: the median of the distances between the rows of the reference, (n, D)."""
    return float(np.median(pdist(np.asarray(reference, dtype=np.float64)))) if len(reference) > 1 else float("nan")


def kernel_distance(x: np.ndarray, reference: np.ndarray, bandwidth: float | None = None) -> float:
    """KAD: unbiased, so that it is 0 on average for rows of one kind, however few, and may fall below.

    Args:
        x, reference: (n, D), (m, D), two rows or more each.
        bandwidth: None is the median distance within the reference.
    Returns:
        100 times the squared discrepancy; NaN for fewer than two rows, or a reference whose rows are all alike.
    """
    s = bandwidth or median_distance(reference)
    if min(len(x), len(reference)) < 2 or not s > 0:
        return float("nan")

    def kernel(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * s**2))

    def within(a):
        return (kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1))

    x, reference = (np.asarray(rows, dtype=np.float64) for rows in (x, reference))
    return float(SCALE * (within(x) + within(reference) - 2 * kernel(x, reference).mean()))


def density_coverage(x: np.ndarray, reference: np.ndarray, k: int = NEAREST) -> tuple[float, float]:
    """Density (0 or more; 1 on average for rows of one kind) and coverage (0 to 1).

    A reference row's ball reaches to its k-th neighbour in the reference. Density: in how many balls a row lies, over
    k; coverage: the share of balls with a row in them.

    Returns:
        NaN where the reference has k rows or fewer.
    """
    if len(reference) <= k or not len(x):
        return float("nan"), float("nan")
    within = np.sort(cdist(reference, reference), axis=1)[:, k]  # column 0 is the row itself
    inside = cdist(x, reference) <= within
    return float(inside.sum() / (k * len(x))), float(inside.any(axis=0).mean())


def kernel_statistics(
    embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], truth: str
) -> dict[str, dict[str, np.ndarray]]:
    """KAD, density and coverage of every system but the truth: with all tracks, then without each group of them.

    Args:
        embedded: system -> n tables of (rows, D). tracks: n.
        truth: the system that is the reference.
    Returns:
        system -> {"KAD", "density", "coverage"} -> (1 + groups,), for `frechet.jackknife`.
    """
    keep = [i for i in range(len(tracks)) if all(len(clips[i]) for clips in embedded.values())]
    if not keep:
        return {}
    most = max(1, MAX_ROWS // len(keep))
    groups = groups_of([tracks[i] for i in keep], MAX_GROUPS_WIDE)
    parts = [list(range(len(keep))), *([i for i in range(len(keep)) if i not in group] for group in groups)]
    rows = {system: [_thinned(clips[i], most) for i in keep] for system, clips in embedded.items()}
    bandwidth, found = median_distance(np.concatenate(rows[truth])), {}
    for system in (system for system in embedded if system != truth):
        values = []
        for part in parts:
            x, real = (np.concatenate([rows[s][i] for i in part]) for s in (system, truth))
            values.append((kernel_distance(x, real, bandwidth), *density_coverage(x, real)))
        found[system] = dict(zip(("KAD", "density", "coverage"), np.array(values).T, strict=True))
    return found


def _thinned(rows, most):
    """At most so many rows, evenly spaced, float64."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return np.asarray(rows, dtype=np.float64)[places]
