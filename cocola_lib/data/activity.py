"""Which stems sound when: the energy of every stem in blocks of 0.1 s, computed once per track and cached.

The sampler must not draw silent stems, and must not read audio to find out. Windows start on this grid, so the
level of a stem in a window follows exactly from its blocks.
"""

import hashlib

import numpy as np

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.levels import BLOCK_S, SILENCE_DBFS, block_power
from cocola_lib.data.stems import Stem, Track
from cocola_lib.files import cached, data_dir, keep

VERSION = 2  # of what is cached; 2: offsets are removed


def _block_energy(stem: Stem, n_blocks: int) -> np.ndarray:
    """Mean square per block of a stem, around the block's mean. (n_blocks,)"""
    energy = np.zeros(n_blocks, dtype=np.float64)
    rate = stem.info().sample_rate
    edges = np.round(np.arange(n_blocks + 1) * BLOCK_S * rate).astype(int)
    for first in range(0, n_blocks, 600):  # a minute at a time: memory stays flat
        last = min(first + 600, n_blocks)
        start, n = edges[first], edges[last] - edges[first]
        x = stem.read(rate, start / rate, n / rate)
        energy[first:last] = block_power(x, edges[first : last + 1] - start)
    return energy


def block_energy(track: Track, cache: bool = True) -> np.ndarray:
    """Mean square of every stem in every whole block of 0.1 s, its offset removed (see `levels.block_power`).

    Args:
        track: its files are read once; the result is cached by their path, size and date.
        cache: False neither reads nor writes the cache.

    Returns:
        (stems, blocks) float32, full scale = 1.

    Raises:
        ValueError, OSError: a file that cannot be read, by name.
    """
    stamp: list = [VERSION]
    stamp += [(str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns) for stem in track.stems for f in stem.files]
    stamp += [(stem.name, stem.times) for stem in track.stems if stem.times > 1]
    path = data_dir() / "activity" / f"{hashlib.sha256(ascii(stamp).encode()).hexdigest()[:24]}.npy"
    n_blocks = int(track.duration_s / BLOCK_S + 1e-6)

    def read(path):
        energy = np.load(path, mmap_mode="r")
        if energy.shape != (len(track.stems), n_blocks):
            raise ValueError(f"{energy.shape[0]} stems in {energy.shape[-1]} blocks")
        return energy

    energy = cached(path, read) if cache else None
    if energy is None:
        energy = np.stack([_block_energy(stem, n_blocks) for stem in track.stems]).astype(np.float32)
        if cache:
            keep(path, energy, np.save)
    return energy


def sounding(energy: np.ndarray, window_s: float = WINDOW_S) -> np.ndarray:
    """Which stems sound in the window that starts at each block.

    Args:
        energy: (stems, blocks) from `block_energy`.
        window_s: length of the window, s.

    Returns:
        (stems, starts) bool, starts = blocks - window + 1; no column if the track is shorter than the window.
    """
    n = round(window_s / BLOCK_S)
    if energy.shape[1] < n:
        return np.zeros((energy.shape[0], 0), dtype=bool)
    cumulative = np.cumsum(np.pad(energy, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    mean_square = (cumulative[:, n:] - cumulative[:, :-n]) / n
    return mean_square > 10 ** (SILENCE_DBFS / 10)
