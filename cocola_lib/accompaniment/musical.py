"""The columns of beats, keys and chords, for every answer of a trial: the same rows as `measure.score_answers`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cocola_lib.accompaniment.beats import Tracker, beat_f1
from cocola_lib.accompaniment.harmony import chord_agreement, heard_harmony, key_distance
from cocola_lib.accompaniment.measure import SCORES, Trial
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.stem_classes import is_pitched

BEATS = "Beat F1"  # its mode is the tracker's name
KEY, CHORDS = ("key", "distance"), ("chord", "agreement")  # rater and mode of rows, the two halves of a column's name


@dataclass(frozen=True)
class Heard:
    """What is compared of a clip: beats in s, its key, and a chord for each half second; None where it is silent."""

    beats_s: np.ndarray
    key: tuple[int, str] | None
    chords: list


def musical_scores(trial: Trial, tracker: tuple[str, Tracker]) -> pd.DataFrame:
    """Beat F1, the distance of keys in fifths, and the share of half seconds whose chords fit, for every answer.

    Args:
        trial: what is judged.
        tracker: from `beats.open_tracker`.
    Returns:
        `measure.SCORES`; NaN: the tracker failed, an answer without pitch (drums), or a side is silent.
    """
    name, track = tracker
    known: dict[object, Heard] = {}  # conditionings, references and their copies are heard once

    def heard(clip) -> Heard:
        key = str(clip) if not isinstance(clip, np.ndarray) else id(clip)
        if key not in known:
            known[key] = hear(trial.read(clip), SAMPLE_RATE, track)
        return known[key]

    rows = []
    for system, clips in trial.answers.items():
        for i, (conditioning, clip) in enumerate(zip(trial.conditionings, clips, strict=True)):
            values = compare(heard(conditioning), heard(clip), is_pitched(trial.classes[i]))
            where = (i, system, trial.tracks[i], trial.classes[i])
            names = ((BEATS, f"({name})"), KEY, CHORDS)
            rows += [(*column, *where, value, np.nan) for column, value in zip(names, values, strict=True)]
    return pd.DataFrame(rows, columns=SCORES)


def hear(x: np.ndarray, rate: int, track: Tracker) -> Heard:
    """Beats, key and chords of a clip, (N,) float32 at `rate` Hz."""
    return Heard(np.asarray(track(x, rate)), *heard_harmony(x, rate))


def compare(a: Heard, b: Heard, pitched: bool) -> tuple[float, float, float]:
    """Beat F1, key distance and chord agreement of two sides; NaN for the last two where a side has no pitch."""
    pitched = pitched and a.key is not None and b.key is not None
    keys = (float(key_distance(a.key, b.key)), chord_agreement(a.chords, b.chords)) if pitched else (np.nan, np.nan)
    return beat_f1(a.beats_s, b.beats_s), *keys


def failures(scores: pd.DataFrame) -> list[str]:
    """A sentence for every system on whose items the beat tracker failed: they are in no mean."""
    beats, said = scores[scores["rater"] == BEATS], []
    for (mode, system), rows in beats.groupby(["mode", "system"], sort=False):
        if failed := int(rows["score"].isna().sum()):
            said.append(f"{BEATS} {mode}: {system} has {failed} of {len(rows)} items without two beats on each side.")
    return said
