"""The band's singer: a voice on syllables, synthesised; no words.

Source and filter: pulses of the glottis (Rosenberg, JASA 49, 1971), duller in soft notes, pass a vocal tract that is
a chain of resonances, as in Klatt's synthesiser (JASA 67, 1980). Breath and consonants are noise. As singers do
(Sundberg, The Science of the Singing Voice, 1987), vowels begin on the beat and their consonants before it, vibrato
comes late and at 5 to 6.5 Hz, and the first resonance is never below the pitch. `phonetics.py` has the sounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cocola_lib.data.miniatures.phonetics import CONSONANTS, HIGH_HZ, VOWELS, WIDTHS_HZ, WOMEN, Consonant, Voice
from cocola_lib.data.miniatures.synth import Part


class Syllable(NamedTuple):
    """A note as it is sung; times are seconds from the beginning of the song's file."""

    start_s: float  # of the vowel
    end_s: float
    pitch: float  # MIDI, with cents
    loud: float  # against a note of usual velocity
    vowel: int  # in `VOWELS`
    consonant: Consonant | None  # None: one vowel glides into the next
    first: bool  # of its phrase
    joined: bool  # to the next syllable, without silence between them
    chances: np.ndarray  # (11,) 0 to 1


AIR = 0.02  # noise in a vowel
PHRASE_GAP_S, LEGATO_GAP_S = 0.3, 0.15  # a longer rest ends a phrase; a shorter one is sung over
LATE_S = (-0.02, 0.04)  # a phrase as a whole
BARE_SHARE = 0.2  # of the syllables within a phrase begin without a consonant
OVERLAP = 8  # hops that a frame's sound lasts: resonances ring on
CURVES = ("pitch", "vibrato", "voiced", "breath", "hiss", "hiss_hz", "width_hz", "F1", "F2", "F3")


def syllables(part: Part, rng: np.random.Generator) -> list[Syllable]:
    """Put syllables under a part's notes, phrase by phrase, each phrase a little late or early as a whole."""
    notes = sorted(part.notes)
    chances = rng.random((len(notes), 11))[::-1]  # from the end: who comes in later sings the rest as it was
    gaps_s = [np.inf, *(b.start_s - a.end_s for a, b in zip(notes, notes[1:], strict=False)), np.inf]
    sung, late_s = [], 0.0
    for i in reversed(range(len(notes))):
        note, first, last = notes[i], gaps_s[i] > PHRASE_GAP_S, gaps_s[i + 1] > PHRASE_GAP_S
        late_s = LATE_S[0] + chances[i, 8] * (LATE_S[1] - LATE_S[0]) if last else late_s
        start_s, end_s = note.start_s + late_s, note.end_s + late_s
        consonant = CONSONANTS[int(chances[i, 9] * len(CONSONANTS))]
        room_s = np.inf if first else note.start_s - notes[i - 1].start_s
        bare = not first and chances[i, 10] < BARE_SHARE
        consonant = None if bare else consonant._replace(length_s=min(consonant.length_s, 0.4 * room_s))
        joined = gaps_s[i + 1] < LEGATO_GAP_S
        if joined:  # sings on until the next consonant or vowel begins
            end_s = sung[-1].start_s - (sung[-1].consonant.length_s if sung[-1].consonant else 0.0)
        vowel, loud = int(chances[i, 0] * len(VOWELS)), 10 ** (0.25 * (note.velocity - 92) / 20)
        pitch = note.pitch + part.detune_cents / 100
        sung.append(Syllable(start_s, end_s, pitch, loud, vowel, consonant, first, joined, chances[i]))
    return sung[::-1]


def gestures(sung: list[Syllable], voice: Voice) -> dict[str, np.ndarray]:
    """What glottis, tongue and lips do: curves as points, (n, 2) each, of seconds and values."""
    curves, before_s, joined = {name: [] for name in CURVES}, -np.inf, False
    for s in sung:
        c, at, end = s.consonant, s.start_s, s.end_s
        begin = at - (c.length_s if c else 0.0)
        for name, points in _mouth(s, begin, voice).items():
            curves[name] += points
        if not joined:
            curves["voiced"] += [(begin - 0.01, 0.0)]
        if s.first and begin - before_s > 2 * PHRASE_GAP_S:  # time to breathe in
            curves["breath"] += [(begin - 0.4, 0.0), (begin - 0.2, 0.06), (begin - 0.08, 0.0)]
        if c:
            noisy = at - (1 - c.shut) * c.length_s
            curves["voiced"] += [(begin + 0.01, c.voiced * s.loud), (at - 0.012, c.voiced * s.loud)]
            for name, level in (("hiss", c.hiss * s.loud), ("breath", c.breath * s.loud)):
                curves[name] += [(noisy, 0.0), (noisy + 0.25 * (at - noisy), level), (at - 0.01, 0.6 * level)]
        curves["hiss"] += [(at + 0.015, 0.0)]
        curves["voiced"] += [(at + 0.012, 0.85 * s.loud), (min(at + 0.15, end - 0.02), s.loud)]
        curves["breath"] += [(at + 0.015, AIR * s.loud), (end - 0.01, AIR * s.loud)]
        if s.joined:
            curves["voiced"] += [(end - 0.01, 0.9 * s.loud)]
        else:
            curves["voiced"] += [(end - 0.3 * min(end - at, 0.3), s.loud), (end, 0.0)]
            curves["breath"] += [(end + 0.02, 0.0)]
        before_s, joined = end, s.joined
    return {name: np.array(points) for name, points in curves.items()}


def _mouth(s: Syllable, begin: float, voice: Voice) -> dict[str, list]:
    """Points of a syllable's pitch, vibrato, resonances and hiss."""
    at, end, c = s.start_s, s.end_s, s.consonant
    scoop = 1.5 * s.chances[1] * bool(c) * (s.first or s.chances[2] < 0.25)  # semitones below, and up
    sag = 0.0 if s.joined else 0.8 * s.chances[3]
    glide_s = 0.03 + 0.06 * scoop + (0.0 if c else 0.1 * s.chances[7])
    reached = min(at + glide_s, 0.5 * (at + end))
    points = {"pitch": [(begin, s.pitch - scoop), (at, s.pitch - scoop)] if c else []}
    points["pitch"] += [(reached, s.pitch), (max(end - 0.1, reached), s.pitch), (end, s.pitch - sag)]
    still = at + 0.2 + 0.25 * s.chances[4]
    points["vibrato"] = [(at, 0.0)] + ([(still, 0.0), (still + 0.25, 1.0), (end, 1.0)] if still < end - 0.1 else [])
    for i, vowel_hz in enumerate(VOWELS[s.vowel][voice.female]):
        steady = [(min(at + 0.035, end), vowel_hz * voice.scale), (end - 0.03, vowel_hz * voice.scale)]
        locus_hz = c.formants_hz[i] * voice.scale * (WOMEN if voice.female else 1) if c else None
        points[f"F{i + 1}"] = ([(begin, locus_hz), (at - 0.02, locus_hz)] if c else []) + steady
    place = c or CONSONANTS[0]
    points["hiss_hz"] = [(begin, place.hiss_hz), (at, place.hiss_hz)]
    points["width_hz"] = [(begin, place.width_hz), (at, place.width_hz)]
    return points


def sing(part: Part, span: tuple[float, float], rate: int, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """Sing a part.

    Args:
        part: the notes, one at a time
        span: from and to, seconds; what is sung does not depend on it, only its noises
        rate: of the result, Hz
        voice: from `voice_of`
        rng: decides the singer's habits, then the syllables, then the noise

    Returns:
        (N,) float32, not normalised; nothing but zeros where nobody sings or breathes
    """
    n_samples, hop = round((span[1] - span[0]) * rate), 2 ** round(np.log2(0.006 * rate))  # 256 at 44.1 kHz
    out = np.zeros((-(-n_samples // hop) + OVERLAP + 1, hop), np.float32)
    if not part.notes:
        return out.reshape(-1)[:n_samples]
    habits = rng.random(10)
    sung = syllables(part, rng)
    voice = voice._replace(scale=voice.scale * (0.96 + 0.08 * habits[0]))
    t = span[0] + np.arange(len(out) - OVERLAP + 1) * hop / rate  # (n,) s: where frames begin, a hop apart
    tracks = {name: np.interp(t + hop / rate, *points_of(points)) for name, points in gestures(sung, voice).items()}
    f0 = _pitch(t + hop / rate, tracks, sung, habits)
    source, noise = _glottis(f0, hop, rate, voice.open_share), rng.normal(0, 1, (len(t) + 1, hop)).astype(np.float32)
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    sounding = np.flatnonzero(tracks["voiced"] + tracks["breath"] + tracks["hiss"] > 1e-4)
    for some in np.array_split(sounding, len(sounding) // 512 + 1):
        here = {name: track[some, None].astype(np.float32) for name, track in tracks.items()}
        pulses, noises = (np.hstack([x[some], x[some + 1]]) * window for x in (source, noise))
        frames = _through_tract(pulses, noises, here, f0[some, None].astype(np.float32), rate, voice)
        for i, piece in enumerate(np.split(frames, OVERLAP, axis=1)):
            out[some + i] += piece
    return out.reshape(-1)[:n_samples]


def points_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a curve's points; hasty ones wait for those before them."""
    return np.maximum.accumulate(points[:, 0]), points[:, 1]


def _pitch(t: np.ndarray, tracks: dict, sung: list[Syllable], habits: np.ndarray) -> np.ndarray:
    """The pitch in Hz at times t (s): glides, late vibrato and a slow drift."""
    from scipy.ndimage import gaussian_filter1d

    starts = np.array([s.start_s for s in sung])
    own = np.maximum(np.searchsorted(starts, t, "right") - 1, 0)
    chances = np.array([s.chances for s in sung])[own]
    rate_hz = 5.0 + 1.2 * habits[1] + 0.3 * chances[:, 5]
    depth = (0.15 + 0.3 * habits[2]) * (0.6 + 0.6 * chances[:, 6])  # semitones
    vibrato = tracks["vibrato"] * depth * np.sin(2 * np.pi * rate_hz * (t - starts[own]))
    drift = sum(0.06 * np.sin(2 * np.pi * (hz * t + habits[3 + i])) for i, hz in enumerate((0.17, 0.43, 1.1)))
    return 440 * 2 ** ((gaussian_filter1d(tracks["pitch"], 3, mode="nearest") + vibrato + drift - 69) / 12)


def _glottis(f0: np.ndarray, hop: int, rate: int, open_share: float) -> np.ndarray:
    """Rosenberg's pulses of air: (n + 1, hop), 0 to 1, for the pitch (n,) of frames two hops long."""
    at = np.arange((len(f0) + 1) * hop)
    phase = np.cumsum(np.interp(at, (np.arange(len(f0)) + 1) * hop, f0) / rate) % 1
    opening, closing = phase / (0.67 * open_share), (phase / open_share - 0.67) / 0.33
    flow = np.where(opening < 1, 0.5 - 0.5 * np.cos(np.pi * opening), np.cos(np.pi / 2 * np.clip(closing, 0, 1)))
    return flow.reshape(-1, hop).astype(np.float32)


def _through_tract(pulses, noises, here: dict, f0, rate: int, voice: Voice) -> np.ndarray:
    """Frames of pulses and noise, (n, 2 hops), as they leave the mouth: (n, OVERLAP hops) float32."""
    from scipy.fft import irfft, rfft

    n = pulses.shape[1] // 2 * OVERLAP
    hz = np.fft.rfftfreq(n, 1 / rate).astype(np.float32)
    jf = 1j * hz
    resonance = lambda at_hz, width_hz: at_hz**2 / (at_hz**2 + jf * (jf + width_hz))  # noqa: E731
    size = voice.scale * (WOMEN if voice.female else 1)
    tract = np.prod([resonance(at_hz * size, width_hz) for at_hz, width_hz in HIGH_HZ], axis=0).astype(np.complex64)
    tract = tract * resonance(np.maximum(here["F1"], f0), WIDTHS_HZ[0] + np.float32(0.2) * f0)
    tract *= resonance(here["F2"], np.float32(WIDTHS_HZ[1]))
    tract *= resonance(here["F3"], np.float32(WIDTHS_HZ[2]))
    slope = np.where(hz > 0.8 * f0, 1 / np.maximum(hz, 1), 0)  # of the pulses' spectrum: all vowels are alike loud
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    tract /= np.linalg.norm(tract * slope, axis=1, keepdims=True)
    soft_hz = 1000 + 4000 * here["voiced"]  # a soft voice is a dull one
    lips = jf / 300 / (1 + jf / soft_hz)
    noise = rfft(noises, n)
    place = jf * here["width_hz"] / (here["hiss_hz"] ** 2 + jf * (jf + here["width_hz"]))
    sound = (rfft(pulses, n) * here["voiced"] * lips + noise * here["breath"]) * tract + noise * here["hiss"] * place**2
    return irfft(sound, n)
