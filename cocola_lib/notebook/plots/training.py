"""Figures of notebook 02."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cocola_lib.notebook.plots import CHANCE, PALETTE, mel_image, similarity_matrix
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
        sides = (("anchor", i, specs[i].anchor), ("positive", k + i, specs[i].positive))
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


def forward_pass(axes, w: np.ndarray, similarities: np.ndarray, excluded: np.ndarray, n_shown: int = 64) -> None:
    """The parts of Eq. 2 and 3: a corner of W, the similarities, and which windows share a mask.

    Args:
        axes: three.
        w: (D, D).
        similarities: (K, K), rows = anchors.
        excluded: (K, K) bool, pairs of windows with different masks.
    """
    corner = w[:n_shown, :n_shown]
    most = np.abs(corner).max()
    image = axes[0].imshow(corner, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    axes[0].figure.colorbar(image, ax=axes[0], shrink=0.8)
    axes[0].set(title=f"W, the first {len(corner)} of {len(w)} rows and columns")
    similarity_matrix(axes[1], similarities, "h1 W h2', untrained")
    axes[2].imshow(~excluded, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes[2].set(title="the same mask (white)", xlabel="positive of window", ylabel="anchor of window")
    for ax in axes:
        ax.grid(False)


def loop_curve(axes, curve: pd.DataFrame, n_candidates: int) -> None:
    """Loss and accuracy of a training loop over its steps, with their chance lines.

    Args:
        axes: two.
        curve: step, loss, accuracy.
    """
    for ax, metric, chance in zip(axes, ("loss", "accuracy"), (np.log(n_candidates), 1 / n_candidates), strict=True):
        ax.plot(curve["step"], curve[metric], color=PALETTE[0], alpha=0.35, linewidth=1)
        ax.plot(
            curve["step"], curve[metric].rolling(10, min_periods=1).mean(), color=PALETTE[0], label="mean of 10 steps"
        )
        ax.axhline(chance, label=f"chance, {n_candidates} candidates", **CHANCE)
        ax.set(xlabel="step", ylabel=metric + (" (nats)" if metric == "loss" else ""), ylim=(0, None))
    axes[0].legend()


def shortcut(axes, curve: pd.DataFrame, k: int, found: pd.DataFrame) -> None:
    """What a mask per pair gives away: accuracy while training, then on new songs with and without the masks.

    Args:
        axes: two.
        curve: step, accuracy; k: K of its batches.
        found: masks, k, accuracy, low, high; a row per point.
    """
    smooth = 100 * curve["accuracy"].rolling(10, min_periods=1).mean()
    axes[0].plot(curve["step"], smooth, color=PALETTE[0], label="mean of 10 steps")
    axes[0].set(xlabel="step", title=f"training batches, K = {k}")
    among = found["k"].iloc[0]
    error = 100 * np.abs(found[["low", "high"]].to_numpy().T - found["accuracy"].to_numpy())
    axes[1].errorbar(range(len(found)), 100 * found["accuracy"], yerr=error, fmt="o", color=PALETTE[3], capsize=4)
    axes[1].set_xticks(range(len(found)), found["masks"])
    axes[1].set(title=f"songs that it never heard, K = {among}", xlim=(-0.6, len(found) - 0.4))
    for ax, n in zip(axes, (k, among), strict=True):
        ax.axhline(300 / n, color=PALETTE[1], linestyle=":", label="3 / K: the mask alone")
        ax.axhline(100 / n, label="1 / K: chance", **CHANCE)
        ax.set(ylabel="accuracy (%)", ylim=(0, None))
    axes[0].legend()


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
