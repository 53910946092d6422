"""What listeners read: one function per screen, each a dict that `room.js` draws. Nothing else speaks to listeners."""

import secrets

from cocola_lib.listening.folder import Study

QUESTION = "Do the two parts belong together?"
MOODS = (
    "quiet",
    "bright",
    "gentle",
    "swift",
    "mellow",
    "brave",
    "sunny",
    "patient",
    "lively",
    "silver",
    "amber",
    "misty",
)
PLAYERS = (
    "oboe",
    "viola",
    "cello",
    "harp",
    "flute",
    "tuba",
    "bassoon",
    "banjo",
    "cornet",
    "lute",
    "piccolo",
    "marimba",
)


NOT_KEPT = "This could not be kept. Please wait a moment and try again, or tell whoever runs the test."
TAKEN = (
    "Somebody has this name. Please take another one; if it is yours, open the test in the browser in which you began, "
    "or with the address that it shows there."
)
TO_GO_ON = (  # in a notebook, and in a window of its own
    "You can stop whenever you like, and go on later with the same name. **Please note it.**",
    "You can stop whenever you like: the same browser will know you again, and so will any other one to which you give "
    "the address that this page shows after you have begun.",
)


def pseudonym() -> str:
    """A made-up name to start from, e.g. "quiet-oboe-271"."""
    return f"{secrets.choice(MOODS)}-{secrets.choice(PLAYERS)}-{100 + secrets.randbelow(900)}"


def minutes(study: Study) -> int:
    """About how long the test takes one listener: every clip once, and 7 s to decide."""
    return max(2, round(sum(map(len, study.plan(0))) * (study.settings.seconds + 7) / 60))


def welcome(study: Study, suggestion: str, alone: bool = False) -> dict:
    pages = study.plan(0)
    clips = sum(map(len, pages))
    return {
        "view": "welcome",
        "heading": "A listening test: do these parts belong together?",
        "text": [
            f"You will hear {clips} short clips of music on {len(pages)} pages, about {minutes(study)} minutes in all. "
            "In each clip one part of a piece was given, and another part was added to it. You say how well the two "
            "belong together. You need not be a musician.",
            "Please use headphones or good loudspeakers, in a quiet place.",
            "Your answers are kept under a made-up name, on the computer of whoever invited you and nowhere else. "
            f"Every answer is saved at once. {TO_GO_ON[alone]}",
        ],
        "field": {"label": "Your made-up name (not your real one)", "value": suggestion},
        "buttons": [{"do": "name", "label": "Begin"}],
    }


def welcome_back(name: str, rated: int, total: int, page: int) -> dict:
    where = f"page {page}" if page > 0 else "the examples"
    return {
        "view": "welcome back",
        "heading": f"Welcome back, {name}",
        "text": [f"Somebody with this name rated {rated} of {total} clips and stopped at {where}. Is that you?"],
        "buttons": [
            {"do": "leave", "label": "No, I need another name", "minor": True},
            {"do": "begin", "label": "Yes, go on where I stopped"},
        ],
    }


def training(study: Study) -> dict:
    low, high = study.scale[0], study.scale[-1]
    beeps = (
        ["Now and then a clip turns into **beeps**. Then count them, and choose the number of beeps as your rating."]
        if study.settings.n_attention
        else []
    )
    return {
        "view": "training",
        "heading": "How to listen and rate",
        "text": [
            f"The question is always the same: **{QUESTION}** Could one band be playing one piece here? Two things "
            "matter: do the **notes** of both parts fit each other, and do both **keep time** together?",
            "The quality of the sound does not matter, nor whether you like the music.",
            f"You rate from {low[0]} ({low[1]}) to {high[0]} ({high[1]}). Use the whole scale. The clips of a page may "
            "get the same rating or different ones. There is no right answer but what you hear.",
            *beeps,
            "Play each example. Set the volume so that it is comfortable, and leave it there.",
        ],
        "show_scale": True,
        "buttons": [{"do": "begin", "label": "Start the test", "when_complete": True}],
    }


def examples(study: Study) -> list[tuple[str, str]]:
    """Label and explanation of the clips on the training page."""
    low, high = study.scale[0], study.scale[-1]
    all_of_them = [
        ("Example 1: they belong together", f"Both parts come from the same moment of one piece: a clear {high[0]}."),
        (
            "Example 2: they do not",
            f"The second part comes from another piece, in another key and tempo: a clear {low[0]}.",
        ),
        ("Example 3: beeps", "The music stops after a second; you hear two beeps: choose 2."),
    ]
    return all_of_them[: len(study.training())]


def page(study: Study, number: int) -> dict:
    beeps = " If it turns into beeps, rate how many there are." if study.settings.n_attention else ""
    return {
        "view": f"page {number}",
        "heading": QUESTION,
        "text": [],
        "hint": f"Play at least {study.settings.listen_s:g} s of a clip, then rate it.{beeps} Keys: Space plays and "
        f"stops, {study.scale[0][0]} to {study.scale[-1][0]} rate, Tab goes on.",
        "buttons": [
            {"do": "back", "label": "Back", "minor": True},
            {"do": "next", "label": "Next", "when_complete": True},
        ],
    }


def last(total: int) -> dict:
    return {
        "view": "last",
        "heading": "That was the last page",
        "text": [
            f"You have rated all {total} clips. You can still go back and change answers. After you press Finish they "
            "are final."
        ],
        "buttons": [{"do": "back", "label": "Back", "minor": True}, {"do": "finish", "label": "Finish"}],
    }


def thanks(name: str, csv: str) -> dict:
    return {
        "view": "thanks",
        "heading": "Thank you!",
        "text": [
            "Your answers are saved. You can close this page now.",
            "If you are curious, here they are as a table, with what each clip was.",
        ],
        "download": {"label": "Download my answers (CSV)", "name": f"answers {name}.csv", "text": csv},
        "buttons": [{"do": "leave", "label": "Next listener", "minor": True}],
    }


def missing(n: int, training: bool) -> str:
    """What is left to do on this screen; "" when nothing is."""
    if n == 0:
        return ""
    what = "example" if training else "clip"
    return f"{n} {what}{'s' if n > 1 else ''} left to {'play' if training else 'rate'}"


def progress(listener, n_pages: int, rated: int, total: int) -> dict:
    """How far a listener is, in words and as a share."""
    where = "training" if listener.page < 0 else f"page {min(listener.page + 1, n_pages)} of {n_pages}"
    return {"text": f"{listener.name} · {where} · {rated} of {total} clips rated", "done": rated, "total": total}
