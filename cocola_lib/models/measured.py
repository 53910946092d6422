"""Measured features: when something begins and which pitch classes sound, as vectors whose inner product is a score.

Nothing here is learnt. Onsets: how much each of 128 mel bands rises within 20 ms, seen through a window of 128 ms; the
square root lets many small events outweigh one loud one. Chroma: windows of 256 ms tell tones apart that are 4 Hz
apart; a logarithm hears quiet notes beside loud ones, and subtracting the mean of three semitones around leaves the
peaks, so that noise and drums, which have none, say nothing. Both are centred and of length one: their inner products
are correlations. The control (`models/control.py`) is the plainer form of the same two ideas.
"""

import functools

import librosa
import numpy as np
import torch
import torch.nn.functional as F

from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.features import AMIN, TOP_DB

ONSET_WINDOW, ONSET_HOP = 2048, 320  # samples: 128 ms, 20 ms
N_BANDS = 128  # mel; with 40 the onsets of one part hide those of another

CHROMA_WINDOW, CHROMA_HOP = 4096, 1024  # samples: 256 ms, 64 ms
CLASSES, SEGMENTS = 12, 10  # of 0.5 s each, about a chord
THIRDS = 3  # of a semitone: three bins a semitone
OCTAVES, LOWEST_HZ = 5, 65.406  # C2 to C7
COMPRESSION = 100.0  # 40 dB below the loudest tone, a tone is worth log 2
AROUND = 9  # bins, three semitones, whose mean is subtracted

SIZES = (round(WINDOW_S * SAMPLE_RATE) // ONSET_HOP, SEGMENTS * CLASSES)  # numbers of `onsets` and `chroma` in 5 s


def onset_strength(waveforms: torch.Tensor) -> torch.Tensor:
    """How much the sound grows from one step to the next, the mean over the bands; as `librosa.onset.onset_strength`.

    Args:
        waveforms: (B, N) float32, 16 kHz.

    Returns:
        (B, N // 320) dB, one value per 20 ms.
    """
    power = _power(waveforms, ONSET_WINDOW, ONSET_HOP, _mel_filters(waveforms.device))  # (B, T, 128)
    level = 10 * power.clamp(min=AMIN).log10()
    level = torch.maximum(level, level.amax((1, 2), keepdim=True) - TOP_DB)
    return level.diff(dim=1).relu().mean(dim=2)


def onsets(waveforms: torch.Tensor) -> torch.Tensor:
    """Onset curve: the square root of the onset strength, centred, of length one; zero for a steady sound.

    Args:
        waveforms: (B, N) float32, 16 kHz.

    Returns:
        (B, N // 320): 250 numbers for 5 s.
    """
    curve = onset_strength(waveforms).sqrt()
    return unit(curve - curve.mean(dim=1, keepdim=True))


def log_frequency(waveforms: torch.Tensor) -> torch.Tensor:
    """Amplitude in bins of a third of a semitone, relative to the clip's loudest cell.

    Args:
        waveforms: (B, N) float32, 16 kHz.

    Returns:
        (B, T, 180) in 0..1, T = 1 + N // 1024; zero for silence.
    """
    power = _power(waveforms, CHROMA_WINDOW, CHROMA_HOP, _log_filters(waveforms.device))  # (B, T, 180)
    loudest = power.amax((1, 2), keepdim=True)
    return (power / loudest.clamp(min=AMIN)).sqrt()


def chroma_peaks(waveforms: torch.Tensor) -> torch.Tensor:
    """What stands out of the log spectrum, folded to pitch classes and averaged over half seconds, not yet normalised.

    Args:
        waveforms: (B, N) float32, 16 kHz.

    Returns:
        (B, 10, 12), C first, centred over the 12 classes.
    """
    heard = torch.log1p(COMPRESSION * log_frequency(waveforms))  # (B, T, 180)
    around = F.avg_pool1d(heard, AROUND, 1, AROUND // 2, count_include_pad=False)
    peaks = (heard - around).relu()
    classes = peaks.unflatten(2, (OCTAVES, CLASSES, THIRDS)).sum(dim=(2, 4))  # (B, T, 12)
    segments = torch.stack([part.mean(dim=1) for part in classes.tensor_split(SEGMENTS, dim=1)], dim=1)
    return segments - segments.mean(dim=2, keepdim=True)


def chroma(waveforms: torch.Tensor) -> torch.Tensor:
    """Harmony over time: `chroma_peaks` as one vector of length one; zero for silence.

    Args:
        waveforms: (B, N) float32, 16 kHz.

    Returns:
        (B, 120): segment by segment, C first.
    """
    return unit(chroma_peaks(waveforms).flatten(1))


def unit(x: torch.Tensor) -> torch.Tensor:
    """(B, D) to length one; what is shorter than 1e-4 is rounding and becomes zero."""
    length = x.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-4, x / length, torch.zeros_like(x))


def _power(waveforms: torch.Tensor, window: int, hop: int, filters: torch.Tensor) -> torch.Tensor:
    """Power through filters, frames centred and padded with zeros: (B, N), (F, M) -> (B, 1 + N // hop, M).

    F may be less than all bins of the spectrum: the lowest ones. Clip by clip, so that it stays in the cache.
    """
    frames = F.pad(waveforms, (window // 2, window // 2)).unfold(1, window, hop)  # (B, T, window), a view
    hann, found = _hann(window, waveforms.device), []
    for clip in frames.unbind():
        spectrum = torch.view_as_real(torch.fft.rfft(clip * hann)[:, : len(filters)])  # (T, F, 2)
        found.append(spectrum.square().sum(dim=2) @ filters)
    return torch.stack(found)


@functools.cache
def _hann(window: int, device: torch.device) -> torch.Tensor:
    return torch.hann_window(window, device=device)


@functools.cache
def _mel_filters(device: torch.device) -> torch.Tensor:
    """Slaney's triangles: (F, 128)."""
    weights = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=ONSET_WINDOW, n_mels=N_BANDS)
    return torch.from_numpy(weights.T.copy()).to(device)


@functools.cache
def _log_filters(device: torch.device) -> torch.Tensor:
    """Gaussians a third of a semitone apart, or as wide as a bin where that is wider; each sums to one: (F, 180).

    The middle one of every three sits on its semitone.
    """
    step = 1 / (CLASSES * THIRDS)  # octaves
    centre = LOWEST_HZ * 2 ** (step * np.arange(-1, OCTAVES * CLASSES * THIRDS - 1))
    bin_hz = SAMPLE_RATE / CHROMA_WINDOW
    f_hz = bin_hz * np.arange(int(1.05 * centre[-1] / bin_hz))
    width = 0.6 * np.maximum(centre * (2**step - 1), bin_hz)
    weights = np.exp(-0.5 * ((f_hz[:, None] - centre) / width) ** 2)
    return torch.from_numpy(np.float32(weights / weights.sum(axis=0))).to(device)
