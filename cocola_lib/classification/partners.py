"""Partners in music by people: how often a score finds the other half of a window, and among whom.

Two disjoint sub-mixes of a window are a true pair (`WindowSampler`). Windows of other pieces are its rivals
("strangers"); windows of the same piece, which are much harder to tell from it, are counted apart, and so are pairs
with one class of stems alone on a side. Used by notebook 03 and by `workshop.recordings`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.data.stem_classes import CLASSES, class_of_mix
from cocola_lib.data.stems import Track
from cocola_lib.evaluation import bootstrap_interval, win_probability
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer

KS = (2, 8, 32)
VOICE = "voice"  # what tables call a stem of the class "vocals"
APART = ["mir-1k"]  # amateur singers over karaoke


def hits(matrix: np.ndarray, rivals: np.ndarray, k: int) -> np.ndarray:
    """Eq. 4 in closed form where not all others are rivals, the mean of both directions.

    Args:
        matrix: (n, n), row i and column i are a pair.
        rivals: (n, n) bool: whom each anchor meets.
        k: K.

    Returns:
        (n,); NaN where an anchor has fewer than K - 1 rivals.
    """
    found = []
    for s, met in ((matrix, rivals), (matrix.T, rivals.T)):
        unbeaten, n = (~(s < np.diag(s)[:, None]) & met).sum(axis=1), met.sum(axis=1)
        pairs = zip(unbeaten, n, strict=True)
        found.append([win_probability(u, m + 1, k) if m >= k - 1 else np.nan for u, m in pairs])
    return np.mean(np.array(found, dtype=float), axis=0)


def questions(specs: Sequence[PairSpec]) -> list[tuple[str, int, np.ndarray, np.ndarray]]:
    """What is asked of n pairs: (rivals, K, (n, n) who meets whom, (n,) which pairs are asked)."""
    pieces = np.array([spec.track_id for spec in specs])
    stranger, everyone = pieces[:, None] != pieces[None], np.ones(len(specs), dtype=bool)
    sides = [(class_of_mix(spec.anchor), class_of_mix(spec.positive)) for spec in specs]
    alone = {kind: np.array([kind in side for side in sides]) for kind in CLASSES}
    named = {f"{VOICE if kind == 'vocals' else kind} alone on a side": used for kind, used in alone.items()}
    named[f"no {VOICE} alone"] = ~alone["vocals"]
    asked = [("strangers", k, stranger, everyone) for k in KS]
    asked += [("same piece", 2, ~stranger & ~np.eye(len(specs), dtype=bool), everyone)]
    some = {what: used for what, used in named.items() if 0 < used.sum() < len(used)}
    return asked + [(f"strangers, {what}", k, stranger, used) for what, used in some.items() for k in KS]


def partner_rows(name: str, specs: Sequence[PairSpec], matrices: dict[str, np.ndarray]) -> list[dict]:
    """Eq. 4 of every metric on one set of pairs.

    Args:
        name: of the set.
        specs: n pairs.
        matrices: metric -> (n, n).
    """
    pieces, rows = np.array([spec.track_id for spec in specs]), []
    for rivals, k, met, used in questions(specs):
        found = {metric: hits(matrix, met, k) for metric, matrix in matrices.items()}
        known = used & np.isfinite(next(iter(found.values())))
        if known.any():
            sizes = {"n_pairs": int(known.sum()), "n_pieces": len(set(pieces[known]))}
            compared = beside({metric: values[known] for metric, values in found.items()}, pieces[known])
            rows += [{"test": name, "rivals": rivals, "k": k} | row | sizes for row in compared]
    return rows


def measure_pieces(
    tracks: Sequence[Track], metrics: dict[str, Scorer], apart: Sequence[str], n: int, seed: int
) -> pd.DataFrame:
    """How often each metric finds the partner: "pieces", and sources of their own.

    Args:
        tracks: the pieces.
        metrics: name -> scorer; the first is compared with the others.
        apart: sources that are asked by themselves.
        n: pairs of each set, at most.
        seed: of the draw.
    """
    sets = {"pieces": [track for track in tracks if track.dataset not in apart]}
    sets |= {source: [track for track in tracks if track.dataset == source] for source in apart}
    rows = []
    for name, chosen in sets.items():
        if chosen:
            sampler = WindowSampler(chosen)
            specs = sampler.batch(n, seed, 0, at_most=True)
            sides = list(zip(*map(sampler.audio, specs), strict=True))
            rows += partner_rows(name, specs, {metric: scorer.matrix(*sides) for metric, scorer in metrics.items()})
    return pd.DataFrame(rows)


def beside(values: dict[str, np.ndarray], groups: Sequence[str]) -> list[dict]:
    """Mean of every metric's values, and of the first's minus each other's, pair by pair.

    Args:
        values: metric -> (n,), all of the same pairs.
        groups: (n,) of each pair: the track, or the tune.

    Returns:
        Rows: rater ("a", "b", "a - b"), value, low, high (95 % over groups).
    """
    first, *others = values
    rows = []
    for name, found in (values | {f"{first} - {other}": values[first] - values[other] for other in others}).items():
        low, high = bootstrap_interval(found, groups)
        rows.append({"rater": name, "value": found.mean(), "low": low, "high": high})
    return rows
