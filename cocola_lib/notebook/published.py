"""Published generators in notebook 04: measured where their demos are at hand and time allows, else as stored."""

from pathlib import Path

import pandas as pd

from cocola_lib.accompaniment import published
from cocola_lib.accompaniment.beats import open_tracker
from cocola_lib.data import demos
from cocola_lib.files import data_dir
from cocola_lib.notebook.sentences import percent
from cocola_lib.notebook.shown import Table
from cocola_lib.scoring import Scorer


def at_hand() -> Path | None:
    """The folder of outputs that `cocola data download demos` wrote; None without it."""
    folder = data_dir() / demos.NAME / "generated"
    return folder if folder.is_dir() else None


def own(metrics: dict[str, Scorer], anew: bool, seed: int) -> tuple[pd.DataFrame, str]:
    """Own against foreign accompaniment per system and metric, and a sentence that says where the numbers are from.

    Args:
        metrics: name -> scorer. anew: measure, where the outputs are at hand. seed: of the intervals.
    """
    folder = at_hand()
    if anew and folder:
        return published.own_against_foreign(folder, metrics, open_tracker("librosa"), seed), "Measured here."
    table = pd.read_csv(published.STORED)
    return table, (
        f"As measured beforehand with the checkpoint {table['checkpoint'].iloc[0]} on the outputs "
        f"{table['data'].iloc[0]}; the profile full measures them here once `cocola data download demos` has "
        "fetched them."
    )


def stored_ladder() -> pd.DataFrame:
    """How far each column orders stream-music-gen's systems as they were built, measured beforehand."""
    return pd.read_csv(published.STORED_LADDER)


def shown(table: pd.DataFrame) -> Table:
    """Per system: contexts, what was left out, and how often a context prefers its own output, by each metric."""
    cells = [percent(row.won, row.low, row.high) if row.n else "" for row in table.itertuples()]
    won = table.assign(cell=cells)
    wide = won.pivot(index="system", columns="metric", values="cell")[list(dict.fromkeys(table["metric"]))]
    counts = table.drop_duplicates("system").set_index("system")
    counts = counts[["contexts", "near-silent", "repeats its conditioning", "conditions"]]
    caption = "How often a context prefers its own output to a foreign one [95 % over contexts]; half is chance"
    return Table(counts.join(wide), caption)


def says(table: pd.DataFrame, ladder: pd.DataFrame) -> str:
    """Which metric tells own from foreign output best, and which columns order the ladder."""
    mean = table.groupby("metric")["won"].mean().sort_values(ascending=False)
    apart = ", ".join(f"{metric} {share:.0%}" for metric, share in mean.items())
    top = ladder["tau"].max()
    best = ", ".join(ladder.loc[ladder["tau"] == top, "metric"])
    return (
        f"on average over {table['system'].nunique()} systems, a context prefers its own output: {apart}. Of "
        f"{len(ladder)} columns, {best} order the ladder best (tau {top:.2f}); the median tau is "
        f"{ladder['tau'].median():.2f}, and {int((ladder['tau'] < 0).sum())} columns turn it round"
    )
