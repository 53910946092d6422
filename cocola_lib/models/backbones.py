"""Backbones beside the paper's: two small ones of our own, timm models tapped in time, and the released padding."""

import torch
import torch.nn.functional as F
from torch import nn

from cocola_lib.encoder import PADDINGS, timm_model
from cocola_lib.fast.inference import has_bfloat16

COLUMNS, CONFORMER = "columns", "conformer"  # names of our own backbones
STRIDE_8 = 8  # frames per step where heads that keep time tap: 80 ms


def backbone_in_time(config, n_channels):
    """The backbone of a head that keeps time: `columns`, `conformer`, or a timm model tapped at stride 8.

    Args:
        config: ModelConfig; n_channels: C of the features.
    Returns:
        (module, width): (B, C, M, T) -> (B, c, m, T / 8) with c * m = width, or a list that ends with it.
    Raises:
        ValueError: an unknown backbone, or one without features at that stride.
    """
    own = {COLUMNS: Columns, CONFORMER: Conformer}.get(config.backbone)
    if own is None:
        return tap(config, n_channels)
    backbone = own(n_channels)
    return backbone, backbone.width


def mixed_precision(config):
    """Bfloat16 on a CPU where it shortens a step: `columns` take half the time, if the processor has it. Depthwise
    convolutions, as in B0, run backward more slowly in it."""
    shorter = config.backbone == COLUMNS and has_bfloat16(torch.device("cpu"))
    return torch.autocast("cpu", torch.bfloat16, enabled=shorter)


class Columns(nn.Module):
    """One column of the spectrogram after the other: all bands are channels of a convolution over time.

    Three layers, every one halving the time resolution: 10 ms -> 80 ms. It takes a sixth of the time of EfficientNet-B0
    up to the same resolution, and sees all bands at once, so that it learns pitch where B0 is slow to. There are two
    such stacks, and their outputs are added: one sees whitened bands, from which pitch is learnt soon and rhythm late,
    the other, half as wide, the bands as they are, with which it is the other way round.

    Args:
        n_channels: C of the features; n_bands: M.
        width: channels of what comes out.
    """

    def __init__(self, n_channels, n_bands=64, width=384):
        super().__init__()
        self.width, self.n_bands, n = width, n_bands, n_channels * n_bands
        self.register_buffer("whitening", torch.eye(n))  # see `start_from`
        self.layers = _three_layers(n, width, width)
        self.plain = _three_layers(n, width // 2, width)
        nn.init.zeros_(self.plain[-2].weight)  # adds nothing at first

    def forward(self, x):
        """(B, C, M, T) -> (B, width, 1, T / 8)."""
        x = x.flatten(1, 2).unsqueeze(2)  # (B, C M, 1, T)
        return self.layers(F.conv2d(x, self.whitening[:, :, None, None])) + self.plain(x)

    @torch.no_grad()
    def start_from(self, x, floor=3e-3):
        """Let the first layer see bands that are uncorrelated and of one variance, as measured on a batch.

        Neighbouring bands rise and fall together; what tells two pitches apart is small beside it, and a gradient
        finds it late. Channels are whitened apart, so that a silenced one stays constant.

        Args:
            x: (B, C, M, T) of clips of all kinds, in the range that the encoder sees.
            floor: of a variance, as a share of the mean one.
        """
        blocks = []
        for channel in x.unbind(1):
            columns = channel.transpose(1, 2).reshape(-1, self.n_bands).double()  # (B T, M)
            variance, directions = torch.linalg.eigh(columns.T.cov())
            scale = (variance + floor * variance.mean() + 1e-12).rsqrt()
            blocks.append((directions * scale) @ directions.T)
        self.whitening.copy_(torch.block_diag(*blocks))


def _three_layers(n_in, hidden, n_out):
    return nn.Sequential(*_over_time(n_in, hidden, 7), *_over_time(hidden, hidden, 5), *_over_time(hidden, n_out, 5))


def _over_time(n_in, n_out, kernel):
    conv = nn.Conv2d(n_in, n_out, (1, kernel), stride=(1, 2), padding=(0, kernel // 2), bias=False)
    return conv, nn.BatchNorm2d(n_out), nn.GELU()


class Conformer(nn.Module):
    """Attention over time behind strided convolutions (Gulati et al. 2020): every step of 80 ms may ask all others.

    Args:
        n_channels: C of the features; n_bands: M.
        width: channels of what comes out; n_blocks: of attention and convolution.
    """

    def __init__(self, n_channels, n_bands=64, width=144, n_blocks=2):
        super().__init__()
        self.width = width
        self.layers = _three_layers(n_channels * n_bands, width, width)
        self.blocks = nn.ModuleList(ConformerBlock(width) for _ in range(n_blocks))

    def forward(self, x):
        """(B, C, M, T) -> (B, width, 1, T / 8)."""
        x = self.layers(x.flatten(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)  # (B, T / 8, width)
        for block in self.blocks:
            x = block(x)
        return x.transpose(1, 2).unsqueeze(2)


class ConformerBlock(nn.Module):
    """Half a feed-forward layer, attention, a gated depthwise convolution, the other half; each added to its input.

    Args:
        n: channels. heads: of attention; kernel: steps that a convolution hears; dropout: of each part.
    """

    def __init__(self, n, heads=4, kernel=15, dropout=0.1):
        super().__init__()
        self.before, self.after = _feed_forward(n, dropout), _feed_forward(n, dropout)
        self.asked = nn.LayerNorm(n)
        self.attention = nn.MultiheadAttention(n, heads, dropout, batch_first=True)
        self.heard = nn.LayerNorm(n)
        self.convolution = nn.Sequential(
            nn.Conv1d(n, 2 * n, 1), nn.GLU(dim=1), nn.Conv1d(n, n, kernel, padding=kernel // 2, groups=n),
            nn.BatchNorm1d(n), nn.SiLU(), nn.Conv1d(n, n, 1), nn.Dropout(dropout),
        )  # fmt: skip
        self.norm = nn.LayerNorm(n)

    def forward(self, x):
        """(B, T, n) -> the same."""
        x = x + self.before(x) / 2
        asked = self.asked(x)
        x = x + self.attention(asked, asked, asked, need_weights=False)[0]
        x = x + self.convolution(self.heard(x).transpose(1, 2)).transpose(1, 2)
        return self.norm(x + self.after(x) / 2)


def _feed_forward(n, dropout):
    inner = nn.Linear(n, 2 * n), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * n, n)
    return nn.Sequential(nn.LayerNorm(n), *inner, nn.Dropout(dropout))


class StaticPadConv2d(nn.Conv2d):
    """A strided convolution padded as for an input of even size: 0 before, 1 after (kernel 3)."""

    def forward(self, x):
        before, after = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        return self._conv_forward(F.pad(x, (before, after, before, after)), self.weight, self.bias)


def tap(config, n_channels, stride=STRIDE_8):
    """A timm model up to its features at a stride; later stages are not built: (backbone, width).

    Raises:
        ValueError: it has no features at that stride.
    """
    whole = timm_model(config.backbone, in_chans=n_channels, features_only=True)
    reductions = whole.feature_info.reduction()
    if stride not in reductions:
        raise ValueError(f"backbone {config.backbone!r} has no stride-{stride} features (strides {reductions})")
    index = reductions.index(stride)
    backbone = timm_model(config.backbone, in_chans=n_channels, features_only=True, out_indices=(index,))
    if hasattr(backbone, "blocks"):  # EfficientNets, MobileNets: timm builds every stage
        backbone.blocks = backbone.blocks[: backbone.feature_info.get_dicts()[0]["stage"]]
    with torch.no_grad():
        shape = backbone.eval()(torch.zeros(1, n_channels, 64, 64))[-1].shape
    backbone.train()
    return backbone, shape[1] * shape[2]  # channels x bands


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


PADDINGS["static224"] = _pad_like_224
