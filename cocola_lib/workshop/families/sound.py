"""What changes the sound of a recording and not the coherence: each sub-mix gets its own, at random."""

import functools

import numpy as np
from scipy.signal import fftconvolve

from cocola_lib.training.equaliser import equalised as equalised
from cocola_lib.workshop.families import RATE


def level(x):
    """Root mean square."""
    return np.sqrt(np.mean(np.square(x)) + 1e-12)


def recorded(x, rng):
    """A waveform as if recorded otherwise: drive (30 %), a room (30 %), another level, noise (60 %).

    Args:
        x: (N,) float32 at 16 kHz.
        rng: numpy Generator.
    Returns:
        (N,) float32; what is silent stays as it is.
    """
    if level(x) < 1e-5:
        return x
    if rng.random() < 0.3:
        drive = np.exp(rng.uniform(np.log(0.5), np.log(6)))
        x = np.tanh(drive * x / np.abs(x).max())
    if rng.random() < 0.3:
        wet = _in_a_room(x, rng)
        x = x + wet * (level(x) / level(wet) * rng.uniform(0.1, 0.6))
    x = x * (10 ** (rng.uniform(-32, -16) / 20) / level(x))
    if rng.random() < 0.6:
        x = x + _noise(rng, len(x)) * 10 ** (rng.uniform(-90, -46) / 20)
    return x.astype(np.float32)


def _in_a_room(x, rng):
    """The reverberation of a room of 0.1 to 0.9 s: exponentially falling noise, darker half of the time."""
    n = int(rng.uniform(0.1, 0.9) * RATE)
    response = _noise(rng, n) * 10 ** (-3 * np.arange(n) / n)
    if rng.random() < 0.5:
        response = np.convolve(response, np.ones(4) / 4)[:n]
    return fftconvolve(x, response.astype(np.float32))[: len(x)]


@functools.cache
def _bank():
    return np.random.default_rng(7).standard_normal(1 << 20).astype(np.float32)


def _noise(rng, n):
    """(n,) of a million ready-made normal numbers, either way up."""
    start = rng.integers(len(_bank()) - n)
    return _bank()[start : start + n] * rng.choice(np.float32([-1, 1]))
