"""Sentences and tables of notebook 08: the open questions answered in words, made of the numbers that were measured."""

import numpy as np
import pandas as pd

from cocola_lib.classification.genres import ASKED, EVERYTHING, GENRES, OTHER_SOUNDS, PERCUSSION
from cocola_lib.features import MODE_LABELS
from cocola_lib.hearing import edges
from cocola_lib.hearing.repeats import LOOP, OTHER_BARS, PARTNER, STRANGER
from cocola_lib.notebook.sentences import percent, score
from cocola_lib.notebook.shown import Table

ENDS = ["accuracy", "low", "high"]
TRAINING = {  # profile -> batches of K pairs that there are, rounds through them, seeds
    "smoke": {"k": 6, "n_batches": 2, "n_pairs": 24, "seeds": [0]},
    "quick": {"k": 24, "n_batches": 10, "n_pairs": 1200, "seeds": [0, 1, 2]},
    "full": {"k": 24, "n_batches": 200, "n_pairs": 48_000, "seeds": [0, 1, 2]},
}


def verdict(low: float, high: float, middle: float, above: str, below: str, between: str) -> str:
    """One of three words for an interval: all above, all below, or across the middle."""
    return above if low > middle else below if high < middle else between


def points(value: float, low: float, high: float, digits: int = 0) -> str:
    """A difference of shares in points, with its interval: "+3 points [-11, 15]"."""
    shown = [round(100 * x, digits) + 0.0 for x in (value, low, high)]  # no minus zero
    return f"{shown[0]:+.{digits}f} points [{shown[1]:.{digits}f}, {shown[2]:.{digits}f}]"


def percents(rows: pd.DataFrame, columns=ENDS) -> list[str]:
    """A value and its interval in %, row by row."""
    return [percent(*row) for row in rows[list(columns)].to_numpy()]


def what_is_here(tests: dict, trained: pd.DataFrame) -> str:
    """Which groups there are to test on, and which could not be trained on."""
    sizes = ", ".join(
        f"{name} ({len(pool.groups)} pairs of {len(set(pool.groups))} songs)" for name, pool in tests.items()
    )
    missing = [name for name in (*GENRES, PERCUSSION, OTHER_SOUNDS) if name not in tests]
    none = f" Too few songs here for a test: {', '.join(missing)}." if missing else ""
    return f"Tested on {sizes}.{none} Trained on {', '.join(dict.fromkeys(trained['heard']))}."


def genres(found: pd.DataFrame) -> str:
    """Does what is heard in training have to be what is asked? At home, away, and what "everything" does."""
    own = found[found["heard"] == found["test"]].set_index("test")
    lines = []
    for test in [name for name in ASKED if name in set(found["test"])]:
        rows = found[found["test"] == test]
        best = rows.loc[rows["accuracy"].idxmax()]
        said = f"- *{test}*: best after **{best['heard']}**, {percent(*best[ENDS])}"
        if test in own.index:
            said += f"; after its own kind {percent(*own.loc[test, ENDS])}"
        broad = rows[rows["heard"] == EVERYTHING]
        if len(broad):
            said += f"; after everything {percent(*broad.iloc[0][ENDS])}"
        lines.append(said + ".")
    return "\n".join(lines)


def at_home(found: pd.DataFrame) -> str:
    """How often models of one kind of music are right on that kind, and on the other kinds: a clause."""
    narrow = found[(found["heard"] != EVERYTHING) & found["test"].isin(found["heard"])]
    home = narrow["heard"] == narrow["test"]
    if home.all() or not home.any():
        return "fewer than two kinds of music are both heard and asked here"
    own, other = (narrow[which]["accuracy"].mean() for which in (home, ~home))
    return f"models of one kind of music are right in {own:.0%} at home and in {other:.0%} away"


def families(rows: pd.DataFrame) -> Table:
    """Partners found where one class of stems is alone on a side, K = 2: a row per class, a column per metric."""
    kept = rows[rows["rivals"].str.contains("alone on a side|^strangers$") & (rows["k"] == 2)]
    kept = kept[~kept["rater"].str.contains(" - ")]
    kept = kept.assign(cell=percents(kept, ["value", "low", "high"]))
    kept = kept.assign(alone=kept["rivals"].str.replace("strangers, ", "").replace("strangers", "all pairs"))
    wide = kept.pivot(index=["test", "alone", "n_pairs", "n_pieces"], columns="rater", values="cell")
    order = kept[["test", "alone", "n_pairs", "n_pieces"]].drop_duplicates()
    return Table(
        wide.loc[pd.MultiIndex.from_frame(order)], "K = 2, other songs as rivals [95 % over songs]", missing="-"
    )


def overlap(counted: pd.DataFrame, answered: pd.DataFrame) -> str:
    """What r lets in, and what training with it changes."""
    last = counted[counted["r"] == counted["r"].max()].set_index("batch")
    lets = "; ".join(
        f"in batches of {b} {row.same_song:.1%}, {row.overlapping:.1%} overlap" for b, row in last.iterrows()
    )
    lines = [f"At r = {counted['r'].max():g}, the share of an anchor's rivals that are of its own song: {lets}."]
    for rivals, rows in answered.groupby("rivals", sort=False):
        cells = ", ".join(f"r = {r:g}: {text}" for r, text in zip(rows["max_overlap"], percents(rows), strict=True))
        lines.append(f"Against *{rivals}*: {cells}.")
        ahead = rows.dropna(subset=["ahead"]).iloc[0]
        word = verdict(ahead["ahead_low"], ahead["ahead_high"], 0, "better", "worse", "not told apart from")
        against = "" if word.startswith("not") else " than"
        lines.append(
            f"The largest r is **{word}**{against} r = {rows['max_overlap'].min():g} there: "
            f"{points(*ahead[['ahead', 'ahead_low', 'ahead_high']])}."
        )
    return "\n\n".join(lines)


def concerned(counted: pd.DataFrame) -> str:
    """How far r can matter: how many rivals overlap at all in batches of any songs, from `overlap.count`."""
    share = counted[counted["batch"] == "any songs"]["overlapping"].max()
    if share > 0.1:
        return (
            f"these songs are so few that up to {share:.0%} of the rivals overlap in batches of any songs; with many "
            "songs hardly any do."
        )
    return (
        "in batches of any songs, r hardly matters, whatever the accuracy: so few rivals are concerned. The batches "
        "of few songs are a worst case, as in a small data set."
    )


def false_negatives(means: pd.DataFrame) -> str:
    """Where a repeated bar lies between the own window and another song, with P+H."""
    lines = []
    for rater, rows in means[means["mode"] == "both"].groupby("rater", sort=False):
        mean = rows.set_index("relation")
        share = {
            name: (mean.loc[name, "mean"] - mean.loc[STRANGER, "mean"])
            / (mean.loc[PARTNER, "mean"] - mean.loc[STRANGER, "mean"])
            for name in (LOOP, OTHER_BARS)
        }
        said = "; ".join(f"{name} {score(*mean.loc[name, ['mean', 'low', 'high']])}" for name in mean.index)
        lines.append(
            f"- {rater}: {said}. On the way from another song (0 %) to the own window (100 %), the same music one loop "
            f"later lies at **{share[LOOP]:.0%}**, other bars of the song at {share[OTHER_BARS]:.0%}."
        )
    return "\n".join(lines)


def edge_cases(judged: pd.DataFrame, metric: str) -> str:
    """How many of the known orders a metric keeps, and whether each channel catches what it is for."""
    rows = judged[judged["rater"] == metric]
    both = rows[rows["mode"] == "both"]
    kept, lost = both[both["low"] > 0.5], both[both["high"] < 0.5]
    lines = [
        f"{metric}, P+H: the known order holds in {len(kept)} of {len(both)} cases with the whole interval above 50 %"
    ]
    lines[0] += f", and is reversed in {len(lost)}." if len(lost) else ", and is reversed in none."
    for mode, other in (("harmonic", "percussive"), ("percussive", "harmonic")):
        own = rows[(rows["mode"] == mode) & (rows["channel"] == mode)]
        theirs = rows[(rows["mode"] == other) & (rows["channel"] == mode)]
        lines.append(
            f"What {MODE_LABELS[mode]} should hear, it hears in {own['mean'].mean():.0%} of the comparisons "
            f"(the other channel, {MODE_LABELS[other]}: {theirs['mean'].mean():.0%})."
        )
    return " ".join(lines)


def channel_table(found: pd.DataFrame) -> Table:
    """Overall, harmony and rhythm for every set of channels and mode, as a table."""
    rows = found.assign(cell=percents(found), mode=found["mode"].map(MODE_LABELS))
    wide = rows.pivot(index=["channels", "mode"], columns="test", values="cell")
    order = rows[["channels", "mode"]].drop_duplicates()
    columns = list(dict.fromkeys(rows["test"]))
    return Table(wide.loc[pd.MultiIndex.from_frame(order), columns], "Shares [95 % over seeds and songs]", missing="-")


def channels(found: pd.DataFrame) -> str:
    """Does HPS help, overall, in harmony and in rhythm? The models with both channels against mel."""
    lines, both = [], found[found["mode"] == "both"]
    for row in both[both["channels"] != "mel"].itertuples():
        low, high = -row.ahead_high, -row.ahead_low
        word = verdict(low, high, 0, "better than", "worse than", "not told apart from")
        lines.append(f"- {row.test}: *{row.channels}* is **{word}** mel, {points(-row.ahead, low, high)}.")
    return "\n".join(lines)


def stems(counted: pd.DataFrame, metric: str) -> str:
    """What more stems on either side add."""
    rows = counted[counted["model"] == metric].set_index(["stems_anchor", "stems_positive"])
    one, wide, tall = ((1, 1), (1, 3), (3, 1))
    texts = [percent(*rows.loc[key, ENDS]) for key in (one, wide, tall) if key in rows.index]
    if len(texts) < 3:
        return f"{metric}: no window has four stems here."
    return f"{metric}: one stem against one {texts[0]}, one against three {texts[1]}, three against one {texts[2]}."


def bias(before: pd.DataFrame, differences: pd.DataFrame, labels: dict[str, str]) -> str:
    """Which slopes leave 0 out, the steepest, and what correcting them is worth."""
    lines = []
    for rater, rows in before.groupby("rater", sort=False):
        sure = rows[(rows["low"] > 0) | (rows["high"] < 0)]
        steep = rows.loc[rows["slope"].abs().idxmax()]
        gain = differences[differences["rater"] == rater]
        gain = gain.loc[gain["k"].idxmax()] if len(gain) else None
        told = (
            f"; corrected, accuracy changes by {points(*gain[['difference', 'low', 'high']], 1)} at K = {gain['k']:.0f}"
            if gain is not None
            else ""
        )
        lines.append(
            f"- {rater}: {len(sure)} of {len(rows)} slopes leave 0 out; the steepest is {labels[steep['quantity']]} of "
            f"the {steep['side']}, {steep['slope']:+.2f} [{steep['low']:.2f}, {steep['high']:.2f}]{told}."
        )
    return "\n".join(lines)


def examples(sets: list, answered: pd.DataFrame) -> tuple[dict, dict]:
    """Clips and captions for players: the first pair that has a mash-up, and what became of its accompaniment."""
    item = next((i for i, (_, clips) in enumerate(sets) if edges.MASHUP in clips), 0)
    probe, clips = sets[item]
    rows = answered[(answered["item"] == item) & (answered["mode"] == "both")].set_index("accompaniment")["score"]
    wanted = (edges.AS_WRITTEN, edges.MASHUP, "noise in rhythm", "drone in key", "tonal line", "grains shuffled")
    names = [name for name in wanted if name in clips]
    heard = {name: probe.anchor + np.asarray(clips[name]) for name in names}
    return heard, {name: f"score {rows[name]:.2f}" for name in names}


def summary(genre, trained, judged, hps, by_stems, before, worth) -> str:
    """The answers in a list, each with its interval."""
    narrow = genre[(genre["heard"] != EVERYTHING) & genre["test"].isin(genre["heard"])]
    wins = sum(
        rows.loc[rows["accuracy"].idxmax(), "heard"] == test for test, rows in narrow.groupby("test", sort=False)
    )
    r = trained[trained["rivals"] == "strangers"]
    mash = judged[(judged["rater"] == "COCOLA") & (judged["mode"] == "both") & (judged["better"] == edges.AS_WRITTEN)]
    partner = hps[(hps["mode"] == "both") & (hps["test"] == "partner, K = 2")].set_index("channels")
    lines = [
        f"Genre: in {wins} of {narrow['test'].nunique()} kinds of music, the best model of one kind is the one that "
        "heard it."
        if len(narrow)
        else f"Genre: {at_home(genre)}.",
        "Overlap: "
        + ", ".join(f"r = {x:g} {text}" for x, text in zip(r["max_overlap"], percents(r), strict=True))
        + " against strangers.",
        "Edge cases: the part as written wins "
        + "; ".join(
            f"against *{w}* in {t}" for w, t in zip(mash["worse"], percents(mash, ["mean", "low", "high"]), strict=True)
        )
        + ".",
        "Channels: " + ", ".join(f"{name} {percent(*partner.loc[name, ENDS])}" for name in partner.index) + ".",
        f"Stems: {stems(by_stems, 'COCOLA')}",
        f"Bias: of {len(before)} slopes, {((before['low'] > 0) | (before['high'] < 0)).sum()} leave 0 out; "
        f"correcting changes accuracy by {100 * worth['difference'].min():+.1f} to "
        f"{100 * worth['difference'].max():+.1f} points.",
    ]
    return "\n".join(f"- {line}" for line in lines)
