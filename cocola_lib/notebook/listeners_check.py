"""A listener's check: pairs on which two metrics disagree most, to be heard and decided before they say who is right.

One accompaniment belongs to the conditioning, the other is from another piece; one metric prefers the first, the other
metric the second. Votes are folded-up answers in plain HTML, so that an executed notebook asks without a kernel. Used
by notebook 04.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cocola_lib.data.audio import match_levels
from cocola_lib.data.stems import Track
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.shown import PLAIN
from cocola_lib.notebook.titles import title
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer

LETTERS = "AB"


@dataclass(frozen=True)
class Question:
    """A conditioning, its own accompaniment and a rival that one of two metrics prefers.

    Attributes:
        own: the conditioning and its own accompaniment.
        rival: whose second side is the rival.
        called: the titles of both tracks.
        clips: conditioning, candidate A, candidate B, (N,) each.
        true: 0 or 1, which candidate belongs.
        chosen: metric -> the candidate that it prefers.
        scores: metric -> its scores of both candidates.
    """

    own: PairSpec
    rival: PairSpec
    called: tuple[str, str]
    clips: tuple[np.ndarray, np.ndarray, np.ndarray]
    true: int
    chosen: dict[str, int]
    scores: dict[str, tuple[float, float]]


def disagreements(matrices: dict[str, np.ndarray], pieces: Sequence[str], n: int) -> list[tuple[int, int]]:
    """The pairs on which two metrics disagree most.

    Args:
        matrices: two metrics -> (m, m) scores, row i and column i are a pair.
        pieces: (m,) of each pair; a rival is from another one.
        n: how many, at most; each conditioning is asked about once.

    Returns:
        (conditioning, rival), the strongest disagreement first. Its strength is the smaller of the two preferences,
        each in standard deviations of its metric's scores.
    """
    first, second = ((np.diag(s)[:, None] - s) / np.nanstd(s) for s in matrices.values())  # (m, m), > 0: for the own
    strangers = np.asarray(pieces)[:, None] != np.asarray(pieces)[None]
    opposed = (first * second < 0) & strangers
    strength = np.where(opposed, np.minimum(np.abs(first), np.abs(second)), 0.0)
    rival = strength.argmax(axis=1)
    found = strength[np.arange(len(rival)), rival]
    order = np.argsort(-found, kind="stable")[:n]
    return [(int(i), int(rival[i])) for i in order if found[i] > 0]


def ask(tracks: Sequence[Track], metrics: dict[str, Scorer], n: int = 10, pairs: int = 80, seed: int = 0) -> "Check":
    """Draw pairs, let two metrics score them all, and ask about those on which they disagree most.

    Args:
        tracks: the music.
        metrics: two, by name.
        n: questions, at most.
        pairs: drawn, at most.
        seed: of the draw, and of which candidate is A.
    """
    sampler, rng = WindowSampler(tracks), np.random.default_rng([seed, n])
    specs = sampler.batch(pairs, seed, 0, at_most=True)
    sides = list(zip(*map(sampler.audio, specs), strict=True))
    matrices = {name: scorer.matrix(*sides) for name, scorer in metrics.items()}
    questions = []
    for i, j in disagreements(matrices, [spec.track_id for spec in specs], n):
        true = int(rng.integers(2))
        order = (i, j) if true == 0 else (j, i)
        scores = {name: tuple(float(s[i, k]) for k in order) for name, s in matrices.items()}
        chosen = {name: int(np.argmax(both)) for name, both in scores.items()}
        clips = match_levels([sides[0][i], *(sides[1][k] for k in order)])
        called = tuple(title(sampler.by_id[specs[k].track_id]) for k in (i, j))
        questions.append(Question(specs[i], specs[j], called, tuple(clips), true, chosen, scores))
    return Check(questions)


class Check:
    """Questions as a document: players, two votes that unfold to an answer, and at the end which metric was right."""

    def __init__(self, questions: list[Question]):
        self.questions = questions

    def right(self) -> dict[str, int]:
        """Metric -> how often it prefers the accompaniment that belongs."""
        names = self.questions[0].chosen if self.questions else {}
        return {name: sum(q.chosen[name] == q.true for q in self.questions) for name in names}

    def _repr_html_(self) -> str:
        if not self.questions:
            return "<p>The two metrics agree on all of these pairs.</p>"
        asked = "".join(_asked(i, question) for i, question in enumerate(self.questions, start=1))
        names = ", ".join(f"{html.escape(name)} {n}" for name, n in self.right().items())
        told = (
            f"Right answers to {len(self.questions)} questions: {names}. By design, one of the two is right each time."
        )
        tally = f"<details><summary>When you have voted ten times: who was right?</summary>{told}</details>"
        return f'<div class="{PLAIN}">{asked}{tally}</div>'

    def __repr__(self) -> str:
        return f"a listener's check: {len(self.questions)} pairs"


def _asked(i: int, question: Question) -> str:
    conditioning, *candidates = question.clips
    clips = {"the conditioning": conditioning}
    clips |= {f"with {letter}": conditioning + x for letter, x in zip(LETTERS, candidates, strict=True)}
    title = f"{i}. Which accompaniment belongs to {' + '.join(question.own.anchor)}?"
    votes = "".join(
        f"<details><summary>I vote for {letter}</summary>{_answer(vote, question)}</details>"
        for vote, letter in enumerate(LETTERS)
    )
    return Players(clips, title=title, small=True)._repr_html_() + votes


def _answer(vote: int, question: Question) -> str:
    specs = zip((question.own, question.rival), question.called, strict=True)
    what = [f"{' + '.join(spec.positive)} of {called}, from {spec.start_s:g} s" for spec, called in specs]
    said = [
        f"{name} prefers {LETTERS[choice]} ({question.scores[name][choice]:.2f} against "
        f"{question.scores[name][1 - choice]:.2f})"
        for name, choice in question.chosen.items()
    ]
    true, false = LETTERS[question.true], LETTERS[1 - question.true]
    text = f"{true} belongs: it is {what[0]}. {false} is {what[1]}. {'; '.join(said)}."
    return f"<b>{'Right' if vote == question.true else 'Wrong'}.</b> {html.escape(text)}"
