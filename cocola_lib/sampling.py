"""Sampling: windows from tracks, and two disjoint sub-mixes from each window (Sec. III-A, Eq. 1, Fig. 2).

A batch holds K windows, drawn from the tracks with repetition; windows of the same track overlap by at most r.
The two sub-mixes of one window are a positive pair; sub-mixes of different windows are negatives. What is drawn
is a `PairSpec`, a pure function of (seed, step): a run can be resumed, and ranks can share out one batch.
Notebook 01 shows the pairs, the effect of r, and how often stems sound together.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from cocola_lib.data.activity import BLOCK_S, block_energy, sounding
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stems import Track

NOISE_SIGMA = 1e-3  # standard deviation of the Gaussian noise added to both members of a pair, full scale = 1
MAX_OVERLAP = 0.5  # r: largest overlap of two windows of the same track, share of the window
TRIES = 200  # draws per window before a batch is called impossible


@dataclass(frozen=True)
class PairSpec:
    """One positive pair: a window of a track and two disjoint, non-empty subsets of its stems."""

    track_id: str
    start_s: float  # s, on a grid of 0.1 s
    anchor: tuple[str, ...]
    positive: tuple[str, ...]


class WindowSampler:
    """Draws pair specifications from tracks.

    Args:
        tracks: where windows come from; each track is equally likely.
        window_s: L, s.
        max_overlap: r, in [0, 1): windows of one track within a batch overlap by at most this share of L.
        single: True takes one stem for each member ("single" case of Fig. 2), False takes sub-mixes.

    Raises:
        ValueError: no tracks, or a parameter out of range.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        window_s: float = WINDOW_S,
        max_overlap: float = MAX_OVERLAP,
        single: bool = False,
    ):
        if not tracks:
            raise ValueError("tracks is empty; there is nothing to sample from")
        if not 0 <= max_overlap < 1:
            raise ValueError(f"max_overlap is {max_overlap}; it must be at least 0 and below 1")
        if window_s < 2 * BLOCK_S:
            raise ValueError(f"window_s is {window_s} s; it must be at least {2 * BLOCK_S} s")
        self.tracks = list(tracks)
        self.by_id = {track.id: track for track in self.tracks}
        self.window_s, self.max_overlap, self.single = window_s, max_overlap, single
        self._active: dict[str, tuple[np.ndarray, int]] = {}  # bits: 100 hours of 8 stems are 4 MB

    def windows(self, track: Track) -> tuple[np.ndarray, np.ndarray]:
        """The usable windows of a track: (starts,) block numbers, and (stems, starts) which stems sound."""
        if track.id not in self._active:
            active = sounding(block_energy(track), self.window_s)
            self._active[track.id] = np.packbits(active, axis=1), active.shape[1]
        bits, n_starts = self._active[track.id]
        active = np.unpackbits(bits, axis=1, count=n_starts).view(bool)
        starts = np.flatnonzero(active.sum(axis=0) >= 2)  # a pair needs two sounding stems
        return starts, active[:, starts]

    def draw(self, k: int, seed: int, step: int) -> Iterator[PairSpec]:
        """Draw the windows of one step and split the stems of each: K, and as many more as fit (Fig. 2)."""
        rng = np.random.default_rng([seed, step])
        min_distance = math.ceil((1 - self.max_overlap) * self.window_s / BLOCK_S - 1e-6)  # blocks
        taken: dict[str, list[int]] = {}
        k = min(k, sum(math.ceil(track.duration_s / BLOCK_S / min_distance) for track in self.tracks))  # no more fit
        for _ in range(k * TRIES):
            track = self.tracks[rng.integers(len(self.tracks))]
            starts, active = self.windows(track)
            if len(starts) == 0:
                continue
            column = int(rng.integers(len(starts)))
            start = int(starts[column])
            if any(abs(start - other) < min_distance for other in taken.get(track.id, [])):
                continue
            taken.setdefault(track.id, []).append(start)
            names = np.array(track.stem_names)[active[:, column]]
            anchor, positive = split_stems(names, rng, self.single)
            yield PairSpec(track.id, round(start * BLOCK_S, 1), anchor, positive)

    def batch(self, k: int, seed: int, step: int, at_most: bool = False) -> list[PairSpec]:
        """The K specifications of one step, a function of (seed, step); ranks take `specs[rank::world_size]`.

        Args:
            at_most: True gives fewer than K windows when no more fit; False raises a ValueError.
        """
        specs = list(islice(self.draw(k, seed, step), k))
        if len(specs) == k or (at_most and specs):
            return specs
        raise self._too_few(len(specs), k)

    def audio(self, spec: PairSpec) -> tuple[np.ndarray, np.ndarray]:
        """Read both members of a pair: two (N,) float32 sub-mixes at 16 kHz, plain sums of their stems (Eq. 1)."""
        track, at = self.by_id[spec.track_id], (spec.start_s, self.window_s)
        return track.read(spec.anchor, *at), track.read(spec.positive, *at)

    def pairs(self, k: int, seed: int, step: int, rank: int = 0, world_size: int = 1) -> np.ndarray:
        """Read the windows of one rank: (K / world_size, 2, N) float32, anchors and positives."""
        return np.stack([np.stack(self.audio(spec)) for spec in self.batch(k, seed, step)[rank::world_size]])

    def _too_few(self, found: int, k: int) -> ValueError:
        longest = max(track.duration_s for track in self.tracks)
        advice = "lower K, raise the overlap, or add tracks" if longest >= self.window_s else "add longer tracks"
        return ValueError(
            f"{len(self.tracks)} tracks (the longest {longest:.1f} s) hold {found} of the {k} windows asked for, of "
            f"{self.window_s} s with two sounding stems, overlap at most {self.max_overlap}; {advice}"
        )


def split_stems(
    names: Sequence[str], rng: np.random.Generator, single: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw two disjoint, non-empty subsets of the sounding stems.

    First how many stems take part, uniformly from 2 to all of them; then how many of those go to the anchor,
    uniformly from 1 to all but one; then which, by a random order. In the single case: one stem each.
    """
    n_used = 2 if single else int(rng.integers(2, len(names) + 1))
    n_anchor = int(rng.integers(1, n_used))
    order = [str(names[i]) for i in rng.permutation(len(names))[:n_used]]
    return tuple(sorted(order[:n_anchor])), tuple(sorted(order[n_anchor:]))


class PairDataset(Dataset):
    """The batches of a run as audio: item `step` is the batch of that step.

    Args:
        sampler: draws the specifications.
        k: K, windows per step over all ranks.
        n_steps: length of the run.
        seed: of the run.
        noise_sigma: Gaussian noise on both members, full scale = 1; 0 for validation and scoring.
        rank, world_size: this process takes every `world_size`-th window, from `rank` on.

    Items:
        (K / world_size, N) anchors and positives, float32.
    """

    def __init__(
        self,
        sampler: WindowSampler,
        k: int,
        n_steps: int,
        seed: int,
        noise_sigma: float = NOISE_SIGMA,
        rank: int = 0,
        world_size: int = 1,
    ):
        if k < 2:
            raise ValueError(f"K is {k}; a contrastive batch needs two windows or more")
        self.sampler, self.k, self.n_steps, self.seed = sampler, k, n_steps, seed
        self.noise_sigma, self.rank, self.world_size = noise_sigma, rank, world_size

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= step < self.n_steps:
            raise IndexError(step)
        pairs = torch.from_numpy(self.sampler.pairs(self.k, self.seed, step, self.rank, self.world_size))  # (K, 2, N)
        if self.noise_sigma:
            for i, pair in enumerate(pairs):  # a window has its noise, whichever rank reads it
                window = self.rank + i * self.world_size
                # numpy's seed sequence keeps (seed, step, window) apart; 1 sets the noise apart from the draw
                entropy = np.random.SeedSequence([self.seed, step, window, 1]).generate_state(1, np.uint64)[0]
                noise = torch.Generator().manual_seed(int(entropy >> 1))
                pair += self.noise_sigma * torch.randn(pair.shape, generator=noise)
        return pairs[:, 0].contiguous(), pairs[:, 1].contiguous()  # (K, N) each


def specs_to_frame(specs: Sequence[PairSpec]) -> pd.DataFrame:
    """A frozen list of specifications as a table, for a CSV beside the results; stems joined by `+`."""
    rows = [asdict(spec) for spec in specs]
    return pd.DataFrame(
        [{**row, "anchor": "+".join(row["anchor"]), "positive": "+".join(row["positive"])} for row in rows]
    )
