"""mini-slakh2100, mini-moisesdb, mini-musdb18hq: the procedural band in three real layouts.

They differ as the real ones do. Slakh: mono, 16 kHz, every instrument a stem, numbering gaps. MoisesDB:
stereo, reverb, compression, bleed, several files per stem. MUSDB18-HQ: four stems and their mixture, and
music that the others do not have (`styles.HELD_OUT_STYLES`, held-out programs and drum kits), for testing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from cocola_lib import styles
from cocola_lib.band import Song, Stem, compose, perform
from cocola_lib.miniatures import track_rng
from cocola_lib.studio import Desk, play
from cocola_lib.synth import integrated_loudness, midi_bytes, to_int16, write_audio

# role -> (chance of each of its possible players, pitch around which it plays and the deviation)
ROLES = {
    "drums": ((0.95,), 0, 0),
    "percussion": ((0.3,), 0, 0),
    "bass": ((0.97,), 40, 2),
    "comp": ((0.95, 0.6, 0.2), 60, 4),
    "pad": ((0.5, 0.1), 62, 5),
    "arp": ((0.5,), 62, 7),
    "riff": ((0.5,), 55, 7),
    "melody": ((0.85,), 74, 5),
    "counter": ((0.3,), 66, 5),
    "vocals": ((0.0,), 71, 5),
    "effect": ((0.06,), 60, 4),
}


@dataclass(frozen=True)
class Job:
    """One track to make: where, and the song it plays."""

    path: str
    song: str  # name of the song; an omitted Slakh track plays the song of another track
    seed: int
    length_s: float
    omitted: bool = False


def draw_players(rng: np.random.Generator, held_out: bool, chances: dict | None = None) -> tuple[Stem, ...]:
    """Draw who plays: a role, a program that suits it and a player's habits, whatever the style.

    Args:
        rng: decides
        held_out: draw from the programs that only mini-musdb18hq has, or from the others
        chances: role -> chances, instead of those in `ROLES`
    """
    players = []
    for role, (default, centre, spread) in ROLES.items():
        for i, chance in enumerate((chances or {}).get(role, default)):
            if rng.random() >= chance:
                continue
            if role in ("drums", "percussion"):
                programs = [k for k in styles.DRUM_KITS if (k in styles.HELD_OUT_KITS) == held_out]
            else:
                programs = [p for p in styles.PROGRAMS[role] if styles.is_held_out(p) == held_out]
            players.append(
                Stem(
                    name=f"{role}{i + 1}",
                    role=role,
                    program=int(programs[rng.integers(len(programs))]),
                    centre=round(centre + spread * float(rng.normal())),
                    late_s=float(rng.normal(0, 0.006)),
                    loose_s=float(rng.uniform(0.002, 0.010)),
                    detune_cents=float(rng.normal(0, 6)),
                    dynamics=float(rng.uniform(0.4, 1.3)),
                )
            )
    return tuple(players)


def style_of(job_song: str, seed: int, held_out: bool) -> str:
    """A song's style: one of those of its data set."""
    names = [s for s in styles.STYLES if (s in styles.HELD_OUT_STYLES) == held_out]
    return names[track_rng(seed, f"{job_song}/style").integers(len(names))]


def settle(files: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Round files to 16 bits such that their sum, the mix, does not clip. Returns files and mix, int16."""
    peak = float(np.abs(np.sum(files, axis=0)).max())
    gain = min(1.0, 0.98 / max(peak, 1e-9))  # one gain for all: rare, and the balance stays
    files = [to_int16(x * gain) for x in files]
    return files, np.sum([x.astype(np.int32) for x in files], axis=0).astype(np.int16)


class Slakh:
    """mini-slakh2100, as slakh2100_redux_16k."""

    VERSION = 1
    RATE = 16_000  # Hz
    DESK = Desk(wet_share=0.35, squeeze=(0.0, 0.2), width=0.0)
    SIZES = {  # train, validation, test, omitted; seconds
        "tiny": ((4, 2, 3, 1), 12.0),
        "small": ((54, 8, 18, 2), 22.0),
        "large": ((1000, 60, 80, 40), 60.0),
    }
    FIRST = {"train": 1, "validation": 1501, "test": 1876}  # as Slakh numbers them

    def plan(self, size: str, seed: int) -> list[Job]:
        """List the tracks; numbers have gaps where an omitted track was."""
        *counts, n_omitted = self.SIZES[size][0]
        length_s, jobs = self.SIZES[size][1], []
        for (split, first), count in zip(self.FIRST.items(), counts, strict=True):
            for i in range(count):
                number = first + i + i // 3  # every fourth number is missing
                name = f"Track{number:05d}"
                jobs.append(Job(f"slakh2100_redux_16k/{split}/{name}", f"slakh {name}", seed, length_s))
        for i in range(n_omitted):  # what redux left out: the music of a training track once more
            original = jobs[i % counts[0]]
            path = f"slakh2100_redux_16k/omitted/Track{4 * i + 4:05d}"
            jobs.append(Job(path, original.song, seed, length_s, omitted=True))
        return jobs

    def song(self, job: Job) -> Song:
        style = style_of(job.song, job.seed, held_out=False)
        song = compose(job.song, job.seed, job.length_s, style, lambda rng: draw_players(rng, held_out=False))
        if job.omitted:  # other instruments, same notes
            rng = track_rng(job.seed, job.path)
            others = [p for p in range(120) if not styles.is_held_out(p)]
            programs = rng.choice(others, len(song.stems))
            stems = [s if s.role in ("drums", "percussion") else replace(s, program=int(p))
                     for s, p in zip(song.stems, programs, strict=True)]  # fmt: skip
            song = replace(song, stems=tuple(stems))
        return song

    def write(self, job: Job, folder: Path) -> None:
        song, rng = self.song(job), track_rng(job.seed, f"{job.path}/slakh")
        order = rng.permutation(len(song.stems))
        rendered = rng.random(len(order)) >= 0.12  # some instruments have MIDI but no audio
        rendered[:2] = True
        parts = [perform(song, song.stems[i]) for i in order]
        audio = [play(song, song.stems[i], self.RATE, self.DESK) for i, r in zip(order, rendered, strict=True) if r]
        audio, mix = settle(audio)
        write_audio(folder / "mix.flac", mix, self.RATE)
        (folder / "MIDI").mkdir()
        (folder / "all_src.mid").write_bytes(midi_bytes(parts, song.tempo_bpm))
        stems, remaining = {}, iter(audio)
        for i, (part, has_audio) in enumerate(zip(parts, rendered, strict=True)):
            name, x = f"S{i:02d}", next(remaining) if has_audio else None
            (folder / "MIDI" / f"{name}.mid").write_bytes(midi_bytes([part], song.tempo_bpm))
            if has_audio:
                write_audio(folder / "stems" / f"{name}.flac", x, self.RATE)
            stems[name] = self.describe(part, x)
        if rng.random() < 0.2:  # macOS left its traces in the real archive
            (folder / "stems" / "._S00.flac").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
        metadata = {
            "UUID": hashlib.md5(job.path.encode(), usedforsecurity=False).hexdigest(),
            "audio_dir": "stems",
            "lmd_midi_dir": f"{folder.name}.mid",
            "midi_dir": "MIDI",
            "normalization_factor": self.DESK.lufs[0],
            "normalized": True,
            "overall_gain": 1.0,
            "stems": stems,
            "target_peak": -0.2,
        }
        (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")

    def describe(self, part, x) -> dict:
        """A stem's entry in metadata.yaml."""
        from pretty_midi import program_to_instrument_class, program_to_instrument_name

        drums = part.drums
        family = "Drums" if drums else program_to_instrument_class(part.program)
        loudness = integrated_loudness(x / 32768, self.RATE) if x is not None else -np.inf
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


# MoisesDB's name for what a General MIDI program sounds like: (last program of the range, name)
MOISES_NAMES = (
    (7, "piano"), (14, "percussion"), (15, "other_plucked"), (23, "other_keys"), (31, "guitar"), (39, "bass"),
    (44, "bowed_strings"), (46, "other_plucked"), (47, "percussion"), (51, "bowed_strings"), (54, "vocals"),
    (55, "other"), (79, "wind"), (103, "other_keys"), (108, "other_plucked"), (111, "wind"), (118, "percussion"),
    (127, "other"),
)  # fmt: skip
GENRES = {"house": "electronic", "salsa": "world/folk", "bossa": "bossa_nova", "folk": "world/folk", "funk": "rnb",
          "soul": "rnb", "prog": "rock", "ballad": "singer_songwriter"}  # fmt: skip
FIRST_WORDS = ("Paper", "Silver", "Tiny", "Broken", "Northern", "Velvet", "Hollow", "Golden", "Late", "Salt")
LAST_WORDS = ("Lanterns", "Harbour", "Engines", "Gardens", "Letters", "Signals", "Mountains", "Foxes", "Tides", "Rooms")


def invent(rng, n: int = 2) -> str:
    """Invent a name for an artist or a song."""
    words = (FIRST_WORDS[rng.integers(10)], LAST_WORDS[rng.integers(10)])
    return " ".join(("The", *words) if n == 3 else words)


class Moises:
    """mini-moisesdb, as moisesdb_v0.1."""

    VERSION = 1
    RATE = 44_100  # Hz
    DESK = Desk(lufs=(-24.0, 4.0), wet_share=0.75, wet=(0.1, 0.6), rt60_s=(0.2, 1.3), squeeze=(0.1, 0.6),
                noise_share=0.5, noise_dbfs=(-84.0, -64.0))  # fmt: skip
    SIZES = {"tiny": (6, 10.0), "small": (16, 15.0), "large": (120, 60.0)}  # songs, seconds

    def plan(self, size: str, seed: int) -> list[Job]:
        """List the songs; MoisesDB has no split folders."""
        count, length_s = self.SIZES[size]
        names = [f"moises song {i}" for i in range(count)]
        return [Job(f"moisesdb/moisesdb_v0.1/{self.uuid(seed, name)}", name, seed, length_s) for name in names]

    @staticmethod
    def uuid(seed: int, *what) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"cocola mini-moisesdb {seed} {what}"))

    def song(self, job: Job) -> Song:
        chances = {"comp": (0.95, 0.6, 0.2), "melody": (0.6,), "vocals": (0.8,), "percussion": (0.4,)}
        style = style_of(job.song, job.seed, held_out=False)
        return compose(job.song, job.seed, job.length_s, style, lambda rng: draw_players(rng, False, chances))

    def takes(self, song: Song, stem: Stem, rng) -> list[tuple[str, dict]]:
        """What is recorded of a player, as (trackType, arguments of `play`): one file or several."""
        if stem.role == "drums" and rng.random() < 0.4:
            return [(piece, {"keep": {styles.DRUMS[d] for d in drums}}) for piece, drums in styles.KIT_PIECES.items()]
        if stem.role == "vocals":
            backing = [("background vocals", {"take": " octave", "transpose_semitones": -12})]
            return [("lead female singer", {}), *(backing if rng.random() < 0.4 else [])]
        double = stem.role in ("comp", "pad") and rng.random() < 0.3
        kind = {"drums": "full acoustic drumkit", "percussion": "a-tonal percussion"}.get(stem.role, stem.role)
        return [(kind, {}), *([(kind, {"take": " double"})] if double else [])]

    @staticmethod
    def stem_name(stem: Stem) -> str:
        if stem.role in ("drums", "percussion", "bass", "vocals"):
            return stem.role
        return next(name for last, name in MOISES_NAMES if stem.program <= last)

    def write(self, job: Job, folder: Path) -> None:
        song, rng = self.song(job), track_rng(job.seed, f"{job.path}/moises")
        stems, files = [], []
        for stem in song.stems:
            name = self.stem_name(stem)
            same = [s for s in stems if s["stemName"] == name]
            if same and rng.random() < 0.7:  # else the name is repeated, as in some of the real songs
                entry = same[0]
            else:
                entry = {"stemName": name, "id": self.uuid(job.seed, job.song, stem.name), "tracks": []}
                stems.append(entry)
            for kind, how in self.takes(song, stem, rng):
                x = play(song, stem, self.RATE, self.DESK, stereo=True, **how)
                if not np.abs(x).max() > 1e-3:  # a kit without toms
                    continue
                track_id = self.uuid(job.seed, job.song, stem.name, len(files))
                entry["tracks"].append({"id": track_id, "trackType": kind, "extension": "wav",
                                        "has_bleed": bool(rng.random() < 0.12)})  # fmt: skip
                files.append((name, entry["tracks"][-1], x))
        self.write_files(files, folder, rng)
        data = {"artist": invent(rng, 3), "song": invent(rng), "genre": GENRES.get(song.style, song.style),
                "stems": [s for s in stems if s["tracks"]]}  # fmt: skip
        (folder / "data.json").write_text(json.dumps(data, indent=1), encoding="utf-8")

    def write_files(self, files, folder: Path, rng) -> None:
        """Write a song's files: some with bleed, some mono, in some songs not all of one length."""
        total = np.sum([x for _, _, x in files], axis=0)
        gain = min(1.0, 0.98 / float(np.abs(total).max()))
        unequal = rng.random() < 0.2
        for name, track, x in files:
            if track["has_bleed"]:  # the others, faint and dull, through this one's microphone
                others = (total - x).mean(axis=1, keepdims=True)
                dull = np.apply_along_axis(np.convolve, 0, others, np.hanning(24) / 12, mode="same")
                x = x + 10 ** (rng.uniform(-34, -26) / 20) * dull
            x = x.mean(axis=1) if rng.random() < 0.2 else x
            if unequal:
                x = x[: len(x) - round(rng.uniform(0, 1.5) * self.RATE)]
            write_audio(folder / name / f"{track['id']}.wav", to_int16(x * gain), self.RATE)


class Musdb:
    """mini-musdb18hq, as MUSDB18-HQ: held-out styles, programs and drum kits."""

    VERSION = 1
    RATE = 44_100  # Hz
    DESK = Desk(lufs=(-23.0, 3.0), eq_db=3.0, wet_share=0.6, wet=(0.05, 0.4), drive=(0.5, 2.5), squeeze=(0.2, 0.7),
                noise_share=0.15)  # fmt: skip
    SIZES = {"tiny": ((3, 2, 3), 10.0), "small": ((5, 2, 13), 15.0), "large": ((86, 14, 50), 60.0)}
    # MUSDB18's validation songs: the official loaders know the split by these names; the music is the band's
    VALIDATION = (
        "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims",
        "Johnny Lokke - Promises & Lies", "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint",
        "Alexander Ross - Goodbye Bolero", "Fergessen - Nos Palpitants", "Leaf - Summerghost",
        "Skelpolu - Human Mistakes", "Young Griffo - Pennies", "ANiMAL - Rockshow", "James May - On The Line",
        "Meaxic - Take A Step", "Traffic Experiment - Sirens",
    )  # fmt: skip
    STEMS = {"drums": ("drums", "percussion"), "bass": ("bass",), "vocals": ("vocals",)}  # the rest is "other"

    def plan(self, size: str, seed: int) -> list[Job]:
        """List the songs, train with its validation songs, and test."""
        (n_train, n_valid, n_test), length_s = self.SIZES[size]
        names = [("train", name) for name in self.VALIDATION[:n_valid]]
        rng, seen = track_rng(seed, "musdb names"), set()
        while len(seen) < n_train + n_test:
            name = f"{invent(rng, 3)} - {invent(rng)}"
            if name not in seen:
                names.append(("train" if len(seen) < n_train else "test", name))
                seen.add(name)
        return [Job(f"{split}/{name}", f"musdb {name}", seed, length_s) for split, name in sorted(names)]

    def song(self, job: Job) -> Song:
        chances = {"drums": (1.0,), "bass": (1.0,), "vocals": (1.0,), "comp": (1.0, 0.6), "melody": (0.2,)}
        style = style_of(job.song, job.seed, held_out=True)
        return compose(job.song, job.seed, job.length_s, style, lambda rng: draw_players(rng, True, chances))

    def write(self, job: Job, folder: Path) -> None:
        song = self.song(job)
        groups = {name: [] for name in ("drums", "bass", "other", "vocals")}
        for stem in song.stems:
            name = next((n for n, roles in self.STEMS.items() if stem.role in roles), "other")
            groups[name].append(play(song, stem, self.RATE, self.DESK, stereo=True))
        files, mix = settle([np.sum(recorded, axis=0) for recorded in groups.values()])
        for name, x in zip(groups, files, strict=True):
            write_audio(folder / f"{name}.wav", x, self.RATE)
        write_audio(folder / "mixture.wav", mix, self.RATE)


slakh, moises, musdb = Slakh(), Moises(), Musdb()
