"""What notebook 07 says and plays: origin, agreement and ceiling in sentences, readable tables, clips of a stimulus."""

import numpy as np
import pandas as pd

from cocola_lib.data import audio, paper
from cocola_lib.listening import agreement, metric_agreement, screening
from cocola_lib.listening.ratings import ListeningTest
from cocola_lib.listening.simulated import assumed
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.sentences import counted, score


def origin(test: ListeningTest, ratings: str | None, n_careless: int) -> str:
    """Who rated: people, a rehearsal, or the listeners that notebook 07 invents where `ratings` is None."""
    if not test.simulated:
        return f"**Ratings of people**, from `{test.source}`."
    if ratings is not None:
        return f"> **SIMULATED listeners, no people**: `{ratings}` comes from a rehearsal of the listening room."
    opinions = ", ".join(f"{name} {assumed(name):g}" for name in dict.fromkeys(test.rated["system"]))
    return (
        f"> **SIMULATED ratings, no people.** Every system has an assumed mean opinion ({opinions}), chosen without "
        f"looking at any score; of {test.rated['listener'].nunique()} listeners, {n_careless} rated at random. What "
        "follows describes these assumptions. It says nothing about people."
    )


def who_rated_what(test: ListeningTest, n_unscored: int) -> str:
    """The size of a listening test, as a paragraph."""
    rated, (lowest, highest) = test.rated, test.scale
    n_people, per_stimulus = rated["listener"].nunique(), rated.groupby(["item", "system"]).size()
    n = {column: rated[column].nunique() for column in ("item", "track", "system")}
    text = (
        f"{counted(n_people, 'listener')} gave {len(rated)} ratings ({lowest:g} to {highest:g}) to {len(per_stimulus)} "
        f"stimuli: {counted(n['item'], 'item')} from {counted(n['track'], 'song')}, answered by "
        f"{counted(n['system'], 'system')}. A stimulus has {per_stimulus.mean():.1f} ratings on average "
        f"({per_stimulus.min()} to {per_stimulus.max()}). Left out: {counted(test.not_rated, 'stimulus', 'stimuli')} "
        f"shown but not rated, and {counted(n_unscored, 'stimulus', 'stimuli')} for which a metric has no score."
    )
    few = "\n\n**Very few listeners:** the intervals below cannot tell how other people would have answered."
    return text + few * (n_people < 5)


def agreement_found(table: pd.DataFrame, alpha: float, ceiling: dict[str, float]) -> str:
    """How far listeners agree, as a paragraph.

    Args:
        table: raters x stimuli; alpha: Krippendorff's, ordinal; ceiling: from `agreement.ceiling`.
    """
    if not np.isfinite(ceiling["item"]):
        why = _why_unknown(ceiling["ratings_per_stimulus"])
        return f"**{why}**, so nothing can be said about their agreement or a ceiling."
    share = {name: max(part, 0.0) for name, part in agreement.variance_components(table).items()}  # below 0 is 0
    stimuli, raters, rest = (_percent(share[k] / sum(share.values())) for k in ("stimuli", "raters", "residual"))
    return (
        f"Of the variance of a rating, {stimuli} comes from the stimulus, {raters} from how strict the rater is, "
        f"and {rest} from everything else. Where conclusions rest on single "
        f"ratings, Krippendorff asks for an alpha of 0.80, or 0.67 for tentative ones; here it is {alpha:.2f}. The "
        f"mean ratings have a reliability of {ceiling['reliability']:.2f}: they are as noisy as means of k = "
        f"{ceiling['ratings_per_stimulus']:.1f} ratings, the harmonic mean of the numbers of ratings of a stimulus."
    )


def main_numbers(joined: pd.DataFrame, metric: str) -> dict[str, float]:
    """What a reader would quote of some ratings.

    Args:
        joined: from `metric_agreement.join`; metric: one of its columns.
    """
    values = agreement.matrix(joined).to_numpy()
    icc = agreement.icc(values)
    r = {name: metric_agreement.Level(joined, [metric], name).estimate()[0, 0] for name in ("item", "within trial")}
    return {
        "raters": joined["listener"].nunique(),
        "ratings": len(joined),
        "alpha, ordinal": agreement.krippendorff_alpha(values, "ordinal"),
        "ICC(2,1)": icc["single"],
        "ICC(2,k)": icc["mean"],
        f"r of {metric}, items": r["item"],
        f"r of {metric}, within trials": r["within trial"],
    }


def before_after(joined: pd.DataFrame, screened: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`main_numbers` of everybody, and without the flagged raters where somebody is left."""
    kept = screening.without_flagged(joined, screened)
    rows = {"everybody": joined} | ({"the flagged left out": kept} if len(kept) else {})
    return pd.DataFrame([{"with": name} | main_numbers(part, metric) for name, part in rows.items()])


def readable(correlations: pd.DataFrame, points: str) -> pd.DataFrame:
    """One level's correlations with their intervals and p-values as text; `points` says what n counts."""
    columns = {"metric": correlations["metric"], points: correlations["n"]}
    for name, label in (("r", "Pearson r"), ("rho", "Spearman rho"), ("tau", "Kendall tau")):
        three = correlations[[name, f"{name}_low", f"{name}_high"]]
        columns[label] = [score(*row) for row in three.itertuples(index=False)]
    for name, label in (("r_p", "p of r"), ("r_holm", "Holm"), ("r_bh", "BH")):
        columns[label] = correlations[name].map(lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}")
    return pd.DataFrame(columns)


def ceiling_found(ceiling: dict[str, float], n_stimuli: int, metric: str, r: float) -> str:
    """The ceiling in sentences, and how near to it a metric comes.

    Args:
        ceiling: from `agreement.ceiling`; n_stimuli: rated by anybody; r: of the metric with mean ratings.
    """
    if not np.isfinite(ceiling["item"]):
        return f"The ceiling is unknown here. {_why_unknown(ceiling['ratings_per_stimulus'])}."
    if ceiling["item"] == 0:
        return "The ratings of one stimulus have nothing in common: the ceiling is 0, and no correlation can be read."
    shared = ceiling["stimuli_split_half"]
    some = f", on the {shared:.0f} stimuli that both halves rated, which have more ratings than the rest"
    halves = (
        f"Halves of the raters give {ceiling['item_split_half']:.2f}{some if shared < n_stimuli - 0.5 else ''}."
        if np.isfinite(ceiling["item_split_half"]) and shared
        else "There are too few shared stimuli for split halves."
    )
    return (
        f"- With k = {ceiling['ratings_per_stimulus']:.1f} ratings per stimulus, no metric can expect more than "
        f"r = **{ceiling['item']:.2f}** with mean ratings, and {ceiling['rating']:.2f} with single ones. {halves}\n"
        f"- On average, one listener correlates with the mean of the others by {ceiling['person']:.2f}.\n"
        f"- {metric} has r = {r:.2f}: {_percent(r / ceiling['item'])} of what is possible here."
    )


def needs_found(needed: dict[str, float], n_stimuli: int, ceiling: dict[str, float]) -> str:
    """What a correlation would need, in two sentences.

    Args:
        needed: from notebook 07; n_stimuli: of this study; ceiling: from `agreement.ceiling`.
    """
    r, power = needed["r"], needed["power_here"]
    stimuli = (
        f"- **Stimuli.** If they were independent, {needed['stimuli_independent']:.0f} would show r = {r} (p < 0.05, "
        f"power 80 %). Here one counts for 1 / {needed['design_effect']:.1f} of an independent one, so it takes "
        f"{needed['stimuli_here']:.0f}, and {needed['stimuli_here_p01']:.0f} for p < 0.01 as in the paper. This study "
        f"has {n_stimuli}: it would show r = {r} with a power of {_percent(min(power, 0.99))}"
        f"{' or more' * (power > 0.99)}, and any r above {needed['smallest_r_here']:.2f} with a power of 80 %.\n"
    )
    perfect, good = (max(1, needed[f"ratings_for_a_{name}"]) for name in ("perfect_metric", "true_r_of_0_8"))
    if not np.isfinite(perfect) or not np.isfinite(ceiling["item"]):
        return stimuli + "- **Ratings.** Listeners' agreement is unknown or nil, and so is what more ratings would do."
    reach = (
        f"so a metric that reaches r = {r} knows {_percent(r / ceiling['item'])} of what can be known"
        if ceiling["item"] > r
        else f"so no metric at all can be expected to reach r = {r}"
    )
    return stimuli + (
        f"- **Ratings.** To reach r = {r}, a perfect metric needs {perfect:.1f} ratings per stimulus, and one with a "
        f"true r of 0.8 needs {good:.1f}. This study has {ceiling['ratings_per_stimulus']:.1f}, {reach}."
    )


def hear_stimulus(row: pd.Series, metric: str) -> Players:
    """The conditioning of a stimulus, and the mix with its answer; a row of `mos.stimuli` whose files are there."""
    given, answer = audio.read(row["conditioning"]), audio.read(row["output"])
    n = min(len(given), len(answer))
    kinder = "kinder" if row["rank_gap"] > 0 else "stricter"
    title = f"{row['system']}, item {row['item']}: the metric is {kinder} than the listeners"
    note = f"MOS {row['mos']:.2f} of {counted(int(row['n']), 'rating')}; {metric} {row['score']:.2f}"
    clips = {"conditioning": given, "with the answer": given[:n] + answer[:n]}
    return Players(clips, {"with the answer": note}, title)


def headline(test: ListeningTest, mine: pd.Series, ceiling: float) -> str:
    """One sentence for the summary of a run; `mine` is the main metric on the level of items."""
    said = "SIMULATED ratings" if test.simulated else counted(test.rated["listener"].nunique(), "listener")
    limit = f"{ceiling:.2f}" if np.isfinite(ceiling) else "not known"
    r = score(mine["r"], mine["r_low"], mine["r_high"])
    return f"{said}: {mine['metric']} r = {r}, ceiling {limit} (the paper, with 41 people: {paper.MOS_PEARSON_R})"


def plain(**results) -> dict:
    """Results as plain values: frames become lists of records."""
    return {
        name: value.to_dict("records") if isinstance(value, pd.DataFrame) else value for name, value in results.items()
    }


def found(
    test: ListeningTest,
    correlations: pd.DataFrame,
    preferences: pd.DataFrame,
    ceiling: float,
    people: dict[str, float],
    alpha: float,
    screening_table: pd.DataFrame,
) -> str:
    """What notebook 07 found, as a list.

    Args:
        test: the ratings; correlations, preferences: from `metric_agreement.tables`, the main metric first.
        ceiling: of mean ratings; people: from `metric_agreement.people`; alpha: Krippendorff's, ordinal.
        screening_table: from `before_after`.
    """
    items = correlations[correlations["level"] == "item"]
    mine = items.iloc[0]
    top = items.loc[items["r"].idxmax()] if items["r"].notna().any() else mine
    (r_top, r_mine), sure = (score(*row[["r", "r_low", "r_high"]]) for row in (top, mine)), items["r_holm"] < 0.05
    known = bool(np.isfinite(ceiling))
    others = f", the other listeners {_percent(people['preference'])}" * known
    lines = ["**These ratings were simulated: nothing here says anything about human hearing.**"] * test.simulated
    lines += [
        f"Listeners agree with alpha = {alpha:.2f}; their mean ratings allow r = {ceiling:.2f} at most."
        if known
        else f"{_why_unknown(agreement.ratings_per_stimulus(agreement.matrix(test.rated)))}: agreement is not known.",
        f"The highest r with mean ratings is {r_top} ({top['metric']}). After Holm's correction, {sure.sum()} of "
        f"{len(sure)} metrics differ from 0{': ' * bool(sure.any())}{', '.join(items.loc[sure, 'metric'])}.",
        f"{mine['metric']} has r = {r_mine} and orders {_percent(preferences['accuracy'][0])} of pairs as listeners do "
        f"(chance 50 %{others}). The paper's r = {paper.MOS_PEARSON_R} is of other systems, music and people: "
        "one would have to compare the ceilings first.",
        screened(screening_table),
    ]
    return "\n".join(f"- {line}" for line in lines)


def screened(table: pd.DataFrame) -> str:
    """What the screening changes, in a sentence; the table is that of `before_after`."""
    everybody, kept = table.iloc[0], table.iloc[-1]
    if len(table) == 1:
        return "All raters are flagged, and all are kept."
    n_flagged = everybody["raters"] - kept["raters"]
    text = f"Flagged and kept: {n_flagged} of {counted(everybody['raters'], 'rater')}"
    if not n_flagged:
        return text + "."
    r = next(name for name in table if name.endswith(", items"))
    return (
        f"{text}; without them, alpha is {kept['alpha, ordinal']:.2f} and {r.removesuffix(', items')} is {kept[r]:.2f}."
    )


def _why_unknown(ratings_per_stimulus: float) -> str:
    """Why ratings have no ceiling."""
    if ratings_per_stimulus <= 1:
        return "No two listeners rated the same stimulus"
    return "The ratings are all alike, or too few to tell stimuli from chance"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
