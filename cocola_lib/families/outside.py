"""Music from outside: how a score does on held-out families, beside the control without learning.

Other composers and grooves, another soundfont (`python -m cocola_lib.families make --held-out`): none of it was in a
training, and little of it is in the project's test sets.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.evaluation import bootstrap_interval, hit_probability
from cocola_lib.families.draw import Family

KS = (2, 8, 16, 32, 64)
START_S = 2.0  # of the window


def measure(raters, folder, seed=0):
    """Find each family's partner among the others', and tell it from itself transposed or at another tempo.

    Args:
        raters: name -> anything with `matrix(conditionings, accompaniments)`; the first is compared with the others.
        folder: of held-out families.
        seed: of the sides.
    Returns:
        DataFrame: what ("K = 2", "transposed", ...), rater, value (a share), low, high (95 % bootstrap over
        excerpts), n.
    """
    families = [Family(file) for file in sorted(Path(folder).glob("*.json"))]
    rng = np.random.default_rng(seed)
    drawn = [(family, sides) for family in families if (sides := _sides(family, rng)) is not None]
    if len(drawn) < 2:
        raise ValueError(f"{folder}: {len(drawn)} families with two sides that sound; two or more are needed")
    anchors = [_clip(family, 0, a) for family, (a, _) in drawn]
    shares = {}
    variants = [tuple(v) for v in drawn[0][0].variants]
    for name, rater in raters.items():
        own = rater.matrix(anchors, [_clip(family, 0, b) for family, (_, b) in drawn])
        shares[name] = {f"K = {k}": hit_probability(own, k) for k in KS if k <= len(drawn)}
        for i, (semitones, tempo) in enumerate(variants[1:], 1):
            what = f"beats itself {semitones:+d} semitones" if semitones else f"beats itself at tempo {tempo:g}"
            changed = rater.matrix(anchors, [_clip(family, i, b) for family, (_, b) in drawn]).diagonal()
            shares[name][what.replace("+", "").replace("-", "")] = (own.diagonal() > changed).astype(float)
    pitched = np.array([family.pitched[a].any() and family.pitched[b].any() for family, (a, b) in drawn])
    return _table(shares, pitched)


def _table(shares, pitched):
    first, rows = next(iter(shares)), []
    for what in shares[first]:
        chosen = pitched if "semitones" in what else np.ones(len(pitched), bool)
        values = {name: found[what][chosen] for name, found in shares.items()}
        values |= {f"{first} - {name}": values[first] - values[name] for name in list(shares)[1:]}
        for name, value in values.items():
            low, high = bootstrap_interval(value, [str(i) for i in range(len(value))])
            rows.append({"what": what, "rater": name, "value": value.mean(), "low": low, "high": high, "n": len(value)})
    return pd.DataFrame(rows)


def _sides(family, rng):
    """Two disjoint sets of sounding stems, or None."""
    stems = rng.permutation(family.sounding(START_S))
    if len(stems) < 2:
        return None
    n = int(rng.integers(2, len(stems) + 1))
    cut = int(rng.integers(1, n))
    return stems[:cut], stems[cut:n]


def _clip(family, variant, stems):
    start_s = START_S / family.variants[variant][1]  # the same music, whatever the tempo
    return family.clip(variant, stems, start_s, np.ones(len(stems), np.float32))
