"""Which chorales are settings of the same tune: the split of mini-cocochorales.

Bach set many tunes several times, and the corpus holds some settings under several numbers. If one setting is
in the test set, a model must not have been trained on another. `chorales.json` holds what `split_table` finds.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from cocola_lib.data.miniatures.chorales import Chorale, read_chorale

N_STEPS = 11  # steps of a melody in a row that make two chorales settings of one tune


def tune(chorale: Chorale) -> list[int]:
    """Reduce the melody to its steps from beat to beat: the same in any key, metre or ornament."""
    soprano, beats = chorale.voices[0], []
    for beat in range(int(soprano[-1][0] + soprano[-1][1])):
        sounding = [pitch for start, length, pitch in soprano if start <= beat < start + length]
        if sounding and beats[-1:] != sounding[:1]:
            beats.append(sounding[0])
    return np.diff(beats).tolist()


def group_by_tune(melodies: dict[str, list[int]], n_steps: int = N_STEPS) -> list[list[str]]:
    """Group chorales into settings of one tune: those that share any `n_steps` melodic steps in a row.

    Args:
        melodies: chorale -> its melody's steps in semitones, from `tune`.
        n_steps: in a row, from beat to beat.
    """
    group = {name: name for name in melodies}
    first_with: dict[tuple, str] = {}
    for name, steps in melodies.items():
        for i in range(max(1, len(steps) - n_steps + 1)):
            other = group[first_with.setdefault(tuple(steps[i : i + n_steps]), name)]
            mine = group[name]
            group = {k: other if g == mine else g for k, g in group.items()}
    families = defaultdict(list)
    for name, head in group.items():
        families[head].append(name)
    return list(families.values())


def split_table(n_steps: int = N_STEPS) -> dict[str, list[str]]:
    """Make what `chorales.json` holds (about a minute): 80/10/10 % of the corpus, by tune.

    Of chorales that are equal note for note, in any key, one is kept.
    """
    from music21 import corpus

    melodies, contents = {}, set()
    for path in sorted(p for p in corpus.getComposer("bach") if p.suffix == ".mxl" and p.name[:3] == "bwv"):
        try:
            chorale = read_chorale(path.stem)
        except ValueError:
            continue
        t0, p0 = chorale.voices[0][0][0], chorale.voices[0][0][2]
        content = tuple(tuple((t - t0, d, p - p0) for t, d, p in voice) for voice in chorale.voices)
        if content not in contents:
            contents.add(content)
            melodies[chorale.name] = tune(chorale)
    families = group_by_tune(melodies, n_steps)
    table = {"train": [], "valid": [], "test": []}
    for family in sorted(families, key=lambda f: hashlib.sha256(f[0].encode()).digest()):
        open_splits = [s for s in ("test", "valid") if len(table[s]) + len(family) <= 0.1 * len(melodies)]
        table[open_splits[0] if open_splits else "train"] += family
    return {split: sorted(names) for split, names in table.items()}
