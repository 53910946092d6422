"""Published generators: outputs of public demo pages, and what they say about the metrics that judge them.

A demo page shows examples that its authors chose, so a system's mean says little about the system. It says something
about a metric: does it tell a context's own output from those that the same system gave to other contexts, and does it
order systems that were built as a ladder? Notebook 04 shows both, `workshop.published` measures them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from cocola_lib.accompaniment import items, musical
from cocola_lib.accompaniment.beats import Tracker
from cocola_lib.accompaniment.measure import Trial, trial_from_folders
from cocola_lib.accompaniment.systems import read_folder
from cocola_lib.accompaniment.table3 import is_extra
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.stem_classes import is_pitched
from cocola_lib.evaluation import bootstrap_interval
from cocola_lib.scoring import Scorer

STORED = Path(__file__).with_name("published.csv")  # own against foreign, as `workshop.published` measured it
STORED_LADDER = Path(__file__).with_name("published_ladder.csv")
CHOSEN = "chosen by their authors"
RUNGS = {  # stream-music-gen's systems as they were built, by how much each one may know; both offline ones know all
    "streamgen-random-pairing": 0,
    "streamgen-online-tf-minus1s": 1,
    "streamgen-online-tf0": 2,
    "streamgen-online-tf-plus1s": 3,
    "streamgen-offline-prefixdec": 4,
    "streamgen-offline-stemgen": 4,
    "streamgen-groundtruth-codec": 5,
}


def own_against_foreign(
    folder: Path, metrics: dict[str, Scorer], tracker: tuple[str, Tracker], seed: int = 0
) -> pd.DataFrame:
    """For every system and metric: its mean, and how often a context prefers its own output to a foreign one.

    Args:
        folder: SYSTEM/EXAMPLE folders. metrics: name -> scorer. tracker: from `beats.open_tracker`.
        seed: of the intervals.
    Returns:
        system, metric, value (mean over own pairs), won (share of foreign outputs of the same system that the own one
        beats; half is chance, a tie counts half), low, high (95 % of `won`, over contexts), n, contexts, near-silent
        and repeats its conditioning (answers that are left out), conditions (`CHOSEN`).
    """
    frame, rows = read_folder(folder).assign(reference=""), []
    for system, found in frame.groupby("system", sort=False):
        trial = trial_from_folders(found)
        checks = items.check_items(trial)
        kept = checks.loc[checks["flag"] == "", "item"].tolist()
        left_out = items.count(checks)[list(items.FLAGS.values())].iloc[0].to_dict()
        tracks = np.array(trial.tracks)[kept]
        for metric, (matrix, sign) in _matrices(trial, kept, metrics, tracker).items():
            own, known = np.diag(matrix), np.isfinite(np.diag(matrix))
            won = _won(sign * matrix, tracks)
            known &= np.isfinite(won)
            low, high = bootstrap_interval(won[known], tracks[known], seed) if known.any() else (np.nan, np.nan)
            row = {"system": system, "metric": metric, "value": pd.Series(own).mean()}
            row |= {"won": pd.Series(won[known]).mean(), "low": low, "high": high, "n": int(known.sum())}
            rows.append(row | {"contexts": len(set(tracks[known]))} | left_out | {"conditions": CHOSEN})
    return pd.DataFrame(rows)


def ladder(table: pd.DataFrame) -> pd.DataFrame:
    """How far each column orders stream-music-gen's systems as they were built.

    Args:
        table: rows of `evaluate`, with the systems of `RUNGS`.
    Returns:
        metric, tau (Kendall's tau-b of the column and the rungs; as two of these are equal, 0.98 is the order that was
        built), n (systems with a value), best first; NaN where a column is the same for all.
    """
    rows = table[table["system"].isin(RUNGS) & ~table["metric"].map(is_extra)].dropna(subset=["value"])
    found = []
    for metric, part in rows.groupby("metric", sort=False):
        sign = np.where(part["better"] == "lower", -1.0, 1.0)
        tau = kendalltau(sign * part["value"], part["system"].map(RUNGS)).statistic
        found.append((metric, tau, len(part)))
    return pd.DataFrame(found, columns=["metric", "tau", "n"]).sort_values("tau", ascending=False, ignore_index=True)


def _matrices(trial: Trial, kept: list[int], metrics: dict[str, Scorer], tracker) -> dict[str, tuple[np.ndarray, int]]:
    """Column -> ((n, n) contexts by outputs of one system, 1 where more is better, else -1)."""
    (outputs,) = trial.answers.values()
    sides = [[trial.read(clips[i]) for i in kept] for clips in (trial.conditionings, outputs)]
    found = {f"{name} P+H": (scorer.matrix(*sides).astype(float), 1) for name, scorer in metrics.items()}
    heard = [[musical.hear(x, SAMPLE_RATE, tracker[1]) for x in side] for side in sides]
    classes = [trial.classes[i] for i in kept]
    values = np.array(
        [[musical.compare(a, b, is_pitched(stem)) for b, stem in zip(heard[1], classes, strict=True)] for a in heard[0]]
    ).reshape(len(kept), len(kept), 3)
    names = (f"{musical.BEATS} ({tracker[0]})", " ".join(musical.KEY), " ".join(musical.CHORDS))
    signs = (1, -1, 1)
    return found | {name: (values[..., k], signs[k]) for k, name in enumerate(names)}


def _won(matrix: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """(n,) the share of foreign outputs that each context's own one beats; NaN where there is none to compare."""
    own = np.diag(matrix)[:, None]
    foreign = (tracks[:, None] != tracks[None]) & np.isfinite(matrix) & np.isfinite(own)
    beaten = np.where(foreign, (matrix < own) + 0.5 * (matrix == own), 0.0).sum(axis=1)
    n = foreign.sum(axis=1)
    return np.divide(beaten, n, out=np.full(len(n), np.nan), where=n > 0)
