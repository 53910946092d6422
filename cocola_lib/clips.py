"""Clips: files or arrays of any length, seen as a row of 5 s windows that are read when they are needed."""

import math
import os
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from cocola_lib.data import audio
from cocola_lib.data.levels import is_silent
from cocola_lib.data.sound_files import CANCELLED, cancels
from cocola_lib.fast.batches import Job

WINDOW = round(audio.WINDOW_S * audio.SAMPLE_RATE)  # samples
TOLERANCE = 160  # samples: a "5 s" file may be 10 ms short after resampling or MP3 coding
Sound = str | os.PathLike | ArrayLike | Tensor  # a path, or samples as `audio.to_mono` takes them
HOP_S = 2.5  # s from one window to the next
BLOCK_S = 60.0  # s read from disk at once


class Clip:
    """One side of a pair: a path or an array, as windows of 5 s at 16 kHz.

    Args:
        source: path of an audio file, or samples as `audio.to_mono` takes them.
        rate: Hz of an array; None means 16,000. Files know their own.
        hop_s: seconds from one window to the next.
        name: what messages call an array.
    Raises FileNotFoundError or ValueError as `audio.read` does; a clip shorter than a window is zero padded, with a
    warning.
    """

    def __init__(self, source: Sound, rate: int | None = None, hop_s: float = HOP_S, name: str = "clip"):
        if isinstance(source, (str, os.PathLike)):
            self.source: str | os.PathLike | np.ndarray = source
            self.name, header = str(source), audio.info(source)
            self.n_samples = round(header.n_samples * audio.SAMPLE_RATE / header.sample_rate)
        else:
            rate = audio.SAMPLE_RATE if rate is None else rate
            samples = audio.resample(audio.to_mono(source, rate, name), rate, audio.SAMPLE_RATE)
            self.source, self.name, self.n_samples = samples, name, len(samples)
        self.hop = _hop(hop_s)
        self.padded = self.n_samples + TOLERANCE < WINDOW
        if self.padded:
            found = f"{self.name}: {self.n_samples / audio.SAMPLE_RATE:.2f} s"
            warnings.warn(f"{found}, shorter than a window of {audio.WINDOW_S:g} s; zero padded", stacklevel=3)
        self.n_windows = 1 + max(0, self.n_samples + TOLERANCE - WINDOW) // self.hop

    def windows(self, n_windows: int | None = None) -> Iterator[np.ndarray]:
        """Yield the first `n_windows` windows (all: None) as (WINDOW,) float32, read a minute at a time."""
        n_windows = self.n_windows if n_windows is None else min(n_windows, self.n_windows)
        per_block = max(1, int(BLOCK_S * audio.SAMPLE_RATE - WINDOW) // self.hop)
        for first in range(0, n_windows, per_block):
            count = min(per_block, n_windows - first)
            block = self._read(first * self.hop, (count - 1) * self.hop + WINDOW)
            for t in range(count):
                yield block[t * self.hop : t * self.hop + WINDOW]

    def _read(self, start: int, n: int) -> np.ndarray:
        """Samples [start, start + n) at 16 kHz, zeros past the end."""
        if isinstance(self.source, np.ndarray):
            part = self.source[start : start + n]
            return np.pad(part, (0, n - len(part)))
        return audio.read(self.source, audio.SAMPLE_RATE, start / audio.SAMPLE_RATE, n / audio.SAMPLE_RATE)


class ClipJob(Job):
    """Every sounding window of one clip, keyed by its number."""

    def __init__(self, source: Sound, rate: int | None, hop_s: float):
        super().__init__()
        try:
            clip = Clip(source, rate, hop_s)
        except (ValueError, FileNotFoundError) as error:
            self.error = error
            return
        self.n_windows = clip.n_windows
        self.windows = (
            (t, window) for t, window in enumerate(clip.windows()) if not is_silent(window, audio.SAMPLE_RATE)
        )

    def table(self, n_modes: int, dim: int) -> np.ndarray:
        """What was embedded, as (n_modes, n_windows, D) float32; NaN where a window is silent."""
        h = np.full((n_modes, self.n_windows, dim), np.nan, dtype=np.float32)
        for t, embedding in self.embeddings.items():
            h[:, t] = embedding
        return h


class PairJob(Job):
    """The windows of a pair in which both sides sound, keyed by (number, side)."""

    def __init__(self, pair: tuple[Sound, Sound], rate: int | None, hop_s: float):
        super().__init__()
        try:
            names = ("conditioning", "accompaniment")
            clips = [Clip(x, rate, hop_s, name) for x, name in zip(pair, names, strict=True)]
        except (ValueError, FileNotFoundError) as error:
            self.error = error
            return
        self.hop, self.clips = clips[0].hop, clips
        self.n_windows = max(clip.n_windows for clip in clips)
        self.padded = any(clip.padded for clip in clips)
        self.sounding = [0, 0]  # windows of each side
        self.windows = self._read(clips)

    def _read(self, clips: list[Clip]) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        common = min(clip.n_windows for clip in clips)
        for t, windows in enumerate(zip(*(clip.windows(common) for clip in clips), strict=True)):
            sounds = [not is_silent(window, audio.SAMPLE_RATE) for window in windows]
            self.sounding = [n + s for n, s in zip(self.sounding, sounds, strict=True)]
            if all(sounds):
                yield from (((t, side), window) for side, window in enumerate(windows))

    def why_silent(self) -> str:
        """One line for a pair without a single window in which both sides sound."""
        silent = [clip for clip, n in zip(self.clips, self.sounding, strict=True) if n == 0]
        if opposite := [c.name for c in silent if not isinstance(c.source, np.ndarray) and cancels(c.source)]:
            return f"{opposite[0]}: {CANCELLED}"
        if found := " and ".join(clip.name for clip in silent):
            return f"{found}: silent (below {audio.SILENCE_DBFS:g} dBFS RMS) in every window"
        return f"{self.clips[0].name} and {self.clips[1].name} never sound in the same window"


def _hop(hop_s: float) -> int:
    """Seconds to samples, checked."""
    if not (isinstance(hop_s, (int, float)) and math.isfinite(hop_s) and hop_s * audio.SAMPLE_RATE >= 1):
        raise ValueError(f"hop_s: {hop_s!r} s; expected a positive number of seconds such as 2.5")
    return round(hop_s * audio.SAMPLE_RATE)
