"""Table III: systems by metrics, the second half. Functions of stored scores and embeddings alone (`accompaniment`).

Every function returns the same tidy rows (`COLUMNS`): a system, a metric, its value with a 95 % interval, and a note
where the number needs one. `wide` shows them, `agreement` compares how metrics rank the systems. Used by notebook 04.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd

from cocola_lib.accompaniment import frechet
from cocola_lib.accompaniment.frechet import Moments, total
from cocola_lib.data import paper
from cocola_lib.evaluation import bootstrap_interval

COLUMNS = ("system", "metric", "value", "low", "high", "n", "better", "note")
TRUTH, RANDOM = "Ground Truth", "Random"
MAX_GROUPS = 40  # of a jackknife; tracks are put together beyond that
MAX_GROUPS_WIDE = 8  # with embeddings of more than 128 numbers, where every distance takes 0.1 s
CONTROL = {"P+H": "control, both", "P": "control, onsets", "H": "control, chroma"}
ABOVE = ", above Random"  # a paired difference: positive where a distance prefers strangers to this system
PERCENTILE = ", beats random %"  # calibrated scores: the share of random pairs that score less


def summarise(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Means of scores per system with intervals over tracks; silent items are left out.

    Args:
        scores: from `score_answers`. seed: of the bootstrap.
    Returns:
        Tidy: system, metric ("COCOLA P+H", "control, chroma", "COCOLA P+H, beats random %", ...), value, low, high,
        n, better ("higher"), note.
    """
    rows = []
    for (rater, mode, system), found in scores.groupby(["rater", "mode", "system"], sort=False):
        metric = CONTROL[mode] if rater == "control" else f"{rater} {mode}"
        for column, label in (("score", metric), ("percentile", metric + PERCENTILE)):
            good = found[np.isfinite(found[column])]
            if column == "percentile" and good.empty:
                continue
            low, high = bootstrap_interval(good[column], good["track"], seed) if len(good) else (np.nan, np.nan)
            value, note = (good[column].mean(), "") if len(good) else (np.nan, "silent throughout")
            rows.append((system, label, value, low, high, len(good), "higher", note))
    return pd.DataFrame(rows, columns=COLUMNS)


def between(scores: pd.DataFrame, system: str, rater: str = "COCOLA", mode: str = "P+H", seed: int = 0) -> pd.DataFrame:
    """Does a system that listens fall between Random and Ground Truth, in every data set?

    Args:
        scores: from `score_answers`, with these three systems.
        system: its name.
    Returns:
        A row per data set (the start of `track`): data, n, tracks, the three means, and the two steps on paired items
        with 95 % intervals over tracks (above Random, below Ground Truth); `between` says whether both steps are
        above 0, `clearly` whether both intervals are.
    """
    scores = scores[(scores["rater"] == rater) & (scores["mode"] == mode)]
    items = scores.pivot(index=["item", "track"], columns="system", values="score").dropna().reset_index()
    items["data"] = items["track"].str.split("/").str[0]
    rows = []
    for data, found in items.groupby("data"):
        row = {"data": data, "n": len(found), "tracks": found["track"].nunique()}
        row |= {name: found[name].mean() for name in (RANDOM, system, TRUTH)}
        for step, values in (("above", found[system] - found[RANDOM]), ("below", found[TRUTH] - found[system])):
            low, high = bootstrap_interval(values, found["track"], seed)
            row |= {step: values.mean(), f"{step}_low": low, f"{step}_high": high}
        row["between"] = bool(row["above"] > 0 and row["below"] > 0)
        row["clearly"] = bool(row["above_low"] > 0 and row["below_low"] > 0)
        rows.append(row)
    return pd.DataFrame(rows)


def frechet_table(embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], name: str, seed: int = 0):
    """Sub-FAD, FAD-infinity and APA per system, against the mixes with the true answers.

    Args:
        embedded: from `embed_mixes`; needs `Ground Truth`, and `Random` for APA.
        tracks: n; the jackknife leaves out one track at a time.
        name: of the embedder.
        seed: of FAD-infinity's orders.
    Returns:
        Rows as `summarise` gives; FAD is better when lower, APA when higher. "FAD ..., above Random" is the paired
        difference: above 0, this FAD prefers the answers of strangers. Where clips are fewer than dimensions,
        covariances are shrunk, and the note says so.
    """
    keep = [i for i in range(len(tracks)) if all(len(clips[i]) for clips in embedded.values())]
    moments = {system: [Moments.of(clips[i]) for i in keep] for system, clips in embedded.items()}
    whole = {system: total(items) for system, items in moments.items()}
    n, dim = whole[TRUTH].n, whole[TRUTH].dim
    groups = _groups([tracks[i] for i in keep], MAX_GROUPS if dim <= 128 else MAX_GROUPS_WIDE)
    parts = {s: [total([m[i] for i in group]) for group in groups] for s, m in moments.items()}
    singular = "shrink" if n - max((part.n for part in parts[TRUTH]), default=0) <= dim else "refuse"
    notes = [f"{n} embeddings of {dim} dimensions, covariances are shrunk"] if singular == "shrink" else []
    notes += [f"{len(tracks) - len(keep)} silent items left out"] if len(keep) < len(tracks) else []

    left = {s: [whole[s], *(whole[s] - part for part in parts[s])] for s in moments}  # all rows, then without a group

    @cache
    def distance(system, to):
        """(1 + groups,)"""
        return np.array([frechet.frechet_distance(x, y, singular) for x, y in zip(left[to], left[system], strict=True)])

    rows, scale = [], np.trace(whole[TRUTH].covariance)
    for system in embedded:
        for metric, values in _statistics(system, distance, name, scale, RANDOM in embedded):
            known = _by_definition(metric, system)
            interval = frechet.jackknife(values[0], values[1:]) if known is None else (np.nan, np.nan)
            low, high = np.clip(interval, *_range(metric))
            note = f"FAD-{name}: {'; '.join(notes)}" * bool(notes) if known is None else "by definition"
            value, better = values[0] if known is None else known, "higher" if metric.startswith("APA") else "lower"
            rows.append((system, metric, value, low, high, whole[system].n, better, note))
        if system != TRUTH:
            value, note = _infinity(whole[TRUTH], moments[system], seed)
            rows.append((system, f"FAD-inf {name}", value, np.nan, np.nan, whole[system].n, "lower", note))
    return pd.DataFrame(rows, columns=COLUMNS)


def _statistics(system, distance, name, scale, has_random):
    """(metric, values of all rows and without each group) of one system."""
    to_truth = distance(system, TRUTH)
    yield f"FAD {name}", to_truth
    if has_random:
        to_random, apart = distance(system, RANDOM), distance(TRUTH, RANDOM)
        yield f"APA {name}", frechet.adherence(to_truth, to_random, apart, scale)
    if has_random and system not in (TRUTH, RANDOM):
        yield f"FAD {name}{ABOVE}", to_truth - distance(RANDOM, TRUTH)


def _infinity(real, items, seed):
    """FAD-infinity and a note; NaN where the items are too few to leave any out."""
    try:
        found = frechet.fad_infinity(real, items, seed)
    except ValueError as reason:
        return np.nan, str(reason)
    return found["value"], f"r2 {found['r2']:.2f}"


def _range(metric):
    """What a metric's values can be."""
    return (-np.inf, np.inf) if metric.endswith(ABOVE) else (0, 1 if metric.startswith("APA") else np.inf)


def empty_rows(systems: Sequence[str], name: str, reason: str) -> pd.DataFrame:
    """The cells of an embedder that is not here: no values, and the reason in the note."""
    kinds = (("FAD", "lower"), ("APA", "higher"))
    rows = [(s, f"{kind} {name}", np.nan, np.nan, np.nan, 0, better, reason) for s in systems for kind, better in kinds]
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


def main_metrics(table: pd.DataFrame) -> list[str]:
    """The metrics that rank systems, in the table's order: not the calibrated scores, FAD-infinity and differences."""
    extra = (PERCENTILE, ABOVE)
    return [m for m in dict.fromkeys(table["metric"]) if not (m.startswith("FAD-inf") or m.endswith(extra))]


def agreement(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How metrics rank the systems, and how far they agree. Ground Truth is left out: FADs know it by definition.

    Returns:
        (ranks: system x metric, 1 is best; tidy agreement: metric, with, kendall, spearman, n systems). A metric
        without a value for every system is left out.
    """
    from scipy.stats import kendalltau, spearmanr

    table = table[table["metric"].isin(main_metrics(table)) & (table["system"] != TRUTH) & table["value"].notna()]
    values = table.pivot(index="system", columns="metric", values="value")
    values = values.loc[list(dict.fromkeys(table["system"])), list(dict.fromkeys(table["metric"]))].dropna(axis=1)
    sign = table.drop_duplicates("metric").set_index("metric")["better"].map({"higher": 1.0, "lower": -1.0})
    values *= sign[values.columns]
    rows = []
    for a, b in combinations(values, 2) if len(values) > 1 else ():
        tau, rho = kendalltau(values[a], values[b]).statistic, spearmanr(values[a], values[b]).statistic
        rows.append((a, b, tau, rho, len(values)))
    return values.rank(ascending=False), pd.DataFrame(rows, columns=["metric", "with", "kendall", "spearman", "n"])


def wide(table: pd.DataFrame, metrics: Sequence[str] | None = None, digits: int = 3) -> pd.DataFrame:
    """The table as people read it: a row per system, a column per metric, "value [low, high]", "" where empty."""

    def short(x):
        return f"{x:.{digits}g}" if abs(x) < 1000 else f"{x:.0f}"

    def cell(row):
        if not np.isfinite(row.value):
            return ""
        return short(row.value) + (f" [{short(row.low)}, {short(row.high)}]" if np.isfinite(row.low) else "")

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
