"""Opening sound files, with one line about each way in which they may not be one. `data.audio` is the front."""

import os
import struct
from pathlib import Path

import numpy as np
import soundfile

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")  # files with these names are clips or stems
MAX_CHANNELS = 64  # more is a transposed array or a broken header, not music
MAX_AMPLITUDE = 1_000.0  # full scales; more is integer samples in a float array
UNKNOWN_BYTES = 0x7FFF_F000  # a WAV written to a pipe carries at least this as the size of its data
SLACK_BYTES = 64  # some writers count a header into the size of the data


def check_samples(x, name):
    """Refuse NaN, infinity and samples far beyond full scale."""
    bad = np.count_nonzero(~np.isfinite(x))
    if bad:
        raise ValueError(f"{name}: {bad} of {x.size} samples are NaN or infinite; repair or export it again")
    peak = float(np.abs(x).max(initial=0.0))
    if peak > MAX_AMPLITUDE:
        raise ValueError(f"{name}: samples reach {peak:.3g}, full scale is 1; divide integers by their range")


def open_sound(path):
    """Open an audio file, with one line about each way in which it may not be one."""
    path = Path(path)
    try:
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            rate, n_bytes = _wav_header(raw) if size else (None, None)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: is a directory; expected one audio file") from None
    except PermissionError:
        raise ValueError(f"{path}: permission denied") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be opened ({error.strerror})") from None
    if size == 0:
        raise ValueError(f"{path}: empty file (0 bytes)")
    if rate == 0:
        raise ValueError(f"{path}: its header says 0 Hz; export it again with a sample rate")
    if n_bytes is not None and n_bytes[0] + SLACK_BYTES < n_bytes[1] < UNKNOWN_BYTES:
        raise ValueError(f"{path}: cut off, holds {n_bytes[0]} of {n_bytes[1]} bytes of audio; copy it again")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise ValueError(f"{path}: no audio that can be read ({reason}); use WAV, FLAC, OGG or MP3") from None
    if file.frames <= 0 or file.channels > MAX_CHANNELS:
        found = "no samples" if file.frames <= 0 else f"{file.channels} channels (at most {MAX_CHANNELS})"
        file.close()
        raise ValueError(f"{path}: holds {found}")
    return file


def _wav_header(raw):
    """Rate and (found, promised) bytes of a WAV's audio; libsndfile quietly shortens cut-off files itself."""
    size = os.fstat(raw.fileno()).st_size
    rate = None
    head = raw.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None, None
    while len(chunk := raw.read(8)) == 8:
        kind, length = struct.unpack("<4sI", chunk)
        if kind == b"data":
            return rate, (size - raw.tell(), length)
        end = raw.tell() + length + length % 2
        if kind == b"fmt " and len(body := raw.read(8)) == 8:
            rate = struct.unpack_from("<I", body, 4)[0]
        raw.seek(end)
    return rate, None


def read_frames(file, path, first, n, exact=True):
    """Frames [first, first + n) as mono, in blocks, so that a long stereo file is never held twice.

    Fewer than n frames are an error where the length is `exact`, else the end of the file.
    """
    mono, block, at = np.empty(n, dtype=np.float32), 1 << 20, 0
    try:
        file.seek(first)
        while at < n:
            frames = file.read(min(block, n - at), dtype="float32", always_2d=True)  # (frames, channels)
            if len(frames) == 0:
                break
            mono[at : at + len(frames)] = frames[:, 0] if file.channels == 1 else frames.mean(axis=1)
            at += len(frames)
    except soundfile.LibsndfileError as error:
        raise _damaged(path, error) from None
    if at < n and (exact or first == at == 0):
        raise ValueError(f"{path}: cut off, {first + at} of {file.frames} samples can be read; copy it again")
    check_samples(mono[:at], str(path))
    return mono[:at]


def states_length(file, path):
    """Whether a file's number of frames is stated, not guessed: an MP3 without a Xing header has none."""
    if file.format != "MP3":
        return True
    with open(path, "rb") as raw:
        tag = raw.read(10)
        if tag[:3] == b"ID3":
            raw.seek(sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)), 1)
        head = tag + raw.read(4096)
    return any(name in head for name in (b"Xing", b"Info", b"VBRI"))


def count_frames(file, path):
    """Frames of a file that does not state them, by decoding it once."""
    n, block = 0, 1 << 20
    try:
        while frames := len(file.read(block, dtype="float32", always_2d=True)):
            n += frames
    except soundfile.LibsndfileError as error:
        raise _damaged(path, error) from None
    return n


def _damaged(path, error):
    reason = error.error_string.rstrip(".").removeprefix("Error : ")
    return ValueError(f"{path}: damaged or cut off ({reason}); copy it again")
