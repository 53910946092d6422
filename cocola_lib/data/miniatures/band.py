"""A procedural band, first half: what a song is, and how one is composed from `styles.py`.

`compose` decides key, metre, tempo, form and chords. `players.py` plays it, `studio.py` records it. Everything
random comes from the song's seed and a name for the purpose, so a song and its parts are the same every time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cocola_lib.data.miniatures import figures, harmony, styles, track_rng


class Chord(NamedTuple):
    """A chord: pitch class of its root, and its tones as semitones above the root."""

    root: int
    tones: tuple[int, ...]


class Bar(NamedTuple):
    """One bar of the song: what every player looks at."""

    start: float  # quarters from the beginning
    steps: int  # sixteenths in the bar
    strong: tuple[int, ...]
    chords: tuple[Chord, ...]  # one, or two that share the bar
    section: int  # counts through the song
    kind: str  # "verse", ...
    number: int  # within the section
    last: bool  # of the section
    intensity: float
    next_root: int

    def chord_at(self, step: int) -> Chord:
        return self.chords[step * len(self.chords) // self.steps]


@dataclass(frozen=True)
class Stem:
    """One player: its role, its instrument and its habits."""

    name: str
    role: str  # a key of `players.PLAYERS`
    program: int
    centre: int  # pitch around which it plays
    late_s: float = 0.0  # behind (+) or ahead of (-) the beat
    loose_s: float = 0.006  # deviation of single notes
    detune_cents: float = 0.0
    dynamics: float = 1.0  # how much it follows the song's intensity


@dataclass(frozen=True)
class Song:
    """A composition, before anybody plays it."""

    name: str
    seed: int
    style: str
    tempo_bpm: float  # quarters per minute
    metre: str
    swing: float
    tonic: int
    scale: str
    lead_in_s: float
    bars: tuple[Bar, ...]
    stems: tuple[Stem, ...]

    @property
    def length_s(self) -> float:
        end = self.bars[-1].start + self.bars[-1].steps / 4
        return self.lead_in_s + end * 60 / self.tempo_bpm + 1.0

    def rng(self, *what) -> np.random.Generator:
        """Random numbers for one purpose: asked again, they are the same."""
        return track_rng(self.seed, "/".join(map(str, (self.name, *what))))


def read_chord(symbol: str, tonic: int) -> Chord:
    """Read a roman numeral ("bVII7", "V7/ii", "iih7") in a key whose tonic is a pitch class."""
    symbol, _, of = symbol.partition("/")
    if of:  # a secondary dominant belongs to the chord it leads to
        tonic = read_chord(of, tonic).root
    accidental, numeral, kind = re.fullmatch(r"([b#]?)([ivIV]+)(.*)", symbol).groups()
    root = tonic + harmony.DEGREES[numeral.lower()] + {"b": -1, "#": 1, "": 0}[accidental]
    return Chord(root % 12, harmony.CHORD_TYPES["I" if numeral.isupper() else "i", kind])


def compose(name: str, seed: int, target_s: float, style: str, roster) -> Song:
    """Compose a song of about `target_s` seconds.

    Args:
        name, seed: decide everything
        target_s: seconds; the song is cut into whole bars, so it may differ by some
        style: a key of `styles.STYLES`
        roster: function (rng) -> tuple of `Stem`; the data set decides who plays
    """
    rng, rules = track_rng(seed, f"{name}/song"), styles.STYLES[style]
    metre, scale = str(rng.choice(rules.meters)), str(rng.choice(rules.scales))
    tempo_bpm, tonic = round(float(rng.uniform(*rules.tempo)), 2), int(rng.integers(12))
    swing = 0.0 if metre in ("6/8", "7/8") else float(rng.uniform(*rules.swing))
    kept, strong = figures.METERS[metre]
    bars_wanted = max(4, round((target_s - 3) * tempo_bpm / 60 / (len(kept) / 4)))
    form = styles.FORMS[rng.integers(len(styles.FORMS))]
    total = sum(length for _, length, _ in form)
    unit = max(2, bars_wanted // total)  # bars: a section shorter than two is no section
    chords_of = {k: _section_chords(rng, rules, scale, tonic) for k in sorted({kind for kind, _, _ in form})}
    lift = int(rng.choice([0, 0, 0, 1, 2]))  # the last section may modulate
    # a short song is an excerpt of its form, and begins anywhere in it
    drafts, section = [], int(rng.integers(len(form))) if bars_wanted < unit * total else 0
    while len(drafts) < bars_wanted:
        kind, length, intensity = form[section % len(form)]
        for number in range(length * unit):
            chords = chords_of[kind][number % len(chords_of[kind])]
            if section >= len(form) - 1:
                chords = tuple(Chord((c.root + lift) % 12, c.tones) for c in chords)
            drafts.append((section, kind, number, number == length * unit - 1, intensity, chords))
        section += 1
    n, bars = len(kept), []
    for i, (section, kind, number, last, intensity, chords) in enumerate(drafts[:bars_wanted]):
        next_root = drafts[(i + 1) % len(drafts)][5][0].root
        bars.append(Bar(i * n / 4, n, strong, chords, section, kind, number, last, intensity, next_root))
    lead_in_s = float(rng.uniform(0.02, 0.3))
    return Song(name, seed, style, tempo_bpm, metre, swing, tonic, scale, lead_in_s, tuple(bars), roster(rng))


def _section_chords(rng, rules, scale, tonic) -> list[tuple[Chord, ...]]:
    """One progression, spread over bars."""
    progression = str(rng.choice(harmony.PROGRESSIONS[scale])).split()
    chords = [read_chord(symbol, tonic) for symbol in progression]
    per_bar = 1 / float(rng.choice(rules.chord_bars))
    if per_bar >= 2:
        return [tuple(chords[i : i + 2]) for i in range(0, len(chords), 2)]
    return [(c,) for c in chords for _ in range(round(1 / per_bar))]
