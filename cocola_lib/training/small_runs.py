"""Small runs: a small backbone, and the features of a few batches computed once, so that a run takes seconds."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from cocola_lib.data.stems import Track
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.features import FrontEnd
from cocola_lib.masking import Masking, contrastive_step, draw_modes, other_masks
from cocola_lib.models.cqt import ConstantQ
from cocola_lib.sampling import NOISE_SIGMA, PairSpec, WindowSampler

BACKBONE = "mobilenetv3_small_050"
LEARNING_RATE = 2e-3  # of Adam
FRONT_END_BATCH = 64  # clips
CONSTANT_Q = "constant-q"  # features of PHALAR, beside `features.KINDS`


class Pool:
    """A few batches of a sampler as features, computed once.

    Args:
        tracks: where windows come from.
        k: windows per batch; fewer where the tracks hold fewer.
        n_batches: how many.
        max_overlap: r within a batch.
        seed: of the draw.
        noise_sigma: of the waveforms; 0 for validation.
        kind: of features, see `features.FrontEnd`; or "constant-q", see `models.cqt`.
        describe: (N,) waveform -> (n,) numbers, kept of every clip as `described` (pairs, 2, n); None: nothing is.
    """

    def __init__(
        self,
        tracks: list[Track],
        k: int,
        n_batches: int,
        max_overlap: float = 0.5,
        seed: int = 0,
        noise_sigma: float = NOISE_SIGMA,
        kind: str = "hps",
        describe: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        sampler = WindowSampler(tracks, max_overlap=max_overlap)
        drawn = [spec for step in range(n_batches) for spec in sampler.batch(k, seed, step, at_most=True)]
        specs = [spec for spec in drawn if self.takes(spec)]
        self.groups = [spec.track_id for spec in specs]
        dataset_of = {track.id: track.dataset for track in tracks}
        self.datasets = np.array([dataset_of[track_id] for track_id in self.groups])
        front_end = ConstantQ() if kind == CONSTANT_Q else FrontEnd(kind)
        rng = np.random.default_rng([seed, 1])
        parts, described = [], []
        for i in range(0, len(specs), FRONT_END_BATCH // 2):
            clips = np.stack([np.stack(self.clips(sampler, spec)) for spec in specs[i : i + FRONT_END_BATCH // 2]])
            described += [[describe(clip) for clip in pair] for pair in clips] if describe else []
            clips = clips + noise_sigma * rng.standard_normal(clips.shape, dtype=np.float32)
            parts.append(front_end(torch.from_numpy(clips).flatten(0, 1)).unflatten(0, clips.shape[:2]))
        self.features = torch.cat(parts)  # (pairs, 2, C, M, T)
        self.described = torch.tensor(np.array(described), dtype=torch.float32)

    def takes(self, spec: PairSpec) -> bool:
        """Whether a window is wanted: all are."""
        return True

    def clips(self, sampler: WindowSampler, spec: PairSpec) -> tuple[np.ndarray, ...]:
        """The waveforms of a window: two sub-mixes."""
        return sampler.audio(spec)

    def batches(self, k: int) -> Iterator[torch.Tensor]:
        """Batches of K pairs, anchors first, round and round: (2K, C, M, T)."""
        k = min(k, len(self.features))
        while True:
            for i in range(0, len(self.features) - k + 1, k):
                yield self.features[i : i + k].transpose(0, 1).flatten(0, 1)

    def inputs(self, chosen: torch.Tensor) -> torch.Tensor:
        """Some pairs as a model hears them: K of their numbers -> (2K, C, M, T), anchors first."""
        return self.features[chosen].transpose(0, 1).flatten(0, 1)

    def similarities(self, model: Cocola) -> np.ndarray:
        """Every anchor against every positive, in mode "both": (pairs, pairs)."""
        parts = torch.arange(len(self.features)).split(FRONT_END_BATCH // 2)
        with torch.no_grad():
            sides = zip(*(model.embed(self.inputs(part)).chunk(2) for part in parts), strict=True)
            return model.similarity(*map(torch.cat, sides)).numpy()


class InThree(Pool):
    """A pool of windows with three disjoint sub-mixes: the larger side of a pair in two parts."""

    def takes(self, spec):
        """Whether a window is wanted: with three stems or more."""
        return len(spec.anchor) + len(spec.positive) > 2

    def clips(self, sampler, spec):
        """The waveforms of a window: three sub-mixes."""
        smaller, larger = sorted((spec.anchor, spec.positive), key=len)
        sides = smaller, larger[: len(larger) // 2], larger[len(larger) // 2 :]
        return tuple(sampler.by_id[spec.track_id].read(side, spec.start_s, sampler.window_s) for side in sides)


def fit(config: ModelConfig, masking: Masking, k: int, train: Pool, n_pairs: int, seed: int = 0) -> Cocola:
    """Train a small model on a pool.

    Args:
        config: of the model; its features are the pool's.
        masking: see `masking.draw_modes`.
        k: K.
        train: what it hears.
        n_pairs: pairs to hear; the number of steps is n_pairs / K.
        seed: of weights, masks and dropout.

    Returns:
        The model in evaluation mode.
    """
    torch.manual_seed(seed)
    model = Cocola(config).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for step, batch in zip(range(max(1, n_pairs // k)), train.batches(k), strict=False):
        modes = draw_modes(masking, k, seed, step)[: len(batch) // 2]  # a pool may hold fewer pairs than K
        loss, _ = contrastive_step(model, batch, modes, other_masks(modes) if masking == "group" else None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def steps_within(
    optimiser: torch.optim.Optimizer, minutes: float, clock: Callable[[], float], learning_rate: float = LEARNING_RATE
) -> Iterator[tuple[int, float]]:
    """Steps until the time is over, one at least; the learning rate falls to nothing along a cosine.

    Args:
        optimiser: its learning rate is set before each step.
        minutes: how long. clock: seconds; `time.process_time` is what the processor spent here, whatever else it did.
        learning_rate: at first.

    Yields:
        (number of the step, from 1; share of the time that is over, in 0..1).
    """
    begun = clock()
    for step in itertools.count(1):
        share = (clock() - begun) / (60 * minutes)
        if share > 1 and step > 1:
            return
        share = min(1.0, share)
        optimiser.param_groups[0]["lr"] = learning_rate * (1 + math.cos(math.pi * share)) / 2
        yield step, share
