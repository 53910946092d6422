"""Scores: windows, silence, modes, batches and bad input, with a tiny untrained model."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import clip, clip_file, tiny_checkpoint, tiny_model, tiny_scorer

import cocola_lib
from cocola_lib.data import audio
from cocola_lib.features import MODES
from cocola_lib.models import formats
from cocola_lib.models.calibration import Calibration, fit
from cocola_lib.models.formats import checkpoint_hash
from cocola_lib.scoring import Scorer

pytestmark = pytest.mark.filterwarnings("ignore:.*zero padded")


@pytest.fixture(scope="module")
def scorer():
    return tiny_scorer()


@pytest.fixture(scope="module")
def mono():
    return tiny_scorer("mel")


def by_hand(scorer, x, y, mode):
    """One window's score, straight from the model: Eq. 2 with the channels masked."""
    model = scorer.model
    with torch.no_grad():
        h1, h2 = (model(torch.from_numpy(z)[None], mode)[0] for z in (x, y))
        return float(h1 @ model.w() @ h2)


@pytest.mark.parametrize("pooling", ["time", "average"])
@pytest.mark.parametrize("mode", MODES)
def test_one_window_is_eq_2_with_the_mode_applied(pooling, mode):
    scorer = tiny_scorer(pooling=pooling)
    x, y = clip(5, 1), clip(5, 2)
    score = scorer.score(x, y)
    assert getattr(score, mode) == pytest.approx(by_hand(scorer, x, y, mode), rel=1e-4, abs=1e-5)
    assert scorer.matrix([x], [y], mode)[0, 0] == pytest.approx(getattr(score, mode), rel=1e-5)
    assert len({score.both, score.harmonic, score.percussive}) == 3  # the released score() forgets the mode
    assert all(math.isnan(end) for end in score.interval)  # one window has no spread


def test_a_long_clip_is_the_mean_of_its_windows(scorer):
    x, y = clip(11, 1), clip(11, 2)
    score = scorer.score(x, y)
    starts = np.array([0, 40_000, 80_000])
    np.testing.assert_array_equal(score.starts_s, starts / 16_000)
    hand = [by_hand(scorer, x[i : i + 80_000], y[i : i + 80_000], "both") for i in starts]
    np.testing.assert_allclose(score.curves["both"], hand, rtol=1e-4)
    assert score.both == pytest.approx(np.mean(hand), rel=1e-4)
    assert score.coverage == 1 and score.n_silent == 0 and score.reason is None and not score.padded
    low, high = score.interval
    assert min(hand) - 1e-3 <= low <= score.both <= high <= max(hand) + 1e-3


@pytest.mark.parametrize("hop_s, n", [(2.5, 5), (5, 3), (1.25, 9), (7, 2), (100, 1)])
def test_the_hop_decides_the_windows(scorer, hop_s, n):
    score = scorer.score(clip(15, 1), clip(15, 2), hop_s=hop_s)
    assert len(score.starts_s) == len(score.curves["both"]) == n
    np.testing.assert_allclose(score.starts_s, np.arange(n) * hop_s)


def test_silent_windows_are_left_out_and_counted(scorer):
    x, y = clip(20, 1), clip(20, 2)
    x[:160_000] = 0  # silent in the windows at 0, 2.5 and 5 s
    y[240_000:] = 1e-5  # and y in the one at 15 s
    score = scorer.score(x, y)
    assert score.n_silent == 4 and score.coverage == pytest.approx(3 / 7)
    np.testing.assert_array_equal(np.isnan(score.curves["both"]), [1, 1, 1, 0, 0, 0, 1])
    assert score.both == pytest.approx(np.nanmean(score.curves["both"]))


@pytest.mark.parametrize("silent", [(0,), (1,), (0, 1)])
def test_silence_is_never_a_high_score(scorer, silent):
    pair = [clip(8, 1), clip(8, 2)]
    for side in silent:
        pair[side] = np.zeros(128_000, np.float32)
    score = scorer.score(*pair)
    assert math.isnan(score.both) and math.isnan(score.harmonic) and math.isnan(score.percussive)
    assert score.coverage == 0 and score.n_silent == 2
    for side in (0, 1):
        assert (("conditioning", "accompaniment")[side] in score.reason) == (side in silent)
    assert np.isnan(scorer.matrix(pair[:1], pair[1:])).all()


def test_clips_that_never_sound_together_say_so(scorer):
    x, y = clip(10, 1), clip(10, 2)
    x[79_000:], y[:81_000] = 0, 0
    score = scorer.score(x, y, hop_s=5)
    assert math.isnan(score.both) and "never sound" in score.reason


def test_the_limit_of_silence_is_minus_60_dbfs(scorer):
    x = clip(5, 1) / 10 ** (audio.rms_dbfs(clip(5, 1)) / 20)  # 0 dBFS RMS
    assert math.isnan(scorer.score(x * 10 ** (-60.1 / 20), x).both)
    assert math.isfinite(scorer.score(x * 10 ** (-59.9 / 20), x).both)


def test_a_shorter_side_counts_as_silent_where_it_has_ended(scorer):
    score = scorer.score(clip(20, 1), clip(8, 2))
    assert score.coverage == pytest.approx(2 / 7) and score.n_silent == 5
    assert score.both == pytest.approx(scorer.score(clip(20, 1)[:128_000], clip(8, 2)).both, rel=1e-5)


def test_a_clip_shorter_than_a_window_is_padded_with_a_warning(scorer):
    x, y = clip(2, 1), clip(5, 2)
    with pytest.warns(UserWarning, match="conditioning: 2.00 s.*zero padded"):
        score = scorer.score(x, y)
    assert score.padded
    assert score.both == pytest.approx(scorer.score(np.pad(x, (0, 48_000)), y).both, rel=1e-5)


def test_a_few_missing_samples_are_no_reason_to_warn(scorer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isfinite(scorer.score(clip(5)[:-100], clip(5, 2)).both)


def test_files_and_arrays_of_any_rate_and_width_agree(scorer, tmp_path):
    x, y = clip(8, 1, 44_100, 2), clip(8, 2, 48_000)
    audio.write(tmp_path / "x.wav", x, 44_100)
    audio.write(tmp_path / "y.flac", y, 48_000)
    files = scorer.score(tmp_path / "x.wav", str(tmp_path / "y.flac"))
    arrays = scorer.score(audio.resample(audio.to_mono(x), 44_100, 16_000), audio.resample(y, 48_000, 16_000))
    np.testing.assert_allclose(files.curves["both"], arrays.curves["both"], atol=0.05)
    same_rate = scorer.score(x.T, x, rate=44_100)
    file = scorer.score(tmp_path / "x.wav", tmp_path / "x.wav")
    assert same_rate.both == pytest.approx(file.both, abs=0.05)


def test_windows_read_minute_by_minute_are_those_of_the_whole(scorer, tmp_path):
    path = clip_file(tmp_path / "x.wav", 130, 1, 11_025)
    streamed = scorer.score(path, path, modes="both", hop_s=10)
    whole = audio.read(path)
    np.testing.assert_allclose(
        streamed.curves["both"], scorer.score(whole, whole, modes="both", hop_s=10).curves["both"], rtol=1e-3
    )


@settings(deadline=None, max_examples=8)
@given(st.lists(st.sampled_from([3.0, 5.0, 6.0, 8.0, 11.0]), min_size=1, max_size=3), st.integers(0, 5))
def test_the_matrix_is_the_score_of_every_pair(scorer, lengths, seed):
    x = [clip(n, seed + i) for i, n in enumerate(lengths)]
    y = [clip(8, 50 + seed), np.zeros(80_000, np.float32), clip(5, 51 + seed)]
    x[0][:40_000] = 0
    for mode, matrix in scorer.matrices(x, y).items():
        single = [[getattr(scorer.score(a, b, modes=mode), mode) for b in y] for a in x]
        np.testing.assert_allclose(matrix, single, rtol=1e-4, atol=1e-4)
        assert matrix.shape == (len(x), 3)


def test_the_batch_size_changes_nothing_and_each_clip_is_embedded_once(monkeypatch):
    x, y = [clip(8, i) for i in range(3)], [clip(5, i + 10) for i in range(4)]
    results, sizes = [], []
    for batch_size in (1, 3, 64):
        scorer = tiny_scorer(batch_size=batch_size)
        embed, seen = scorer.model.embed_modes, []
        monkeypatch.setattr(
            scorer.model, "embed_modes", lambda w, modes, e=embed, s=seen: s.append(len(w)) or e(w, modes)
        )
        results.append(scorer.matrices(x, y))
        sizes.append(seen)
    assert [sum(seen) for seen in sizes] == [3 * 2 + 4] * 3
    assert max(sizes[0]) == 1 and max(sizes[1]) == 3
    for mode in MODES:
        for other in results[1:]:
            np.testing.assert_allclose(other[mode], results[0][mode], rtol=1e-3, atol=1e-4)


def test_many_pairs_come_back_in_order_with_their_errors(scorer, tmp_path):
    good = clip_file(tmp_path / "good.wav", 12, 1)
    pairs = [
        (clip(5, 1), clip(5, 2)),
        ("missing.wav", good),
        (good, clip(9, 3)),
        (np.zeros(80_000), good),
        (good, [math.nan] * 9),
    ]
    results = list(scorer.score_pairs(pairs))
    assert [type(result).__name__ for result in results] == [
        "Score",
        "FileNotFoundError",
        "Score",
        "Score",
        "ValueError",
    ]
    assert results[0].both == pytest.approx(scorer.score(*pairs[0]).both, rel=1e-5)
    assert results[2].both == pytest.approx(scorer.score(*pairs[2]).both, rel=1e-5)
    assert "accompaniment: 9 of 9 samples" in str(results[4])


def test_pairs_are_read_as_they_are_needed(scorer):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield clip(5, 1), clip(5, 2)

    stream = scorer.score_pairs(endless(), modes="both")
    for _ in range(20):
        next(stream)
    assert len(taken) <= 20 + scorer.batch_size


def test_embeddings_average_the_windows_that_sound(scorer):
    x = clip(7.5, 1)
    x[:80_000] = 0  # the window at 0 is silent, the one at 2.5 s is not
    h = scorer.embed([x, np.zeros(80_000), clip(5, 3)])
    assert h.shape == (3, 64) and h.dtype == np.float32
    assert np.isnan(h[1]).all()
    np.testing.assert_allclose(h[0], scorer.embed([x[40_000:]])[0], atol=1e-5)
    assert scorer.embed([]).shape == (0, 64)
    score = h[:1] @ scorer.model.w().detach().numpy() @ h[2:].T
    assert score[0, 0] == pytest.approx(scorer.score(x[40_000:], clip(5, 3)).both, rel=1e-4)


def test_a_mono_model_gives_one_score_and_refuses_the_others(mono):
    score = mono.score(clip(5, 1), clip(5, 2))
    assert score.harmonic is None and score.percussive is None and math.isfinite(score.both)
    assert list(score.curves) == ["both"] and mono.modes == ("both",)
    for ask in (lambda: mono.matrix([clip()], [clip()], "harmonic"), lambda: mono.embed([clip()], "percussive")):
        with pytest.raises(ValueError, match="single channel.*use mode 'both'"):
            ask()


def test_the_modes_asked_for_are_the_modes_given(scorer):
    score = scorer.score(clip(), clip(5, 1), modes=("harmonic",))
    assert score.both is None and score.percussive is None and list(score.intervals) == ["harmonic"]
    assert math.isnan(score.interval[0]) and score.percentile is None
    for modes in ("drums", (), ("both", "h")):
        with pytest.raises(ValueError, match="mode: "):
            scorer.score(clip(), clip(), modes=modes)


@pytest.mark.parametrize("hop_s", [0, -1, math.nan, math.inf, "2", None])
def test_a_hop_that_is_none_is_an_error(scorer, hop_s):
    with pytest.raises(ValueError, match="hop_s"):
        scorer.score(clip(), clip(), hop_s=hop_s)


def test_bad_clips_name_the_side(scorer):
    for bad in (np.zeros((200, 300)), np.zeros(0), np.full(9, np.inf), np.arange(9)):
        with pytest.raises(ValueError, match="^accompaniment: "):
            scorer.score(clip(), bad)
    with pytest.raises(ValueError, match="conditioning: sample rate 0 Hz"):
        scorer.score(clip(), clip(), rate=0)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", True])
def test_a_batch_size_that_is_none_is_an_error(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        Scorer.from_model(tiny_model(), device="cpu", batch_size=batch_size)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", 3.5])
def test_a_device_that_is_not_here_is_one_line(device):
    with pytest.raises(ValueError, match="device: ") as caught:
        Scorer.from_model(tiny_model(), device=device)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_scores_as_the_model_that_was_saved(scorer, tmp_path):
    loaded = cocola_lib.Scorer.from_checkpoint(tiny_checkpoint(tmp_path / "model"), device="cpu")
    assert loaded.score(clip(), clip(5, 1)).both == pytest.approx(scorer.score(clip(), clip(5, 1)).both, rel=1e-5)
    assert len(loaded.hash) == 16 and loaded.hash != Scorer(tiny_checkpoint(tmp_path / "b", seed=1), "cpu").hash
    assert scorer.hash == tiny_scorer().hash


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_the_precision_moves_a_score_by_less_than_its_spread(precision):
    rng = np.random.default_rng(0)
    modes = {mode: fit(rng.normal(1, 1, 99), rng.normal(-1, 1, 99)) for mode in MODES}
    config = {"calibration": {"noise": Calibration("noise", modes).to_dict()}}
    exact = tiny_scorer().score(clip(), clip(5, 1))
    scorer = Scorer.from_model(tiny_model(), config, device="cpu", precision=precision)
    limit = {"auto": 0.05, "float32": 1e-4, "bfloat16": 1.0}[precision]
    assert scorer.score(clip(), clip(5, 1)).both == pytest.approx(exact.both, abs=limit)
    assert scorer.model.report["precision"] in ("float32", "bfloat16")
    uncalibrated = Scorer.from_model(tiny_model(), device="cpu", precision="auto")
    assert uncalibrated.model.report["precision"] == "float32"


def test_scoring_leaves_the_model_as_it_was():
    model = tiny_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Scorer.from_model(model, device="cpu").score(clip(), clip(5, 1))
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_model_in_the_package_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "IN_PACKAGE", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    named = tiny_checkpoint(tmp_path / "package" / "hps-all")
    assert Scorer("hps-all", device="cpu").checkpoint == named
    assert Scorer("hps-all", device="cpu").hash == checkpoint_hash(named)
    tiny_checkpoint(tmp_path / "hps-all")  # what lies where one works comes first
    assert Scorer("hps-all", device="cpu").checkpoint == Path("hps-all")
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        Scorer("hps-none")


def test_a_calibrated_checkpoint_reports_shares_and_odds(scorer):
    raw = scorer.score(clip(), clip(5, 1))
    rng = np.random.default_rng(0)
    modes = {m: fit(getattr(raw, m) + rng.normal(1, 1, 99), getattr(raw, m) + rng.normal(-1, 1, 99)) for m in MODES}
    config = {"calibration": {"noise": Calibration("noise", modes).to_dict()}}
    score = Scorer.from_model(tiny_model(), config, device="cpu").score(clip(), clip(5, 1))
    assert score.both == pytest.approx(raw.both) and score.percentile == score.percentiles["both"]
    assert 60 < score.percentile < 99 and set(score.odds) == set(MODES)
    assert raw.percentile is None and raw.odds == {}
    silent = Scorer.from_model(tiny_model(), config, device="cpu").score(clip(), np.zeros(80_000))
    assert math.isnan(silent.percentile) and math.isnan(silent.odds["both"])


def test_the_interval_is_the_same_every_time_and_holds_the_score(scorer):
    first, again = (scorer.score(clip(60, 1), clip(60, 2)) for _ in range(2))
    assert first.intervals == again.intervals
    low, high = first.interval
    assert low < first.both < high
    assert all(math.isnan(end) for end in scorer.score(clip(5, 1), clip(5, 2)).interval)
