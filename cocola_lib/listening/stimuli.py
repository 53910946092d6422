"""The sounds of a listening test: items from tracks or from a folder of systems, and the kinds of Sec. V-C.

An item is one conditioning with one answer per system. Ground Truth, Random, Shifted (in pitch) and Stretched (in time)
are made here; the outputs of generators come from a folder in the layout of `cocola_lib.accompaniment.systems`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from cocola_lib.data import audio
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.levels import is_silent
from cocola_lib.data.stems import Track

KINDS = ("Random", "Shifted", "Stretched", "Ground Truth")  # rows whose rank is known, made from the true answer
SHIFTS_SEMITONES = (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)  # drawn per item; 0 and octaves would be no fault
STRETCHES = (0.85, 0.9, 0.95)  # tempo factors; slower only, a faster one needs music from after the window
BEEP_HZ, BEEP_S, BEEP_EVERY_S, BEEPS_START_S = 880, 0.15, 0.45, 1.0  # of an attention clip
N_BEEPS = (1, 2, 3, 4)  # valid ratings on both scales, 0-4 and 1-5


@dataclass
class Item:
    """One conditioning and what the systems answer to it; clips are (N,) float32 at 16 kHz."""

    track: str
    conditioning: np.ndarray
    answers: dict[str, np.ndarray]
    detail: dict[str, str] = field(default_factory=dict)  # system -> how it was made, for the record


def beeps(clip: np.ndarray, n: int) -> np.ndarray:
    """A second of music, then n beeps: an attention clip, whose right rating is n."""
    t = np.arange(round(BEEP_S * SAMPLE_RATE)) / SAMPLE_RATE
    beep = 0.3 * np.sin(2 * np.pi * BEEP_HZ * t) * np.hanning(len(t))
    out = clip.copy()
    start = round(BEEPS_START_S * SAMPLE_RATE)
    out[start:] = 0
    for i in range(n):
        at = start + round((i + 0.5) * BEEP_EVERY_S * SAMPLE_RATE)
        out[at : at + len(beep)] = beep
    return out.astype(np.float32)


def low_anchor(stranger: np.ndarray) -> np.ndarray:
    """What nobody should find coherent: another song's part, transposed by a tritone and slowed down by 15 %."""
    from cocola_lib.accompaniment.baselines import shifted, stretched

    return stretched(shifted(stranger, 6), min(STRETCHES))


def strangers(tracks: Sequence[str], rng: np.random.Generator) -> list[int]:
    """For every item another item whose answer it gets as "Random": of another track wherever there is one.

    Args:
        tracks: track of each of two items or more.

    Returns:
        an index per item, never its own; no answer is used twice where tracks allow.
    """
    n, names = len(tracks), np.asarray(tracks)
    cost = n**2 * np.equal.outer(names, names) + rng.random((n, n)) / n  # one answer of the same track outweighs all
    np.fill_diagonal(cost, np.inf)
    uses = np.concatenate([cost + use for use in range(n)], axis=1)  # the columns: each answer, used once, twice, ...
    return (linear_sum_assignment(uses)[1] % n).tolist()


def with_kinds(truths: list[Item], rng: np.random.Generator) -> list[Item]:
    """Add Random, Shifted and Stretched to items that hold their true answer as "Ground Truth".

    Raises:
        ValueError: one item only, so that there is no stranger.
    """
    from cocola_lib.accompaniment.baselines import shifted, stretched

    if len(truths) < 2:
        raise ValueError(f"{len(truths)} item; Random needs the answer of another one, so two items or more")
    for item, stranger in zip(truths, strangers([i.track for i in truths], rng), strict=True):
        truth = item.answers["Ground Truth"]
        semitones, tempo = int(rng.choice(SHIFTS_SEMITONES)), float(rng.choice(STRETCHES))
        item.answers |= {
            "Random": truths[stranger].answers["Ground Truth"],
            "Shifted": shifted(truth, semitones),
            "Stretched": stretched(truth, tempo),
        }
        item.detail |= {
            "Random": f"from {truths[stranger].track}",
            "Shifted": f"{semitones:+d} semitones",
            "Stretched": f"tempo x {tempo:g}",
        }
    return truths


def items_from_tracks(tracks: Sequence[Track], n: int, seed: int, seconds: float) -> list[Item]:
    """Draw n items as notebook 04 draws its conditionings: a window, two disjoint sub-mixes of its stems.

    Returns:
        at most n items, fewer where the tracks hold fewer windows; answers: Ground Truth only.
    """
    from cocola_lib.sampling import WindowSampler

    sampler = WindowSampler(tracks, window_s=seconds, max_overlap=0.0)
    items = []
    for spec in sampler.batch(n, seed, step=6, at_most=True):
        conditioning, truth = sampler.audio(spec)
        where = f"{spec.start_s:g} s; given {'+'.join(spec.anchor)}; added {'+'.join(spec.positive)}"
        items.append(Item(spec.track_id, conditioning, {"Ground Truth": truth}, {"Ground Truth": where}))
    return items


def items_from_folder(frame: pd.DataFrame, n: int, seed: int, seconds: float) -> list[Item]:
    """Items from the outputs of systems: the ids that have a reference, and an output of every system.

    Args:
        frame: from `systems.read_folder`: id, conditioning, output, reference, system; absolute paths.
        n: at most so many items, drawn by the seed.
        seconds: clips are cut to their first seconds.

    Returns:
        items with "Ground Truth" (the reference) and an answer per system.

    Raises:
        ValueError: no id is complete.
    """
    systems = list(dict.fromkeys(frame["system"]))
    if clash := [name for name in systems if name in KINDS or re.fullmatch(r"\(.*\)", name)]:  # "(attention)", ...
        raise ValueError(f"system {clash[0]!r}: the listening test makes a row of this name itself; rename the system")
    groups = {i: rows.drop_duplicates("system").set_index("system") for i, rows in frame.groupby("id")}
    complete = [i for i, rows in groups.items() if len(rows) == len(systems) and _reference(rows)]
    if not complete:
        raise ValueError(
            f"no id has a reference and an output of every system ({', '.join(systems)}); the test needs the reference "
            "for Ground Truth, the hidden anchors and the training page"
        )
    items = []
    for k in np.random.default_rng([seed, 6]).permutation(len(complete))[:n]:
        rows = groups[complete[k]]
        answers = {"Ground Truth": _reference(rows)} | {s: rows.loc[s, "output"] for s in systems}
        clips = {name: _start(path, seconds) for name, path in answers.items()}
        detail = {name: Path(path).name for name, path in answers.items()}
        items.append(Item(str(complete[k]), _start(rows["conditioning"].iloc[0], seconds), clips, detail))
    return items


def _reference(rows: pd.DataFrame) -> str:
    """The first reference that is given, else ""."""
    return next((str(path) for path in rows["reference"] if not pd.isna(path) and str(path)), "")


def _start(path: str | Path, seconds: float) -> np.ndarray:
    """The first seconds of a file; what is shorter is padded with silence, what is silent is refused."""
    clip = audio.read(path, duration_s=seconds)
    if is_silent(clip, SAMPLE_RATE):
        raise ValueError(f"{path}: silent in its first {seconds:g} s; leave this id out of the manifest")
    return clip
