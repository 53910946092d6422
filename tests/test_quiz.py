"""The quiz asks fairly, counts right, and forgets nothing."""

import csv

import numpy as np
import pytest
from songs import write_bands

from cocola_lib.notebook.quiz import quiz
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer

KINDS = ("other track", "delayed", "other window")


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    return WindowSampler(write_bands(tmp_path_factory.mktemp("bands")))


@pytest.fixture(scope="module")
def specs(sampler):
    return [PairSpec(track.id, start, ("bass",), ("keys",)) for track in sampler.tracks for start in (1.0, 2.0)]


def play(game, choices):
    """Answer some questions; what was true in each."""
    true = []
    for choice in choices:
        true.append(game.round.true)
        game.answer(choice)
        game.next_button.click()
    return true


def test_questions_are_a_pure_function_of_the_seed(specs, sampler):
    one, two, other = (quiz(specs, sampler, Scorer("control"), kinds=KINDS, seed=s) for s in (0, 0, 1))
    differs = []
    for _ in range(3):
        assert (one.round.spec, one.round.what) == (two.round.spec, two.round.what)
        np.testing.assert_array_equal(one.round.candidates, two.round.candidates)
        differs.append((one.round.spec, one.round.what) != (other.round.spec, other.round.what))
        for game in (one, two, other):
            play(game, [0])
    assert any(differs)


def test_the_true_candidate_has_no_place_of_its_own(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    assert set(play(game, [0] * 12)) == {0, 1}


@pytest.mark.parametrize("n", [2, 4])
def test_the_true_candidate_is_the_window_of_the_music_and_the_others_are_not(specs, sampler, n):
    game = quiz(specs, sampler, Scorer("control"), candidates=n, kinds=KINDS)
    assert len(game.round.candidates) == len(game.buttons) == n
    assert len(set(game.round.what)) >= 2
    spec = game.round.spec
    true = sampler.by_id[spec.track_id].read(spec.positive, spec.start_s, 5.0)
    like = [abs(np.corrcoef(true, candidate)[0, 1]) for candidate in game.round.candidates]
    assert like[game.round.true] > 0.9999
    assert sorted(like)[-2] < 0.99
    assert game.round.what[game.round.true] == "the accompaniment of this window"


def test_the_tally_counts_listener_and_model_by_kind(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    expected = []
    for choice in (0, 1, 0, 0, 1, 0):
        model = int(np.argmax(game.scores))
        expected.append((game.round.kind, choice == game.round.true, model == game.round.true))
        play(game, [choice])
    tally = game.tally().set_index("wrong candidates")
    for kind in KINDS:
        rows = [row for row in expected if row[0] == kind]
        assert tally.loc[kind, "rounds"] == len(rows) == 2
        assert tally.loc[kind, "you"] == np.mean([you for _, you, _ in rows])
        assert tally.loc[kind, "model"] == np.mean([model for _, _, model in rows])
    assert tally.loc["all", "you"] == np.mean([you for _, you, _ in expected])
    assert (tally["chance"] == 0.5).all()


def test_the_answer_is_hidden_until_it_is_given_and_then_told(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    assert "cocola-peek" in game.html  # a document without a kernel tells on request
    assert game.next_button.disabled
    game.answer(game.round.true)
    assert "You are right" in game.html
    assert f"(score {game.scores.max():.2f})" in game.html
    for i, letter in enumerate("AB"):  # a wrong one is never said to be "the true accompaniment" and no more
        assert f"{letter} {'belongs' if i == game.round.true else 'does not belong'} (score" in game.html
    assert all(button.disabled for button in game.buttons)


def test_the_model_scores_every_candidate_as_it_would_alone(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    music = game.round.conditioning
    expected = [Scorer("control").matrix([music], [clip])[0, 0] for clip in game.round.candidates]
    np.testing.assert_allclose(game.scores, expected, rtol=1e-5)


def test_a_second_click_on_an_answer_counts_once(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    game.answer(0)
    game.answer(1)
    assert len(game.answers) == 1
    assert game.answers[0]["listener"] == 0


def test_answers_are_on_disk_before_the_next_question_and_a_new_kernel_goes_on(specs, sampler, tmp_path):
    path = tmp_path / "kept" / "answers.csv"
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS, answers=path)
    game.answer(1)
    (row,) = csv.DictReader(path.open())
    assert (row["listener"], row["kind"], row["true"]) == ("1", "other track", str(game.round.true))
    game.next_button.click()
    resumed = quiz(specs, sampler, Scorer("control"), kinds=KINDS, answers=path)
    assert resumed.answers == game.answers
    assert resumed.round.what == game.round.what
    assert "Question 2" in resumed.html
    assert "Right answers so far" in resumed.html
    resumed.start_over()
    assert resumed.answers == []
    assert list(csv.DictReader(path.open())) == []
    assert list(tmp_path.rglob(".*")) == []  # nothing half-written


def test_answers_are_not_forgotten_by_one_click(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    assert game.again_button.disabled  # there is nothing to forget
    play(game, [0, 0])
    game.again_button.click()
    assert len(game.answers) == 2
    assert game.again_button.description == "Forget all answers?"
    game.answer(0)  # whoever goes on has not confirmed
    game.again_button.click()
    assert len(game.answers) == 3
    game.again_button.click()
    assert game.answers == []
    assert game.again_button.description == "Start over"


def test_the_music_goes_on_when_a_question_is_answered(specs, sampler):
    game = quiz(specs, sampler, Scorer("control"), kinds=KINDS)
    players, told = (output.outputs for output in game._outputs)
    game.answer(0)
    assert game._outputs[0].outputs == players
    assert game._outputs[1].outputs != told


def test_answers_of_another_seed_or_number_of_candidates_stay_in_the_file(specs, sampler, tmp_path):
    path = tmp_path / "answers.csv"
    first = quiz(specs, sampler, Scorer("control"), kinds=KINDS, answers=path, seed=1)
    first.answer(0)
    second = quiz(specs, sampler, Scorer("control"), kinds=KINDS, answers=path, seed=2)
    assert second.answers == []
    second.answer(0)
    assert [row["seed"] for row in csv.DictReader(path.open())] == ["1", "2"]
    second.start_over()
    assert [row["seed"] for row in csv.DictReader(path.open())] == ["1"]


def test_what_is_no_quiz_is_refused_in_one_line(specs, sampler, tmp_path):
    def start(**changes):
        return quiz(specs, sampler, Scorer("control"), **changes)

    with pytest.raises(ValueError, match="candidates is 5; use 2 to 4"):
        start(candidates=5)
    with pytest.raises(ValueError, match="kinds: louder; use some of other track"):
        start(kinds=("louder",))
    with pytest.raises(ValueError, match="specs is empty"):
        quiz([], sampler, Scorer("control"))
    foreign = tmp_path / "table.csv"
    foreign.write_text("a,b\n1,x\n")
    with pytest.raises(ValueError, match=r"table\.csv: not the answers of a quiz"):
        start(answers=foreign)


def test_a_kind_that_no_pair_has_gives_its_turn_to_the_next_and_none_at_all_is_told(tmp_path):
    alone = WindowSampler(write_bands(tmp_path, n=1, seconds=6.0))
    specs = [PairSpec(alone.tracks[0].id, 0.0, ("bass",), ("keys",))]
    assert quiz(specs, alone, Scorer("control"), kinds=KINDS).round.kind == "delayed"
    game = quiz(specs, alone, Scorer("control"), kinds=("other track", "other window"))
    assert "none of 1 pairs has a wrong accompaniment of the kind" in game.html
    assert all(button.disabled for button in (*game.buttons, game.next_button))
