"""Measured features: onsets as librosa finds them, chroma of known chords, and nothing where there is nothing."""

import librosa
import numpy as np
import pytest
import torch
from tiny import clip

from cocola_lib.models import measured

RATE = 16_000
TIME = np.arange(5 * RATE) / RATE


def chord(*midi):
    """Five harmonics a note: (N,) float32."""
    f_hz = [440 * 2 ** ((m - 69) / 12) for m in midi]
    tones = [np.sin(2 * np.pi * n * f * TIME) / n for f in f_hz for n in range(1, 6)]
    return (0.05 * np.sum(tones, axis=0)).astype(np.float32)


def clicks(period_s, offset_s=0.0):
    x = np.zeros(len(TIME), dtype=np.float32)
    for start in np.arange(offset_s, 4.9, period_s):
        x[int(start * RATE) : int(start * RATE) + 200] = np.random.default_rng(0).normal(size=200) * 0.3
    return x


def of(function, *clips):
    return function(torch.from_numpy(np.stack(clips)))


@pytest.mark.parametrize("seed", [0, 1])
def test_onset_strength_is_librosas(seed):
    x = clip(5.0, seed) + clicks(0.4)
    hop = measured.ONSET_HOP
    theirs = librosa.onset.onset_strength(y=x, sr=RATE, hop_length=hop, n_fft=measured.ONSET_WINDOW, center=False)
    ours = of(measured.onset_strength, x)[0].numpy()  # from the first step on, which theirs fills with zero
    assert ours.max() > 1
    np.testing.assert_allclose(ours, theirs[1:], atol=1e-3)


def test_clicks_at_the_same_times_correlate_and_shifted_ones_do_not():
    h = of(measured.onsets, clicks(0.5), clicks(0.5), clicks(0.5, 0.25))
    assert float(h[0] @ h[1]) == pytest.approx(1, abs=1e-4)
    assert float(h[0] @ h[2]) < 0.3


def test_the_chroma_of_a_chord_are_its_pitch_classes():
    segments = of(measured.chroma_peaks, chord(60, 64, 67))[0]  # C, E, G
    assert segments.shape == (measured.SEGMENTS, measured.CLASSES)
    for segment in segments:
        assert {0, 4, 7} == set(segment.topk(3).indices.tolist())


def test_transposition_moves_the_chroma():
    low, high = of(measured.chroma_peaks, chord(57, 61, 64), chord(60, 64, 67))
    shifted = low.roll(3, dims=1).flatten()
    assert float(torch.nn.functional.cosine_similarity(shifted, high.flatten(), dim=0)) > 0.95
    h = of(measured.chroma, chord(57, 61, 64), chord(60, 64, 67))
    assert float(h[0] @ h[1]) < 0.5


@pytest.mark.parametrize("function", [measured.onsets, measured.chroma])
def test_silence_gives_zeros_and_everything_else_has_length_one(function):
    h = of(function, np.zeros(len(TIME), np.float32), clip(5.0) + chord(60, 64))
    assert not h[0].any()
    assert float(h[1].norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("function", [measured.onsets, measured.chroma])
def test_a_clip_is_measured_alike_alone_and_in_a_batch(function):
    clips = [clip(5.0, seed) + gain * chord(60 + seed, 67) for seed, gain in enumerate((1.0, 0.1, 3.0))]
    together = of(function, *clips)
    for h, x in zip(together, clips, strict=True):
        torch.testing.assert_close(h, of(function, x)[0], rtol=0, atol=1e-6)


def test_sizes_are_those_of_a_window():
    x = torch.zeros(2, len(TIME))
    assert (measured.onsets(x).shape[1], measured.chroma(x).shape[1]) == measured.SIZES == (250, 120)
