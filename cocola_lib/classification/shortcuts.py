"""Could a model pair stems without hearing music? A check of data, by cues that say nothing musical.

Level, noise floor, decay, clipping, a sound at sample 0, the edge that resampling leaves: if true pairs can be
told from random ones by these alone, the data give the answer away. Notebook 01 shows the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cocola_lib.data.audio import SAMPLE_RATE

CUES = ("level_db", "noise_floor_db", "decay_db_per_s", "peak_db", "n_clipped", "sample0_db", "edge_db", "dc_db")
BLOCK_S = 0.02  # s, one reading of the level
SILENCE_DB = -100.0  # dBFS, stands for nothing at all


def _db(power) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def shortcut_features(waveform: np.ndarray) -> np.ndarray:
    """Measure what a recording reveals of its making, and nothing of its music.

    Args:
        waveform: (N,) at 16 kHz, -1 to 1, at least 0.2 s

    Returns:
        (8,), in the order of `CUES`: RMS level and the quietest 20th of the blocks (dBFS); the median slope of
        falling stretches (dB/s: a long room falls slowly); peak (dBFS); samples at full scale, as log(1 + n);
        the level of the first 10 ms (dBFS); the level above 7.5 kHz against the whole (dB); the mean (dBFS).

    Raises:
        ValueError: not one channel, shorter than 0.2 s, or NaN
    """
    x = np.asarray(waveform, dtype=np.float64)
    if x.ndim != 1 or len(x) < 0.2 * SAMPLE_RATE or not np.isfinite(x).all():
        raise ValueError(f"waveform: expected (N,) finite samples, N >= {SAMPLE_RATE // 5}; found shape {x.shape}")
    block = round(BLOCK_S * SAMPLE_RATE)
    levels = _db(np.mean(x[: len(x) // block * block].reshape(-1, block) ** 2, axis=1))
    slopes = np.diff(levels) / BLOCK_S
    falling = slopes[(slopes < -20) & (levels[1:] > -80)]
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    edge = round(7500 / (SAMPLE_RATE / 2) * (len(spectrum) - 1))
    return np.array(
        [
            _db(np.mean(x**2)),
            np.quantile(levels, 0.05),
            np.median(falling) if falling.size else 0.0,
            _db(np.max(x**2)),
            np.log1p(np.sum(np.abs(x) >= 32767 / 32768)),
            _db(np.mean(x[: SAMPLE_RATE // 100] ** 2)),
            _db(spectrum[edge:].sum()) - _db(spectrum.sum()),
            _db(x.mean() ** 2),
        ]
    )


@dataclass(frozen=True)
class ShortcutResult:
    """How well cues alone tell true pairs from random ones: 0.5 is chance."""

    accuracy: float
    interval: tuple[float, float]  # 95 %, over pairs
    n_pairs: int
    per_cue: dict[str, float]  # the accuracy of each cue on its own


def shortcut_check(anchors: np.ndarray, positives: np.ndarray, groups, seed: int = 0) -> ShortcutResult:
    """Train a logistic regression to tell true pairs from random ones by their cues.

    A pair is described by the absolute differences and the sums of its cues. Random pairs take the positive of
    another track. Folds keep tracks apart, so the regression cannot know a track by heart. Compare pairs from
    anywhere in the tracks: at the same place, two stems do share one thing that is musical, when they pause.

    Args:
        anchors, positives: (n, 8) from `shortcut_features`, row i of both from the same track
        groups: (n,) track of each row, at least 5 different

    Returns:
        the accuracy on tracks not trained on; read the interval: 0.5 inside it means that nothing was found
    """
    rng, groups = np.random.default_rng(seed), np.asarray(groups)
    if len(set(groups.tolist())) < 5:
        raise ValueError(f"shortcut_check needs 5 tracks or more, found {len(set(groups.tolist()))}")
    fold_of = {g: i % 5 for i, g in enumerate(rng.permutation(sorted(set(groups.tolist()))))}
    folds = np.array([fold_of[g] for g in groups.tolist()])
    others = np.empty(len(groups), dtype=int)
    for i, g in enumerate(groups):  # from the same fold, so that no track is in training and test
        choices = np.flatnonzero((folds == folds[i]) & (groups != g))
        others[i] = rng.choice(choices if choices.size else np.flatnonzero(groups != g))
    pairs = np.concatenate([_describe(anchors, positives), _describe(anchors, positives[others])])
    truth, folds = np.repeat([1, 0], len(anchors)), np.tile(folds, 2)
    hit = _cross_validate(pairs, truth, folds)
    accuracy = float(hit.mean())
    names = sorted(set(groups.tolist()))
    by_track = {g: np.flatnonzero(np.tile(groups, 2) == g) for g in names}
    draws = [hit[np.concatenate([by_track[g] for g in rng.choice(names, len(names))])].mean() for _ in range(500)]
    n = len(CUES)
    per_cue = {c: float(_cross_validate(pairs[:, [i, i + n]], truth, folds).mean()) for i, c in enumerate(CUES)}
    low, high = np.quantile(draws, [0.025, 0.975])
    return ShortcutResult(accuracy, (float(low), float(high)), len(anchors), per_cue)


def _describe(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.concatenate([np.abs(a - b), a + b], axis=1)  # (n, 16)


def _cross_validate(pairs: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Whether each pair is judged rightly by a regression trained on the other folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    hit = np.zeros(len(truth), dtype=bool)
    for fold in np.unique(folds):
        test = folds == fold
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        hit[test] = model.fit(pairs[~test], truth[~test]).predict(pairs[test]) == truth[test]
    return hit
