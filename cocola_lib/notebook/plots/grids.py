"""The figure of `cocola grid`: one value of a grid by two of its parameters."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from cocola_lib.notebook.plots import save_png, use_theme
from cocola_lib.notebook.plots.tables import heat_map

CELL_INCHES, MARGIN_INCHES, LONGEST_INCHES = 0.9, 2.5, 40.0


def save_grid(table: pd.DataFrame, x: str, y: str, value: str, path: Path) -> Path:
    """Draw a value as a heat map, each cell the mean over all other parameters with the number of rows behind it.

    Args:
        table: of `grids.run_grid`.
        x, y: parameters, from left to right and from top to bottom in the order of the grid.
        value: a column of numbers; rows in which it is missing do not count.
        path: .png to write, whole.
    Returns:
        The path.
    """
    use_theme()
    known = table.dropna(subset=[value]).assign(**{name: table[name].map(str) for name in (x, y)})
    order = [list(dict.fromkeys(table[name].map(str))) for name in (y, x)]
    means, counts = (
        known.pivot_table(index=y, columns=x, values=value, aggfunc=how, observed=True).reindex(
            index=order[0], columns=order[1]
        )
        for how in ("mean", "count")
    )
    sides = [min(LONGEST_INCHES, MARGIN_INCHES + CELL_INCHES * len(side)) for side in reversed(order)]
    figure, ax = plt.subplots(figsize=sides, layout="constrained")
    notes = counts.map(lambda n: f"n={n:.0f}")
    heat_map(ax, means, "", value, notes, shown=".3g")
    ax.set(xlabel=x, ylabel=y, title=f"{value}: means over n rows")
    return save_png(figure, path)
