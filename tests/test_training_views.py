"""What notebook 02 says follows from what was measured, and is not said where it was not."""

import numpy as np
import pandas as pd
import pytest

from cocola_lib.notebook import training as told
from cocola_lib.sampling import PairSpec

CURVE = pd.DataFrame({"step": [1, 2, 3, 4], "loss": [4.0, 3.0, 2.0, 1.0], "accuracy": [0.0, 0.1, 0.2, 0.3]})
HISTORY = pd.DataFrame(
    [
        {"step": step, "split": "train", "loss": 3.0 - step / 20, "accuracy": 0.02 * step, "k": 16.0}
        for step in range(1, 21)
    ]
    + [
        {"step": 10, "split": "valid", "loss": 2.0, "accuracy": 0.5, "low": 0.4, "high": 0.6, "k": 16.0},
        {"step": 20, "split": "valid", "loss": 1.9, "accuracy": 0.4, "low": 0.3, "high": 0.5, "k": 16.0},
    ]
)


def found(with_masks, without):
    rows = [{"k": 8, "accuracy": (low + high) / 2, "low": low, "high": high} for low, high in (with_masks, without)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("without", "said"), [((0.1, 0.2), "recognise the mask, not the music"), ((0.1, 0.35), "the two intervals overlap")]
)
def test_a_shortcut_is_claimed_only_beyond_the_intervals(without, said):
    assert said in told.what_the_mask_gave_away(CURVE, 48, found((0.3, 0.4), without))


def test_the_best_validation_is_told_and_not_the_last():
    assert told.numbers(HISTORY) == {"best_step": 10, "last_train_loss": pytest.approx(2.225), "log_k": np.log(16)}
    assert "50 % [40, 60]" in told.headline("b0-time", HISTORY)
    assert "from step 11 on" in told.when_it_left_chance(HISTORY)  # the mean of steps 2 to 11 is above 2 / 16


def test_rivals_and_neighbours_are_counted_by_their_own_song():
    specs = [PairSpec(song, 0.0, ("a",), ("b",)) for song in ("x", "x", "y", "y")]
    similarities = np.array([[0.0, 5, 1, 1], [0, 9, 1, 1], [0, 5, 1, 1], [0, 0, 0, 9]])
    assert list(told.worst_first(similarities)[:2]) == [0, 2]
    said = told.what_goes_wrong(similarities, specs).text
    assert "2 of 4 anchors" in said and "50% are from the anchor's own song (by luck: 33%)" in said
    assert told.nearest_at_home(similarities, np.array([0, 0, 1, 1]))[0] == 0.25
