"""Miniature data sets, made here: real layouts, no download.

Each miniature is a module with `VERSION`, `plan(size, seed)`, a list of tracks to make, `write(job, folder)`,
which makes one, and `replay(job, name)`, which plays one of its files again. This module builds them into a user
cache folder: in parallel, interruptible, and the same bytes for the same seed and package versions.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from cocola_lib.data.progress import bar
from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import MINIATURE, load_tracks
from cocola_lib.extras import need
from cocola_lib.files import REPO, data_dir, locked, read_json, write_json, writing

MODULES = {
    "mini-cocochorales": "cocola_lib.data.miniatures.chorales",
    "mini-slakh2100": "cocola_lib.data.miniatures.slakh",
    "mini-moisesdb": "cocola_lib.data.miniatures.moises",
    "mini-musdb18hq": "cocola_lib.data.miniatures.musdb",
}
SIZES = ("tiny", "small", "large")  # for tests, for a student's laptop, for training the bundled model
MANIFEST = MINIATURE  # written last: without it a build is not complete
PACKAGES = ("midirenderer", "pretty_midi", "music21", "soxr", "soundfile", "numpy", "scipy")


def folder_of(name: str, size: str = "small", seed: int = 0, root: Path | str | None = None) -> Path:
    """Where a miniature lies, built or not: a new recipe version gets a new folder."""
    return Path(root or data_dir()) / f"{name}-{size}-seed{seed}-v{_module(name, size).VERSION}"


def ensure(name="mini-cocochorales", size="small", seed=0, root=None, progress=True, jobs=None) -> Path:
    """Return a miniature's folder, building it first unless it is complete; waits where another process builds it."""
    folder = folder_of(name, size, seed, root)
    if is_complete(folder):
        return folder
    with locked(folder.with_name(f".{folder.name}.lock"), "", wait=True):
        return folder if is_complete(folder) else build(name, size, seed, root, progress, jobs)


def open_tracks(data_root: Path | str | None, size: str = "small", seed: int = 0) -> list[Track]:
    """The tracks at `data_root`, or those of all miniatures in a size, built if need be.

    Raises:
        FileNotFoundError, ValueError: see `tracks.load_tracks`.
    """
    if data_root is not None:
        return load_tracks(data_root)
    return [track for name in MODULES for track in load_tracks(ensure(name, size=size, seed=seed))]


def is_complete(folder: Path) -> bool:
    """Whether a folder's manifest is there and its tracks too."""
    try:
        manifest = read_json(folder / MANIFEST)
        return all((folder / track).is_dir() for track in manifest["tracks"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def build(name="mini-cocochorales", size="small", seed=0, root=None, progress=True, jobs=None) -> Path:
    """Make a miniature data set; tracks that an interrupted build finished are kept.

    Args:
        name: one of `MODULES`
        size: "tiny", "small" or "large"
        seed: another seed gives other music in the same layout
        root: folder for all miniatures; None: `data_dir()`
        progress: show a bar
        jobs: number of processes; None: one per core

    Returns:
        the data set's folder, with `miniature.json` (tracks, versions, data hash) inside

    Raises:
        ValueError: unknown name or size
        OSError: a worker failed; the message is its last line
    """
    need("data", "midirenderer", "music21", "pretty_midi")
    folder = folder_of(name, size, seed, root)
    plan = _module(name, size).plan(size, seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    todo = [job for job in plan if not (folder / job.path).is_dir()]
    jobs = min(jobs or _cores(), len(todo))
    started = time.monotonic()
    if jobs > 1 and len(todo) > 4:
        _build_parallel(name, size, seed, folder, todo, jobs, progress)
    else:
        for job in bar(todo, name, shown=progress, unit="track"):
            make_track(name, job, folder)
    shutil.rmtree(folder / ".building", ignore_errors=True)
    _write_manifest(folder, name, size, seed, plan, time.monotonic() - started)
    return folder


def make_track(name: str, job, folder: Path) -> None:
    """Make one track in a temporary folder, then rename it: never half a track."""
    target = folder / job.path
    if target.is_dir():
        return
    temporary = folder / ".building" / f"{os.getpid()}" / job.path
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with writing(target):
            temporary.mkdir(parents=True)
            _module(name).write(job, temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(temporary, target)
    except Exception:
        if not target.is_dir():  # else another process made the same track meanwhile
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replay(folder: Path | str, name: str, **changes) -> np.ndarray:
    """Play a file of a miniature's track again, with something changed in the score.

    That makes pairs that do not belong together without any artefact in the sound.

    Args:
        folder: the track's
        name: of the file, without its ending ("1_violin", "S03", "bass", a MoisesDB id)
        changes: transpose_semitones (whole ones; drums stay), tempo_factor (1.1 is a tenth faster),
            shift_beats (quarters late)

    Returns:
        (N,) or (N, 2) float32 at the data set's rate. Without changes what the file holds, to 16 bits, but for
        MoisesDB's bleed and lengths, and the gain of a track whose mix would have clipped.

    Raises:
        ValueError: not a miniature's track, or no such file
    """
    module, job = find_job(Path(folder))
    return module.replay(job, name, **changes)


@functools.lru_cache(maxsize=4096)
def find_job(path: Path):
    """The recipe of the track that a path belongs to: its folder, or any file in it.

    Returns:
        (module, job): the miniature's module, and what its `plan` lists for this track.

    Raises:
        ValueError: not in a track of a miniature
    """
    for root in path.parents:
        if (root / MANIFEST).is_file():
            made = read_json(root / MANIFEST)
            module, inside = _module(made["name"]), path.relative_to(root).as_posix() + "/"
            for job in module.plan(made["size"], made["seed"]):
                if inside.startswith(job.path + "/"):
                    return module, job
    raise ValueError(f"{path}: not a track of a miniature ({', '.join(MODULES)})")


def track_rng(seed: int, path: str) -> np.random.Generator:
    """A track's own random numbers: they depend on the seed and its path, not on the order of work."""
    digest = hashlib.sha256(path.encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], "<u4").tolist()])


def data_hash(folder: Path) -> str:
    """Hash every file of a build (names and bytes): 16 hex digits of SHA-256."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _module(name, size="small"):
    if name not in MODULES:
        raise ValueError(f"unknown miniature {name!r}: choose one of {', '.join(MODULES)}")
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}: choose one of {', '.join(SIZES)}")
    return importlib.import_module(MODULES[name])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _build_parallel(name, size, seed, folder, todo, jobs, progress) -> None:
    """Share the tracks out to fresh interpreters: no fork, and no `__main__` guard asked of the caller."""
    paths = os.pathsep.join([str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    (folder / ".building").mkdir(exist_ok=True)
    logs = [folder / ".building" / f"worker{i}.log" for i in range(jobs)]
    workers = []
    try:
        for i, log in enumerate(logs):
            share = [str(a) for a in (name, size, seed, folder, i, jobs)]
            with log.open("w", encoding="utf-8") as stderr:
                command = [sys.executable, "-m", "cocola_lib.data.miniatures", *share]
                workers.append(subprocess.Popen(command, stderr=stderr, env=env))
        with bar(None, name, len(todo), progress, unit="track") as shown:
            waiting = [folder / job.path for job in todo]
            while True:
                running = any(w.poll() is None for w in workers)
                n_before, waiting = len(waiting), [p for p in waiting if not p.is_dir()]
                shown.update(n_before - len(waiting))
                failed = [log for w, log in zip(workers, logs, strict=True) if w.poll()]
                if failed:
                    lines = failed[0].read_text(encoding="utf-8").strip().splitlines() or ["worker was killed"]
                    raise OSError(f"{name}: {lines[-1]} (what was finished is kept; run again)")
                if not running:
                    return
                time.sleep(0.2)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
            shutil.rmtree(folder / ".building" / str(worker.pid), ignore_errors=True)


def work(name, size, seed, folder, share, of) -> None:
    """One worker's share of a build: every `of`-th track, from `share` on."""
    for job in _module(name, size).plan(size, int(seed))[int(share) :: int(of)]:
        make_track(name, job, Path(folder))


def _write_manifest(folder, name, size, seed, plan, took_s) -> None:
    manifest = {
        "name": name,
        "size": size,
        "seed": seed,
        "recipe_version": _module(name).VERSION,
        "tracks": [job.path for job in plan],
        "data_hash": data_hash(folder),
        "packages": {p: importlib.metadata.version(p) for p in PACKAGES},
        "build_s": round(took_s, 1),
    }
    write_json(folder / MANIFEST, manifest, indent=1)
