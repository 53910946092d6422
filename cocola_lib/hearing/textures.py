"""Experimental textures made from an accompaniment: each keeps its rhythm or its harmony, or neither, and nothing else.

A score that hears coherence should go down with what is lost and stay with what is kept. Used by `edges`.
"""

import librosa
import numpy as np

from cocola_lib.data.audio import SAMPLE_RATE

ENVELOPE_S = 0.02  # s, over which the level of a burst is averaged
GRAIN_S, BLOCK_S = 0.1, 1.0  # s: grains of a tenth of a second change places within a second
TONE_S = 0.4  # s, a tone dies away to a thousandth
TONES = (48, 84)  # MIDI pitches of lines, lowest and highest
HARMONICS = 6


def noise_in_rhythm(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise with the level of a clip: its rhythm without a pitch. (N,) -> (N,)"""
    width = round(ENVELOPE_S * SAMPLE_RATE)
    window = np.hanning(width + 2)[1:-1]
    power = np.convolve(np.square(clip, dtype=np.float64), window / window.sum(), mode="same")
    return (np.sqrt(np.maximum(power, 0)) * rng.standard_normal(len(clip))).astype(np.float32)


def drone(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The spectrum of a clip with random phases: all of its notes at once and for ever. (N,) -> (N,)"""
    spectrum = np.fft.rfft(clip)
    phases = np.exp(2j * np.pi * rng.random(len(spectrum)))
    return np.fft.irfft(np.abs(spectrum) * phases, len(clip)).astype(np.float32)


def granular(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grains of 0.1 s that change places within each second: chords stay roughly, the rhythm does not. (N,) -> (N,)"""
    grain, per_block = round(GRAIN_S * SAMPLE_RATE), round(BLOCK_S / GRAIN_S)
    n = len(clip) // grain
    order = np.concatenate([i + rng.permutation(min(per_block, n - i)) for i in range(0, n, per_block)])
    fade = np.minimum(1.0, np.minimum(np.arange(grain), np.arange(grain)[::-1]) / (0.1 * grain))  # no clicks
    grains = clip[: n * grain].reshape(n, grain)[order] * fade
    return np.pad(grains.ravel(), (0, len(clip) - n * grain)).astype(np.float32)


def line(clip: np.ndarray, rng: np.random.Generator, tonal: bool) -> np.ndarray:
    """A line of tones on the onsets of a clip. (N,) -> (N,)

    Args:
        clip: (N,) at 16 kHz.
        rng: draws octaves, and pitches.
        tonal: each tone has the pitch class that is strongest in the clip at that moment; False: a random one.
    """
    hop = 512
    onsets = librosa.onset.onset_detect(y=clip, sr=SAMPLE_RATE, hop_length=hop)
    chroma = librosa.feature.chroma_stft(y=clip, sr=SAMPLE_RATE, n_fft=4096, hop_length=hop, tuning=0.0)
    out, t = np.zeros(len(clip), dtype=np.float64), np.arange(round(TONE_S * SAMPLE_RATE)) / SAMPLE_RATE
    for frame in onsets:
        heard = int(chroma[:, frame : frame + 8].mean(axis=1).argmax())
        pitch_class = heard if tonal else int(rng.integers(12))
        pitches = [p for p in range(*TONES) if p % 12 == pitch_class]
        hz = librosa.midi_to_hz(pitches[rng.integers(len(pitches))])
        tone = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, HARMONICS + 1)) * 10 ** (-3 * t / TONE_S)
        first = frame * hop
        out[first : first + len(tone)] += tone[: len(out) - first]
    return (0.1 * out).astype(np.float32)


def rolled(clip: np.ndarray, seconds: float) -> np.ndarray:
    """The clip some seconds late, its end at its beginning: the same sound out of time. (N,) -> (N,)"""
    return np.roll(clip, round(seconds * SAMPLE_RATE))
