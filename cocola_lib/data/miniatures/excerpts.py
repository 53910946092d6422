"""A few seconds of a miniature's file, played from the score: what `miniatures.replay` does, at a fraction of its cost.

Only the notes around the excerpt are played. Saturation, compression and level follow the excerpt instead of the
whole file, and two channels become one, so compare excerpts with excerpts. `cocola_lib.hearing.probes` does.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from cocola_lib.data.miniatures import find_job
from cocola_lib.data.miniatures.band import Song
from cocola_lib.data.miniatures.studio import record, sound
from cocola_lib.data.miniatures.synth import Note, Part, around, integrated_loudness, render

LEAD_S = 1.5  # s played before the excerpt, so that its first notes ring and rooms answer


class Clock(NamedTuple):
    """A track's time: quarters per minute, and where in the file the first beat lies, seconds."""

    tempo_bpm: float
    origin_s: float


@functools.lru_cache(maxsize=512)
def _read(module, job):
    """A band's song, or a chorale's parts."""
    return module.song(job) if hasattr(module, "song") else module.play(job)


def clock(path: Path) -> Clock:
    """The tempo of the track that a file belongs to (a chorale's before its rubato).

    Raises:
        ValueError: not a miniature's file
    """
    module, job = find_job(path)
    piece = _read(module, job)
    if hasattr(module, "song"):
        return Clock(piece.tempo_bpm, piece.lead_in_s)
    return Clock(float(piece[2]), 0.0)


def piece(path: Path) -> Song | None:
    """The composition that a file belongs to: a band's song with its style, key and bars; None for a chorale.

    Raises:
        ValueError: not a miniature's file
    """
    module, job = find_job(path)
    return _read(module, job) if hasattr(module, "song") else None


def excerpt(
    path: Path, start_s: float, length_s: float, rate: int, transpose_semitones: int = 0, tempo_factor: float = 1.0
) -> np.ndarray:
    """Play a part of a file again, exactly in time or with something changed in the score.

    Args:
        path: of the file
        start_s: of the excerpt, in the unchanged file; at another tempo it begins with the same note
        length_s: seconds
        rate: of the result, Hz
        transpose_semitones: whole ones; drums stay
        tempo_factor: 1.1 is a tenth faster

    Returns:
        (N,) float32 mono

    Raises:
        ValueError: not a miniature's file
    """
    module, job = find_job(path)
    piece, origin_s = _read(module, job), clock(path).origin_s
    at_s = origin_s + (start_s - origin_s) / tempo_factor
    span = (at_s - LEAD_S, at_s + length_s + 0.1)  # the resampler's edges stay outside
    if not hasattr(module, "song"):
        parts, _, _, lufs = piece
        number = int(path.stem.split("_")[0]) - 1
        part = around(_replayed(parts[number], transpose_semitones, tempo_factor), span)
        x = render(part, span[1] - span[0], module.RATE)
        gain_db = lufs[number] - integrated_loudness(x, module.RATE)
        takes = [x * np.float32(10 ** (gain_db / 20)) if x.any() else x]
    else:
        changes = {"transpose_semitones": transpose_semitones, "tempo_factor": tempo_factor}
        takes = [_take(piece, stem, module, span, how | changes) for stem, how in module.players(piece, job)[path.stem]]
    x = soxr.resample(np.sum(takes, axis=0, dtype=np.float32), module.RATE, rate, quality="HQ")
    first = round(LEAD_S * rate)
    return x[first : first + round(length_s * rate)].astype(np.float32)


def _take(song, stem, module, span, how):
    """One player of a band, for a while: as `studio.play`."""
    x = sound(song, stem, span, module.RATE, **how)
    return record(x, song, stem, module.RATE, module.DESK, **how)


def _replayed(part: Part, transpose_semitones: int, tempo_factor: float) -> Part:
    notes = (
        Note(n.start_s / tempo_factor, n.end_s / tempo_factor, n.pitch + transpose_semitones, n.velocity)
        for n in part.notes
    )
    return replace(part, notes=tuple(notes))
