"""The figure of `cocola matrix`: clips all against all, a panel per direction."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from cocola_lib.files import whole
from cocola_lib.notebook.plots import use_theme

TITLES = {"a_to_b": "Conditioning: A", "b_to_a": "Conditioning: B", "both_ways": "Mean of both directions"}
CELL_INCHES, MARGIN_INCHES = 0.3, 3.0
LONGEST_INCHES = 40.0  # of a side: hundreds of clips are drawn smaller


def save_heat_map(table: pd.DataFrame, directions: Sequence[str], path: Path) -> Path:
    """Draw the scores of one mode, rows are the clips of A, and save the figure.

    Args:
        table: from `stem_scores.all_against_all`. directions: some of its columns.
        path: .png to write, whole.
    Returns:
        The path.
    """
    use_theme()
    rows, columns = (list(dict.fromkeys(table[side])) for side in ("a", "b"))
    width, height = (min(LONGEST_INCHES, MARGIN_INCHES + CELL_INCHES * len(side)) for side in (columns, rows))
    figure, axes = plt.subplots(
        1, len(directions), figsize=(width * len(directions), height), squeeze=False, layout="constrained"
    )
    limits = {"vmin": table[list(directions)].min().min(), "vmax": table[list(directions)].max().max()}
    for ax, direction in zip(axes[0], directions, strict=True):
        scores = table[direction].to_numpy().reshape(len(rows), len(columns))
        labels = {"xticklabels": [_name(c) for c in columns], "yticklabels": [_name(r) for r in rows]}
        sns.heatmap(scores, ax=ax, cmap="viridis", cbar_kws={"label": "score"}, **limits, **labels)
        ax.set(title=TITLES[direction], xlabel="B", ylabel="A")
    with whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path


def _name(path: str) -> str:
    """A file's name as a label: no folder, and no dollar sign that matplotlib would read as mathematics."""
    return Path(path).stem.replace("$", r"\$")
