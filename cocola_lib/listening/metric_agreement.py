"""How far metrics agree with ratings: four levels, three coefficients, a bootstrap over raters and songs.

| level | one point is | it asks |
|---|---|---|
| rating | one rating | how well does the metric predict what one person will say? |
| item | one stimulus: its mean rating | the paper's Fig. 3 |
| within trial | one stimulus against the others of its page | does the metric rank the answers to one conditioning? |
| system | one system: its mean rating | does the metric rank the systems? |

Ratings of one person are not independent, neither are those of one song. So the bootstrap draws raters with replacement
and, independently, songs with replacement (Owen's pigeonhole bootstrap, Annals of Applied Statistics 1, 2007); a rating
counts as often as its rater was drawn times its song was. Notebook 07 tells the rest.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from cocola_lib.listening.correlations import COEFFICIENTS, coefficients, correct, intervals, permutation_p
from cocola_lib.listening.ratings import clusters

LEVELS = ("rating", "item", "within trial", "system")
N_BOOTSTRAP = 500  # the spread of so many draws is known to 3 %


def join(ratings: pd.DataFrame, metrics: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Ratings with one column per metric.

    Args:
        ratings: listener, page, item, system, rating, track; metrics: metric, item, system, score.

    Returns:
        The ratings of stimuli that every metric has a score for (all metrics then stand on the same ratings), with
        columns named after the metrics; and the number of stimuli left out.

    Raises:
        ValueError: a stimulus scored twice by one metric, or no stimulus scored by all of them.
    """
    twice = metrics.duplicated(["metric", "item", "system"])
    if twice.any():
        row = metrics[twice].iloc[0]
        raise ValueError(f"metrics: {row.metric} scores {row.system} of item {row['item']} twice")
    names = list(dict.fromkeys(metrics["metric"]))
    wide = metrics.pivot(index=["item", "system"], columns="metric", values="score")[names]
    wide = wide[np.isfinite(wide).all(axis=1)]
    joined = ratings.merge(wide.reset_index(), on=["item", "system"])
    if joined.empty:
        raise ValueError("metrics: no rated stimulus has a score of every metric; item and system must be named alike")
    n_stimuli = [len(frame[["item", "system"]].drop_duplicates()) for frame in (ratings, joined)]
    return joined, n_stimuli[0] - n_stimuli[1]


def draws(
    ratings: pd.DataFrame, n_bootstrap: int = N_BOOTSTRAP, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """How often each row counts in each draw: (times its rater was drawn, times its song was), (n,) each."""
    rng = np.random.default_rng(seed)
    codes = [pd.factorize(ratings[name])[0] for name in ("listener", clusters(ratings))]
    for _ in range(n_bootstrap):
        counts = [np.bincount(rng.integers(c.max() + 1, size=c.max() + 1), minlength=c.max() + 1) for c in codes]
        yield tuple(count[c] for count, c in zip(counts, codes, strict=True))


class Level:
    """One level of the analysis, ready to be computed for any weights of the ratings.

    Args:
        joined: from `join`; metrics: its metric columns; level: one of `LEVELS`; value: "rating" or "z".
    """

    def __init__(self, joined: pd.DataFrame, metrics: Sequence[str], level: str, value: str = "rating"):
        if level not in LEVELS:
            raise ValueError(f"level is {level!r}; use {', '.join(LEVELS)}")
        self.level, self.y = level, joined[value].to_numpy(dtype=np.float64)
        self.x = joined[list(metrics)].to_numpy(dtype=np.float64)
        keys = {"item": ["item", "system"], "system": ["system"], "within trial": ["listener", "page", "item"]}
        self.point = joined.groupby(keys.get(level, [joined.index])).ngroup().to_numpy()
        self.n = self.point.max() + 1
        if level == "within trial":
            self.sums = self._trials()
            self.n_pairs = self.sums[:, 2, 0, 2].sum()  # pairs of a page that were rated differently

    def estimate(self, rater: np.ndarray | None = None, song: np.ndarray | None = None) -> np.ndarray:
        """(M, 3) coefficients; (n,) weights of raters and songs as `draws` makes them, None: each once."""
        if self.level == "rating":
            return coefficients(self.x, self.y, None if rater is None else rater * song)
        if self.level == "within trial":
            products, of_x, of_y = self._total(rater, song)
            with np.errstate(invalid="ignore", divide="ignore"):
                return products / np.sqrt(of_x * of_y)
        return coefficients(*self.points(rater, song))

    def points(self, rater: np.ndarray | None = None, song: np.ndarray | None = None):
        """The points of the levels of items and systems: (n, M) metrics, (n,) mean ratings, (n,) times they count."""
        ones = np.ones(len(self.y))
        rater, song = (ones if w is None else w for w in (rater, song))
        # a mean rating weighs the raters drawn; a song drawn twice counts its stimuli twice, or twice in its system
        weights = rater if self.level == "item" else rater * song
        total = np.bincount(self.point, weights, self.n)
        with np.errstate(invalid="ignore"):
            y = np.bincount(self.point, weights * self.y, self.n) / total
            x = np.stack([np.bincount(self.point, weights * column, self.n) / total for column in self.x.T], axis=1)
        times = np.zeros(self.n)
        times[self.point] = song if self.level == "item" else 1
        return np.nan_to_num(x), y, np.where(total > 0, times, 0)

    def preference(self, rater: np.ndarray | None = None, song: np.ndarray | None = None) -> np.ndarray:
        """(M,) share of pairs of a page, rated differently, that a metric orders likewise; its ties count half."""
        products, _, of_y = self._total(rater, song)[:, :, 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (1 + products / of_y) / 2

    def _total(self, rater, song) -> np.ndarray:
        """(3, M, 3) sums over trials; all ratings of a trial have one rater and one song."""
        trial = np.ones(self.n)
        if rater is not None:
            trial[self.point] = rater * song
        return np.tensordot(trial, self.sums, axes=1)

    def _trials(self) -> np.ndarray:
        """(trials, 3, M, 3): sums of x y, x x and y y of each trial, of centred values, centred ranks, and pairs."""
        sums = np.zeros((self.n, 3, self.x.shape[1], 3))
        order = np.argsort(self.point, kind="stable")
        edges = np.flatnonzero(np.diff(self.point[order])) + 1
        for trial, rows in enumerate(np.split(order, edges)):
            i, j = np.triu_indices(len(rows), 1)
            x, y = self.x[rows], self.y[rows]
            ranked = stats.rankdata(x, axis=0), stats.rankdata(y)
            pairs = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            for c, (a, b) in enumerate(((x, y), ranked, pairs)):
                if c < 2:
                    a, b = a - a.mean(axis=0), b - b.mean()
                sums[trial, 0, :, c], sums[trial, 1, :, c], sums[trial, 2, :, c] = b @ a, (a**2).sum(axis=0), b @ b
        return sums


def tables(
    joined: pd.DataFrame, metrics: Sequence[str], value: str = "rating", n_bootstrap: int = N_BOOTSTRAP, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlations of all metrics on all levels, and how often each prefers what listeners prefer.

    Args:
        joined: from `join`; metrics: its metric columns; value: "rating", or "z" (see `screening.z_scored`).

    Returns:
        Correlations: metric, level, value, n (points), and for r, rho and tau: the coefficient, its interval (`r_low`,
        `r_high`), its p (`r_p`; on the level of systems from the permutation test), and p corrected for the number of
        metrics (`r_holm`, `r_bh`). Preferences: metric, accuracy, low, high, p (against chance, 0.5), holm, bh and
        n_pairs.
    """
    levels = [Level(joined, metrics, level, value) for level in LEVELS]
    trials = levels[LEVELS.index("within trial")]
    resampled = [
        (*[level.estimate(*w) for level in levels], trials.preference(*w)) for w in draws(joined, n_bootstrap, seed)
    ]
    *drawn, preferred = (np.stack(column) for column in zip(*resampled, strict=True))
    rows = [
        {"metric": metric, "level": level.level, "value": value, "n": int(level.n)} | row
        for level, bootstrap in zip(levels, drawn, strict=True)
        for metric, row in zip(metrics, _coefficient_rows(level, bootstrap, seed), strict=True)
    ]
    accuracy = trials.preference()
    low, high, p = intervals(2 * accuracy - 1, 2 * preferred - 1)
    preferences = pd.DataFrame(
        {"metric": list(metrics), "accuracy": accuracy, "low": (1 + low) / 2, "high": (1 + high) / 2, "p": p}
        | {how: correct(p, how) for how in ("holm", "bh")}
    )
    return pd.DataFrame(rows), preferences.assign(n_pairs=int(trials.n_pairs))


def _coefficient_rows(level: Level, bootstrap: np.ndarray, seed: int) -> list[dict]:
    """Per metric: each coefficient with its interval, its p, and its p corrected for the number of metrics."""
    estimate = level.estimate()
    low, high, p = intervals(estimate, bootstrap)
    if level.level == "system":
        p = permutation_p(*level.points()[:2], seed)
    rows = [{} for _ in estimate]
    for c, name in enumerate(COEFFICIENTS):
        found = {"": estimate, "_low": low, "_high": high, "_p": p}
        columns = {f"{name}{end}": values[:, c] for end, values in found.items()}
        columns |= {f"{name}_{how}": correct(p[:, c], how) for how in ("holm", "bh")}
        for m, row in enumerate(rows):
            row |= {key: values[m] for key, values in columns.items()}
    return rows


def others_mean(ratings: pd.DataFrame) -> pd.Series:
    """What the other raters say, on average, of the stimulus of each rating: the metric that people are.

    NaN where nobody else rated it.
    """
    stimulus = ratings.groupby(["item", "system"])["rating"]
    own = ratings.groupby(["item", "system", "listener"])["rating"]
    n = stimulus.transform("size") - own.transform("size")
    return (stimulus.transform("sum") - own.transform("sum")) / n.where(n > 0, np.nan)


def people(joined: pd.DataFrame) -> dict[str, float]:
    """The other listeners as if they were a metric, on the stimuli that somebody else rated: what can be had.

    Returns:
        {"rating", "within trial": Pearson r; "preference": share of pairs ordered alike, "n_pairs"}; NaN where no
        stimulus was rated by two.
    """
    shared = joined.assign(others=others_mean(joined)).dropna(subset="others")
    if shared.empty:
        return dict.fromkeys(("rating", "within trial", "preference"), float("nan")) | {"n_pairs": 0}
    rating, trial = (Level(shared, ["others"], level) for level in ("rating", "within trial"))
    return {
        "rating": float(rating.estimate()[0, 0]),
        "within trial": float(trial.estimate()[0, 0]),
        "preference": float(trial.preference()[0]),
        "n_pairs": int(trial.n_pairs),
    }
