"""Quiz: which of these accompaniments belongs? First the listener answers, then the model; both are counted by kind.

Used by notebook 00. Questions are a pure function of the seed; answers can be kept in a file, so that a restarted
kernel goes on where the listener stopped.
"""

import csv
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets
import numpy as np
import pandas as pd

from cocola_lib.files import write_csv
from cocola_lib.hearing import foils, probes
from cocola_lib.notebook import players as listen
from cocola_lib.notebook.panel import Panel
from cocola_lib.notebook.shown import Table
from cocola_lib.notebook.titles import in_words, title
from cocola_lib.sampling import PairSpec, WindowSampler

KINDS = tuple(kind for kind in foils.KINDS if kind != "coherent")
REPLAYED = ("shifted", "stretched")  # their foils are played from the score, so the true one is as well
LETTERS = "ABCD"
APART = {"margin": "2px 2px 2px auto"}  # at the far end of the row, away from Next
COLUMNS = ("seed", "candidates", "round", "kind", "listener", "model", "true")
HINT = "If the buttons do nothing, run this cell: answering needs a kernel, listening does not."


@dataclass(frozen=True)
class Round:
    """One question: a conditioning, candidates, which of them is true, and what each one is."""

    kind: str
    spec: PairSpec
    conditioning: np.ndarray
    candidates: list[np.ndarray]
    what: list[str]
    true: int


def quiz(
    specs: Sequence[PairSpec],
    sampler: WindowSampler,
    scorer,
    candidates: int = 2,
    kinds: Sequence[str] = KINDS,
    answers: Path | str | None = None,
    seed: int = 0,
) -> "Quiz":
    """A panel that asks which candidate belongs, and keeps the tally of listener and model.

    Args:
        specs: the true pairs to ask about.
        sampler: holds their tracks, and the tracks that wrong candidates come from.
        scorer: a `Scorer`, the model to play against.
        candidates: how many there are in a question, from 2 to 4.
        kinds: of wrong candidates, keys of `foils.KINDS`; they take turns.
        answers: a CSV file that keeps the answers; with None they are lost with the kernel.
        seed: of the questions.

    Raises:
        ValueError: no specs, too many or too few candidates, or an unknown kind.
    """
    return Quiz(specs, sampler, scorer, candidates, kinds, answers, seed)


def draw_round(specs, sampler, kind: str, n: int, rng: np.random.Generator) -> Round:
    """Draw a question of one kind.

    Raises:
        ValueError: none of the pairs has foils of this kind.
    """
    for i in rng.permutation(len(specs)):
        spec, amounts = specs[i], foils.KINDS[kind]
        chosen = rng.permutation(amounts)[: n - 1].tolist() if amounts else [None] * (n - 1)
        try:
            wrong = [foils.make_foil(sampler, spec, kind, a, int(rng.integers(2**31))) for a in chosen]
            true = foils.make_foil(sampler, spec, "coherent")
        except (ValueError, OSError):
            continue
        track = sampler.by_id[spec.track_id]
        if kind in REPLAYED:
            true = foils.Foil(probes.excerpt(track, spec.positive, spec.start_s), true.what)
        order = rng.permutation(n)
        mixed = [[true, *wrong][k] for k in order]
        conditioning = track.read(spec.anchor, spec.start_s, sampler.window_s)
        clips = listen.match_levels([conditioning, *(foil.clip for foil in mixed)])
        told = [in_words(foil.what, sampler.tracks) for foil in mixed]
        return Round(kind, spec, clips[0], clips[1:], told, int(np.argmin(order)))
    raise ValueError(f"quiz: none of {len(specs)} pairs has a wrong accompaniment of the kind {kind!r}")


class Quiz(Panel):
    """See `quiz`. `round` is the question asked now, `scores` are the model's, `tally()` sums up the answers."""

    def __init__(self, specs, sampler, scorer, candidates, kinds, answers, seed):
        if not specs:
            raise ValueError("specs is empty; there is nothing to ask about")
        if not 2 <= candidates <= len(LETTERS):
            raise ValueError(f"candidates is {candidates}; use 2 to {len(LETTERS)}")
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds:
            raise ValueError(f"kinds: {', '.join(sorted(unknown)) or 'none'}; use some of {', '.join(KINDS)}")
        self.specs, self.sampler, self.scorer = specs, sampler, scorer
        self.candidates, self.kinds, self.seed = candidates, tuple(kinds), seed
        self.path = Path(answers) if answers else None
        self.answers, self._others = self._read()
        self.buttons = [
            ipywidgets.Button(description=f"{letter} belongs", tooltip=f"answer: candidate {letter} belongs")
            for letter in LETTERS[:candidates]
        ]
        self.next_button = ipywidgets.Button(description="Next", icon="arrow-right", tooltip="the next question")
        self.again_button = ipywidgets.Button(tooltip="forgets all answers; asks once before it does", layout=APART)
        row = [*self.buttons, self.next_button, self.again_button]
        super().__init__(below=[ipywidgets.HBox(row, layout={"flex_flow": "row wrap"})])
        for i, button in enumerate(self.buttons):
            button.on_click(lambda _, i=i: self.answer(i))
        self.next_button.on_click(lambda _: self._ask())
        self.again_button.on_click(lambda _: self.start_over() if self._sure else self._ask_whether_sure(True))
        self._ask()

    def answer(self, choice: int) -> None:
        """Take the listener's choice, let the model choose, count both, and tell."""
        if self._answered:
            return
        model = int(np.argmax(self.scores))
        row = (self.seed, self.candidates, len(self.answers), self.round.kind, choice, model)
        self.answers.append(dict(zip(COLUMNS, (*row, self.round.true), strict=True)))
        self._write()
        self._set_answered(True)
        self.show(self._document(), f'<p role="status">{self._verdict(choice)}</p>' + self._tally_html())

    def tally(self) -> pd.DataFrame:
        """Rounds, and shares of right answers of listener and model, by kind of wrong candidate."""
        rows = pd.DataFrame(self.answers, columns=list(COLUMNS))
        right = pd.DataFrame(
            {
                "wrong candidates": rows["kind"],
                "rounds": 1,
                "you": rows["listener"] == rows["true"],
                "model": rows["model"] == rows["true"],
                "chance": 1 / self.candidates,
            }
        )
        shares = {"rounds": "sum", "you": "mean", "model": "mean", "chance": "mean"}
        found = right.groupby("wrong candidates", sort=False).agg(shares).reset_index()
        everything = right.assign(**{"wrong candidates": "all"}).groupby("wrong candidates").agg(shares).reset_index()
        return pd.concat([found, everything], ignore_index=True)

    def start_over(self) -> None:
        """Forget the answers of this quiz, on disk too, and ask the first question again."""
        self.answers = []
        self._write()
        self._ask()

    def _ask(self):
        turn = len(self.answers)
        cycle, place = divmod(turn, len(self.kinds))
        order = self.kinds if cycle == 0 else np.random.default_rng([self.seed, cycle]).permutation(self.kinds)
        rng = np.random.default_rng([self.seed, turn, 1])
        for kind in (*order[place:], *order[:place]):  # where a kind cannot be had, the next one takes its turn
            try:
                self.round = draw_round(self.specs, self.sampler, str(kind), self.candidates, rng)
                break
            except ValueError as error:
                problem = str(error)
        else:
            self._set_answered(True)
            self.next_button.disabled = True
            self.complain(problem)
            return
        scores = self.scorer.matrix([self.round.conditioning], self.round.candidates)[0]
        self.scores = np.nan_to_num(scores, nan=-np.inf)  # (candidates,)
        self._set_answered(False)
        peek = f"<details class='cocola-peek'><summary>The answer</summary>{self._verdict(None)}</details>"
        self.show(self._document(), peek + (self._tally_html() if self.answers else ""))

    def _set_answered(self, answered: bool):
        self._answered = answered
        for button in self.buttons:
            button.disabled = answered
        self.next_button.disabled = not answered
        self._ask_whether_sure(False)

    def _ask_whether_sure(self, asking: bool):
        self._sure = asking
        self.again_button.description = "Forget all answers?" if asking else "Start over"
        self.again_button.button_style = "danger" if asking else ""
        self.again_button.disabled = not self.answers

    def _verdict(self, choice: int | None) -> str:
        true, model = self.round.true, int(np.argmax(self.scores))
        you = "" if choice is None else f"<b>You are {'right' if choice == true else 'wrong'}.</b> "
        belongs = ["belongs" if i == true else "does not belong" for i in range(self.candidates)]
        listed = "<br>".join(
            f"{letter} {verdict} (score {score:.2f}): it is {html.escape(what)}."
            for letter, verdict, score, what in zip(LETTERS, belongs, self.scores, self.round.what, strict=False)
        )
        return f"{you}The model chose {LETTERS[model]} and is {'right' if model == true else 'wrong'}.<br>{listed}"

    def _tally_html(self) -> str:
        return Table(self.tally(), "Right answers so far", "{:.0%}")._repr_html_()

    def _document(self) -> str:
        question = f"Question {len(self.answers) + (not self._answered)}: which candidate belongs to this music?"
        clips = {"the music": self.round.conditioning}
        for letter, clip in zip(LETTERS, self.round.candidates, strict=False):
            clips[f"with candidate {letter}"] = self.round.conditioning + clip
        spec = self.round.spec
        track = title(self.sampler.by_id[spec.track_id])
        source = f"The music: {' + '.join(spec.anchor)} of {track}, from {spec.start_s:g} s."
        return (
            listen.Players(clips, title=question, small=True)._repr_html_()
            + f"<p><small>{html.escape(source)} {HINT}</small></p>"
        )

    def _read(self) -> tuple[list[dict], list[dict]]:
        """The answers in the file that belong to this quiz, and those of quizzes with another seed or K."""
        if self.path is None or not self.path.is_file():
            return [], []
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                rows = [{k: row[k] if k == "kind" else int(row[k]) for k in COLUMNS} for row in csv.DictReader(file)]
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{self.path}: not the answers of a quiz; move it away, or name another file") from None
        own = [row for row in rows if (row["seed"], row["candidates"]) == (self.seed, self.candidates)]
        return own, [row for row in rows if row not in own]

    def _write(self) -> None:
        if self.path is not None:
            write_csv(self.path, pd.DataFrame(self._others + self.answers, columns=list(COLUMNS)))

    def __repr__(self) -> str:
        return f"quiz: question {len(self.answers) + 1}, {len(self.answers)} answered"
