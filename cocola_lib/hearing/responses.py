"""Responses: what a score reacts to, and by how much. Dose and answer, as in pharmacology.

An accuracy does not say what was heard: negatives from other songs differ in rhythm first, so a score can be right
97 times in 100 and deaf to harmony. Here one thing is made wrong at a time (`probes.py`), and the loss is measured
on the scale from a true pair (0) to a random one (1). Notebook 05 shows the curves.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.data.tracks import Track
from cocola_lib.evaluation import bootstrap_interval, bootstrap_ratio
from cocola_lib.hearing.probes import KINDS, Probe, draw_pairs, make_probes

ROOM_MS = 20.0  # seven metres of air: players each other this late and are still together
EIGHTH = 0.5  # beats


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


def respond(rater, sets: dict[str, list[Probe]], name: str = "model") -> pd.DataFrame:
    """Score every probe: one pass over all clips.

    Args:
        rater: anything with `matrices`, such as a `Scorer` or the control.
        sets: from `make_sets`.
        name: for the column `rater`.

    Returns:
        A tidy frame, a row per pair, dose and mode: rater, mode, change, dose, item, track, test_set, and the
        scores true, changed and random (the mean over the accompaniments of the other songs); NaN where a side is
        silent.
    """
    frames = []
    for kind, probes in sets.items():
        keys = list(probes[0].changed)
        clips = [p.truth for p in probes] + [p.changed[key] for key in keys for p in probes]
        tracks = np.array([p.spec.track_id for p in probes])
        n = len(probes)
        stranger = tracks[:, None] != tracks[None, :]  # (n, n)
        for mode, matrix in rater.matrices([p.anchor for p in probes], clips).items():
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
    """Per rater, mode, change and dose: how often the true pair wins, and what the change costs.

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
    """`summarise` for the rows of one rater and mode, doses pooled; pairs with a silent side are left out."""
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
    """What a musician would expect of one rater, beside what it does.

    Args:
        table: from `respond`, of one rater.

    Returns:
        expectation, mode, value, low, high (95 % over songs), target, met (None where nothing is demanded).
    """
    rows = []

    def add(what, mode, value, low, high, at_least=None, at_most=None):
        target = f">= {at_least:.0%}" if at_least is not None else f"<= {at_most:.0%}" if at_most is not None else ""
        met = value >= at_least if at_least is not None else value <= at_most if at_most is not None else None
        rows.append({"expectation": what, "mode": mode, "value": value, "low": low, "high": high}
                    | {"target": target, "met": met})  # fmt: skip

    def pick(mode, change, doses):
        chosen = (table["mode"] == mode) & (table["change"] == change) & table["dose"].isin(doses)
        return measure(table[chosen], seed)

    semitones = [s for s in range(-6, 7) if s]
    for mode in dict.fromkeys(table["mode"]):
        found, asked = pick(mode, "pitch", semitones), mode in ("both", "harmonic")
        add("beats itself transposed by 1 to 6 semitones", mode, found["beaten"], found["beaten_low"],
            found["beaten_high"], at_least=0.95 if asked else None)  # fmt: skip
    for size in range(1, 7):
        for mode in dict.fromkeys(table["mode"]):
            found = pick(mode, "pitch", (-size, size))
            add(f"  transposed by {size}", mode, found["beaten"], found["beaten_low"], found["beaten_high"])
    for mode in dict.fromkeys(table["mode"]):
        found = pick(mode, "delay", (ROOM_MS,))
        add("cost of a delay of 20 ms", mode, found["cost"], found["cost_low"], found["cost_high"],
            at_most=0.15 if mode == "both" else None)  # fmt: skip
    for mode in dict.fromkeys(table["mode"]):
        found = pick(mode, "delay in beats", (EIGHTH,))
        add("cost of a delay of an eighth note", mode, found["cost"], found["cost_low"], found["cost_high"],
            at_least=0.60 if mode == "both" else None)  # fmt: skip
    for factor in (0.9, 1.1):
        for mode in dict.fromkeys(table["mode"]):
            found = pick(mode, "stretch", (factor,))
            add(f"beats itself at {factor:g} of the tempo", mode, found["beaten"], found["beaten_low"],
                found["beaten_high"], at_least=0.95 if mode == "both" else None)  # fmt: skip
    if {"harmonic", "percussive"} <= set(table["mode"]):
        for what, more, less, change, doses in (
            ("cost of pitch, harmonic above percussive", "harmonic", "percussive", "pitch", semitones),
            ("cost of time, percussive above harmonic", "percussive", "harmonic", "delay in beats", (EIGHTH,)),
        ):
            add(what, f"{more} - {less}", *difference(table, change, doses, more, less, seed), at_least=0.0)
    return pd.DataFrame(rows)


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
