"""Tables, sentences and sounds of notebook 09: what encoders cost, and what an embedding knows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.classification.trials import STORED
from cocola_lib.files import read_csv
from cocola_lib.hearing import saliency
from cocola_lib.hearing.curves import Turn
from cocola_lib.hearing.saliency import Map
from cocola_lib.notebook.players import Players, with_mix
from cocola_lib.notebook.sentences import percent, score
from cocola_lib.notebook.shown import Table
from cocola_lib.training.encoders import ENCODERS


def stored() -> pd.DataFrame:
    """The table of the longer run, from `python -m cocola_lib.workshop.encoders`."""
    return read_csv(STORED)


def registry() -> Table:
    """What the encoders are."""
    rows = [(name, one.what, f"{one.learning_rate:g}") for name, one in ENCODERS.items()]
    return Table(pd.DataFrame(rows, columns=["encoder", "what it is", "learning rate"]))


def encoders(table: pd.DataFrame, caption: str) -> Table:
    """Every encoder trained for the longest time: its cost, and its accuracy for each test and K."""
    rows = table[table["minutes"] == table["minutes"].max()]
    rows = rows.assign(
        cell=[percent(*row) for row in rows[["accuracy", "low", "high"]].to_numpy()],
        column=[f"{test}, K = {k}" for test, k in zip(rows["test"], rows["k"], strict=True)],
    )
    wide = rows.pivot(index="encoder", columns="column", values="cell")[list(dict.fromkeys(rows["column"]))]
    cost = rows.groupby("encoder")[["n_parameters", "steps", "scoring_ms"]].mean()
    cost = pd.DataFrame(
        {
            "parameters": [f"{n / 1e6:.1f} M" for n in cost["n_parameters"]],
            "steps": [f"{n:.0f}" for n in cost["steps"]],
            "ms a pair": [f"{ms:.0f}" for ms in cost["scoring_ms"]],
        },
        index=cost.index,
    )
    return Table(cost.join(wide).loc[list(dict.fromkeys(rows["encoder"]))], caption, missing="-")


def best_encoder(table: pd.DataFrame, test: str, k: int) -> str:
    """Which encoder finds the most partners in the same time, and how it stands to the second: a clause."""
    rows = table[(table["minutes"] == table["minutes"].max()) & (table["test"] == test) & (table["k"] == k)]
    first, second = rows.sort_values("accuracy", ascending=False).iloc[:2].to_dict("records")
    best, next_best = (
        f"`{row['encoder']}` with {percent(row['accuracy'], row['low'], row['high'])}" for row in (first, second)
    )
    return f"on {test} at K = {k}, first is {best}, then {next_best}"


def did_it_beat_all(table: pd.DataFrame) -> str:
    """Whether the last encoder of the registry is ahead of the others, with paired intervals: a sentence."""
    last = list(ENCODERS)[-1]
    rows = table[(table["minutes"] == table["minutes"].max()) & (table["encoder"] != last)].dropna(subset=["ahead"])
    if rows.empty:
        return f"`{last}` was not compared."
    above, below = (rows["ahead_low"] > 0).sum(), (rows["ahead_high"] < 0).sum()
    least = rows.loc[rows["ahead"].idxmin()]
    return (
        f"`{last}` is ahead of another encoder in {above} of {len(rows)} comparisons (encoder, test and K) and behind "
        f"in {below}, the interval of the difference excluding 0; in the other {len(rows) - above - below} nothing can "
        f"be said. The closest is `{least['encoder']}` on {least['test']} at K = {least['k']}: "
        f"{100 * least['ahead']:+.0f} points "
        f"[{100 * least['ahead_low']:.0f}, {100 * least['ahead_high']:.0f}]."
    )


def probes(table: pd.DataFrame) -> Table:
    """What linear probes find, a row for each thing asked."""
    rows = table.assign(cell=[score(*row) for row in table[["value", "low", "high"]].to_numpy()])
    keys = ["asked", "counts", "n_clips", "n_songs"]
    wide = rows.pivot(index=keys, columns="encoder", values="cell")
    wide = wide.loc[pd.MultiIndex.from_frame(rows[keys].drop_duplicates()), list(dict.fromkeys(rows["encoder"]))]
    return Table(wide, "Linear probes on songs that they were not fitted to [95 % interval over songs]")


def what_is_known(table: pd.DataFrame, encoder: str) -> str:
    """Which things can be read from an encoder's embedding, and which cannot: two clauses."""
    wide = table.set_index(["asked", "encoder"])
    known, not_known = [], []
    for asked in dict.fromkeys(table["asked"]):
        one, chance = wide.loc[(asked, encoder)], wide.loc[(asked, "chance")]
        said = f"{asked} ({one['counts']} {score(one['value'], one['low'], one['high'])}, chance {chance['value']:.2f})"
        (known if one["low"] > chance["high"] else not_known).append(said)
    return (
        f"a line through the embedding of {encoder} reads {', '.join(known) or 'nothing'}; it does not read "
        f"{', '.join(not_known) or 'anything asked worse than that'}"
    )


def where(table: pd.DataFrame) -> Table:
    """Where the decision sits, as a table."""
    shares = [percent(*row) for row in table[["value", "low", "high"]].to_numpy()]
    even = [f"{value:z.0%}" for value in table["expected"]]
    frame = pd.DataFrame({"what": table["what"], "found": shares, "if spread evenly": even})
    return Table(frame, "Share of the weight, whatever its sign [95 % interval over songs]")


def what_remains(pair: Sequence[np.ndarray], found: Map) -> Players:
    """A pair as it is, and with nothing but the cells that raise its score most."""
    kept = saliency.strongest(found.saliency)
    left = [saliency.remains(clip, cells) for clip, cells in zip(pair, kept, strict=True)]
    clips = {"together": with_mix(*pair)["together"], "the strongest tenth of the cells": with_mix(*left)["together"]}
    return Players(clips, {"together": f"similarity {found.similarity:.1f}"})


def hear_turn(turn: Turn, found_s: float) -> Players:
    """A song that goes wrong at a bar."""
    note = (
        f"from {turn.at_s:.1f} s on (bar {turn.bar + 1}) the accompaniment is another song's; found at {found_s:.1f} s"
    )
    return Players(
        {"the whole song": with_mix(turn.anchor, turn.accompaniment)["together"]}, {"the whole song": note}, small=True
    )


def turns(table: pd.DataFrame) -> Table:
    """How exactly the bar is found, as a table; from `curves.summarise`."""
    frame = pd.DataFrame(
        {
            "metric": table["metric"],
            "median error (s)": [score(*row) for row in table[["median_s", "low", "high"]].to_numpy()],
            "right bar": [percent(*row) for row in table[["right_bar", "right_low", "right_high"]].to_numpy()],
            "songs": table["n_songs"],
        }
    )
    return Table(frame, "The bar where a wrong part comes in [95 % interval over songs]")
