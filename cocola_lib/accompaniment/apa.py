"""APA as published (accompaniment prompt adherence, arXiv 2503.06346); `frechet.adherence` is our own, simpler form.

Windows of 5 s without overlap, the tail dropped. Conditioning and stem are brought to equal loudness, their mix to
-20 LUFS, and peaks over full scale are limited, so that levels tell nothing. Candidates C are compared with real pairs
R, and with an anti-reference R': the same conditionings with the true stem of a window far away.
"""

from collections.abc import Sequence

import numpy as np

from cocola_lib.accompaniment.distances import Distances
from cocola_lib.accompaniment.loudness import limited, lufs, to_level
from cocola_lib.accompaniment.measure import Trial
from cocola_lib.data.audio import WINDOW_S

MIX_LUFS = -20.0
FAR = 100  # windows between a conditioning and the stem that does not belong to it
FEW, COMPONENTS = 100, 10  # sets of fewer windows are projected on so many principal components
REAL, ANTI = "real pairs", "anti-reference"


def paired_mix(conditioning: np.ndarray, stem: np.ndarray, rate: int) -> np.ndarray:
    """A conditioning and a stem at equal loudness, their mix at -20 LUFS, limited to full scale. (N,) float32"""
    level = lufs(conditioning, rate)
    stem = to_level(stem, rate, level) if np.isfinite(level) else stem
    return limited(to_level(conditioning + stem, rate, MIX_LUFS), rate)


def adherence(to_real, to_anti, apart) -> np.ndarray:
    """1/2 + n / (2 max(|n|, d)) with n = FD(C, R') - FD(C, R) and d = FD(R, R'); negative distances count as 0.

    Returns:
        1 where a system is as near to real pairs as these are far from false ones, 0 the other way round; NaN for d = 0
        and n = 0.
    """
    to_real, to_anti, apart = (np.maximum(np.asarray(x, dtype=np.float64), 0) for x in (to_real, to_anti, apart))
    n = to_anti - to_real
    scale = np.maximum(np.abs(n), apart)
    return np.where(scale > 0, 0.5 + n / (2 * np.where(scale > 0, scale, 1)), np.nan)


def far_away(n: int) -> list[int]:
    """For every one of n windows another, 100 places away; half of them where there are fewer than 200."""
    return [(i + (FAR if n >= 2 * FAR else n // 2)) % n for i in range(n)]


def published_adherence(trial: Trial, embedder, truth: str) -> tuple[dict[str, np.ndarray], str]:
    """APA as published, for every system but the truth.

    Args:
        trial: with the answers of `truth`.
        embedder: CLAP, as published; any of `fad_embedders`.
    Returns:
        system -> (1 + groups,) values with all tracks and without each group, for a jackknife; and a note about few
        windows. Empty for fewer than two windows.
    """
    rate = embedder.rate
    conditionings, tracks = _windows(trial, trial.conditionings, rate)
    stems = {system: _windows(trial, clips, rate)[0] for system, clips in trial.answers.items()}
    n = len(conditionings)
    if n < 2:
        return {}, "APA needs two windows of 5 s or more"
    true = stems.pop(truth)
    answers = {REAL: true, ANTI: [true[i] for i in far_away(n)]} | stems
    embedded = {
        name: [embedder.embed(paired_mix(x, y, rate)) for x, y in zip(conditionings, clips, strict=True)]
        for name, clips in answers.items()
    }
    note = "" if n >= 2 * FAR else f"{n} windows: the anti-reference is {n // 2} windows away"
    if n < FEW:
        embedded = _projected(embedded)
        note += f"; {next(iter(embedded.values()))[0].shape[1]} principal components"
    distances = Distances(embedded, tracks)
    apart = distances(ANTI, REAL)
    return {s: adherence(distances(s, REAL), distances(s, ANTI), apart) for s in stems}, note


def _windows(trial: Trial, clips: Sequence, rate: int) -> tuple[list[np.ndarray], list[str]]:
    """All windows of the clips, and the track of each."""
    size = round(WINDOW_S * rate)
    found, tracks = [], []
    for clip, track in zip(clips, trial.tracks, strict=True):
        x = trial.read(clip, rate)
        n = max(1, (len(x) + rate // 100) // size)  # 10 ms may be missing, as after resampling
        parts = [x[i * size : (i + 1) * size] for i in range(n)]
        found += parts
        tracks += [track] * n
    return found, tracks


def _projected(embedded):
    """All rows on the principal components of the real pairs."""
    real = np.concatenate(embedded[REAL]).astype(np.float64)
    mean = real.mean(axis=0)
    components = np.linalg.svd(real - mean, full_matrices=False)[2][:COMPONENTS]  # (10, D)
    return {name: [(rows - mean) @ components.T for rows in clips] for name, clips in embedded.items()}
