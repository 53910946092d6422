"""An accompanist without learning: it listens to a conditioning with librosa, and plays along. Used by notebook 04.

Table III needs a system that listens, so that something lies between Random and Ground Truth. This one hears tempo,
beats, key and chords, and plays bass, pad or drums to them with the miniature band's synthesiser. It knows
nothing but the sound: neither the score nor the true accompaniment.
"""

from dataclasses import dataclass

import librosa
import numpy as np

from cocola_lib.data.audio import SAMPLE_RATE, rms_dbfs
from cocola_lib.data.miniatures.synth import Note, Part, render
from cocola_lib.models.control import CHROMA_N_FFT

HOP = 256  # samples, 16 ms: the grid on which beats are found
CHORD_BAND_HZ = 60, 1000  # Hz, where chords are heard: above lie overtones that belong to other chords
CHORD_STAY = 0.5  # probability that a chord lasts for another beat
CHORD_SHARPNESS = 8.0  # how much likelier a chord is per correlation of 1 with its template, nats
KEY_WEIGHT = 0.1  # how much the key says about which chords to expect, 0 to 1
LOOSE_S = 0.008  # s, deviation of single notes: a player's touch
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])  # Krumhansl and Kessler
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
ROLES = {"drums": "drums", "percussion": "drums", "bass": "bass", "contrabass": "bass", "double bass": "bass"}
PROGRAMS = {"bass": 33, "pad": 16, "drums": 0}  # General MIDI: fingered bass, drawbar organ, standard kit
KICK, SNARE, HAT = 36, 38, 42


@dataclass(frozen=True)
class Heard:
    """What the accompanist makes of a conditioning.

    `tempo_bpm`; `beats_s` (n,) from before the start to past the end; `downbeat`: which of every four beats carries
    the most weight; `key`: (pitch class of the tonic, "major" or "minor"); `chords`: (root,
    "major" or "minor") per beat; `length_s`; `level_dbfs`.
    """

    tempo_bpm: float
    beats_s: np.ndarray
    downbeat: int
    key: tuple[int, str]
    chords: tuple[tuple[int, str], ...]
    length_s: float
    level_dbfs: float

    @property
    def description(self) -> str:
        """One line: tempo, key, and the chords without repetitions."""
        inside = [c for c, t in zip(self.chords, self.beats_s, strict=True) if 0 <= t < self.length_s]
        changes = [c for c, before in zip(inside, [None, *inside[:-1]], strict=True) if c != before]
        names = " ".join(f"{NAMES[root]}{'' if kind == 'major' else 'm'}" for root, kind in changes)
        return f"{self.tempo_bpm:.0f} bpm, {NAMES[self.key[0]]} {self.key[1]}: {names}"


def role_of(stem_class: str) -> str:
    """The role that answers for a class of stem: drums, bass, or the pad for everything else."""
    return ROLES.get(stem_class.lower(), "pad")


def listen(conditioning: np.ndarray, rate: int = SAMPLE_RATE) -> Heard:
    """Estimate tempo, beats, key and chords.

    Args:
        conditioning: (N,) float32, a second or more; silence is heard as 120 bpm in C major.
        rate: Hz.
    Raises:
        ValueError: shorter than a second.
    """
    x, length_s = np.asarray(conditioning, dtype=np.float32), len(conditioning) / rate
    if length_s < 1:
        raise ValueError(f"conditioning: {length_s:.2f} s; the accompanist needs a second or more to hear a beat")
    tempo, found, strength = find_beats(x, rate)
    tempo = tempo or 120.0
    beats = _whole_grid(found, 60 / tempo, length_s)
    at_beats = np.interp(beats, np.arange(len(strength)) * HOP / rate, strength)
    downbeat = int(np.argmax([at_beats[i::4].mean() for i in range(min(4, len(beats)))]))
    chroma = chord_chroma(x, rate)  # (12, T)
    key = estimate_key(chroma.sum(axis=1))
    edges = np.clip(np.round(np.append(beats, beats[-1] + 60 / tempo) * rate / HOP).astype(int), 0, chroma.shape[1])
    per_beat = np.stack(
        [chroma[:, a:b].mean(axis=1) if b > a else np.zeros(12) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    )
    return Heard(tempo, beats, downbeat, key, estimate_chords(per_beat, key), length_s, rms_dbfs(x))


def find_beats(x: np.ndarray, rate: int) -> tuple[float, np.ndarray, np.ndarray]:
    """librosa's tempo (bpm, 0 where there is none), beats (n,) in s, and onset strength at every `HOP` samples."""
    strength = librosa.onset.onset_strength(y=x, sr=rate, hop_length=HOP)
    tempo, frames = librosa.beat.beat_track(onset_envelope=strength, sr=rate, hop_length=HOP, trim=False)
    return float(np.atleast_1d(tempo)[0]), np.asarray(frames) * HOP / rate, strength


def estimate_key(profile: np.ndarray) -> tuple[int, str]:
    """The key whose profile (Krumhansl and Kessler) correlates best with (12,) energies per pitch class."""
    best, key = -np.inf, (0, "major")
    for kind, expected in (("major", MAJOR), ("minor", MINOR)):
        for tonic in range(12):
            r = _correlation(profile, np.roll(expected, tonic))
            if r > best + 1e-9:
                best, key = r, (tonic, kind)
    return key


def estimate_chords(chroma: np.ndarray, key: tuple[int, str]) -> tuple[tuple[int, str], ...]:
    """The likeliest triads: templates correlated with the chroma, weighed by the key, smoothed by Viterbi.

    Args:
        chroma: (beats, 12) energies.
        key: from `estimate_key`.
    Returns:
        (root, "major" or "minor") per beat.
    """
    states = [(root, kind) for kind in TRIADS for root in range(12)]
    templates = np.array([np.isin(np.arange(12), [(root + t) % 12 for t in TRIADS[kind]]) for root, kind in states])
    fit = np.array([[_correlation(beat, template) for template in templates] for beat in chroma])
    scale = np.roll(MAJOR if key[1] == "major" else MINOR, key[0])
    expected = np.array([_correlation(scale, template) for template in templates])
    probability = np.exp(CHORD_SHARPNESS * (fit + KEY_WEIGHT * expected)).T  # (24, beats)
    probability /= probability.sum(axis=0)
    path = librosa.sequence.viterbi_discriminative(probability, librosa.sequence.transition_loop(24, CHORD_STAY))
    return tuple(states[i] for i in path)


def compose(heard: Heard, role: str, seed: int = 0) -> Part:
    """Write the part: what is played, on the beats that were heard.

    Args:
        heard: from `listen`.
        role: "bass", "pad" or "drums".
        seed: of the touch, a player's small variations.
    Raises:
        ValueError: an unknown role.
    """
    if role not in PROGRAMS:
        raise ValueError(f"role is {role!r}; the accompanist plays {', '.join(PROGRAMS)}")
    rng, notes = np.random.default_rng(seed), []
    ends = np.append(heard.beats_s[1:], heard.beats_s[-1] + 60 / heard.tempo_bpm)
    for i, (start, end, chord) in enumerate(zip(heard.beats_s, ends, heard.chords, strict=True)):
        place = (i - heard.downbeat) % 4  # within a bar of four
        for share, length, pitch, velocity in _BEAT[role](place, chord):
            on = start + share * (end - start) + rng.normal(0, LOOSE_S)
            off = on + max(0.05, length * (end - start))
            if -0.02 <= on < heard.length_s:
                loud = int(np.clip(velocity + rng.normal(0, 4), 20, 127))
                notes.append(Note(max(0.0, float(on)), float(off), pitch, loud))
    return Part(tuple(notes), PROGRAMS[role], role == "drums", role)


def accompany(
    conditioning: np.ndarray, stem_class: str = "bass", rate: int = SAMPLE_RATE, seed: int = 0, heard=None
) -> np.ndarray:
    """Answer a conditioning with an accompaniment of the same length, as loud as what it heard.

    Args:
        conditioning: (N,) float32.
        stem_class: what is asked for, e.g. "bass", "Drums", "guitar"; see `role_of`.
        rate: Hz. seed: of the touch. heard: from `listen`; None listens.
    Returns:
        (N,) float32.
    """
    heard = heard or listen(conditioning, rate)
    x = render(compose(heard, role_of(stem_class), seed), heard.length_s, rate)
    if x.any() and np.isfinite(heard.level_dbfs):
        x = x * np.float32(min(10 ** ((heard.level_dbfs - rms_dbfs(x)) / 20), 0.99 / np.abs(x).max()))
    return x.astype(np.float32)


def _bass(place, chord):
    """Root and fifth in turn, on every beat; (share of the beat, length in beats, pitch, velocity)."""
    root, _ = chord
    low = 36 + (root - 36) % 12 - (12 if (root - 36) % 12 > 8 else 0)  # A1 to Ab2: where a bass plays
    yield 0.0, 0.85, low + (0, 7, 12, 7)[place], 100 if place in (0, 2) else 88


def _pad(place, chord):
    """Third and fifth around middle C, held for two beats; the root is the bass's."""
    root, kind = chord
    for tone in TRIADS[kind][1:] if place in (0, 2) else ():
        yield 0.0, 1.9, 60 + (root + tone - 60 + 6) % 12 - 6, 92 if place == 0 else 80


def _drums(place, chord):
    """Kick on one and three, snare on two and four, a soft hi-hat in eighths."""
    yield 0.0, 0.2, KICK if place in (0, 2) else SNARE, 100
    yield 0.0, 0.2, HAT, 60
    yield 0.5, 0.2, HAT, 60


_BEAT = {"bass": _bass, "pad": _pad, "drums": _drums}


def chord_chroma(x: np.ndarray, rate: int) -> np.ndarray:
    """Magnitudes per pitch class in the range of chords, (12, T) at `HOP`; loud frames count for more."""
    magnitude = np.abs(librosa.stft(x, n_fft=CHROMA_N_FFT, hop_length=HOP))
    hz = librosa.fft_frequencies(sr=rate, n_fft=CHROMA_N_FFT)
    magnitude[(hz < CHORD_BAND_HZ[0]) | (hz > CHORD_BAND_HZ[1])] = 0
    return librosa.feature.chroma_stft(S=magnitude, sr=rate, n_fft=CHROMA_N_FFT, tuning=0.0, norm=None)


def _whole_grid(beats, period_s, length_s):
    """Beats to both ends of the clip, and half a second before its start; an even grid where none were found."""
    beats = np.asarray(beats, dtype=float) if len(beats) else np.array([0.0])
    before = beats[0] - period_s * np.arange(int((beats[0] + 0.5) / period_s), 0, -1)
    after = np.arange(beats[-1] + period_s, length_s, period_s)
    return np.concatenate([before, beats, after])


def _correlation(a, b):
    """Pearson's r; 0 where one side is constant."""
    a, b = a - np.mean(a), b - np.mean(b)
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm > 1e-12 else 0.0
