"""A control without learning: do the chroma agree, do the onsets coincide?

Thirty lines of signal processing that any learned score has to beat. Harmony is the agreement of chroma over time,
rhythm the correlation of onset strengths; both are standardised over the matrix of all pairs and added. The paper
has no such row; every table of ours does.
"""

from collections.abc import Sequence

import librosa
import numpy as np

from cocola_lib.audio import SAMPLE_RATE
from cocola_lib.features import MODES

CHROMA_N_FFT = 4096  # samples: 3.9 Hz per bin, so that bass notes land in the right class
CHROMA_HOP = 512  # samples
SEGMENT_S = 0.5  # s, over which chroma is averaged: about a chord
ONSET_HOP = 160  # samples: 10 ms
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


class ChromaOnsetControl:
    """Chroma and onset correlation behind the interface of `Scorer`: `modes`, `matrix`, `matrices`.

    Args:
        window: samples, of the chroma.
    """

    modes = MODES

    def __init__(self, window: int = CHROMA_N_FFT):
        self.window = window

    def matrix(
        self, conditionings: Sequence[np.ndarray], accompaniments: Sequence[np.ndarray], mode: str = "both"
    ) -> np.ndarray:
        """All conditionings against all accompaniments.

        Args:
            conditionings, accompaniments: clips of equal length, (N,) float32 at 16 kHz.
            mode: "harmonic" is the mean cosine of the chroma segments, in [-1, 1]; "percussive" the correlation of
                the onset curves, in [-1, 1]; "both" the sum of the two, each standardised over this matrix
                (a single pair leaves nothing to standardise: then their plain sum).

        Returns:
            (n, m). Higher is more coherent; 0 is unrelated in the single modes.

        Raises:
            ValueError: an unknown mode.
        """
        return self.matrices(conditionings, accompaniments, (mode,))[mode]

    def matrices(
        self,
        conditionings: Sequence[np.ndarray],
        accompaniments: Sequence[np.ndarray],
        modes: Sequence[str] = MODES,
    ) -> dict[str, np.ndarray]:
        """`matrix` for several modes from one pass over the clips."""
        unknown = set(modes) - set(MODES)
        if unknown:
            raise ValueError(f"mode is {unknown.pop()!r}; use {', '.join(MODES)}")
        result = {}
        if set(modes) & {"both", "harmonic"}:
            sides = conditionings, accompaniments
            a, b = (np.stack([chroma_segments(x, self.window) for x in clips]) for clips in sides)
            result["harmonic"] = a @ b.T / (a.shape[1] // 12)
        if set(modes) & {"both", "percussive"}:
            a, b = (np.stack([onset_curve(x) for x in clips]) for clips in (conditionings, accompaniments))
            result["percussive"] = a @ b.T
        if "both" in modes:
            result["both"] = _standardise(result["harmonic"]) + _standardise(result["percussive"])
        return {mode: result[mode] for mode in modes}


def _standardise(matrix: np.ndarray) -> np.ndarray:
    deviation = matrix.std()
    return (matrix - matrix.mean()) / deviation if deviation > 0 else matrix
