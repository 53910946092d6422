"""One listener's way through the test: which screen is shown, and what each of the browser's messages does.

A screen is a plain dict that `room.js` draws; it never says which system a clip comes from. Nothing is remembered here
that the store does not hold: a new session with the same pseudonym stands on the same page.
"""

import sqlite3
from dataclasses import dataclass, field

from cocola_lib.files import csv_of
from cocola_lib.listening import words
from cocola_lib.listening.folder import Study
from cocola_lib.listening.results import ratings
from cocola_lib.listening.store import Listener, Store

TRAINING_PAGE = -1


@dataclass
class Session:
    """The state of one browser window.

    Attributes:
        study, store: what is heard, and where answers go.
        listener: None on the welcome screen.
        returning: the listener was known and has not said yet that it is them.
        guarded: a name that is taken opens with its listener's token only; in a notebook, the name is enough.
        problem: one line for the listener, until the next message.
        trained: seconds heard of the training clips, which are nobody's answers.
    """

    study: Study
    store: Store
    listener: Listener | None = None
    returning: bool = False
    guarded: bool = False
    problem: str = ""
    suggestion: str = field(default_factory=words.pseudonym)
    trained: dict[str, float] = field(default_factory=dict)

    # --- what the browser sends -------------------------------------------------------------------------------------

    def do(self, message: dict) -> None:
        """Carry out one message; a mistake becomes the `problem` that the screen shows.

        Args:
            message: {"do": "leave" | "begin" | "next" | "back" | "finish"}, {"do": "name", name, token}, {"do":
                "resume", token}, {"do": "listen", view, clip, covered_s, played_s}, or {"do": "rate", view, clip,
                rating}; clip is the position on the screen called view, from 0. What comes late, of a screen that has
                been left, is no clip of this one and does nothing. The token is what `token` gave this browser before.
        """
        self.problem = ""
        actions = {
            "name": lambda: self._enter(str(message.get("name", "")), str(message.get("token", ""))),
            "resume": lambda: self._resume(str(message.get("token", ""))),
            "leave": self._leave,
            "begin": self._begin,
            "next": lambda: self._turn(1),
            "back": lambda: self._turn(-1),
            "finish": self._finish,
            "listen": lambda: self._listen(self.clips()[message["clip"]], message["covered_s"], message["played_s"]),
            "rate": lambda: self.store.rate(self.listener.name, self.clips()[message["clip"]], message["rating"]),
        }
        try:
            if "clip" not in message or message["view"] == self.screen()["view"]:
                actions[message["do"]]()
        except sqlite3.OperationalError:  # a full disk, for one
            self.problem = words.NOT_KEPT
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            self.problem = (
                str(error) if isinstance(error, ValueError) else "That did not work here; please go on below."
            )

    def token(self) -> str:
        """What a browser keeps to be this listener again after a reload; "" on the welcome screen."""
        return self.store.token(self.listener.name) if self.listener is not None else ""

    def _enter(self, name: str, token: str) -> None:
        known = self.store.find(" ".join(name.split()))
        if self.guarded and known is not None and self.store.owner(token) != known:
            raise ValueError(words.TAKEN)
        self.listener = self.store.join(name)
        self.returning = bool(self.store.answers(self.listener.name)) and not self.listener.finished

    def _resume(self, token: str) -> None:
        self.listener = self.store.owner(token)
        self.returning = self.listener is not None and not self.listener.finished

    def _leave(self) -> None:
        self.listener, self.returning, self.suggestion = None, False, words.pseudonym()

    def _begin(self) -> None:
        if self.returning:
            self.returning = False
        elif self.listener.page == TRAINING_PAGE:
            self._turn(1)

    def _turn(self, by: int) -> None:
        to = self.listener.page + by
        if by > 0 and self._missing():
            raise ValueError(words.missing(self._missing(), self.listener.page == TRAINING_PAGE))
        if not self.listener.finished and TRAINING_PAGE <= to <= len(self._pages()):
            self.store.turn(self.listener.name, to)
            self.listener = self.store.find(self.listener.name)

    def _finish(self) -> None:
        rated = self.store.answers(self.listener.name)
        if any(clip not in rated for page in self._pages() for clip in page):
            raise ValueError("Some clips are not rated yet; please go back to them.")
        self.store.finish(self.listener.name)
        self.listener = self.store.find(self.listener.name)

    def _listen(self, clip: str, covered_s: float, played_s: float) -> None:
        if self.listener.page == TRAINING_PAGE:
            self.trained[clip] = max(self.trained.get(clip, 0.0), float(covered_s))
        elif clip in self._pages()[self.listener.page]:
            self.store.listen(self.listener.name, clip, covered_s, played_s)

    # --- what the browser is shown ----------------------------------------------------------------------------------

    def _pages(self) -> list[list[str]]:
        return self.store.pages(self.listener.name)

    def clips(self) -> list[str]:
        """The stimuli on the present screen, from top to bottom."""
        if self.listener is None or self.returning or self.listener.finished:
            return []
        if self.listener.page == TRAINING_PAGE:
            return [row["stimulus"] for row in self.study.training()]
        pages = self._pages()
        return pages[self.listener.page] if self.listener.page < len(pages) else []

    def _missing(self) -> int:
        """How many clips of this screen are not heard (training) or not rated yet."""
        if self.listener.page == TRAINING_PAGE:
            return sum(not self.study.settings.enough(self.trained.get(clip, 0.0)) for clip in self.clips())
        return len(set(self.clips()) - set(self.store.answers(self.listener.name)))

    def screen(self) -> dict:
        """The present screen."""
        if self.listener is None:
            screen = words.welcome(self.study, self.suggestion, self.guarded)
        elif self.listener.finished:
            csv = csv_of(ratings(self.store, self.listener.name))
            screen = words.thanks(self.listener.name, csv)
        elif self.returning:
            rated, total = self._progress()
            screen = words.welcome_back(self.listener.name, rated, total, self.listener.page + 1)
        elif self.listener.page == TRAINING_PAGE:
            screen = words.training(self.study) | {"clips": self._training_clips()}
        elif self.listener.page == len(self._pages()):
            screen = words.last(self._progress()[1])
        else:
            screen = words.page(self.study, self.listener.page) | {"clips": self._rated_clips()}
        return screen | self._frame()

    def _frame(self) -> dict:
        """What every screen has: the scale, how much to listen, how far the listener is, and a problem if any."""
        frame = {
            "study": self.study.hash,
            "scale": self.study.scale,
            "listen_s": self.study.settings.listen_s,
            "problem": self.problem,
        }
        if self.listener is not None:
            rated, total = self._progress()
            missing = 0 if self.returning or self.listener.finished else self._missing()
            here = words.progress(self.listener, len(self._pages()), rated, total)
            frame |= {"progress": here, "missing": words.missing(missing, self.listener.page == TRAINING_PAGE)}
        return frame

    def _progress(self) -> tuple[int, int]:
        return len(self.store.answers(self.listener.name)), sum(map(len, self._pages()))

    def _training_clips(self) -> list[dict]:
        rows = self.study.training()
        return [
            {"label": label, "note": note, "heard_s": self.trained.get(row["stimulus"], 0.0)}
            for row, (label, note) in zip(rows, words.examples(self.study), strict=True)
        ]

    def _rated_clips(self) -> list[dict]:
        heard, rated = self.store.heard(self.listener.name), self.store.answers(self.listener.name)
        return [
            {
                "label": f"Clip {i + 1}",
                "heard_s": heard.get(clip, (0.0, 0.0))[0],
                "played_s": heard.get(clip, (0.0, 0.0))[1],
                "rating": rated.get(clip),
                "rate": True,
            }
            for i, clip in enumerate(self.clips())
        ]
