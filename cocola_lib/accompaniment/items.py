"""What is wrong with single answers: silence, level, and a conditioning that leaks into them. Counted per system.

A mean does not show that half of a system's answers are nearly silent, or that some repeat what the system heard. So
every answer is checked, and the means that a flagged answer enters say so and give the mean without it.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from cocola_lib.accompaniment.measure import Trial
from cocola_lib.accompaniment.table3 import metric_name
from cocola_lib.data.audio import SAMPLE_RATE, SILENCE_DBFS, rms_dbfs
from cocola_lib.data.levels import BLOCK_S

NEAR_SILENT_DBFS = -50.0  # dBFS RMS of a whole answer; below it there is nothing to hear
LEAK = 0.25  # |correlation at lag 0|; true stems of published sets reach 0.10, leaking answers 0.3 and more
FLAGS = {"near-silent": "near-silent", "leak": "repeats its conditioning"}


def check_items(trial: Trial) -> pd.DataFrame:
    """Every answer's level, silence and leak.

    Args:
        trial: its clips are heard as they came, at no common level.
    Returns:
        item, system, track, level_db (RMS relative to the conditioning), silence (share of blocks of 0.1 s below
        -60 dBFS), leak (correlation with the conditioning at lag 0, -1 to 1), flag ("", or a key of `FLAGS`).
    """
    trial = replace(trial, level_lufs=None)
    conditionings = [trial.read(clip) for clip in trial.conditionings]
    rows = []
    for system, clips in trial.answers.items():
        for i, (heard, clip) in enumerate(zip(conditionings, clips, strict=True)):
            x = trial.read(clip)
            level, leak = rms_dbfs(x), correlation(heard, x)
            relative = level - rms_dbfs(heard) if np.isfinite(level) else -np.inf
            flag = "near-silent" if level < NEAR_SILENT_DBFS else "leak" if abs(leak) >= LEAK else ""
            rows.append((i, system, trial.tracks[i], relative, silence(x), leak, flag))
    return pd.DataFrame(rows, columns=["item", "system", "track", "level_db", "silence", "leak", "flag"])


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r of two waveforms at lag 0; 0 where one is constant."""
    a, b = (np.asarray(x, dtype=np.float64) - np.mean(x) for x in (a, b))
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm > 1e-12 else 0.0


def silence(x: np.ndarray, rate: int = SAMPLE_RATE) -> float:
    """Share of blocks of 0.1 s below -60 dBFS RMS, 0 to 1."""
    n = max(1, round(len(x) / rate / BLOCK_S))
    return float(np.mean([rms_dbfs(block) < SILENCE_DBFS for block in np.array_split(x, n)]))


def count(checks: pd.DataFrame) -> pd.DataFrame:
    """A row per system: n, how many answers carry each flag, and the medians of level, silence and |leak|."""
    rows = []
    for system, found in checks.groupby("system", sort=False):
        counted = {title: int((found["flag"] == flag).sum()) for flag, title in FLAGS.items()}
        medians = {"level, dB": found["level_db"].median(), "silence": found["silence"].median()}
        rows.append({"system": system, "n": len(found)} | counted | medians | {"leak": found["leak"].abs().median()})
    return pd.DataFrame(rows)


def note_flagged(table: pd.DataFrame, scores: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """The table, with a note beside every mean that flagged answers have entered: how many, and the mean without them.

    Args:
        table: from `table3.summarise`. scores: what it was made of. checks: from `check_items`.
    """
    flagged = scores.merge(checks[["item", "system", "flag"]], on=["item", "system"])
    flagged = flagged[flagged["score"].notna()]
    notes = {}
    for (rater, mode, system), rows in flagged.groupby(["rater", "mode", "system"], sort=False):
        bad = rows["flag"] != ""
        if bad.any():
            left = f"{rows.loc[~bad, 'score'].mean():.4g} without them" if (~bad).any() else "none is left without them"
            notes[system, metric_name(rater, mode)] = f"{bad.sum()} of {len(rows)} are flagged; {left}"
    keys = zip(table["system"], table["metric"], strict=True)
    found = pd.Series([notes.get(key, "") for key in keys], index=table.index)
    return table.assign(note=table["note"].where(table["note"] != "", found))


def remarks(checks: pd.DataFrame) -> list[str]:
    """A sentence for each system with flagged answers, Copy aside, which is made to repeat."""
    said = []
    for row in count(checks[checks["system"] != "Copy"]).to_dict("records"):
        if row["near-silent"]:
            said.append(
                f"{row['system']}: {row['near-silent']} of {row['n']} answers are near-silent (below "
                f"{NEAR_SILENT_DBFS:g} dBFS); FAD and APA of mixes hear the conditioning alone there."
            )
        if repeats := row[FLAGS["leak"]]:
            said.append(
                f"{row['system']} repeats its conditioning in {repeats} of {row['n']} answers (correlation at lag 0 of "
                f"{LEAK:g} or more); see the row Copy for what that is worth."
            )
    return said
