"""The model: features -> encoder -> embedding -> similarity (the paper's Eq. 2). Used by notebook 02."""

import difflib
from dataclasses import asdict, dataclass, fields

import timm
import torch
import torch.nn.functional as F
from torch import nn

from cocola_lib.features import KINDS, FrontEnd, mask_channels
from cocola_lib.heads import AverageHead, TimeHead
from cocola_lib.memory import keep_freed_memory

POOLINGS = ("average", "time")
STRIDE_8 = 8  # frames per step of the time head's tap: 80 ms


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape of a model; stored beside its weights."""

    features: str = "hps"  # front end: hps, mel or mel_htk
    backbone: str = "efficientnet_b0"  # any convolutional timm model
    pooling: str = "average"  # the paper; or "time": keeps when things happen
    embedding_dim: int = 512  # D
    dropout: float = 0.1  # before the projection
    time_steps: int = 32  # pooling="time": steps kept; D / time_steps numbers each
    input_offset_db: float = 40.0  # dB added, then
    input_scale_db: float = 20.0  # dB divided by: unit range; 0 and 1 for released checkpoints
    padding: str = "symmetric"  # PyTorch's; or "static224": the released checkpoints'
    norm_eps: float = 1e-5  # BatchNorm
    norm_momentum: float = 0.1  # BatchNorm
    initial_w: str = "identity"  # loss starts near log K; or "normal": the paper's N(0, 0.05), three times that

    def __post_init__(self):
        choices = {"features": KINDS, "pooling": POOLINGS, "padding": ("symmetric", "static224")}
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
        if config.pooling == "average":
            self.backbone, width = _pooled_backbone(config, self.front_end.n_channels)
            self.head = AverageHead(width, config)
        else:
            self.backbone, width = _stride_8_backbone(config, self.front_end.n_channels)
            self.head = TimeHead(width, config)
        _set_norm(self.backbone, config.norm_eps, config.norm_momentum)
        if config.padding == "static224":
            _pad_like_224(self.backbone)

    def features(self, waveforms):
        """Front end, nothing learnt: (B, N) at 16 kHz -> (B, C, M, T) dB."""
        return self.front_end(waveforms)

    def pooled(self, features, mode="both"):
        """The encoder without its projection: (B, C, M, T) dB -> (B, 1280), or (B, 40, M/8, T/8) in time."""
        out = self.backbone(self.unit_range(features, mode))
        return out if self.config.pooling == "average" else out[-1]

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
        model: Cocola, in place; pooling="time" is left alone: its head centres and normalises itself.
        features: (B, C, M, T) dB of one batch, B >= 2.
    Returns:
        The model.
    """
    if model.config.pooling == "time":
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


class StaticPadConv2d(nn.Conv2d):
    """A strided convolution padded as for an input of even size: 0 before, 1 after (kernel 3)."""

    def forward(self, x):
        before, after = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        return self._conv_forward(F.pad(x, (before, after, before, after)), self.weight, self.bias)


def _create(name, **kwargs):
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise ValueError(f"unknown backbone {name!r}: timm knows {', '.join(near) or 'no such name'}")
    return timm.create_model(name, pretrained=False, **kwargs)


def _pooled_backbone(config, n_channels):
    backbone = _create(config.backbone, in_chans=n_channels, num_classes=0)
    return backbone, getattr(backbone, "head_hidden_size", None) or backbone.num_features


def _stride_8_backbone(config, n_channels):
    """The backbone up to its stride-8 features; later stages are not built."""
    whole = _create(config.backbone, in_chans=n_channels, features_only=True)
    reductions = whole.feature_info.reduction()
    if STRIDE_8 not in reductions:
        raise ValueError(f"backbone {config.backbone!r} has no stride-8 features (strides {reductions})")
    tap = reductions.index(STRIDE_8)
    backbone = _create(config.backbone, in_chans=n_channels, features_only=True, out_indices=(tap,))
    if hasattr(backbone, "blocks"):  # EfficientNets, MobileNets: timm builds every stage
        backbone.blocks = backbone.blocks[: backbone.feature_info.get_dicts()[0]["stage"]]
    with torch.no_grad():
        shape = backbone.eval()(torch.zeros(1, n_channels, 64, 64))[-1].shape
    backbone.train()
    return backbone, shape[1] * shape[2]  # channels x bands


def _set_norm(backbone, eps, momentum):
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = eps, momentum


def _pad_like_224(module):
    """Give every strided convolution the released checkpoints' padding."""
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and child.stride != (1, 1):
            conv = StaticPadConv2d(
                child.in_channels,
                child.out_channels,
                child.kernel_size,
                child.stride,
                0,
                groups=child.groups,
                bias=child.bias is not None,
            )
            conv.load_state_dict(child.state_dict())
            setattr(module, name, conv)
        else:
            _pad_like_224(child)
