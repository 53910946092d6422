"""Where the decision sits: which cells of the harmonic and percussive channels a score owes its height to.

Gradient times input: how much the similarity would fall if a cell were turned down, to first order, times how far it is
above the floor of the scale (-80 dB). Gradients of such a network are rough, so they are averaged over copies with a
little noise, and smoothed. Notebook 09 shows the pictures, and lets what carries the decision be heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.encoder import Cocola
from cocola_lib.evaluation import bootstrap_ratio
from cocola_lib.features import HOP, N_FFT, TOP_DB, WINDOW, mel_filters

NOISE_DB = 2.0  # standard deviation of what is added to the features
N_COPIES = 8
SMOOTHING = (1.0, 3.0)  # mel bands, frames of 10 ms: standard deviations of the Gaussian
TURNED_DOWN_DB, LOW_HZ = 10.0, 500.0
KEPT = 0.1  # share of the cells that are called the strongest
ATTACK_FRAMES = 5  # around an onset, either way: 50 ms


@dataclass(frozen=True)
class Map:
    """One pair: features (2, C, M, T) dB of both sides, and what each cell adds to the similarity, smoothed."""

    features: np.ndarray
    saliency: np.ndarray
    similarity: float


def explain(model: Cocola, anchor: np.ndarray, accompaniment: np.ndarray, seed: int = 0) -> Map:
    """Gradient times input of the similarity of a pair, P+H.

    Args:
        model: a `Cocola` whose weights can be differentiated through.
        anchor, accompaniment: (N,) float32 at 16 kHz.
        seed: of the noise.
    """
    features = model.features(torch.from_numpy(np.stack([anchor, accompaniment])))  # (2, C, M, T)
    generator, total = torch.Generator().manual_seed(seed), torch.zeros_like(features)
    for _ in range(N_COPIES):
        noisy = features + NOISE_DB * torch.randn(features.shape, generator=generator)
        noisy = noisy.clamp(-TOP_DB, 0).requires_grad_()
        (gradient,) = torch.autograd.grad(_similarity(model, noisy), noisy)
        total += gradient * (noisy.detach() + TOP_DB)
    with torch.no_grad():
        similarity = float(_similarity(model, features))
    smooth = gaussian_filter((total / N_COPIES).numpy(), (0, 0, *SMOOTHING))
    return Map(features.numpy(), smooth, similarity)


def _similarity(model: Cocola, features: Tensor) -> Tensor:
    h = model.embed(features)
    return model.similarity_of_pairs(h[:1], h[1:])[0]


def strongest(values: np.ndarray, share: float = KEPT) -> np.ndarray:
    """The cells with the largest values, a share of each side's: (2, C, M, T) -> bool."""
    edge = np.quantile(values.reshape(len(values), -1), 1 - share, axis=1)
    return values >= edge[:, None, None, None]


def lost(model: Cocola, found: Map, cells: np.ndarray) -> float:
    """How much the similarity falls when some cells are turned down by `TURNED_DOWN_DB`; cells: (2, C, M, T) bool."""
    features = np.maximum(found.features - TURNED_DOWN_DB * cells, -TOP_DB).astype(np.float32)
    with torch.no_grad():
        return found.similarity - float(_similarity(model, torch.from_numpy(features)))


def summarise(model: Cocola, maps: Sequence[Map], songs: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Where the decision sits, on average, and whether the pictures can be believed.

    Args:
        model: that the maps are of. maps: from `explain`. songs: (n,) of each pair.
        seed: of random cells and of the interval.

    Returns:
        A row each: what, value, low, high (95 % over songs), expected (of an even spread, or of cells at random).
    """
    rng, low, rows = np.random.default_rng(seed), low_bands(), []
    for i, found in enumerate(maps):
        weight, attacks, cells = np.abs(found.saliency), _attacks(found.features), strongest(found.saliency)
        at_random = rng.permuted(cells.reshape(2, -1), axis=1).reshape(cells.shape)
        total = weight.sum()
        for what, value, expected, of in (
            ("weight on the percussive channel", weight[:, 1].sum(), total / 2, total),
            ("weight within 50 ms of an attack", weight[attacks].sum(), total * attacks.mean(), total),
            (f"weight below {LOW_HZ:.0f} Hz", weight[:, :, low].sum(), total * low.mean(), total),
            (
                f"similarity lost when the tenth that raises it most is {TURNED_DOWN_DB:.0f} dB softer",
                lost(model, found, cells), lost(model, found, at_random), found.similarity,
            ),
        ):  # fmt: skip
            rows.append({"what": what, "song": songs[i], "value": value, "expected": expected, "of": of})
    return pd.DataFrame([_share(what, group, seed) for what, group in pd.DataFrame(rows).groupby("what", sort=False)])


def _share(what: str, rows: pd.DataFrame, seed: int) -> dict:
    low, high = bootstrap_ratio(rows["value"], rows["of"], rows["song"], seed)
    shares = rows[["value", "expected"]].sum() / rows["of"].sum()
    return {"what": what, "value": shares["value"], "low": low, "high": high, "expected": shares["expected"]}


def low_bands() -> np.ndarray:
    """Which mel bands lie below `LOW_HZ`: (M,) bool."""
    filters = mel_filters("cpu").numpy()  # (M, F)
    return filters.argmax(axis=1) * SAMPLE_RATE / N_FFT < LOW_HZ


def _attacks(features: np.ndarray) -> np.ndarray:
    """Cells within 50 ms of an onset of their own side: (2, C, M, T) bool."""
    near = np.zeros((len(features), features.shape[-1]), bool)
    for side, percussive in zip(near, features[:, -1], strict=True):
        strength = np.maximum(np.diff(percussive, axis=1, prepend=percussive[:, :1]), 0).mean(axis=0)
        for onset in librosa.onset.onset_detect(onset_envelope=strength, sr=SAMPLE_RATE, hop_length=HOP):
            side[max(0, onset - ATTACK_FRAMES) : onset + ATTACK_FRAMES + 1] = True
    return np.broadcast_to(near[:, None, None], features.shape)


def remains(clip: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """What is heard when only some cells of a clip are left.

    Args:
        clip: (N,) float32 at 16 kHz. kept: (C, M, T) bool; a cell counts if either channel keeps it.
    Returns:
        (N,) float32.
    """
    filters = mel_filters("cpu").numpy()  # (M, F)
    share = filters / np.maximum(filters.sum(axis=0), 1e-9)  # of each frequency, which band it belongs to
    spectrum = librosa.stft(clip, n_fft=N_FFT, hop_length=HOP, win_length=WINDOW)
    mask = share.T @ kept.any(axis=0)[:, : spectrum.shape[1]]  # (F, T)
    return librosa.istft(spectrum * mask, n_fft=N_FFT, hop_length=HOP, win_length=WINDOW, length=len(clip))
