"""A listener's check asks about what two metrics disagree on, and keeps the answer folded up until the vote."""

import re

import numpy as np
from songs import write_bands

from cocola_lib.notebook import listeners_check
from cocola_lib.notebook.listeners_check import Check, ask, disagreements
from cocola_lib.notebook.shown import PLAIN


class Overlap:
    """Scores what two sides have in common; `sign` -1 prefers what they have not."""

    def __init__(self, sign=1):
        self.sign = sign

    def matrix(self, first, second):
        return (
            self.sign
            * np.abs(np.corrcoef(np.abs(np.stack(first)), np.abs(np.stack(second))))[: len(first), len(first) :]
        )


def test_only_rivals_of_another_piece_that_the_metrics_rank_the_other_way_round_are_asked_about():
    first = np.array([[5.0, 0, 4, 0], [0, 5, 9, 9], [6, 0, 5, 0], [0, 0, 0, 5]])
    second = np.array([[5.0, 9, 6, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]])
    found = disagreements({"a": first, "b": second}, ["x", "x", "y", "z"], 10)
    assert set(found) == {(0, 2), (1, 2), (2, 0)}  # not (0, 1), which is of the same piece; the last row is agreed on
    assert found[0] == (1, 2)  # the widest gap in both
    assert disagreements({"a": first, "b": second}, ["x", "x", "y", "z"], 1) == [(1, 2)]
    assert disagreements({"a": first, "b": first}, list("abcd"), 10) == []


def test_each_question_has_one_right_metric_and_the_true_candidate_where_it_says(tmp_path):
    tracks = write_bands(tmp_path / "mine", n=4)
    check = ask(tracks, {"model": Overlap(), "control": Overlap(-1)}, n=3, pairs=12)
    assert 1 <= len(check.questions) <= 3
    for question in check.questions:
        assert {question.chosen["model"], question.chosen["control"]} == {0, 1}
        assert question.own.track_id != question.rival.track_id
        (track,) = [t for t in tracks if t.id == question.own.track_id]
        own = track.read(question.own.positive, question.own.start_s, 5.0)
        correlations = [np.corrcoef(own, clip)[0, 1] for clip in question.clips[1:]]
        assert np.argmax(correlations) == question.true and correlations[question.true] > 0.99
    assert sum(check.right().values()) == len(check.questions)
    again = ask(tracks, {"model": Overlap(), "control": Overlap(-1)}, n=3, pairs=12)
    assert [q.true for q in again.questions] == [q.true for q in check.questions]


def test_the_answer_is_folded_up_under_a_vote(tmp_path):
    tracks = write_bands(tmp_path / "mine", n=3)
    check = ask(tracks, {"model": Overlap(), "control": Overlap(-1)}, n=2, pairs=9)
    page = check._repr_html_()
    assert page.count("<audio") == 3 * len(check.questions)
    assert page.startswith(f'<div class="{PLAIN}">')  # names of stems and songs are in it
    open_text = re.sub(r"<details>.*?</details>", "", page)
    assert "belongs: it is" not in open_text and "Right" not in open_text and "prefers" not in open_text
    folded = re.findall(r"<summary>I vote for ([AB])</summary><b>(Right|Wrong)", page)
    rights = [listeners_check.LETTERS.index(letter) for letter, verdict in folded if verdict == "Right"]
    assert rights == [question.true for question in check.questions]


def test_metrics_that_agree_leave_nothing_to_ask():
    assert "agree on all" in Check([])._repr_html_() and Check([]).right() == {}
