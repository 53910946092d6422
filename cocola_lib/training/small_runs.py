"""Small runs side by side: what K, r, the initial W and the masks do, in seconds each (notebook 02).

A small backbone, the features of a few batches computed once, no more than what a comparison needs. Every run hears
the same number of pairs, so that all cost the same. They show which way things go; they are too short to rank settings
that differ by less than the intervals.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from cocola_lib.data.stems import Track
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.evaluation import bootstrap_interval, hit_probability
from cocola_lib.features import FrontEnd
from cocola_lib.masking import contrastive_step, draw_modes, other_masks
from cocola_lib.sampling import NOISE_SIGMA, PairSpec, WindowSampler

BACKBONE = "mobilenetv3_small_050"
LEARNING_RATE = 2e-3  # of Adam
FRONT_END_BATCH = 64  # clips


@dataclass(frozen=True)
class Variant:
    """One small run: the base, with one thing changed."""

    k: int = 24  # K
    max_overlap: float = 0.5  # r
    initial_w: str = "identity"  # or "normal"
    masking: str = "group"  # see settings.MASKINGS

    def named(self) -> dict[str, str]:
        """The four questions and this variant's answer to each."""
        w = {"identity": "multiple of I", "normal": "N(0, 0.05)"}[self.initial_w]
        return {"K": str(self.k), "r": f"{self.max_overlap:g}", "initial W": w, "masks": self.masking}


def one_at_a_time(base: Variant, **choices) -> list[tuple[str, Variant]]:
    """Every variant that differs from the base in one thing: (name of the thing, variant), the base among them.

    Args:
        base: what is kept.
        choices: field of `Variant` -> its values.
    """
    names = {"k": "K", "max_overlap": "r", "initial_w": "initial W", "masking": "masks"}
    return [(names[field], replace(base, **{field: v})) for field, values in choices.items() for v in values]


class Pool:
    """A few batches of a sampler as features, computed once.

    Args:
        tracks: where windows come from.
        k: windows per batch; fewer where the tracks hold fewer.
        n_batches: how many.
        max_overlap: r within a batch.
        seed: of the draw.
        noise_sigma: of the waveforms; 0 for validation.
        kind: of features, see `features.FrontEnd`.
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
        front_end, rng = FrontEnd(kind), np.random.default_rng([seed, 1])
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


def fit(
    config: ModelConfig, masking: str, k: int, train: Pool, n_pairs: int, seed: int = 0
) -> tuple[Cocola, pd.DataFrame]:
    """Train a small model on a pool.

    Args:
        config: of the model; its features are the pool's.
        masking: see `settings.MASKINGS`.
        k: K.
        train: what it hears.
        n_pairs: pairs to hear; the number of steps is n_pairs / K.
        seed: of weights, masks and dropout.

    Returns:
        (model in evaluation mode, curve: pairs, loss, accuracy, chance).
    """
    torch.manual_seed(seed)
    model = Cocola(config).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    rows = []
    for step, batch in zip(range(max(1, n_pairs // k)), train.batches(k), strict=False):
        modes = draw_modes(masking, k, seed, step)[: len(batch) // 2]  # a pool may hold fewer pairs than K
        loss, similarities = contrastive_step(model, batch, modes, other_masks(modes) if masking == "group" else None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        hits = (similarities.argmax(dim=1) == torch.arange(len(similarities))).float().mean()
        candidates = k / 3 if masking == "group" else k
        rows.append({"pairs": (step + 1) * k, "loss": loss.item(), "accuracy": hits.item(), "chance": 1 / candidates})
    return model.eval(), pd.DataFrame(rows)


def run(variant: Variant, train: Pool, valid: Pool, n_pairs: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Train a small model that keeps time.

    Args:
        variant: what to train.
        train: drawn with the variant's r.
        valid: from other songs.
        n_pairs, seed: see `fit`.

    Returns:
        (curve, see `fit`; similarities of the validation pairs).
    """
    config = ModelConfig(backbone=BACKBONE, pooling="time", initial_w=variant.initial_w)
    model, curve = fit(config, variant.masking, variant.k, train, n_pairs, seed)
    with torch.no_grad():
        h = model.embed(valid.features.transpose(0, 1).flatten(0, 1)).chunk(2)
        return curve, model.similarity(*h).numpy()


def side_by_side(
    variants: list[tuple[str, Variant]], pools: dict[float, Pool], valid: Pool, n_pairs: int, k: int, seed: int = 0
) -> pd.DataFrame:
    """Run every variant once and compare them on the same validation pairs.

    Args:
        variants: (name of what is varied, variant), see `one_at_a_time`.
        pools: r -> training pool.
        valid: pairs of other songs.
        n_pairs: that each run hears.
        k: K of the comparison, the same for all.
        seed: of every run.

    Returns:
        varied, setting, steps, train_accuracy (last quarter of the run), train_chance, accuracy, low, high (Eq. 4 on
        other songs, 95 % interval over tracks), chance.
    """
    done: dict[Variant, dict] = {}
    rows = []
    for varied, variant in variants:
        if variant not in done:  # the base belongs to every comparison
            curve, similarities = run(variant, pools[variant.max_overlap], valid, n_pairs, seed)
            hits = hit_probability(similarities, k)
            low, high = bootstrap_interval(hits, valid.groups)
            late = curve.tail(max(1, len(curve) // 4))
            done[variant] = {"steps": len(curve), "train_accuracy": late["accuracy"].mean()}
            done[variant] |= {"train_chance": curve["chance"].iloc[0], "accuracy": hits.mean()}
            done[variant] |= {"low": low, "high": high, "chance": 1 / k}
        rows.append({"varied": varied, "setting": variant.named()[varied]} | done[variant])
    return pd.DataFrame(rows)
