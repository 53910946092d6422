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

CONTROL, BUNDLED, PAPER_ENCODER = "control", "bundled", "bundled hps-all"
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

    def open(self):
        """The `Scorer` of this row."""
        return Scorer(self.checkpoint)


def find(
    run_dir: str | Path, checkpoint: str | Path | None = None, released: str | Path | None = None
) -> list[Entrant]:
    """Every model that a table should have, in the order of its rows.

    Args:
        run_dir: whose `models/` hold what notebook 02 or `cocola train` trained, and the small models.
        checkpoint: one more model.
        released: a released `.ckpt`, or a folder of them.

    Raises:
        FileNotFoundError: see `check`.
    """
    check(checkpoint, released)
    models = Path(run_dir) / "models"
    rows = _bundled()
    if checkpoint:
        rows.append(Entrant("yours", "the parameter `checkpoint`", "", locate(checkpoint)))
    for name in RECIPES:
        if (models / name / "checkpoint").is_dir():
            rows.append(_trained(name, models / name / "checkpoint"))
    for name in small_models.NAMES:
        folder = models / f"{small_models.PREFIX}{name}" / "checkpoint"
        here = folder.is_dir()
        missing = "" if here else "its data set is not here: `cocola data list`"
        rows.append(
            Entrant(f"small {name}", "seconds of training", PAPER_ROWS[name], folder if here else None, missing)
        )
    for name in PAPER_ROWS:
        if not (models / name / "checkpoint").is_dir():
            rows.append(_trained(name, None))
    return rows + _released(released)


def _bundled() -> list[Entrant]:
    return [
        Entrant(CONTROL, "chroma and onsets, nothing learnt", "", scoring.CONTROL),
        Entrant(BUNDLED, "comes with the library", "HPS All", scoring.BUNDLED),
        Entrant(PAPER_ENCODER, "likewise, the paper's encoder", "HPS All", scoring.BUNDLED_PAPER),
    ]


def _trained(name: str, folder: Path | None) -> Entrant:
    missing = "" if folder else f"`cocola train {name}`"
    return Entrant(name, "trained in this run", PAPER_ROWS.get(name, ""), folder, missing)


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


def open_all(entrants: list[Entrant]) -> tuple[dict[str, object], list[Entrant]]:
    """Open the models that are here; one that cannot be read becomes a missing row that says why.

    Returns:
        (name -> rater; the entrants, those that failed marked as missing).
    """
    raters, rows = {}, []
    for entrant in entrants:
        if not entrant.missing:
            try:
                raters[entrant.name] = entrant.open()
            except (ValueError, FileNotFoundError) as error:
                entrant = replace(entrant, checkpoint=None, missing=str(error))
        rows.append(entrant)
    return raters, rows


def main_model(raters: dict[str, object], entrants: list[Entrant]) -> str:
    """The row to look at closely: yours, the bundled one, else one trained in this run, else a small one."""
    order = ["yours", BUNDLED, "hps-all-time", *RECIPES, "small hps-all", *(e.name for e in entrants)]
    return next(name for name in order if name in raters)
