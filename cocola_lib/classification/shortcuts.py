"""Could a model pair stems without hearing music? A check of data, by cues that say nothing musical.

Level, noise floor, decay, clipping, a sound at sample 0, the edge that resampling leaves: if true pairs can be
told from random ones by these alone, the data give the answer away. Notebook 01 shows the result.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.defects import count_clipped
from cocola_lib.data.stems import Track
from cocola_lib.sampling import WindowSampler, split_stems

CUES = ("level_db", "noise_floor_db", "decay_db_per_s", "peak_db", "n_clipped", "sample0_db", "edge_db", "dc_db")
LEVEL_S = 0.02  # s, one reading of the level
SILENCE_DB = -100.0  # dBFS, stands for nothing at all
MIN_TRACKS = 10  # of a data set, for a check
FOLDS = 5


def _db(power) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def shortcut_features(waveform: np.ndarray) -> np.ndarray:
    """Measure what a recording reveals of how it was made, and nothing of its music.

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
    block = round(LEVEL_S * SAMPLE_RATE)
    levels = _db(np.mean(x[: len(x) // block * block].reshape(-1, block) ** 2, axis=1))
    slopes = np.diff(levels) / LEVEL_S
    falling = slopes[(slopes < -20) & (levels[1:] > -80)]
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    edge = round(7500 / (SAMPLE_RATE / 2) * (len(spectrum) - 1))
    return np.array(
        [
            _db(np.mean(x**2)),
            np.quantile(levels, 0.05),
            np.median(falling) if falling.size else 0.0,
            _db(np.max(x**2)),
            np.log1p(count_clipped(x)),
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
    per_cue: dict[str, float]  # the accuracy of each cue on its own


def check_datasets(sampler: WindowSampler, seed: int = 0, n_pairs: int = 300) -> pd.DataFrame:
    """Check every data set that has ten tracks or more, once or twice: with any sub-mixes, and with one pair of stems.

    In the task, the paper's and ours, the two sub-mixes of a true pair never hold the same instrument, while those of
    a random pair can. The second row takes this cue away: it compares the two stems that most tracks have.

    Args:
        sampler: holds the tracks; the two clips of a pair are windows at different places of one track.
        seed: of the pairs and of the check.
        n_pairs: true pairs in each check, and as many random ones.

    Returns:
        "data set", "pairs", "accuracy" with "low" and "high" in [0, 1], "strongest cue"; no row, and no column, where
        no data set is large enough.
    """
    usable = [track for track in sampler.tracks if len(sampler.windows(track)[0])]
    rows, rng = [], np.random.default_rng(seed)
    for dataset in sorted({track.dataset for track in usable}):
        members = [track for track in usable if track.dataset == dataset]
        counts = Counter(pair for t in members for pair in combinations(sorted(t.stem_names), 2))
        two = counts.most_common(1)[0][0]
        both = [t for t in members if set(two) <= set(t.stem_names)]
        for kind, tracks, stems in (("any sub-mixes", members, None), (" with ".join(two), both, two)):
            if len(tracks) >= MIN_TRACKS:
                found = shortcut_check(*_draw(sampler, tracks, stems, n_pairs, rng), seed)
                shares = {"accuracy": found.accuracy, "low": found.interval[0], "high": found.interval[1]}
                cue = {"strongest cue": max(found.per_cue, key=found.per_cue.get)}
                rows.append({"data set": dataset, "pairs": kind} | shares | cue)
    return pd.DataFrame(rows)


def _draw(
    sampler: WindowSampler, tracks: Sequence[Track], stems: tuple[str, str] | None, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Cues of n pairs, of these two stems or of any: anchors (n, 8), positives (n, 8), their tracks (n,)."""
    sides, groups = ([], []), []
    for _ in range(n):
        track = tracks[rng.integers(len(tracks))]
        groups.append(track.id)
        members = ((stems[0],), (stems[1],)) if stems else split_stems(track.stem_names, rng)
        for side, names in zip(sides, members, strict=True):
            start_s = float(rng.choice(sampler.windows(track)[0])) * BLOCK_S
            side.append(shortcut_features(track.read(names, start_s, sampler.window_s)))
    return np.stack(sides[0]), np.stack(sides[1]), groups


def shortcut_check(anchors: np.ndarray, positives: np.ndarray, groups: Sequence[str], seed: int = 0) -> ShortcutResult:
    """Train a logistic regression to tell true pairs from random ones by their cues.

    A pair is described by the absolute differences and the sums of its cues. Random pairs take the positive of
    another track. Folds keep tracks apart, so the regression cannot know a track by heart. Compare pairs from
    anywhere in the tracks: at the same place, two stems share something musical, namely when they pause.

    Args:
        anchors, positives: (n, 8) from `shortcut_features`, row i of both from the same track
        groups: (n,) track of each row, at least 5 different

    Returns:
        the accuracy on tracks not trained on; read the interval: 0.5 inside it means that nothing was found

    Raises:
        ValueError: fewer than 5 tracks
    """
    rng, groups = np.random.default_rng(seed), np.asarray(groups)
    names = sorted(set(groups.tolist()))
    if len(names) < FOLDS:
        raise ValueError(f"shortcut_check needs {FOLDS} tracks or more, found {len(names)}")
    fold_of = {g: i % FOLDS for i, g in enumerate(rng.permutation(names))}
    folds = np.array([fold_of[g] for g in groups.tolist()])
    others = np.empty(len(groups), dtype=int)
    for i, g in enumerate(groups):  # from the same fold, so that no track is in training and test
        choices = np.flatnonzero((folds == folds[i]) & (groups != g))
        others[i] = rng.choice(choices if choices.size else np.flatnonzero(groups != g))
    pairs = np.concatenate([_describe(anchors, positives), _describe(anchors, positives[others])])
    truth, folds = np.repeat([1, 0], len(anchors)), np.tile(folds, 2)
    hit = _cross_validate(pairs, truth, folds)
    by_track = {g: np.flatnonzero(np.tile(groups, 2) == g) for g in names}
    draws = [hit[np.concatenate([by_track[g] for g in rng.choice(names, len(names))])].mean() for _ in range(500)]
    n = len(CUES)
    per_cue = {c: float(_cross_validate(pairs[:, [i, i + n]], truth, folds).mean()) for i, c in enumerate(CUES)}
    low, high = np.quantile(draws, [0.025, 0.975])
    return ShortcutResult(float(hit.mean()), (float(low), float(high)), per_cue)


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
