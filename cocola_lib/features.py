"""Front ends: waveforms -> log-mel channels, the pictures of sound that the encoder reads.

Channel 0 keeps what lasts (harmonic: notes), channel 1 what strikes (percussive: attacks).
Used by notebooks 01 and 02.
"""

import math

import torch
from torch import nn

SAMPLE_RATE = 16_000  # Hz
N_FFT = 1024  # samples
WINDOW = 400  # samples, 25 ms: short enough to place an attack
HOP = 160  # samples, 10 ms
N_MELS = 64
FMIN_HZ, FMAX_HZ = 60.0, 7800.0
KERNEL = 31  # frames or bins seen by the median filters
AMIN = 1e-10  # power below which everything counts as silence
TOP_DB = 80.0  # dB below the clip's own maximum where the scale ends

KINDS = ("hps", "mel", "mel_htk")
MODES = ("both", "harmonic", "percussive")


class FrontEnd(nn.Module):
    """Turn waveforms into the encoder's input, without learning anything.

    Args:
        kind: "hps": harmonic and percussive log-mel, two channels; "mel": one log-mel channel, not separated;
            "mel_htk": the released mel-only variant (HTK mel, dB relative to 1, no floor).
    """

    def __init__(self, kind="hps"):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown features {kind!r}: choose one of {', '.join(KINDS)}")
        self.kind = kind

    @property
    def n_channels(self):
        """2 for "hps", else 1."""
        return 2 if self.kind == "hps" else 1

    @torch.no_grad()
    def forward(self, waveforms):
        """Compute the features of a batch.

        Args:
            waveforms: (B, N) float32, 16 kHz, full scale +-1.
        Returns:
            (B, C, M, T) float32 in dB, T = 1 + N // 160.
        Raises:
            ValueError: on another shape, an empty clip, or samples that are not finite.
        """
        waveforms = _checked(waveforms)
        if self.kind == "hps":
            return hps_log_mel(waveforms)
        return log_mel(waveforms, htk=self.kind == "mel_htk")


def hps_log_mel(waveforms):
    """Log-mel of what two median filters separate: (B, N) -> (B, 2, M, T) dB."""
    magnitude = _stft(waveforms).abs()  # (B, F, T)
    harmonic, percussive = _medians(magnitude)
    mask = _soft_mask(harmonic, percussive)
    powers = torch.stack([(magnitude * m).square() for m in (mask, 1 - mask)], dim=1)  # (B, 2, F, T)
    return _relative_db(mel_filters(waveforms.device) @ powers)


def log_mel(waveforms, htk=False):
    """Log-mel without separation: (B, N) -> (B, 1, M, T) dB."""
    power = _stft(waveforms, "reflect" if htk else "constant").abs().square()
    mel = (mel_filters(waveforms.device, htk) @ power).unsqueeze(1)  # (B, 1, M, T)
    return 10 * torch.log10(mel.clamp(min=AMIN)) if htk else _relative_db(mel)


def mask_channels(features, mode):
    """Silence one channel: "harmonic" keeps channel 0, "percussive" keeps channel 1, "both" keeps both.

    Args:
        features: (B, C, M, T) dB.
        mode: one of "both", "harmonic", "percussive".
    Returns:
        The features, the other channel 0 dB everywhere, which is also what a silent clip looks like.
    Raises:
        ValueError: for an unknown mode, or one channel asked from features that have only one.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}: choose one of {', '.join(MODES)}")
    if mode == "both":
        return features
    if features.shape[1] != 2:
        raise ValueError(
            f"mode {mode!r} needs a model with harmonic and percussive channels; this one has one: use 'both'"
        )
    keep = features.new_tensor([1.0, 0.0] if mode == "harmonic" else [0.0, 1.0])
    return features * keep.view(1, 2, 1, 1)


_FILTERS = {}


def mel_filters(device, htk=False):
    """The (M, F) triangular filters: Slaney's (area one), or HTK's (height one)."""
    key = (str(device), htk)
    if key not in _FILTERS:
        import librosa

        weights = librosa.filters.mel(
            sr=SAMPLE_RATE,
            n_fft=N_FFT,
            n_mels=N_MELS,
            fmin=FMIN_HZ,
            fmax=FMAX_HZ,
            htk=htk,
            norm=None if htk else "slaney",
        )
        _FILTERS[key] = torch.from_numpy(weights).to(device)
    return _FILTERS[key]


def _checked(waveforms):
    waveforms = torch.as_tensor(waveforms)
    if waveforms.ndim != 2 or waveforms.shape[1] == 0:
        raise ValueError(f"waveforms must be (B, N) with N > 0, found shape {tuple(waveforms.shape)}")
    if not waveforms.is_floating_point():
        raise ValueError(
            f"waveforms must be floating point in +-1, found {waveforms.dtype}: divide integers by full scale"
        )
    if not torch.isfinite(waveforms).all():
        raise ValueError("waveforms hold NaN or infinite samples: mend or leave out the clip")
    return waveforms.float()


def _stft(waveforms, pad_mode="constant"):
    window = torch.hann_window(WINDOW, device=waveforms.device)
    return torch.stft(
        waveforms, N_FFT, HOP, WINDOW, window, center=True, pad_mode=pad_mode, return_complex=True
    )


def _medians(magnitude):
    """Medians of 31 along time and along frequency of each (F, T), edges mirrored."""
    import numpy as np
    from scipy.ndimage import median_filter

    array = magnitude.cpu().numpy()
    harmonic = np.stack([median_filter(clip, size=(1, KERNEL), mode="reflect") for clip in array])
    percussive = np.stack([median_filter(clip, size=(KERNEL, 1), mode="reflect") for clip in array])
    return torch.from_numpy(harmonic).to(magnitude), torch.from_numpy(percussive).to(magnitude)


def _soft_mask(harmonic, percussive):
    """H^2 / (H^2 + P^2), a half where both are silent."""
    largest = torch.maximum(harmonic, percussive)
    silent = largest < torch.finfo(largest.dtype).tiny
    scale = torch.where(silent, torch.ones_like(largest), largest)
    h, p = (harmonic / scale).square(), (percussive / scale).square()
    return torch.where(silent, torch.full_like(h, 0.5), h / (h + p).clamp(min=0.5))


def _relative_db(power):
    """Power -> dB below the loudest cell of each channel, floor -80 dB: (B, C, M, T)."""
    level = 10 * torch.log10(power.clamp(min=AMIN))
    return (level - level.amax(dim=(-2, -1), keepdim=True)).clamp(min=-TOP_DB)


def n_frames(n_samples):
    """How many frames a clip of so many samples has."""
    return 1 + math.floor(n_samples / HOP)
