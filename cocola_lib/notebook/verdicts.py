"""Sentences and small tables of notebook 03: what accuracies, differences and mistakes say in words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.classification import pair_lists
from cocola_lib.classification.lineup import CONTROL, Entrant
from cocola_lib.data.audio import match_levels
from cocola_lib.data.stem_classes import class_of_mix
from cocola_lib.features import MODE_LABELS
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.sentences import percent
from cocola_lib.notebook.shown import Table
from cocola_lib.sampling import PairSpec


def frozen(lists: dict[str, Sequence[PairSpec]]) -> Table:
    """The frozen lists as a table: how many pairs (the largest K), of how many tracks, and the list's fingerprint."""
    rows = [
        {"test set": name, "pairs": len(specs), "tracks": len({s.track_id for s in specs})}
        | {"fingerprint": pair_lists.fingerprint(specs)}
        for name, specs in lists.items()
    ]
    return Table(pd.DataFrame(rows), "The number of pairs is the largest possible K.")


def line_up(entrants: Sequence[Entrant]) -> Table:
    """The line-up as a table: each row of Table I, what it is, and how to get it where it is not here."""
    rows = [{"row": e.name, "what": e.about, "where": e.missing or "here"} for e in entrants]
    return Table(pd.DataFrame(rows), "The line-up, and how to get what is not here")


def drawn(shares: Sequence[float], exact: float, k: int) -> str:
    """How close the mean over drawn batches comes to the closed form of Eq. 4.

    Args:
        shares: per batch of K windows, the share of anchors that find their own positive.
        exact: the average over all batches.
    """
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    return (
        f"K = {k}: the mean over {len(shares):,} drawn batches is {100 * mean:.2f} %, the closed form gives "
        f"{100 * exact:.2f} %. The difference is {100 * (mean - exact):+.2f} points; the drawing alone explains about "
        f"±{196 * error:.2f} points (95 %)."
    )


def contrasts(differences: pd.DataFrame, k: int = 2) -> list[str]:
    """One sentence per pair of models: on which test sets the difference excludes 0.

    Args:
        differences: from `answers.paired`, of any number of pairs of models.
    """
    said = []
    for (a, b), rows in differences[differences["k"] == k].groupby(["a", "b"], sort=False):
        up, down = rows["low"] > 0, rows["high"] < 0
        parts = [("above", up), ("below", down), ("not clearly different", ~(up | down))]
        words = [f"**{word}** on {', '.join(rows['test_set'][where])}" for word, where in parts if where.any()]
        said.append(f"{a} against {b}, K = {k}: {'; '.join(words)}.")
    return said


def more_songs(songs: pd.DataFrame, outside: pd.DataFrame, ks: Sequence[int]) -> pd.DataFrame:
    """A bundled model minus the control on more songs than the test sets have, as the workshop measured them.

    Args:
        songs, outside: `songs.csv` and `outside.csv` beside the weights.
        ks: of Eq. 4.

    Returns:
        Tidy: test_set (and what it holds), k, difference, low, high (95 % over tunes), checkpoint.
    """
    largest = songs.groupby("test_set")[["n_tracks", "n_songs", "n_known", "n_tunes"]].transform("max")
    holds = [
        f"{played} performances of {n} songs ({known} known) on {tunes} tunes" if tunes < played else f"{n} more songs"
        for played, n, known, tunes in largest.to_numpy()
    ]
    songs = songs.assign(test_set=[f"{name}, {held}" for name, held in zip(songs["test_set"], holds, strict=True)])
    outside = outside.assign(test_set=[f"music from outside, {n} excerpts" for n in outside["n"]])
    both = pd.concat([songs, outside]).rename(columns={"value": "difference"})
    both = both[(both["rater"] == f"model - {CONTROL}") & both["k"].isin(ks)]
    return both[["test_set", "k", "difference", "low", "high", "checkpoint"]].reset_index(drop=True)


def grid(accuracy: pd.DataFrame, caption: str, k: int = 2) -> Table:
    """Accuracies with their intervals as a table: a row per model, a column per test set.

    Args:
        accuracy: from `answers.accuracy`, of one mode.
    """
    rows = accuracy[accuracy["k"] == k]
    cells = rows.assign(text=[percent(*row) for row in rows[["accuracy", "low", "high"]].to_numpy()])
    table = cells.pivot(index="model", columns="test_set", values="text")
    order = [list(dict.fromkeys(rows[column])) for column in ("model", "test_set")]
    return Table(table.loc[order[0], order[1]], caption)


def mistakes(rates: pd.DataFrame, by_class: pd.DataFrame, model: str) -> str:
    """Which pairs of classes a model mistakes most often, and whether it goes by the class.

    Args:
        rates: `answers.mistake_rates` by model, true and rival; only pairs of classes in three tracks or more count.
        by_class: the same by model and classes ("same class", "another class").
    """
    often = rates[(rates["model"] == model) & (rates["n_tracks"] >= 3) & (rates["rate"] > 0)].nlargest(3, "rate")
    named = "; ".join(f"{r.rival} instead of {r.true} ({_whole(r.rate)} of {r.n})" for r in often.itertuples())
    said = f"**{model}** mistakes most often: {named or 'no pair of classes that occurs in three tracks'}."
    own = by_class[by_class["model"] == model].set_index("classes")
    shares = {name: percent(*own.loc[name, ["rate", "low", "high"]]) for name in own.index}
    if len(own) < 2:
        return said
    said += f" Rivals of the true partner's class win {shares['same class']} of their comparisons, "
    said += f"rivals of another class {shares['another class']}: "
    by_sound = own.low["same class"] > own.high["another class"]
    return said + ("it goes by the class to some degree." if by_sound else "no sign that it goes by the class.")


def stems(by_stems: pd.DataFrame, model: str) -> str:
    """Accuracy with one stem on each side against more stems, all test sets pooled. From `answers.by_stems`, K = 2."""
    mine = by_stems[by_stems["model"] == model]
    alone = (mine["stems_anchor"] == 1) & (mine["stems_positive"] == 1)
    said = [
        f"{_whole(np.average(rows['accuracy'], weights=rows['n_pairs']))} {label} ({rows['n_pairs'].sum()} pairs)"
        for label, rows in (("with one stem on each side", mine[alone]), ("with more", mine[~alone]))
        if len(rows)
    ]
    return f"{model} at K = 2, test sets pooled: {', '.join(said)}."


def hear(
    anchor: int, rival: int, clips, specs: Sequence[PairSpec], matrix: np.ndarray, called: dict[str, str]
) -> Players:
    """An anchor with its true partner and with a rival, as players with their scores.

    Args:
        anchor, rival: rows of the list, from `answers.worst_mistake`.
        clips: anchors and positives of the list, from `pair_lists.sides`.
        specs: the list. matrix: (n, n) its scores. called: track id -> title.
    """
    sounds = match_levels([clips[0][anchor], clips[1][anchor], clips[1][rival]])
    kinds = [class_of_mix(specs[i].positive) for i in (anchor, rival)]
    labels = [f"with its partner ({kinds[0]})", f"with the rival ({kinds[1]})"]
    return Players(
        {"the anchor": sounds[0], labels[0]: sounds[0] + sounds[1], labels[1]: sounds[0] + sounds[2]},
        {label: f"score {matrix[anchor, i]:.2f}" for label, i in zip(labels, (anchor, rival), strict=True)},
        title=" against ".join(called[specs[i].track_id] for i in (anchor, rival)),
        small=True,
    )


def headline(accuracy: pd.DataFrame, test_set: str, model: str) -> str:
    """The notebook in a sentence: the model and the control on one test set at K = 2."""
    rows = accuracy[(accuracy["mode"] == "both") & (accuracy["test_set"] == test_set) & (accuracy["k"] == 2)]
    rows = rows.set_index("model")[["accuracy", "low", "high"]]
    return f"{test_set}, K = 2: {model} {percent(*rows.loc[model])}, control {percent(*rows.loc[CONTROL])}, chance 50 %"


def hardest(accuracy: pd.DataFrame, test_set: str, model: str) -> str:
    """What each mode of a model reaches on a test set at the largest K, and chance."""
    rows = accuracy[(accuracy["test_set"] == test_set) & (accuracy["model"] == model)]
    rows = rows[rows["k"] == rows["k"].max()]
    shares = ", ".join(f"{_whole(row.accuracy)} with {MODE_LABELS[row.mode]}" for row in rows.itertuples())
    first = rows.iloc[0]
    return f"At K = {first.k_used} on {test_set}, {model} reaches {shares}; chance is {100 * first.chance:.1f} %."


def alone(harmony: pd.DataFrame, test_set: str) -> str:
    """Harmony alone at K = 2 on one test set, row by row; from `answers.accuracy`."""
    rows = harmony[(harmony["test_set"] == test_set) & (harmony["k"] == 2)]
    shares = "; ".join(f"{row.model} {_whole(row.accuracy)}" for row in rows.itertuples())
    return (
        f"Harmony alone, K = 2 on {test_set}: {shares}. The step from the first to the second is what the short window "
        "costs, before anything is learnt."
    )


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"
