"""Pieces of music as notes: from the band, chorales, works by people, and an accompaniment generator.

Each source draws one excerpt: `source(rng, held_out) -> Piece`. With `held_out` it draws only what no training
draws: other styles, composers and grooves. They make the test set of music from outside.
"""

import functools
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cocola_lib.data.miniatures import band, bandsets, chorales, ensembles, players, styles
from cocola_lib.data.miniatures.synth import Note, Part
from cocola_lib.files import data_dir, write_json

VERSION = 1  # of how works are read
SUSTAINING = [*range(0, 8), *range(16, 32), *range(40, 46), *range(48, 83), 88, 89, 90, 104, 105, 107]  # GM programs
BASSES = [32, 33, 34, 35, 36, 38, 39]
COMPOSERS = {  # works read from music21's corpus, at most; the second number: held out
    "palestrina": 60, "monteverdi": 40, "beethoven": 26, "trecento": 25, "mozart": 16, "schubert": 1, "weber": 1,
    "verdi": 1, "joplin": 1, "beach": 1, "cpebach": 1, "chopin": 1,
}  # fmt: skip
HELD_OUT_COMPOSERS = {
    "haydn": 9, "josquin": 8, "schumann_robert": 7, "schumann_clara": 5, "corelli": 1, "handel": 1,
}  # fmt: skip
GROOVES = Path("/usr/share/mma/lib/stdlib")
HELD_OUT_EVERY = 6  # every sixth file of grooves
QUALITIES = {
    (0, 4, 7): "", (0, 3, 7): "m", (0, 4, 7, 10): "7", (0, 4, 7, 11): "M7", (0, 3, 7, 10): "m7", (0, 3, 6): "dim",
    (0, 3, 6, 10): "m7b5", (0, 3, 6, 9): "dim7", (0, 5, 7): "sus4", (0, 2, 7): "sus2", (0, 4, 8): "aug", (0, 7): "5",
}  # fmt: skip
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


@dataclass(frozen=True)
class Piece:
    """An excerpt that begins near 0 s: its parts, and the tempo of its notes in quarters per minute."""

    parts: list[Part]
    tempo_bpm: float


def from_band(rng, held_out=False):
    """The miniatures' procedural band, of the styles of their training split."""
    song = band.compose("families", int(rng.integers(1 << 30)), 16.0, _style(rng, held_out), _roster(_MANY, held_out))
    return Piece([players.perform(song, stem) for stem in song.stems], song.tempo_bpm)


def from_chorales(rng, held_out=False):
    """Bach's chorales, of the miniature's split; for 40 % of the pieces any General MIDI instruments."""
    names = chorales.splits()["test" if held_out else "train"]
    tempo = int(rng.integers(56, 140))
    ensemble = list(ensembles.ENSEMBLES)[rng.integers(len(ensembles.ENSEMBLES))]
    parts, _ = ensembles.perform(_chorale(names[rng.integers(len(names))]), ensemble, tempo, 18.0, rng)
    if rng.random() < 0.4:
        parts = [replace(part, program=int(rng.choice(SUSTAINING))) for part in parts]
    return Piece(list(parts), tempo)


def from_works(rng, held_out=False):
    """Works by people for two or more voices, from music21's corpus, on any General MIDI instruments."""
    works = _works(held_out)
    voices = works[rng.integers(len(works))]
    tempo = float(rng.uniform(60, 150))
    quarters = 14.0 * tempo / 60
    end = max(start + length for voice in voices for start, length, _ in voice)
    first = float(rng.integers(0, max(1, int(end - quarters)) + 1))
    transpose, jitter_s = int(rng.integers(-5, 6)), rng.uniform(0.003, 0.012)
    parts = []
    for number, voice in enumerate(voices):
        late_s, loudness, legato = rng.normal(0, 0.008), rng.normal(84, 6), rng.uniform(0.85, 1.0)
        notes = []
        for start, length, pitch in voice:
            if first <= start < first + quarters:
                on = max(0.0, 0.1 + (start - first) * 60 / tempo + late_s + rng.normal(0, jitter_s))
                velocity = int(np.clip(loudness + rng.normal(0, 5), 30, 120))
                notes.append(Note(on, on + max(0.05, legato * length * 60 / tempo), pitch + transpose, velocity))
        program = int(rng.choice(SUSTAINING))
        parts.append(Part(tuple(notes), program, name=f"voice {number}", detune_cents=float(rng.normal(0, 4))))
    return Piece(parts, tempo)


def from_grooves(rng, held_out=False):
    """MMA, an accompaniment generator, over a song of the band, whose melodists play along.

    Raises:
        RuntimeError: MMA is not installed, or refuses.
    """
    files = _grooves()
    chosen = [groove for i, names in enumerate(files) for groove in names if (i % HELD_OUT_EVERY == 0) == held_out]
    groove = chosen[rng.integers(len(chosen))]
    song = None
    while song is None or song.metre != "4/4":
        seed = int(rng.integers(1 << 30))
        song = band.compose("families", seed, 20.0, _style(rng, held_out), _roster(_MELODISTS))
    tempo = round(float(rng.uniform(70, 170)), 1)
    song = replace(song, tempo_bpm=tempo, swing=0.0, lead_in_s=0.05)
    parts = []
    for instrument in _accompany(song, groove, tempo):
        notes = tuple(Note(n.start + 0.05, n.end + 0.05, n.pitch, n.velocity) for n in instrument.notes)
        program = instrument.program
        if notes and not instrument.is_drum and rng.random() < 0.3:
            low = np.mean([note.pitch for note in notes]) < 47
            program = int(rng.choice(BASSES if low else SUSTAINING))
        parts.append(Part(notes, program, instrument.is_drum, instrument.name))
    return Piece(parts + [players.perform(song, stem) for stem in song.stems], tempo)


SOURCES = {"band": from_band, "chorale": from_chorales, "work": from_works, "groove": from_grooves}

_MANY = {"pad": (0.6, 0.2), "melody": (0.9,), "comp": (0.95, 0.5)}  # how likely a first and a second player are
_MELODISTS = {
    r: (0.9,) if r == "melody" else (0.35 * (r in ("counter", "arp", "riff", "pad")),) for r in bandsets.ROLES
}


def _roster(likely, held_out=False):
    return lambda rng: bandsets.draw_players(rng, held_out and rng.random() < 0.5, likely)


def _style(rng, held_out):
    names = [style for style in styles.STYLES if held_out or style not in styles.HELD_OUT_STYLES]
    return names[rng.integers(len(names))]


_chorale = functools.cache(chorales.read_chorale)


@functools.cache
def _works(held_out):
    """[voices of (start, length, pitch) in quarters] of every work; reading takes minutes, so it is kept in a file."""
    wanted = HELD_OUT_COMPOSERS if held_out else COMPOSERS
    cache = data_dir() / f"works-{'held-out' if held_out else 'train'}-v{VERSION}.json"
    if not cache.exists():
        works = [voices for composer, most in wanted.items() for voices in _read_works(composer, most)]
        write_json(cache, works, indent=None)
    return json.loads(cache.read_text(encoding="utf-8"))


def _read_works(composer, most):
    """Works of a composer with two voices or more, from at most so many files of music21's corpus."""
    from music21 import converter, corpus

    paths = sorted(str(path) for path in corpus.getCorePaths() if composer in Path(path).parts)
    for path in paths[:most]:
        parsed = converter.parse(path)
        for score in list(getattr(parsed, "scores", [])[:3]) or [parsed]:
            voices = [voice for voice in map(_voice, getattr(score, "parts", [])) if len(voice) > 20]
            if len(voices) > 1:
                yield voices


def _voice(part):
    """(start, length, pitch) of a part in quarters, ties joined, at most 1,500."""
    notes = []
    for sound in part.flatten().notes:
        if sound.quarterLength == 0 or "ChordSymbol" in sound.classes:
            continue
        start, end = float(sound.offset), float(sound.offset + sound.quarterLength)
        for pitch in (int(p.midi) for p in sound.pitches):
            held = sound.tie is not None and sound.tie.type in ("stop", "continue")
            before = next(
                (i for i in reversed(range(max(0, len(notes) - 7), len(notes))) if notes[i][2] == pitch), None
            )
            if held and before is not None:
                notes[before] = (notes[before][0], end - notes[before][0], pitch)
            else:
                notes.append((start, end - start, pitch))
    return sorted(notes)[:1500]


@functools.cache
def _grooves():
    """Names of the grooves of each file of MMA's library that is in 4/4, beginnings and endings left out."""
    files = []
    for file in sorted(GROOVES.glob("*.mma")):
        text = file.read_text(errors="ignore")
        if set(re.findall(r"^\s*Time\s+(\d+)", text, re.M | re.I)) == {"4"}:
            names = re.findall(r"^\s*DefGroove\s+(\S+)", text, re.M | re.I)
            files.append([name for name in names if not re.search("intro|end", name, re.I)])
    if not files:
        raise RuntimeError(f"{GROOVES}: no grooves; install the package mma, or leave the source 'groove' out")
    return files


def _accompany(song, groove, tempo_bpm):
    """What MMA plays to a song's chords: pretty_midi instruments."""
    import pretty_midi

    lines = [f"Tempo {tempo_bpm}", f"Groove {groove}"]
    for number, bar in enumerate(song.bars, 1):
        names = [
            ROOTS[chord.root % 12]
            + QUALITIES.get(tuple(sorted({t % 12 for t in chord.tones})), "m" if 3 in chord.tones else "")
            for chord in bar.chords
        ]
        lines.append(f"{number} " + (names[0] if len(names) == 1 else f"{names[0]} / {names[1]} /"))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "song.mma").write_text("\n".join(lines) + "\n")
        done = subprocess.run(["mma", "song.mma", "-f", "song.mid"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mma refuses groove {groove}: {done.stdout.strip().splitlines()[-1:]}")
        return pretty_midi.PrettyMIDI(f"{folder}/song.mid").instruments
