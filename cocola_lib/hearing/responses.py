"""Responses: what a score reacts to, and by how much. Dose and answer, as in pharmacology.

An accuracy does not say what was heard: negatives from other songs differ in rhythm first, so a score can be right
97 times in 100 and deaf to harmony. Here one thing is made wrong at a time (`probes.py`), and the loss is measured
on the scale from a true pair (0) to a random one (1). Notebook 05 shows the curves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cocola_lib.data.tracks import Track
from cocola_lib.evaluation import bootstrap_interval, bootstrap_ratio, grouped_means
from cocola_lib.hearing.probes import CONFLICTS, KINDS, Probe, draw_pairs, make_probes

ROOM_MS = 20.0  # seven metres of air: players hear each other this late and are still together
EIGHTH = 0.5  # beats
SEMITONES = tuple(s for s in range(-6, 7) if s)


@dataclass(frozen=True)
class Expectation:
    """What a musician would expect: the `value` ("beaten" or "cost", see `measure`) of a change at some doses.

    `goals`: mode -> least value that is expected, or the most where `at_most`; the other modes are there to be read.
    """

    what: str
    change: str
    doses: tuple[float, ...]
    value: str
    goals: Mapping[str, float] = field(default_factory=dict)
    at_most: bool = False


EXPECTATIONS = (
    Expectation(
        "beats itself transposed by 1 to 6 semitones", "pitch", SEMITONES, "beaten", {"both": 0.95, "harmonic": 0.95}
    ),
    *(Expectation(f"  transposed by {n}", "pitch", (-n, n), "beaten") for n in range(1, 7)),
    Expectation("cost of a delay of 20 ms", "delay", (ROOM_MS,), "cost", {"both": 0.15}, at_most=True),
    Expectation("cost of a delay of an eighth note", "delay in beats", (EIGHTH,), "cost", {"both": 0.60}),
    *(
        Expectation(f"beats itself at {x:g} of the tempo", "stretch", (x,), "beaten", {"both": 0.95})
        for x in (0.9, 1.1)
    ),
)
CONTRASTS = (  # what, the mode that pays more, the one that pays less, change, doses
    ("cost of pitch, harmonic above percussive", "harmonic", "percussive", "pitch", SEMITONES),
    ("cost of time, percussive above harmonic", "percussive", "harmonic", "delay in beats", (EIGHTH,)),
)


def make_sets(tracks: Sequence[Track], n_pairs: int, seed: int = 0) -> dict[str, list[Probe]]:
    """Draw and render the probes of a study: pairs of two pitched sides for pitch, any pairs for time.

    Args:
        tracks: held-out ones.
        n_pairs: of each kind.

    Returns:
        "pitched", "any" -> probes.
    """
    return {
        kind: make_probes(tracks, draw_pairs(tracks, n_pairs, seed, pitched=kind == "pitched"), changes)
        for kind, changes in KINDS.items()
    }


def respond(metric, sets: dict[str, list[Probe]], name: str = "model") -> pd.DataFrame:
    """Score every probe: one pass over all clips.

    Args:
        metric: a `Scorer`.
        sets: from `make_sets`.
        name: of the metric, for the column `rater`.

    Returns:
        A tidy frame, a row per pair, dose and mode: rater, mode, change, dose, item, track, test_set, and the
        scores true, changed and random (the mean over the accompaniments of the other songs); NaN where a side is
        silent.

    Raises:
        ValueError: all pairs are of one song.
    """
    frames, songs = [], {probe.spec.track_id for probes in sets.values() for probe in probes}
    if len(songs) < 2:
        raise ValueError(f"all pairs are of {', '.join(songs)}; what a mistake costs is measured against another song")
    for kind, probes in sets.items():
        keys = list(probes[0].changed)
        clips = [p.truth for p in probes] + [p.changed[key] for key in keys for p in probes]
        tracks = np.array([p.spec.track_id for p in probes])
        n = len(probes)
        stranger = tracks[:, None] != tracks[None, :]  # (n, n)
        for mode, matrix in metric.matrices([p.anchor for p in probes], clips).items():
            scores = np.asarray(matrix, dtype=np.float64).reshape(n, 1 + len(keys), n)
            true, others = np.diag(scores[:, 0]), np.where(stranger, scores[:, 0], np.nan)
            random = np.array([np.nanmean(row) if np.isfinite(row).any() else np.nan for row in others])
            for d, (change, dose) in enumerate(keys, start=1):
                rows = {"change": change, "dose": dose, "item": [f"{kind} {i}" for i in range(n)], "track": tracks}
                rows |= {"true": true, "changed": np.diag(scores[:, d]), "random": random}
                frames.append(pd.DataFrame(rows).assign(rater=name, mode=mode))
    table = pd.concat(frames, ignore_index=True)
    table["test_set"] = table["track"].str.split("/").str[0]
    return table[["rater", "mode", "change", "dose", "item", "track", "test_set", "true", "changed", "random"]]


def summarise(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Per metric, mode, change and dose: how often the true pair wins, and what the change costs.

    Returns:
        A row each: rater, mode, change, dose, beaten (share of true pairs that score above their changed selves,
        0.5 is chance), cost (the mean loss as a share of the mean distance from true to random: 0 nothing, 1 as bad
        as another song), both with low and high (95 % over songs), n_pairs, n_songs.
    """
    rows = [
        dict(zip(("rater", "mode", "change", "dose"), key, strict=True)) | measure(group, seed)
        for key, group in table.groupby(["rater", "mode", "change", "dose"], sort=False)
    ]
    return pd.DataFrame(rows)


def measure(rows: pd.DataFrame, seed: int = 0) -> dict:
    """`summarise` for the rows of one metric and mode, doses pooled; pairs with a silent side are left out."""
    rows = rows.dropna(subset=["true", "changed", "random"])
    won, songs = (rows["true"] > rows["changed"]).to_numpy(float), rows["track"].to_numpy()
    loss, distance = (rows["true"] - rows["changed"]).to_numpy(), (rows["true"] - rows["random"]).to_numpy()
    beaten, cost = bootstrap_interval(won, songs, seed), bootstrap_ratio(loss, distance, songs, seed)
    return {
        "beaten": won.mean() if len(won) else np.nan,
        "beaten_low": beaten[0],
        "beaten_high": beaten[1],
        "cost": loss.sum() / distance.sum() if distance.sum() else np.nan,
        "cost_low": cost[0],
        "cost_high": cost[1],
        "n_pairs": rows["item"].nunique(),
        "n_songs": rows["track"].nunique(),
    }


def acceptance(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """What a musician would expect of one metric (`EXPECTATIONS`, `CONTRASTS`), beside what it does.

    Args:
        table: from `respond`, of one metric.

    Returns:
        expectation, mode, value, low, high (95 % over songs), target, met (None where nothing is demanded).
    """
    modes, rows = list(dict.fromkeys(table["mode"])), []
    for asked in EXPECTATIONS:
        chosen = table[(table["change"] == asked.change) & table["dose"].isin(asked.doses)]
        for mode in modes:
            found = measure(chosen[chosen["mode"] == mode], seed)
            interval = (found[asked.value + end] for end in ("", "_low", "_high"))
            rows.append(
                (asked.what, mode, *interval, *_verdict(found[asked.value], asked.goals.get(mode), asked.at_most))
            )
    for what, more, less, change, doses in CONTRASTS if {"harmonic", "percussive"} <= set(modes) else ():
        value, low, high = difference(table, change, doses, more, less, seed)
        rows.append((what, f"{more} - {less}", value, low, high, *_verdict(value, 0.0)))
    return pd.DataFrame(rows, columns=["expectation", "mode", "value", "low", "high", "target", "met"])


def _verdict(value: float, goal: float | None, at_most: bool = False) -> tuple[str, bool | None]:
    """The goal as it is printed, and whether it is met."""
    if goal is None:
        return "", None
    return (f"<= {goal:.0%}", value <= goal) if at_most else (f">= {goal:.0%}", value >= goal)


def conflict_order(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Per metric and mode: in how many pairs are the accompaniments with something wrong in the expected order?

    Args:
        table: from `respond`.

    Returns:
        rater, mode, claim, mean (share of the pairs for which it holds), low, high (95 % over songs), n.
    """
    keys, rows = ["rater", "mode", "item", "track"], table[table["change"] == "conflict"]
    scores = rows.pivot(index=keys, columns="dose", values="changed").join(rows.groupby(keys)["true"].first())
    scores = scores.dropna().reset_index()
    key, tempo, both = (scores[name] for name in CONFLICTS)
    claims = {
        "as written is the best": scores["true"] > scores[list(CONFLICTS)].max(axis=1),
        "both wrong is the worst": both < np.minimum(key, tempo),
        "a wrong key is worse than a wrong tempo": key < tempo,
    }
    stacked = pd.concat(
        [scores[keys].assign(claim=claim, holds=holds.astype(float)) for claim, holds in claims.items()]
    )
    return grouped_means(stacked, ["rater", "mode", "claim"], "holds", seed)


def difference(table: pd.DataFrame, change: str, doses: Sequence[float], more: str, less: str, seed: int = 0):
    """By how much a change costs one mode more than the other: (difference of the costs, low, high)."""
    table = table[(table["change"] == change) & table["dose"].isin(doses)]
    table = table.assign(loss=table["true"] - table["changed"], distance=table["true"] - table["random"])
    wide = table.pivot_table(index=["track", "item", "dose"], columns="mode", values=["loss", "distance"]).dropna()
    by_song = wide.groupby("track").sum()
    draws = np.random.default_rng(seed).integers(len(by_song), size=(2000, len(by_song)))

    def costs(mode):
        loss, distance = (by_song[what, mode].to_numpy() for what in ("loss", "distance"))
        return loss.sum() / distance.sum(), loss[draws].sum(axis=1) / distance[draws].sum(axis=1)

    (a, a_draws), (b, b_draws) = costs(more), costs(less)
    low, high = np.quantile(a_draws - b_draws, [0.025, 0.975])
    return float(a - b), float(low), float(high)
