"""Table III: systems by metrics, the second half. Functions of stored scores and embeddings alone (`accompaniment`).

Every function returns the same tidy rows (`COLUMNS`): a system, a metric, its value with a 95 % interval, and a note
where the number needs one. `wide` shows them, `agreement` compares how metrics rank the systems. Used by notebook 04.
"""

from collections.abc import Sequence
from itertools import combinations, islice

import numpy as np
import pandas as pd

from cocola_lib.accompaniment import frechet
from cocola_lib.accompaniment.distances import Distances, infinity
from cocola_lib.accompaniment.musical import KEY
from cocola_lib.data import paper
from cocola_lib.evaluation import grouped_means

COLUMNS = ("system", "metric", "value", "low", "high", "n", "better", "note")
TRUTH, RANDOM = "Ground Truth", "Random"
CONTROL = {"P+H": "control, both", "P": "control, onsets", "H": "control, chroma"}
ABOVE = ", above Random"  # a paired difference: positive where a distance prefers strangers to this system
INFINITY = "FAD-inf"
PERCENTILE = ", beats random %"  # calibrated scores: the share of random pairs that score less
SCALE = ", Random 0, Truth 100"  # scores of any checkpoint on one scale, see `comparisons.common_scale`
LOWER = (" ".join(KEY),)  # columns of scores in which less is better


def metric_name(rater: str, mode: str) -> str:
    """The name of a column of scores: "COCOLA P+H", "control, chroma", "key distance"."""
    return CONTROL[mode] if rater == "control" else f"{rater} {mode}"


def summarise(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Means of scores per system with intervals over tracks; silent items are left out.

    Args:
        scores: from `score_answers`. seed: of the bootstrap.
    Returns:
        Tidy: system, metric ("COCOLA P+H", "control, chroma", "COCOLA P+H, beats random %", ...), value, low, high,
        n, better ("higher"), note.
    """
    tables = []
    for (name, mode), found in scores.groupby(["rater", "mode"], sort=False):
        metric = metric_name(name, mode)
        for column, label in (("score", metric), ("percentile", metric + PERCENTILE)):
            if column == "percentile" and found[column].isna().all():
                continue
            means = grouped_means(found, ["system"], column, seed).rename(columns={"mean": "value"})
            note = np.where(
                means["n"] == 0, "silent throughout" if mode in CONTROL else "no item could be measured", ""
            )
            tables.append(means.assign(metric=label, better="lower" if metric in LOWER else "higher", note=note))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def between(
    scores: pd.DataFrame, system: str, metric: str = "COCOLA", mode: str = "P+H", seed: int = 0
) -> pd.DataFrame:
    """Does a system that listens fall between Random and Ground Truth, in every data set?

    Args:
        scores: from `score_answers`, with these three systems; others play no part.
        system: its name.
        metric, mode: which scores.
    Returns:
        A row per data set (the start of `track`): data, n, tracks, the three means, and the two steps on paired items
        with 95 % intervals over tracks (above Random, below Ground Truth); `between` says whether both steps are
        above 0, `clearly` whether both intervals are. No row where one of the three has no score.
    """
    scores = scores[(scores["rater"] == metric) & (scores["mode"] == mode)]
    items = scores.pivot(index=["item", "track"], columns="system", values="score")
    items = items[[RANDOM, system, TRUTH]].dropna().reset_index()
    items["data"] = items["track"].str.split("/").str[0]
    items["above"], items["below"] = items[system] - items[RANDOM], items[TRUTH] - items[system]
    found = items.groupby("data")
    table = found[[RANDOM, system, TRUTH]].mean()
    table.insert(0, "n", found.size())
    table.insert(1, "tracks", found["track"].nunique())
    for step in ("above", "below"):
        means = grouped_means(items, ["data"], step, seed).set_index("data")
        table[[step, f"{step}_low", f"{step}_high"]] = means[["mean", "low", "high"]]
    table["between"] = (table["above"] > 0) & (table["below"] > 0)
    table["clearly"] = (table["above_low"] > 0) & (table["below_low"] > 0)
    return table.rename_axis(columns=None).reset_index()


def wins(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """How often does the true answer score higher than another system's, question by question? Half is chance.

    Args:
        scores: from `score_answers`, with Ground Truth.
    Returns:
        rater, mode, against (a system), truth wins (share of the questions that have both scores; a tie is no win),
        low, high (95 % over tracks).
    """
    keys = ["rater", "mode", "item", "track"]
    true = scores[scores["system"] == TRUTH].set_index(keys)["score"].rename("true")
    rows = scores[scores["system"] != TRUTH].join(true, on=keys).rename(columns={"system": "against"})
    rows["truth wins"] = (rows["true"] > rows["score"]).astype(float).where(rows[["true", "score"]].notna().all(axis=1))
    found = grouped_means(rows, ["rater", "mode", "against"], "truth wins", seed)
    return found.rename(columns={"mean": "truth wins"}).drop(columns="n")


def frechet_table(
    embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], name: str, seed: int = 0, alone: bool = False
) -> pd.DataFrame:
    """Sub-FAD, FAD-infinity and APA per system, against the mixes with the true answers.

    Args:
        embedded: from `embed_mixes`; needs `Ground Truth`, and `Random` for APA.
        tracks: n; the jackknife leaves out one track at a time.
        name: of the embedder.
        seed: of FAD-infinity's orders.
        alone: the FAD and nothing else.
    Returns:
        Rows as `summarise` gives; FAD is better when lower, APA when higher. "FAD ..., above Random" is the paired
        difference: above 0, this FAD prefers the answers of strangers. Where clips are fewer than dimensions,
        covariances are shrunk, and the note says so.
    """
    distances = Distances(embedded, tracks)
    truth = distances.whole[TRUTH]
    notes = [f"{truth.n} embeddings of {truth.dim} dimensions, covariances are shrunk"] if distances.shrunk else []
    notes += [f"silent items are left out: {distances.n_left_out}"] if distances.n_left_out else []
    rows = []
    for system, whole in distances.whole.items():
        for metric, values in islice(_statistics(system, distances, name), 1 if alone else None):
            known = _by_definition(metric, system)
            interval = frechet.jackknife(values[0], values[1:]) if known is None else (np.nan, np.nan)
            low, high = np.clip(interval, *_range(metric))
            note = f"FAD {name}: {'; '.join(notes)}" * bool(notes) if known is None else "by definition"
            value, better = values[0] if known is None else known, "higher" if metric.startswith("APA") else "lower"
            rows.append((system, metric, value, low, high, whole.n, better, note))
        if system != TRUTH and not alone:
            value, note = infinity(truth, distances.items[system], seed)
            rows.append((system, f"{INFINITY} {name}", value, np.nan, np.nan, whole.n, "lower", note))
    return pd.DataFrame(rows, columns=COLUMNS)


def _statistics(system: str, distances: Distances, name: str):
    """(metric, values with all rows and without each group) of one system."""
    to_truth = distances(system, TRUTH)
    yield f"FAD {name}", to_truth
    if RANDOM in distances.whole:
        to_random, apart = distances(system, RANDOM), distances(TRUTH, RANDOM)
        scale = np.trace(distances.whole[TRUTH].covariance)
        yield f"APA {name}", frechet.adherence(to_truth, to_random, apart, scale)
        if system not in (TRUTH, RANDOM):
            yield f"FAD {name}{ABOVE}", to_truth - distances(RANDOM, TRUTH)


def _range(metric):
    """What a metric's values can be."""
    return (-np.inf, np.inf) if metric.endswith(ABOVE) else (0, 1 if metric.startswith("APA") else np.inf)


def empty_rows(systems: Sequence[str], name: str, reason: str) -> pd.DataFrame:
    """The cells of an embedder that is not here: no values, and the reason in the note."""
    cells = [(s, kind, better) for s in systems for kind, better in (("FAD", "lower"), ("APA", "higher"))]
    rows = [(system, f"{kind} {name}", *[np.nan] * 3, 0, better, reason) for system, kind, better in cells]
    return pd.DataFrame(rows, columns=COLUMNS)


def paper_rows(systems: Sequence[str] = ()) -> pd.DataFrame:
    """The paper's Table III in the same form; `note` says whose numbers they are, and which `systems` are here too."""
    wide = paper.accompaniment()
    tidy = wide.melt(["data", "system"], var_name="metric").dropna()
    tidy["better"] = np.where(tidy["metric"].str.startswith("FAD"), "lower", "higher")
    tidy["metric"] = tidy["metric"].where(tidy["metric"].str.startswith("FAD"), "COCOLA " + tidy["metric"])
    tidy["note"] = "the paper's, " + tidy["data"] + tidy["system"].map(lambda s: "; also here" if s in systems else "")
    tidy["system"] = tidy["system"] + " (the paper's, " + tidy["data"] + ")"
    return tidy.assign(low=np.nan, high=np.nan, n=0)[list(COLUMNS)]


def is_extra(metric: str, *kinds: str) -> bool:
    """Whether a metric is of one of these kinds: `INFINITY`, `ABOVE`, `PERCENTILE`, `SCALE`; of any without `kinds`."""
    return any(metric.startswith(x) or metric.endswith(x) for x in kinds or (INFINITY, ABOVE, PERCENTILE, SCALE))


def agreement(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How metrics rank the systems, and how far they agree. Ground Truth is left out: FADs know it by definition.

    Returns:
        (ranks: system x metric, 1 is best; tidy agreement: metric, with, kendall, spearman, n systems). A system that
        a metric cannot score, as it is silent, ranks last there; a metric without any value is left out, and so are
        calibrated scores, FAD-infinity and differences.
    """
    from scipy.stats import kendalltau

    table = table[~table["metric"].map(is_extra) & (table["system"] != TRUTH)]
    sign = table["better"].map({"higher": 1.0, "lower": -1.0})
    values = table.assign(value=sign * table["value"]).pivot(index="system", columns="metric", values="value")
    values = values.loc[list(dict.fromkeys(table["system"])), list(dict.fromkeys(table["metric"]))]
    ranks = values.dropna(axis=1, how="all").rank(ascending=False, na_option="bottom")
    rows, rho = [], ranks.corr("spearman")  # NaN, without a warning, where a metric gives all one rank
    for a, b in combinations(ranks, 2) if len(ranks) > 1 else ():
        rows.append((a, b, kendalltau(ranks[a], ranks[b]).statistic, rho.loc[a, b], len(ranks)))
    return ranks, pd.DataFrame(rows, columns=["metric", "with", "kendall", "spearman", "n"])


def remarks(table: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Sentences about what a reader of the table should know: silence, copies, and what could not be measured.

    Args:
        table: rows of `summarise`, `frechet_table` and `empty_rows`. scores: from `score_answers`.
    """
    scores = scores[scores["mode"].isin(CONTROL)]  # drums have no key, and others speak of beats
    share = scores["score"].isna().groupby(scores["system"], sort=False).mean()
    said = [
        f"{system} is silent throughout: it has no score, and ranks last by COCOLA and the control. FAD and APA do not "
        "notice, as its mixes are the conditionings themselves."
        if part == 1
        else f"{system}: {part:.0%} of its scores are missing, as the answer or the conditioning is silent."
        for system, part in share[share > 0].items()
    ]
    scored = table[table["metric"] == "COCOLA P+H"].set_index("system")["value"]
    if above := list(scored.index[scored > scored.get(TRUTH, np.inf)]):
        said.append(
            f"Above Ground Truth by COCOLA (P+H): {', '.join(above)}. A system that repeats its conditioning gets "
            "there, as the row Copy does, and so does any system where the model has learnt nothing."
        )
    fads = table[table["metric"].str.startswith("FAD ") & ~table["note"].isin(["", "by definition"])]
    return said + list(dict.fromkeys(fads["note"] + "."))


def wide(table: pd.DataFrame, metrics: Sequence[str] | None = None, digits: int = 3) -> pd.DataFrame:
    """The table as people read it: a row per system, a column per metric, "value [low, high]", "" where empty."""

    def short(x):
        return f"{x:.{digits}g}" if abs(x) < 1000 else f"{x:.0f}"

    def cell(row):
        if not np.isfinite(row.value):
            return ""
        return short(row.value) + (f" [{short(row.low)}, {short(row.high)}]" if np.isfinite(row.low) else "")

    shown = (
        table.assign(cell=[cell(row) for row in table.itertuples()])
        .pivot(index="system", columns="metric", values="cell")
        .fillna("")
    )
    order = [m for m in (metrics or dict.fromkeys(table["metric"])) if m in shown]
    return shown.loc[list(dict.fromkeys(table["system"])), order]


def _by_definition(metric, system):
    """The values that no measurement is needed for."""
    return {("FAD", TRUTH): 0.0, ("APA", TRUTH): 1.0, ("APA", RANDOM): 0.0}.get((metric.split()[0], system))
