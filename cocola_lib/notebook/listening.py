"""What notebook 06 plays and says: clips of a study, its numbers in sentences, the head of its results."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cocola_lib.data import audio
from cocola_lib.data.stems import Track
from cocola_lib.files import REPO
from cocola_lib.listening import words
from cocola_lib.listening.folder import Study
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.sentences import counted
from cocola_lib.notebook.titles import in_words


def hear_item(study: Study, item: int, tracks: Sequence[Track] = ()) -> Players:
    """The conditioning of an item, and its mix with the answer of each system; `tracks` are called by their titles."""
    rows = study.stimuli[study.stimuli["item"] == item].set_index("system").loc[study.systems]
    clips = {"given": audio.read(study.folder / rows["conditioning"].iloc[0])}
    clips |= {name: audio.read(study.folder / rows.loc[name, "mix"]) for name in study.systems}
    title = f"One item, {in_words(rows['track'].iloc[0], tracks)}: what is given, and the mix with each answer"
    made = {system: in_words(detail, tracks) for system, detail in rows["detail"].items()}
    return Players(clips, made, title, small=True)


def hear_training(study: Study) -> Players:
    """The examples that every listener hears before the first page."""
    notes = dict(words.examples(study))
    clips = {label: audio.read(study.folder / row["mix"]) for label, row in zip(notes, study.training(), strict=True)}
    return Players(clips, notes, "The training page", small=True)


def hear_page(study: Study, stimuli: list[str]) -> Players:
    """A page as a document: its clips in order, each with the scale beside it."""
    clips = {f"Clip {i}": audio.read(study.folder / study.by_id[name]["mix"]) for i, name in enumerate(stimuli, 1)}
    steps = " · ".join(f"{rating} {label}" for rating, label in study.scale)
    return Players(clips, dict.fromkeys(clips, steps), words.QUESTION, small=True)


def shown_path(folder: Path) -> Path:
    """A folder as a terminal in the clone would name it."""
    folder = folder.resolve()
    return folder.relative_to(REPO) if folder.is_relative_to(REPO) else folder


def numbers(study: Study, balance: pd.DataFrame) -> dict:
    """The design in numbers, as results.json holds it.

    Args:
        study: the study.
        balance: from `results.balance`; its last row is what so many listeners hear.
    """
    last, pages = balance.iloc[-1], study.plan(0)
    return {
        "study": study.hash,
        "systems": study.systems,
        "n_items": study.deal.n_items,
        "n_clips": study.deal.n_items * study.deal.n_systems,
        "clips_per_listener": sum(map(len, pages)),
        "pages_per_listener": len(pages),
        "rated_clips_per_listener": study.deal.pages * study.deal.per_page,
        "minutes_per_listener": words.minutes(study),
        "scale": [list(step) for step in study.scale],
        "listeners_per_clip": {"after": int(last["listeners"]), "least": int(last["least"]), "most": int(last["most"])},
    }


def evenness(design: dict) -> str:
    """How evenly clips are heard, as the end of a sentence."""
    after, least, most = (design["listeners_per_clip"][name] for name in ("after", "least", "most"))
    people = f"{least} people" if least == most else f"{least} to {most} people"
    return f"after {after} listeners, each clip has been rated by {people}"


def effort(design: dict, n_ratings: int = 10) -> str:
    """What the design asks of listeners, as a paragraph."""
    n_listeners = -(-n_ratings * design["n_clips"] // design["rated_clips_per_listener"])
    return (
        f"A listener rates {design['clips_per_listener']} clips on {design['pages_per_listener']} pages in about "
        f"{design['minutes_per_listener']} minutes. {design['rated_clips_per_listener']} of these clips count; the "
        f"rest are hidden anchors and beeps. {evenness(design).capitalize()}. Collecting {n_ratings} ratings of each "
        f"clip takes {n_listeners} listeners; the paper asked 41."
    )


def collected(answers: pd.DataFrame, study: Study) -> str:
    """What has been answered, and where the table lies; or how to be the first."""
    if answers.empty:
        return "Nobody has answered yet. You could be the first: take the test above, then run this cell again."
    who = counted(answers["listener"].nunique(), "listener")
    return f"{counted(len(answers), 'answer')} of {who}: `{shown_path(study.folder)}/ratings.csv`"


def headline(design: dict, answers: pd.DataFrame) -> str:
    """One sentence for the summary of a run."""
    if answers.empty:
        ready = f"{design['n_items']} items x {len(design['systems'])} systems are ready"
        return f"{ready}, {design['minutes_per_listener']} minutes for each listener; nobody has been asked yet"
    return f"{counted(answers['listener'].nunique(), 'listener')}, {counted(len(answers), 'answer')}"


def found(design: dict, level_range_db: float, told: str, cast: pd.DataFrame) -> str:
    """What notebook 06 found, as a list.

    Args:
        design: from `numbers`; told: from `collected`.
        level_range_db: between the loudest clip and the softest.
        cast: `results.status` of the rehearsal, the careless listener last.
    """
    careful, careless = cast["attention"].iloc[0], cast["attention"].iloc[-1]
    lines = [
        f"The test is ready: its {design['n_clips']} clips lie within {level_range_db:.2f} dB, and {evenness(design)}.",
        told,
        f"In the rehearsal, whose listeners are simulated, the careless listener counted the beeps correctly in "
        f"{careless} clips; each of the others did so in {careful}, by construction.",
    ]
    return "\n".join(f"- {line}" for line in lines)
