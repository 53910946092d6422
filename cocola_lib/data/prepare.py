"""Prepared copies: every stem resampled once to a 16 kHz mono 16-bit file that windows are read from by seeking.

A prepared folder is a data set like any other: give it as `data_root`. Tracks keep their ids and splits, so the same
(seed, step) draws the same windows from it. Training without it works too, and resamples every window it reads.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import soundfile

from cocola_lib.data import audio
from cocola_lib.data.activity import block_energy
from cocola_lib.data.stems import Stem, Track, track_from_row, track_to_row
from cocola_lib.files import locked, read_json, write_json

NAME = "prepared"  # of the layout
MANIFEST = "prepared.json"  # at the root: the settings, one set of them per folder
TRACK = "track.json"  # in every track's folder
BUILDING = ".building"
PEAK = 0.999  # full scale = 1; louder sums are stored more quietly, with a gain
BYTES_PER_S = 2 * audio.SAMPLE_RATE  # of a WAV; a FLAC has about half


def prepare(
    tracks: Sequence[Track],
    out: str | Path,
    format: str = "wav",
    jobs: int | None = None,
    on_error: str = "raise",
    progress: Callable[..., Iterable] = lambda rows, total: rows,
) -> tuple[int, list[str]]:
    """Write prepared copies of tracks; what an earlier run finished is kept unless its source changed.

    Args:
        tracks: from `load_tracks`.
        out: the prepared folder; made if need be.
        format: "wav" seeks fastest, "flac" takes about half the space.
        jobs: threads; None for one per core.
        on_error: a track that cannot be read is "raise": fatal, or "skip": left out.
        progress: wraps (iterable, total) with a bar.

    Returns:
        How many tracks were written now, and one line for each track left out.

    Raises:
        ValueError: `out` has other settings, or holds something else, or another process prepares it; a file cannot
            be read.
        OSError: not enough space.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}; use raise or skip")
    out = Path(out).expanduser().absolute()
    _check_settings(out, format)
    with locked(out / ".lock", f"{out}: another process prepares it; wait for it, or choose another folder"):
        todo = [track for track in tracks if not _is_done(track, out)]
        _check_space(todo, out, format)
        return _write(todo, out, format, jobs, on_error, progress)


def _write(todo, out, format, jobs, on_error, progress) -> tuple[int, list[str]]:
    """Write tracks, as `prepare` says."""
    shutil.rmtree(out / BUILDING, ignore_errors=True)  # of a run that was killed
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    try:
        futures = [pool.submit(_prepare_track, track, out, format) for track in todo]
        return _await(progress(as_completed(futures), total=len(futures)), out, len(todo), on_error)
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(out / BUILDING, ignore_errors=True)


def _await(futures: Iterable[Future], out: Path, n: int, on_error: str) -> tuple[int, list[str]]:
    """See each of n tracks through: how many are written, and what is wrong with the others."""
    written, broken = 0, []
    for future in futures:
        try:
            future.result()
            written += 1
        except ValueError as error:
            if on_error == "raise":
                raise
            broken.append(str(error))
        except (OSError, soundfile.SoundFileRuntimeError) as error:  # libsndfile: "System error" on a full disk
            reason, free = getattr(error, "strerror", None) or error, shutil.disk_usage(out).free / 1e6
            done = f"{written} of {n} tracks written"
            raise OSError(f"{out}: {reason} ({free:.0f} MB free); {done}, run it again") from None
    return written, broken


def read_tracks(root: Path) -> tuple[list[Track], list[Exception]]:
    """The tracks of a prepared folder, and what is wrong with the others."""
    tracks, broken = [], []
    for path in sorted(root.glob(f"*/*/*/{TRACK}")):
        try:
            tracks.append(_read_track(path))
        except (ValueError, OSError) as error:
            broken.append(error)
    return tracks, broken


def _read_track(path: Path) -> Track:
    """A prepared track, whose files are all there, beside its JSON."""
    again = f"delete {path.parent} and prepare again"
    try:
        track = track_from_row(read_json(path)["track"], path.parent)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); {again}") from None
    if ".." in Path(track.id).parts or any(f.parent != path.parent for stem in track.stems for f in stem.files):
        raise ValueError(f"{path}: names files elsewhere; {again}")
    if missing := [f for stem in track.stems for f in stem.files if not f.is_file()]:
        raise ValueError(f"{missing[0]}: missing; {again}")
    return track


def _check_settings(out: Path, format: str) -> None:
    """One folder, one set of settings: a mixture would train on two kinds of audio."""
    if format not in ("wav", "flac"):
        raise ValueError(f"format is {format!r}; use wav or flac")
    settings = {"version": 1, "sample_rate": audio.SAMPLE_RATE, "bits": 16, "format": format}
    manifest = out / MANIFEST
    if manifest.exists():
        try:
            found = read_json(manifest)
        except ValueError:
            found = "something unreadable"
        if found != settings:
            raise ValueError(f"{out} was prepared with {found}, not {settings}; choose another folder or delete it")
    elif out.exists() and any(not path.name.startswith(".") for path in out.iterdir()):  # what a kill left is hidden
        raise ValueError(f"{out} holds something else; choose a new folder")
    else:
        write_json(manifest, settings, indent=None)


def _check_space(tracks: Sequence[Track], out: Path, format: str) -> None:
    needed = sum(len(t.stems) * t.duration_s * BYTES_PER_S for t in tracks) * (1 if format == "wav" else 0.6)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise OSError(f"{out}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; choose another disk")


def _source(track: Track) -> list:
    """What a prepared track was made from: sizes and dates of its files, and how often loops are played."""
    stats = [(str(f), f.stat()) for stem in track.stems for f in stem.files]
    tiled = [[stem.name, stem.times] for stem in track.stems if stem.times > 1]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in stats] + tiled


def _is_done(track: Track, out: Path) -> bool:
    try:
        return read_json(out / track.id / TRACK)["source"] == _source(track)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _prepare_track(track: Track, out: Path, format: str) -> None:
    """Write one track in a temporary folder and rename it: never half a track."""
    temporary = out / BUILDING / track.id
    temporary.mkdir(parents=True)
    stems, n_samples, source = [], 0, _source(track)
    for stem in track.stems:
        x = stem.read()
        gain = max(1.0, float(np.abs(x).max()) / PEAK)
        file = temporary / f"{stem.name.replace('/', '_')}.{format}"
        audio.write(file, x / np.float32(gain))
        stems.append(Stem(stem.name, (file,), gain))
        n_samples = max(n_samples, len(x))
    copy = Track(track.id, track.dataset, track.split, tuple(stems), audio.SAMPLE_RATE, n_samples)
    write_json(temporary / TRACK, {"source": source, "track": track_to_row(copy, temporary)}, indent=None)
    folder = out / track.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary.rename(folder)
    block_energy(track_from_row(track_to_row(copy, temporary), folder))  # the sampler will ask for it
