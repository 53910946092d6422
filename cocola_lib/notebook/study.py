"""The study: every notebook in order through papermill, and the summary that `make run` prints."""

import ast
import logging
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cocola_lib.data.miniatures import open_tracks
from cocola_lib.data.names import from_anywhere
from cocola_lib.files import REPO, check_writable, locked, read_json, writing
from cocola_lib.training.profiles import Profile

NOTEBOOKS = REPO / "notebooks"
PATHS = (  # parameters that are a path, or several separated by commas
    "checkpoint", "data_root", "folders", "metrics", "pairs_from", "ratings", "recordings", "released", "study_dir",
    "systems",
)  # fmt: skip


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
        ValueError, FileNotFoundError: bad data, or a parameter or notebook that does not exist; another run there.
        NotebookFailed: a notebook stopped, its kernel died, or a cell took longer than the profile's `cell_minutes`.
    """
    paths = find_notebooks(only)
    given = {"profile": profile.name, "seed": seed, "run_dir": _seen_from_notebooks(run_dir)} | _typed(settings or {})
    if data_root is not None:
        given["data_root"] = from_anywhere(str(data_root))
    parameters = share_out(given, paths)
    _check_place(run_dir)
    open_tracks(data_root, profile.data_size, seed)
    os.environ.setdefault("COCOLA_COMMAND", shlex.join(["cocola", *sys.argv[1:]]))  # for provenance, in the kernels
    executed = []
    with locked(run_dir / ".lock", f"{run_dir}: another run is writing there; wait for it, or give another run_dir"):
        for path in paths:
            print(f"{path.stem} ...", end=" ", flush=True)
            executed.append(_execute(path, run_dir, parameters[path], profile.cell_minutes))
            print(f"{executed[-1].seconds:.0f} s", flush=True)
    return executed


def find_notebooks(only: list[str] | None = None) -> list[Path]:
    """The notebooks of the study in order; with `only`, those whose names begin with one of these prefixes.

    Raises:
        FileNotFoundError: there are none at all, or none with one of the prefixes.
    """
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"{NOTEBOOKS}: no notebooks; run from a clone, installed with pip install -e")
    if unknown := [prefix for prefix in only or [] if not any(path.name.startswith(prefix) for path in paths)]:
        there = ", ".join(path.stem for path in paths)
        raise FileNotFoundError(f"no notebook begins with {' or '.join(unknown)}; there are {there}")
    return [path for path in paths if not only or path.name.startswith(tuple(only))]


def share_out(given: dict, paths: list[Path]) -> dict[Path, dict]:
    """Each notebook's own parameters among those given.

    Raises:
        ValueError: one that no notebook has; says what they have.
    """
    accepted = {path: inspect_parameters(path).keys() for path in paths}
    known = sorted(set().union(*accepted.values()))
    if unknown := next((name for name in given if name not in known), None):
        raise ValueError(f"parameter {unknown!r}: no notebook has it; they have {', '.join(known)}")
    return {path: {name: value for name, value in given.items() if name in accepted[path]} for path in paths}


def _check_place(run_dir: Path) -> None:
    """Refuse a folder that cannot be written, and that of the notebooks themselves."""
    if run_dir.resolve() == NOTEBOOKS.resolve():
        raise ValueError(f"{run_dir}: holds the notebooks themselves, which would be replaced; choose another folder")
    check_writable(run_dir / "results.json")


def _seen_from_notebooks(run_dir: Path) -> str:
    """A run folder inside the repository as a relative path: executed notebooks can move with the repository."""
    run_dir = run_dir.resolve()
    return os.path.relpath(run_dir, NOTEBOOKS) if run_dir.is_relative_to(REPO) else str(run_dir)


def inspect_parameters(path: Path) -> dict[str, dict]:
    """The parameters of a notebook as papermill reads them: name -> {inferred_type_name, default, help}."""
    import papermill

    return papermill.inspect_notebook(str(path))


def _typed(settings: dict[str, str]) -> dict:
    """Read values as Python literals where they are ones ("0.25" -> 0.25), else as text; see `PATHS` for paths."""
    return {name: from_anywhere(text) if name in PATHS else _literal(text) for name, text in settings.items()}


def _literal(text: str):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _execute(path: Path, run_dir: Path, parameters: dict, minutes: float) -> Executed:
    """Execute one notebook; the result takes its name only when it is complete, and another one if it never is."""
    import papermill
    from nbclient.exceptions import CellTimeoutError

    started = time.monotonic()
    temporary, failed = run_dir / f".{path.name}", run_dir / f"{path.stem}.failed.ipynb"
    failed.unlink(missing_ok=True)
    try:
        with writing(run_dir / path.name):
            _papermill(path, temporary, parameters, minutes)
        temporary.replace(run_dir / path.name)
        return Executed(path.stem, time.monotonic() - started)
    except papermill.PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        reason = f"a cell took more than {minutes:g} minutes; --cell-minutes gives it more"
    except RuntimeError as error:  # of nbclient and jupyter_client
        reason = f"{error}; if memory ran out, close other programs or choose a smaller profile"
    finally:
        if temporary.exists():
            temporary.replace(failed)
    raise NotebookFailed(f"{path.stem}: {reason} (as far as it came: {failed})")


def _papermill(path: Path, out: Path, parameters: dict, minutes: float) -> None:
    """Execute one notebook into another file; a cell may take so many minutes."""
    import papermill

    logging.getLogger("papermill").addHandler(logging.NullHandler())  # what it says is raised as well
    papermill.execute_notebook(
        str(path),
        str(out),
        parameters=parameters,
        cwd=str(path.parent),
        progress_bar=False,
        execution_timeout=max(1, round(60 * minutes)),
        coalesce_streams=True,  # of a progress bar, the last state is kept
        extra_arguments=["--IPKernelApp.log_level=50"],  # what goes wrong in a cell is raised here
    )
    _forget_paths(out, path)


def _forget_paths(executed: Path, source: Path) -> None:
    """Take this machine's paths out of what papermill notes in an executed notebook."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["papermill"] |= {"input_path": f"notebooks/{source.name}", "output_path": source.name}
    nbformat.write(notebook, executed)


def summary(run_dir: Path, executed: list[Executed]) -> str:
    """What `make run` prints at the end: notebooks, run times, headline figures, where to look."""
    entries = read_json(run_dir / "results.json")
    width = max(len(e.name) for e in executed)
    lines = [
        f"  {e.name:<{width}}  {e.seconds:5.0f} s  {entries.get(e.name, {}).get('headline', '')}" for e in executed
    ]
    return "\n".join(
        [
            f"\n{len(executed)} notebooks in {sum(e.seconds for e in executed) / 60:.1f} minutes",
            *lines,
            "",
            f"Executed notebooks: {run_dir}/*.ipynb",
            f"Figures, tables, numbers: {run_dir}/figures, {run_dir}/tables, {run_dir}/results.json",
            "Read and change them:  make lab",
        ]
    )
