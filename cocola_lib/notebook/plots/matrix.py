"""The figures of `cocola matrix` and `cocola score-stems`: clips all against all; each stem over time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from cocola_lib.notebook.plots import save_png, use_theme

TITLES = {"a_to_b": "Conditioning: A", "b_to_a": "Conditioning: B", "both_ways": "Mean of both directions"}
CELL_INCHES, MARGIN_INCHES = 0.3, 3.0
LONGEST_INCHES = 40.0  # of a side: hundreds of clips are drawn smaller
PANEL_INCHES = (10.0, 2.6)  # of a song's curves


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
        labels = {"xticklabels": [Path(c).stem for c in columns], "yticklabels": [Path(r).stem for r in rows]}
        sns.heatmap(scores, ax=ax, cmap="viridis", cbar_kws={"label": "score"}, **limits, **labels)
        ax.set(title=TITLES[direction], xlabel="B", ylabel="A")
    return save_png(figure, path)


def save_curves(curves: pd.DataFrame, mode: str, path: Path) -> Path:
    """Draw the score of each stem against the rest over time, a panel per song, and save the figure.

    Args:
        curves: from `stem_scores.score_stems`; gaps are windows in which a side is silent. mode: one of its columns.
        path: .png to write, whole.
    Returns:
        The path.
    """
    use_theme()
    songs = list(curves.groupby("track", sort=False))
    height = min(LONGEST_INCHES, PANEL_INCHES[1] * max(1, len(songs)))
    figure, axes = plt.subplots(
        max(1, len(songs)), 1, figsize=(PANEL_INCHES[0], height), squeeze=False, layout="constrained"
    )
    for ax, (track, windows) in zip(axes[:, 0], songs, strict=False):
        for stem, curve in windows.groupby("stem", sort=False):
            ax.plot(curve["start_s"], curve[mode], marker=".", label=str(stem).lstrip("_"))
        ax.set(title=track, xlabel="start of the window (s)", ylabel="score")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="stem against the rest")
    return save_png(figure, path)
