"""Probes: true pairs, and the same pairs with one thing wrong, to find out what a score reacts to.

An accompaniment is played again from its score, some semitones higher or some per cent faster, so that the change
leaves no artefact in the sound; a delay needs no new sound, only an earlier excerpt. Where there is no score (real
recordings), a phase vocoder stands in, and its artefacts are part of what is measured. Rendering costs more than
scoring, so every probe is kept on disk. `responses.py` scores them; notebook 04 shows what comes out.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cocola_lib import audio, miniatures
from cocola_lib.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.stem_classes import is_pitched
from cocola_lib.tracks import Track

VERSION = 1  # of what is kept on disk
DOSES = {  # change -> doses, the unchanged pair left out
    "pitch": (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6),  # semitones
    "stretch": (0.85, 0.9, 0.95, 1.05, 1.1, 1.15),  # tempo, 1.1 is a tenth faster
    "delay": (10.0, 20.0, 30.0, 50.0, 75.0, 100.0),  # ms
    "delay in beats": (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),  # quarters
}
KINDS = {"pitched": ("pitch",), "any": ("stretch", "delay", "delay in beats")}  # kind of pair -> its changes
UNITS = {"pitch": "semitones", "stretch": "tempo ratio", "delay": "ms", "delay in beats": "beats"}


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
    changed: dict[tuple[str, float], np.ndarray]


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


def clock(track: Track) -> tuple[float, float]:
    """Quarters per minute, and where in the file the first beat lies (s), from the score of a miniature."""
    module, job = miniatures.find_job(track.stems[0].files[0])
    if hasattr(module, "song"):
        song = module.song(job)
        return song.tempo_bpm, song.lead_in_s
    return float(module.play(job)[2]), 0.0  # chorales


def tempo_bpm(track: Track) -> float:
    """Quarters per minute: from the score, else librosa's estimate from the track's first minute."""
    if has_score(track):
        return clock(track)[0]
    import librosa

    x = track.read(track.stem_names, 0.0, min(60.0, track.duration_s))
    return float(np.atleast_1d(librosa.feature.tempo(y=x, sr=SAMPLE_RATE))[0])


def make_probes(tracks: Sequence[Track], specs: Sequence[PairSpec], changes: Sequence[str], jobs: int | None = None):
    """Render the probes of some pairs, or read them from the cache.

    Args:
        tracks: those that the specifications were drawn from.
        specs: from `draw_pairs`.
        changes: keys of `DOSES`.
        jobs: processes that render; None: one per core.

    Returns:
        list of `Probe`, in the order of `specs`.
    """
    by_id = {track.id: track for track in tracks}
    missing = [s for s in specs if not _cache_path(by_id[s.track_id], s, changes).is_file()]
    if missing:
        import joblib

        work = (joblib.delayed(_render_to_cache)(by_id[s.track_id], s, tuple(changes)) for s in missing)
        joblib.Parallel(n_jobs=min(jobs or os.cpu_count() or 1, len(missing)))(work)
    return [_read_cached(by_id[s.track_id], s, changes) for s in specs]


def _cache_path(track: Track, spec: PairSpec, changes: Sequence[str]) -> Path:
    stamp = [(str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns) for stem in track.stems for f in stem.files]
    doses = {change: DOSES[change] for change in changes}
    key = hashlib.sha256(json.dumps([VERSION, stamp, asdict(spec), doses], sort_keys=True).encode()).hexdigest()[:24]
    return miniatures.data_dir() / "probes" / f"{key}.npz"


def _read_cached(track: Track, spec: PairSpec, changes: Sequence[str]) -> Probe:
    path = _cache_path(track, spec, changes)
    with np.load(path) as stored:
        clips = {name: stored[name].astype(np.float32) * stored["scale"] for name in stored.files if name != "scale"}
    keys = [(change, dose) for change in changes for dose in DOSES[change]]
    return Probe(spec, clips["anchor"], clips["truth"], {key: clips[f"{key[0]} {key[1]:g}"] for key in keys})


def _render_to_cache(track: Track, spec: PairSpec, changes: Sequence[str]) -> None:
    """Render one pair's probes and keep them as 16-bit samples, under a temporary name first."""
    clips = {f"{change} {dose:g}": _changed(track, spec, change, dose) for change in changes for dose in DOSES[change]}
    clips |= {"anchor": excerpt(track, spec.anchor, spec.start_s), "truth": excerpt(track, spec.positive, spec.start_s)}
    scale = np.float32(max(1.0, max(float(np.abs(x).max()) for x in clips.values())) / 32767)
    path = _cache_path(track, spec, changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(temporary, scale=scale, **{name: np.round(x / scale).astype(np.int16) for name, x in clips.items()})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _changed(track: Track, spec: PairSpec, change: str, dose: float) -> np.ndarray:
    """The accompaniment with one thing wrong. (N,)"""
    if change == "delay":
        return excerpt(track, spec.positive, spec.start_s - dose / 1000)
    if change == "delay in beats":
        return excerpt(track, spec.positive, spec.start_s - dose * 60 / tempo_bpm(track))
    if has_score(track):
        what = {"transpose_semitones": dose} if change == "pitch" else {"tempo_factor": dose}
        return excerpt(track, spec.positive, spec.start_s, **what)
    import librosa

    if change == "pitch":
        x = excerpt(track, spec.positive, spec.start_s)
        return librosa.effects.pitch_shift(x, sr=SAMPLE_RATE, n_steps=dose).astype(np.float32)
    x = track.read(spec.positive, spec.start_s, WINDOW_S * dose)
    x = librosa.effects.time_stretch(x, rate=dose)
    return librosa.util.fix_length(x, size=round(WINDOW_S * SAMPLE_RATE)).astype(np.float32)


def excerpt(
    track: Track, names: Sequence[str], start_s: float, tempo_factor: float = 1.0, transpose_semitones: int = 0
):
    """A window of some stems, played from the score where there is one.

    Args:
        start_s: of the window, in the unchanged track; played at another tempo, it starts at the same note.
        tempo_factor, transpose_semitones: see `miniatures.replay`.

    Returns:
        (N,) float32 mono at 16 kHz, `WINDOW_S` long.
    """
    if not has_score(track):
        return track.read(tuple(names), start_s, WINDOW_S)
    origin_s = clock(track)[1]
    start_s = origin_s + (start_s - origin_s) / tempo_factor
    how = {"tempo_factor": tempo_factor, "transpose_semitones": transpose_semitones}
    files = [file for stem in track.stems if stem.name in names for file in stem.files]
    return audio.mix([_cut(_replayed(file, **how), track.sample_rate, start_s) for file in files])


def _cut(x: np.ndarray, rate: int, start_s: float) -> np.ndarray:
    """Five seconds from `start_s` on, mono, at 16 kHz; zeros after the end."""
    first, margin = round(start_s * rate), round(0.1 * rate)  # the margin keeps the resampler's edge outside
    before = min(first, margin)
    n = round(WINDOW_S * rate)
    part = x[first - before : first + n + margin]
    part = audio.resample(np.ascontiguousarray(part if part.ndim == 1 else part.mean(axis=1)), rate, SAMPLE_RATE)
    skip = round(before / rate * SAMPLE_RATE)
    wanted = part[skip : skip + round(WINDOW_S * SAMPLE_RATE)]
    return np.pad(wanted, (0, round(WINDOW_S * SAMPLE_RATE) - len(wanted)))


_LAST: dict = {}  # the latest unchanged recording: the truth and its 14 delays are cut from one


def _replayed(file: Path, **how) -> np.ndarray:
    if how["tempo_factor"] != 1.0 or how["transpose_semitones"]:
        return miniatures.replay(file, file.stem, **how)
    if file not in _LAST:
        if len(_LAST) > 8:
            _LAST.clear()
        _LAST[file] = miniatures.replay(file, file.stem)
    return _LAST[file]
