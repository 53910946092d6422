"""Opening sound files, with one line about each way in which they may not be one. `data.audio` is the front."""

import mmap
import os
import re
import stat
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from cocola_lib.data import ffmpeg, mpeg, ogg
from cocola_lib.data.headers import MP3_IN_WAV, read_header, repaired_wav
from cocola_lib.data.levels import cancel

LIBSNDFILE_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"),
    *(".rf64", ".bwf"),
)
FFMPEG_SUFFIXES = (".m4a", ".aac", ".wma", ".wv", ".ape", ".mka")
AUDIO_SUFFIXES = LIBSNDFILE_SUFFIXES + FFMPEG_SUFFIXES  # files with these names are clips or stems
MAX_CHANNELS = 64  # more is a transposed array or a broken header, not music
MAX_AMPLITUDE = 1_000.0  # full scales; more is integer samples in a float array
MAX_FRAMES = 1 << 48  # more is libsndfile's way to say that it does not know
BLOCK = 1 << 20  # frames read at once
FLAC_BEGINS = rb"fLaC[\x00\x80]\x00\x00\x22"  # and what every stream's first block begins with
CANCELLED = "left and right cancel when they are mixed to mono; export one channel of it"


def check_samples(x, name):
    """Refuse NaN, infinity and samples far beyond full scale."""
    bad = np.count_nonzero(~np.isfinite(x))
    if bad:
        raise ValueError(f"{name}: {bad} of {x.size} samples are NaN or infinite; repair or export it again")
    peak = float(np.abs(x).max(initial=0.0))
    if peak > MAX_AMPLITUDE:
        raise ValueError(f"{name}: samples reach {peak:.3g}, full scale is 1; divide integers by their range")


def open_sound(path):
    """Open an audio file, with one line about each way in which it may not be one.

    Args:
        path: of the file.
    Returns:
        `soundfile.SoundFile`, or `ffmpeg.Sound` where libsndfile does not read the format.
    Raises:
        FileNotFoundError, ValueError: one line: which file, what was found, what to do.
    """
    path = Path(path)
    header = _look(path)
    if header.rate == 0:
        raise ValueError(f"{path}: its header says 0 Hz; export it again with a sample rate")
    if header.cut_off:
        raise ValueError(f"{path}: cut off, holds {header.found} of {header.promised} bytes of audio; copy it again")
    if header.several:
        raise ValueError(f"{path}: several WAVs in one; export it again as one")
    file = _through_libsndfile(path, header)
    if file.frames <= 0 or file.channels > MAX_CHANNELS:
        found = "no samples" if file.frames <= 0 else f"{file.channels} channels (at most {MAX_CHANNELS})"
        file.close()
        raise ValueError(f"{path}: holds {found}")
    return file


def _look(path):
    """The header of a file that is there, may be read, holds something and was not cut off."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a directory" if path.is_dir() else "a pipe or a device"
            raise ValueError(f"{path}: is {kind}; expected one audio file")
        with path.open("rb") as raw:
            if not os.fstat(raw.fileno()).st_size:
                raise ValueError(f"{path}: empty file (0 bytes)")
            return read_header(raw)
    except FileNotFoundError:
        found = f"a link to {os.readlink(path)}, which is not there" if path.is_symlink() else "no such file"
        raise FileNotFoundError(f"{path}: {found}") from None
    except PermissionError:
        raise ValueError(f"{path}: permission denied") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be opened ({error.strerror})") from None


def _through_libsndfile(path, header):
    """Open what libsndfile reads, through ffmpeg what it does not."""
    source = os.fsencode(path) if os.name == "posix" else str(path)  # in bytes a name need not be UTF-8
    if header.fmt:
        with path.open("rb") as raw:
            source = repaired_wav(raw, header)
    try:
        file = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        return _through_ffmpeg(path, error.error_string.rstrip(".").removeprefix("Error : "))
    except TypeError:  # a name that ends in .raw: libsndfile asks for what a header would say
        raise ValueError(f"{path}: raw samples state neither rate nor width; export it as WAV") from None
    if file.format == "MP3" or header.codec == MP3_IN_WAV:
        return _whole_mp3(path, file)
    several = file.format == "OGG" and ogg.holds_several(path)
    if not several and file.frames < MAX_FRAMES:
        return file
    file.close()
    return _through_ffmpeg(path, "several Ogg files in one" if several else "it does not state its length")


def _whole_mp3(path, file):
    """An open MP3, all of it, from the moment at which its music begins."""
    frames = mp3_frames(path)
    if frames is None or (frames.says_all and frames.delay):
        return file
    file.close()
    n = len(frames.places)
    if frames.stated and n + 1 < frames.stated:
        raise ValueError(f"{path}: cut off, holds {n} of {frames.stated} frames; copy it again")
    if frames.torn:
        warnings.warn(f"{path}: ends inside a frame; was it cut off? What is there is read", stacklevel=5)
    if not frames.alike:
        raise ValueError(f"{path}: several MP3s in one, of different rates or channels; export it again as one")
    return soundfile.SoundFile(mpeg.retagged(path, frames))


def mp3_frames(path):
    """The frames of an MP3, counted once; None where it holds none of layer III."""
    status = path.stat()
    return mpeg.frames_of(path, status.st_size, status.st_mtime_ns)


def unstated_delay(path):
    """What is known where a file does not say by how much its encoder begins late, in words; "" where it does.

    LAME's usual delay is taken off an MP3. Of a bare AAC it depends on who encoded it, and nothing is taken off.
    """
    path = Path(path)
    if path.suffix.lower() == ".mp3" and (frames := mp3_frames(path)) is not None and frames.delay is None:
        return f"no LAME tag: the usual {mpeg.LAME_DELAY + mpeg.DECODER_DELAY:,} samples are taken off"
    return "late by 1,024 samples (ffmpeg) or 2,112 (Apple), which stay" if path.suffix.lower() == ".aac" else ""


def _through_ffmpeg(path, reason):
    """Open a file that libsndfile does not read, for a reason."""
    ogg.holds_several(path)
    if not ffmpeg.find():
        help = f"ffmpeg may read it: {ffmpeg.EXTRA} brings one"
        raise ValueError(f"{path}: no audio that can be read ({reason}); use WAV, FLAC, OGG or MP3. {help}")
    return ffmpeg.Sound(path)


def read_frames(file, path, first, n):
    """Frames [first, first + n) as mono, in blocks, so that a long stereo file is never held twice."""
    mono, at = np.empty(n, dtype=np.float32), 0
    for part in _blocks(file, path, first, n):
        mono[at : at + len(part)] = part[:, 0] if file.channels == 1 else part.mean(axis=1)
        if file.channels > 1 and cancel(part, mono[at : at + len(part)]):
            warnings.warn(f"{path}: {CANCELLED}", stacklevel=3)
        at += len(part)
    if at < n:
        raise ValueError(f"{path}: cut off, {first + at} of {file.frames} samples can be read; copy it again")
    if file.format == "FLAC" and first + n == file.frames and _holds_several_flacs(path, os.stat(path).st_mtime_ns):
        raise ValueError(f"{path}: several FLACs in one; export it again as one")
    check_samples(mono, str(path))
    return mono


@lru_cache(maxsize=4096)
def _holds_several_flacs(path, changed):
    """Whether another FLAC follows the first one, at whose end libsndfile stops, in a file of this date."""
    with open(path, "rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sum(1 for _ in re.finditer(FLAC_BEGINS, data)) > 1


def cancels(path):
    """Whether anywhere in a file left and right cancel when they are mixed to mono."""
    with open_sound(path) as file:
        return file.channels > 1 and any(
            cancel(part, part.mean(axis=1)) for part in _blocks(file, path, 0, file.frames)
        )


def _blocks(file, path, first, n):
    """Frames [first, first + n) of a file just opened, (frames, channels) at a time, as far as they go."""
    try:
        if first and file.seekable():
            file.seek(first)
            first = 0
        while n > 0:
            part = file.read(min(BLOCK, first or n), dtype="float32", always_2d=True)
            if len(part) == 0:
                return
            if first:  # a codec without seeking: what comes before is read as well
                first -= len(part)
                continue
            n -= len(part)
            yield part
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").removeprefix("Error : ")
        raise ValueError(f"{path}: damaged or cut off ({reason}); copy it again") from None
