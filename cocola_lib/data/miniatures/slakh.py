"""mini-slakh2100: the procedural band in the layout of slakh2100_redux_16k.

Mono, 16 kHz, every instrument a stem. As in the real one, stem numbers have gaps (instruments with MIDI but no
audio), track numbers too, and the archive holds `._*` files that are no audio.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from cocola_lib.data.miniatures import bandsets, styles, track_rng
from cocola_lib.data.miniatures.band import Song
from cocola_lib.data.miniatures.bandsets import Job, record, settle, song_of
from cocola_lib.data.miniatures.players import perform
from cocola_lib.data.miniatures.studio import Desk
from cocola_lib.data.miniatures.synth import integrated_loudness, midi_bytes, write_audio

VERSION = 2
RATE = 16_000  # Hz
STEREO = False
DESK = Desk(wet_share=0.35, squeeze=(0.0, 0.2), width=0.0)
SIZES = {  # train, validation, test, omitted; seconds
    "tiny": ((4, 2, 3, 1), 12.0),
    "small": ((84, 10, 24, 2), 22.0),
    "large": ((1000, 60, 80, 40), 60.0),
}
FIRST = {"train": 1, "validation": 1501, "test": 1876}  # as Slakh numbers them


def plan(size: str, seed: int) -> list[Job]:
    """List the tracks; numbers have gaps where an omitted track was."""
    *counts, n_omitted = SIZES[size][0]
    length_s, jobs = SIZES[size][1], []
    for (split, first), count in zip(FIRST.items(), counts, strict=True):
        for i in range(count):
            number = first + i + i // 3  # every fourth number is missing
            name = f"Track{number:05d}"
            jobs.append(Job(f"slakh2100_redux_16k/{split}/{name}", f"slakh {name}", seed, length_s))
    for i in range(n_omitted):  # what redux left out: the music of a training track once more
        original = jobs[i % counts[0]]
        path = f"slakh2100_redux_16k/omitted/Track{4 * i + 4:05d}"
        jobs.append(Job(path, original.song, seed, length_s, omitted=True))
    return jobs


def song(job: Job) -> Song:
    """Compose a track's song; an omitted track plays another's, on other instruments."""
    piece = song_of(job, held_out=False)
    if job.omitted:
        others = [p for p in range(120) if not styles.is_held_out(p)]
        programs = track_rng(job.seed, job.path).choice(others, len(piece.stems))
        stems = [
            s if s.role in ("drums", "percussion") else replace(s, program=int(p))
            for s, p in zip(piece.stems, programs, strict=True)
        ]
        piece = replace(piece, stems=tuple(stems))
    return piece


def players(song: Song, job: Job) -> dict[str, list]:
    """Say what each file holds: one instrument each, numbered in any order."""
    order = track_rng(job.seed, f"{job.path}/order").permutation(len(song.stems))
    return {f"S{i:02d}": [(song.stems[j], {})] for i, j in enumerate(order)}


def replay(job: Job, name: str, **changes) -> np.ndarray:
    """Play one file again, see `miniatures.replay`."""
    return bandsets.replay(sys.modules[__name__], job, name, **changes)


def write(job: Job, folder: Path) -> None:
    """Make one track: metadata.yaml, mix.flac, all_src.mid, stems/, MIDI/."""
    piece, rng = song(job), track_rng(job.seed, f"{job.path}/files")
    numbered = players(piece, job)
    parts = {name: perform(piece, stem) for name, [(stem, _)] in numbered.items()}
    # some instruments have MIDI but no audio: the stems' numbers have gaps
    audible = [name for i, name in enumerate(numbered) if i < 2 or rng.random() >= 0.12]
    recorded, mix = settle([record(piece, numbered[name], sys.modules[__name__]) for name in audible])
    audio = dict(zip(audible, recorded, strict=True))
    write_audio(folder / "mix.flac", mix, RATE)
    (folder / "MIDI").mkdir()
    (folder / "all_src.mid").write_bytes(midi_bytes(list(parts.values()), piece.tempo_bpm))
    for name, part in parts.items():
        (folder / "MIDI" / f"{name}.mid").write_bytes(midi_bytes([part], piece.tempo_bpm))
        if name in audio:
            write_audio(folder / "stems" / f"{name}.flac", audio[name], RATE)
    if rng.random() < 0.2:  # macOS left its traces in the real archive
        (folder / "stems" / "._S00.flac").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    metadata = {
        "UUID": hashlib.md5(job.path.encode(), usedforsecurity=False).hexdigest(),
        "audio_dir": "stems",
        "lmd_midi_dir": f"{folder.name}.mid",
        "midi_dir": "MIDI",
        "normalization_factor": DESK.lufs[0],
        "normalized": True,
        "overall_gain": 1.0,
        "stems": {name: describe(part, audio.get(name)) for name, part in parts.items()},
        "target_peak": -0.2,
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")


def describe(part, x) -> dict:
    """A stem's entry in metadata.yaml."""
    from pretty_midi import program_to_instrument_class, program_to_instrument_name

    drums = part.drums
    family = "Drums" if drums else program_to_instrument_class(part.program)
    loudness = integrated_loudness(x / 32768, RATE) if x is not None else -np.inf
    entry = {
        "audio_rendered": x is not None,
        "inst_class": {"Ensemble": "Strings (continued)"}.get(family, family),
        "is_drum": drums,
        "midi_program_name": "Drums" if drums else program_to_instrument_name(part.program),
        "midi_saved": True,
        "plugin_name": "TimGM6mb.sf2",
        "program_num": 128 if drums else part.program,
    }
    return entry | ({"integrated_loudness": round(float(loudness), 3)} if np.isfinite(loudness) else {})
