"""Doubts about a plain folder: stems that do not sound together, files that decode to silence, loops of two lengths.

A data set says what its files are; a folder of sound files may be anything, such as an album. So each track of a plain
folder is listened to once, when it is opened for the first time (`tracks.load_tracks` keeps the answer).

Stems of one piece share a pulse: slide the onsets of one along those of the other, and their correlation rises and
falls from lag to lag. Stems that have nothing to do with each other meet by chance at every lag, and the correlation
hardly moves. Music without a pulse is known by its onsets falling together at lag 0. A folder that shows neither is
doubtful. It takes 25 s of music to tell, and two stems of the same tempo pass, whoever plays them.
"""

import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter1d

from cocola_lib.data import audio
from cocola_lib.data.stems import Stem, Track, tiled

KEEP = "keep_unrelated=True, or cocola data prepare --keep-unrelated, keeps them"
SILENT = "export them again if they should sound"
TILE = "tile_loops=True, or cocola data prepare --tile-loops, repeats them"
NAMED = 5  # tracks that a warning names; of the others it says how many
LISTEN_S = 75.0  # s in the middle of a track that are listened to
LEAST_S = 25.0  # s in which two stems have onsets; less is too little to judge by
PAIR_S = 4.0  # s that a pair has to play together to be counted
STEP, WINDOW = 320, 1024  # samples: onsets in steps of 20 ms, spectra of 64 ms
BANDS = 8  # of a spectrum, each as wide as its pitch is high
QUIET = 0.05  # added to a band's power: what is quieter has no onsets
ONSET = 1e-3  # mean growth of the log power in a step, from which on a stem is said to play
SMOOTH, AROUND, GATE = 3, 50, 25  # steps: 60 ms, 1 s and 0.5 s
LAGS, NEAR = 250, 15  # steps: 5 s, and 0.3 s around lag 0, which lags are compared with
ITSELF = 6  # steps: 120 ms, how far a note reaches
PULSE = 1.3  # spread of the correlation over lags, where chance has 1: unrelated stems 0.8 to 1.3, pieces 1.4 to 5
TOGETHER = 2.0  # standard deviations by which lag 0 stands out
LOOP_S = 0.02  # s by which the length of a loop may miss a whole fraction of its track's


@dataclass(frozen=True)
class Doubts:
    """What is odd about a track of a plain folder.

    Attributes:
        unrelated: whether its stems do not sound together.
        silent: stems that decode to silence.
        loops: stem -> how often it fits into the track, for stems that end after a half, a third, ... of it.
    """

    unrelated: bool = False
    silent: list[str] = field(default_factory=list)
    loops: dict[str, int] = field(default_factory=dict)


def listen(tracks: list[Track]) -> dict[str, Doubts]:
    """The doubts about tracks, by id. A track that cannot be read raises none: whoever reads it will say why."""

    def try_to(track: Track) -> Doubts:
        try:
            return examine(track)
        except (ValueError, OSError):
            return Doubts()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        heard = zip(tracks, pool.map(try_to, tracks), strict=True)
        return {track.id: found for track, found in heard if found != Doubts()}


def settle(tracks: list[Track], found: dict[str, Doubts], keep: bool, tile: bool) -> list[Track]:
    """The tracks that are used, in the form in which they are; warnings name what is left out, or sounds odd."""
    unrelated = [id for id, doubt in found.items() if doubt.unrelated]
    silent = [f"{id} ({', '.join(doubt.silent)})" for id, doubt in found.items() if doubt.silent]
    loops = [f"{id} ({', '.join(doubt.loops)})" for id, doubt in found.items() if doubt.loops]
    _warn_of("left out, their stems do not sound together", [] if keep else unrelated, KEEP)
    _warn_of("with stems that decode to silence", silent, SILENT)
    _warn_of("with loops that fall silent after their first round", [] if tile else loops, TILE)
    kept = [track for track in tracks if keep or track.id not in unrelated]
    return [tiled(track, found[track.id].loops) if tile and track.id in found else track for track in kept]


def _warn_of(what: str, tracks: list[str], advice: str) -> None:
    if tracks:
        more = [f"{len(tracks) - NAMED} more"] * (len(tracks) > NAMED)
        warnings.warn(f"{len(tracks)} tracks {what}: {'; '.join(tracks[:NAMED] + more)}; {advice}", stacklevel=4)


def examine(track: Track) -> Doubts:
    """Listen to a track once.

    Raises:
        ValueError, OSError: a file that cannot be read, by name.
    """
    start_s = max(0.0, (track.duration_s - LISTEN_S) / 2)
    clips = {stem.name: stem.read(start_s=start_s, duration_s=LISTEN_S) for stem in track.stems}
    silent = [stem.name for stem in track.stems if not _sounds(clips[stem.name]) and not _sounds_somewhere(stem)]
    return Doubts(are_unrelated(list(clips.values())), silent, loops_of(track))


def are_unrelated(clips: list[np.ndarray]) -> bool:
    """Whether onsets of clips agree no better than by chance. False where too little is heard to tell.

    Args:
        clips: (N,) float32 at 16 kHz, which start together.
    """
    curves = [_whitened(onset_curve(clip)) for clip in clips]
    if (sum(plays for _, plays in curves) >= 2).sum() * STEP < LEAST_S * audio.SAMPLE_RATE:
        return False
    found = [_agreement(a, b) for a, b in itertools.combinations(curves, 2)]
    at_0, spread = np.array([pair for pair in found if pair] or [(np.inf, np.inf)]).T
    return bool(at_0.mean() * len(at_0) ** 0.5 < TOGETHER and spread.mean() < PULSE)


def onset_curve(clip: np.ndarray) -> np.ndarray:
    """How much the sound grows from step to step, the mean over bands of the log power: (N // 320,), N in samples."""
    padded = np.pad(clip, (WINDOW // 2, WINDOW // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2  # (T, 513)
    edges = np.unique(np.geomspace(2, WINDOW // 2, BANDS + 1).astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + QUIET)
    return np.maximum(np.diff(bands, axis=0), 0).mean(axis=1)


def loops_of(track: Track) -> dict[str, int]:
    """Stem -> how often it fits into its track, for stems that are a whole fraction of it long."""
    times = {stem.name: track.duration_s / stem.info().duration_s for stem in track.stems}
    whole = {name: round(n) for name, n in times.items()}
    fits = {name: abs(track.duration_s * (1 - whole[name] / times[name])) <= LOOP_S * whole[name] for name in times}
    return {name: n for name, n in whole.items() if n > 1 and fits[name]}


def _whitened(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An onset curve against what is usual around it, zero where the stem is silent; and where it plays. (T,) each."""
    plays = uniform_filter1d((curve > ONSET).astype(float), GATE) > 0.5 / GATE
    smooth = uniform_filter1d(np.sqrt(curve), SMOOTH)
    odd = smooth - uniform_filter1d(smooth, AROUND, mode="nearest")
    usual = np.sqrt(np.maximum(uniform_filter1d(odd**2, AROUND, mode="nearest"), 0))
    return np.where(plays, odd / (usual + 0.02), 0.0), plays.astype(float)


def _agreement(a: tuple, b: tuple) -> tuple[float, float] | None:
    """How far the correlation at lag 0 stands out of the others, and how far those spread; None for too short a pair.

    Both are in standard deviations: of the other lags, and of those by chance, which follow from the notes' own lengths
    (Bartlett's formula: the sum of the products of both autocorrelations, here at short lags only).

    Args:
        a, b: from `_whitened`.
    """
    lags = np.arange(-LAGS, LAGS + 1)
    products, n = (_sliding(x, y)[lags] for x, y in zip(a, b, strict=True))
    if n[LAGS] * STEP < PAIR_S * audio.SAMPLE_RATE:
        return None
    correlation = products / np.sqrt(np.maximum(n, 1))
    others = correlation[(np.abs(lags) >= NEAR) & (n > n[LAGS] / 2)]
    if len(others) < LAGS // 5 or (spread := float(others.std())) == 0:
        return None
    own = (_sliding(x, x)[np.arange(-ITSELF, ITSELF + 1)] / plays.sum() for x, plays in (a, b))
    return float(correlation[LAGS] - others.mean()) / spread, spread / float(np.prod(list(own), axis=0).sum()) ** 0.5


def _sliding(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products at every lag; negative lags count from the end. (T,), (T,) -> (2T,)."""
    n = 2 * max(len(a), LAGS + 1)
    return np.fft.irfft(np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n)), n)


def _sounds(clip: np.ndarray) -> bool:
    return bool(np.abs(clip).max(initial=0.0) > 10 ** (audio.SILENCE_DBFS / 20))


def _sounds_somewhere(stem: Stem) -> bool:
    """Whether any sample is above the silence threshold; a minute at a time, so that memory stays flat."""
    return any(_sounds(stem.read(start_s=s, duration_s=60)) for s in range(0, int(stem.info().duration_s) + 1, 60))
