"""The model: features -> encoder -> embedding -> similarity (the paper's Eq. 2). Used by notebook 02."""

import difflib
from dataclasses import asdict, dataclass, fields

import timm
import torch
import torch.nn.functional as F
from torch import nn

from cocola_lib.features import KINDS, FrontEnd, mask_channels
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


class AverageHead(nn.Module):
    """The paper's head: dropout, linear, LayerNorm, tanh; then the bilinear form with a free W."""

    def __init__(self, width, config):
        super().__init__()
        d = config.embedding_dim
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(width, d)
        self.norm = nn.LayerNorm(d)
        # |h|^2 is about 0.4 D. 0.01 I gives sim(h, h) = 2 at D = 512 and unrelated clips 0 +- 0.5 after the
        # data-dependent start: measured at K = 32, log K + 0.1 to 0.3 (0.05 I: log K + 2.3 to 3; the paper's: + 16)
        start = 0.01 * torch.eye(d) if config.initial_w == "identity" else 0.05 * torch.randn(d, d)
        self.weight = nn.Parameter(start)

    def forward(self, pooled):
        """(B, width) -> (B, D)."""
        return torch.tanh(self.norm(self.projection(self.dropout(pooled))))

    def w(self):
        """W itself, (D, D)."""
        return self.weight

    def project(self, h):
        """h' W: (K, D) -> (K, D)."""
        return h @ self.weight


class TimeHead(nn.Module):
    """Keep when things happen: T steps of d numbers, compared step by step with one symmetric matrix M.

    Nothing mixes distant steps after the convolutions, which keeps it from memorising.
    With B0: 320 -> 256 -> 256 -> d.
    """

    def __init__(self, width, config, hidden=256, kernel=5):
        super().__init__()
        self.steps = config.time_steps
        d = config.embedding_dim // config.time_steps
        self.convolutions = nn.Sequential(
            *_convolution(width, hidden, kernel),
            *_convolution(hidden, hidden, kernel),
            nn.Dropout(config.dropout),
        )
        self.projection = nn.Conv1d(hidden, d, 1)
        if config.initial_w == "identity":
            self.matrix = nn.Parameter(torch.eye(d))
        else:
            self.matrix = nn.Parameter(0.05 * torch.randn(d, d))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # s of REFERENCE section 7

    def forward(self, features):
        """(B, channels, bands, steps of 80 ms) -> (B, T * d), centred over time, length one (silence: 0)."""
        h = self.projection(self.convolutions(features.flatten(1, 2)))  # (B, d, steps)
        h = F.adaptive_avg_pool1d(h.float(), self.steps).transpose(1, 2)  # (B, T, d)
        h = h - h.mean(dim=1, keepdim=True)  # what never changes says nothing about when
        return F.normalize(h.flatten(1), dim=1, eps=1e-4)  # below it, nothing but rounding

    def m(self):
        """s M, symmetric (d, d): a pair scores the same in either order."""
        return self.log_scale.exp() * (self.matrix + self.matrix.T) / 2

    def w(self):
        """Eq. 2's W, block diagonal: (D, D)."""
        return torch.kron(torch.eye(self.steps, device=self.matrix.device), self.m())

    def project(self, h):
        """h' W without building W: (K, D) -> (K, D)."""
        return (h.unflatten(1, (self.steps, -1)) @ self.m()).flatten(1)


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


def _convolution(n_in, n_out, kernel):
    return nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(n_out), nn.GELU()


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
