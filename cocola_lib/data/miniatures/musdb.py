"""mini-musdb18hq: the procedural band in the layout of MUSDB18-HQ, for testing what training never heard.

Four stereo stems and their mixture at 44.1 kHz. Its styles, programs and drum kits are in no other miniature
(`styles.HELD_OUT_STYLES`, `styles.is_held_out`, `styles.HELD_OUT_KITS`), and it is mixed more densely. Its singers
are of the same kind as mini-moisesdb's, other voices in other songs: on syllables, synthesised (`singer.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from cocola_lib.data.miniatures import bandsets, track_rng
from cocola_lib.data.miniatures.band import Song
from cocola_lib.data.miniatures.bandsets import Job, invent, record, settle, song_of
from cocola_lib.data.miniatures.studio import Desk
from cocola_lib.data.miniatures.synth import write_audio

VERSION = 3
RATE = 44_100  # Hz
STEREO = True
DESK = Desk(lufs=(-23.0, 3.0), eq_db=3.0, wet_share=0.6, wet=(0.05, 0.4), drive=(0.5, 2.5), squeeze=(0.2, 0.7),
            noise_share=0.15)  # fmt: skip
SIZES = {"tiny": ((2, 1, 2), 11.0), "small": ((5, 2, 13), 15.0), "large": ((86, 14, 50), 60.0)}
# MUSDB18's validation songs: the official loaders know the split by these names; the music is the band's
VALIDATION = (
    "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies", "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero", "Fergessen - Nos Palpitants", "Leaf - Summerghost",
    "Skelpolu - Human Mistakes", "Young Griffo - Pennies", "ANiMAL - Rockshow", "James May - On The Line",
    "Meaxic - Take A Step", "Traffic Experiment - Sirens",
)  # fmt: skip
STEMS = {"drums": ("drums", "percussion"), "bass": ("bass",), "vocals": ("vocals",)}  # the rest is "other"


def plan(size: str, seed: int) -> list[Job]:
    """List the songs, train with its validation songs, and test."""
    (n_train, n_valid, n_test), length_s = SIZES[size]
    names = [("train", name) for name in VALIDATION[:n_valid]]
    rng, seen = track_rng(seed, "musdb names"), set()
    while len(seen) < n_train + n_test:
        name = f"{invent(rng, the=True)} - {invent(rng)}"
        if name not in seen:
            names.append(("train" if len(seen) < n_train else "test", name))
            seen.add(name)
    return [Job(f"{split}/{name}", f"musdb {name}", seed, length_s) for split, name in sorted(names)]


def song(job: Job) -> Song:
    """Compose a song of held-out style."""
    chances = {"drums": (1.0,), "bass": (1.0,), "vocals": (1.0,), "comp": (1.0, 0.6), "melody": (0.2,)}
    return song_of(job, held_out=True, chances=chances)


def players(song: Song, job: Job) -> dict[str, list]:
    """Say what each file holds: "other" is everything that is not drums, bass or vocals."""
    files = {name: [] for name in ("drums", "bass", "other", "vocals")}
    for stem in song.stems:
        name = next((n for n, roles in STEMS.items() if stem.role in roles), "other")
        files[name].append((stem, {}))
    return files


def replay(job: Job, name: str, **changes) -> np.ndarray:
    """Play one file again, see `miniatures.replay`."""
    return bandsets.replay(sys.modules[__name__], job, name, **changes)


def write(job: Job, folder: Path) -> None:
    """Make one song: four stems, and the mixture, which is their exact sum."""
    piece = song(job)
    groups = players(piece, job)
    files, mix = settle([record(piece, group, sys.modules[__name__]) for group in groups.values()])
    for name, x in zip(groups, files, strict=True):
        write_audio(folder / f"{name}.wav", x, RATE)
    write_audio(folder / "mixture.wav", mix, RATE)
