"""The model: features -> encoder -> embedding -> similarity (the paper's Eq. 2). Used by notebook 02."""

from dataclasses import asdict, dataclass, fields

import torch
from torch import nn

from cocola_lib.backbones import COLUMNS, build_backbone
from cocola_lib.features import KINDS, FrontEnd, mask_channels
from cocola_lib.heads import HEADS
from cocola_lib.memory import keep_freed_memory


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape of a model; stored beside its weights."""

    features: str = "hps"  # front end: hps, mel or mel_htk
    backbone: str = "efficientnet_b0"  # any convolutional timm model; or "columns": ours, small
    pooling: str = "average"  # the paper; or "time": keeps when things happen; or "musical": and what sounds
    embedding_dim: int = 512  # D
    dropout: float = 0.1  # before the projection
    time_steps: int = 32  # pooling="time": steps kept, D / time_steps numbers each; "musical": of its rhythm
    input_offset_db: float = 40.0  # dB added, then
    input_scale_db: float = 20.0  # dB divided by: unit range; 0 and 1 for released checkpoints
    padding: str = "symmetric"  # PyTorch's; or "static224": the released checkpoints'
    norm_eps: float = 1e-5  # BatchNorm
    norm_momentum: float = 0.1  # BatchNorm
    initial_w: str = "identity"  # loss starts near log K; or "normal": the paper's N(0, 0.05), three times that

    def __post_init__(self):
        choices = {"features": KINDS, "pooling": tuple(HEADS), "padding": ("symmetric", "static224")}
        for name, allowed in (choices | {"initial_w": ("identity", "normal")}).items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(allowed)}")
        if self.embedding_dim < 1 or self.time_steps < 2:
            raise ValueError(f"embedding_dim {self.embedding_dim} must be >= 1, time_steps {self.time_steps} >= 2")
        if self.pooling == "time" and self.embedding_dim % self.time_steps:
            raise ValueError(f"embedding_dim {self.embedding_dim} is no multiple of time_steps {self.time_steps}")

    @classmethod
    def from_dict(cls, values):
        """Read a configuration back; unknown names are an error, not silence."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown model settings {', '.join(unknown)}: written by a newer version?")
        return cls(**values)

    to_dict = asdict


class Cocola(nn.Module):
    """Embed clips so that h1' W h2 is high when two sub-mixes belong together.

    Args:
        config: ModelConfig; None for the defaults (the paper's model, with a start that learns).
    """

    def __init__(self, config=None):
        super().__init__()
        keep_freed_memory()
        self.config = config = config or ModelConfig()
        self.front_end = FrontEnd(config.features)
        self.backbone, width = build_backbone(config, self.front_end.n_channels)
        self.head = HEADS[config.pooling](width, config)

    def features(self, waveforms):
        """Front end, nothing learnt: (B, N) at 16 kHz -> (B, C, M, T) dB."""
        return self.front_end(waveforms)

    def pooled(self, features, mode="both"):
        """The encoder without its projection: (B, C, M, T) dB -> (B, 1280), or (B, 40, M/8, T/8) in time."""
        out = self.backbone(self.unit_range(features, mode))
        return out if isinstance(out, torch.Tensor) else out[-1]

    def unit_range(self, features, mode="both"):
        """What the encoder sees: channels masked, then (dB + 40) / 20."""
        return (mask_channels(features, mode) + self.config.input_offset_db) / self.config.input_scale_db

    def embed(self, features, mode="both"):
        """Features -> embeddings.

        Args:
            features: (B, C, M, T) dB, as `features` gives them.
            mode: "both", "harmonic" (channel 1 silenced) or "percussive" (channel 0 silenced).
        Returns:
            (B, D); every entry in -1..1.
        """
        return self.head(self.pooled(features, mode))  # (B, D)

    def forward(self, waveforms, mode="both"):
        """Waveforms -> embeddings: (B, N) -> (B, D)."""
        return self.embed(self.features(waveforms), mode)

    def w(self):
        """Eq. 2's matrix W, (D, D)."""
        return self.head.w()

    def similarity(self, h1, h2):
        """Every clip of one list against every clip of another (Eq. 2): h1' W h2.

        Args:
            h1: (K1, D) embeddings of the anchors or conditionings.
            h2: (K2, D) embeddings of the positives or accompaniments.
        Returns:
            (K1, K2). Only differences within one model mean anything; see calibration.
        """
        return self.head.project(h1) @ h2.T  # (K1, K2)


@torch.no_grad()
def data_dependent_start(model, features):
    """Let one batch set the projection, so that every embedding dimension starts with mean 0 and deviation 1.

    From the usual start all embeddings are nearly equal and the loss sits at log K for hundreds of steps.

    Args:
        model: Cocola, in place; heads that keep time are left alone: they centre and normalise themselves. The
            `columns` backbone whitens its input.
        features: (B, C, M, T) dB of one batch, B >= 2.
    Returns:
        The model.
    """
    if model.config.backbone == COLUMNS:
        model.backbone.whiten(model.unit_range(features))
    if model.config.pooling != "average":
        return model
    was_training = model.training
    model.train()  # the batch's own BatchNorm statistics, those of the first step
    h = model.head.projection(model.pooled(features)).float()  # (B, D), no dropout
    model.train(was_training)
    deviation = h.std(dim=0).clamp(min=1e-6)  # (D,)
    projection = model.head.projection
    projection.weight /= deviation.unsqueeze(1)
    projection.bias.copy_((projection.bias - h.mean(dim=0)) / deviation)
    return model
