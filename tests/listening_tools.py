"""A small listening test that takes no time to make: tones for music."""

import numpy as np

from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.listening.folder import Settings
from cocola_lib.listening.prepare import prepare


def music(folder, n_tracks=12, seconds=6.0):
    """Tracks of two stems each: a chord and a beat, of another key and tempo in every track."""
    t = np.arange(round(seconds * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    for i in range(n_tracks):
        hz, beat = 200 * 2 ** (i / 12), 1.5 + 0.2 * i
        chord = 0.1 * sum(np.sin(2 * np.pi * hz * k * t) for k in (1, 1.25, 1.5))
        pulse = 0.3 * np.sin(2 * np.pi * 4 * hz * t) * (np.sin(2 * np.pi * beat * t) > 0.9)
        audio.write(folder / f"song {i:02d}" / "chord.wav", chord)
        audio.write(folder / f"song {i:02d}" / "pulse.wav", pulse)
    return folder


def small_study(folder, data, **settings):
    """A study of six items; each listener hears five of them and a page of hidden anchors, two or three clips each."""
    numbers = {"n_items": 6, "pages": 5, "per_page": 2, "n_attention": 1, "listen_s": 1.0} | settings
    return prepare(folder, load_tracks(data), Settings(**numbers))
