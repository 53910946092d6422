"""The model: features -> encoder -> embedding -> similarity (Sec. III, Eq. 2). Notebook 02 takes one apart.

This file is the paper's: EfficientNet-B0, average pooling, a linear projection, LayerNorm, tanh, and a free W.
`cocola_lib.models` adds other backbones and heads to the same registries.
"""

import difflib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from cocola_lib.fast.inference import frozen
from cocola_lib.fast.memory import keep_freed_memory
from cocola_lib.features import KINDS, FrontEnd, mask_channels

MOST = 8192  # numbers of an embedding, or steps of time: W has the square of it, 268 MB


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape of a model; stored beside its weights."""

    features: str = "hps"  # front end, one of `features.KINDS`
    backbone: str = "efficientnet_b0"  # any convolutional timm model; or "columns": ours, small
    pooling: str = "average"  # the paper's; "time" keeps when things happen; "musical" also what sounds
    embedding_dim: int = 512  # D
    dropout: float = 0.1  # before the projection
    time_steps: int = 32  # pooling "time": steps kept, D / time_steps numbers each; "musical": those of its rhythm
    input_offset_db: float = 40.0  # dB added, then
    input_scale_db: float = 20.0  # dB divided by: unit range; 0 and 1 for the released checkpoints
    padding: str = "symmetric"  # PyTorch's; or "static224", that of the released checkpoints
    norm_eps: float = 1e-5  # BatchNorm
    norm_momentum: float = 0.1  # BatchNorm
    initial_w: str = "identity"  # the loss starts near log K; "normal", the paper's N(0, 0.05): three times that

    def __post_init__(self) -> None:
        choices = {"features": KINDS, "pooling": POOLINGS, "padding": PADDINGS, "initial_w": ("identity", "normal")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(allowed)}")
        if not 1 <= self.embedding_dim <= MOST or not 2 <= self.time_steps <= MOST:
            found = f"embedding_dim {self.embedding_dim}, time_steps {self.time_steps}"
            raise ValueError(f"{found}: at least 1 and 2, and {MOST} at most")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Read a configuration back; unknown names are an error, not silence."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown model settings {', '.join(unknown)}: written by a newer version?")
        return cls(**values)

    to_dict = asdict


class Bilinear:
    """Eq. 2: sim(h1, h2) = h1' W h2, for anything that knows its W."""

    def project(self, h: Tensor) -> Tensor:
        """The conditioning side, h' W: (K, D) -> (K, D)."""
        raise NotImplementedError

    def similarity(self, h1: Tensor, h2: Tensor) -> Tensor:
        """Every clip of one list against every clip of another.

        Args:
            h1: (K1, D) embeddings of the anchors or conditionings.
            h2: (K2, D) embeddings of the positives or accompaniments.
        Returns:
            (K1, K2). Only differences within one model mean anything; see calibration.
        """
        return self.project(h1) @ h2.T

    def similarity_of_pairs(self, h1: Tensor, h2: Tensor) -> Tensor:
        """The diagonal of `similarity` alone: (K, D), (K, D) -> (K,)."""
        return (self.project(h1) * h2).sum(dim=1)


class AverageHead(nn.Module):
    """The paper's head: dropout, linear, LayerNorm, tanh; then the bilinear form with a free W."""

    def __init__(self, width: int, config: ModelConfig):
        super().__init__()
        d = config.embedding_dim
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(width, d)
        self.norm = nn.LayerNorm(d)
        # |h|^2 is about 0.4 D. 0.01 I gives sim(h, h) = 2 at D = 512 and unrelated clips 0 +- 0.5 after the
        # data-dependent start: measured at K = 32, log K + 0.1 to 0.3 (0.05 I: log K + 2.3 to 3; the paper's: + 16)
        start = 0.01 * torch.eye(d) if config.initial_w == "identity" else 0.05 * torch.randn(d, d)
        self.weight = nn.Parameter(start)  # W

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, width) -> (B, D)."""
        return torch.tanh(self.norm(self.projection(self.dropout(pooled))))

    def w(self) -> Tensor:
        """W itself, (D, D)."""
        return self.weight

    def project(self, h: Tensor) -> Tensor:
        """h' W: (K, D) -> (K, D)."""
        return h @ self.weight

    @torch.no_grad()
    def start_from(self, pooled: Tensor) -> None:
        """Let every dimension of the projection start with mean 0 and deviation 1 over a batch."""
        h = self.projection(pooled).float()  # (B, D), no dropout
        deviation = h.std(dim=0).clamp(min=1e-6)  # (D,)
        self.projection.weight /= deviation.unsqueeze(1)
        self.projection.bias.copy_((self.projection.bias - h.mean(dim=0)) / deviation)


def timm_model(name: str, **options: Any) -> nn.Module:
    """A timm model with random weights.

    Raises:
        ValueError: timm does not know it; names the nearest.
    """
    import timm  # and torchvision: half of the time it takes to start, and the bundled default needs neither

    if not timm.is_model(str(name)):
        near = difflib.get_close_matches(str(name), timm.list_models(), n=3)
        raise ValueError(f"unknown backbone {name!r}: timm knows {', '.join(near) or 'no such name'}")
    return timm.create_model(name, pretrained=False, **options)


def pooled_backbone(config: ModelConfig, n_channels: int) -> tuple[nn.Module, int]:
    """The paper's backbone, pooled over frequency and time: (module, width); (B, C, M, T) -> (B, width)."""
    backbone: Any = timm_model(config.backbone, in_chans=n_channels, num_classes=0)
    return backbone, getattr(backbone, "head_hidden_size", None) or backbone.num_features


# ModelConfig.pooling -> how the backbone is built, and the head on top of it
Build = Callable[[ModelConfig, int], tuple[nn.Module, int]]
POOLINGS: dict[str, tuple[Build, Callable[[int, ModelConfig], nn.Module]]] = {"average": (pooled_backbone, AverageHead)}
PADDINGS: dict[str, Callable[[nn.Module], None]] = {"symmetric": lambda backbone: None}  # ModelConfig.padding


class Cocola(nn.Module, Bilinear):
    """Embed clips so that h1' W h2 is high when two sub-mixes belong together.

    Args:
        config: ModelConfig; None for the defaults (the paper's model, with a start that learns).
    """

    chunk: int | None = None  # clips that `embed_modes` sends through the encoder at once; None: all

    def __init__(self, config: ModelConfig | None = None):
        super().__init__()
        keep_freed_memory()
        self.config = config = config or ModelConfig()
        self.front_end = FrontEnd(config.features)
        build, head = POOLINGS[config.pooling]
        self.backbone, width = build(config, self.front_end.n_channels)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = config.norm_eps, config.norm_momentum
        PADDINGS[config.padding](self.backbone)
        self.modes, self.dim = self.front_end.modes, config.embedding_dim
        self.head: Any = head(width, config)  # a module with `w` and `project`

    def features(self, waveforms: Tensor) -> Tensor:
        """Front end, nothing learnt: (B, N) at 16 kHz -> (B, C, M, T) dB."""
        return self.front_end(waveforms)

    def unit_range(self, features: Tensor, mode: str = "both") -> Tensor:
        """What the encoder sees: channels masked, then (dB + 40) / 20."""
        return (mask_channels(features, mode) + self.config.input_offset_db) / self.config.input_scale_db

    def pooled(self, features: Tensor, mode: str = "both") -> Tensor:
        """The encoder without its projection: (B, C, M, T) dB -> (B, 1280), or (B, 40, M/8, T/8) in time."""
        out = self.backbone(self.unit_range(features, mode))
        return out if isinstance(out, Tensor) else out[-1]  # timm's taps give a list

    def embed(self, features: Tensor, mode: str = "both") -> Tensor:
        """Features -> embeddings.

        Args:
            features: (B, C, M, T) dB, as `features` gives them.
            mode: "both", "harmonic" (channel 1 silenced) or "percussive" (channel 0 silenced).
        Returns:
            (B, D); every entry in -1..1.
        """
        return self.head(self.pooled(features, mode))

    def embed_modes(self, waveforms: Tensor, modes: tuple[str, ...]) -> Tensor:
        """Embeddings in several modes from one pass through the front end: (B, N) -> (n_modes, B, D)."""
        parts = self.features(waveforms).split(self.chunk or len(waveforms))  # (chunk, C, M, T) each
        return torch.stack([torch.cat([self.embed(part, mode) for part in parts]) for mode in modes])

    def forward(self, waveforms: Tensor, mode: str = "both") -> Tensor:
        """Waveforms -> embeddings: (B, N) -> (B, D)."""
        return self.embed(self.features(waveforms), mode)

    def frozen(
        self, device: str | torch.device = "cpu", precision: str = "auto", scale: float | None = None
    ) -> "Cocola":
        """A copy for scoring that computes the same faster, see `fast.inference.frozen`."""
        return frozen(self, device, precision, scale)

    def w(self) -> Tensor:
        """Eq. 2's matrix W, (D, D)."""
        return self.head.w()

    def project(self, h: Tensor) -> Tensor:
        """h' W: (K, D) -> (K, D)."""
        return self.head.project(h)
