"""COLA's pairs: two full-mix windows of the same track (Saeed et al. 2021, the baseline that COCOLA extends).

A model trained on them learns what a recording sounds like, not whether two parts fit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.sampling import TRIES, PairSpec, WindowSampler


@dataclass(frozen=True)
class MixturePair(PairSpec):
    """Two windows of one track, both with all stems."""

    positive_start_s: float = 0.0  # s, on the same grid


class MixtureSampler(WindowSampler):
    """Draws two windows of a track that overlap by at most r; each track at most once in a batch.

    Another window of the same track would be a false negative: in COLA it is a positive. So K cannot exceed the
    number of tracks.
    """

    def draw(self, k: int, seed: int, step: int) -> Iterator[MixturePair]:
        """The pairs of one step, see `WindowSampler.draw`."""
        rng = np.random.default_rng([seed, step])
        min_distance = math.ceil((1 - self.max_overlap) * self.window_s / BLOCK_S - 1e-6)  # blocks
        for i in rng.permutation(len(self.tracks)):
            track = self.tracks[i]
            starts, _ = self.windows(track)
            for _ in range(TRIES if len(starts) else 0):
                anchor, positive = rng.choice(starts, 2)
                if abs(int(anchor) - int(positive)) >= min_distance:
                    at = (round(int(start) * BLOCK_S, 1) for start in (anchor, positive))
                    yield MixturePair(track.id, next(at), track.stem_names, track.stem_names, next(at))
                    break

    def audio(self, spec: MixturePair) -> tuple[np.ndarray, np.ndarray]:
        """Read both windows: two (N,) float32 mixes at 16 kHz."""
        track = self.by_id[spec.track_id]
        return tuple(track.read(spec.anchor, s, self.window_s) for s in (spec.start_s, spec.positive_start_s))

    def _too_few(self, found: int, k: int) -> ValueError:
        return ValueError(
            f"{len(self.tracks)} tracks, of which {found} hold two windows of {self.window_s} s that overlap at most "
            f"{self.max_overlap}; K = {k} full-mix pairs need as many tracks: lower K, raise the overlap, or add tracks"
        )
