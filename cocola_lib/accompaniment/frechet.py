"""Frechet distances between embeddings of music: FAD, FAD-infinity, per-item FAD, APA. See `distances`.

Two sets of embeddings are described by their means and covariances, and compared as two normal distributions:
|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^(1/2) S2 S1^(1/2))^(1/2)). Everything is float64; the last trace is the sum of the
square roots of the eigenvalues of a symmetric matrix, which stays exact where a general matrix square root does not.

With no more rows than dimensions a covariance is singular, and the distance says more about the number of rows than
about the music. That is refused, unless the caller chooses what to do about it (`SINGULAR`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SINGULAR = ("refuse", "shrink", "allow")


@dataclass(frozen=True)
class Moments:
    """Number, mean and scatter of rows; they add up, so that a data set of any size is read once, in pieces.

    `n` rows; `mean` (D,); `scatter` (D, D), the sum of (x - mean)(x - mean)' over the rows, all float64. `outside`:
    further dimensions, in which every row is 0; few rows of many dimensions can be turned so, and cost little then.
    `a + b` are the moments of both sets of rows, `a - b` those of a without the rows of b.
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray
    outside: int = 0

    @classmethod
    def of(cls, rows: np.ndarray, name: str = "embeddings", outside: int = 0) -> "Moments":
        """From (n, D) rows.

        Raises:
            ValueError: not a table of finite numbers with a row or more.
        """
        x = np.asarray(rows, dtype=np.float64)
        if x.ndim != 2 or not x.size:
            raise ValueError(f"{name}: shape {x.shape}; expected (rows, dimensions), a row or more")
        if not np.isfinite(x).all():
            bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
            raise ValueError(f"{name}: {len(bad)} of {len(x)} rows hold NaN or infinity, the first is row {bad[0]}")
        mean = x.mean(axis=0)
        return cls(len(x), mean, (x - mean).T @ (x - mean), outside)

    @property
    def dim(self) -> int:
        """All dimensions."""
        return len(self.mean) + self.outside

    @property
    def covariance(self) -> np.ndarray:
        """(D, D), with n - 1 in the denominator; zero for a single row."""
        return self.scatter / max(self.n - 1, 1)

    def root(self, shrink: bool = False) -> np.ndarray:
        """S^(1/2) of the covariance, or of the shrunk one, (D, D); kept, as one set is compared with many."""
        if shrink not in self._roots:
            values, vectors = np.linalg.eigh(shrunk(self)[0] if shrink else self.covariance)
            self._roots[shrink] = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return self._roots[shrink]

    def floor(self, shrink: bool = False) -> float:
        """The variance in dimensions in which rows do not differ: 0, or what shrinkage gives them."""
        trace = max(0.0, float(np.trace(self.covariance)))  # of equal rows, without one of them: -1e-17
        return shrunk(self)[1] * trace / self.dim if shrink else 0.0

    @cached_property
    def _roots(self):
        return {}

    def __add__(self, other: "Moments") -> "Moments":
        self._check(other)
        n, apart = self.n + other.n, other.mean - self.mean
        between = np.outer(apart, apart) * (self.n * other.n / n)
        scatter = self.scatter + other.scatter + between
        return Moments(n, self.mean + apart * (other.n / n), scatter, self.outside)

    def __sub__(self, other: "Moments") -> "Moments":
        self._check(other)
        n = self.n - other.n
        if n < 1:
            raise ValueError(f"moments of {self.n} rows without {other.n} of them: none is left")
        mean = (self.n * self.mean - other.n * other.mean) / n
        apart = other.mean - mean
        between = np.outer(apart, apart) * (n * other.n / self.n)
        return Moments(n, mean, self.scatter - other.scatter - between, self.outside)

    def _check(self, other):
        if (self.dim, self.outside) != (other.dim, other.outside):
            raise ValueError(f"embeddings of {self.dim} and of {other.dim} dimensions: not the same embedder")


def total(moments: Sequence[Moments]) -> Moments:
    """The moments of many sets of rows together."""
    if not moments:
        raise ValueError("no embeddings: there is nothing to compare")
    result = moments[0]
    for more in moments[1:]:
        result = result + more
    return result


def shrunk(moments: Moments) -> tuple[np.ndarray, float]:
    """Covariance drawn towards a sphere of the same size, and by how much: oracle approximating shrinkage.

    Chen, Wiesel, Eldar and Hero, 2010, as `sklearn.covariance.OAS` reads it, but with n - 1 in the covariance.

    Returns:
        (D, D) of full rank unless all rows are equal, and the share of the sphere, 0 to 1. In dimensions outside, the
        variance is `Moments.floor`.
    """
    s, n, d = moments.scatter / moments.n, moments.n, moments.dim
    trace, squares = np.trace(s), np.sum(s * s)
    excess = (n + 1) * (squares - trace**2 / d)
    share = 1.0 if excess <= 0 else min(1.0, (squares + trace**2) / excess)
    sphere = np.trace(moments.covariance) / d * np.eye(len(moments.mean))
    return (1 - share) * moments.covariance + share * sphere, share


def frechet_distance(a: Moments, b: Moments, singular: str = "refuse") -> float:
    """The Frechet distance (squared, as FAD is) between two sets of embeddings.

    Args:
        a, b: moments of (n, D) embeddings; the distance is symmetric in them, and quicker where `a` comes again.
        singular: where a set has no more rows than dimensions: "refuse" raises, "shrink" compares shrunk
            covariances (see `shrunk`; of both sets, so that equal sets stay at 0), "allow" goes on as most tools do.
    Returns:
        0 for equal moments, else more; lower is more alike. Its scale is the embedding's own: compare within one.
    Raises:
        ValueError: different dimensions, too few rows, an unknown choice.
    """
    a._check(b)
    if singular not in SINGULAR:
        raise ValueError(f"singular is {singular!r}; use {', '.join(SINGULAR)}")
    few = min(a.n, b.n) <= a.dim
    if few and singular == "refuse":
        raise ValueError(
            f"{min(a.n, b.n)} embeddings of {a.dim} dimensions: their covariance is singular. Use more clips, or "
            "shrinkage (singular='shrink')"
        )
    shrink = few and singular == "shrink"
    root, s2 = a.root(shrink), shrunk(b)[0] if shrink else b.covariance
    product = root @ s2 @ root
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh((product + product.T) / 2), 0)).sum()
    distance = np.sum((a.mean - b.mean) ** 2) + np.sum(root**2) + np.trace(s2) - 2 * shared
    if a.outside:
        distance += a.outside * (np.sqrt(a.floor(shrink)) - np.sqrt(b.floor(shrink))) ** 2
    return float(max(distance, 0.0))  # rounding leaves -1e-13 for equal sets


def fad_infinity(
    reference: Moments,
    items: Sequence[Moments],
    seed: int = 0,
    n_sizes: int = 8,
    n_orders: int = 4,
    singular: str = "refuse",
) -> dict:
    """FAD without its bias: the distance falls with the number of rows N as a + b / N; a is read off at 1 / N = 0.

    Gui et al., "Adapting Frechet audio distance for generative music evaluation", 2024. Whole items are left
    out, as the rows of one clip are alike.

    Args:
        reference: of the real music, all of it.
        items: moments of every item that is judged.
        seed: of the orders in which items are taken.
        n_sizes: sizes between a third of the items and all of them; n_orders: random orders, averaged.
        singular: as `frechet_distance`.
    Returns:
        value (a; may be below 0 for very similar sets), slope (b), r2, n (rows of each size), distances.
    Raises:
        ValueError: fewer than 6 items, or too few rows.
    """
    if len(items) < 6:
        raise ValueError(f"FAD-infinity: {len(items)} items; 6 or more are needed to extrapolate")
    sizes = np.unique(np.linspace(max(2, len(items) // 3), len(items), n_sizes).round().astype(int))
    rng, points = np.random.default_rng(seed), []
    for _ in range(n_orders):
        order = rng.permutation(len(items))
        for size in sizes:
            part = total([items[i] for i in order[:size]])
            points.append((part.n, frechet_distance(reference, part, singular)))
    n, distances = np.array(points).T
    slope, value = np.polyfit(1 / n, distances, 1)
    left = distances - (value + slope / n)
    spread = np.sum((distances - distances.mean()) ** 2)
    r2 = 1 - np.sum(left**2) / spread if spread > 0 else 1.0
    return {"value": float(value), "slope": float(slope), "r2": float(r2), "n": n, "distances": distances}


def per_item(reference: Moments, items: Sequence[Moments]) -> np.ndarray:
    """Each item's own distance to the reference, (n,): which clips are unlike the music they are judged by.

    An item's few rows give a singular covariance; the distance is still defined, and its values compare among items
    of one length only.
    """
    return np.array([frechet_distance(reference, item, "allow") for item in items])


def adherence(to_real, to_shuffled, apart, scale: float = 1.0) -> np.ndarray:
    """Accompaniment prompt adherence (APA), arXiv 2503.06346: nearer to real pairs, or to the same pairs shuffled?

    1/2 + (FD(C, R') - FD(C, R)) / (2 FD(R, R')), clipped to [0, 1]; C are mixes of conditionings and a system's
    answers, R mixes of true pairs, R' of the same conditionings with the answers of others.

    Args:
        to_real, to_shuffled, apart: FD(C, R), FD(C, R') and FD(R, R'), numbers or arrays.
        scale: the trace of R's covariance; an `apart` of less than 1e-12 of it is rounding, and gives NaN.
    Returns:
        1 for the true pairs, 0 for the shuffled ones; NaN where the embedder cannot tell these two apart.
    """
    apart = np.asarray(apart, dtype=np.float64)
    known = apart > 1e-12 * max(scale, 1e-300)
    share = 0.5 + (to_shuffled - np.asarray(to_real)) / (2 * np.where(known, apart, 1.0))
    return np.where(known, np.clip(share, 0.0, 1.0), np.nan)


def jackknife(value: float, without: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a statistic from its values without each of g groups (tracks): value +- 1.96 standard errors.

    A bootstrap would repeat clips, which shrinks covariances and biases a Frechet distance; leaving out does not.

    Returns:
        (low, high); NaN for fewer than three groups.
    """
    without = np.asarray(without, dtype=np.float64)
    g = len(without)
    if g < 3 or not np.isfinite(without).all():
        return float("nan"), float("nan")
    error = np.sqrt((g - 1) / g * np.sum((without - without.mean()) ** 2))
    return float(value - 1.96 * error), float(value + 1.96 * error)
