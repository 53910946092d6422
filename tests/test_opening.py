"""The sentences of notebooks 00 and 01 say what the data say."""

import numpy as np
import pandas as pd
import pytest
from songs import write_bands

from cocola_lib.classification import shortcuts
from cocola_lib.notebook import opening
from cocola_lib.sampling import PairSpec, WindowSampler


def test_another_track_is_promised_only_where_there_is_one():
    a, b, c = (PairSpec(track, start, ("bass",), ("keys",)) for track, start in (("x", 0.0), ("x", 5.0), ("y", 0.0)))
    assert "another track" in opening.the_answer([a, b, c], 2).text
    assert "another window of the same track" in opening.the_answer([a, b], 1).text


def test_a_wrong_choice_is_called_wrong():
    scores = {"both": np.array([[1.0, 2.0], [0.0, 3.0]])}
    assert "**wrong**" in opening.the_choice(scores, 1, "model").text
    assert "right" in opening.the_choice({"both": -scores["both"]}, 1, "model").text


def test_the_share_above_the_best_twentieth_is_of_the_true_pairs():
    random, true = np.arange(100.0), np.array([0.0, 50.0, 98.0, 99.0])
    row = {"scorer": ["model", "control"], "k": [2, 2], "accuracy": [0.9, 0.8], "low": [0.8, 0.7], "high": [1.0, 0.9]}
    told = opening.what_scores_say(true, random, pd.DataFrame(row), "model").text
    assert "the score that 50 % of the true pairs exceed is exceeded by 5 % of the random pairs" in told
    assert "picks the true one in 90 % [80, 100] of cases, and the control in 80 % [70, 90]" in told


def test_negatives_of_the_own_track_are_counted_for_each_r():
    rows = [("r = 0 %", 0.0), ("r = 90 %", 0.2), ("r = 90 %", 0.8), ("r = 90 %", np.nan), ("r = 90 %", np.nan)]
    negatives = pd.DataFrame(rows, columns=["r", "overlap"]).assign(**{"same track": [True, True, True, False, False]})
    told = opening.what_r_does(negatives).text
    assert "100.0 % at r = 0 %, 50.0 % at r = 90 %" in told  # batches differ in size where few windows fit
    assert "0 % at r = 0 %, 50 % at r = 90 %" in told


def test_shortcuts_are_looked_for_in_large_data_sets_only_and_twice(tmp_path):
    sampler = WindowSampler(write_bands(tmp_path, n=10, seconds=6.0))
    found = shortcuts.check_datasets(sampler, n_pairs=20)
    assert list(found["pairs"])[0] == "any sub-mixes"
    assert set(found["pairs"][1].split(" with ")) < set(sampler.tracks[0].stem_names)
    assert found["accuracy"].between(found["low"], found["high"]).all()
    assert shortcuts.check_datasets(WindowSampler(sampler.tracks[:9]), n_pairs=20).empty


def test_defects_are_counted_in_words_that_fit_their_number():
    columns = ["lengths differ by (s)", "stems that never sound", "clipped samples"]
    told = opening.what_defects(pd.DataFrame([(0.0, 1, 0), (0.5, 0, 9)], columns=columns)).text
    assert "1 of 2 tracks; 1 stem never sounds; 1 track has clipped samples." in told


def test_tracks_that_are_all_shorter_than_a_window_are_refused_in_a_line(tmp_path):
    with pytest.raises(ValueError, match=r"^no window of 5 s: the longest track has 4\.0 s; add longer tracks$"):
        opening.overview(write_bands(tmp_path, n=2, seconds=4.0))
