"""Notebooks as cells of a grid: what `cocola grid` runs for a list of notebooks (`training.grids`)."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path

from cocola_lib.files import read_json
from cocola_lib.notebook import study
from cocola_lib.notebook.study import PATHS
from cocola_lib.training.profiles import get_profile

LOG = "log.txt"


def notebooks_cell(
    folder: Path,
    notebooks: Sequence[str],
    profile: str = "quick",
    data_root: str | None = None,
    seed: int = 0,
    **parameters,
) -> dict[str, float]:
    """Execute notebooks in a folder, a task of `grids.run_grid`.

    Args:
        folder: becomes a run folder; one that stops leaves its `.failed.ipynb` there.
        notebooks: prefixes, such as ["02", "03"].
        profile, data_root, seed: see `study.run_notebooks`.
        parameters: of the notebooks.

    Returns:
        The numbers that the notebooks report, see `numbers`.
    """
    settings = {name: _as_typed(name, value) for name, value in parameters.items()}
    with open(folder / LOG, "w", encoding="utf-8") as log, redirect_stdout(log):
        done = study.run_notebooks(get_profile(profile), folder, data_root, seed, settings, list(notebooks))
    entries = read_json(folder / "results.json")
    return {
        f"{one.name[:2]}.{name}": value for one in done for name, value in numbers(entries[one.name]["results"]).items()
    }


def check_cell(
    notebooks: Sequence[str], profile: str = "quick", data_root: str | None = None, seed: int = 0, **parameters
) -> tuple[str | None, str, int]:
    """Refuse notebooks, a profile or parameters that are not there, before any cell runs.

    Returns:
        The arguments of `miniatures.open_tracks` that the cell will give.

    Raises:
        ValueError, FileNotFoundError: one line that says what there is.
    """
    if "run_dir" in parameters:
        raise ValueError("run_dir: not a parameter of a grid; each cell has a folder of its own")
    _check_names(tuple(notebooks), tuple(parameters))
    return data_root, get_profile(profile).data_size, seed


@lru_cache
def _check_names(notebooks: tuple[str, ...], names: tuple[str, ...]) -> None:
    study.share_out(dict.fromkeys(names), study.find_notebooks(list(notebooks)))


def numbers(results: dict | list, name: str = "") -> dict[str, float]:
    """The numbers in a notebook's results, each under a name of its own.

    A record of a table is named by its first columns, as many as tell all of them apart, such as
    "valid_accuracy[k=16].accuracy"; another element of a list by its place.
    """
    if isinstance(results, list):
        inner = [(f"{name}[{label}]", value) for label, value in zip(_labels(results), results, strict=True)]
    else:
        inner = [(f"{name}.{key}".lstrip("."), value) for key, value in results.items()]
    found = {}
    for label, value in inner:
        if isinstance(value, (dict, list)):
            found |= numbers(value, label)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[label] = value
    return found


def _labels(records: list) -> list[str]:
    """What tells the elements of a list apart."""
    if records and all(isinstance(record, dict) for record in records):
        shared = [key for key in records[0] if all(key in record for record in records)]
        for n in range(1, len(shared) + 1):
            labels = [",".join(f"{key}={record[key]}" for key in shared[:n]) for record in records]
            if len(set(labels)) == len(labels):
                return labels
    return [str(i) for i in range(len(records))]


def _as_typed(name: str, value) -> str:
    """A parameter as one would write it on a command line so that it arrives as it is."""
    return str(value) if name in PATHS else repr(value)
