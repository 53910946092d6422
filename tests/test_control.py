"""The control without learning hears harmony and rhythm apart, on sounds whose answer is known."""

import numpy as np
import pytest
import torch

from cocola_lib.features import WINDOW
from cocola_lib.models.control import ChromaOnsets, chroma_segments, onset_curve
from cocola_lib.scoring import Scorer

RATE = 16_000
TIME = np.arange(5 * RATE) / RATE


def chord(*midi):
    tones = [np.sin(2 * np.pi * 440 * 2 ** ((m - 69) / 12) * TIME) for m in midi]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def clicks(period_s, offset_s=0.0):
    x = np.zeros(len(TIME), dtype=np.float32)
    for start in np.arange(offset_s, 4.9, period_s):
        x[int(start * RATE) : int(start * RATE) + 200] = np.random.default_rng(0).normal(size=200) * 0.3
    return x


def test_the_same_chord_in_another_octave_agrees_and_another_chord_does_not():
    control = Scorer("control")
    c_major, low, f_sharp = chord(60, 64, 67), chord(48, 52, 55), chord(66, 70, 73)
    found = control.matrix([c_major], [low, f_sharp], "harmonic")[0]
    assert found[0] > 0.8
    assert found[1] < 0.2


def harmony(a, b, window):
    h = ChromaOnsets({"harmonic": 1.0, "percussive": 1.0}, window).embed_modes(torch.tensor(np.stack([a, b])))[1]
    return float(h[0] @ h[1])


def test_a_window_as_short_as_that_of_the_features_cannot_tell_a_semitone_in_the_middle_of_the_piano():
    c, c_sharp = chord(60), chord(61)
    apart = [harmony(c, c_sharp, window) for window in (4096, WINDOW)]
    assert apart[0] < 0.3 and apart[1] > 0.8


def test_clicks_at_the_same_times_correlate_and_shifted_ones_do_not():
    control = Scorer("control")
    rhythm = control.matrix([clicks(0.5)], [clicks(0.5), clicks(0.5, 0.25)], "percussive")[0]
    assert rhythm[0] > 0.95
    assert rhythm[1] < 0.3


def test_both_is_the_sum_of_the_two_each_over_its_spread_whoever_else_is_in_the_table():
    control = Scorer("control")
    spread = control.config["model"]["spread"]
    clips = [chord(60, 64, 67) + clicks(0.5), chord(62, 65, 69) + clicks(0.4), chord(59, 62, 67) + clicks(0.7)]
    m = control.matrices(clips, clips)
    expected = sum(m[mode] / spread[mode] for mode in ("harmonic", "percussive"))
    np.testing.assert_allclose(m["both"], expected, rtol=1e-5, atol=1e-5)
    alone = control.score(clips[0], clips[1])
    assert alone.both == pytest.approx(m["both"][0, 1], rel=1e-5)
    assert alone.harmonic == pytest.approx(m["harmonic"][0, 1], abs=1e-6)


def test_silence_has_no_chroma_no_onsets_and_no_score():
    silent = np.zeros(5 * RATE, dtype=np.float32)
    assert not chroma_segments(silent).any()
    assert not onset_curve(silent).any()
    assert np.isnan(Scorer("control").matrix([silent], [silent], "harmonic")[0, 0])


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode: 'melodic'"):
        Scorer("control").matrix([chord(60)], [chord(60)], "melodic")
