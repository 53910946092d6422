"""A foil differs from its true pair in the one thing that its name says."""

import numpy as np
import pytest
from songs import write_bands

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.hearing import foils
from cocola_lib.sampling import PairSpec, WindowSampler


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    return WindowSampler(write_bands(tmp_path_factory.mktemp("bands")))


def spec_of(sampler, start_s=2.0, positive=("keys",)):
    return PairSpec(sampler.tracks[0].id, start_s, ("bass",), positive)


def test_the_coherent_one_is_what_the_track_plays_in_this_window(sampler):
    spec = spec_of(sampler)
    foil = foils.make_foil(sampler, spec, "coherent")
    np.testing.assert_array_equal(foil.clip, sampler.tracks[0].read(("keys",), 2.0, 5.0))


def test_a_delay_is_the_same_sound_that_many_samples_later(sampler):
    true = foils.make_foil(sampler, spec_of(sampler), "coherent").clip
    late = foils.make_foil(sampler, spec_of(sampler), "delayed", 250)
    n = SAMPLE_RATE // 4
    np.testing.assert_allclose(late.clip[n:], true[:-n], atol=1e-6)
    assert "250 ms late" in late.what


def test_a_delay_at_the_start_of_a_track_begins_with_silence(sampler):
    spec = spec_of(sampler, start_s=0.0)
    late = foils.make_foil(sampler, spec, "delayed", 500).clip
    assert not late[: SAMPLE_RATE // 2].any()
    assert len(late) == 5 * SAMPLE_RATE
    np.testing.assert_allclose(late[SAMPLE_RATE // 2 :], sampler.tracks[0].read(("keys",), 0.0, 4.5), atol=1e-6)


def test_another_window_is_of_the_same_stems_half_a_window_away_or_more(sampler):
    for seed in range(5):
        foil = foils.make_foil(sampler, spec_of(sampler), "other window", seed=seed)
        start_s = float(foil.what.split("from ")[1].split(" s")[0])
        assert abs(start_s - 2.0) >= 2.5
        np.testing.assert_array_equal(foil.clip, sampler.tracks[0].read(("keys",), start_s, 5.0))


def test_another_track_is_never_the_same_one(sampler):
    made = [foils.make_foil(sampler, spec_of(sampler), "other track", seed=seed) for seed in range(8)]
    assert not any(sampler.tracks[0].id in foil.what for foil in made)
    assert len({foil.what for foil in made}) > 1  # the seed decides which
    assert all("keys" in foil.what for foil in made)  # the same stem, where there is one


def test_a_shift_moves_the_pitch_and_keeps_the_length(tmp_path):
    from cocola_lib.data import audio
    from cocola_lib.data.tracks import load_tracks

    time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    for name, hz in (("bass", 110.0), ("keys", 440.0)):
        audio.write(tmp_path / "tones" / f"{name}.wav", (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32))
    sampler = WindowSampler(load_tracks(tmp_path))
    spec = spec_of(sampler, start_s=1.0)
    up = foils.make_foil(sampler, spec, "shifted", 12)
    assert len(up.clip) == 5 * SAMPLE_RATE
    assert np.abs(np.fft.rfft(up.clip)).argmax() / 5 == pytest.approx(880, rel=0.01)
    assert "phase vocoder" in up.what  # a recording cannot be played again


@pytest.mark.parametrize(("amount", "words"), [(1.1, "10 % faster"), (0.85, "15 % slower")])
def test_a_stretch_keeps_the_length(sampler, amount, words):
    foil = foils.make_foil(sampler, spec_of(sampler, 0.0), "stretched", amount)
    assert len(foil.clip) == 5 * SAMPLE_RATE
    assert words in foil.what


def test_what_cannot_be_is_refused_with_a_reason(sampler, tmp_path):
    with pytest.raises(ValueError, match="drums has no pitch to shift"):
        foils.make_foil(sampler, spec_of(sampler, positive=("drums",)), "shifted", 3)
    with pytest.raises(ValueError, match="kind is 'louder'; use coherent"):
        foils.make_foil(sampler, spec_of(sampler), "louder")
    alone = WindowSampler(write_bands(tmp_path, n=1, seconds=5.0))
    with pytest.raises(ValueError, match="no other one"):
        foils.make_foil(alone, spec_of(alone, 0.0), "other track")
    with pytest.raises(ValueError, match="plays in no other window"):
        foils.make_foil(alone, spec_of(alone, 0.0), "other window")
