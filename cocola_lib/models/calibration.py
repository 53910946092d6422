"""Calibration: what a raw score means. Raw scores of two checkpoints cannot be compared; shares and odds can.

A checkpoint remembers how it scores the true pairs and the random pairs of a named data set, per mode. A new score
is then also "would beat x % of random pairs", and so many times likelier for a true pair than for a random one.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cocola_lib.files import write_json
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import CONFIG, locate

N_QUANTILES = 201  # stored per distribution: every half per cent
MIN_PAIRS = 8  # fewer say nothing about a distribution


@dataclass(frozen=True)
class ModeCalibration:
    """Both distributions of one mode's scores, and the odds fitted to them.

    `random_quantiles` and `true_quantiles` are 201 scores each, from the least to the greatest. Odds are
    exp(intercept + slope * score), slope >= 0, at most `max_odds` and at least 1 / max_odds.
    `auc` is the share of (true, random) pairs of scores in which the true one is higher: 0.5 is chance.
    """

    random_quantiles: list[float]
    true_quantiles: list[float]
    intercept: float
    slope: float
    max_odds: float
    auc: float
    n_true: int
    n_random: int

    def __str__(self):
        true, random = (np.median(q) for q in (self.true_quantiles, self.random_quantiles))
        return (
            f"a true pair beats a random one in {self.auc:.1%} of cases "
            f"({self.n_true} true pairs, median {true:.2f}; {self.n_random} random pairs, median {random:.2f})"
        )

    @property
    def spread(self):
        """Half the width of the middle 68 % of random scores: their standard deviation if they were normal."""
        low, high = np.interp([0.1587, 0.8413], np.linspace(0, 1, len(self.random_quantiles)), self.random_quantiles)
        return float(high - low) / 2

    def percentile(self, score):
        """The share of random pairs that a score would beat, in per cent; ties count a half; NaN gives NaN."""
        quantiles = self.random_quantiles
        if math.isnan(score):
            return math.nan
        low, high = (int(np.searchsorted(quantiles, score, side)) for side in ("left", "right"))
        if low == high and 0 < low < len(quantiles):  # strictly between two stored scores
            low, high = low - 1, low
            rank = low + (score - quantiles[low]) / (quantiles[high] - quantiles[low])
        elif low == high:  # below or above them all
            rank = 0 if low == 0 else len(quantiles) - 1
        else:
            rank = (low + high - 1) / 2
        return 100.0 * rank / (len(quantiles) - 1)

    def odds(self, score):
        """How many times likelier the score is for a true pair than for a random one; 1 is undecided."""
        if math.isnan(score):
            return math.nan
        limit = math.log(self.max_odds)
        return min(self.max_odds, math.exp(min(limit, max(-limit, self.intercept + self.slope * score))))

    def odds_in_words(self, score):
        """The odds as text: 4 : 1, or 1 : 4; > 155 : 1 where 155 true pairs can say no more; NaN is empty."""
        odds = self.odds(score)
        if math.isnan(odds):
            return ""
        at_limit = max(odds, 1 / odds) >= self.max_odds * (1 - 1e-9)
        said = f"{odds:.3g} : 1" if odds >= 1 else f"1 : {1 / odds:.3g}"
        return f"{'>' if odds >= 1 else '<'} {said}" if at_limit else said


@dataclass(frozen=True)
class Calibration:
    """A checkpoint's score distributions on one data set: name of the set, and a `ModeCalibration` per mode."""

    dataset: str
    modes: dict[str, ModeCalibration]

    def to_dict(self):
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """From JSON; ValueError where it is something else."""
        try:
            modes = {mode: ModeCalibration(**entry) for mode, entry in values["modes"].items()}
            return cls(values["dataset"], modes)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"calibration: not readable ({error}); make it again with `calibrate`") from None


def calibrate(scorer, pairs, dataset, groups=None, progress=iter):
    """Measure how a scorer rates true and random pairs.

    The n true pairs give n true scores; every anchor with every positive of another group gives a random one.
    Odds: logistic regression of true against random on the score, both classes weighted alike, so that
    exp(intercept + slope * score) estimates p(score | true) / p(score | random); Platt's smoothed targets keep the
    slope finite when the classes do not overlap. It rises with the score by construction (a slope below 0, a model
    worse than chance, becomes 0: odds 1 everywhere), and never exceeds the number of true pairs.

    Args:
        scorer: a `Scorer`, or anything with `matrices(conditionings, accompaniments, modes)` and `modes`.
        pairs: list of (anchor, positive), each a clip or path as `Scorer.score` takes them; 8 or more, hundreds
            are better. Windows of 5 s give the distribution of single windows; a mean over many windows varies
            less than they do, so that its percentile is on the safe side.
        dataset: name of the data set, for the record.
        groups: n labels such as track ids; None takes every pair for a song of its own.
        progress: wraps the iterable of clips as they are embedded, such as `tqdm`.
    Returns:
        `Calibration`, not stored yet (see `store`).
    Raises:
        ValueError: too few pairs with finite scores.
    """
    pairs = list(pairs)
    if len(pairs) < MIN_PAIRS:
        raise ValueError(f"calibrate: {len(pairs)} pairs; {MIN_PAIRS} or more are needed, hundreds are better")
    groups = np.arange(len(pairs)) if groups is None else np.asarray(groups)
    anchors, positives = (progress([pair[side] for pair in pairs]) for side in (0, 1))
    matrices = scorer.matrices(anchors, positives, scorer.modes)
    modes = {mode: fit(*split(matrix, groups)) for mode, matrix in matrices.items()}
    return Calibration(dataset, modes)


def split(matrix, groups):
    """Scores of true pairs (the diagonal) and of random pairs (other groups) of an (n, n) matrix, NaN left out."""
    matrix = np.asarray(matrix, dtype=np.float64)
    foreign = groups[:, None] != groups[None, :]
    return (scores[np.isfinite(scores)] for scores in (np.diag(matrix), matrix[foreign]))


def fit(true, random):
    """One mode's calibration from its scores.

    Args:
        true: (n_true,) finite scores of true pairs.
        random: (n_random,) finite scores of random pairs.
    Returns:
        `ModeCalibration`.
    """
    if min(len(true), len(random)) < MIN_PAIRS:
        raise ValueError(
            f"calibrate: {len(true)} true and {len(random)} random pairs sound in both sides; "
            f"{MIN_PAIRS} or more of each are needed"
        )
    grid = np.linspace(0, 1, N_QUANTILES)
    ranks = np.searchsorted(np.sort(random), true, "left") + np.searchsorted(np.sort(random), true, "right")
    intercept, slope = _logistic(true, random)
    return ModeCalibration(
        random_quantiles=np.quantile(random, grid).tolist(),
        true_quantiles=np.quantile(true, grid).tolist(),
        intercept=intercept,
        slope=slope,
        max_odds=float(len(true)),
        auc=float(ranks.mean() / 2 / len(random)),
        n_true=len(true),
        n_random=len(random),
    )


def check_folder(folder):
    """Refuse a checkpoint that cannot hold a calibration, before any work is done."""
    if locate(folder) != Path(folder):
        raise ValueError(
            f"{folder}: comes with its calibration; for another one, first: cocola convert {folder} FOLDER"
        )
    if Path(folder).is_file():
        raise ValueError(f"{folder}: a file cannot hold a calibration; first: cocola convert {folder} FOLDER")
    return checkpoints.read_config(folder)


def store(folder, calibration):
    """Write a calibration into a checkpoint's config.json, beside those of other data sets; the last one is used.

    Args:
        folder: a checkpoint in our format (a released .ckpt: `convert` it first).
        calibration: `Calibration`.
    """
    folder, config = Path(folder), check_folder(folder)
    stored = dict(config.get("calibration") or {})
    stored.pop(calibration.dataset, None)
    stored[calibration.dataset] = calibration.to_dict()
    config["calibration"] = stored
    write_json(folder / CONFIG, config)


def stored_calibration(config, dataset=None):
    """The calibration in a checkpoint's config: of a named data set, or the last one; None where there is none."""
    entries = config.get("calibration") or {}
    if not entries and dataset is None:
        return None
    if dataset is None:
        dataset = list(entries)[-1]
    if dataset not in entries:
        raise ValueError(f"calibration: none for {dataset!r}; this checkpoint has {list(entries) or 'none'}")
    return Calibration.from_dict(entries[dataset])


def _logistic(true, random):
    """Intercept and slope of the log odds, classes weighted alike, by maximum likelihood on standardised scores."""
    from scipy.optimize import minimize  # half a second that scoring does not need
    from scipy.special import expit

    scores = np.concatenate([true, random])
    centre, scale = scores.mean(), scores.std()
    if scale == 0:
        return 0.0, 0.0
    x = np.stack([np.ones_like(scores), (scores - centre) / scale])  # (2, n)
    n_true, n_random = len(true), len(random)
    target = np.repeat([(n_true + 1) / (n_true + 2), 1 / (n_random + 2)], [n_true, n_random])
    weight = np.repeat([0.5 / n_true, 0.5 / n_random], [n_true, n_random])

    def loss(beta):  # and its gradient
        z = beta @ x
        return weight @ (np.logaddexp(0, z) - target * z), x @ (weight * (expit(z) - target))

    beta = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-12}).x
    slope = beta[1] / scale
    return (0.0, 0.0) if slope <= 0 else (float(beta[0] - slope * centre), float(slope))
