"""Front ends: waveforms -> log-mel channels, the pictures of sound that the encoder reads.

Channel 0 keeps what lasts (harmonic: notes), channel 1 what strikes (percussive: attacks).
Used by notebooks 01 and 02.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from cocola_lib.data.audio import SAMPLE_RATE

N_FFT = 1024  # samples
WINDOW = 400  # samples, 25 ms: short enough to place an attack
HOP = 160  # samples, 10 ms
N_MELS = 64
FMIN_HZ, FMAX_HZ = 60.0, 7800.0
AMIN = 1e-10  # power below which everything counts as silence
TOP_DB = 80.0  # dB below the clip's own maximum where the scale ends

KINDS = ("hps", "hps_reflect", "mel", "mel_htk")
PATHS = ("auto", "numba", "torch")
MODES = ("both", "harmonic", "percussive")
MODE_LABELS = {"both": "P+H", "harmonic": "H", "percussive": "P"}  # in print


class FrontEnd(nn.Module):
    """Turn waveforms into the encoder's input, without learning anything.

    Args:
        kind: "hps": harmonic and percussive log-mel, two channels; "mel": one log-mel channel, not separated;
            "mel_htk": the released mel-only variant (HTK mel, dB relative to 1, no floor); "hps_reflect": "hps" with
            the clip mirrored at its ends instead of zeros, as PHALAR's COCOLA hears it.
        path: "numba" for processors, "torch" for any device, "auto" to choose by the waveforms' device.
    """

    def __init__(self, kind: str = "hps", path: str = "auto"):
        super().__init__()
        for name, value, choices in (("features", kind, KINDS), ("path", path, PATHS)):
            if value not in choices:
                raise ValueError(f"unknown {name} {value!r}: choose one of {', '.join(choices)}")
        self.kind, self.path = kind, path

    @property
    def n_channels(self) -> int:
        """2 with harmonic and percussive apart, else 1."""
        return 2 if self.kind.startswith("hps") else 1

    @property
    def modes(self) -> tuple[str, ...]:
        """The score modes that these features allow: all three with two channels."""
        return MODES if self.n_channels == 2 else ("both",)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the features of a batch.

        Args:
            waveforms: (B, N) float32, 16 kHz, full scale +-1.
        Returns:
            (B, C, M, T) float32 in dB, T = 1 + N // 160.
        Raises:
            ValueError: on another shape, an empty clip, or samples that are not finite.
        """
        waveforms = _checked(waveforms)
        if self.kind in ("mel_htk", "hps_reflect") and waveforms.shape[1] <= N_FFT // 2:
            raise ValueError(f"clip of {waveforms.shape[1]} samples: {self.kind} mirrors edges: more than {N_FFT // 2}")
        if self.n_channels == 2:
            return hps_log_mel(waveforms, self.path, "reflect" if self.kind == "hps_reflect" else "constant")
        return log_mel(waveforms, htk=self.kind == "mel_htk")


def hps_log_mel(waveforms: Tensor, path: str = "auto", edges: str = "constant") -> Tensor:
    """Log-mel of what two median filters separate: (B, N) -> (B, 2, M, T) dB.

    A note is a horizontal line of the spectrogram: the median along time keeps it and drops attacks. An attack is a
    vertical line: the median along frequency keeps it and drops notes. Both medians are over 31 cells. Soft masks of
    power 2 share out every cell.
    """
    filters = mel_filters(waveforms.device)
    if path == "numba" or (path == "auto" and waveforms.device.type == "cpu"):
        from cocola_lib.fast.hps import hps_mel_power  # numba costs a second to import

        window = torch.hann_window(WINDOW, dtype=torch.float64).numpy()
        sizes = (window, N_FFT, HOP, filters.numpy(), torch.get_num_threads())
        return _relative_db(torch.from_numpy(hps_mel_power(waveforms.numpy(), *sizes, edges)))
    from cocola_lib.fast.medians import median_torch

    magnitude = _stft_magnitude(waveforms, edges)  # (B, F, T)
    harmonic = median_torch(magnitude)
    percussive = median_torch(magnitude.transpose(1, 2)).transpose(1, 2)
    masks = _soft_mask(harmonic, percussive), _soft_mask(percussive, harmonic)
    power = torch.stack([(magnitude * mask).square() for mask in masks], dim=1)  # (B, 2, F, T)
    return _relative_db(filters @ power)


def log_mel(waveforms: Tensor, htk: bool = False) -> Tensor:
    """Log-mel without separation: (B, N) -> (B, 1, M, T) dB; `htk` as the released mel-only variant."""
    power = _stft_magnitude(waveforms, "reflect" if htk else "constant").square()
    mel = (mel_filters(waveforms.device, htk) @ power).unsqueeze(1)  # (B, 1, M, T)
    return mel.clamp_(min=AMIN).log10_().mul_(10) if htk else _relative_db(mel)


def mask_channels(features: Tensor, mode: str) -> Tensor:
    """Silence one channel: "harmonic" keeps channel 0, "percussive" keeps channel 1, "both" keeps both.

    Args:
        features: (B, C, M, T) dB.
        mode: one of "both", "harmonic", "percussive".
    Returns:
        The features, the other channel 0 dB everywhere, which is also what a silent clip looks like.
    Raises:
        ValueError: for an unknown mode, or one channel asked from features that have only one.
    """
    if mode == "both":
        return features
    check_modes(mode, MODES if features.shape[1] == 2 else ("both",))
    keep = features.new_tensor([1.0, 0.0] if mode == "harmonic" else [0.0, 1.0])
    return features * keep.view(1, 2, 1, 1)


def check_modes(modes: Sequence[str] | str | None, available: Sequence[str] = MODES) -> tuple[str, ...]:
    """The modes asked for as a tuple (None: all that are available), or one line about why they cannot be had."""
    modes = available if modes is None else (modes,) if isinstance(modes, str) else modes
    if not modes or (unknown := next((mode for mode in modes if mode not in MODES), None)):
        raise ValueError(f"mode: {unknown if modes else modes!r}; expected one of {', '.join(MODES)}")
    if missing := next((mode for mode in modes if mode not in available), None):
        raise ValueError(
            f"mode: {missing!r} needs a model with harmonic and percussive channels; this one has a single channel: "
            "use mode 'both', or a checkpoint with features 'hps'"
        )
    return tuple(modes)


@cache
def mel_filters(device: torch.device | str, htk: bool = False) -> Tensor:
    """The (M, F) triangular filters: Slaney's (area one), or HTK's (height one)."""
    import librosa

    shape: dict = {"sr": SAMPLE_RATE, "n_fft": N_FFT, "n_mels": N_MELS, "fmin": FMIN_HZ, "fmax": FMAX_HZ}
    return torch.from_numpy(librosa.filters.mel(**shape, htk=htk, norm=None if htk else "slaney")).to(device)


def _checked(waveforms: Tensor) -> Tensor:
    waveforms = torch.as_tensor(waveforms)
    if waveforms.ndim != 2 or waveforms.shape[1] == 0:
        raise ValueError(f"waveforms must be (B, N) with N > 0, found shape {tuple(waveforms.shape)}")
    if not waveforms.is_floating_point():
        raise ValueError(f"waveforms must be floating point in +-1, found {waveforms.dtype}: divide by full scale")
    if not (torch.compiler.is_exporting() or torch.isfinite(waveforms).all()):  # a graph has no errors
        raise ValueError("waveforms hold NaN or infinite samples: mend or leave out the clip")
    return waveforms.detach().float()


def _stft_magnitude(waveforms: Tensor, pad_mode: str = "constant") -> Tensor:
    """(B, N) -> (B, F, T); in double where the device has it, because -80 dB is close to float32's rounding."""
    exact = torch.float32 if waveforms.device.type == "mps" else torch.float64
    window = torch.hann_window(WINDOW, dtype=exact, device=waveforms.device)
    clips = [  # one at a time stays in the cache
        torch.stft(x, N_FFT, HOP, WINDOW, window, center=True, pad_mode=pad_mode, return_complex=True).abs().float()
        for x in waveforms.to(exact).split(1 if waveforms.device.type == "cpu" else 64)
    ]
    return torch.cat(clips)


def _soft_mask(kept: Tensor, other: Tensor) -> Tensor:
    """kept^2 / (kept^2 + other^2), a half where both are silent."""
    largest = torch.maximum(kept, other)
    silent = largest < torch.finfo(largest.dtype).tiny
    scale = torch.where(silent, torch.ones_like(largest), largest)
    a, b = (kept / scale).square(), (other / scale).square()
    return torch.where(silent, torch.full_like(a, 0.5), a / (a + b).clamp(min=0.5))


def _relative_db(power: Tensor) -> Tensor:
    """Power -> dB below the loudest cell of each channel, floor -80 dB: (B, C, M, T), in place."""
    level = power.clamp_(min=AMIN).log10_().mul_(10)
    return level.sub_(level.amax(dim=(-2, -1), keepdim=True)).clamp_(min=-TOP_DB)
