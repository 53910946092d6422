"""Levels: how loud samples are, and what counts as silent. Full scale is 1.0."""

import math

import numpy as np

SILENCE_DBFS = -60.0  # dBFS RMS: a stem, or a window, below this level is silent
BLOCK_S = 0.1  # s in which an offset is constant; also the grid on which windows start
CANCELLED_DB = 20.0  # dB that a mix to mono may lose before channels count as opposite


def rms_dbfs(x):
    """Root mean square level in dB relative to full scale.

    Args:
        x: array of samples, full scale 1.0.
    Returns:
        dB: 0 for a full-scale square wave, -3 for a full-scale sine; -inf for silence and for no samples.
    """
    x = np.asarray(x, dtype=np.float64).ravel()
    return _db(float(x @ x) / x.size if x.size else 0.0)


def block_power(x, edges):
    """Mean square of blocks, each around its own mean: a constant offset, or one that drifts, is no sound.

    Args:
        x: (N,) samples, full scale 1.0.
        edges: (n + 1,) where blocks begin and the last one ends.
    Returns:
        (n,) float64.
    """
    x = np.asarray(x, dtype=np.float64)[: edges[-1]]
    n = np.diff(edges)
    mean = np.add.reduceat(x, edges[:-1]) / n
    return np.add.reduceat((x - np.repeat(mean, n)) ** 2, edges[:-1]) / n


def sound_dbfs(x, rate):
    """RMS level of what sounds in a clip, its offset removed (see `block_power`), in dB; -inf for silence.

    Args:
        x: (N,) samples, full scale 1.0.
        rate: Hz.
    """
    if len(x) == 0:
        return -math.inf
    edges = np.append(np.arange(0, len(x), max(1, round(BLOCK_S * rate))), len(x))
    return _db(float(block_power(x, edges) @ np.diff(edges)) / len(x))


def is_silent(x, rate):
    """Whether a clip's level, its offset removed, is below -60 dBFS."""
    return sound_dbfs(x, rate) < SILENCE_DBFS


def cancel(channels, mono):
    """Whether channels that sound leave next to nothing when they are mixed: left and right in opposite phase.

    Args:
        channels: (N, channels) samples.
        mono: (N,) their mean.
    """
    if np.var(mono) > 10 ** (SILENCE_DBFS / 10):
        return False
    apart = _db(float(np.var(channels, axis=0).mean()))
    return apart > max(SILENCE_DBFS, _db(float(np.var(mono))) + CANCELLED_DB)


def _db(power):
    return 10.0 * math.log10(power) if power > 0 else -math.inf
