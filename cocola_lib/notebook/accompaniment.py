"""Sentences and tables of notebook 04: what Table III says in words, made of the numbers that were measured."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from cocola_lib.accompaniment import accompanist, comparisons, items, musical, table3
from cocola_lib.accompaniment.beats import open_tracker
from cocola_lib.accompaniment.measure import Trial
from cocola_lib.data import paper
from cocola_lib.data.stems import Track
from cocola_lib.notebook.sentences import score
from cocola_lib.notebook.shown import Table
from cocola_lib.notebook.titles import titles

LISTENER = "Accompanist"
WHO = {"COCOLA": "COCOLA (P+H)", "control": "the control (chroma and onsets)"}
PANELS = {  # caption -> the kind of metrics in it
    "COCOLA Score, raw and calibrated; higher is more coherent": "COCOLA ",
    "Control without learning, raw and calibrated; higher is more coherent": "control",
    "Beats of the answer on those of the conditioning, within 70 ms; 1 is all": "Beat F1",
    "Keys, steps on the circle of fifths; lower is nearer": "key ",
    "Chords that fit, share of half seconds; 0.17 is chance": "chord ",
    "Frechet distance of mixes (sub-FAD) and of stems; lower is nearer to real ones": "FAD ",
    "Kernel distance of mixes and of stems, for few clips; lower is nearer to real ones": "KAD ",
    "Density of mixes and of stems: how deep among real ones; 1 is theirs": "density ",
    "Coverage of mixes and of stems: how many real ones have a neighbour; 1 is all": "coverage ",
    "APA: 1 fits its conditioning, 0 is a stranger": "APA",
}
EXTRA = ("of stems, ", "density ", "coverage ")  # columns that repeat others: not in the figure of agreement


def asked(trial: Trial) -> str:
    """How many questions there are, of what, and the trial's notes."""
    data = [track.split("/")[0] for track in trial.tracks]
    parts = ", ".join(f"{data.count(name)} of {name}" for name in dict.fromkeys(data))
    return " ".join(
        [
            f"{len(trial.ids)} questions of {trial.cut_s:.1f} s from {len(set(trial.tracks))} tracks: {parts}.",
            f"The stems that are asked for: {', '.join(sorted(set(trial.classes)))}.",
            *trial.notes,
        ]
    )


def named(trial: Trial, tracks: Sequence[Track]) -> Trial:
    """The trial with titles in place of the ids of tracks; what a folder's manifest calls otherwise stays as it is."""
    called = titles(tracks)
    return replace(trial, tracks=[called.get(track, track) for track in trial.tracks])


def what_it_heard(trial: Trial) -> Table:
    """The Accompanist's tempo, key and chords for the first question of each data set."""
    rows = {}
    for track, clip, stem in zip(trial.tracks, trial.conditionings, trial.classes, strict=True):
        if (data := track.split("/")[0]) not in rows:
            heard = accompanist.listen(trial.read(clip))
            rows[data] = {"track": track, "asked for": stem, "it plays": accompanist.role_of(stem)}
            rows[data]["what the Accompanist heard"] = heard.description
    return Table(pd.DataFrame(rows.values()), "Estimated from the sound of the conditioning alone")


def panels(table: pd.DataFrame) -> Iterator[Table]:
    """Table III in panels of one kind of metric each, ready to be shown; FAD-infinity and differences are left out.

    Args:
        table: our rows and the paper's, see `table3.COLUMNS`.
    """
    for caption, kind in PANELS.items():
        rows = table[table["metric"].str.startswith(kind)]
        rows = rows[~rows["metric"].map(lambda m: table3.is_extra(m, table3.INFINITY, table3.ABOVE))]
        known = rows["value"].notna().any()
        caption += (
            " [95 % interval over tracks]" if known else ": not measured, there are too few clips or no embedding"
        )
        yield Table(table3.wide(rows), caption)


def flagged(checks: pd.DataFrame) -> Table:
    """How many answers of each system are flagged, from `items.check_items`."""
    caption = "Flagged answers; medians of the level relative to the conditioning, of silence and of |correlation|"
    return Table(items.count(checks), caption)


def beats_and_chords(trial: Trial) -> tuple[pd.DataFrame, str]:
    """The scores of `musical.musical_scores`, and on how many items the beat tracker failed."""
    scores = musical.musical_scores(trial, open_tracker())
    said = musical.failures(scores)
    return scores, "\n".join(f"- {line}" for line in said) or "The tracker found beats on both sides of every item."


def means(scores: pd.DataFrame, music: pd.DataFrame, checks: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every column that is a mean of scores, as rows of the table: a note says where flagged answers are among them."""
    both = pd.concat([scores, music], ignore_index=True)
    table = items.note_flagged(table3.summarise(both, seed), both, checks)
    return pd.concat([table, comparisons.common_scale(scores, seed)], ignore_index=True)


def distinct(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of columns that say something of their own, for a figure that compares columns."""
    return table[~table["metric"].map(lambda metric: any(part in metric for part in EXTRA))]


def placed(between: pd.DataFrame) -> Table:
    """The table of `table3.between` for several metrics, with a verdict per data set."""
    shown = between[["metric", "data", "n", "tracks", table3.RANDOM, LISTENER, table3.TRUTH]].copy()
    for step, title in {"above": "above Random by", "below": "below Ground Truth by"}.items():
        shown[title] = [score(*row) for row in between[[step, f"{step}_low", f"{step}_high"]].to_numpy()]
    verdict = {(True, True): "between, clearly", (True, False): "between"}
    pairs = zip(between["between"], between["clearly"], strict=True)
    shown["verdict"] = [verdict.get(pair, "NOT between") for pair in pairs]
    caption = "Means, and paired steps [95 % interval over tracks]; clearly: both intervals lie above 0"
    return Table(shown, caption)


def place(between: pd.DataFrame, metric: str) -> str:
    """On how many data sets a metric puts the Accompanist between Random and Ground Truth, and where it does not."""
    rows = between[between["metric"] == metric]
    if rows.empty:
        return f"{WHO[metric]} cannot place the Accompanist: it is silent, or one of its neighbours is"
    wrong = [
        f"on {r.data} it is {'no better than Random' if r.above <= 0 else 'no worse than Ground Truth'}"
        for r in rows[~rows["between"]].itertuples()
    ]
    where = f"on {rows['between'].sum()} of {len(rows)} data sets (clearly on {rows['clearly'].sum()})"
    return f"{WHO[metric]} puts the Accompanist between Random and Ground Truth {'; '.join([where, *wrong])}"


def agree(ranks: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """How far COCOLA's rankings agree with the control's and with those of the distances."""

    def mean(kind: str) -> str:
        rows = agreement[agreement["metric"].str.startswith("COCOLA") & agreement["with"].str.startswith(kind)]
        return f"{rows['kendall'].mean():.2f}" if len(rows) else "no value (nothing was measured)"

    return (
        f"Over {len(ranks)} systems, the mean tau of COCOLA's rankings and the control's is {mean('control')}; that "
        f"of COCOLA's and the Frechet distances' is {mean('FAD')}. With so few systems, tau can take few values."
    )


def favours(table: pd.DataFrame, coherent: pd.Series) -> str:
    """Which systems a distance puts behind Random, in the paper's table and in ours, and which COCOLA does.

    Args:
        table: our rows. coherent: the mean COCOLA Score (P+H) per system.
    """
    printed = paper.accompaniment().query("system != 'Ground Truth'").set_index("system")
    fads, sets = [m for m in printed if m.startswith("FAD")], dict(list(printed.groupby("data")))
    best = sum(rows[m].astype(float).idxmin() == table3.RANDOM for rows in sets.values() for m in fads)
    worst = sum(rows["P+H"].astype(float).idxmin() == table3.RANDOM for rows in sets.values())
    above = table[table["metric"].str.endswith(table3.ABOVE)]
    said = [
        f"{metric.removesuffix(table3.ABOVE)} puts Random before {_names(rows.loc[rows['value'] > 0, 'system'])}"
        for metric, rows in above.groupby("metric", sort=False)
    ]
    said.append(f"COCOLA (P+H) puts Random before {_names(coherent.index[coherent < coherent[table3.RANDOM]])}")
    return (
        f"in the paper's table, Random has the lowest FAD of all systems in {best} of {len(fads) * len(sets)} columns, "
        f"and the lowest COCOLA Score (P+H) in {worst} of {len(sets)}. Here, {'; '.join(said)}"
    )


def _names(systems) -> str:
    return ", ".join(systems) or "no system"
