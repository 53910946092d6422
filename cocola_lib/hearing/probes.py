"""Probes: true pairs, and the same pairs with one thing wrong, to find out what a score reacts to.

An accompaniment is played again from its score, some semitones higher or some per cent faster, so that the change
leaves no artefact in the sound; a delay needs no new sound, only an earlier excerpt. Where there is no score (real
recordings), a phase vocoder stands in, and its artefacts are part of what is measured. Rendering costs more than
scoring, so every probe is kept on disk. `responses` scores them; notebook 05 shows what comes out.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cocola_lib.data import audio, miniatures
from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.data.miniatures import excerpts
from cocola_lib.data.stem_classes import is_pitched
from cocola_lib.data.tracks import Track
from cocola_lib.files import cached, data_dir, keep
from cocola_lib.sampling import PairSpec, WindowSampler

VERSION = 3  # of what is kept on disk
N_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
CONFLICTS = {  # what is wrong -> how the accompaniment is played: (semitones higher, tempo)
    "wrong key": (6, 1.0),  # the key that shares the fewest notes
    "wrong tempo": (0, 1.1),
    "both wrong": (6, 1.1),
}
DOSES = {  # change -> doses, the unchanged pair left out
    "pitch": (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6),  # semitones
    "stretch": (0.85, 0.9, 0.95, 1.05, 1.1, 1.15),  # tempo, 1.1 is a tenth faster
    "delay": (10.0, 20.0, 30.0, 50.0, 75.0, 100.0),  # ms
    "delay in beats": (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),  # quarters
    "conflict": tuple(CONFLICTS),
}
KINDS = {"pitched": ("pitch", "conflict"), "any": ("stretch", "delay", "delay in beats")}  # kind of pair -> its changes


@dataclass(frozen=True)
class Probe:
    """One true pair as it sounds, and its accompaniment changed.

    Attributes:
        spec: the window, the anchor's stems and the accompaniment's one stem.
        anchor, truth: (N,) float32 at 16 kHz.
        changed: (change, dose) -> (N,) float32, the accompaniment with one thing wrong.
    """

    spec: PairSpec
    anchor: np.ndarray
    truth: np.ndarray
    changed: dict[tuple[str, float | str], np.ndarray]


def draw_pairs(tracks: Sequence[Track], n: int, seed: int = 0, pitched: bool = False) -> list[PairSpec]:
    """Draw true pairs: one stem as the accompaniment, some of the others as the anchor.

    Data sets take turns, and tracks within them, so that few pairs come from many songs.

    Args:
        tracks: of one split, any number of data sets.
        n: number of pairs wanted.
        pitched: True leaves out drums, percussion and effects on both sides.

    Returns:
        At most n specifications; a window starts late enough to be delayed by two beats, and early enough to be
        slowed down by 15 %.

    Raises:
        ValueError: no track has such a window.
    """
    sampler, rng = WindowSampler(tracks), np.random.default_rng([seed, int(pitched)])
    by_set: dict[str, list[Track]] = {}
    for track in tracks:
        by_set.setdefault(track.dataset, []).append(track)
    queues = [[group[i] for _ in range(1 + n // len(group)) for i in rng.permutation(len(group))]
              for group in by_set.values()]  # fmt: skip
    specs: list[PairSpec] = []
    for turn in range(max(map(len, queues))):
        for queue in queues:
            spec = _draw_pair(sampler, queue[turn], rng, pitched) if turn < len(queue) else None
            if spec and spec not in specs and len(specs) < n:
                specs.append(spec)
    if not specs:
        what = "two pitched stems" if pitched else "two stems"
        raise ValueError(f"{len(tracks)} tracks: none has a window of {WINDOW_S:g} s with {what}, two beats in")
    return specs


def _draw_pair(sampler: WindowSampler, track: Track, rng, pitched: bool) -> PairSpec | None:
    """A random window and split of a track; None where it has none."""
    starts, active = sampler.windows(track)
    usable = np.array([not pitched or is_pitched(name) for name in track.stem_names])
    begin_s, end_s = 2 * 60 / tempo_bpm(track), min(DOSES["stretch"]) * (track.duration_s - WINDOW_S) - 0.5
    good = (starts / 10 >= begin_s) & (starts / 10 <= end_s) & (active[usable].sum(axis=0) >= 2)
    if not good.any():
        return None
    column = int(rng.choice(np.flatnonzero(good)))
    names = [name for name, on in zip(track.stem_names, active[:, column] & usable, strict=True) if on]
    order = [names[i] for i in rng.permutation(len(names))]
    anchor = order[1 : 1 + int(rng.integers(1, len(order)))]
    return PairSpec(track.id, round(float(starts[column]) / 10, 1), tuple(sorted(anchor)), (order[0],))


def has_score(track: Track) -> bool:
    """Whether a track is a miniature's, so that it can be played again."""
    try:
        return bool(miniatures.find_job(track.stems[0].files[0]))
    except ValueError:
        return False


def tempo_bpm(track: Track) -> float:
    """Quarters per minute: from the score, else librosa's estimate from the track's first minute."""
    if has_score(track):
        return excerpts.clock(track.stems[0].files[0]).tempo_bpm
    import librosa

    x = track.read(track.stem_names, 0.0, min(60.0, track.duration_s))
    return float(np.atleast_1d(librosa.feature.tempo(y=x, sr=SAMPLE_RATE))[0])


def make_probes(tracks: Sequence[Track], specs: Sequence[PairSpec], changes: Sequence[str], jobs: int | None = None):
    """Render the probes of some pairs, or read them from the cache.

    Args:
        tracks: those that the specifications were drawn from.
        specs: from `draw_pairs`.
        changes: keys of `DOSES`.
        jobs: processes that render; None: one per core, where each has some pairs to do.

    Returns:
        list of `Probe`, in the order of `specs`.
    """
    by_id = {track.id: track for track in tracks}
    made = {}
    missing = [s for s in specs if not _cache_path(by_id[s.track_id], s, changes).is_file()]
    if missing:
        import joblib

        work = (joblib.delayed(_samples)(by_id[s.track_id], s, tuple(changes)) for s in missing)
        jobs = jobs or min(os.cpu_count() or 1, len(missing) // 4)  # to start one costs as much as to render a few
        rendered = joblib.Parallel(n_jobs=jobs or 1)(work)
        made = dict(zip(missing, rendered, strict=True))
    return [_probe(s, changes, made.get(s) or _samples(by_id[s.track_id], s, changes)) for s in specs]


def _cache_path(track: Track, spec: PairSpec, changes: Sequence[str]) -> Path:
    stamp = [(str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns) for stem in track.stems for f in stem.files]
    doses = {change: DOSES[change] for change in changes}
    key = hashlib.sha256(json.dumps([VERSION, stamp, asdict(spec), doses], sort_keys=True).encode()).hexdigest()[:24]
    return data_dir() / "probes" / f"{key}.npz"


def _probe(spec: PairSpec, changes: Sequence[str], samples: dict[str, np.ndarray]) -> Probe:
    clips = {name: x.astype(np.float32) * samples["scale"] for name, x in samples.items() if name != "scale"}
    keys = [(change, dose) for change in changes for dose in DOSES[change]]
    return Probe(spec, clips["anchor"], clips["truth"], {key: clips[f"{key[0]} {key[1]}"] for key in keys})


def _samples(track: Track, spec: PairSpec, changes: Sequence[str]) -> dict[str, np.ndarray]:
    """One pair's probes as 16-bit samples and their scale, from the cache if they are there."""

    def read(path: Path) -> dict[str, np.ndarray]:
        with np.load(path) as stored:
            return dict(stored)

    path = _cache_path(track, spec, changes)
    if samples := cached(path, read):
        return samples
    clips = _render(track, spec, changes)
    scale = np.float32(max(1.0, max(float(np.abs(x).max()) for x in clips.values())) / 32767)
    samples = {"scale": scale} | {name: np.round(x / scale).astype(np.int16) for name, x in clips.items()}
    keep(path, samples, lambda path, samples: np.savez(path, **samples))
    return samples


def _render(track: Track, spec: PairSpec, changes: Sequence[str]) -> dict[str, np.ndarray]:
    """The anchor, the truth, and the truth changed: name -> (N,). Delays are cut from one longer excerpt."""
    to_s = {"delay": 1e-3, "delay in beats": 60 / tempo_bpm(track)}
    delays = {f"{c} {d}": round(d * to_s[c] * SAMPLE_RATE) for c in changes if c in to_s for d in DOSES[c]}
    late = max(delays.values(), default=0)  # samples
    long = excerpt(track, spec.positive, spec.start_s - late / SAMPLE_RATE, WINDOW_S + late / SAMPLE_RATE)
    clips = {name: long[late - delay :][:N_SAMPLES] for name, delay in (delays | {"truth": 0}).items()}
    clips["anchor"] = excerpt(track, spec.anchor, spec.start_s)
    for change in (c for c in changes if c not in to_s):
        clips |= {f"{change} {dose}": play(track, spec, *_how(change, dose)) for dose in DOSES[change]}
    return clips


def _how(change: str, dose: float | str) -> tuple[int, float]:
    """(semitones, tempo) of a change that is played again."""
    return CONFLICTS[dose] if change == "conflict" else (dose, 1.0) if change == "pitch" else (0, dose)


def play(track: Track, spec: PairSpec, semitones: int = 0, tempo: float = 1.0) -> np.ndarray:
    """The accompaniment of a pair, transposed and at another tempo (1.1 is a tenth faster). (N,) float32 at 16 kHz."""
    if has_score(track):
        return excerpt(track, spec.positive, spec.start_s, transpose_semitones=semitones, tempo_factor=tempo)
    import librosa

    x = track.read(spec.positive, spec.start_s, WINDOW_S * tempo)
    if tempo != 1:
        x = librosa.util.fix_length(librosa.effects.time_stretch(x, rate=tempo), size=N_SAMPLES)
    if semitones:
        x = librosa.effects.pitch_shift(x, sr=SAMPLE_RATE, n_steps=semitones)
    return x.astype(np.float32)


def excerpt(track: Track, names: Sequence[str], start_s: float, length_s: float = WINDOW_S, **changes) -> np.ndarray:
    """Some seconds of some stems, played from the score where there is one.

    Args:
        start_s: of the excerpt, in the unchanged track.
        changes: transpose_semitones, tempo_factor; see `excerpts.excerpt`.

    Returns:
        (N,) float32 mono at 16 kHz.
    """
    if not has_score(track):
        return track.read(tuple(names), start_s, length_s)
    files = (file for stem in track.stems if stem.name in names for file in stem.files)
    return audio.mix([excerpts.excerpt(file, start_s, length_s, SAMPLE_RATE, **changes) for file in files])
