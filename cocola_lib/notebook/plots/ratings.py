"""Figures of notebook 07: opinions, raters, metrics against ratings, and what noise allows."""

import numpy as np
import pandas as pd

from cocola_lib.listening.correlations import power
from cocola_lib.listening.ratings import SIMULATED
from cocola_lib.notebook.plots import CHANCE, PALETTE

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LEVEL_POINTS = {
    "rating": "single ratings",
    "item": "mean ratings of stimuli",
    "within trial": "ratings within a page",
    "system": "means of systems",
}


def _error(frame: pd.DataFrame, value: str, low: str, high: str) -> np.ndarray:
    return np.abs(frame[[low, high]].to_numpy().T - frame[value].to_numpy())


def opinions(ax, means: pd.DataFrame, xlabel: str, title: str = "") -> None:
    """Mean opinion of each system with its interval, in the order of the table; from `mos.system_means`."""
    y = np.arange(len(means))
    error = _error(means, "mean", "low", "high")
    ax.errorbar(means["mean"], y, xerr=error, fmt="o", color=PALETTE[0], capsize=4)
    ax.set_yticks(y, means["system"])
    ax.set(xlabel=xlabel, title=title, ylim=(len(means) - 0.5, -0.5))


def raters(ax, screened: pd.DataFrame, min_agreement: float, title: str = "") -> None:
    """How each rater agrees with the mean of the others; flagged raters are hollow. From `screening.screen`."""
    flagged = (screened["flags"] != "").to_numpy()
    x = np.arange(len(screened))
    for mask, face, label in ((~flagged, PALETTE[0], "not flagged"), (flagged, "none", "flagged, and kept")):
        if mask.any():
            ax.scatter(
                x[mask], screened["leave_one_out"][mask], color=PALETTE[0], facecolor=face, label=label, zorder=3
            )
    ax.axhline(min_agreement, label=f"flagged below {min_agreement:g}", **CHANCE)
    ax.axhline(0, color="0.8", linewidth=1)
    ax.set_xticks(x, screened["listener"].str.removeprefix(SIMULATED), fontsize="x-small", rotation=90)
    ax.set(
        xlabel="listener", ylabel="r with the mean of the others", ylim=(min(-0.3, screened["leave_one_out"].min()), 1)
    )
    ax.set_title(title)
    ax.legend(loc="lower right", fontsize="small")


def scatter(ax, stimuli: pd.DataFrame, systems: list[str], ylabel: str, scale: tuple[float, float], title: str = ""):
    """The paper's Fig. 3: mean rating and score, a dot per stimulus, larger the more ratings it has.

    Args:
        stimuli: from `mos.stimuli`; systems: in the order of hues.
    """
    for i, system in enumerate(systems):
        rows = stimuli[stimuli["system"] == system]
        ax.scatter(
            rows["mos"], rows["score"], s=10 + 6 * rows["n"], alpha=0.6, color=PALETTE[i % 10], linewidth=0.4,
            edgecolor="0.2", marker=MARKERS[i % len(MARKERS)], label=system,
        )  # fmt: skip
    margin = 0.05 * (scale[1] - scale[0])
    ax.set(xlabel=f"mean opinion score ({scale[0]:g} to {scale[1]:g})", ylabel=ylabel, title=title)
    ax.set_xlim(scale[0] - margin, scale[1] + margin)
    ax.legend(fontsize="small", bbox_to_anchor=(1.01, 1), loc="upper left", borderaxespad=0)


def correlations(
    axes, raw: pd.DataFrame, z: pd.DataFrame, ceilings: dict[str, float], people: dict[str, float]
) -> None:
    """Pearson's r of every metric, one panel per level: ratings as given (filled) and z-scored by rater (hollow).

    Args:
        axes: one per level; raw, z: from `metric_agreement.tables`.
        ceilings: level -> the highest r to expect; people: level -> r of the other listeners.
    """
    for ax, level in zip(axes, list(dict.fromkeys(raw["level"]))[: len(axes)], strict=True):
        for frame, shift, face, label in ((raw, -0.12, PALETTE[0], "as given"), (z, 0.12, "none", "z-scored by rater")):
            rows = frame[frame["level"] == level]
            y = np.arange(len(rows)) + shift
            ax.errorbar(
                rows["r"], y, xerr=_error(rows, "r", "r_low", "r_high"), fmt="none", color=PALETTE[0], capsize=2
            )
            ax.scatter(rows["r"], y, color=PALETTE[0], facecolor=face, zorder=3, s=28, label=label)
        if np.isfinite(ceilings.get(level, np.nan)):
            ax.axvline(ceilings[level], color=PALETTE[3], label="ceiling: the listeners' own noise")
        if np.isfinite(people.get(level, np.nan)):
            ax.axvline(people[level], color=PALETTE[2], linestyle=":", linewidth=2, label="the other listeners")
        ax.axvline(0, **CHANCE)
        ax.set_yticks(range(len(rows)), rows["metric"])
        ax.set(xlabel="Pearson r", title=LEVEL_POINTS[level], xlim=(-0.5, 1), ylim=(len(rows) - 0.5, -0.5))
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    axes[0].figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize="small")


def preferences(ax, table: pd.DataFrame, people: float, title: str = "") -> None:
    """Share of pairs that a metric orders as a listener did; from `metric_agreement.tables`."""
    y = np.arange(len(table))
    error = 100 * _error(table, "accuracy", "low", "high")
    ax.errorbar(100 * table["accuracy"], y, xerr=error, fmt="o", color=PALETTE[0], capsize=4)
    ax.axvline(50, label="chance", **CHANCE)
    if np.isfinite(people):
        ax.axvline(100 * people, color=PALETTE[2], linestyle=":", linewidth=2, label="the other listeners")
    ax.set_yticks(y, table["metric"])
    ax.set(xlabel="pairs ordered as the listener did (%)", title=title, xlim=(25, 100), ylim=(len(table) - 0.5, -0.5))
    ax.legend(fontsize="small", bbox_to_anchor=(1.01, 1), loc="upper left", borderaxespad=0)


def needs(axes, r: float, deff: float, n_points: int, single: float, k: float) -> None:
    """What a correlation needs: left, stimuli to tell it from 0; right, ratings per stimulus to be possible at all.

    Args:
        r: the correlation wanted; deff: how many of these stimuli weigh as much as one independent one.
        n_points: stimuli of this study; single: ICC(2,1); k: its ratings per stimulus.
    """
    left, right = axes
    n = np.arange(4, 301)
    left.plot(n, power(r, n), color=PALETTE[0], label="independent stimuli")
    left.plot(n, power(r, n / deff), color=PALETTE[3], linestyle="--", label="stimuli as in this study")
    left.plot(n, power(r / 2, n / deff), color=PALETTE[2], linestyle=":", label=f"the same, true r = {r / 2:.2f}")
    left.axhline(0.8, **CHANCE)
    if n_points <= n[-1]:
        left.axvline(n_points, color="0.6", linewidth=1)
    left.set(xlabel="stimuli", ylabel="power (p < 0.05)", title=f"telling r = {r:g} from 0", ylim=(0, 1.03))
    left.legend(fontsize="small", loc="lower right")
    right.set(xlabel="ratings per stimulus", ylabel="r that can be observed", ylim=(0, 1.03))
    right.set_title("what the listeners' noise leaves of a true r")
    right.axhline(r, color=PALETTE[3], label=f"the paper's r = {r:g}")
    right.axvline(k, color="0.6", linewidth=1, label=f"this study: {k:.1f}")
    per_stimulus = np.linspace(1, max(20, 1.5 * k), 200)
    if single > 0:
        reliability = np.sqrt(per_stimulus * single / (1 + (per_stimulus - 1) * single))
        for true, style in ((1.0, "-"), (0.8, "--"), (0.6, ":")):
            right.plot(per_stimulus, true * reliability, color=PALETTE[0], linestyle=style, label=f"true r = {true:g}")
    else:
        right.text(0.5, 0.3, "no agreement to build on", transform=right.transAxes, ha="center")
    right.legend(fontsize="small", loc="lower right")
