"""Coherence or just sameness? Single stems against partners that are alike, the same, or nothing at all.

A score that hears music puts the true partner above the same instrument playing another song, and above noise.
That the same part twice scores high is no error: nothing is more coherent with a part than the part itself.
Notebook 05 shows the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stem_classes import stem_class
from cocola_lib.data.tracks import Track
from cocola_lib.evaluation import bootstrap_interval, grouped_means
from cocola_lib.sampling import WindowSampler

NOISE_RMS = 0.05  # full scale = 1: -26 dBFS, as loud as a stem
RELATIONS = (  # from what should score highest to what should not score at all
    "the same part twice",
    "true partner",
    "true partner, same instrument",
    "same song, another section",
    "same instrument, another song",
    "another instrument, another song",
    "noise",
    "silence",
)


@dataclass(frozen=True)
class StemClip:
    """One stem of one window: (N,) float32 at 16 kHz."""

    track_id: str
    start_s: float
    kind: str  # from `stem_classes.stem_class`
    clip: np.ndarray


def draw_stems(
    tracks: Sequence[Track], n_songs: int, seed: int = 0, n_stems: int = 3
) -> tuple[list[StemClip], list[StemClip]]:
    """Read some stems of one window per song, and the same stems from another section.

    Returns:
        (here, elsewhere); elsewhere lacks the songs that are too short for two windows.

    Raises:
        ValueError: no track has a window in which two stems sound.
    """
    sampler, rng = WindowSampler(tracks), np.random.default_rng(seed)
    here, elsewhere = [], []
    for track in _in_turn(tracks, rng):
        starts, active = sampler.windows(track)
        if len({clip.track_id for clip in here}) == n_songs or len(starts) == 0:
            continue
        column = int(rng.integers(len(starts)))
        names = np.array(track.stem_names)[active[:, column]]
        chosen = rng.permutation(len(names))[:n_stems]
        far = np.flatnonzero(np.abs(starts - starts[column]) * BLOCK_S >= WINDOW_S)
        other = int(rng.choice(far)) if len(far) else None
        for name in names[chosen]:
            here.append(_read(track, str(name), starts[column]))
            if other is not None and active[track.stem_names.index(name), other]:
                elsewhere.append(_read(track, str(name), starts[other]))
    if not here:
        raise ValueError(f"{len(tracks)} tracks: no window in which two stems sound")
    return here, elsewhere


def _in_turn(tracks: Sequence[Track], rng: np.random.Generator) -> list[Track]:
    """Tracks in random order, data sets taking turns."""
    shuffled = [tracks[i] for i in rng.permutation(len(tracks))]
    turns = pd.Series([t.dataset for t in shuffled]).groupby([t.dataset for t in shuffled]).cumcount()
    return [shuffled[i] for i in turns.sort_values(kind="stable").index]


def _read(track: Track, name: str, block: int) -> StemClip:
    start_s = round(float(block) * BLOCK_S, 1)
    return StemClip(track.id, start_s, stem_class(name), track.read((name,), start_s, WINDOW_S))


def compare(metric, here: list[StemClip], elsewhere: list[StemClip], name: str, seed: int = 0) -> pd.DataFrame:
    """Score every stem against every other, the other sections, noise and silence.

    Args:
        metric: a `Scorer`.
        here, elsewhere: from `draw_stems`.
        name: of the metric, for the column `rater`.

    Returns:
        A tidy frame, a row per ordered pair and mode: rater, mode, relation, a, b (classes; of noise and silence
        their own names), item (of the anchor), track (of the anchor), score (NaN: refused, a side is silent).
    """
    n = len(here[0].clip)
    noise = (NOISE_RMS * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)
    partners = [
        *here,
        *elsewhere,
        StemClip("", 0.0, "noise", noise),
        StemClip("", 0.0, "silence", np.zeros_like(noise)),
    ]
    cells = [
        (i, j, relation)
        for i, anchor in enumerate(here)
        for j, partner in enumerate(partners)
        if (relation := _relation(anchor, partner))
    ]
    rows, columns, relations = zip(*cells, strict=True)
    frame = pd.DataFrame({"rater": name, "relation": relations, "item": rows})
    frame["a"], frame["b"] = [here[i].kind for i in rows], [partners[j].kind for j in columns]
    frame["track"] = [here[i].track_id for i in rows]
    matrices = metric.matrices([c.clip for c in here], [c.clip for c in partners])
    return pd.concat(
        [frame.assign(mode=mode, score=matrix[list(rows), list(columns)]) for mode, matrix in matrices.items()],
        ignore_index=True,
    )


def _relation(anchor: StemClip, partner: StemClip) -> str | None:
    """One of `RELATIONS`; None for a part against itself in another section: neither a partner nor a stranger."""
    if partner.kind in ("noise", "silence"):
        return partner.kind
    if anchor is partner:
        return "the same part twice"
    if anchor.track_id != partner.track_id:
        return f"{'same' if anchor.kind == partner.kind else 'another'} instrument, another song"
    if anchor.start_s != partner.start_s:
        return "same song, another section" if anchor.kind != partner.kind else None
    return "true partner" if anchor.kind != partner.kind else "true partner, same instrument"


def summarise(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Per metric, mode and relation: the mean score, where it lies between random (0) and true (1), and who wins.

    Returns:
        rater, mode, relation, mean, low, high (95 % over songs), place, truth_wins (share of an anchor's comparisons
        of its true partner with such a partner that the true one wins; 0.5 is chance), wins_low, wins_high, scored
        (share that got a score at all), n. Only relations that occur.
    """
    rows = []
    for (name, mode), group in table.groupby(["rater", "mode"], sort=False):
        means = grouped_means(group, ["relation"], "score", seed).set_index("relation")
        random, true = (means["mean"].get(r, np.nan) for r in ("another instrument, another song", "true partner"))
        for relation in (r for r in RELATIONS if r in means.index):
            mean, low, high, n_scored = means.loc[relation]
            n, place = (group["relation"] == relation).sum(), (mean - random) / (true - random or np.nan)
            wins = _wins(group, relation, seed)
            rows.append((name, mode, relation, mean, low, high, place, *wins, n_scored / n, n))
    columns = ["rater", "mode", "relation", "mean", "low", "high", "place"]
    return pd.DataFrame(rows, columns=[*columns, "truth_wins", "wins_low", "wins_high", "scored", "n"])


def _wins(group: pd.DataFrame, relation: str, seed: int) -> tuple[float, float, float]:
    """How often an anchor's true partner beats its partners of another relation, with an interval over songs."""
    true = group[group["relation"] == "true partner"][["item", "track", "score"]]
    other = group[group["relation"] == relation][["item", "score"]]
    both = true.merge(other, on="item", suffixes=("", "_other")).dropna()
    if relation == "true partner" or both.empty:
        return np.nan, np.nan, np.nan
    by_anchor = (both["score"] > both["score_other"]).astype(float).groupby([both["track"], both["item"]]).mean()
    songs = by_anchor.index.get_level_values("track")
    return float(by_anchor.mean()), *bootstrap_interval(by_anchor.to_numpy(), songs, seed)


def by_class_pair(table: pd.DataFrame, metric: str, mode: str) -> pd.DataFrame:
    """True and random pairs per unordered pair of classes: how high is a true score of bass and drums, say?

    Args:
        table: from `compare`. metric, mode: which of its scores.

    Returns:
        a, b, true, random (mean scores), auc (share of true scores above random ones, ties half), n_true,
        n_random; only class pairs that have both.
    """
    rows = table[(table["rater"] == metric) & (table["mode"] == mode)].dropna(subset=["score"])
    is_true = rows["relation"].isin(["true partner", "true partner, same instrument"])
    rows = rows[is_true | rows["relation"].str.endswith("another song")].assign(true=is_true)
    first, last = np.minimum(rows["a"], rows["b"]), np.maximum(rows["a"], rows["b"])
    found = []
    for (a, b), group in rows.groupby([first.rename("a"), last.rename("b")]):
        true, random = (group.loc[group["true"] == flag, "score"].to_numpy() for flag in (True, False))
        if len(true) and len(random):
            above = (true[:, None] > random).mean() + 0.5 * (true[:, None] == random).mean()
            found.append({"a": a, "b": b, "true": true.mean(), "random": random.mean(), "auc": above}
                         | {"n_true": len(true), "n_random": len(random)})  # fmt: skip
    return pd.DataFrame(found, columns=["a", "b", "true", "random", "auc", "n_true", "n_random"])
