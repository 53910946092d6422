"""The front end of PHALAR: a constant-Q transform in dB, eight octaves of twelve bins from C0.

The numbers are those of nnAudio's `CQT1992v2`, which PHALAR was trained with. A kernel is a Hann window over
Q / f seconds, so a low bin hears a second and a high one 4 ms. The octaves are filtered one after the other, each
with kernels no longer than its lowest bin needs: all eight cost a tenth of 96 kernels of equal length.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.features import HOP, TOP_DB

LOWEST_BIN_HZ = 16.35  # C0
OCTAVE, OCTAVES = 12, 8  # bins in an octave, and how many octaves
N_BINS = OCTAVE * OCTAVES
Q = 1 / (2 ** (1 / OCTAVE) - 1)  # periods in a kernel
QUIETEST = 1e-10  # magnitude that counts as silence


class ConstantQ(nn.Module):
    """Waveforms as constant-Q levels, (dB + 80) / 80: absolute, so that a louder clip is another picture.

    The floor lies 80 dB below the clip's own loudest cell.
    """

    n_channels = 1
    modes = ("both",)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the features of a batch.

        Args:
            waveforms: (B, N) float32, 16 kHz.
        Returns:
            (B, 1, 96, T) float32, T = 1 + N // 160.
        Raises:
            ValueError: clips so short that their edges cannot be mirrored.
        """
        level = 20 * cqt_magnitude(waveforms.float()).clamp(min=QUIETEST).log10()  # (B, 96, T) dB
        level = torch.maximum(level, level.amax((1, 2), keepdim=True) - TOP_DB)
        return (level.unsqueeze(1) + TOP_DB) / TOP_DB


def cqt_magnitude(waveforms: Tensor) -> Tensor:
    """Magnitudes of the 96 bins, edges mirrored: (B, N) -> (B, 96, T).

    A steady tone on a bin gives half its amplitude times the root of the kernel's length in samples.
    """
    longest = int(kernel_lengths()[0])
    if waveforms.shape[1] <= longest // 2 + 1:
        raise ValueError(f"clips of {waveforms.shape[1]} samples: the constant-Q front end needs {longest // 2 + 2}")
    octaves = []
    for kernels in _kernels(waveforms.device):  # (24, 1, W)
        width = kernels.shape[2]
        before = (width + 1) // 2
        edged = F.pad(waveforms, (before, width - before), mode="reflect").unsqueeze(1)
        real, imaginary = F.conv1d(edged, kernels, stride=HOP).chunk(2, dim=1)  # (B, 12, T) each
        octaves.append((real.square() + imaginary.square()).sqrt())
    return torch.cat(octaves, dim=1)


def kernel_lengths() -> Tensor:
    """How many samples each bin hears: (96,) whole numbers, falling."""
    f_hz = LOWEST_BIN_HZ * 2 ** (np.arange(N_BINS) / OCTAVE)
    return torch.from_numpy(np.ceil(Q * SAMPLE_RATE / f_hz)).long()


def _kernel(k: int) -> np.ndarray:
    """A Hann window of area one over the tone of bin k, times the root of its length: (L,) complex."""
    f_hz = LOWEST_BIN_HZ * 2 ** (k / OCTAVE)
    length = int(kernel_lengths()[k])
    window = torch.hann_window(length, dtype=torch.float64).numpy()
    samples = np.arange(length) - (length + 1) // 2  # from the middle of the frame
    return np.sqrt(length) * window / window.sum() * np.exp(2j * np.pi * f_hz / SAMPLE_RATE * samples)


@functools.cache
def _kernels(device: torch.device) -> list[Tensor]:
    """Every octave's kernels, centred: its 12 real parts, then its 12 imaginary ones, (24, 1, W) float32 each."""
    octaves = []
    for lowest in range(0, N_BINS, OCTAVE):
        kernels = [_kernel(k) for k in range(lowest, lowest + OCTAVE)]
        middle, whole = (len(kernels[0]) + 1) // 2, np.zeros((OCTAVE, len(kernels[0])), complex)
        for row, kernel in zip(whole, kernels, strict=True):
            start = middle - (len(kernel) + 1) // 2
            row[start : start + len(kernel)] = kernel
        parts = np.float32(np.concatenate([whole.real, whole.imag]))
        octaves.append(torch.from_numpy(parts).unsqueeze(1).to(device))
    return octaves
