"""A procedural band, second half: one page of musicians.

Each player turns one bar of a song into notes on paper (`Event`); `perform` puts them on the clock. Played
again, a stem is the same to the note. So it can also be played a semitone higher, faster, or a beat late:
music that does not fit, without any artefact in the sound.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from cocola_lib.data.miniatures import figures, harmony, styles
from cocola_lib.data.miniatures.band import Bar, Chord, Song, Stem
from cocola_lib.data.miniatures.synth import Note, Part


class Event(NamedTuple):
    """A note on paper: start and length in quarters."""

    start: float
    length: float
    pitch: int
    velocity: float


def fold(pattern: str, song: Song) -> str:
    """Fold a pattern of sixteen steps into the song's metre."""
    return "".join(pattern[step] for step in figures.METERS[song.metre][0])


def hits(pattern: str) -> list[tuple[int, int, str]]:
    """Read a pattern: (step, length in steps, symbol); `-` holds, any other symbol ends."""
    found = re.finditer(r"[^.\-]-*", pattern)
    return [(m.start(), m.end() - m.start(), m.group()[0]) for m in found]


def pick(song: Song, bar: Bar, role: str, options):
    """Choose once per role and kind of section, so that every chorus is the same chorus."""
    return options[song.rng(role, bar.kind).integers(len(options))]


def scale_pitches(song: Song, name: str | None = None) -> np.ndarray:
    """List all MIDI pitches of the song's scale."""
    pitches = np.arange(128)
    return pitches[np.isin((pitches - song.tonic) % 12, harmony.SCALES[name or song.scale])]


def voicing(chord: Chord, centre: int) -> list[int]:
    """Put each chord tone where it is nearest to the centre: close position, smooth voice leading."""
    return sorted({centre + (chord.root + tone - centre + 6) % 12 - 6 for tone in chord.tones})


LOUD = {"x": 104, "o": 84, "g": 44, "?": 60}


def play_drums(song, stem, bar, rng):
    grooves = figures.PERCUSSION if stem.role == "percussion" else styles.STYLES[song.style].grooves
    groove = pick(song, bar, stem.name, grooves)
    groove = dict(figures.GROOVES.get(groove, {}) if isinstance(groove, str) else groove)
    fill_from = bar.steps
    if stem.role == "drums" and bar.last:  # the end of a section is announced
        fill = figures.FILLS[rng.integers(len(figures.FILLS))]
        fill_from = 8 if any("x" in p[8:12] or "o" in p[8:12] for p in fill.values()) else 12 if fill else 16
    else:
        fill = {}
    if stem.role == "drums" and bar.number == 0 and bar.intensity > 0.5:
        groove["crash"] = "x" + "." * 15
    for which, pieces in (("groove", groove), ("fill", fill)):
        for piece, pattern in pieces.items():
            for step, _, symbol in hits(fold(pattern, song)):
                sounds = (step < fill_from or piece == "kick") if which == "groove" else True
                if sounds and (symbol != "?" or rng.random() < 0.4):
                    yield Event(bar.start + step / 4, 0.12, figures.DRUMS[piece], LOUD[symbol])


def play_bass(song, stem, bar, rng):
    patterns = figures.BASS[pick(song, bar, "bass style", styles.STYLES[song.style].bass)]
    pattern = pick(song, bar, stem.name, patterns)
    if bar.last and rng.random() < 0.5:
        pattern = patterns[rng.integers(len(patterns))]
    low = stem.centre - 6
    scale, previous = scale_pitches(song), stem.centre
    for step, length, symbol in hits(fold(pattern, song)):
        chord = bar.chord_at(step)
        root = low + (chord.root - low) % 12
        tones = dict(zip("R35", (*chord.tones, chord.tones[-1])[:3], strict=True))
        if symbol == "a":  # lead into the next bar's root from a semitone or a scale step away
            pitch = low + (bar.next_root - low) % 12 + int(rng.choice([-1, 1, -2]))
        elif symbol == "w":
            near = scale[(np.abs(scale - previous) <= 4) & (scale != previous)]
            pitch = int(rng.choice(near)) if rng.random() < 0.6 else root + int(rng.choice(chord.tones)) % 12
        else:
            pitch = root + {"8": 12, "7": chord.tones[-1] % 12}.get(symbol, tones.get(symbol, 0))
        previous = pitch
        yield Event(bar.start + step / 4, length / 4 * 0.92, pitch, 98 if step in bar.strong else 86)


def play_comp(song, stem, bar, rng):
    patterns = figures.COMP[pick(song, bar, stem.name + " style", styles.STYLES[song.style].comp)]
    pattern = pick(song, bar, stem.name, patterns) if rng.random() < 0.85 else patterns[rng.integers(len(patterns))]
    strum = pick(song, bar, stem.name + " strum", (0.0, 0.0, 0.02, 0.04))
    for step, length, _ in hits(fold(pattern, song)):
        for i, pitch in enumerate(voicing(bar.chord_at(step), stem.centre)):
            velocity = (90 if step in bar.strong else 78) + rng.normal(0, 4)
            yield Event(bar.start + step / 4 + i * strum, length / 4 * 0.9, pitch, velocity)


def play_pad(song, stem, bar, rng):
    width = bar.steps / len(bar.chords) / 4
    for i, chord in enumerate(bar.chords):
        for pitch in voicing(chord, stem.centre):
            yield Event(bar.start + i * width, width * 0.98, pitch, 74 + 8 * np.sin(bar.number * np.pi / 4))


def play_arp(song, stem, bar, rng):
    pattern = pick(song, bar, stem.name, figures.ARPS)
    for step, length, symbol in hits(fold(pattern, song)):
        tones = voicing(bar.chord_at(step), stem.centre)
        tones += [p + 12 for p in tones] + [p + 24 for p in tones]
        yield Event(bar.start + step / 4, length / 4 * 0.9, tones[int(symbol)], 88 if step in bar.strong else 76)


def play_riff(song, stem, bar, rng):
    """Repeat one short figure; it moves with the chord's root, or stays if the song says so."""
    rhythm = fold(pick(song, bar, stem.name, figures.RIFFS), song)
    fixed = song.rng(stem.name, bar.kind, "figure")
    scale, moves = scale_pitches(song), fixed.random() < 0.6
    steps = np.cumsum(fixed.choice([-2, -1, 0, 1, 2, 3], size=16))
    for i, (step, length, _) in enumerate(hits(rhythm)):
        root = bar.chord_at(step).root if moves else song.tonic
        base = stem.centre + (root - stem.centre + 6) % 12 - 6
        at = int(np.searchsorted(scale, base)) + int(np.clip(steps[i] - steps[0], -5, 7))
        yield Event(bar.start + step / 4, length / 4 * 0.85, int(scale[at]), 96 if step in bar.strong else 84)


def play_melody(song, stem, bar, rng):
    """Sing phrases of four bars from two motifs (a, b, a', rest or b'); chord tones on strong steps."""
    place = bar.number % 4
    if place == 3 and song.rng(stem.name, bar.kind, "breath").random() < 0.5:
        return
    motif = song.rng(stem.name, bar.kind, "ab"[place % 2])
    rhythm = figures.MOTIFS[motif.integers(len(figures.MOTIFS))]
    contour = np.cumsum(motif.choice([-2, -1, -1, 1, 1, 2, 3, -3], size=16)) + motif.integers(-3, 4)
    if place >= 2:  # the repeat varies its end
        contour = contour + np.where(np.arange(16) >= 3, song.rng(stem.name, bar.kind, "vary").integers(-2, 3), 0)
    scale = scale_pitches(song)
    centre = int(np.searchsorted(scale, stem.centre))
    for i, (step, length, _) in enumerate(hits(fold(rhythm, song))):
        chord = bar.chord_at(step)
        pitch = int(scale[centre + int(np.clip(contour[i], -7, 8))])
        if step in bar.strong or length >= 4:  # lean on the harmony
            tones = [p for p in range(pitch - 4, pitch + 5) if (p - chord.root) % 12 in {t % 12 for t in chord.tones}]
            pitch = min(tones, key=lambda p: abs(p - pitch)) if tones else pitch
        yield Event(bar.start + step / 4, length / 4 * 0.93, pitch, 92 + 6 * np.sin(i) + rng.normal(0, 3))


def play_effect(song, stem, bar, rng):
    if bar.last:
        yield Event(bar.start + bar.steps / 8, bar.steps / 8, stem.centre, 80)


PLAYERS = {
    "drums": play_drums, "percussion": play_drums, "bass": play_bass, "comp": play_comp, "pad": play_pad,
    "arp": play_arp, "riff": play_riff, "melody": play_melody, "vocals": play_melody, "counter": play_riff,
    "effect": play_effect,
}  # fmt: skip


def plays(song: Song, stem: Stem, section: int, kind: str) -> bool:
    """Whether a stem takes part in a section: stems enter and leave."""
    role = "melody" if stem.role == "vocals" else stem.role
    return song.rng("presence", stem.name, section).random() < styles.PRESENCE[kind].get(role, 0.75)


def score(song: Song, stem: Stem) -> list[Event]:
    """Write out one stem's notes; a stem that no section wanted plays throughout."""
    kinds = {bar.section: bar.kind for bar in song.bars}
    active = {s for s, kind in kinds.items() if plays(song, stem, s, kind)} or set(kinds)
    events = []
    for i, bar in enumerate(song.bars):
        if bar.section in active:
            for event in PLAYERS[stem.role](song, stem, bar, song.rng(stem.name, "bar", i)):
                loud = 1 + stem.dynamics * 0.45 * (bar.intensity - 0.7)
                events.append(event._replace(velocity=event.velocity * loud))
    return events


def perform(
    song: Song, stem: Stem, transpose_semitones=0, tempo_factor=1.0, shift_beats=0.0, keep=None, take=""
) -> Part:
    """Play one stem on the clock, with swing and the player's own timing.

    Args:
        song, stem: what to play
        transpose_semitones: whole semitones; drums are not transposed
        tempo_factor: 1.1 plays a tenth faster than the rest of the band
        shift_beats: quarters late (+) or early (-); what falls before the beginning is left out
        keep: drum pitches to keep, e.g. the kick alone; None: all
        take: another take has the same notes, but not the same touch

    Returns:
        the part: its notes' times are seconds from the beginning of the song's file
    """
    drums = stem.role in ("drums", "percussion")
    rng, second = song.rng(stem.name, "touch", take), 60 / (song.tempo_bpm * tempo_factor)
    unit = styles.STYLES[song.style].unit  # swing bends the second half of this many quarters
    notes = []
    for start, length, pitch, velocity in score(song, stem):
        jitter_s, accent = rng.normal(0, stem.loose_s), rng.normal(0, 4)
        inside = (start % unit) / unit
        swung = start - inside * unit + unit * np.interp(inside, [0, 0.5, 1], [0, 0.5 + song.swing / 6, 1])
        on = song.lead_in_s + (swung + shift_beats) * second + stem.late_s + jitter_s
        pitch = pitch if drums else pitch + transpose_semitones
        if on >= 0 and 0 <= pitch < 128 and (keep is None or pitch in keep):
            note = Note(on, on + max(0.05, length * second), int(pitch), int(np.clip(velocity + accent, 20, 127)))
            notes.append(note)
    return Part(tuple(notes), stem.program, drums, stem.name, stem.detune_cents)
