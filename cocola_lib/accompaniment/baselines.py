"""Systems whose rank is known: Random, Shifted, Stretched, and our Accompanist; and Copy. Rows of Table III.

Copy answers with its conditioning. Nobody wants that from an accompanist, and every score of agreement is at its
highest: the row shows what a system gets that repeats what it hears. Notebook 04 shows all of them.
"""

from collections.abc import Sequence
from dataclasses import replace

import librosa
import numpy as np

from cocola_lib.accompaniment.accompanist import accompany
from cocola_lib.accompaniment.measure import Trial
from cocola_lib.data.audio import SAMPLE_RATE

BASELINES = ("Random", "Copy", "Shifted", "Stretched", "Accompanist", "Ground Truth")  # worst to best, but for Copy
SHIFT_SEMITONES = 3.0
STRETCH = 0.9  # speed: a tenth slower than the rest of the band


def strangers(
    groups: Sequence[str],
    labels: Sequence[str] | None = None,
    kind: str = "track",
    classes: Sequence[str] = (),
    seed: int = 0,
) -> list[int]:
    """For every question another one whose answer it gets as Random.

    Args:
        groups: n tracks.
        labels: n data sets; with "track", the stranger is taken from the same one where possible, as in the paper.
        kind: "track": the next one of another track wherever there are two; "class": one of the same class, each
            once, in an order drawn with the seed, so that one may meet itself; "chunk": another one, drawn.
        classes: n, of the stems that are asked for; for "class".
        seed: of the draws.
    Returns:
        n indices, none its own with "track" and "chunk" (unless n is 1).
    """
    n, rng = len(groups), np.random.default_rng(seed)
    if kind == "class":
        chosen = np.arange(n)
        for asked in dict.fromkeys(classes):
            members = [i for i in range(n) if classes[i] == asked]
            chosen[members] = rng.permutation(members)
        return chosen.tolist()
    if kind == "chunk":
        return ((np.arange(n) + rng.integers(1, max(n, 2), size=n)) % n).tolist()
    labels, nearest = labels or [""] * n, []
    for i in range(n):
        others = [(i + step) % n for step in range(1, n)]
        best = [j for j in others if groups[j] != groups[i] and labels[j] == labels[i]]
        nearest.append(next(iter(best or [j for j in others if groups[j] != groups[i]] or others), i))
    return nearest


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
    system: str, trial: Trial, labels: Sequence[str] | None = None, random: str = "track", seed: int = 0
) -> list:
    """The answers of one of `BASELINES` to the questions of a trial.

    Args:
        system: its name.
        trial: with references, except for the Accompanist, which never sees them.
        labels, random, seed: as `strangers`, for Random.
    Returns:
        n clips, as a `Trial` holds them.
    Raises:
        ValueError: an unknown system.
    """
    if system == "Ground Truth":
        return list(trial.references)
    if system == "Accompanist":
        questions = zip(map(trial.read, trial.conditionings), trial.classes, strict=True)
        return [accompany(clip, asked, seed=i) for i, (clip, asked) in enumerate(questions)]
    if system == "Copy":
        return list(trial.conditionings)
    if system == "Random":
        chosen = strangers(trial.tracks, labels, random, trial.classes, seed)
        return [trial.references[i] for i in chosen]
    if system in ("Shifted", "Stretched"):
        return [(shifted if system == "Shifted" else stretched)(trial.read(clip)) for clip in trial.references]
    raise ValueError(f"system is {system!r}; there are {', '.join(BASELINES)}")


def with_baselines(trial: Trial, baselines: Sequence[str] = BASELINES, random: str = "track", seed: int = 0) -> Trial:
    """The trial with the rows that are made here before those of the folders; Ground Truth is the last.

    Args:
        trial: may have no answers yet; where a reference is missing, only Copy and the Accompanist can play.
        baselines: some of `BASELINES`; one whose name has a row already is not made, and the trial's notes say so.
        random, seed: as `strangers`, for Random.
    """
    if any(clip is None for clip in trial.references):
        baselines = [name for name in baselines if name in ("Copy", "Accompanist")]
    taken = [name for name in baselines if name in trial.answers]
    notes = [f"{', '.join(taken)}: the folders bring these rows, so none is made here."] if taken else []
    made = {
        name: answer(name, trial, None, random, seed)
        for name in BASELINES
        if name in baselines and name not in trial.answers
    }
    answers = made | trial.answers
    answers |= {"Ground Truth": answers.pop("Ground Truth")} if "Ground Truth" in answers else {}
    return replace(trial, answers=answers, notes=(*trial.notes, *notes))
