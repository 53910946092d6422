"""mini-cocochorales: four-part Bach chorales, played by ensembles, in the layout of CocoChorales.

The compositions are real (music21's corpus); key, tempo, rubato, touch and instruments come from a seed.
`chorales.json` says which chorale is in which split. Settings of the same tune are always in the same
split, so that no melody of the test set was heard in training (`tunes.split_table` makes the file).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from cocola_lib.data.miniatures import track_rng
from cocola_lib.data.miniatures.ensembles import ENSEMBLES, perform
from cocola_lib.data.miniatures.synth import Note, Part, integrated_loudness, midi_bytes, render, to_int16, write_audio

VERSION = 2
RATE = 16_000  # Hz
N_TRACKS = {  # train, valid, test; and the longest track in seconds
    "tiny": ((8, 3, 4), 20.0),
    "small": ((100, 16, 24), 28.0),
    "large": ((1200, 100, 100), 60.0),
}
FIRST_NUMBER = {"train": 1, "valid": 192_001, "test": 216_001}  # as the real track numbers
TEMPO_BPM = (64, 108)  # quarter notes per minute
STEM_LUFS = (-24.0, 2.5)  # mean and spread; each stem on its own, so that level is no cue


@dataclass(frozen=True)
class Chorale:
    """A chorale as read from the score: per voice, (start, length, pitch) in quarters; phrase ends."""

    name: str
    voices: tuple[tuple[tuple[float, float, int], ...], ...]
    fermatas: tuple[tuple[float, float], ...]  # start and length of the soprano's held notes, quarters
    pickup: float  # quarters before the first full bar


@dataclass(frozen=True)
class Job:
    """One track to make."""

    path: str  # main_dataset/<split>/<ensemble>_trackNNNNNN
    chorale: str
    ensemble: str
    seed: int
    longest_s: float


def plan(size: str, seed: int) -> list[Job]:
    """List the tracks of a build: chorales in an order drawn from the seed, ensembles in turn."""
    counts, longest_s = N_TRACKS[size]
    jobs = []
    for (split, names), count in zip(splits().items(), counts, strict=True):
        order = track_rng(seed, f"chorales {split}").permutation(len(names))
        for i in range(count):
            ensemble = list(ENSEMBLES)[i % len(ENSEMBLES)]
            path = f"main_dataset/{split}/{ensemble}_track{FIRST_NUMBER[split] + i:06d}"
            jobs.append(Job(path, names[order[i % len(names)]], ensemble, seed, longest_s))
    return jobs


def splits() -> dict[str, list[str]]:
    """Chorale names per split, from `chorales.json`."""
    return json.loads(Path(__file__).with_name("chorales.json").read_text(encoding="utf-8"))


def write(job: Job, folder: Path) -> None:
    """Make one track: metadata.yaml, mix.wav, mix.mid, stems_audio/, stems_midi/."""
    parts, length_s, tempo_bpm, lufs = play(job)
    stems = [render(part, length_s, RATE) for part in parts]
    loudness = [integrated_loudness(x, RATE) for x in stems]
    stems = [x * 10 ** ((to - was) / 20) for x, was, to in zip(stems, loudness, lufs, strict=True)]
    peak = float(np.abs(np.sum(stems, axis=0)).max())
    gain = min(1.0, 10 ** (-1.0 / 20) / peak)  # only the few mixes that would clip are turned down
    stems = [to_int16(x * gain) for x in stems]
    mix = np.sum([x.astype(np.int32) for x in stems], axis=0).astype(np.int16)  # exact: the peak is at -1 dB
    write_audio(folder / "mix.wav", mix, RATE)
    for number, (part, x) in enumerate(zip(parts, stems, strict=True), start=1):
        write_audio(folder / "stems_audio" / f"{number}_{part.name}.wav", x, RATE)
        midi = folder / "stems_midi" / f"{number}_{part.name}.mid"
        midi.parent.mkdir(exist_ok=True)
        midi.write_bytes(midi_bytes([part], tempo_bpm))
    (folder / "mix.mid").write_bytes(midi_bytes(parts, tempo_bpm))
    metadata = {
        "midi_file": f"{job.chorale}.mid",
        "tempo": tempo_bpm,
        "ensemble": job.ensemble,
        "instrument_name": {i: part.name for i, part in enumerate(parts)},
        "midi_program_number": {i: part.program for i, part in enumerate(parts)},
        "normalization_factor": STEM_LUFS[0],
        "target_peak": -1.0,
        "normalized": True,
        "overall_gain": float(gain),
        "stem_integrated_loudness": {i: round(v, 3) for i, v in enumerate(loudness)},
        "pitch_correction_amount": {i: [] for i in range(len(parts))},
    }
    text = yaml.safe_dump(metadata, sort_keys=False)
    (folder / "metadata.yaml").write_text(text, encoding="utf-8")


def play(job: Job) -> tuple[list[Part], float, int, list[float]]:
    """Play a job's chorale: its parts, length in seconds, tempo, and each part's loudness in LUFS."""
    rng = track_rng(job.seed, job.path)
    tempo_bpm = int(rng.integers(*TEMPO_BPM))
    parts, length_s = perform(read_chorale(job.chorale), job.ensemble, tempo_bpm, job.longest_s, rng)
    return parts, length_s, tempo_bpm, [float(rng.normal(*STEM_LUFS)) for _ in parts]


def replay(job: Job, name: str, transpose_semitones=0, tempo_factor=1.0, shift_beats=0.0) -> np.ndarray:
    """Play one stem again with one thing changed in the score, see `miniatures.replay`. (N,)"""
    parts, length_s, tempo_bpm, lufs = play(job)
    names = [f"{number}_{part.name}" for number, part in enumerate(parts, start=1)]
    if name not in names:
        raise ValueError(f"{job.path}: no file {name!r}; choose one of {', '.join(names)}")
    part, late_s = parts[names.index(name)], shift_beats * 60 / tempo_bpm
    notes = [
        Note(
            n.start_s / tempo_factor + late_s,
            n.end_s / tempo_factor + late_s,
            n.pitch + transpose_semitones,
            n.velocity,
        )
        for n in part.notes
        if n.start_s / tempo_factor + late_s >= 0
    ]
    x = render(replace(part, notes=tuple(notes)), length_s, RATE)
    return x * np.float32(10 ** ((lufs[names.index(name)] - integrated_loudness(x, RATE)) / 20))


def read_chorale(name: str) -> Chorale:
    """Read a chorale from music21's corpus; tied notes become one, divided voices their upper note.

    Raises:
        ValueError: not four voices
    """
    from music21 import corpus

    score = corpus.parse(f"bach/{name}")
    if len(score.parts) != 4:
        raise ValueError(f"bach/{name}: found {len(score.parts)} parts, a chorale here has four")
    voices, fermatas = [], []
    for part in score.parts:
        voice = []
        for n in part.flatten().notes:
            start, length, pitch = float(n.offset), float(n.quarterLength), max(p.midi for p in n.pitches)
            if length == 0:  # grace notes
                continue
            if n.tie and n.tie.type in ("stop", "continue") and voice and voice[-1][2] == pitch:
                voice[-1] = (voice[-1][0], start + length - voice[-1][0], pitch)
            else:
                voice.append((start, length, int(pitch)))
            if part is score.parts[0] and any("Fermata" in e.classes for e in n.expressions):
                fermatas.append((start, length))
        voices.append(tuple(voice))
    first_bar = score.parts[0].getElementsByClass("Measure")[0]
    bar = first_bar.timeSignature.barDuration.quarterLength if first_bar.timeSignature else 4.0
    length = float(first_bar.duration.quarterLength)
    return Chorale(name, tuple(voices), tuple(fermatas), length if length < bar else 0.0)
