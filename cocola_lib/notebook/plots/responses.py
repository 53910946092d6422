"""Figures of what a score reacts to: curves of dose and response, conflicts, and scores per pair of stem classes."""

import numpy as np
import pandas as pd

from cocola_lib.data.stem_classes import CLASSES
from cocola_lib.features import MODE_LABELS
from cocola_lib.hearing.probes import CONFLICTS
from cocola_lib.notebook.plots import CHANCE, PALETTE

XLABELS = {
    "pitch": "transposed by (semitones)",
    "stretch": "tempo (1 = as written)",
    "delay": "delay (ms)",
    "delay in beats": "delay (beats)",
}
TITLES = {"pitch": "Pitch", "stretch": "Tempo", "delay": "Delay, as in a room", "delay in beats": "Delay, in beats"}
LABELS = {
    "cost": "cost (%): 0 true, 100 random",
    "beaten": "true pair wins (%)",
}
STYLES = {  # hue, marker and line tell modes apart, in grey too
    "both": (PALETTE[0], "o", "-"),
    "harmonic": (PALETTE[1], "s", "--"),
    "percussive": (PALETTE[2], "^", ":"),
}


def dose_response(ax, summary: pd.DataFrame, change: str, value: str = "cost", legend: bool = False) -> None:
    """One change's curve in every mode, with 95 % bands over songs.

    Args:
        summary: from `responses.summarise`, of one metric.
        change: a key of `XLABELS`.
        value: "cost" or "beaten".
    """
    rows = summary[summary["change"] == change]
    zero = 1.0 if change == "stretch" else 0.0
    for mode, group in rows.groupby("mode", sort=False):
        colour, marker, line = STYLES[mode]
        table = group[["dose", value, f"{value}_low", f"{value}_high"]].to_numpy(float)
        if value == "cost":
            table = np.vstack([table, [zero, 0, 0, 0]])
        dose, mean, low, high = table[np.argsort(table[:, 0])].T
        ax.plot(dose, 100 * mean, color=colour, marker=marker, linestyle=line, markersize=5, label=MODE_LABELS[mode])
        ax.fill_between(dose, 100 * low, 100 * high, color=colour, alpha=0.15, linewidth=0)
    ax.axhline(100 if value == "cost" else 50, **CHANCE)
    if value == "cost":
        ax.axhline(0, color="0.4", linewidth=1)
        ax.set_ylim(-40, 160)  # intervals of a ratio may run off; the curves stay readable
    else:
        ax.set_ylim(0, 103)
    ax.set(xlabel=XLABELS[change], ylabel=LABELS[value], title=TITLES[change])
    if legend:
        ax.legend()


def conflicts(ax, summary: pd.DataFrame, title: str = "", legend: bool = False) -> None:
    """What a wrong key, a wrong tempo and both cost in every mode, with 95 % intervals over songs.

    Args:
        summary: from `responses.summarise`, of one metric.
    """
    rows = summary[summary["change"] == "conflict"]
    for i, (mode, group) in enumerate(rows.groupby("mode", sort=False)):
        colour, marker, _ = STYLES[mode]
        mean, low, high = (
            100 * group.set_index("dose").loc[list(CONFLICTS), ["cost", "cost_low", "cost_high"]].to_numpy().T
        )
        x = np.arange(len(CONFLICTS)) + 0.15 * (i - 1)
        error = np.abs([mean - low, high - mean])
        ax.errorbar(x, mean, yerr=error, fmt=marker, color=colour, capsize=3, label=MODE_LABELS[mode])
    ax.axhline(100, **CHANCE)
    ax.axhline(0, color="0.4", linewidth=1)
    ax.set_xticks(range(len(CONFLICTS)), list(CONFLICTS))
    ax.set(ylabel=LABELS["cost"], title=title, xlim=(-0.5, len(CONFLICTS) - 0.5))
    ax.set_ylim(-40, 240)  # intervals of a ratio may run off; the points stay readable
    if legend:
        ax.legend(loc="lower right")


def class_pairs(ax, table: pd.DataFrame, value: str, title: str, label: str, fmt: str = ".2f", **colours) -> None:
    """A value per unordered pair of stem classes, as a triangle of cells with the number of true pairs in each.

    Args:
        table: from `sameness.by_class_pair`.
        value: column to show.
        label: of the colour bar.
        colours: vmin, vmax, cmap of `imshow`.
    """
    names = [name for name in CLASSES if name in set(table["a"]) | set(table["b"])]
    grid = np.full((len(names), len(names)), np.nan)
    for row in table.itertuples():
        i, j = sorted((names.index(row.a), names.index(row.b)), reverse=True)
        grid[i, j] = getattr(row, value)
        ax.text(j, i, f"{grid[i, j]:{fmt}}\nn={row.n_true}", ha="center", va="center", fontsize=7.5,
                bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1})  # fmt: skip
    image = ax.imshow(grid, interpolation="nearest", **({"cmap": "cividis"} | colours))
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set_title(title)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label=label, shrink=0.8)
