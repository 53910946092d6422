"""Families -> batches: a few windows of each excerpt, two sub-mixes of each window, the pitch classes they play."""

import itertools
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.features import hps_log_mel
from cocola_lib.workshop.families import LENGTH_S, RATE, ROLL_HZ, STEP_S, STEPS
from cocola_lib.workshop.families.sound import equalised, level, recorded

N_SAMPLES = int(WINDOW_S * RATE)
SETS = 5  # windows per family: as it is, transposed, at another tempo or place, late by part of a beat, late by less
TRANSPOSED = 1  # the second
JITTER_S = 0.02  # each sub-mix is early or late by up to this: players are not machines
BEATS = (0.25, 0.5, 0.75, 1.0, 1.5)  # how late the fourth window is
BEAT_SHARES = (0.2, 0.4, 0.2, 0.08, 0.12)
LATE_S = (0.07, 0.18)  # and the fifth: later than any player may be
SEMITONES = (-3, -2, -1, 0, 0, 0, 0, 1, 2, 3)  # a whole family is played faster and higher, or slower and lower
VALID_EVERY = 40  # families
NICE = 10  # of loader processes
KEPT = 50  # batches that a draw waits, about, before it is heard again


class Family:
    """One family on disk (see render); audio is mapped, not read."""

    def __init__(self, about):
        self.name = Path(about).stem
        stem = Path(about).with_suffix("")
        values = json.loads(Path(about).read_text(encoding="utf-8"))
        self.variants, self.tempo_bpm = values["variants"], values["tempo_bpm"]
        self.pitched = ~np.array(values["drums"])
        self.audio = np.load(f"{stem}.npy", mmap_mode="r")  # (variants, stems, samples) int16
        bits = np.load(f"{stem}.rolls.npy")
        self.rolls = np.unpackbits(bits, axis=-1, count=int(LENGTH_S * ROLL_HZ))  # (stems, 12, 650)

    @property
    def beat_s(self):
        """A beat of at most 0.8 s."""
        beat = 60 / self.tempo_bpm
        return beat / 2 ** max(0, int(np.ceil(np.log2(beat / 0.8))))

    def clip(self, variant, stems, start_s, gains, raised=0):
        """The sub-mix of some stems for 5 s, as from a tape that runs faster by `raised` semitones: (N,) float32."""
        n = N_SAMPLES if not raised else int(N_SAMPLES * speed(raised)) + 1
        start = int(np.clip(start_s * RATE, 0, self.audio.shape[2] - n))
        mix = (self.audio[variant, stems, start : start + n].astype(np.float32) * gains[:, None]).sum(axis=0) / 32768
        return np.interp(np.arange(N_SAMPLES) * speed(raised), np.arange(n), mix).astype(np.float32) if raised else mix

    def roll(self, variant, stems, start_s, raised=0):
        """Pitch classes that some stems play in a window: (12, 63) of 0 and 1."""
        semitones, factor = self.variants[variant]
        frames = (start_s + np.arange(STEPS) * STEP_S * speed(raised)) * factor * ROLL_HZ
        frames = np.clip(frames.astype(int), 0, self.rolls.shape[2] - 1)
        return np.roll(self.rolls[stems].max(axis=0)[:, frames], semitones + raised, axis=0)

    def sounding(self, start_s):
        """Stems that sound in both halves of a window of the first variant."""
        start = int(start_s * RATE)
        x = np.abs(self.audio[0, :, start : start + N_SAMPLES : 16].astype(np.float32))
        half = x.shape[1] // 2
        return np.flatnonzero((x.mean(1) > 60) & (x[:, :half].max(1) > 300) & (x[:, half:].max(1) > 300))


def speed(raised):
    """Of a tape that plays so many semitones higher."""
    return 2 ** (raised / 12)


@dataclass(frozen=True)
class Draw:
    """Windows of a family, each as two sub-mixes.

    Attributes:
        clips: 2 lists (sides) of waveforms (N,), one per window.
        rolls: (2, windows, 12, 63) pitch classes.
        pitched: does each side play notes?
    """

    clips: tuple[list[np.ndarray], list[np.ndarray]]
    rolls: np.ndarray
    pitched: tuple[bool, bool]


def draw(family, rng, sets=SETS):
    """Draw windows of a family with the same two sets of stems; None where too little sounds."""
    raised = int(rng.choice(SEMITONES))
    last = LENGTH_S - WINDOW_S * speed(raised)
    for _ in range(6):
        start = rng.uniform(0.05, last - 0.05)
        stems = rng.permutation(family.sounding(start))
        if len(stems) >= 2:
            break
    else:
        return None
    n = int(rng.integers(2, len(stems) + 1))
    cut = int(rng.integers(1, n))
    sides = stems[:cut], stems[cut:n]
    windows = _windows(family, start, last, rng)[:sets]
    clips, rolls = ([], []), np.zeros((2, sets, 12, STEPS), np.uint8)
    for side, stems in enumerate(sides):
        same_mix, gains = rng.random() < 0.5, _gains(len(stems), rng)
        for i, (variant, at) in enumerate(windows):
            mix = gains if same_mix else _gains(len(stems), rng)
            clips[side].append(family.clip(variant, stems, at + rng.uniform(-JITTER_S, JITTER_S), mix, raised))
            rolls[side, i] = family.roll(variant, stems, at, raised)
    if min(level(clip) for side in clips for clip in side) < 3e-4:
        return None
    pitched = tuple(bool(rolls[side, 0].any()) for side in (0, 1))
    return Draw(clips, rolls, pitched)


def _gains(n, rng):
    return np.float32(10 ** (rng.uniform(-4, 4, n) / 20))


def _windows(family, start, last, rng):
    """[(variant, start in s)] in the order of `SETS`."""
    delta = family.beat_s * rng.choice(BEATS, p=BEAT_SHARES)
    late = _moved(start, family.beat_s / 2 if delta < 0.1 else delta, last, rng)
    later = [(0, late), (0, _moved(start, rng.uniform(*LATE_S), last, rng))]
    places = [at for at in rng.uniform(0, last, 3) if abs(at - start) > 2.5 and abs(at - late) > 1.5]
    if len(family.variants) > 2 and rng.random() < 0.7:
        other = (2, min(start / family.variants[2][1], last - 0.1))
    else:
        other = (0, places[0]) if places else (TRANSPOSED, late)
    return [(0, start), (TRANSPOSED, start), other, *later]


def _moved(start, by, last, rng):
    """Later or earlier, as the excerpt allows."""
    later = (start + by < last and rng.random() < 0.5) or start < by
    return start + by if later else start - by


class Batches(IterableDataset):
    """Batches of families, each family with one mask.

    Args:
        folder: of families.
        n: families per batch that keep both channels, only the harmonic and only the percussive one. A batch has
            K = sets * sum(n) windows.
        sets: windows per family, the first so many of `SETS`.
        seed: of the draws; loader processes get their own.
        clean: share of clips left as rendered.
        valid: draw from the families that are kept for validation, every fortieth, instead of from the others.
        most: batches; None: endless.
        heard: how often a draw is heard, about.

    Sound costs more time than a step of training. So draws are heard again, dozens of batches later, among other
    families and through other equalisers.
    Yields:
        features (2 K, C, M, T) float16 dB: all first sides, then all second; rolls (2 K, 12, 63) uint8; pitched
        (families, 2) bool.
    """

    def __init__(self, folder, n=(6, 4, 2), sets=SETS, seed=0, clean=0.15, valid=False, most=None, heard=2):
        self.n, self.sets, self.seed, self.clean, self.most, self.heard = n, sets, seed, clean, most, heard
        files = enumerate(sorted(Path(folder).glob("*.json")), 1)
        self.files = [file for i, file in files if (i % VALID_EVERY == 0) == valid]
        if not self.files and not valid:
            raise FileNotFoundError(
                f"{folder}: no families; make some: python -m cocola_lib.workshop.families make {folder}"
            )

    def __iter__(self):
        worker = get_worker_info()
        if worker:  # the training goes first
            import numba

            os.nice(NICE)
            torch.set_num_threads(1)
            numba.set_num_threads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        families, kept = [Family(file) for file in self.files], [[] for _ in self.n]
        for _ in itertools.count() if self.most is None else range(self.most):
            batch = self._batch(families, kept, rng)
            features = equalised(torch.cat([heard.features[side] for side in (0, 1) for heard in batch]).float(), rng)
            rolls = torch.from_numpy(np.concatenate([heard.rolls[side] for side in (0, 1) for heard in batch]))
            yield features.half(), rolls, torch.tensor([heard.pitched for heard in batch])

    def _batch(self, families, kept, rng):
        """Families in the order of the masks: those heard before, if enough wait, and new ones."""
        batch = []
        for mask, (n, waiting) in enumerate(zip(self.n, kept, strict=True)):
            old = n - math.ceil(n / self.heard)
            ready = len(waiting) >= (KEPT + 1) * old
            again = [waiting.pop(rng.integers(len(waiting))) for _ in range(old if ready else 0)]
            new = [self._listen(self._one(families, mask, rng), rng) for _ in range(n - len(again))]
            waiting += (new * (self.heard - 1))[:old]
            batch += again + new
        return batch

    def _listen(self, drawn, rng):
        clips = [clip if rng.random() < self.clean else recorded(clip, rng) for side in drawn.clips for clip in side]
        features = hps_log_mel(torch.from_numpy(np.stack(clips))).half()
        return _Heard(features.unflatten(0, (2, self.sets)), drawn.rolls, drawn.pitched)

    def _one(self, families, mask, rng):
        """A draw; for the harmonic mask mostly one with notes on both sides."""
        while True:
            drawn = draw(families[rng.integers(len(families))], rng, self.sets)
            if drawn and (mask != 1 or all(drawn.pitched) or rng.random() < 0.2):
                return drawn


class _Heard(NamedTuple):
    features: torch.Tensor  # (2, sets, C, M, T) float16 dB
    rolls: np.ndarray  # (2, sets, 12, 63)
    pitched: tuple[bool, bool]
