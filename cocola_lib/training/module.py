"""A model in training, as Lightning wants it: `masking.contrastive_step` on every device, and the validation pairs."""

import lightning
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cocola_lib.encoder import Cocola
from cocola_lib.evaluation import bootstrap_interval, hit_probability
from cocola_lib.loss import contrastive_loss
from cocola_lib.masking import draw_modes, loss_of_pairs, mask_pairs, other_masks
from cocola_lib.training import distributed
from cocola_lib.training.fitting import LEAST_FOR_GROUPS
from cocola_lib.training.settings import TrainSettings

DROPOUT = 3  # what a generator is for; 0 to 2 are the sampler's draw and noise, and the masks


class ContrastiveModule(lightning.LightningModule):
    """A `Cocola` model, its loss and its metrics, as Lightning wants them.

    A step is a function of the weights, the optimiser's state and (seed, step), dropout included. So a run can be
    killed anywhere and go on from its last saved state.

    Args:
        model: Cocola.
        settings: the run.
        valid_groups: track of each validation pair.
        identity: plain values kept in every saved state, see `states`.
    """

    def __init__(self, model: Cocola, settings: TrainSettings, valid_groups: list[str], identity: dict | None = None):
        super().__init__()
        self.model, self.settings, self.valid_groups, self.identity = model, settings, valid_groups, identity
        self.masking = settings.masking if model.front_end.n_channels == 2 else "none"
        if self.masking == "group" and settings.k < LEAST_FOR_GROUPS:
            raise ValueError(
                f"K is {settings.k}; masking in three groups needs K >= {LEAST_FOR_GROUPS}, or another masking"
            )
        self.n_candidates = settings.k // 3 if self.masking == "group" else settings.k  # own positive included
        self.average = None
        if settings.ema:
            self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=True)
            self.average.requires_grad_(False)
        self._valid: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def judged(self) -> Cocola:
        """The model that is validated and kept: the moving average, where there is one."""
        return self.model if self.average is None else self.average.module

    def embed_pairs(self, anchors, positives, modes, model=None):
        """(K, N) waveforms -> (K, D) embeddings of both sides; a pair's members share their mask."""
        model = model or self.model
        features = mask_pairs(model.features(torch.cat([anchors, positives])), modes)  # (2K, C, M, T)
        return model.embed(features).float().chunk(2)

    def on_train_batch_start(self, batch, batch_idx):
        rank, _ = distributed.place()
        entropy = [self.settings.seed, self.global_step, DROPOUT, rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))

    def training_step(self, batch, batch_idx):
        rank, world_size = distributed.place()
        modes = draw_modes(self.masking, self.settings.k, self.settings.seed, self.global_step)
        h1, h2 = map(distributed.gather, self.embed_pairs(*batch, modes[rank::world_size]))  # (K, D)
        excluded = other_masks(modes) if self.masking == "group" else None
        loss, similarities = loss_of_pairs(self.model, h1, h2, excluded, self.settings.both_ways)
        if not torch.isfinite(loss):
            self._stop(loss.item(), modes)
        hits = similarities.argmax(dim=1) == torch.arange(len(h1), device=h1.device)
        self.log_dict({"loss": loss, "accuracy": hits.float().mean()}, prog_bar=True)
        return loss

    def _stop(self, loss, modes):
        """Leave the batch that made the loss NaN as a table, and stop."""
        table = self.trainer.datamodule.save_batch(self.global_step, modes)
        raise ValueError(
            f"the loss is {loss} at step {self.global_step + 1}; its batch is listed in {table}: listen to it, lower "
            "the learning rate, or use precision float32"
        )

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.average is not None:
            self.average.update_parameters(self.model)

    def validation_step(self, batch, batch_idx):
        self._valid.append(self.embed_pairs(*batch, ["both"] * len(batch[0]), self.judged))

    def on_validation_epoch_end(self):
        h1, h2 = (torch.cat(side) for side in zip(*self._valid, strict=True))
        self._valid.clear()
        similarities = self.judged.similarity(h1, h2).float().cpu()
        k = min(self.n_candidates, len(h1))
        hits = hit_probability(similarities.numpy(), k)
        low, high = bootstrap_interval(hits, self.valid_groups[: len(hits)])
        whole = len(h1) // k * k  # the loss on as many candidates as in training, so that the chance lines agree
        blocks = [similarities[i : i + k, i : i + k] for i in range(0, whole, k)]
        losses = [contrastive_loss(block, self.settings.both_ways) for block in blocks]
        metrics = {"loss": torch.stack(losses).mean(), "accuracy": hits.mean(), "low": low, "high": high, "k": k}
        # every rank validates all pairs; the mean keeps their decisions the same to the last bit
        self.log_dict({f"valid_{name}": float(value) for name, value in metrics.items()}, sync_dist=True)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["cocola"] = self.identity | {"stopped": self.trainer.should_stop}  # early, for want of progress

    def configure_optimizers(self):
        return torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)
