"""Figures of a listening test: who hears what, and how evenly."""

import numpy as np
import pandas as pd

from cocola_lib.notebook.plots import PALETTE


def who_hears_what(ax, heard: pd.DataFrame, n_items: int) -> None:
    """One row per listener, one column per item: dark where the listener hears it.

    Args:
        heard: listener and item, both from 0; repeats count once.
    """
    grid = np.zeros((int(heard["listener"].max()) + 1, n_items))
    grid[heard["listener"], heard["item"]] = 1
    ax.imshow(grid, cmap="Greys", vmin=0, vmax=1.4, aspect="auto", interpolation="nearest")
    ax.set(xlabel="item", ylabel="listener, in order of arrival", title="Who hears which item")
    ax.grid(False)


def evenness(ax, balance: pd.DataFrame) -> None:
    """Listeners per rated clip, least and most, as listeners come in.

    Args:
        balance: from `results.balance`.
    """
    x = balance["listeners"]
    ax.fill_between(x, balance["least"], balance["most"], step="mid", color=PALETTE[0], alpha=0.3)
    for column, style, label in (("most", "-", "the clip with the most"), ("least", "--", "the clip with the fewest")):
        ax.step(x, balance[column], style, where="mid", color=PALETTE[0], label=label)
    ax.set(xlabel="listeners so far", ylabel="listeners of a clip", title="How evenly clips are heard", ylim=(0, None))
    ax.legend(loc="upper left")
