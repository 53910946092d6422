"""Heads that keep time, and the form of Eq. 2's W that goes with each."""

import torch
import torch.nn.functional as F
from torch import nn

from cocola_lib.encoder import POOLINGS, AverageHead, pooled_backbone
from cocola_lib.models.backbones import backbone_in_time


class TimeHead(nn.Module):
    """Keep when things happen: T steps of d numbers, compared step by step with one symmetric matrix M.

    Nothing mixes distant steps after the convolutions, which keeps it from memorising.
    With B0: 320 -> 256 -> 256 -> d.
    """

    def __init__(self, width, config, hidden=256, kernel=5):
        super().__init__()
        self.steps = config.time_steps
        if config.embedding_dim % self.steps:
            raise ValueError(f"embedding_dim {config.embedding_dim} is no multiple of time_steps {self.steps}")
        d = config.embedding_dim // self.steps
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
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # s, learnt from 10

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


def _convolution(n_in, n_out, kernel):
    return nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(n_out), nn.GELU()


def _wider(n, kernel, dilation):
    """Sees further over time; added to what it hears, and zero at first."""
    conv = nn.Conv1d(n, n, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    norm = nn.BatchNorm1d(n)
    nn.init.zeros_(norm.weight)
    return nn.Sequential(conv, norm, nn.GELU())


class MusicalHead(nn.Module):
    """Rhythm, harmony and key side by side: 512 numbers that can be read, each part compared with itself only.

    Three dilated convolutions let every step hear 2.6 s before and after it, so that it may know where the beat is when
    nothing is struck on it. Rhythm: 64 steps of 80 ms, 5 numbers each, centred over time. Harmony: 15 steps of 12: how
    sure the encoder is of each pitch class. Key: harmony averaged over the window. W has a block for each part; pitch
    classes meet in a circulant block, one weight per interval class, so that what counts is the interval between two
    notes and not which notes they are. Training adds a loss on the pitch classes (`pitch_classes`), which are known
    where clips were rendered from a score.
    """

    HARMONY_STEPS, CLASSES = 15, 12
    DILATIONS = (2, 4, 8)  # steps

    def __init__(self, width, config, hidden=256, kernel=5):
        super().__init__()
        self.steps, tonal = config.time_steps, (self.HARMONY_STEPS + 1) * self.CLASSES
        d = (config.embedding_dim - tonal) // self.steps
        if d < 1 or d * self.steps + tonal != config.embedding_dim:
            raise ValueError(
                f"pooling 'musical' needs embedding_dim {tonal} + a multiple of time_steps, as 512 and 64; found "
                f"{config.embedding_dim} and {self.steps}"
            )
        self.sizes = (self.steps * d, self.HARMONY_STEPS * self.CLASSES, self.CLASSES)
        self.convolutions = nn.Sequential(
            *_convolution(width, hidden, kernel),
            *_convolution(hidden, hidden, kernel),
            nn.Dropout(config.dropout),
        )
        self.context = nn.ModuleList(_wider(hidden, kernel, dilation) for dilation in self.DILATIONS)
        self.rhythm = nn.Conv1d(hidden, d, 1)
        self.pitch_classes = nn.Conv1d(hidden, self.CLASSES, 1)
        self.matrix = nn.Parameter(torch.eye(d))
        self.intervals = nn.Parameter(torch.eye(1, 7).repeat(2, 1))  # harmony, key: unison, then 1..6 semitones
        self.log_scale = nn.Parameter(torch.tensor([10.0, 8.0, 4.0]).log())  # of the three parts
        semitones = (torch.arange(12)[:, None] - torch.arange(12)[None]).abs()
        self.register_buffer("interval_class", torch.minimum(semitones, 12 - semitones), persistent=False)

    def forward(self, features):
        """(B, channels, bands, steps of 80 ms) -> (B, 512): rhythm, harmony, key."""
        return self.read(features)[0]

    def read(self, features):
        """What `forward` gives, and the pitch classes behind it.

        Returns:
            (B, 512), and logits (B, 12, steps): does a note of this class sound? C first.
        """
        h = self.convolutions(features.flatten(1, 2))  # (B, hidden, steps)
        for wider in self.context:
            h = h + wider(h)
        logits = self.pitch_classes(h).float()
        rhythm = self.rhythm(h).float()
        rhythm = _fit(rhythm - rhythm.mean(dim=2, keepdim=True), self.steps).transpose(1, 2)  # (B, T, d)
        sure = logits.sigmoid()
        sure = 3 * (sure - sure.mean(dim=1, keepdim=True))
        harmony = F.adaptive_avg_pool1d(sure, self.HARMONY_STEPS).transpose(1, 2)  # (B, 15, 12)
        parts = rhythm.flatten(1), harmony.flatten(1), sure.mean(dim=2)
        return torch.cat([_soft_unit(part) for part in parts], dim=1), logits

    def blocks(self):
        """W's blocks, one per part: [(5, 5), (12, 12), (12, 12)], symmetric; each serves all steps of its part."""
        rhythm = (self.matrix + self.matrix.T) / 2
        harmony, key = self.intervals[:, self.interval_class]  # circulant
        return [scale * block for scale, block in zip(self.log_scale.exp(), (rhythm, harmony, key), strict=True)]

    def w(self):
        """Eq. 2's W, block diagonal: (512, 512)."""
        repeats = [torch.eye(n // len(b), device=b.device) for n, b in zip(self.sizes, self.blocks(), strict=True)]
        return torch.block_diag(*(torch.kron(eye, b) for eye, b in zip(repeats, self.blocks(), strict=True)))

    def project(self, h):
        """h' W without building W: (K, 512) -> (K, 512)."""
        parts = zip(h.split(self.sizes, dim=1), self.blocks(), strict=True)
        return torch.cat([(part.unflatten(1, (-1, len(b))) @ b).flatten(1) for part, b in parts], dim=1)


class MlpHead(AverageHead):
    """The head of the COCOLA that PHALAR was compared with: two layers and a BatchNorm where the paper has one."""

    def __init__(self, width, config):
        super().__init__(width, config)
        d = config.embedding_dim
        self.projection = nn.Sequential(nn.Linear(width, d), nn.BatchNorm1d(d), nn.SiLU(), nn.Linear(d, d))

    def start_from(self, pooled):
        """Nothing to do: BatchNorm sees to it."""


def _fit(x, steps):
    """(B, d, T) -> (B, d, steps): averaged if there are more steps than that, otherwise filled up with zeros."""
    return F.adaptive_avg_pool1d(x, steps) if x.shape[2] > steps else F.pad(x, (0, steps - x.shape[2]))


def _soft_unit(x):
    """Length one where there is something, zero where there is nothing: x / sqrt(|x|^2 + 1)."""
    return x * (x.square().sum(dim=1, keepdim=True) + 1).rsqrt()


POOLINGS |= {
    "mlp": (pooled_backbone, MlpHead),
    "time": (backbone_in_time, TimeHead),
    "musical": (backbone_in_time, MusicalHead),
}
