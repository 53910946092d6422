"""Loudness as protocols state it: LUFS (ITU-R BS.1770-4), a level to bring clips to, and a limiter at full scale."""

import numpy as np
import pyloudnorm
from scipy.ndimage import minimum_filter1d, uniform_filter1d

SHORTEST_S = 0.4  # s: the gate of the standard measures blocks of this length
LOOK_AHEAD_S = 0.005  # s on either side of a peak over which the limiter turns down


def lufs(x: np.ndarray, rate: int) -> float:
    """Integrated loudness of a mono clip, in LUFS (a sine of 997 Hz at full scale: -3.0); -inf where nothing sounds.

    Args:
        x: (N,), shorter ones than 0.4 s are padded. rate: Hz.
    """
    x = np.pad(np.asarray(x, dtype=np.float64), (0, max(0, round(SHORTEST_S * rate) - len(x))))
    return float(pyloudnorm.Meter(rate).integrated_loudness(x)) if x.any() else -np.inf


def to_level(x: np.ndarray, rate: int, target: float, peak: float | None = None) -> np.ndarray:
    """A clip at a loudness, (N,) float32; what is silent stays so.

    Args:
        target: LUFS. peak: a larger one is turned down to this (full scale is 1); None leaves it.
    """
    found = lufs(x, rate)
    if not np.isfinite(found):
        return np.asarray(x, dtype=np.float32)
    y = x * 10 ** ((target - found) / 20)
    top = np.abs(y).max()
    return np.asarray(y * (peak / top) if peak and top > peak else y, dtype=np.float32)


def limited(x: np.ndarray, rate: int) -> np.ndarray:
    """A clip whose peaks over full scale are turned down, smoothly and 5 ms ahead; others stay as they are. (N,)"""
    if np.abs(x).max(initial=0) <= 1:
        return x
    n = 2 * round(LOOK_AHEAD_S * rate) + 1
    gain = minimum_filter1d(1 / np.maximum(np.abs(x), 1), n)  # the least gain near each sample
    return (x * uniform_filter1d(gain, n)).astype(np.float32)
