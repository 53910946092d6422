"""Audio in and out: files and arrays of any rate and width become (N,) float32 mono at 16 kHz.

Full scale is 1.0. Everything is checked here, at the door, so that the modules behind it can trust it.
"""

import math
import operator
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cocola_lib.data.levels import SILENCE_DBFS as SILENCE_DBFS  # as everything about clips is found here
from cocola_lib.data.levels import cancel, rms_dbfs
from cocola_lib.data.sound_files import CANCELLED, MAX_CHANNELS, check_samples, open_sound, read_frames
from cocola_lib.files import whole

SAMPLE_RATE = 16_000  # Hz
WINDOW_S = 5.0  # s
MARGIN_S = 0.1  # s read on either side of a part: longer than the resampler's filter rings

TARGET_DBFS = -20.0  # dBFS RMS that clips are brought to, so that louder does not pass for better
PEAK = 0.99  # full scale = 1: above this the gain is reduced for all clips alike


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: rate in Hz, length in samples per channel at that rate, channels."""

    sample_rate: int
    n_samples: int
    n_channels: int

    @property
    def duration_s(self):
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def read(path, rate=SAMPLE_RATE, start_s=0.0, duration_s=None):
    """Read a file, or a part of one, as mono.

    A part equals the same samples of the whole file: a margin on both sides is read and resampled with it, so
    that no resampling edge falls inside a window.

    Args:
        path: WAV, FLAC, OGG, MP3 (whatever libsndfile reads), M4A and more where ffmpeg is; 1 to 64 channels.
        rate: Hz wanted; the resampler is soxr HQ.
        start_s: first moment wanted, in seconds, >= 0.
        duration_s: length wanted, in seconds; None reads to the end of the file.
    Returns:
        (N,) float32, mean of the channels; N = round(duration_s * rate), zeros only past the end of the file.
    Raises:
        FileNotFoundError: no such file.
        ValueError: unreadable, empty or cut-off file, NaN or infinite samples, a negative start or length.
    """
    rate = check_rate(rate)
    if not (math.isfinite(start_s) and start_s >= 0):
        raise ValueError(f"start_s: {start_s} s; it must be 0 or more")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s: {duration_s} s; it must be more than 0, or None for the whole file")
    with open_sound(path) as file:
        from_hz, total = file.samplerate, file.frames
        start = round(start_s * rate)
        n = round(total * rate / from_hz) - start if duration_s is None else round(duration_s * rate)
        if duration_s is None and n <= 0:
            raise ValueError(f"{path}: start_s = {start_s} s is past its end ({total / from_hz:.2f} s)")
        # Input frames that fall exactly on output samples: from there on both grids agree.
        step = from_hz // math.gcd(from_hz, rate)
        margin = math.ceil(MARGIN_S * from_hz)
        first = max(0, start * from_hz // rate - margin) // step * step
        last = min(total, math.ceil((start + n) * from_hz / rate) + margin)
        if first >= last:
            return np.zeros(n, dtype=np.float32)
        mono = read_frames(file, path, first, last - first)
    resampled = resample(mono, from_hz, rate)[start - first * rate // from_hz :][:n]
    return np.pad(resampled, (0, n - len(resampled)))


def info(path):
    """Read a file's header.

    Args:
        path: an audio file.
    Returns:
        `AudioInfo`.
    Raises:
        FileNotFoundError, ValueError: as `read`.
    """
    with open_sound(path) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels)


def resample(x, from_hz, to_hz):
    """Change the sample rate with soxr's HQ filter.

    Args:
        x: (N,) float32.
        from_hz, to_hz: whole numbers of Hz.
    Returns:
        (round(N * to_hz / from_hz),) float32; x itself where the rates agree.
    """
    from_hz, to_hz = check_rate(from_hz), check_rate(to_hz)
    if from_hz == to_hz or len(x) == 0:
        return x
    return np.asarray(soxr.resample(x, from_hz, to_hz, quality="HQ"), dtype=np.float32)


def to_mono(x, rate=SAMPLE_RATE, name="array"):
    """Check an array and average its channels; the rate stays as it is (see `resample`).

    Integers are divided by their full range: int16 by 32,768, int32 by 2**31; unsigned ones are centred first
    (uint8: (x - 128) / 128). 64-bit integers have no agreed full range and are refused.

    Args:
        x: (N,), (N, channels) or (channels, N), array or tensor; the shorter axis is channels, at most 64.
        rate: Hz, checked only.
        name: what an error message calls it.
    Returns:
        (N,) float32, full scale 1.0.
    Raises:
        ValueError: empty, NaN or infinite, shape or type that is not audio, more than 1,000 times full scale.
    """
    check_rate(rate, name)
    x = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    if x.ndim not in (1, 2):
        raise ValueError(f"{name}: shape {x.shape}; expected (N,), (N, channels) or (channels, N)")
    if x.size == 0:
        raise ValueError(f"{name}: shape {x.shape} holds no samples")
    if x.ndim == 2:
        channels = min(x.shape)
        if channels > MAX_CHANNELS:
            raise ValueError(f"{name}: shape {x.shape} would be {channels} channels; at most {MAX_CHANNELS}")
        if x.shape[0] == x.shape[1] > 1:
            raise ValueError(f"{name}: shape {x.shape}: which axis is time? Average the channels first")
    x = _to_float(x, name)
    if x.ndim == 2:
        channels = x if x.shape[1] <= x.shape[0] else x.T
        x = channels.mean(axis=1, dtype=np.float64)
        if cancel(channels, x):
            warnings.warn(f"{name}: {CANCELLED}", stacklevel=2)
    check_samples(x, name)
    return np.ascontiguousarray(x, dtype=np.float32)


def write(path, x, rate=SAMPLE_RATE):
    """Write 16-bit audio, to a temporary name first, so that a half-written file never carries the real one.

    Args:
        path: .wav or .flac; folders are made as needed.
        x: (N,) or (N, channels) in [-1, 1]; what lies beyond is clipped.
        rate: Hz.
    Raises:
        ValueError: another suffix, or NaN. OSError: the disk is full; nothing is left behind.
    """
    path, rate = Path(path), check_rate(rate)
    kind = path.suffix.lstrip(".").upper()
    if kind not in ("WAV", "FLAC"):
        raise ValueError(f"{path}: 16-bit audio is written as .wav or .flac, not {path.suffix!r}")
    x = _to_float(np.asarray(x), str(path))
    if not np.isfinite(x).all():
        raise ValueError(f"{path}: not written, the samples hold NaN or infinity")
    try:
        with whole(path) as temporary:
            soundfile.write(temporary, x, rate, subtype="PCM_16", format=kind)
    except soundfile.SoundFileRuntimeError as error:  # libsndfile's "System error" on a full disk
        raise OSError(f"{path}: not written ({error}); is the disk full?") from None


def mix(clips):
    """Sum clips of equal length into one sub-mix (Eq. 1).

    Args:
        clips: one or more (N,) arrays.
    Returns:
        (N,) float32; may exceed full scale, as sums do.
    """
    clips = [np.asarray(clip) for clip in clips]
    lengths = {clip.shape for clip in clips}
    if len(lengths) != 1:
        raise ValueError(f"mix: expected clips of one length, found {sorted(lengths) or 'none'}")
    return np.sum(clips, axis=0, dtype=np.float32)


def match_levels(clips: list[np.ndarray]) -> list[np.ndarray]:
    """Bring clips to the same RMS level, low enough that none of them clips. Silent clips stay silent."""
    gains = [10 ** ((TARGET_DBFS - rms_dbfs(x)) / 20) if np.any(x) else 1.0 for x in clips]
    peak = max((np.abs(gain * x).max() for gain, x in zip(gains, clips, strict=True)), default=0.0)
    common = min(1.0, PEAK / peak) if peak > 0 else 1.0
    return [(common * gain * x).astype(np.float32) for gain, x in zip(gains, clips, strict=True)]


def check_rate(rate, name="rate"):
    """Return a sample rate as an int, or say why it is none (0, negative, 44100.5, text)."""
    try:
        hz = operator.index(int(rate)) if float(rate) == int(rate) else 0
    except (TypeError, ValueError, OverflowError):
        hz = 0
    if not 1 <= hz <= 10_000_000:
        raise ValueError(f"{name}: sample rate {rate!r} Hz; expected a whole number of Hz such as 44100")
    return hz


def _to_float(x, name):
    """Integers to float by their full range, floats as they are."""
    if x.dtype.kind in "iu" and x.dtype.itemsize <= 4:
        half = 2.0 ** (8 * x.dtype.itemsize - 1)
        return (x.astype(np.float64) - (half if x.dtype.kind == "u" else 0.0)) / half
    if x.dtype.kind != "f":
        raise ValueError(f"{name}: {x.dtype} samples; expected float (full scale 1) or 8- to 32-bit integers")
    return x
