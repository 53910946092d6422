"""Figures: one theme, one palette, functions that draw on an `ax`.

Hues keep their order everywhere and differ in lightness too, so that figures read in grey.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.transforms import Bbox

from cocola_lib.data import activity
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stems import Track
from cocola_lib.features import FMAX_HZ, FMIN_HZ, HOP, N_MELS, SAMPLE_RATE
from cocola_lib.files import whole
from cocola_lib.sampling import PairSpec

PALETTE = sns.color_palette("colorblind")
CHANCE = {"color": "0.4", "linestyle": "--", "linewidth": 1}


def use_theme() -> None:
    """Set the theme of every figure."""
    # a name with two dollar signs is no formula; nothing that is drawn here is one
    rc = {"figure.dpi": 100, "axes.titlelocation": "left", "text.parse_math": False}
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", rc=rc)


@contextmanager
def laid_out(figure) -> Iterator[Bbox]:
    """Lay a figure out once for all pictures of it that are made in the block, instead of for each.

    Yields:
        The part of it that is drawn on, in inches.
    """
    figure.draw_without_rendering()
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")
    try:
        yield figure.get_tightbbox().padded(0.1)
    finally:
        figure.set_layout_engine(engine)


def save_png(figure, path: Path) -> Path:
    """Write a figure whole and close it; returns the path."""
    import matplotlib.pyplot as plt

    with whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path


def spectrogram(ax, channel: np.ndarray, title: str = "") -> None:
    """One channel of the features.

    Args:
        channel: (M, T) dB below the clip's maximum.
    """
    image = mel_image(ax, channel)
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", title=title)
    ax.figure.colorbar(image, ax=ax, label="level (dB)", pad=0.01)


def mel_image(ax, channel: np.ndarray):
    """The image of `spectrogram` without labels, for many in one figure; returns it for a colour bar."""
    import librosa

    seconds = channel.shape[1] * HOP / SAMPLE_RATE
    extent = (0, seconds, 0, N_MELS)
    image = ax.imshow(channel, origin="lower", aspect="auto", extent=extent, vmin=-80, vmax=0, cmap="magma")
    centres = librosa.mel_frequencies(N_MELS + 2, fmin=FMIN_HZ, fmax=FMAX_HZ)[1:-1]
    shown = [100, 500, 1000, 2000, 4000]
    ax.set_yticks(np.interp(shown, centres, np.arange(N_MELS) + 0.5), [f"{hz}" for hz in shown])
    ax.grid(False)
    return image


def stem_activity(ax, track: Track, specs: Sequence[PairSpec] = (), title: str = "") -> None:
    """When each stem of a track sounds, as grey bars, and the windows drawn from it, each on a line of its own.

    Args:
        track: its cached energy is read, see `activity.block_energy`.
        specs: pairs of this track; the stems of the anchor are blue, those of the positive are orange.
    """
    sounding = activity.sounding(activity.block_energy(track), activity.BLOCK_S)  # (stems, blocks)
    for row, active in enumerate(sounding):
        edges = np.flatnonzero(np.diff(np.pad(active.astype(int), 1))).reshape(-1, 2) * activity.BLOCK_S
        ax.broken_barh([(start, end - start) for start, end in edges], (row - 0.4, 0.8), color="0.85")
    for i, spec in enumerate(specs):
        for side, names, colour in (("anchor", spec.anchor, PALETTE[0]), ("positive", spec.positive, PALETTE[1])):
            for name in names:
                bottom = track.stem_names.index(name) - 0.35 + 0.7 * i / len(specs)
                ax.broken_barh([(spec.start_s, WINDOW_S)], (bottom, 0.6 / len(specs)), color=colour, label=side)
    if specs:
        sides = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))  # one entry per side
        ax.legend(sides.values(), sides.keys(), loc="center left", bbox_to_anchor=(1.01, 0.5))
    ax.set_yticks(range(len(sounding)), track.stem_names)
    ax.set(xlabel="time (s)", title=title, xlim=(0, track.duration_s), ylim=(len(sounding) - 0.5, -0.5))
    ax.grid(axis="y", visible=False)


def true_and_random(ax, true: np.ndarray, random: np.ndarray, xlabel: str) -> None:
    """Densities of the scores of true and of random pairs: (n,) and (m,)."""
    frame = pd.DataFrame(
        {"score": np.concatenate([random, true]), "pair": ["random"] * len(random) + ["true"] * len(true)}
    )
    sns.histplot(frame, x="score", hue="pair", stat="density", common_norm=False, element="step", bins=30, ax=ax)
    ax.set(xlabel=xlabel, ylabel="density", title="Scores of true and of random pairs")


def similarity_matrix(ax, matrix: np.ndarray, title: str = "") -> None:
    """Similarities of anchors (rows) and positives (columns); the true pairs lie on the diagonal."""
    image = ax.imshow(matrix, cmap="viridis", interpolation="nearest")
    ax.set(xlabel="positive of window", ylabel="anchor of window", title=title)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="similarity", shrink=0.8)


def training_curves(axes, history: pd.DataFrame) -> None:
    """Loss and accuracy over steps with their chance lines.

    Args:
        axes: two of them.
        history: from `training.read_history`; its column k holds the number of candidates of an anchor.
    """
    train, valid = (history[history["split"] == split] for split in ("train", "valid"))
    k = valid["k"].iloc[0]
    for ax, metric, chance in zip(axes, ("loss", "accuracy"), (np.log(k), 1 / k), strict=True):
        ax.plot(train["step"], train[metric], color=PALETTE[0], alpha=0.35, linewidth=1)
        smooth = train[metric].rolling(10, min_periods=1).mean()
        ax.plot(train["step"], smooth, color=PALETTE[0], label="training (mean of 10 steps)")
        ax.plot(valid["step"], valid[metric], color=PALETTE[3], marker="o", label="validation")
        ax.axhline(chance, label=f"chance, {k:.0f} candidates", **CHANCE)
        ax.set(xlabel="step", ylabel=metric + (" (nats)" if metric == "loss" else ""), ylim=(0, None))
    axes[1].fill_between(valid["step"], valid["low"], valid["high"], color=PALETTE[3], alpha=0.2)
    axes[0].legend()


def accuracy_by_k(ax, table: pd.DataFrame, title: str = "") -> None:
    """Accuracy (Eq. 4) against K for several models.

    Args:
        table: rows with model, k, accuracy, low, high, chance in [0, 1]; models in the order to be drawn.
    """
    markers = ["o", "s", "^", "D", "v", "P", "X"]
    ks = sorted(table["k"].unique())
    models = list(dict.fromkeys(table["model"]))
    for i, model in enumerate(models):
        rows = table[table["model"] == model].sort_values("k")
        x = np.array([ks.index(k) for k in rows["k"]]) + 0.08 * (i - (len(models) - 1) / 2)
        error = 100 * np.abs(rows[["low", "high"]].to_numpy().T - rows["accuracy"].to_numpy())
        ax.errorbar(x, 100 * rows["accuracy"], yerr=error, marker=markers[i % 7], capsize=3, label=model)
    ax.plot(range(len(ks)), [100 / k for k in ks], label="chance", **CHANCE)
    ax.set_xticks(range(len(ks)), ks)
    ax.set(xlabel="K (windows in a batch)", ylabel="accuracy, Eq. 4 (%)", ylim=(0, 103), title=title)


def score_distributions(ax, scores: pd.DataFrame, x: str, y: str, order: Sequence[str], xlabel: str) -> None:
    """Scores per group: every value as a dot, the mean with its 95 % interval beside them.

    Args:
        scores: tidy frame, one row per value.
        x: column of the score; y: column of the group; order: groups from top to bottom.
    """
    sns.stripplot(scores, x=x, y=y, order=order, ax=ax, color="0.6", size=3, alpha=0.6, jitter=0.25, zorder=1)
    sns.pointplot(
        scores,
        x=x,
        y=y,
        order=order,
        ax=ax,
        color=PALETTE[0],
        linestyle="none",
        errorbar=("ci", 95),
        capsize=0.2,
        seed=0,
    )
    ax.set(xlabel=xlabel, ylabel="")
