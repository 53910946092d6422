"""mini-moisesdb: the procedural band in the layout of moisesdb_v0.1.

Stereo, 44.1 kHz, with room and compression; several files per stem; some mono, some with bleed, some names
repeated, and in some songs files of unequal length, as in the real one. Its vocals are sung on syllables, synthesised
(`singer.py`), now and then with a second singer in another octave; a soundfont's choirs count as keys.
"""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np

from cocola_lib.data.miniatures import bandsets, figures, track_rng
from cocola_lib.data.miniatures.band import Song, Stem
from cocola_lib.data.miniatures.bandsets import Job, invent, record, song_of
from cocola_lib.data.miniatures.phonetics import voice_of
from cocola_lib.data.miniatures.studio import Desk
from cocola_lib.data.miniatures.synth import to_int16, write_audio

# MoisesDB's name for what a General MIDI program sounds like: (last program of the range, name)
MOISES_NAMES = (
    (7, "piano"), (14, "percussion"), (15, "other_plucked"), (23, "other_keys"), (31, "guitar"), (39, "bass"),
    (44, "bowed_strings"), (46, "other_plucked"), (47, "percussion"), (51, "bowed_strings"), (54, "other_keys"),
    (55, "other"), (79, "wind"), (103, "other_keys"), (108, "other_plucked"), (111, "wind"), (118, "percussion"),
    (127, "other"),
)  # fmt: skip
GENRES = {"house": "electronic", "salsa": "world/folk", "bossa": "bossa_nova", "folk": "world/folk", "funk": "rnb",
          "soul": "rnb", "prog": "rock", "ballad": "singer_songwriter"}  # fmt: skip
VERSION = 4
RATE = 44_100  # Hz
STEREO = True
DESK = Desk(lufs=(-24.0, 4.0), wet_share=0.75, wet=(0.1, 0.6), rt60_s=(0.2, 1.3), squeeze=(0.1, 0.6),
            noise_share=0.5, noise_dbfs=(-84.0, -64.0))  # fmt: skip
SIZES = {"tiny": (4, 11.0), "small": (30, 12.5), "large": (120, 60.0)}  # songs, seconds


def plan(size: str, seed: int) -> list[Job]:
    """List the songs; MoisesDB has no split folders."""
    count, length_s = SIZES[size]
    names = [f"moises song {i}" for i in range(count)]
    return [Job(f"moisesdb/moisesdb_v0.1/{make_uuid(seed, name)}", name, seed, length_s) for name in names]


def make_uuid(seed: int, *what) -> str:
    """Name something by a UUID that depends on the seed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"cocola mini-moisesdb {seed} {what}"))


def song(job: Job) -> Song:
    """Compose a song."""
    chances = {"comp": (0.95, 0.6, 0.2), "melody": (0.6,), "vocals": (0.8,), "percussion": (0.4,)}
    return song_of(job, held_out=False, chances=chances)


def takes(stem: Stem, rng) -> list[tuple[Stem, str, dict]]:
    """What is recorded of a player, as (player, trackType, arguments of `play`): one file or several."""
    if stem.role == "drums" and rng.random() < 0.4:
        pieces = figures.KIT_PIECES.items()
        return [(stem, piece, {"keep": {figures.DRUMS[d] for d in drums}}) for piece, drums in pieces]
    if stem.role == "vocals":
        female = voice_of(stem.centre).female
        other = replace(stem, centre=stem.centre + (-12 if female else 12))
        backing = [(other, "background vocals", {"take": " octave"})] if rng.random() < 0.4 else []
        return [(stem, f"lead {'female' if female else 'male'} singer", {}), *backing]
    double = stem.role in ("comp", "pad") and rng.random() < 0.3
    kind = {"drums": "full acoustic drumkit", "percussion": "a-tonal percussion"}.get(stem.role, stem.role)
    return [(stem, kind, {}), *([(stem, kind, {"take": " double"})] if double else [])]


def stem_name(stem: Stem) -> str:
    """Say under which of MoisesDB's names a player goes."""
    if stem.role in ("drums", "percussion", "bass", "vocals"):
        return stem.role
    return next(name for last, name in MOISES_NAMES if stem.program <= last)


def sessions(song: Song, job: Job) -> list[tuple[Stem, str, str, dict]]:
    """List what is recorded, file by file: player, id, trackType, arguments of `play`."""
    rng = track_rng(job.seed, f"{job.path}/takes")
    rows = [take for stem in song.stems for take in takes(stem, rng)]
    return [(s, make_uuid(job.seed, job.song, i), kind, how) for i, (s, kind, how) in enumerate(rows)]


def players(song: Song, job: Job) -> dict[str, list]:
    """Say what each file holds."""
    return {file_id: [(stem, how)] for stem, file_id, _, how in sessions(song, job)}


def replay(job: Job, name: str, **changes) -> np.ndarray:
    """Play one file again, see `miniatures.replay`."""
    return bandsets.replay(sys.modules[__name__], job, name, **changes)


def write(job: Job, folder: Path) -> None:
    """Make one song: data.json and <stemName>/<id>.wav."""
    piece, rng = song(job), track_rng(job.seed, f"{job.path}/files")
    entries, stems, files = {}, [], []
    for stem, file_id, kind, how in sessions(piece, job):
        x = record(piece, [(stem, how)], sys.modules[__name__])
        if np.abs(x).max() < 1e-3:  # a kit whose toms are never hit
            continue
        name = stem_name(stem)
        if stem.name not in entries:
            same = [s for s in stems if s["stemName"] == name]
            if same and rng.random() < 0.7:  # else the name is repeated, as in some of the real songs
                entries[stem.name] = same[0]
            else:
                entries[stem.name] = {"stemName": name, "id": make_uuid(job.seed, job.song, stem.name), "tracks": []}
                stems.append(entries[stem.name])
        track = {"id": file_id, "trackType": kind, "extension": "wav", "has_bleed": bool(rng.random() < 0.12)}
        entries[stem.name]["tracks"].append(track)
        files.append((folder / name / f"{file_id}.wav", track["has_bleed"], x))
    write_files(files, rng)
    genre = GENRES.get(piece.style, piece.style)
    data = {"artist": invent(rng, the=True), "song": invent(rng), "genre": genre, "stems": stems}
    (folder / "data.json").write_text(json.dumps(data, indent=1), encoding="utf-8")


def write_files(files: list, rng: np.random.Generator) -> None:
    """Write a song's files: some with bleed, some mono, in some songs not all of one length."""
    total = np.sum([x for _, _, x in files], axis=0)
    gain = min(1.0, 0.98 / float(np.abs(total).max()))
    unequal = rng.random() < 0.2
    for path, has_bleed, x in files:
        if has_bleed:  # the others, faint and dull, through this one's microphone
            others = np.convolve((total - x).mean(axis=1), np.hanning(24) / 12, mode="same")
            x = x + 10 ** (rng.uniform(-34, -26) / 20) * others[:, None]
        x = x.mean(axis=1) if rng.random() < 0.2 else x
        if unequal:
            x = x[: len(x) - round(rng.uniform(0, 1.5) * RATE)]
        write_audio(path, to_int16(x * gain), RATE)
