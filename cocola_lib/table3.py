"""Table III: systems by metrics, the second half. Functions of stored scores and embeddings alone (`accompaniment`).

Every function returns the same tidy rows (`COLUMNS`): a system, a metric, its value with a 95 % interval, and a note
where the number needs one. `wide` shows them, `agreement` compares how metrics rank the systems. Used by notebook 04.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib import frechet, paper
from cocola_lib.evaluation import bootstrap_interval
from cocola_lib.frechet import Moments, total

COLUMNS = ("system", "metric", "value", "low", "high", "n", "better", "note")
TRUTH, RANDOM = "Ground Truth", "Random"
MAX_GROUPS = 40  # of a jackknife; tracks are put together beyond that
MAX_GROUPS_WIDE = 10  # with embeddings of more than 128 numbers, where every distance takes 0.1 s


def summarise(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Means of scores per system with intervals over tracks; silent items are left out.

    Returns:
        Tidy: system, metric ("COCOLA P+H", "control H", "COCOLA P+H, beats random %", ...), value, low, high, n,
        better ("higher"), note.
    """
    rows = []
    for (rater, mode, system), found in scores.groupby(["rater", "mode", "system"], sort=False):
        for column, ending in (("score", ""), ("percentile", ", beats random %")):
            good = found[np.isfinite(found[column])]
            if column == "percentile" and good.empty:
                continue
            low, high = bootstrap_interval(good[column], good["track"], seed) if len(good) else (np.nan, np.nan)
            value, note = (good[column].mean(), "") if len(good) else (np.nan, "silent throughout")
            rows.append((system, f"{rater} {mode}{ending}", value, low, high, len(good), "higher", note))
    return pd.DataFrame(rows, columns=COLUMNS)


def frechet_table(embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], name: str, seed: int = 0):
    """Sub-FAD, FAD-infinity and APA per system, against the mixes with the true answers.

    Args:
        embedded: from `embed_mixes`; needs `Ground Truth`, and `Random` for APA.
        tracks: n; the jackknife leaves out one track at a time.
        name: of the embedder.
    Returns:
        Rows as `summarise` gives; FAD is better when lower, APA when higher. Where clips are fewer than dimensions
        covariances are shrunk, and the note says so.
    """
    keep = [i for i in range(len(tracks)) if all(len(clips[i]) for clips in embedded.values())]
    moments = {system: [Moments.of(clips[i]) for i in keep] for system, clips in embedded.items()}
    groups = _groups([tracks[i] for i in keep], MAX_GROUPS if moments[TRUTH][0].dim <= 128 else MAX_GROUPS_WIDE)
    whole = {system: total(items) for system, items in moments.items()}
    parts = {s: [total([m[i] for i in group]) for group in groups] for s, m in moments.items()}
    few = whole[TRUTH].n - max(part.n for part in parts[TRUTH]) <= whole[TRUTH].dim
    singular = "shrink" if few else "refuse"
    note = f"shrunk: {whole[TRUTH].n} embeddings of {whole[TRUTH].dim} dimensions" if few else ""
    if len(keep) < len(tracks):
        note = "; ".join(filter(None, [note, f"{len(tracks) - len(keep)} silent items left out"]))
    statistics = {f"FAD {name}": lambda a: frechet.frechet_distance(a[0], a[1], singular)}
    if RANDOM in embedded:
        statistics[f"APA {name}"] = lambda a: frechet.apa(a[0], a[1], a[2], singular)
    rows = []
    for system in embedded:
        names = (system, TRUTH, RANDOM) if RANDOM in embedded else (system, TRUTH)
        for metric, statistic in statistics.items():
            known = _by_definition(metric, system)
            value = statistic([whole[s] for s in names]) if known is None else known
            without = [statistic([whole[s] - parts[s][g] for s in names]) for g in range(len(groups))]
            low, high = frechet.jackknife(value, without) if known is None else (np.nan, np.nan)
            low, high = np.clip([low, high], 0, 1 if metric.startswith("APA") else np.inf)
            better = "higher" if metric.startswith("APA") else "lower"
            rows.append(
                (system, metric, value, low, high, whole[system].n, better, note if known is None else "by definition")
            )
        if system != TRUTH and len(moments[system]) >= 6:
            infinity = frechet.fad_infinity(whole[TRUTH], moments[system], seed, singular="shrink")
            note_inf = f"r2 {infinity['r2']:.2f}"
            rows.append(
                (system, f"FAD-inf {name}", infinity["value"], np.nan, np.nan, whole[system].n, "lower", note_inf)
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def empty_rows(systems: Sequence[str], name: str, reason: str) -> pd.DataFrame:
    """The cells of an embedder that is not here: no value, and the reason in the note."""
    rows = [(s, f"FAD {name}", np.nan, np.nan, np.nan, 0, "lower", reason) for s in systems]
    return pd.DataFrame(rows, columns=COLUMNS)


def paper_rows(systems: Sequence[str] = ()) -> pd.DataFrame:
    """The paper's Table III in the same form; `note` says whose numbers they are.

    Args:
        systems: those measured here; the paper's row of a system is marked as its own all the same.
    """
    wide = paper.accompaniment()
    tidy = wide.melt(["data", "system"], var_name="metric").dropna()
    tidy["better"] = np.where(tidy["metric"].str.startswith("FAD"), "lower", "higher")
    tidy["metric"] = tidy["metric"].where(tidy["metric"].str.startswith("FAD"), "COCOLA " + tidy["metric"])
    tidy["note"] = "the paper's, " + tidy["data"] + tidy["system"].map(lambda s: "; also here" if s in systems else "")
    tidy["system"] = tidy["system"] + " (the paper's, " + tidy["data"] + ")"
    return tidy.assign(low=np.nan, high=np.nan, n=0)[list(COLUMNS)]


def agreement(table: pd.DataFrame, metrics: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How metrics rank the systems, and how far they agree. Ground Truth is left out: FADs know it by definition.

    Returns:
        (ranks: system x metric, 1 is best; tidy agreement: metric, with, kendall, spearman, n systems).
    """
    from scipy.stats import kendalltau, spearmanr

    table = table[(table["system"] != TRUTH) & table["value"].notna()]
    values = table.pivot_table(index="system", columns="metric", values="value", sort=False)
    sign = table.drop_duplicates("metric").set_index("metric")["better"].map({"higher": 1.0, "lower": -1.0})
    values = values[[m for m in (metrics or values.columns) if m in values]] * sign
    values = values[[m for m in (metrics or values.columns) if m in values]].dropna(axis=1)
    ranks = values.rank(ascending=False, method="average")
    rows = []
    for i, a in enumerate(values):
        for b in list(values)[i + 1 :]:
            tau, rho = kendalltau(values[a], values[b]).statistic, spearmanr(values[a], values[b]).statistic
            rows.append((a, b, tau, rho, len(values)))
    return ranks, pd.DataFrame(rows, columns=["metric", "with", "kendall", "spearman", "n"])


def wide(table: pd.DataFrame, metrics: Sequence[str] | None = None, digits: int = 3) -> pd.DataFrame:
    """The table as people read it: a row per system, a column per metric, "value [low, high]", "" where empty."""

    def cell(row):
        if not np.isfinite(row.value):
            return ""
        text = f"{row.value:.{digits}g}" if abs(row.value) < 1000 else f"{row.value:.0f}"
        return text + (f" [{row.low:.{digits}g}, {row.high:.{digits}g}]" if np.isfinite(row.low) else "")

    cells = table.assign(cell=[cell(row) for row in table.itertuples()])
    shown = cells.pivot(index="system", columns="metric", values="cell").fillna("")
    order = [m for m in (metrics or dict.fromkeys(table["metric"])) if m in shown]
    return shown.loc[list(dict.fromkeys(table["system"])), order]


def _groups(tracks, most):
    """Indices of the items of each track; tracks share groups where there are more than `most`."""
    names = list(dict.fromkeys(tracks))
    group_of = {name: i % most for i, name in enumerate(names)}
    groups = [[i for i, t in enumerate(tracks) if group_of[t] == g] for g in range(min(most, len(names)))]
    return groups if len(groups) > 1 else []


def _by_definition(metric, system):
    """The values that no measurement is needed for."""
    known = {("FAD", TRUTH): 0.0, ("APA", TRUTH): 1.0, ("APA", RANDOM): 0.0}
    return known.get((metric.split()[0], system))
