"""Calibration: shares against a count, odds against their closed form, monotone, stored and read back."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import clip, tiny_checkpoint, tiny_scorer

from cocola_lib.models import calibration, checkpoints
from cocola_lib.models.calibration import Calibration, calibrate, fit, split
from cocola_lib.models.formats import checkpoint_hash
from cocola_lib.scoring import Scorer

finite = st.floats(-1e6, 1e6, width=32)


def gaussians(shift=2.0, n=4_000, seed=0):
    """Scores for which the true odds are known: N(shift, 1) against N(0, 1)."""
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, n), rng.normal(0, 1, n)


def test_the_share_of_random_pairs_is_what_counting_gives():
    true, random = gaussians()
    entry = fit(true, random)
    for score in np.linspace(-3, 3, 13):
        assert entry.percentile(score) == pytest.approx(100 * np.mean(random < score), abs=0.5)
    assert entry.percentile(-99) == 0 and entry.percentile(99) == 100
    assert entry.auc == pytest.approx(np.mean(true[:, None] > random[None, :]), abs=1e-9)


def test_the_odds_of_two_gaussians_are_their_likelihood_ratio():
    shift = 2.0
    entry = fit(*gaussians(shift, 20_000))
    for score in (-1.0, 0.0, 1.0, 2.0, 3.0):
        assert math.log(entry.odds(score)) == pytest.approx(shift * score - shift**2 / 2, abs=0.15)


def test_the_odds_do_not_depend_on_how_many_random_pairs_were_drawn():
    true, random = gaussians(n=2_000)
    few, many = fit(true, random[:200]), fit(true, np.tile(random, 20))
    assert math.log(few.odds(2.0)) == pytest.approx(math.log(many.odds(2.0)), abs=0.5)


@settings(deadline=None, max_examples=60)
@given(st.lists(finite, min_size=8, max_size=40), st.lists(finite, min_size=8, max_size=40), st.lists(finite))
def test_shares_and_odds_rise_with_the_score_whatever_the_data(true, random, scores):
    entry = fit(np.array(true), np.array(random))
    shares, odds = ([f(score) for score in sorted(scores)] for f in (entry.percentile, entry.odds))
    assert np.all(np.diff(shares) >= -1e-9) and all(0 <= share <= 100 for share in shares)
    assert np.all(np.diff(odds) >= -1e-9) and all(1 / len(true) - 1e-9 <= o <= len(true) + 1e-9 for o in odds)
    assert 0 <= entry.auc <= 1


def test_separated_scores_keep_finite_odds_below_the_number_of_pairs():
    entry = fit(np.linspace(10, 11, 50), np.linspace(0, 1, 50))
    assert math.isfinite(entry.slope) and entry.auc == 1
    assert 5 < entry.odds(11) <= 50 and entry.odds(1e9) == pytest.approx(50)


def test_a_model_worse_than_chance_is_undecided_and_not_inverted():
    random, true = gaussians()
    entry = fit(true, random)
    assert entry.slope == 0 and entry.odds(-9) == entry.odds(9) == 1


def test_constant_scores_are_undecided():
    entry = fit(np.ones(9), np.ones(9))
    assert entry.odds(1) == 1 and entry.percentile(1) == 50 and entry.auc == 0.5


def test_nan_stays_nan():
    entry = fit(*gaussians(n=100))
    assert math.isnan(entry.percentile(math.nan)) and math.isnan(entry.odds(math.nan))


def test_pairs_of_one_song_are_no_random_pairs():
    matrix = np.arange(16.0).reshape(4, 4)
    matrix[0, 0] = np.nan
    true, random = split(matrix, np.array(["a", "a", "b", "c"]))
    np.testing.assert_array_equal(true, [5, 10, 15])
    np.testing.assert_array_equal(random, [2, 3, 6, 7, 8, 9, 11, 12, 13, 14])


class KnownScorer:
    """Scores numbers: true pairs are n against n."""

    modes = ("both",)

    def matrices(self, anchors, positives, modes):
        return {"both": -np.abs(np.subtract.outer(np.array(list(anchors)), np.array(list(positives))))}


def test_any_list_of_pairs_makes_a_calibration():
    made = calibrate(KnownScorer(), [(float(i), i + 0.4) for i in range(20)], "numbers")
    assert made.dataset == "numbers" and made.modes["both"].auc > 0.9
    assert made.modes["both"].n_true == 20 and made.modes["both"].n_random == 380
    assert made.modes["both"].odds(-0.4) > 1 > made.modes["both"].odds(-15.0)
    with pytest.raises(ValueError, match="7 pairs; 8 or more"):
        calibrate(KnownScorer(), [(0.0, 0.0)] * 7, "few")


def test_a_real_scorer_is_calibrated_in_every_mode_and_silence_is_left_out():
    pairs = [(clip(5, i), clip(5, i + 100)) for i in range(9)] + [(np.zeros(80_000), clip(5, 1))]
    made = calibrate(tiny_scorer(), pairs, "noise")
    assert set(made.modes) == {"both", "harmonic", "percussive"}
    assert all(entry.n_true == 9 and entry.n_random == 81 for entry in made.modes.values())
    with pytest.raises(ValueError, match="0 true"):
        calibrate(tiny_scorer(), [(np.zeros(80_000), np.zeros(80_000))] * 8, "silence")


def test_a_stored_calibration_is_used_from_then_on_and_others_stay(tmp_path):
    folder = tiny_checkpoint(tmp_path / "model")
    first = Calibration("first", {"both": fit(*gaussians(n=50))})
    calibration.store(folder, first)
    before = checkpoint_hash(folder)
    calibration.store(folder, Calibration("second", {"both": fit(*gaussians(n=60, seed=1))}))
    assert Scorer(folder, "cpu").calibration.dataset == "second"
    _, config = checkpoints.load(folder)
    assert calibration.stored_calibration(config, "first") == first
    assert checkpoint_hash(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    with pytest.raises(ValueError, match="none for 'third'"):
        calibration.stored_calibration(config, "third")


def test_calibrations_that_cannot_be_stored_or_read_are_one_line(tmp_path):
    (tmp_path / "released.ckpt").touch()
    with pytest.raises(ValueError, match="convert"):
        calibration.store(tmp_path / "released.ckpt", Calibration("x", {}))
    for broken in ({"modes": {"both": {"slope": 1}}}, {"dataset": "x"}, [], {"dataset": "x", "modes": 3}):
        with pytest.raises(ValueError, match="make it again"):
            Calibration.from_dict(broken)
    assert calibration.stored_calibration({}) is None


def test_a_calibration_survives_json():
    made = Calibration("x", {"both": fit(*gaussians(n=40))})
    assert Calibration.from_dict(json.loads(json.dumps(made.to_dict()))) == made
