"""Figures of what is inside a model: encoders compared, probes, where a decision sits, the score along a song."""

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.features import MODE_LABELS
from cocola_lib.hearing.curves import Turn
from cocola_lib.hearing.saliency import Map
from cocola_lib.notebook.plots import CHANCE, PALETTE, mel_image
from cocola_lib.training.encoders import K

MARKERS = "osD^vP*X"
AGAINST = {  # what an encoder costs -> how it follows from the table; on logarithmic axes
    "parameters (millions)": lambda rows: rows["n_parameters"] / 1e6,
    "training (processor minutes for 1,000 pairs)": lambda rows: rows["minutes"] * 1000 / (rows["steps"] * K),
    "scoring a pair (ms of processor time)": lambda rows: rows["scoring_ms"],
}


def encoders(axes, table: pd.DataFrame, test: str, k: int, legend: bool = False) -> None:
    """Accuracy of every encoder against what it costs, with 95 % intervals over seeds and songs.

    Args:
        axes: three of them, one for each of `AGAINST`.
        table: from `trials.summarise`; the encoders that were trained for the longest time are shown.
        test, k: what was asked.
    """
    rows = table[(table["test"] == test) & (table["k"] == k) & (table["minutes"] == table["minutes"].max())]
    for ax, (label, cost) in zip(axes, AGAINST.items(), strict=True):
        for i, row in rows.reset_index(drop=True).iterrows():
            error = 100 * np.abs(row[["low", "high"]].to_numpy(float) - row["accuracy"])[:, None]
            style = {"marker": MARKERS[i % 8], "color": PALETTE[i % 10], "capsize": 2, "linestyle": "none"}
            ax.errorbar(cost(row), 100 * row["accuracy"], yerr=error, label=row["encoder"], **style)
        ax.axhline(100 / k, **CHANCE)
        ax.set(xscale="log", xlabel=label, ylim=(0, 103))
        left, right = ax.get_xlim()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if right < 100 * left else (1,), numticks=6))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel(f"{test}, K = {k}: accuracy (%)")
    if legend:
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def probes(axes, table: pd.DataFrame) -> None:
    """What linear probes find, one axis for each thing asked, with 95 % intervals over songs.

    Args:
        axes: one for each thing that is asked, or more: what is left over is removed.
        table: from `linear_probes.probe`.
    """
    for ax in axes[table["asked"].nunique() :]:
        ax.remove()
    for ax, (asked, rows) in zip(axes, table.groupby("asked", sort=False), strict=False):
        chance = rows[rows["encoder"] == "chance"]["value"].item()
        rows = rows[rows["encoder"] != "chance"].iloc[::-1]
        error = np.abs(rows[["low", "high"]].to_numpy().T - rows["value"].to_numpy())
        ax.barh(rows["encoder"], rows["value"], xerr=error, color=PALETTE[0], alpha=0.6, error_kw={"capsize": 3})
        ax.axvline(chance, **CHANCE)
        ax.set(title=asked, xlabel=rows["counts"].iloc[0], xlim=(min(-0.05, ax.get_xlim()[0]), 1))


def saliency(axes, found: Map) -> None:
    """A pair's two channels and what each cell adds to the score.

    Args:
        axes: (4, 2): H and its weight, P and its weight, of the anchor (left) and the accompaniment.
    """
    most = np.quantile(np.abs(found.saliency), 0.995)
    for column, side in enumerate(("anchor", "accompaniment")):
        for channel, mode in enumerate(("harmonic", "percussive")):
            above, below = axes[2 * channel : 2 * channel + 2, column]
            mel_image(above, found.features[column, channel])
            above.set_title(f"{side}, {MODE_LABELS[mode]}: level")
            image = mel_image(below, found.saliency[column, channel])
            image.set(cmap="RdBu_r", clim=(-most, most))
            below.set_title(f"{side}, {MODE_LABELS[mode]}: raises (red) or lowers (blue) the score")
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    for ax in axes[:, 0]:
        ax.set_ylabel("frequency (Hz)")


def turns(axes, found: list[dict], songs: list[Turn], metric: str) -> None:
    """The score along some songs, when the wrong part begins, and where the curve says that it does.

    Args:
        axes: one for each song. found: from `curves.curves`. metric: whose curves.
    """
    curves = [row for row in found if row["metric"] == metric]
    for ax, row in zip(axes, curves, strict=False):
        song = songs[row["turn"]]
        ax.plot(
            row["starts_s"] + WINDOW_S / 2,
            row["curve"],
            color=PALETTE[0],
            marker="o",
            markersize=3,
            label="score of 5 s",
        )
        ax.axvline(song.at_s, color=PALETTE[3], label="the wrong part begins")
        ax.axvline(row["found_s"], color="0.2", linestyle=":", linewidth=2, label="found")
        for bar_s in song.bars_s:
            ax.axvline(bar_s, ymax=0.04, color="0.4", linewidth=1)
        ax.set(title=f"A song of {song.track_id.split('/')[0]}", xlabel="middle of the window (s); bars below")
    axes[0].set_ylabel("score, P+H")
    axes[0].legend(fontsize="small", loc="lower left")


def errors(ax, table: pd.DataFrame) -> None:
    """How far from the truth the answers are: the share of songs below each error, one line per metric.

    Args:
        table: from `curves.errors`.
    """
    for i, (metric, rows) in enumerate(table.groupby("metric", sort=False)):
        error_s = np.sort(rows["error_s"])
        share = 100 * np.arange(1, len(error_s) + 1) / len(error_s)
        ax.step(
            np.maximum(error_s, 0.05),
            share,
            where="post",
            color=PALETTE[i],
            linestyle=("-", "--", ":")[i % 3],
            label=metric,
        )
    ax.set(
        xscale="log",
        xlabel="error (s); 0.05 and less at the left",
        ylabel="songs with no larger error (%)",
        ylim=(0, 103),
    )
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend()
