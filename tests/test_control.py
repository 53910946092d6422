"""The control without learning hears harmony and rhythm apart, on sounds whose answer is known."""

import numpy as np
import pytest

from cocola_lib.control import ChromaOnsetControl, chroma_segments, onset_curve
from cocola_lib.features import WINDOW

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
    control = ChromaOnsetControl()
    c_major, low, f_sharp = chord(60, 64, 67), chord(48, 52, 55), chord(66, 70, 73)
    harmony = control.matrix([c_major], [low, f_sharp], "harmonic")[0]
    assert harmony[0] > 0.8
    assert harmony[1] < 0.2


def test_a_window_as_short_as_that_of_the_features_cannot_tell_a_semitone_in_the_middle_of_the_piano():
    c, c_sharp = chord(60), chord(61)
    apart = [ChromaOnsetControl(window).matrix([c], [c_sharp], "harmonic")[0, 0] for window in (4096, WINDOW)]
    assert apart[0] < 0.3 and apart[1] > 0.8


def test_clicks_at_the_same_times_correlate_and_shifted_ones_do_not():
    control = ChromaOnsetControl()
    rhythm = control.matrix([clicks(0.5)], [clicks(0.5), clicks(0.5, 0.25)], "percussive")[0]
    assert rhythm[0] > 0.95
    assert rhythm[1] < 0.3


def test_both_is_the_sum_of_the_standardised_matrices():
    control = ChromaOnsetControl()
    clips = [chord(60, 64, 67) + clicks(0.5), chord(62, 65, 69) + clicks(0.4), chord(59, 62, 67) + clicks(0.7)]
    m = control.matrices(clips, clips)
    expected = sum((m[mode] - m[mode].mean()) / m[mode].std() for mode in ("harmonic", "percussive"))
    np.testing.assert_allclose(m["both"], expected, rtol=1e-6)


def test_silence_scores_zero_and_never_high():
    silent = np.zeros(5 * RATE, dtype=np.float32)
    assert not chroma_segments(silent).any()
    assert not onset_curve(silent).any()
    assert ChromaOnsetControl().matrix([silent], [silent], "harmonic")[0, 0] == 0


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode is 'melodic'"):
        ChromaOnsetControl().matrix([chord(60)], [chord(60)], "melodic")
