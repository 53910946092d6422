"""Harmonic-percussive mel powers on the CPU: one clip stays in the cache from its first frame to its mel bands.

Time and frequency swap places once, by blocks of 16 x 16, so that both medians run down columns, 16 columns at a time.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import scipy.fft

from cocola_lib.fast.medians import HALF, KERNEL, TILE, median_rows, median_rows_transposed, mirrored, transpose

BLOCK = 32  # frames per FFT call: input and output stay in the second-level cache
TINY = np.float32(np.finfo(np.float32).tiny)  # medians below it count as silent, as in librosa

_SPARE = []  # workspaces of earlier calls: fresh memory costs more than the arithmetic


class Workspace:
    """The arrays that one thread needs for clips of one length; rows and columns padded to whole tiles."""

    def __init__(self, n_samples, n_fft, width, hop, n_bands):
        self.key = (n_samples, n_fft, width, hop, n_bands)
        self.n_frames, self.n_bins = 1 + n_samples // hop, 1 + n_fft // 2
        t, f = (TILE * -(-n // TILE) for n in (self.n_frames, self.n_bins))
        self.samples = np.zeros(n_samples + width + hop)
        self.frames = np.zeros((BLOCK, n_fft))
        self.by_time = np.zeros((t + KERNEL - 1, f), np.float32)  # magnitudes, edges mirrored: (T + 30, F)
        self.by_bin = np.zeros((f + KERNEL - 1, t), np.float32)  # the same transposed: (F + 30, T)
        self.harmonic = np.empty((f, t), np.float32)
        self.percussive = np.empty((f, t), np.float32)
        self.bands = np.empty((2, n_bands, t), np.float32)
        self.time_edges = mirrored(self.n_frames, HALF, t + HALF - self.n_frames) + HALF
        self.bin_edges = mirrored(self.n_bins, HALF, f + HALF - self.n_bins) + HALF


def hps_mel_power(waveforms, window, n_fft, hop, filters, n_threads=1, edges="constant"):
    """Mel power of the harmonic and of the percussive part (librosa's hpss, power 2, margin 1).

    Args:
        waveforms: (B, N) float32.
        window: (W,) float64, centred in n_fft samples.
        filters: (M, F) float32 mel filters.
        n_threads: clips worked on at once; the threads end with the call, so that a later fork is safe.
        edges: what is before and after a clip: "constant": zeros; "reflect": the clip mirrored.
    Returns:
        (B, 2, M, T) float32.
    """
    out = np.empty((len(waveforms), 2, len(filters), 1 + waveforms.shape[1] // hop), np.float32)
    first, last = _support(filters)

    def work(start):
        space = _workspace(waveforms.shape[1], n_fft, len(window), hop, len(filters))
        for i in range(start, len(waveforms), n_threads):
            _magnitudes(np.pad(waveforms[i], len(window) // 2, edges), window, hop, space)
            _separate(space)
            _mel(space.by_bin, space.harmonic, space.percussive, filters, first, last, space.bands)
            out[i] = space.bands[:, :, : space.n_frames]
        _SPARE.append(space)

    n_threads = max(1, min(n_threads, len(waveforms)))
    if n_threads == 1:
        work(0)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(work, range(n_threads)))
    return out


def _workspace(*key):
    while _SPARE:
        try:
            space = _SPARE.pop()
        except IndexError:  # another thread was quicker
            break
        if space.key == key:
            return space
    return Workspace(*key)


def _support(filters):
    """First and last (exclusive) band in which each bin has weight: two (F,) arrays."""
    weighs = filters > 0
    first = np.where(weighs.any(0), weighs.argmax(0), 0)
    last = np.where(weighs.any(0), len(filters) - weighs[::-1].argmax(0), 0)
    return first, last


def _magnitudes(padded, window, hop, space):
    """Centred STFT in double, as librosa computes it, of a padded clip -> space.by_time, edges mirrored."""
    space.samples[: len(padded)] = padded
    for start in range(0, space.n_frames, BLOCK):
        n = min(BLOCK, space.n_frames - start)
        # the window sits at the frame's beginning, not in its middle: magnitudes do not care
        _window(space.samples, window, start, n, hop, space.frames)
        spectrum = scipy.fft.rfft(space.frames[:n], axis=1)
        _absolute(spectrum.view(np.float64), space.by_time, HALF + start)
    _mirror(space.by_time, space.time_edges, HALF, HALF + space.n_frames)


def _separate(space):
    """Medians along time (what lasts) and along frequency (what strikes)."""
    median_rows_transposed(space.by_time, space.harmonic)
    transpose(space.by_time, HALF, space.by_bin[HALF:-HALF])
    _mirror(space.by_bin, space.bin_edges, HALF, HALF + space.n_bins)
    median_rows(space.by_bin, space.percussive)


@numba.njit(cache=True, nogil=True)
def _window(samples, window, first, n, hop, frames):
    for i in range(n):
        start = (first + i) * hop
        for k in range(window.size):
            frames[i, k] = samples[start + k] * window[k]


@numba.njit(cache=True, nogil=True)
def _absolute(spectrum, out, row):
    for i in range(spectrum.shape[0]):
        for k in range(spectrum.shape[1] // 2):
            real, imaginary = spectrum[i, 2 * k], spectrum[i, 2 * k + 1]
            out[row + i, k] = np.sqrt(real * real + imaginary * imaginary)


@numba.njit(cache=True, nogil=True)
def _mirror(rows, index, start, stop):
    """Fill the rows outside start..stop from those inside."""
    for i in range(rows.shape[0]):
        if i < start or i >= stop:
            rows[i] = rows[index[i]]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mel(magnitude, harmonic, percussive, filters, first, last, bands):
    """Soft masks H^2 / (H^2 + P^2) and P^2 / (H^2 + P^2), power, mel filters, one frequency at a time."""
    n_bins, n_frames = filters.shape[1], harmonic.shape[1]
    power = np.empty((2, n_frames), np.float32)
    bands[:] = 0
    half, one = np.float32(0.5), np.float32(1)
    for f in range(n_bins):
        if first[f] == last[f]:
            continue
        for t in range(n_frames):
            h, p = harmonic[f, t], percussive[f, t]
            larger = h if h > p else p
            silent = larger < TINY
            scale = one if silent else larger  # squares of tiny numbers would vanish
            h, p = h / scale, p / scale
            h, p = h * h, p * p
            total = h + p
            h = magnitude[HALF + f, t] * (half if silent else h / total)
            p = magnitude[HALF + f, t] * (half if silent else p / total)
            power[0, t] = h * h
            power[1, t] = p * p
        for m in range(first[f], last[f]):
            weight = filters[m, f]
            for t in range(n_frames):
                bands[0, m, t] += weight * power[0, t]
                bands[1, m, t] += weight * power[1, t]
