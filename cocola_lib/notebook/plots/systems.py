"""Figures of notebook 04: the scores of systems, and how metrics rank them."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns

from cocola_lib.notebook.plots import score_distributions


def scores(axes, table: pd.DataFrame, by: str, systems: Sequence[str]) -> None:
    """COCOLA Scores of systems, a panel per value of a column.

    Args:
        axes: one per value. table: from `score_answers`, of one metric.
        by: "mode" or "data". systems: from top to bottom.
    """
    for ax, (name, rows) in zip(axes, table.groupby(by, sort=False), strict=True):
        mode = name if by == "mode" else "P+H"
        score_distributions(ax, rows, "score", "system", systems, f"COCOLA Score, {mode}")
        ax.set_title("" if by == "mode" else name)


def agreement(axes, ranks: pd.DataFrame, agreement: pd.DataFrame) -> None:
    """The ranks of systems by every metric, and the agreement of the rankings; from `table3.agreement`."""
    metrics = list(ranks)
    taus = agreement.pivot(index="with", columns="metric", values="kendall")
    taus = taus.reindex(index=metrics[1:], columns=metrics[:-1])
    look = {"annot": True, "linewidths": 0.5}
    sns.heatmap(ranks.T, ax=axes[0], fmt="g", cmap="cividis_r", cbar=False, **look)
    sns.heatmap(taus, ax=axes[1], fmt=".2f", cmap="vlag", vmin=-1, vmax=1, annot_kws={"size": 9}, **look)
    axes[0].set(title="Rank of the system; 1 is best", xlabel="", ylabel="")
    axes[1].set(title="Agreement of the rankings (Kendall's tau)", xlabel="", ylabel="")
    axes[1].grid(False)


def published(axes, own: pd.DataFrame, ladder: pd.DataFrame) -> None:
    """Own against foreign output of published systems by metric, and how far columns order the ladder.

    Args:
        axes: two. own: from `published.own_against_foreign`. ladder: from `published.ladder`.
    """
    won = own.pivot(index="system", columns="metric", values="won")[list(dict.fromkeys(own["metric"]))]
    look = {"annot": True, "fmt": ".2f", "linewidths": 0.5, "annot_kws": {"size": 9}}
    sns.heatmap(won, ax=axes[0], cmap="vlag", vmin=0, vmax=1, center=0.5, **look)
    axes[0].set(title="Share of foreign outputs that the own one beats; 0.5 is chance", xlabel="", ylabel="")
    axes[0].tick_params(axis="x", rotation=25)
    axes[0].grid(False)
    sns.barplot(ladder.dropna(), x="tau", y="metric", ax=axes[1], color="C0")
    axes[1].axvline(0, color="0.3", linewidth=1)
    axes[1].set(title="Order of stream-music-gen's systems", xlabel="Kendall's tau; 0.98: as built", ylabel="")
