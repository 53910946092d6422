"""A control without learning: do the chroma agree, do the onsets coincide?

Thirty lines of signal processing that any learned score has to beat. Harmony is the agreement of chroma over time,
rhythm the correlation of onset strengths. Both are inner products of fixed vectors, so the control is a model like any
other (Eq. 2 with W = I): `Scorer("control")` scores with it. The paper has no such row; every table of ours does.
"""

import librosa
import numpy as np
import torch

from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.encoder import Bilinear
from cocola_lib.features import MODES

CHROMA_N_FFT = 4096  # samples: 3.9 Hz per bin, so that bass notes land in the right class
CHROMA_HOP = 512  # samples
SEGMENT_S = 0.5  # s, over which chroma is averaged: about a chord
ONSET_HOP = 160  # samples: 10 ms
N_CHROMA = round(WINDOW_S / SEGMENT_S) * 12  # numbers of chroma in an embedding
N_ONSETS = 1 + round(WINDOW_S * SAMPLE_RATE) // ONSET_HOP  # points of its onset curve
SMOOTHING = 7  # points of the Hann window over the onset curve: players are 30 ms apart and still together


def chroma_segments(waveform: np.ndarray, window: int = CHROMA_N_FFT) -> np.ndarray:
    """Harmony of one clip: chroma averaged in segments of 0.5 s, each centred over the 12 classes and normalised.

    Args:
        waveform: (N,) float32, 16 kHz.
        window: samples, at most `CHROMA_N_FFT`: what two tones need to be told apart.

    Returns:
        (segments * 12,) of norm sqrt(segments) where every segment sounds; silent segments are zero.
    """
    chroma = librosa.feature.chroma_stft(
        y=waveform, sr=SAMPLE_RATE, n_fft=CHROMA_N_FFT, win_length=window, hop_length=CHROMA_HOP, tuning=0.0
    )  # (12, T)
    n = max(1, round(len(waveform) / SAMPLE_RATE / SEGMENT_S))
    segments = np.stack([part.mean(axis=1) for part in np.array_split(chroma, n, axis=1)])  # (segments, 12)
    centred = segments - segments.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-6).ravel()


def onset_curve(waveform: np.ndarray) -> np.ndarray:
    """Rhythm of one clip: smoothed onset strength, standardised. (frames of 10 ms,) zero for a steady sound."""
    strength = librosa.onset.onset_strength(y=waveform, sr=SAMPLE_RATE, hop_length=ONSET_HOP)
    window = np.hanning(SMOOTHING + 2)[1:-1]
    smooth = np.convolve(strength, window / window.sum(), mode="same")
    smooth = smooth - smooth.mean()
    norm = np.linalg.norm(smooth)
    return smooth / norm if norm > 1e-6 else np.zeros_like(smooth)


class ChromaOnsets(Bilinear):
    """Chroma and onsets of a window as its embedding, and their inner product as its score.

    In mode "harmonic" the score is the mean cosine of the chroma segments, in "percussive" the correlation of the onset
    curves, both in [-1, 1]; 0 is unrelated. "both" adds them, each divided by its spread over random pairs, a constant
    of the package: the score of a pair does not depend on the pairs beside it.

    Args:
        spread: mode ("harmonic", "percussive") -> standard deviation of that score over random pairs.
        window: samples, of the chroma.
    """

    modes = MODES
    dim = N_CHROMA + N_ONSETS

    def __init__(self, spread: dict[str, float], window: int = CHROMA_N_FFT):
        self.spread, self.window = spread, window
        self.report = {"device": "cpu", "precision": "float32", "bfloat16_error": None}

    def state_dict(self):
        """Its constants, where a model has weights."""
        return {name: torch.tensor(value) for name, value in (self.spread | {"window": self.window}).items()}

    def frozen(self, device=None, precision=None, scale=None):
        """Itself: there is nothing to make faster."""
        return self

    def embed_modes(self, waveforms, modes=MODES):
        """(B, 80000) at 16 kHz -> (n_modes, B, D): chroma, then onsets; the part that a mode leaves out is 0."""
        clips = waveforms.cpu().numpy()
        chroma = np.stack([chroma_segments(x, self.window) for x in clips]) / np.sqrt(N_CHROMA / 12)  # (B, 120)
        onsets = np.stack([onset_curve(x) for x in clips])  # (B, 501)
        weights = {
            "both": [1 / np.sqrt(self.spread[mode]) for mode in ("harmonic", "percussive")],
            "harmonic": (1.0, 0.0),
            "percussive": (0.0, 1.0),
        }
        parts = [np.concatenate([a * chroma, b * onsets], axis=1) for a, b in (weights[mode] for mode in modes)]
        return torch.from_numpy(np.stack(parts).astype(np.float32)).to(waveforms.device)

    def project(self, h):
        """h' W with W = I."""
        return h
