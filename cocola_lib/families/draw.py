"""Families -> batches: four windows of each excerpt, two sub-mixes of each window, and the pitch classes they play."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from cocola_lib.families import LENGTH_S, RATE, ROLL_HZ, STEP_S, STEPS, WINDOW_S
from cocola_lib.families.sound import equalised, level, recorded
from cocola_lib.features import hps_log_mel

N_SAMPLES = int(WINDOW_S * RATE)
SETS = 4  # windows per family: as it is, transposed, late, and elsewhere
TRANSPOSED = 1  # the second of them
JITTER_S = 0.025  # each sub-mix is early or late by up to this: players are not machines
BEATS = (0.25, 0.5, 0.75, 1.0, 1.5)  # how late the third window is
BEAT_SHARES = (0.2, 0.4, 0.2, 0.08, 0.12)


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

    def clip(self, variant, stems, start_s, gains):
        """The sub-mix of some stems for 5 s: (N,) float32."""
        start = int(np.clip(start_s * RATE, 0, self.audio.shape[2] - N_SAMPLES))
        stems = self.audio[variant, stems, start : start + N_SAMPLES].astype(np.float32)
        return (stems * gains[:, None]).sum(axis=0) / 32768

    def roll(self, variant, stems, start_s):
        """Pitch classes that some stems play in a window: (12, 63) of 0 and 1."""
        semitones, factor = self.variants[variant]
        frames = (start_s + np.arange(STEPS) * STEP_S) * factor * ROLL_HZ
        frames = np.clip(frames.astype(int), 0, self.rolls.shape[2] - 1)
        return np.roll(self.rolls[stems].max(axis=0)[:, frames], semitones, axis=0)

    def sounding(self, start_s):
        """Stems that sound in both halves of a window of the first variant."""
        start = int(start_s * RATE)
        x = np.abs(self.audio[0, :, start : start + N_SAMPLES : 16].astype(np.float32))
        half = x.shape[1] // 2
        return np.flatnonzero((x.mean(1) > 60) & (x[:, :half].max(1) > 300) & (x[:, half:].max(1) > 300))


@dataclass(frozen=True)
class Draw:
    """Four windows of a family, each as two sub-mixes.

    Attributes:
        clips: 2 lists (sides) of 4 waveforms (N,).
        rolls: (2, 4, 12, 63) pitch classes.
        pitched: does each side play notes?
    """

    clips: tuple[list[np.ndarray], list[np.ndarray]]
    rolls: np.ndarray
    pitched: tuple[bool, bool]


def draw(family, rng):
    """Draw four windows of a family with the same two sets of stems; None where too little sounds."""
    for _ in range(6):
        start = rng.uniform(0.05, LENGTH_S - WINDOW_S - 0.05)
        stems = rng.permutation(family.sounding(start))
        if len(stems) >= 2:
            break
    else:
        return None
    n = int(rng.integers(2, len(stems) + 1))
    cut = int(rng.integers(1, n))
    sides = stems[:cut], stems[cut:n]
    windows = _windows(family, start, rng)
    clips, rolls = ([], []), np.zeros((2, SETS, 12, STEPS), np.uint8)
    for side, stems in enumerate(sides):
        same_mix, gains = rng.random() < 0.5, _gains(len(stems), rng)
        for i, (variant, at) in enumerate(windows):
            mix = gains if same_mix else _gains(len(stems), rng)
            clips[side].append(family.clip(variant, stems, at + rng.uniform(-JITTER_S, JITTER_S), mix))
            rolls[side, i] = family.roll(variant, stems, at)
    if min(level(clip) for side in clips for clip in side) < 3e-4:
        return None
    pitched = tuple(bool(rolls[side, 0].any()) for side in (0, 1))
    return Draw(clips, rolls, pitched)


def _gains(n, rng):
    return np.float32(10 ** (rng.uniform(-4, 4, n) / 20))


def _windows(family, start, rng):
    """[(variant, start in s)]: as it is; transposed; late by part of a beat; and another tempo or place."""
    delta = family.beat_s * rng.choice(BEATS, p=BEAT_SHARES)
    delta = family.beat_s / 2 if delta < 0.1 else delta
    last = LENGTH_S - WINDOW_S
    later = (start + delta < last and rng.random() < 0.5) or start < delta
    late = start + delta if later else start - delta
    windows = [(0, start), (TRANSPOSED, start), (0, late)]
    places = [at for at in rng.uniform(0, last, 3) if abs(at - start) > 2.5 and abs(at - late) > 1.5]
    if len(family.variants) > 2 and rng.random() < 0.7:
        windows.append((2, min(start / family.variants[2][1], last - 0.1)))
    else:
        windows.append((0, places[0]) if places else (TRANSPOSED, late))
    return windows


class Batches(IterableDataset):
    """Endless batches of families, each family with one mask.

    Args:
        folder: of families.
        n: families per batch that keep both channels, only the harmonic and only the percussive one. A batch has
            K = 4 * sum(n) windows.
        seed: of the draws; loader processes get their own.
        clean: share of clips left as rendered.
    Yields:
        features (2 K, C, M, T) float16 dB: all first sides, then all second; rolls (2 K, 12, 63) uint8; pitched
        (families, 2) bool.
    """

    def __init__(self, folder, n=(7, 5, 3), seed=0, clean=0.15):
        self.files, self.n, self.seed, self.clean = sorted(Path(folder).glob("*.json")), n, seed, clean
        if not self.files:
            raise FileNotFoundError(f"{folder}: no families; make some: python -m cocola_lib.families make {folder}")

    def __iter__(self):
        worker = get_worker_info()
        if worker:  # the other core is the training's
            import numba

            torch.set_num_threads(1)
            numba.set_num_threads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        families = [Family(file) for file in self.files]
        while True:
            draws = [self._one(families, mask, rng) for mask, n in enumerate(self.n) for _ in range(n)]
            clips = [clip for side in (0, 1) for d in draws for clip in d.clips[side]]
            clips = [clip if rng.random() < self.clean else recorded(clip, rng) for clip in clips]
            features = equalised(hps_log_mel(torch.from_numpy(np.stack(clips))), rng)
            rolls = torch.from_numpy(np.concatenate([d.rolls[side] for side in (0, 1) for d in draws]))
            yield features.half(), rolls, torch.tensor([d.pitched for d in draws])

    def _one(self, families, mask, rng):
        """A draw; for the harmonic mask mostly one with notes on both sides."""
        while True:
            drawn = draw(families[rng.integers(len(families))], rng)
            if drawn and (mask != 1 or all(drawn.pitched) or rng.random() < 0.2):
                return drawn
