"""Reading ratings of a listening test: our CSV, a folder of another study, or simulated listeners.

Whatever the source, `ratings` is one tidy frame, one row per rating (notebook 07 uses it):

    listener, page, item, system  who rated what; an item is one conditioning, a stimulus one (item, system)
    rating, scale_min, scale_max  rating points
    track                         the song; items of one song are resampled together
    position                      place of the stimulus on its page
    attention, expected           an attention check, and the rating that it asked for (NaN where the file does not say)
    anchor                        a hidden anchor, "(high anchor)" or "(low anchor)": for the screening only
    seconds, conditioning, output seconds listened; audio files, "" where there are none

**Our CSV** is what the listening room of notebook 06 exports: `COLUMNS` are needed, the others optional, paths relative
to the CSV's folder: keep it in the folder of its study.

**The folder** is that of the PHALAR study (arXiv 2605.03929, `listening_tests` of its repository; MIT):

    user_ratings/results_<listener>.json
        a list of trials, one page each: {"trial_index": 0, "folder": "<song>", "type": "bass" | "drums" | ...,
        "scores": {"og": 5, "<system>": 2, ...}, "model_order": [systems as they stood on the page]}
        An item is a (type, song); "og" is the ground truth; ratings are 1 to 5 (the files do not say so).
    results_<metric>.json
        {"bass": [{"song": "<song>", "gt": 30.1, "<system>": 33.7, ...}, ...], "drums": [...]}
        One score per stimulus; here the ground truth is called "gt". Songs nobody rated may be among them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib import files

GROUND_TRUTH = "Ground Truth"
TRUTH_NAMES = {"og": GROUND_TRUTH, "gt": GROUND_TRUTH}
FOLDER_SCALE = (1, 5)  # rating points of the PHALAR study
SIMULATED = "simulated "  # how names of invented listeners begin, here and in a rehearsal of the listening room
COLUMNS = ("listener", "page", "item", "system", "rating", "scale_min", "scale_max", "track")
OPTIONAL = {
    "position": np.nan,
    "attention": False,
    "expected": np.nan,
    "anchor": False,
    "seconds": np.nan,
    "conditioning": "",
    "output": "",
}
NAMES = ("listener", "page", "item", "system", "track", "conditioning", "output")  # text: a listener may be called NA
NO_NUMBER = ("", "NA", "NaN", "nan", "null")


@dataclass(frozen=True)
class ListeningTest:
    """Ratings, what metrics say of the same stimuli, and where both come from.

    Attributes:
        ratings: tidy, see the module; metrics: tidy: metric, item, system, score, or None if none came along.
        source: a name for captions; simulated: no people were asked.
        not_rated: how many stimuli listeners were shown and left without a rating.
    """

    ratings: pd.DataFrame
    metrics: pd.DataFrame | None
    source: str
    simulated: bool = False
    not_rated: int = 0

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating of the scale."""
        return float(self.ratings["scale_min"].iloc[0]), float(self.ratings["scale_max"].iloc[0])

    @property
    def rated(self) -> pd.DataFrame:
        """The ratings of systems: attention checks and hidden anchors are left out."""
        return self.ratings[~self.ratings["attention"] & ~self.ratings["anchor"]].reset_index(drop=True)


def clusters(ratings: pd.DataFrame) -> str:
    """What stands for a song in the bootstrap: "track", or "item" where all ratings are of one track."""
    return "track" if ratings["track"].nunique() > 1 else "item"


def read(path: str | Path) -> ListeningTest:
    """Read a listening test.

    Args:
        path: our CSV, or a folder laid out as the module says (or one that holds `listening_tests`).

    Raises:
        FileNotFoundError: nothing there. ValueError: something there that cannot be ratings; says which file and why.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; `ratings` names a CSV or a folder of listening tests")
    if path.is_file():
        return read_csv(path)
    inner = path / "listening_tests"
    return read_folder(inner if inner.is_dir() else path)


def read_csv(path: str | Path) -> ListeningTest:
    """Read our CSV; see the module for its columns. Empty ratings count as not rated.

    Raises:
        ValueError: columns missing, a rating that is no number or off the scale, a stimulus rated twice on a page.
    """
    path = Path(path)
    empty = dict.fromkeys((*COLUMNS, *OPTIONAL), NO_NUMBER) | dict.fromkeys(NAMES, [""])
    try:
        table = files.read_csv(path, dtype=dict.fromkeys(NAMES, str), na_values=empty)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a table of ratings ({str(error).splitlines()[0]})") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; ratings need {', '.join(COLUMNS)}")
    for name in ("listener", "page", "item", "system"):
        if table[name].isna().any():
            raise ValueError(f"{path}: line {table[name].isna().idxmax() + 2} names no {name}")
    for name, default in OPTIONAL.items():
        table[name] = table[name].fillna(default) if name in table else default
    for name in ("attention", "anchor"):
        table[name] = table[name].map(_boolean)
        if table[name].isna().any():
            raise ValueError(f"{path}: column {name!r} holds something other than true and false")
        table[name] = table[name].astype(bool)
    for name in ("conditioning", "output"):
        table[name] = [str(path.parent / value) if value else "" for value in table[name].astype(str)]
    table["track"] = table["track"].fillna(table["item"])
    invented = table["listener"].str.startswith(SIMULATED).any()
    return _checked(table, path, None, f"{path.name}, SIMULATED listeners" if invented else path.name, bool(invented))


def read_folder(folder: str | Path) -> ListeningTest:
    """Read a folder laid out as the PHALAR study's `listening_tests`, metrics included.

    Raises:
        ValueError: no ratings there, or a file of another shape; says which.
    """
    folder = Path(folder)
    files = sorted((folder / "user_ratings").glob("*.json"))
    if not files:
        raise ValueError(f"{folder}: no user_ratings/*.json; expected a CSV of ratings, or a folder laid out like that")
    rows = [row for file in files for row in _trials(file)]
    table = pd.DataFrame(rows).assign(scale_min=FOLDER_SCALE[0], scale_max=FOLDER_SCALE[1])
    table = table.assign(**{name: value for name, value in OPTIONAL.items() if name not in table})
    metrics = [row for file in sorted(folder.glob("results_*.json")) for row in _metric_scores(file)]
    return _checked(table, folder, pd.DataFrame(metrics) if metrics else None, f"{folder.parent.name}/{folder.name}")


def _json(file: Path):
    try:
        return files.read_json(file)
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error})") from None


def _trials(file: Path) -> list[dict]:
    """The rows of one listener."""
    listener = file.stem.removeprefix("results_")
    rows = []
    try:
        for trial in _json(file):
            order = list(trial.get("model_order", trial["scores"]))
            for system, rating in trial["scores"].items():
                rows.append(
                    {
                        "listener": listener,
                        "page": str(trial["trial_index"]),
                        "item": f"{trial['type']}/{trial['folder']}",
                    }
                    | {"system": TRUTH_NAMES.get(system, system), "rating": rating, "track": trial["folder"]}
                    | {"position": order.index(system)}
                )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if str(error).startswith(str(file)):
            raise
        what = "a list of trials with trial_index, folder, type and scores"
        raise ValueError(f"{file}: expected {what}; {type(error).__name__} {error}") from None
    return rows


def _metric_scores(file: Path) -> list[dict]:
    """The scores of one metric file; a score of null is missing."""
    metric, rows = file.stem.removeprefix("results_"), []
    try:
        for kind, songs in _json(file).items():
            for song in songs:
                name = {"metric": metric, "item": f"{kind}/{song['song']}"}
                rows += [
                    name
                    | {"system": TRUTH_NAMES.get(system, system), "score": np.nan if score is None else float(score)}
                    for system, score in song.items()
                    if system != "song"
                ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if str(error).startswith(str(file)):
            raise
        what = "{type: [{song, gt, system: score}]}"
        raise ValueError(f"{file}: expected {what}; {type(error).__name__} {error}") from None
    return rows


def _boolean(value):
    return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(str(value).lower())


def _checked(
    table: pd.DataFrame, path: Path, metrics: pd.DataFrame | None, source: str, simulated: bool = False
) -> ListeningTest:
    """The test if its ratings can be analysed, or one line about why not."""
    numbers = pd.to_numeric(table["rating"], errors="coerce")
    odd = table["rating"].notna() & numbers.isna()
    if odd.any():
        raise ValueError(f"{path}: a rating is {table.loc[odd, 'rating'].iloc[0]!r}; ratings are numbers")
    table = table.assign(rating=numbers)
    not_rated = int((numbers.isna() & ~table["attention"] & ~table["anchor"]).sum())
    table = table[numbers.notna()].reset_index(drop=True)
    if not (~table["attention"] & ~table["anchor"]).any():
        raise ValueError(f"{path}: holds no ratings")
    if len(table[["scale_min", "scale_max"]].drop_duplicates()) > 1:
        raise ValueError(f"{path}: holds ratings on several scales; analyse them one by one")
    off = (table["rating"] < table["scale_min"]) | (table["rating"] > table["scale_max"])
    if off.any():
        row = table[off].iloc[0]
        raise ValueError(
            f"{path}: listener {row.listener} rated {row.rating:g}; the scale is {row.scale_min:g} to {row.scale_max:g}"
        )
    rated = table[~table["attention"]]
    twice = rated.duplicated(["listener", "page", "item", "system"])
    if twice.any():
        row = rated[twice].iloc[0]
        raise ValueError(
            f"{path}: listener {row.listener} rated {row.system} of {row['item']} twice on page {row.page}"
        )
    return ListeningTest(table, metrics, source, simulated, not_rated)
