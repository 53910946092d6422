"""Metrics beside ratings: where their scores come from, and which way is better."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.data import audio
from cocola_lib.features import MODE_LABELS
from cocola_lib.files import read_csv
from cocola_lib.listening.ratings import NO_NUMBER, ListeningTest
from cocola_lib.scoring import Scorer

# Metrics whose direction their own study tells; all are stored such that higher means more coherent or better.
HIGHER_IS_BETTER = {
    "cocola": "similarity",
    "phalar": "similarity",
    "clap": "similarity of embeddings",
    "cdpam": "stored as minus the distance",
    "visqol": "quality from 1 to 5, against the conditioning as reference",
    "audiobox_ce": "content enjoyment, 1 to 10",
    "audiobox_cu": "content usefulness, 1 to 10",
    "audiobox_pc": "production complexity, 1 to 10",
    "audiobox_pq": "production quality, 1 to 10",
}
OURS = ("COCOLA", "control", "bundled")  # first words of the metrics of notebook 04: similarities
COLUMNS = ("metric", "item", "system", "score")


def from_csv(path: str | Path) -> pd.DataFrame:
    """Scores of any metric: a CSV with the columns metric, item, system, score, named as in the ratings.

    Raises:
        FileNotFoundError, ValueError: no such file, or columns missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `metrics` names a CSV with {', '.join(COLUMNS)}")
    names = ("item", "system", "metric")  # text: a system may be called NA
    table = read_csv(path, dtype=dict.fromkeys(names, str), na_values={"score": NO_NUMBER})
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; metrics need {', '.join(COLUMNS)}")
    return table[list(COLUMNS)]


def from_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of notebook 04 (`tables/04_scores.csv`): one metric per `rater` and `mode`, such as "COCOLA P+H"."""
    named = scores.assign(metric=scores["rater"] + " " + scores["mode"], item=scores["item"].astype(str))
    return named[list(COLUMNS)].reset_index(drop=True)


def from_audio(ratings: pd.DataFrame, scorers: dict[str, Scorer]) -> pd.DataFrame:
    """Score the audio files that the ratings name, every output against its conditioning.

    Args:
        ratings: tidy, with paths in `conditioning` and `output`.
        scorers: name of the metric -> a `Scorer`, or whatever has its `matrices(conditionings, outputs)`.

    Returns:
        metric ("<name> P+H", ...), item, system, score; NaN where a side is silent.

    Raises:
        ValueError: some stimuli have audio, others none. FileNotFoundError: a file is not there.
    """
    stimuli = ratings[["item", "system", "conditioning", "output"]].drop_duplicates(["item", "system"])
    bare = stimuli[(stimuli["conditioning"] == "") | (stimuli["output"] == "")]
    if len(bare):
        row = bare.iloc[0]
        raise ValueError(f"ratings: {row.system} of item {row['item']} names no audio, others do; all or none must")
    sides = {}
    for side in ("conditioning", "output"):
        paths = list(dict.fromkeys(stimuli[side]))
        lost = next((path for path in paths if not Path(path).is_file()), None)
        if lost:
            raise FileNotFoundError(f"{lost}: named by the ratings, not there; keep their CSV in its study's folder")
        clips = [audio.read(path) for path in paths]
        sides[side] = clips, stimuli[side].map({path: i for i, path in enumerate(paths)}).to_numpy()
    (conditionings, row), (outputs, column) = sides.values()
    tables = []
    for name, scorer in scorers.items():
        for mode, matrix in scorer.matrices(conditionings, outputs).items():
            score = np.asarray(matrix)[row, column]
            tables.append(stimuli[["item", "system"]].assign(metric=f"{name} {MODE_LABELS[mode]}", score=score))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def find(
    test: ListeningTest, path: str | None, read_scores: Callable[[], pd.DataFrame], checkpoint: str | Path | None = None
) -> pd.DataFrame:
    """The scores that belong to ratings: those of `path`, those that came along, of their audio, or of notebook 04.

    Args:
        path: a CSV, see `from_csv`, or None.
        read_scores: gives the scores of notebook 04.
        checkpoint: of the model that scores audio; None: the bundled one. The control without learning scores it, too.

    Raises:
        ValueError: notebook 04 scored other items than these listeners heard; says what to do.
    """
    rated = test.rated
    if path:
        return from_csv(path)
    if test.metrics is not None:
        return test.metrics
    if (rated["output"] != "").any():
        return from_audio(rated, {"COCOLA": Scorer(checkpoint), "control": Scorer("control")})
    scores = read_scores()
    keys = ["item", "system", "track"]
    known = set(scores[keys].astype(str).itertuples(index=False, name=None))
    strange = [s for s in rated[keys].astype(str).itertuples(index=False, name=None) if s not in known]
    if strange:
        item, system, track = strange[0]
        raise ValueError(
            f"{test.source}: notebook 04 of this run did not score {system} of item {item}, {track}; "
            f"set `metrics` to a CSV with {', '.join(COLUMNS)}, or keep the audio beside the ratings"
        )
    return from_scores(scores)


def oriented(metrics: pd.DataFrame, lower_is_better: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics with all of them turned so that higher is better, and a table of who says so.

    Args:
        metrics: metric, item, system, score.
        lower_is_better: names of metrics whose lower values are better, separated by commas; their sign is turned.

    Returns:
        The metrics; and metric, direction, says: declared by a study or by you, or assumed where nobody declared it.

    Raises:
        ValueError: a name that is no metric here.
    """
    names = list(dict.fromkeys(metrics["metric"]))
    lower = [name.strip() for name in lower_is_better.split(",") if name.strip()]
    unknown = [name for name in lower if name not in names]
    if unknown:
        raise ValueError(f"lower_is_better: {unknown[0]!r} is no metric of these ratings; they are {', '.join(names)}")
    rows = []
    for name in names:
        if name in lower:
            rows.append((name, "lower is better; sign turned", "declared by you"))
        elif name in HIGHER_IS_BETTER:
            rows.append((name, "higher is better", f"declared by its study: {HIGHER_IS_BETTER[name]}"))
        elif name.split(" ")[0] in OURS:
            rows.append((name, "higher is better", "declared by this repository: a similarity"))
        else:
            rows.append((name, "higher is better", "ASSUMED; set lower_is_better if it is a distance"))
    sign = np.where(metrics["metric"].isin(lower), -1.0, 1.0)
    return metrics.assign(score=sign * metrics["score"]), pd.DataFrame(rows, columns=["metric", "direction", "says"])
