"""What notebooks 00 and 01 say about what they measured: sentences and tables made of data, for the end of a cell."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stems import Track
from cocola_lib.features import MODE_LABELS
from cocola_lib.notebook.sentences import counted, percent
from cocola_lib.notebook.shown import Text
from cocola_lib.sampling import PairSpec

MINIATURE = "mini-"  # how the name of a miniature data set begins
UNEQUAL_S = 0.1  # s, a difference of lengths that is worth mentioning


# ------------------------------------------------------------------ 00
def the_music(tracks: Sequence[Track]) -> Text:
    """Where the music comes from, and how much of it there is."""
    minutes = sum(track.duration_s for track in tracks) / 60
    return Text(
        f"The music comes from **{', '.join(sorted({track.dataset for track in tracks}))}**: {len(tracks)} tracks, "
        f"{minutes:.1f} minutes in all, each given as separate stems."
    )


def the_answer(specs: Sequence[PairSpec], other: int) -> Text:
    """The answer to the first question, folded up: window 0 against the window `other`."""
    same = specs[other].track_id == specs[0].track_id
    elsewhere = "another window of the same track" if same else "another track"
    return Text(
        "Candidate 1 is from the same window as the anchor. "
        f"Candidate 2 is from {elsewhere}: where its notes and beats fit, they do so by chance.",
        summary="The answer",
    )


def the_choice(scores: dict[str, np.ndarray], other: int, name: str) -> Text:
    """Which of the first question's candidates a scorer picks: mode -> (n, n) scores of windows."""
    by_mode = [f"{MODE_LABELS[mode]} {s[0, 0]:+.2f} against {s[0, other]:+.2f}" for mode, s in scores.items()]
    right = scores["both"][0, 0] > scores["both"][0, other]
    return Text(
        f"The true accompaniment against the other one: {', '.join(by_mode)}. "
        f"By {MODE_LABELS['both']}, the {name} picks the {'right' if right else '**wrong**'} one."
    )


def what_scores_say(true: np.ndarray, random: np.ndarray, table: pd.DataFrame, name: str) -> Text:
    """What notebook 00 found.

    Args:
        true, random: (n,) and (m,) scores of pairs.
        table: from `evaluation.accuracy_table`, with a column "scorer" that holds `name` and "control".
        name: of the scorer.
    """
    largest = table[table["k"] == table["k"].max()]
    found = {row.scorer: percent(row.accuracy, row.low, row.high) for row in largest.itertuples()}
    share = np.mean(true > np.quantile(random, 0.95))
    return Text(
        f"- Coherence can be heard within seconds, and it can be measured: the median true pair scores "
        f"{np.median(true):.1f}, the median random pair {np.median(random):.1f}.\n"
        f"- A single score is a clue, not a proof: the score that {100 * share:.0f} % of the true pairs exceed is "
        "exceeded by 5 % of the random pairs as well.\n"
        f"- The more candidates there are, the likelier it is that a wrong one scores high by chance. Among "
        f"{largest['k'].iloc[0]} candidates, the {name} picks the true one in {found[name]} of cases, and the control "
        f"in {found['control']}. So we report means over many pairs, with intervals, and say what K is."
    )


# ------------------------------------------------------------------ 01
def overview(tracks: Sequence[Track]) -> pd.DataFrame:
    """Tracks, minutes and stems per track of every data set and split.

    Raises:
        ValueError: no track is as long as a window, so that there is nothing to look at.
    """
    if (longest := max(track.duration_s for track in tracks)) < WINDOW_S:
        raise ValueError(f"no window of {WINDOW_S:g} s: the longest track has {longest:.1f} s; add longer tracks")
    rows = [
        {"data set": t.dataset, "split": t.split, "minutes": t.duration_s / 60, "stems": len(t.stems)} for t in tracks
    ]
    columns = {"tracks": ("stems", "size"), "minutes": ("minutes", "sum"), "stems_per_track": ("stems", "mean")}
    return pd.DataFrame(rows).groupby(["data set", "split"]).agg(**columns).reset_index()


def who_made_it(tracks: Sequence[Track]) -> Text:
    """Whether the data are miniatures, which nobody recorded."""
    names = sorted({t.dataset for t in tracks if t.dataset.startswith(MINIATURE)})
    if not names:
        return Text("There are no miniatures here: these are your own files.")
    return Text(
        f"**Made on this machine, not recorded by anyone:** {', '.join(names)}. They have the layouts of the real data "
        f"sets, down to the names of some songs, and none of their music."
    )


def what_defects(found: pd.DataFrame) -> Text:
    """The defects of all tracks in a sentence: one row per track, from `data.defects.find_defects`."""
    unequal = int((found["lengths differ by (s)"] > UNEQUAL_S).sum())
    silent = counted(int(found["stems that never sound"].sum()), "stem never sounds", "stems never sound")
    clipped = counted(int((found["clipped samples"] > 0).sum()), "track has", "tracks have")
    return Text(
        f"The lengths of the stems differ by more than {UNEQUAL_S} s in {unequal} of {counted(len(found), 'track')}; "
        f"{silent}; {clipped} clipped samples."
    )


def what_r_does(negatives: pd.DataFrame) -> Text:
    """How many negatives come from the anchor's own track, and how much those overlap the anchor.

    Args:
        negatives: one row per pair of windows in a batch: "r" as text, "same track", and "overlap" as a share of the
            window, NaN where the tracks differ.
    """
    own = negatives[negatives["same track"]]
    if own.empty:
        return Text("No two windows of these batches come from one track.")
    per_r = negatives.groupby("r", sort=False)["same track"].mean()
    shares = [f"{100 * share:.1f} % at {r}" for r, share in per_r.items()]
    risky = [f"{100 * (overlap > 0.501).mean():.0f} % at {r}" for r, overlap in own.groupby("r", sort=False)["overlap"]]
    return Text(
        f"Of all negatives, this share comes from the anchor's own track: {', '.join(shares)}. "
        f"Of those, this share overlaps the anchor by more than half a window: {', '.join(risky)}."
    )


def the_same_but_faster(difference_db: float, n_cells: int, by_hand_s: float, front_end_s: float) -> Text:
    """The largest difference between two ways to the same features, and how long each takes for one clip."""
    difference = np.format_float_positional(difference_db, precision=1, fractional=False)  # 0.00001, not 1e-05
    return Text(
        f"The largest difference in {n_cells:,} cells is **{difference} dB**. By hand, one clip took "
        f"{1000 * by_hand_s:.0f} ms; in a batch, `FrontEnd` took {1000 * front_end_s:.1f} ms per clip. On this machine "
        f"and in this run, that is **{by_hand_s / front_end_s:.0f} times** as fast."
    )


def how_loud_the_noise_is(levels: Sequence[float], noise_dbfs: float) -> Text:
    """The noise of the training against the levels of sub-mixes, dBFS."""
    median = float(np.median(levels))
    return Text(
        f"The noise has {noise_dbfs:.1f} dBFS and the median sub-mix {median:.1f} dBFS, which is "
        f"{median - noise_dbfs:.0f} dB more. The noise covers everything that lies below the silence threshold, so "
        f"that a noise floor cannot tell a model which stems were recorded together."
    )


def usable_share(together: pd.DataFrame) -> float:
    """Share of windows in which two stems or more sound: one row per number of stems, "sounding" and "windows"."""
    return together.loc[together["sounding"] >= 2, "windows"].sum() / together["windows"].sum()


def how_many_usable(together: pd.DataFrame, tracks: Sequence[Track]) -> Text:
    """How many windows can be used, and how many tracks have none."""
    short = sum(track.duration_s < WINDOW_S for track in tracks)
    return Text(
        f"**{100 * usable_share(together):.1f} %** of all windows hold two sounding stems or more and can be used. "
        f"{short} of {len(tracks)} tracks are shorter than a window."
    )


def what_is_kept(
    overview: pd.DataFrame, usable: float, noise_dbfs: float, cheats: pd.DataFrame, found: pd.DataFrame
) -> dict:
    """The results of notebook 01 for `results.json`."""
    return {
        "overview": overview.to_dict("records"),
        "usable_windows": usable,
        "noise_dbfs": noise_dbfs,
        "shortcuts": cheats.to_dict("records"),
        "unequal_lengths": int((found["lengths differ by (s)"] > UNEQUAL_S).sum()),
        "silent_stems": int(found["stems that never sound"].sum()),
        "tracks_with_clipping": int((found["clipped samples"] > 0).sum()),
    }


def what_pairs_are(usable: float, max_overlap: float, share: float, cheats: pd.DataFrame) -> Text:
    """What notebook 01 found.

    Args:
        usable: share of windows in which two stems or more sound.
        max_overlap: r.
        share: of the negatives at that r that come from the anchor's own track.
        cheats: from `shortcuts.check_datasets`.
    """
    told = [
        f"{row['data set']}, {row['pairs']}: {percent(row['accuracy'], row['low'], row['high'])}"
        for _, row in cheats.iterrows()
    ]
    found = [
        f"A pair is one window and two disjoint groups of its sounding stems; {100 * usable:.0f} % of the windows here "
        f"can be used. Everything else follows from (seed, step).",
        f"At r = {100 * max_overlap:.0f} %, {100 * share:.1f} % of the negatives come from the anchor's own track, and "
        f"the others from different music.",
        f"Cues that are not music tell a true pair from a random one in this share of cases, where chance is 50 %: "
        f"{'; '.join(told) or 'too few tracks to say'}.",
        "The two input channels show the two halves of coherence: lines (which notes) and columns (when).",
    ]
    return Text("\n".join(f"- {sentence}" for sentence in found))
