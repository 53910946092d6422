"""Music from outside: how a score does on held-out families, beside the control without learning.

Other composers and grooves, another soundfont (`python -m cocola_lib.workshop.families make --held-out`):
none of it was in a training, and little of it is in the project's test sets.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.classification.partners import beside
from cocola_lib.evaluation import hit_probability
from cocola_lib.hearing.probes import Probe
from cocola_lib.hearing.responses import EIGHTH, ROOM_MS
from cocola_lib.sampling import PairSpec
from cocola_lib.workshop.families.draw import Family

KS = (2, 8, 16, 32, 64)
START_S = 2.0  # of the window


def measure(metrics, folder, seed=0):
    """Find each family's partner among the others'.

    Args:
        metrics: name -> anything with `matrix(conditionings, accompaniments)`; the first is compared with the others.
        folder: of held-out families.
        seed: of the sides.
    Returns:
        DataFrame: k, rater ("a", "b", "a - b"), value (Eq. 4), low, high (95 % bootstrap over excerpts), n.
    """
    drawn, rows = _draw(folder, seed), []
    sides = [[_clip(family, 0, pair[i]) for family, pair in drawn] for i in (0, 1)]
    own = {name: metric.matrix(*sides) for name, metric in metrics.items()}
    for k in (k for k in KS if k <= len(drawn)):
        values = {name: hit_probability(matrix, k) for name, matrix in own.items()}
        found = beside(values, [family.name for family, _ in drawn])
        rows += [{"k": k} | row | {"n": len(drawn)} for row in found]
    return pd.DataFrame(rows)


def probes(folder, seed=0):
    """The same pairs with one thing wrong, as `responses.respond` wants them.

    Args:
        folder: of held-out families, with all variants.
        seed: of the sides.
    Returns:
        "pitched" (two sides with notes: transposed, up in one half of the families and down in the other), "any"
        (other tempo, late by 20 ms, by an eighth) -> list of `Probe`.
    """
    found = {"pitched": [], "any": []}
    for family, (a, b) in _draw(folder, seed):
        spec = PairSpec(family.name, START_S, *(tuple(f"stem {i}" for i in side) for side in (a, b)))
        anchor, truth = _clip(family, 0, a), _clip(family, 0, b)
        played = [(*variant, _clip(family, i, b)) for i, variant in enumerate(family.variants)]
        late = {("delay", ROOM_MS): ROOM_MS / 1000, ("delay in beats", EIGHTH): EIGHTH * 60 / family.tempo_bpm}
        time = {("stretch", tempo): clip for _, tempo, clip in played if tempo != 1}
        time |= {key: _clip(family, 0, b, late_s) for key, late_s in late.items()}
        found["any"].append(Probe(spec, anchor, truth, time))
        if family.pitched[a].any() and family.pitched[b].any():
            pitch = {("pitch", abs(semitones)): clip for semitones, _, clip in played if semitones}
            found["pitched"].append(Probe(spec, anchor, truth, pitch))
    return found


def _draw(folder, seed):
    """[(family, two sets of stems)] of the families with two sides that sound."""
    rng = np.random.default_rng(seed)
    families = [Family(file) for file in sorted(Path(folder).glob("*.json"))]
    drawn = [(family, sides) for family in families if (sides := _sides(family, rng)) is not None]
    if len(drawn) < 2:
        raise ValueError(f"{folder}: {len(drawn)} families with two sides that sound; two or more are needed")
    return drawn


def _sides(family, rng):
    """Two disjoint sets of sounding stems, or None."""
    stems = rng.permutation(family.sounding(START_S))
    if len(stems) < 2:
        return None
    n = int(rng.integers(2, len(stems) + 1))
    cut = int(rng.integers(1, n))
    return stems[:cut], stems[cut:n]


def _clip(family, variant, stems, late_s=0.0):
    start_s = START_S / family.variants[variant][1] - late_s  # the same music, whatever the tempo
    return family.clip(variant, stems, start_s, np.ones(len(stems), np.float32))
