"""The smallest encoder that keeps time: levels of the bands, averaged over 80 ms, and a narrow head.

It learns in seconds what takes a deep backbone minutes, and stops learning where that one begins: made for experiments
of many trainings, of which the answer is a difference (notebook 08), not for scores to rely on.
"""

from functools import partial

from torch import nn

from cocola_lib.encoder import POOLINGS
from cocola_lib.models.backbones import STRIDE_8
from cocola_lib.models.heads import TimeHead

BANDS = "bands"  # ModelConfig.pooling
HIDDEN = 64  # channels of the head's convolutions


class Bands(nn.Module):
    """No backbone: the level of each band in steps of 80 ms."""

    def forward(self, x):
        """(B, C, M, T) -> (B, C, M, T / 8)."""
        steps = x.shape[-1] // STRIDE_8
        return x[..., : steps * STRIDE_8].unflatten(-1, (steps, STRIDE_8)).mean(dim=-1)


def levels(config, n_channels, n_bands=64):
    """(module, width) of `Bands`."""
    return Bands(), n_channels * n_bands


POOLINGS |= {BANDS: (levels, partial(TimeHead, hidden=HIDDEN))}
