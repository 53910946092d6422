"""Figures of notebook 03: Eq. 4 by drawing, heat maps of accuracy, paired differences, mistakes, number of stems."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cocola_lib.classification.lineup import PAPER_ROWS, Entrant
from cocola_lib.classification.tables import test_sets
from cocola_lib.data import paper
from cocola_lib.data.stem_classes import CLASSES
from cocola_lib.notebook.plots import CHANCE, PALETTE


def panels(n: int, size: tuple[float, float], columns: int | None = None, **options):
    """A figure of n panels, row by row.

    Args:
        n: panels; what the last row has left over stays empty.
        size: of one panel, in inches.
        columns: of panels; None puts all of them into one row.
        options: of `plt.subplots`, such as sharey.

    Returns:
        (figure, list of n axes).
    """
    columns = columns or n
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), layout="constrained", squeeze=False, **options
    )
    for ax in axes.flat[n:]:
        ax.remove()
    return figure, list(axes.flat[:n])


def running_mean(ax, shares: Sequence[float], exact: float, title: str) -> None:
    """The mean of Eq. 4 over more and more drawn batches, with its 95 % interval, and the value that it approaches.

    Args:
        shares: per batch, the share of anchors that find their own positive.
        exact: the average over all batches, from the closed form.
    """
    x, n = np.asarray(shares, dtype=float), np.arange(1, len(shares) + 1)
    mean = np.cumsum(x) / n
    error = 1.96 * np.sqrt(np.maximum(np.cumsum(x**2) / n - mean**2, 0) / n)
    ax.fill_between(n, 100 * (mean - error), 100 * (mean + error), alpha=0.25, color=PALETTE[0])
    ax.plot(n, 100 * mean, color=PALETTE[0], label="drawn batches, with 95 % interval")
    ax.axhline(100 * exact, color=PALETTE[3], linestyle="--", label="all batches, closed form")
    ax.set(xscale="log", xlim=(10, len(x)), title=title)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_formatter("")
    ax.set(xlabel="batches drawn", ylabel="accuracy, Eq. 4 (%)", ylim=(100 * exact - 15, min(100 * exact + 15, 102)))
    ax.legend(loc="lower right")


def beside_the_paper(axes, accuracy: pd.DataFrame, entrants: Sequence[Entrant], k: int = 2) -> None:
    """Table I as two heat maps with the same rows and columns: ours, and the paper's row and test set beside it.

    Args:
        axes: two.
        accuracy: from `answers.accuracy`.
        entrants: their order and their rows in the paper; the paper's order comes first, then what the paper has not.
    """
    found = accuracy[(accuracy["mode"] == "both") & (accuracy["k"] == k)]
    order = list(PAPER_ROWS.values())
    rows = [e for e in entrants if e.name in set(found["model"])]
    rows.sort(key=lambda e: order.index(e.paper) if e.paper else len(order))
    here = found["test_set"].unique()
    columns = {name: theirs or "-" for name, theirs in test_sets(list(here)).items() if name in here}
    ours = found.pivot(index="model", columns="test_set", values="accuracy") * 100
    heat_map(axes[0], ours.loc[[e.name for e in rows], list(columns)], "ours, on what is here", vmin=50, vmax=100)
    printed = paper.accuracy().query("k == @k").pivot(index="model", columns="test_set", values="accuracy")
    printed = printed.reindex(
        index=[e.paper or "no such row" for e in rows], columns=[theirs or "-" for theirs in columns.values()]
    )
    label = f"accuracy at K = {k} (%)"
    heat_map(axes[1], printed, "the paper's row beside it, on the real data", label, vmin=50, vmax=100)


def heat_map(
    ax,
    grid: pd.DataFrame,
    title: str,
    label: str = "",
    notes: pd.DataFrame | None = None,
    shown: str = ".0f",
    **colours,
) -> None:
    """Numbers as coloured cells with the number in each; empty where there is none.

    Args:
        grid: (rows, columns) numbers; NaN is left white.
        label: of the colour bar; "" draws none.
        notes: the same shape, a second line of text per cell.
        shown: how a number is written, a format.
        colours: vmin, vmax, cmap of `imshow`.
    """
    values = grid.to_numpy(float)
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **({"cmap": "cividis"} | colours))
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        dark = image.norm(values[i, j]) < 0.5
        text = f"{values[i, j]:{shown}}" + (f"\n{notes.iat[i, j]}" if notes is not None else "")
        ax.text(j, i, text, ha="center", va="center", fontsize=8.5, color="white" if dark else "black")
    ax.set_xticks(range(grid.shape[1]), grid.columns, rotation=25, ha="right")
    ax.set_yticks(range(grid.shape[0]), grid.index)
    ax.set_title(title)
    ax.grid(False)
    if label:
        ax.figure.colorbar(image, ax=ax, label=label, shrink=0.85)


def differences(ax, table: pd.DataFrame, title: str, order: Sequence[str]) -> None:
    """Paired differences with their intervals: a row per test set, a marker per K, the line at no difference.

    Args:
        table: from `classification.paired`, one contrast.
        order: of the test sets, from top to bottom.
    """
    markers = ["o", "s", "^", "D"]
    ks = sorted(table["k"].unique())
    for i, k in enumerate(ks):
        rows = table[table["k"] == k]
        y = np.array([order.index(name) for name in rows["test_set"]]) + 0.16 * (i - (len(ks) - 1) / 2)
        value = 100 * rows["difference"].to_numpy()
        error = np.abs(100 * rows[["low", "high"]].to_numpy().T - value)
        ax.errorbar(value, y, xerr=error, fmt=markers[i % 4], color=PALETTE[i], capsize=3, label=f"K = {k}")
    ax.axvline(0, **CHANCE)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set(xlabel="difference of accuracy (percentage points)", title=title)


def mistakes(ax, rates: pd.DataFrame, title: str, label: str = "") -> None:
    """How often a rival of one class beats a true partner of another, in %: rows are the true partner's classes.

    Args:
        rates: from `classification.mistake_rates`, with the columns true and rival.
    """
    grid = _by_class(rates, "rate") * 100
    counts = _by_class(rates, "n").map(lambda n: f"n={n:.0f}" if np.isfinite(n) else "")
    heat_map(ax, grid, title, label, counts, vmin=0, vmax=50, cmap="magma")
    ax.set(xlabel="class of the rival", ylabel="class of the true partner")


def _by_class(rates: pd.DataFrame, value: str) -> pd.DataFrame:
    grid = rates.pivot(index="true", columns="rival", values=value)
    order = [*CLASSES, "mixed"]
    rows, columns = ([c for c in order if c in axis] for axis in (grid.index, grid.columns))
    return grid.loc[rows, columns]


def by_stems(ax, table: pd.DataFrame, title: str, most: int = 4, label: str = "") -> None:
    """Accuracy by the number of stems in each sub-mix, in %, with the number of pairs.

    Args:
        table: from `classification.by_stems`, one model.
        most: that is shown as "4+".
    """
    names = {n: f"{n}+" if n == most else str(n) for n in range(1, most + 1)}
    grids = [table.pivot(index="stems_anchor", columns="stems_positive", values=v) for v in ("accuracy", "n_pairs")]
    grid, counts = (g.reindex(index=list(names), columns=list(names)).rename(names, axis=0).rename(names, axis=1)
                    for g in grids)  # fmt: skip
    counts = counts.map(lambda n: f"n={n:.0f}" if np.isfinite(n) else "")
    heat_map(ax, 100 * grid, title, label, counts, vmin=50, vmax=100)
    ax.set(xlabel="stems in the accompaniment", ylabel="stems in the anchor")
