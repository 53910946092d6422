"""VGGish, the embedding of the first FAD: 0.96 s of music -> 128 numbers. Hershey et al., 2017, arXiv 1609.09430.

Written from the published description; reads the published PyTorch weights as a local file (`vggish-10086976.pth` of
harritaylor/torchvggish, release v0.1), tensors only. Neither PCA nor the last ReLU, as other FAD tools.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

RATE = 16_000  # Hz
WINDOW, HOP, N_FFT = 400, 160, 512  # samples: 25 ms every 10 ms
N_MELS, FMIN_HZ, FMAX_HZ = 64, 125.0, 7500.0
FRAMES = 96  # per embedding: 0.96 s
OFFSET = 0.01  # added before the logarithm
LAYERS = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M")  # channels of 3 x 3 convolutions; M halves both axes
HIDDEN = 4096  # of the two dense layers before the embedding


class VGGish(nn.Module):
    """The network; its parameters are named as in the published file."""

    def __init__(self):
        super().__init__()
        layers, channels = [], 1
        for width in LAYERS:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        sizes = (channels * 4 * 6, HIDDEN, HIDDEN, 128)
        blocks = [(nn.Linear(a, b), nn.ReLU()) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.embeddings = nn.Sequential(*(layer for block in blocks for layer in block))

    def forward(self, examples: torch.Tensor) -> torch.Tensor:
        """(B, 96, 64) log-mel -> (B, 128)."""
        x = self.features(examples[:, None])  # (B, 512, 6, 4)
        x = x.permute(0, 2, 3, 1).flatten(1)  # time, band, channel: the order of the original
        return self.embeddings[:-1](x)


def examples(waveform: np.ndarray) -> np.ndarray:
    """Log-mel of every whole 0.96 s: (N,) at 16 kHz -> (B, 96, 64) float32; B is 0 below 0.975 s."""
    x = np.asarray(waveform, dtype=np.float64)
    if len(x) < WINDOW:
        return np.zeros((0, FRAMES, N_MELS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)  # periodic
    magnitude = np.abs(np.fft.rfft(frames * hann, N_FFT))  # (T, 257)
    log_mel = np.log(magnitude @ mel_matrix() + OFFSET)
    n = len(log_mel) // FRAMES
    return log_mel[: n * FRAMES].reshape(n, FRAMES, N_MELS).astype(np.float32)


@cache
def mel_matrix() -> np.ndarray:
    """(257, 64) triangles that are straight on the mel scale (HTK's), the DC bin left out."""

    def mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    bins = mel(np.linspace(0, RATE / 2, N_FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(FMIN_HZ), mel(FMAX_HZ), N_MELS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    weights[0] = 0.0
    return weights


def load(path: Path | str) -> VGGish:
    """The network with the published weights.

    Raises:
        ValueError: the file is something else.
    """
    model = VGGish()
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds for many broken files
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: not the weights of VGGish ({reason}); expected vggish-10086976.pth") from None
    return model.eval()
