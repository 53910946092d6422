"""Figures of notebook 08: the matrix of genres, overlap, edge cases, channels, and what a score follows."""

import numpy as np
import pandas as pd

from cocola_lib.features import MODE_LABELS
from cocola_lib.notebook.plots import CHANCE, PALETTE
from cocola_lib.notebook.plots.responses import STYLES
from cocola_lib.notebook.plots.tables import heat_map

MARKERS = ("o", "s", "^", "D", "v")


def matrix(ax, found: pd.DataFrame, rows: str, columns: str, title: str) -> None:
    """Accuracy in %, rows are what was heard and columns what was asked, with intervals in the cells.

    Args:
        found: from `seeds.over_seeds_and_songs`.
        rows, columns: names of its columns, in the order of appearance.
    """
    order = [list(dict.fromkeys(found[name])) for name in (rows, columns)]
    notes = found.assign(
        note=[f"[{100 * a:.0f}, {100 * b:.0f}]" for a, b in zip(found["low"], found["high"], strict=True)]
    )
    grid, notes = (
        t.pivot(index=rows, columns=columns, values=v).reindex(index=order[0], columns=order[1])
        for t, v in ((found.assign(percent=100 * found["accuracy"]), "percent"), (notes, "note"))
    )
    heat_map(ax, grid, title, "accuracy, K = 2 (%)", notes, vmin=40, vmax=100)
    ax.set(ylabel="trained on", xlabel="tested on")


def intervals(ax, found: pd.DataFrame, x: str, hue: str, labels: tuple[str, str], value: str = "accuracy") -> None:
    """Shares in % with their intervals: a place on the axis for every value of x, a colour and marker for every hue.

    Args:
        found: rows with `value`, low, high in [0, 1].
        labels: of the x-axis and the y-axis.
    """
    places, hues = list(dict.fromkeys(found[x])), list(dict.fromkeys(found[hue]))
    for i, name in enumerate(hues):
        rows = found[found[hue] == name]
        at = np.array([places.index(v) for v in rows[x]]) + 0.14 * (i - (len(hues) - 1) / 2)
        mean = 100 * rows[value].to_numpy()
        error = np.abs(100 * rows[["low", "high"]].to_numpy().T - mean)
        ax.errorbar(at, mean, yerr=error, fmt=MARKERS[i % 5], color=PALETTE[i], capsize=3, label=name)
    ax.set_xticks(range(len(places)), places)
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.5, len(places) - 0.5))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=9)


def rivals(ax, counted: pd.DataFrame) -> None:
    """Shares of the rivals that come from the anchor's song, and that overlap with it, against r.

    Args:
        counted: from `overlap.count`.
    """
    for i, (batch, rows) in enumerate(counted.groupby("batch", sort=False)):
        for value, line in (("same_song", "-"), ("overlapping", ":")):
            label = f"{batch}: {value.replace('_', ' ')}"
            ax.plot(rows["r"], 100 * rows[value], line, color=PALETTE[i], marker=MARKERS[i], label=label)
    ax.set(xlabel="r, largest overlap (share of the window)", ylabel="share of the rivals (%)", title="What r lets in")
    ax.legend(fontsize=9)


def claims(ax, judged: pd.DataFrame, title: str, legend: bool = False) -> None:
    """How often the better accompaniment wins, for every claim and mode, with 95 % intervals over songs.

    Args:
        judged: from `edges.judge`, of one metric.
    """
    names = list(dict.fromkeys(zip(judged["better"], judged["worse"], judged["channel"], strict=True)))
    for i, (mode, rows) in enumerate(judged.groupby("mode", sort=False)):
        colour, marker, _ = STYLES[mode]
        keys = list(zip(rows["better"], rows["worse"], rows["channel"], strict=True))
        y = np.array([names.index(key) for key in keys]) + 0.2 * (i - 1)
        mean = 100 * rows["mean"].to_numpy()
        error = np.abs(100 * rows[["low", "high"]].to_numpy().T - mean)
        ax.errorbar(mean, y, xerr=error, fmt=marker, color=colour, capsize=3, label=MODE_LABELS[mode])
    ax.axvline(50, **CHANCE)
    labels = [f"{better} > {worse} ({MODE_LABELS[channel]})" for better, worse, channel in names]
    ax.set_yticks(range(len(names)), labels)
    ax.set(xlabel="the better one wins (%)", title=title, xlim=(-3, 103), ylim=(len(names) - 0.5, -0.5))
    if legend:
        ax.legend(loc="lower left")


def slopes(ax, found: pd.DataFrame, labels: dict[str, str], title: str) -> None:
    """Slopes of the scores of strangers over what is played, with their intervals; 0 is no bias.

    Args:
        found: from `bias.slopes`, with a column `rater`. labels: quantity -> its name.
    """
    keys = list(dict.fromkeys(zip(found["side"], found["quantity"], strict=True)))
    for i, (rater, rows) in enumerate(found.groupby("rater", sort=False)):
        at = [keys.index(key) for key in zip(rows["side"], rows["quantity"], strict=True)]
        y = np.array(at) + 0.2 * (i - 1)
        error = np.abs(rows[["low", "high"]].to_numpy().T - rows["slope"].to_numpy())
        ax.errorbar(rows["slope"], y, xerr=error, fmt=MARKERS[i], color=PALETTE[i], capsize=3, label=rater)
    ax.axvline(0, **CHANCE)
    ax.set_yticks(range(len(keys)), [f"{side}: {labels[quantity]}" for side, quantity in keys])
    ax.set(xlabel="slope (deviations of the score per deviation)", title=title, ylim=(len(keys) - 0.5, -0.5))
    ax.legend(fontsize=9)
