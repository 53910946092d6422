"""From the encoder's output to an embedding, and the form of Eq. 2's W that goes with it."""

import torch
import torch.nn.functional as F
from torch import nn


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
