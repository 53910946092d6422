"""Runs: a folder per run, and every number in it beside what produced it.

A run folder, `outputs/<profile>/` by default, holds the executed notebooks, `figures/*.png`, `tables/*.csv`,
`models/<recipe>/` and `results.json`: one entry per notebook with its results and their provenance.
"""

import hashlib
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from cocola_lib import miniatures
from cocola_lib.profiles import Profile
from cocola_lib.tracks import Track, load_tracks

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "timm", "lightning", "librosa", "numpy", "scipy", "soundfile", "soxr", "midirenderer", "music21")


def open_tracks(data_root: str | Path | None, profile: Profile, seed: int = 0) -> list[Track]:
    """The tracks of a run: those at `data_root`, or all miniatures in the profile's size, built if need be.

    Raises:
        FileNotFoundError, ValueError: see `tracks.load_tracks`.
    """
    if data_root is not None:
        return load_tracks(data_root)
    roots = [miniatures.ensure(name, size=profile.data_size, seed=seed) for name in miniatures.MODULES]
    return [track for root in roots for track in load_tracks(root)]


def data_hash(tracks: list[Track]) -> str:
    """A fingerprint of the data: ids, stems, file sizes. Sixteen hex digits."""
    described = [(t.id, [(s.name, [f.stat().st_size for f in s.files]) for s in t.stems]) for t in tracks]
    return hashlib.sha256(json.dumps(sorted(described)).encode()).hexdigest()[:16]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(REPO), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _command() -> str:
    """As it was typed, with the module's or the program's name in place of where it lies on this machine."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["python", "-m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])


def provenance(tracks: list[Track], seed: int, checkpoint: str | Path | None = None) -> dict:
    """What a number needs to be made again: code, data, seed, weights, versions, machine and command."""
    from cocola_lib.checkpoints import checkpoint_hash

    return {
        "command": os.environ.get("COCOLA_COMMAND") or _command(),
        "git_commit": _git("rev-parse", "HEAD") or None,
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!outputs")),
        "seed": seed,
        "checkpoint": checkpoint_hash(checkpoint) if checkpoint else None,
        "data": {"hash": data_hash(tracks), "datasets": sorted({t.dataset for t in tracks}), "n_tracks": len(tracks)},
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary name to write to, renamed to `path` at the end: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Run:
    """Where one notebook of a run leaves its figures, tables and results.

    Args:
        run_dir: the run folder, see `default_dir`.
        notebook: the notebook's name, e.g. "03_classification_tables"; it keys `results.json`.
    """

    def __init__(self, run_dir: str | Path, notebook: str):
        self.dir, self.notebook = Path(run_dir), notebook

    def figure(self, figure, name: str) -> None:
        """Save a figure as `figures/<name>.png`; the notebook shows it itself."""
        with _whole(self.dir / "figures" / f"{name}.png") as path:
            figure.savefig(path, format="png", dpi=110, bbox_inches="tight")

    def table(self, frame: pd.DataFrame, name: str) -> None:
        """Save a table as `tables/<name>.csv`."""
        with _whole(self.dir / "tables" / f"{name}.csv") as path:
            frame.to_csv(path, index=False)

    def text(self, content: str, name: str) -> None:
        """Save a text, such as a table in Markdown or LaTeX, as `tables/<name>`."""
        with _whole(self.dir / "tables" / name) as path:
            path.write_text(content, encoding="utf-8")

    def read_table(self, name: str, needed_from: str) -> pd.DataFrame:
        """Read a table that an earlier notebook of this run left.

        Raises:
            FileNotFoundError: it is not there yet; says which notebook makes it.
        """
        path = self.dir / "tables" / f"{name}.csv"
        if not path.exists():
            raise FileNotFoundError(f"{path}: not there yet; run notebook {needed_from} of the same run first")
        return pd.read_csv(path)

    def results(self, results: dict, provenance: dict, headline: str) -> None:
        """Add this notebook's entry to `results.json`.

        Args:
            results: plain numbers, strings, lists and dicts; NaN is stored as null.
            provenance: from `provenance`.
            headline: one sentence for the summary that `make run` prints.
        """
        path = self.dir / "results.json"
        entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        entries[self.notebook] = {"headline": headline, "results": results, "provenance": provenance}
        content = json.dumps(_plain(dict(sorted(entries.items()))), indent=2, ensure_ascii=False, allow_nan=False)
        with _whole(path) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")


def _plain(value):
    """NaN and infinity as null: JSON has neither, and other readers than Python's refuse them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def default_dir(profile: str) -> Path:
    """The run folder of a profile, `outputs/<profile>` in the repository."""
    return REPO / "outputs" / profile


def open_scorer(checkpoint: str | Path | None):
    """What a notebook scores with: a model's `Scorer`, the bundled one, or the control while there is none.

    Returns:
        (scorer, name for tables and sentences).
    """
    from cocola_lib.control import ChromaOnsetControl
    from cocola_lib.scoring import BUNDLED, Scorer

    if checkpoint:
        return Scorer.from_checkpoint(checkpoint), "trained model"
    return (Scorer(), "bundled model") if BUNDLED.is_dir() else (ChromaOnsetControl(), "control")


def trained_checkpoint(run_dir: str | Path, checkpoint: str | None, recipe: str) -> Path:
    """The checkpoint of notebooks 03 to 05: the one they are given, else the one that notebook 02 left in the run.

    Raises:
        FileNotFoundError: neither is there.
    """
    from cocola_lib.checkpoints import locate

    path = locate(checkpoint or Path(run_dir) / "models" / recipe / "checkpoint")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no checkpoint; run notebook 02 first, or set the parameter `checkpoint`")
    return path
