"""Figures of notebook 02."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cocola_lib.notebook.plots import CHANCE, PALETTE, mel_image
from cocola_lib.sampling import PairSpec


def batch(features: np.ndarray, specs: Sequence[PairSpec], modes: Sequence[str], pairs: Sequence[int]) -> plt.Figure:
    """What the model sees of some pairs of a batch: a row per pair, both members, every channel.

    Args:
        features: (2K, C, M, T) dB, masked; anchors, then positives.
        specs, modes: of the K pairs.
        pairs: which to show.
    """
    k, n_channels = len(specs), features.shape[1]
    channels = ("harmonic", "percussive") if n_channels == 2 else ("mel",)
    figure, axes = plt.subplots(
        len(pairs),
        2 * n_channels,
        figsize=(3.4 * 2 * n_channels, 1.9 * len(pairs) + 0.4),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for row, i in zip(axes, pairs, strict=True):
        sides = (("anchor", i, specs[i].anchor), ("accompaniment", k + i, specs[i].positive))
        for side, (role, at, names) in enumerate(sides):
            panels = row[side * n_channels :][:n_channels]
            panels[0].set_title(f"{role}: {' + '.join(names)}", fontsize=9)  # may reach over the next panel
            for ax, channel, values in zip(panels, channels, features[at], strict=True):
                image = mel_image(ax, values)
                label = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.8}
                ax.text(0.02, 0.9, channel, transform=ax.transAxes, fontsize=8, color="0.1", va="center", bbox=label)
        row[0].set_ylabel(f"pair {i + 1}\nmask: {modes[i]}\nHz", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    figure.colorbar(image, ax=axes, label="level (dB)", pad=0.01)
    return figure


def side_by_side(axes, table: pd.DataFrame) -> None:
    """Small runs, one panel per question: accuracy on other songs with its interval.

    Args:
        axes: one per value of the column `varied`.
        table: from `small_runs.side_by_side`.
    """
    for ax, (varied, rows) in zip(axes, table.groupby("varied", sort=False), strict=True):
        y = np.arange(len(rows))
        error = np.abs(rows[["low", "high"]].to_numpy().T - rows["accuracy"].to_numpy())
        ax.errorbar(100 * rows["accuracy"], y, xerr=100 * error, fmt="o", color=PALETTE[0], capsize=3)
        ax.axvline(100 * rows["chance"].iloc[0], **CHANCE)
        ax.set_yticks(y, rows["setting"])
        ax.set(title=varied, xlabel="accuracy (%)", ylim=(len(rows) - 0.5, -0.5))
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)


def stem_map(ax, points: np.ndarray, windows: Sequence[int], names: Sequence[str], title: str = "") -> None:
    """Stems in two dimensions: a colour and a number per window, a line from each stem to the middle of its window.

    Args:
        points: (n, 2).
        windows: (n,) which window each stem is from.
        names: (n,) what plays.
    """
    import seaborn as sns

    windows = np.asarray(windows)
    colours = sns.color_palette("husl", len(set(windows)))
    for window, colour in zip(sorted(set(windows)), colours, strict=True):
        own = points[windows == window]
        middle = own.mean(axis=0)
        for point in own:
            ax.plot(*np.stack([middle, point]).T, color=colour, linewidth=1, alpha=0.6)
        ax.scatter(*own.T, color=[colour], s=22, zorder=2)
        ax.text(
            *middle, str(window + 1), color="0.2", fontsize=9, fontweight="bold", ha="center", va="center", zorder=4
        )
    for point, name in zip(points, names, strict=True):
        ax.annotate(name, point, xytext=(3, 2), textcoords="offset points", fontsize=6.5, color="0.4")
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(False)


def ideas(axes, table: pd.DataFrame, k: int) -> None:
    """What found most in the same minutes: accuracy of every idea with its interval, one panel per test set.

    Args:
        axes: one per data set of the table, with one y axis.
        table: of `efficiency`.
        k: K.
    """
    found = table[table["k"] == k]
    order = found.groupby("variant")["accuracy"].mean().sort_values().index
    for i, (ax, (dataset, rows)) in enumerate(zip(axes, found.groupby("dataset", sort=False), strict=True)):
        rows = rows.set_index("variant").loc[order]
        error = np.abs(rows[["low", "high"]].to_numpy().T - rows["accuracy"].to_numpy())
        ax.errorbar(100 * rows["accuracy"], range(len(rows)), xerr=100 * error, fmt="o", color=PALETTE[i], capsize=3)
        ax.axvline(100 / k, **CHANCE)
        ax.set(title=dataset, xlabel=f"partner found among {k} (%)", xlim=(0, 100), yticks=range(len(rows)))
        ax.set_yticklabels(order, fontsize=9)


def long_run(axes, logs: dict[str, pd.DataFrame]) -> None:
    """Loss and accuracy of trainings of an hour and more; what was validated is dashed.

    Args:
        axes: two.
        logs: name -> step, minutes, split, loss, accuracy.
    """
    for ax, metric in zip(axes, ("loss", "accuracy"), strict=True):
        for i, (name, log) in enumerate(logs.items()):
            for split, rows in log.dropna(subset=metric).groupby("split"):
                values = rows[metric].rolling(max(1, len(rows) // 50), min_periods=1).mean()
                style = {"ls": "--", "marker": "."} if split == "valid" else {}
                ax.plot(rows["minutes"], values, color=PALETTE[i], label=f"{name}, {split}", **style)
        ax.set(xlabel="minutes of training", ylabel=metric + (" (nats)" if metric == "loss" else ""), ylim=(0, None))
    axes[0].legend()
