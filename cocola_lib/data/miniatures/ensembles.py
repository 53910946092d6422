"""The players of mini-cocochorales: four instruments that share one tempo curve, each with habits of its own."""

from __future__ import annotations

import numpy as np

from cocola_lib.data.miniatures.synth import Note, Part

ENSEMBLES = {  # soprano, alto, tenor, bass
    "string": ("violin", "violin", "viola", "cello"),
    "brass": ("trumpet", "horn", "trombone", "tuba"),
    "woodwind": ("flute", "oboe", "clarinet", "bassoon"),
    "random": None,
}
INSTRUMENTS = {  # General MIDI program, lowest and highest comfortable pitch
    "violin": (40, 55, 96),
    "viola": (41, 48, 84),
    "cello": (42, 36, 76),
    "double bass": (43, 28, 62),
    "flute": (73, 60, 96),
    "oboe": (68, 58, 88),
    "clarinet": (71, 50, 90),
    "bassoon": (70, 34, 72),
    "saxophone": (65, 49, 84),
    "trumpet": (56, 54, 84),
    "horn": (60, 41, 77),
    "trombone": (57, 40, 72),
    "tuba": (58, 28, 60),
}
TRANSPOSE_SEMITONES = (-5, 5)
ONSET_JITTER_S = 0.012  # players of an ensemble are together to about this deviation


def perform(chorale, ensemble, tempo_bpm, longest_s, rng) -> tuple[list[Part], float]:
    """Turn a chorale into four played parts that share one tempo curve but not one player.

    Args:
        chorale: the score, a `chorales.Chorale`
        ensemble: a key of `ENSEMBLES`
        tempo_bpm: quarter notes per minute, before rubato
        longest_s: whole phrases are left out until the piece is no longer than this, seconds
        rng: decides everything else

    Returns:
        the parts, soprano first, and the length in seconds, the last notes' ring included
    """
    shift = int(rng.integers(TRANSPOSE_SEMITONES[0], TRANSPOSE_SEMITONES[1] + 1))
    seconds = time_map(chorale, tempo_bpm, rng)
    first, last = choose_phrases(chorale, seconds, longest_s - 2.0, rng)
    lead_in_s = rng.uniform(0.0, 0.3) - seconds(first)
    parts = []
    for voice, name in zip(chorale.voices, players(chorale, ensemble, shift, rng), strict=True):
        sung = [(start, min(start + length, last), pitch + shift) for start, length, pitch in voice]
        sung = [note for note in sung if first - 1e-6 <= note[0] < last - 1e-6]
        notes = _play(sung, seconds, lead_in_s, chorale.pickup, rng)
        parts.append(Part(notes, INSTRUMENTS[name][0], name=name, detune_cents=float(rng.normal(0, 4))))
    end_s = max(note.end_s for part in parts for note in part.notes)
    return parts, end_s + 0.5  # time to ring


def _play(voice, seconds, lead_in_s, pickup, rng) -> tuple[Note, ...]:
    """One player's notes, late or early by a habit of their own: voice holds (start, end, pitch) in quarters."""
    late_s, loud, legato = rng.normal(0, 0.006), rng.normal(84, 5), rng.uniform(0.88, 1.0)
    phase, notes = rng.uniform(0, 2 * np.pi), []
    for start, end, pitch in voice:
        on = seconds(start) + lead_in_s + late_s + rng.normal(0, ONSET_JITTER_S)
        off = on + legato * (seconds(end) - seconds(start))
        # phrases swell and fade, first beats weigh more, and no two notes are alike
        swell = 9 * np.sin(2 * np.pi * start / 16 + phase)
        accent = 4 if (start - pickup) % 4 == 0 else 0
        velocity = int(np.clip(loud + swell + accent + rng.normal(0, 4), 30, 120))
        begun = max(0.0, float(on))
        notes.append(Note(begun, begun + 0.05 if off - on < 0.05 else float(off), pitch, velocity))
    return tuple(notes)


def time_map(chorale, tempo_bpm, rng):
    """Draw the performance's tempo: slow rubato, and fermatas held. Returns a function quarters -> s."""
    end = max(start + length for voice in chorale.voices for start, length, _ in voice)
    grid = np.arange(0, np.ceil(end) + 0.5, 0.5)
    period, depth, phase = rng.uniform(8, 20), rng.uniform(0.01, 0.06), rng.uniform(0, 2 * np.pi)
    stretch = 1 + depth * np.sin(2 * np.pi * grid / period + phase)
    held = rng.uniform(1.1, 1.7)
    for start, length in chorale.fermatas:
        stretch[(grid >= start) & (grid < start + length)] *= held
        stretch[(grid >= start - 1) & (grid < start)] *= 1 + 0.3 * (held - 1)  # slowing into it
    stretch[grid >= end - 2] *= 1.1
    at = np.concatenate([[0.0], np.cumsum(stretch[:-1] * 0.5 * 60 / tempo_bpm)])
    return lambda quarters: float(np.interp(quarters, grid, at))


def choose_phrases(chorale, seconds, longest_s, rng) -> tuple[float, float]:
    """Choose a run of whole phrases at most `longest_s` long (one phrase at least), in quarters."""
    end = max(start + length for voice in chorale.voices for start, length, _ in voice)
    breaks = [0.0, *(start + length for start, length in chorale.fermatas)]
    if len(breaks) < 3:  # no fermatas in the score: every two bars of four
        breaks = list(np.arange(chorale.pickup % 4, end, 8.0))
    breaks = sorted({float(b) for b in breaks if b < end} | {float(end)})
    if seconds(end) - seconds(breaks[0]) <= longest_s:
        return breaks[0], end
    runs = []
    for i, first in enumerate(breaks[:-1]):
        fitting = [b for b in breaks[i + 1 :] if seconds(b) - seconds(first) <= longest_s]
        runs.append((first, fitting[-1] if fitting else breaks[i + 1]))
    longest = max(seconds(b) - seconds(a) for a, b in runs)
    good = [(a, b) for a, b in runs if seconds(b) - seconds(a) >= 0.75 * longest]
    return good[rng.integers(len(good))]


def players(chorale, ensemble, shift, rng) -> list[str]:
    """Name the instruments, soprano first; the random ensemble takes any that can reach the notes."""
    if ENSEMBLES[ensemble]:
        return list(ENSEMBLES[ensemble])
    names = []
    for voice in chorale.voices:
        pitches = np.array([pitch for _, _, pitch in voice]) + shift
        outside = {n: np.mean((pitches < low) | (pitches > high)) for n, (_, low, high) in INSTRUMENTS.items()}
        able = [name for name, share in outside.items() if share <= min(outside.values()) + 0.02]
        names.append(able[rng.integers(len(able))])
    return names
