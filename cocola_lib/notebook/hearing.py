"""Sentences and tables of notebook 05: what the score hears in words, made of the numbers that were measured."""

import numpy as np
import pandas as pd

from cocola_lib.features import MODE_LABELS
from cocola_lib.hearing import responses, sameness
from cocola_lib.hearing.probes import CONFLICTS, Probe
from cocola_lib.notebook.sentences import percent, score
from cocola_lib.notebook.shown import Table
from cocola_lib.scoring import BUNDLED

WHO = {"COCOLA": "COCOLA", "control": "The control"}
SAME_INSTRUMENT = "same instrument, another song"
CLAIMS = ("as written is the best", "both wrong is the worst", "a wrong key is worse than a wrong tempo")


def one(table: pd.DataFrame, metric: str, mode: str | None = None, **columns) -> pd.DataFrame:
    """The rows of a table that belong to one metric, one mode, and other columns' values."""
    wanted = {"rater": metric} | ({"mode": mode} if mode else {}) | columns
    return table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])]


def expectations(expected: pd.DataFrame) -> Table:
    """What a musician would expect, as a table: only the rows with a target."""
    shown = expected[expected["target"] != ""]
    shown = shown.assign(
        mode=shown["mode"].replace(MODE_LABELS),
        value=[percent(*row) for row in shown[["value", "low", "high"]].to_numpy()],
        met=shown["met"].map({True: "yes", False: "no"}),
    )
    caption = "COCOLA, on held-out songs [95 % interval over songs]"
    return Table(shown.drop(columns=["low", "high"]), caption)


def by_semitone(expected: pd.DataFrame) -> Table:
    """How often the true pair beats itself transposed, for every distance in semitones and every mode."""
    rows = expected[expected["expectation"].str.startswith("  ")]
    rows = rows.assign(
        mode=rows["mode"].replace(MODE_LABELS), semitones=rows["expectation"].str.split().str[-1].astype(int)
    )
    wide = rows.pivot(index="mode", columns="semitones", values="value").loc[list(dict.fromkeys(rows["mode"]))]
    return Table(wide, "The true pair beats itself transposed by so many semitones, up or down", "{:.0%}")


def outside() -> Table:
    """The stored answers of the bundled model and of the control on music from outside this project's data sets."""
    rows = pd.read_csv(BUNDLED / "responses.csv").dropna(subset=["target"])
    rows["answer"] = [percent(*row) for row in rows[["value", "low", "high"]].to_numpy()]
    rows["mode"] = rows["mode"].replace(MODE_LABELS)
    asked = ["expectation", "mode", "target"]
    wide = rows.pivot(index=asked, columns="rater", values="answer")
    wide = wide.loc[pd.MultiIndex.from_frame(rows[asked].drop_duplicates()), ["model", "control"]]
    return Table(wide, f"Music from outside; model: checkpoint {rows['checkpoint'].iloc[0]}")


def examples(sets: dict[str, list[Probe]], answered: pd.DataFrame) -> tuple[dict, dict]:
    """Clips and captions for players: the first pairs as they are, and with one thing wrong or both.

    Args:
        sets: from `responses.make_sets`. answered: from `responses.respond`, of one metric.
    """
    clips, notes = {}, {}
    for kind, first, wrong in (
        ("pitched", "as written", {("pitch", 1): "a semitone higher", ("pitch", 6): "a tritone higher"}),
        ("any", "another pair, as written", {("delay in beats", 0.5): "an eighth note late"}),
    ):
        probe, rows = sets[kind][0], one(answered[answered["item"] == f"{kind} 0"], "COCOLA", "both")
        clips[first], notes[first] = probe.anchor + probe.truth, f"score {rows['true'].iloc[0]:.2f}"
        for (change, dose), label in wrong.items():
            clips[f"... {label}"] = probe.anchor + probe.changed[change, dose]
            found = rows[(rows["change"] == change) & (rows["dose"] == dose)]["changed"].item()
            notes[f"... {label}"] = f"score {found:.2f}"
    return clips, notes


def conflicts(order: pd.DataFrame, doses: pd.DataFrame, metric: str = "COCOLA") -> str:
    """Does the score rank the conflicts, and does each mode catch its own? Two or three sentences.

    Args:
        order: from `responses.conflict_order`. doses: from `responses.summarise`. metric: a name in them.
    """
    mode, rows = "both", one(order, metric)
    shares = {
        claim: percent(*one(rows, metric, mode, claim=claim)[["mean", "low", "high"]].iloc[0]) for claim in CLAIMS
    }
    cost = one(doses, metric, mode, change="conflict").set_index("dose")["cost"]
    ranked = sorted(CONFLICTS, key=cost.get)
    said = [
        f"{WHO[metric]} (P+H) has the pair as written above all three in {shares[CLAIMS[0]]} of the pairs, and the one "
        f"with both wrong below the other two in {shares[CLAIMS[1]]}. On average, from the cheapest to the dearest: "
        + ", ".join(f"{name} ({cost[name]:.0%})" for name in ranked)
        + "."
    ]
    for mode, own, other in (("harmonic", "key", "tempo"), ("percussive", "tempo", "key")):
        found = one(rows, metric, mode, claim=CLAIMS[2])
        if len(found):
            share, low, high = found[["mean", "low", "high"]].iloc[0]
            share, low, high = (share, low, high) if own == "key" else (1 - share, 1 - high, 1 - low)
            verdict = "catches its own" if low > 0.5 else "misses its own" if high < 0.5 else "is undecided"
            said.append(
                f"Mode {MODE_LABELS[mode]} **{verdict}**: a wrong {own} is worse to it than a wrong {other} in "
                f"{percent(share, low, high)} of the pairs."
            )
    return " ".join(said)


def alike(places: pd.DataFrame) -> Table:
    """Mean scores and wins of the true partner per relation, P+H, as a table with a column per metric."""
    rows = places[places["mode"] == "both"]
    rows = rows.assign(
        mean=[score(*row) for row in rows[["mean", "low", "high"]].to_numpy()],
        wins=[
            "" if np.isnan(row[0]) else percent(*row)
            for row in rows[["truth_wins", "wins_low", "wins_high"]].to_numpy()
        ],
    )
    wide = rows.pivot(index="relation", columns="rater", values=["mean", "wins"])
    wide = wide.reindex([r for r in sameness.RELATIONS if r in wide.index])
    caption = "P+H [95 % interval over songs]; the true partner should win against all but the same part twice"
    return Table(wide.rename(columns={"mean": "mean score", "wins": "the true partner wins"}), caption)


def reaction(answered: pd.DataFrame, metric: str, mode: str, change: str, doses, value: str) -> str:
    """A share of `responses.measure` with its interval, e.g. what an eighth note costs."""
    rows = one(answered, metric, mode, change=change)
    found = responses.measure(rows[rows["dose"].isin(doses)])
    return percent(*(found[value + end] for end in ("", "_low", "_high")))


def findings(answered: pd.DataFrame, places: pd.DataFrame) -> str:
    """What the score reacts to, pitch, time or sameness, as a list."""
    modes = [mode for mode in ("both", "harmonic") if mode in set(one(answered, "COCOLA")["mode"])]
    pitch = ("pitch", responses.SEMITONES, "beaten")
    transposed = ", in ".join(f"{reaction(answered, 'COCOLA', m, *pitch)} with {MODE_LABELS[m]}" for m in modes)
    stranger = one(places, "COCOLA", "both").set_index("relation")
    stranger = stranger.loc[SAME_INSTRUMENT if SAME_INSTRUMENT in stranger.index else "noise"]
    return (
        f"- Pitch: the true pair beats itself transposed in {transposed} (the control with P+H: "
        f"{reaction(answered, 'control', 'both', *pitch)}).\n"
        f"- Time: of the way from a true pair to a random one, 20 ms cost "
        f"{reaction(answered, 'COCOLA', 'both', 'delay', [responses.ROOM_MS], 'cost')}, and an eighth note costs "
        f"{reaction(answered, 'COCOLA', 'both', 'delay in beats', [responses.EIGHTH], 'cost')}.\n"
        f'- Sameness: the true partner wins against "{stranger.name}" in '
        f"{percent(stranger['truth_wins'], stranger['wins_low'], stranger['wins_high'])} of the comparisons."
    )


def easiest(classes: pd.DataFrame, least: int = 4) -> str:
    """Which pair of classes is easiest to judge, and which is hardest.

    Args:
        classes: from `sameness.by_class_pair`. least: true pairs that a cell needs to be named.
    """
    known = classes[classes["n_true"] >= least].sort_values("auc")
    if len(known) < 2:
        return f"No two pairs of classes have {least} true pairs or more: too few to compare."
    (hard, easy), rest = known.iloc[[0, -1]].itertuples(index=False), f"of those with at least {least} true pairs"
    return (
        f"The easiest pair of classes, {rest}, is {easy.a} and {easy.b} ({easy.auc:.0%} of the comparisons with random "
        f"pairs are won), and the hardest is {hard.a} and {hard.b} ({hard.auc:.0%})."
    )
