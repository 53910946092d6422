"""What a batch of families asks of a model: Eq. 3 over the windows of one mask, and the pitch classes that sound."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from cocola_lib.encoder import ModelConfig
from cocola_lib.features import MODES
from cocola_lib.masking import loss_of_pairs
from cocola_lib.models.backbones import mixed_precision
from cocola_lib.workshop.families.draw import TRANSPOSED

CHANNELS = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))  # of each of MODES: channels that stay
SOFTENED = 2.0  # a teacher's similarities are divided by it: what it thinks of the wrong ones counts, too


@dataclass(frozen=True)
class Plan:
    """What is trained, and on what.

    Attributes:
        config: of the model.
        n: families per batch of each mask.
        sets: windows per family: 1, and no negative is a hard one.
        pitch_weight: of the loss on pitch classes. It must count: at 0.5 it is drowned by Eq. 3's gradient, and after
            700 steps the encoder knows no pitch at all.
        early: share of the time at half the time resolution, with weights that come from a model of another kind kept
            as they are; a finished model without a reading of pitch classes is asked for them in this time only.
        margin: added to the score of a family's other windows, in which one thing is wrong, before the loss sees it:
            they must be beaten by so much more than strangers are.
        heard: how often a draw is heard, about: what is trained in shorter steps than its sound takes hears it again.
    """

    config: ModelConfig
    n: tuple[int, int, int]
    sets: int
    pitch_weight: float
    early: float
    margin: float
    heard: int


class Losses(nn.Module):
    """The two losses of a batch.

    Args:
        model: Cocola; one that averages gets a layer that reads pitch classes off its last features.
        plan: what is trained; its families' masks are those that `Batches` draws.
    """

    def __init__(self, model, plan):
        super().__init__()
        mask = torch.arange(3).repeat_interleave(torch.tensor(plan.n))  # (families,)
        family = torch.arange(len(mask)).repeat_interleave(plan.sets)
        self.sets = plan.sets
        self.register_buffer("channels", torch.tensor(CHANNELS), persistent=False)
        self.register_buffer("mask", mask.repeat_interleave(plan.sets), persistent=False)  # (K,)
        self.register_buffer("family", family, persistent=False)  # (K,)
        transposed = torch.arange(plan.sets).repeat(len(mask)) == TRANSPOSED
        self.register_buffer("transposed", transposed, persistent=False)
        hard = (family[:, None] == family).fill_diagonal_(False)
        self.register_buffer("hard", hard, persistent=False)  # (K, K)
        self.pitch_weight, self.margin, self.early = plan.pitch_weight, plan.margin, False
        if plan.config.pooling == "average":
            self.reading = nn.LazyConv1d(12, 1)
            self.reading(_last_features(model.eval(), torch.zeros(1, model.front_end.n_channels, 64, 64)).flatten(1, 2))

    def forward(self, model, features, rolls, pitched, teacher=None):
        """Features (2 K, C, M, T) dB, rolls (2 K, 12, 63), pitched (families, 2) -> (scalar, numbers to log).

        A teacher, another Cocola that hears the same features, is imitated early.
        """
        mask = torch.cat([self.mask, self.mask])
        whole = features.float() * self.channels[mask][:, :, None, None]
        excluded = self.excluded(pitched)
        with mixed_precision(model.config):
            h, logits = self._read(model, F.avg_pool2d(whole, (1, 2)) if self.early else whole)
        margin = self.margin * self.hard
        loss, similarities = loss_of_pairs(model, *h.float().chunk(2), excluded, both_ways=True, margin=margin)
        total = loss
        found = (similarities.argmax(dim=1) == torch.arange(len(similarities))).float()
        values = {"loss": loss, "accuracy": found}
        values |= {f"accuracy {mode}": found[self.mask == i] for i, mode in enumerate(MODES)}
        if logits is not None:
            heard = (mask != 2) & pitched.T.repeat_interleave(self.sets, dim=1).flatten()  # sides with notes to hear
            sounding = F.adaptive_max_pool1d(rolls[heard].float(), logits.shape[2])
            values["pitch loss"] = F.binary_cross_entropy_with_logits(logits[heard].float(), sounding)
            total = total + self.pitch_weight * values["pitch loss"]
        if teacher and self.early:
            with torch.no_grad():
                with mixed_precision(teacher.config):
                    taught = teacher.embed(whole)
                targets = teacher.similarity(*taught.float().chunk(2)) / SOFTENED
            values["imitation"] = imitation_loss(similarities, targets.masked_fill(excluded, -torch.inf))
            total = total + values["imitation"]
        return total, {name: round(float(value.detach().mean()), 4) for name, value in values.items()}

    def _read(self, model, features):
        """Embeddings (2 K, D), and logits (2 K, 12, steps) of the pitch classes or None."""
        if hasattr(model.head, "read"):
            return model.head.read(model.pooled(features))
        last = _last_features(model, features)
        logits = self.reading(last.flatten(1, 2)) if self.early else None
        return model.head(model.backbone.forward_head(last)), logits

    def excluded(self, pitched):
        """(K, K) bool: pairs that are neither true nor false. Those of other masks; and a window against its own
        transposed twin where pitch cannot be heard: in the percussive channel, or without notes on both sides."""
        deaf = (~pitched.all(dim=1))[self.family] | (self.mask == 2)
        twins = (self.family[:, None] == self.family) & (self.transposed[:, None] != self.transposed)
        return (self.mask[:, None] != self.mask) | (twins & deaf[:, None])


def imitation_loss(similarities, targets):
    """Cross entropy with what another score thinks of the same candidates (distillation).

    Args:
        similarities: (K, K) of the model that learns; -inf where a pair is no candidate.
        targets: (K, K) of the other score, on a scale like that of a model.
    Returns:
        A scalar in nats.
    """
    return F.cross_entropy(similarities.clamp(min=-1e4), targets.softmax(dim=1))


def _last_features(model, features):
    """What a timm backbone averages: (B, C, M, T) -> (B, 1280, M / 32, T / 32)."""
    return model.backbone.forward_features(model.unit_range(features))
