"""Runs: a folder per run, every number beside what produced it, and papermill over the notebooks.

A run folder, `outputs/<profile>/` by default, holds the executed notebooks, `figures/*.png`, `tables/*.csv`,
`models/<recipe>/` and `results.json`: one entry per notebook with its results and their provenance.
"""

import ast
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from cocola_lib import miniatures
from cocola_lib.profiles import Profile
from cocola_lib.tracks import Track, load_tracks

REPO = Path(__file__).resolve().parent.parent
NOTEBOOKS = REPO / "notebooks"
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


def provenance(tracks: list[Track], seed: int, checkpoint: str | Path | None = None) -> dict:
    """What a number needs to be made again: code, data, seed, weights, versions, machine and command."""
    from cocola_lib.checkpoints import checkpoint_hash

    return {
        "command": os.environ.get("COCOLA_COMMAND") or shlex.join(sys.argv),
        "git_commit": _git("rev-parse", "HEAD") or None,
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "seed": seed,
        "checkpoint": checkpoint_hash(checkpoint) if checkpoint else None,
        "data": {"hash": data_hash(tracks), "datasets": sorted({t.dataset for t in tracks}), "n_tracks": len(tracks)},
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_json(path: Path, content: dict) -> None:
    """Write JSON under a temporary name and rename it: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.rename(path)


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
        path = self.dir / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")
        temporary.rename(path)

    def table(self, frame: pd.DataFrame, name: str) -> None:
        """Save a table as `tables/<name>.csv`."""
        path = self.dir / "tables" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        frame.to_csv(temporary, index=False)
        temporary.rename(path)

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
            results: plain numbers, strings, lists and dicts.
            provenance: from `provenance`.
            headline: one sentence for the summary that `make run` prints.
        """
        path = self.dir / "results.json"
        entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        entries[self.notebook] = {"headline": headline, "results": results, "provenance": provenance}
        write_json(path, dict(sorted(entries.items())))


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
    path = Path(checkpoint or Path(run_dir) / "models" / recipe / "checkpoint")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no checkpoint; run notebook 02 first, or set the parameter `checkpoint`")
    return path


@dataclass(frozen=True)
class Executed:
    """One executed notebook: its name and seconds of run time."""

    name: str
    seconds: float


class NotebookFailed(ValueError):  # noqa: N818 - reads as what happened
    """A notebook stopped; the message is its own error in one line, and where the executed part lies."""


def run_notebooks(
    profile: Profile,
    run_dir: Path,
    data_root: str | None = None,
    seed: int = 0,
    settings: dict[str, str] | None = None,
    only: list[str] | None = None,
) -> list[Executed]:
    """Execute the notebooks in order with papermill.

    Names and data are checked first, so that bad input stops the run before anything is written.

    Args:
        profile: how much runs.
        run_dir: gets the executed notebooks and everything they leave.
        data_root: see `open_tracks`.
        seed: of everything.
        settings: further notebook parameters as written on a command line, e.g. {"max_overlap": "0.25"}; each goes
            to the notebooks that have it.
        only: prefixes of the notebooks to run, e.g. ["00", "03"]; all by default.

    Raises:
        ValueError, FileNotFoundError: bad data, or a parameter or notebook that does not exist.
        NotebookFailed: a notebook stopped.
    """
    paths = [p for p in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")) if not only or p.name.startswith(tuple(only))]
    if not paths:
        raise FileNotFoundError(f"{NOTEBOOKS}: no notebook {only or ''}; run from a clone, installed with pip -e")
    given = {"profile": profile.name, "seed": seed, "run_dir": _seen_from_notebooks(run_dir)} | _typed(settings or {})
    if data_root is not None:
        given["data_root"] = str(Path(data_root).expanduser().resolve())
    accepted = {path: set(inspect_parameters(path)) for path in paths}
    for name in given:
        if not any(name in names for names in accepted.values()):
            known = ", ".join(sorted(set().union(*accepted.values())))
            raise ValueError(f"parameter {name!r}: no notebook has it; they have {known}")
    open_tracks(data_root, profile)
    run_dir.mkdir(parents=True, exist_ok=True)
    os.environ["COCOLA_COMMAND"] = shlex.join(["cocola", *sys.argv[1:]])  # for the provenance, inside the kernels
    executed = []
    for path in paths:
        print(f"{path.stem} ...", end=" ", flush=True)
        executed.append(_execute(path, run_dir, {k: v for k, v in given.items() if k in accepted[path]}))
        print(f"{executed[-1].seconds:.0f} s", flush=True)
    return executed


def _seen_from_notebooks(run_dir: Path) -> str:
    """A run folder inside the repository as a relative path: executed notebooks can move with the repository."""
    run_dir = run_dir.resolve()
    return os.path.relpath(run_dir, NOTEBOOKS) if run_dir.is_relative_to(REPO) else str(run_dir)


def inspect_parameters(path: Path) -> dict[str, dict]:
    """The parameters of a notebook as papermill reads them: name -> {inferred_type_name, default, help}."""
    import papermill

    return papermill.inspect_notebook(str(path))


def _typed(settings: dict[str, str]) -> dict:
    """Read values as Python literals where they are ones ("0.25" -> 0.25), else as text."""

    def value(text: str):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    return {name: value(text) for name, text in settings.items()}


def _execute(path: Path, run_dir: Path, parameters: dict) -> Executed:
    """Execute one notebook; the result takes its name only when it is complete."""
    import papermill

    started = time.monotonic()
    temporary, failed = run_dir / f".{path.name}", run_dir / f"{path.stem}.failed.ipynb"
    failed.unlink(missing_ok=True)
    try:
        papermill.execute_notebook(
            str(path),
            str(temporary),
            parameters=parameters,
            cwd=str(path.parent),
            progress_bar=False,
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        )
    except papermill.PapermillExecutionError as error:
        temporary.replace(failed)
        raise NotebookFailed(f"{path.stem}: {error.ename}: {error.evalue} (as far as it came: {failed})") from None
    _forget_paths(temporary, path)
    temporary.replace(run_dir / path.name)
    return Executed(path.stem, time.monotonic() - started)


def _forget_paths(executed: Path, source: Path) -> None:
    """Take this machine's paths out of what papermill notes in an executed notebook."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["papermill"] |= {"input_path": f"notebooks/{source.name}", "output_path": source.name}
    nbformat.write(notebook, executed)


def summary(run_dir: Path, executed: list[Executed]) -> str:
    """What `make run` prints at the end: notebooks, run times, headline figures, where to look."""
    entries = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))
    width = max(len(e.name) for e in executed)
    lines = [
        f"  {e.name:<{width}}  {e.seconds:5.0f} s  {entries.get(e.name, {}).get('headline', '')}" for e in executed
    ]
    total = sum(e.seconds for e in executed)
    return "\n".join(
        [
            f"\n{len(executed)} notebooks in {total / 60:.1f} minutes",
            *lines,
            "",
            f"Executed notebooks: {run_dir}/*.ipynb",
        ]
        + [f"Figures, tables, numbers: {run_dir}/figures, {run_dir}/tables, {run_dir}/results.json"]
        + ["Read and change them:  make lab"]
    )
