"""Systems whose rank is known: Random, Shifted, Stretched, and our Accompanist. Rows of Table III, in notebook 04."""

from collections.abc import Sequence

import librosa
import numpy as np

from cocola_lib.accompaniment.accompanist import accompany
from cocola_lib.data.audio import SAMPLE_RATE

BASELINES = ("Random", "Shifted", "Stretched", "Accompanist", "Ground Truth")  # from worst to best, where known
SHIFT_SEMITONES = 3.0
STRETCH = 0.9  # speed: a tenth slower than the rest of the band


def strangers(groups: Sequence[str], labels: Sequence[str] | None = None) -> list[int]:
    """For every question another one whose answer it gets as Random: the next of another track.

    Args:
        groups: n tracks; another track wherever there are two.
        labels: n data sets; the stranger is taken from the same one where possible, as in the paper.
    Returns:
        n indices, none its own (unless n is 1).
    """
    n = len(groups)
    labels = labels or [""] * n
    chosen = []
    for i in range(n):
        others = [(i + step) % n for step in range(1, n)]
        best = [j for j in others if groups[j] != groups[i] and labels[j] == labels[i]]
        chosen.append(next(iter(best or [j for j in others if groups[j] != groups[i]] or others), i))
    return chosen


def shifted(clip: np.ndarray, semitones: float = SHIFT_SEMITONES, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A clip transposed by a phase vocoder, as in the paper: right in rhythm, wrong in harmony. (N,)"""
    return librosa.effects.pitch_shift(np.asarray(clip), sr=rate, n_steps=semitones).astype(np.float32)


def stretched(clip: np.ndarray, speed: float = STRETCH) -> np.ndarray:
    """A clip played slower (speed below 1) by a phase vocoder and cut to its length: it drifts out of time. (N,)

    Raises:
        ValueError: a speed of 1 or more, which would leave silence at the end.
    """
    if not 0 < speed < 1:
        raise ValueError(f"speed is {speed:g}; stretching takes a speed between 0 and 1")
    return librosa.effects.time_stretch(np.asarray(clip), rate=speed)[: len(clip)].astype(np.float32)


def answer(
    system: str,
    conditionings: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    classes: Sequence[str],
    groups: Sequence[str],
    labels: Sequence[str] | None = None,
) -> list[np.ndarray]:
    """The answers of one of `BASELINES` to n questions.

    Args:
        system: its name.
        conditionings, references: n clips each, (N,) float32 at 16 kHz; the Accompanist never sees the references.
        classes: n stem classes asked for.
        groups, labels: as `strangers`.
    Raises:
        ValueError: an unknown system.
    """
    if system == "Ground Truth":
        return list(references)
    if system == "Random":
        return [references[j] for j in strangers(groups, labels)]
    if system == "Accompanist":
        pairs = zip(conditionings, classes, strict=True)
        return [accompany(clip, asked, seed=i) for i, (clip, asked) in enumerate(pairs)]
    if system in ("Shifted", "Stretched"):
        return [(shifted if system == "Shifted" else stretched)(clip) for clip in references]
    raise ValueError(f"system is {system!r}; there are {', '.join(BASELINES)}")
