"""Training: Eq. 3 on batches of K windows, with Lightning (Sec. III-A and IV-B).

Notebook 02 runs this and shows what it does; `python -m cocola_lib train` is the same from the command line.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from cocola_lib import calibration, checkpoints
from cocola_lib.encoder import Cocola, ModelConfig, data_dependent_start
from cocola_lib.evaluation import bootstrap_interval, hit_probability
from cocola_lib.features import MODES, mask_channels
from cocola_lib.loss import contrastive_loss
from cocola_lib.paper import HELD_OUT
from cocola_lib.profiles import Profile
from cocola_lib.progress import ShowProgress, quiet_lightning
from cocola_lib.sampling import MAX_OVERLAP, PairDataset, PairSpec, WindowSampler
from cocola_lib.scoring import Scorer
from cocola_lib.tracks import Track

MASKINGS = ("group", "batch", "pair", "none")

# The models by name. "hps-all" is the paper's COCOLA HPS All; "hps-all-time" keeps time in the embedding.
RECIPES: dict[str, ModelConfig] = {
    "all": ModelConfig(features="mel"),
    "hps-all": ModelConfig(),
    "hps-all-time": ModelConfig(pooling="time"),
}


def get_recipe(name: str) -> ModelConfig:
    """Look a model up by name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe is {name!r}; use {', '.join(RECIPES)}")
    return RECIPES[name]


@dataclass(frozen=True)
class TrainSettings:
    """One run's settings; the defaults are the paper's where it states them.

    Attributes:
        k: K, windows per batch.
        n_steps: optimiser steps.
        seed: of weights, batches, masks and noise.
        learning_rate: of Adam.
        masking: which channel is silenced. "group": a third of the pairs each keeps both, only the harmonic and only
            the percussive channel, and anchors meet only candidates with their own mask. "batch": one mode per step
            for all pairs (batch normalisation then learns whatever mask came last). "pair", the paper: one per
            pair (lets the encoder find its partner by the mask: accuracy sticks at 3/K). "none" keeps both.
        max_overlap: r, between windows of one track in a batch.
        single: one stem per member, not sub-mixes.
        valid_every: steps between validations.
        n_valid_pairs: frozen validation pairs, at most.
        n_workers: loader processes.
        data_start: set the projection from the first batch, so that embeddings start apart.
    """

    k: int = 32
    n_steps: int = 100
    seed: int = 0
    learning_rate: float = 1e-3
    masking: str = "group"
    max_overlap: float = MAX_OVERLAP
    single: bool = False
    valid_every: int = 20
    n_valid_pairs: int = 128
    n_workers: int = 0
    data_start: bool = True

    def __post_init__(self):
        if self.masking not in MASKINGS:
            raise ValueError(f"masking is {self.masking!r}; use {', '.join(MASKINGS)}")
        if self.masking == "group" and self.k < 6:
            raise ValueError(f"K is {self.k}; masking in three groups needs K >= 6, or another masking")
        if self.k < 2 or self.n_steps < 1 or self.valid_every < 1:
            raise ValueError(
                f"k = {self.k}, n_steps = {self.n_steps}, valid_every = {self.valid_every}; K >= 2, others >= 1"
            )

    @classmethod
    def of(cls, size: Profile, **changes) -> "TrainSettings":
        """The settings of a profile, with changes; a change of None keeps the profile's number."""
        shared = {name: getattr(size, name) for name in ("k", "n_steps", "valid_every", "n_valid_pairs", "n_workers")}
        return cls(**shared | {name: value for name, value in changes.items() if value is not None})


class ContrastiveModule(lightning.LightningModule):
    """A `Cocola` model, its loss and its metrics, as Lightning wants them."""

    def __init__(self, model: Cocola, settings: TrainSettings, valid_groups: list[str]):
        super().__init__()
        self.model, self.settings, self.valid_groups = model, settings, valid_groups
        self.grouped = settings.masking == "group" and model.front_end.n_channels == 2
        self.n_candidates = settings.k // 3 if self.grouped else settings.k  # that an anchor meets, its own included
        self._valid: list[tuple[torch.Tensor, torch.Tensor]] = []

    def draw_modes(self, k: int) -> list[str]:
        """The channel masks of this step, one mode per pair; a function of (seed, step)."""
        rng = np.random.default_rng([self.settings.seed, self.global_step, 2])
        if self.settings.masking == "none" or self.model.front_end.n_channels == 1:
            return ["both"] * k
        if self.settings.masking == "batch":
            return [MODES[rng.integers(3)]] * k
        if self.grouped:
            return [MODES[i] for i in np.sort(np.arange(k) % 3)]
        return [MODES[i] for i in rng.integers(3, size=k)]

    def embed_pairs(self, anchors, positives, modes):
        """(K, N) waveforms -> (K, D) embeddings of both sides; a pair's members share their mask."""
        features = self.model.features(torch.cat([anchors, positives]))  # (2K, C, M, T)
        if len(set(modes)) == 1:
            features = mask_channels(features, modes[0])
        else:
            features = torch.cat([mask_channels(f[None], m) for f, m in zip(features, modes * 2, strict=True)])
        return self.model.embed(features).chunk(2)

    def training_step(self, batch, batch_idx):
        modes = self.draw_modes(len(batch[0]))
        h1, h2 = self.embed_pairs(*batch, modes)
        similarities = self.model.similarity(h1, h2)  # (K, K)
        if self.grouped:  # a candidate with another mask would be ruled out without listening
            mask = torch.tensor([MODES.index(mode) for mode in modes], device=self.device)
            similarities = similarities.masked_fill(mask[:, None] != mask[None, :], -torch.inf)
        loss = contrastive_loss(similarities)
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {self.global_step}; lower the learning rate")
        hits = similarities.argmax(dim=1) == torch.arange(len(h1), device=self.device)
        self.log_dict({"loss": loss, "accuracy": hits.float().mean()}, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self._valid.append(self.embed_pairs(*batch, ["both"] * len(batch[0])))

    def on_validation_epoch_end(self):
        h1, h2 = (torch.cat(side) for side in zip(*self._valid, strict=True))
        self._valid.clear()
        similarities = self.model.similarity(h1, h2)
        k = min(self.n_candidates, len(h1))
        hits = hit_probability(similarities.float().cpu().numpy(), k)
        low, high = bootstrap_interval(hits, self.valid_groups[: len(hits)])
        whole = len(h1) // k * k  # the loss on as many candidates as in training, so that the chance lines agree
        losses = [contrastive_loss(similarities[i : i + k, i : i + k]) for i in range(0, whole, k)]
        self.log_dict(
            {"valid_loss": torch.stack(losses).mean(), "valid_accuracy": hits.mean()}
            | {"valid_low": low, "valid_high": high, "valid_k": float(k)}
        )

    def configure_optimizers(self):
        return torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves behind: the folder of its checkpoint, and its history."""

    checkpoint: Path
    history: pd.DataFrame  # step, split, loss, accuracy, low, high


def train(
    config: ModelConfig,
    settings: TrainSettings,
    tracks: list[Track],
    run_dir: str | Path,
    provenance: dict | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a model on the "train" tracks, watch the "valid" tracks, keep the best.

    Args:
        config: the model.
        settings: the run.
        tracks: with their splits; those of MUSDB18-HQ are held out, as in the paper.
        run_dir: gets `checkpoint/` (ours, best by validation accuracy, calibrated on the validation pairs),
            `history.csv` and `lightning/`.
        provenance: stored in the checkpoint.
        progress: show one updating line.

    Raises:
        ValueError: no train or valid tracks, too few windows for K, a NaN loss.
    """
    run_dir = Path(run_dir)
    seen = [track for track in tracks if track.dataset not in HELD_OUT]
    splits = {name: [track for track in seen if track.split == name] for name in ("train", "valid")}
    for name, members in splits.items():
        if not members:
            raise ValueError(f"no track in the {name} split; training needs train and valid tracks")
    samplers = {
        name: WindowSampler(members, max_overlap=settings.max_overlap, single=settings.single)
        for name, members in splits.items()
    }
    train_set = PairDataset(samplers["train"], settings.k, settings.n_steps, settings.seed)
    valid_specs = samplers["valid"].batch(settings.n_valid_pairs, settings.seed, 0, at_most=True)
    torch.manual_seed(settings.seed)
    model = Cocola(config).to(memory_format=torch.channels_last)  # half the time per step on a CPU
    if settings.data_start:
        data_dependent_start(model, model.features(torch.cat(train_set[0])))
    module = ContrastiveModule(model, settings, [spec.track_id for spec in valid_specs])
    best = _fit(module, train_set, _valid_batches(samplers["valid"], valid_specs), run_dir, progress)
    history = read_history(run_dir / "lightning" / "metrics.csv")
    history.to_csv(run_dir / "history.csv", index=False)
    training = asdict(settings) | {
        "best_step": best["global_step"],
        "datasets": sorted({track.dataset for track in splits["train"]}),
        "n_train_tracks": len(splits["train"]),
        "n_valid_pairs": len(valid_specs),
    }
    checkpoints.save(run_dir / "checkpoint", module.model.eval(), training=training, provenance=provenance)
    groups = [spec.track_id for spec in valid_specs]
    if len(groups) >= calibration.MIN_PAIRS and len(set(groups)) > 1:  # random pairs need another song
        pairs = [samplers["valid"].audio(spec) for spec in valid_specs]
        name = "+".join(sorted({track.dataset for track in splits["valid"]})) + " valid"
        scorer = Scorer.from_model(module.model, device="cpu")
        scale = calibration.calibrate(scorer, pairs, name, groups)
        calibration.store(run_dir / "checkpoint", scale)
    return TrainResult(run_dir / "checkpoint", history)


def _valid_batches(sampler: WindowSampler, specs: list[PairSpec]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The frozen validation pairs as audio, read once: (32, N) anchors and positives per item."""
    pairs = [tuple(torch.from_numpy(side) for side in sampler.audio(spec)) for spec in specs]
    return [tuple(map(torch.stack, zip(*pairs[i : i + 32], strict=True))) for i in range(0, len(pairs), 32)]


def _fit(module, train_set, valid_batches, run_dir, progress) -> dict:
    """Run Lightning, load the weights of the best validation into `module`, return that checkpoint."""
    settings = module.settings
    keep = ModelCheckpoint(run_dir / "lightning", monitor="valid_accuracy", mode="max", save_last=True)
    with quiet_lightning():
        trainer = lightning.Trainer(
            max_steps=settings.n_steps,
            max_epochs=1,
            val_check_interval=min(settings.valid_every, settings.n_steps),
            callbacks=[keep] + [ShowProgress()] * progress,
            logger=CSVLogger(run_dir, name="lightning", version=""),
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = DataLoader(train_set, batch_size=None, num_workers=settings.n_workers)
        trainer.fit(module, loader, DataLoader(valid_batches, batch_size=None))
    best = torch.load(keep.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(best["state_dict"])
    return best


def read_history(metrics_csv: Path) -> pd.DataFrame:
    """Lightning's metrics as a tidy frame: step, split ("train" or "valid"), loss, accuracy, low, high."""
    raw = pd.read_csv(metrics_csv)
    train_rows = raw.dropna(subset="loss")[["step", "loss", "accuracy"]].assign(split="train")
    valid_rows = raw.dropna(subset="valid_loss").filter(regex="step|valid_")
    valid_rows = valid_rows.rename(columns=lambda name: name.removeprefix("valid_")).assign(split="valid")
    history = pd.concat([train_rows, valid_rows], ignore_index=True)
    history["step"] += 1  # Lightning counts from 0: after this step's update
    return history
