"""Provenance: what a number needs to be made again."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import data_hash
from cocola_lib.files import REPO
from cocola_lib.models.formats import checkpoint_hash

PACKAGES = ("torch", "timm", "lightning", "librosa", "numpy", "scipy", "soundfile", "soxr", "midirenderer", "music21")


def provenance(tracks: list[Track], seed: int, checkpoint: str | Path | None = None) -> dict:
    """What a number needs to be made again: code, data, seed, weights, versions, machine and command."""
    return origin() | {
        "seed": seed,
        "checkpoint": checkpoint_hash(checkpoint) if checkpoint else None,
        "data": {"hash": data_hash(tracks), "datasets": sorted({t.dataset for t in tracks}), "n_tracks": len(tracks)},
    }


def origin() -> dict:
    """What made a file that knows its own data and seed: command, code, versions, machine and time."""
    return {
        "command": os.environ.get("COCOLA_COMMAND") or _command(),
        "git_commit": _git("rev-parse", "HEAD") or "unknown",
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!outputs")),
        "versions": {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # a light install has not all of them
        return None


def _git(*arguments: str) -> str:
    """What git says of the clone; "" where there is no clone, or no git."""
    try:
        done = subprocess.run(["git", "-C", str(REPO), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _command() -> str:
    """As it was typed, with the module's or the program's name in place of where it lies on this machine."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["python", "-m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])
