"""The line-up of Tables I and II: which models there are, which of them are here, and how to get the others.

A row that cannot be measured stays in the table and says what to do about it. Used by notebook 03.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from cocola_lib import scoring
from cocola_lib.models.formats import locate
from cocola_lib.scoring import Scorer
from cocola_lib.training import small_models
from cocola_lib.training.recipes import RECIPES

CONTROL, BUNDLED, PAPER_ENCODER, YOURS = "control", "bundled", "bundled hps-all", "yours"
PAPER_ROWS = {  # recipe -> the paper's row of Table I
    "moisesdb": "MoisesDB",
    "slakh2100": "Slakh2100",
    "cocochorales": "CocoChorales",
    "all": "All",
    "hps-all": "HPS All",
}
RELEASED = "COCOLA_HP_v1.ckpt"  # the authors' checkpoint of HPS All


@dataclass(frozen=True)
class Entrant:
    """One row: a model, or the place of one.

    Attributes:
        name: of the row.
        about: what it is, in a few words.
        paper: the paper's row that stands beside it, or "".
        checkpoint: where it lies; None where it is missing.
        missing: how to get it; "" where it is here.
    """

    name: str
    about: str
    paper: str = ""
    checkpoint: Path | None = None
    missing: str = ""


def find(
    run_dir: str | Path, checkpoint: str | Path | None = None, released: str | Path | None = None
) -> list[Entrant]:
    """Every model that a table should have, in the order of its rows.

    Args:
        run_dir: whose `models/` hold what notebook 02 or `cocola train` trained, and the small models.
        checkpoint: one more model.
        released: a released `.ckpt`, or a folder of them.
    """
    models = Path(run_dir) / "models"
    trained = [_of_run(models / name, name, "trained in this run", f"`cocola train {name}`") for name in RECIPES]
    how = "its data set is not here: `cocola data list`"
    small = [_of_run(models / f"{small_models.PREFIX}{n}", n, "seconds of training", how) for n in small_models.NAMES]
    return [
        Entrant(CONTROL, "chroma and onsets, nothing learnt", "", scoring.CONTROL),
        Entrant(BUNDLED, "comes with the library", "HPS All", scoring.BUNDLED),
        Entrant(PAPER_ENCODER, "likewise, the paper's encoder", "HPS All", scoring.BUNDLED_PAPER),
        *([Entrant(YOURS, "the parameter `checkpoint`", "", locate(checkpoint))] if checkpoint else []),
        *(entrant for entrant in trained if not entrant.missing),
        *(replace(entrant, name=f"small {entrant.name}") for entrant in small),
        *(entrant for entrant in trained if entrant.missing and entrant.paper),
        *_released(released),
    ]


def _of_run(folder: Path, recipe: str, about: str, how: str) -> Entrant:
    """A model that a run trains, or `how` to get it."""
    checkpoint = folder / "checkpoint"
    here = checkpoint.is_dir()
    return Entrant(recipe, about, PAPER_ROWS.get(recipe, ""), checkpoint if here else None, "" if here else how)


def _released(path: str | Path | None) -> list[Entrant]:
    about = "the authors' weights"
    if not path:
        how = f"{RELEASED} from the paper's authors, parameter `released`"
        return [Entrant("released HPS All", about, "HPS All", None, how)]
    files = [Path(path)] if Path(path).is_file() else sorted(Path(path).glob("*.ckpt"))
    return [Entrant(f"released {f.stem}", about, "HPS All" if "_HP" in f.stem else "", f) for f in files]


def check(checkpoint: str | Path | None, released: str | Path | None) -> None:
    """Refuse paths that lead nowhere, before anything is measured.

    Raises:
        FileNotFoundError: `checkpoint` or `released` is named and not there, or `released` is a folder without a .ckpt.
    """
    for name, path in (("checkpoint", checkpoint), ("released", released)):
        if path and not locate(path).exists():
            raise FileNotFoundError(f"{path}: no checkpoint; the parameter `{name}` names it")
    if released and Path(released).is_dir() and not any(Path(released).glob("*.ckpt")):
        raise FileNotFoundError(f"{released}: holds no .ckpt file; `released` is one, or a folder of them")


def open_all(entrants: list[Entrant]) -> tuple[dict[str, Scorer], list[Entrant]]:
    """Open the models that are here; one that cannot be read becomes a missing row that says why.

    Returns:
        (name -> scorer; the entrants, those that failed marked as missing).
    """
    metrics, rows = {}, []
    for entrant in entrants:
        if not entrant.missing:
            try:
                metrics[entrant.name] = Scorer(entrant.checkpoint)
            except (ValueError, FileNotFoundError) as error:
                entrant = replace(entrant, checkpoint=None, missing=str(error))
        rows.append(entrant)
    return metrics, rows
