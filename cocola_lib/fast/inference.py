"""The encoder at speed: BatchNorm folded into the convolutions, channels last, bfloat16 where it does no harm."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.fast.memory import keep_freed_memory

CHUNK, DEVICE_CHUNK = 16, 256  # clips at once: activations that fit a processor's cache; a device takes many
TOLERANCE = 0.005  # of the scores' own spread: what bfloat16 may change
PRECISIONS = ("auto", "float32", "bfloat16")


def frozen(model, device="cpu", precision="auto", scale=None):
    """A frozen copy of a model that computes the same embeddings several times faster.

    Args:
        model: `Cocola`; left as it is, later changes of its weights do not reach the copy.
        device: a `torch.device` or its name.
        precision: "float32"; "bfloat16"; "auto": bfloat16 where the hardware has it and eight probe clips' scores
            move by less than 0.5 % of `scale`, else float32.
        scale: spread of the model's scores (a calibration's standard deviation over random pairs); None: the
            probe clips' own.
    Returns:
        A `Cocola`; its `report` says what was chosen and why: device, precision, bfloat16_error (None: not measured).
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    keep_freed_memory()
    device = torch.device(device)
    fast = copy.deepcopy(model).eval().requires_grad_(False)
    _fold_norms(fast.backbone)
    fast = fast.to(device, memory_format=torch.channels_last)
    fast.chunk = CHUNK if device.type == "cpu" else DEVICE_CHUNK
    exact, error = fast.backbone, None
    fast.backbone = InPrecision(exact, "float32")
    if precision == "auto" and has_bfloat16(device):
        error = _error_of_bfloat16(fast, exact, device, scale)
        precision = "bfloat16" if error < TOLERANCE else "float32"
    fast.backbone = InPrecision(exact, "bfloat16" if precision == "bfloat16" else "float32")
    fast.report = {"device": str(device), "precision": fast.backbone.precision, "bfloat16_error": error}
    return fast


class InPrecision(nn.Module):
    """A backbone that computes in channels-last order and a precision of its own; float32 outside."""

    def __init__(self, backbone, precision):
        super().__init__()
        self.precision, self.dtype = precision, getattr(torch, precision)
        self.backbone = backbone if precision == "float32" else copy.deepcopy(backbone).to(self.dtype)

    def forward(self, x):
        """(B, C, M, T) -> what the backbone gives, float32."""
        out = self.backbone(x.contiguous(memory_format=torch.channels_last).to(self.dtype))
        return (out if isinstance(out, torch.Tensor) else out[-1]).float()


def _error_of_bfloat16(fast, exact, device, scale):
    """The largest change of a probe score, as a share of the scores' spread."""
    clips, scores = probe_clips().to(device), []
    for precision in ("float32", "bfloat16"):
        fast.backbone = InPrecision(exact, precision)
        h = fast.embed_modes(clips, ("both",))[0]
        scores.append(fast.similarity(h, h))
    spread = scale or float(scores[0].std())
    return float((scores[1] - scores[0]).abs().max()) / max(spread, 1e-12)


def probe_clips(n=8, seconds=5.0):
    """Clips unlike each other, the same every time: plucked chords of changing pitch over bursts of noise. (n, N)."""
    rng = np.random.default_rng(0)
    n_samples = int(seconds * SAMPLE_RATE)
    clips = np.zeros((n, n_samples), np.float32)
    t = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE  # s
    for clip in clips:
        period = rng.integers(SAMPLE_RATE // 5, SAMPLE_RATE // 2)
        for start in range(int(rng.integers(period)), n_samples - len(t), int(period)):
            for f_hz in rng.uniform(80, 1200, 3):
                clip[start : start + len(t)] += 0.2 * np.sin(2 * np.pi * f_hz * t) * np.exp(-8 * t)
            clip[start : start + len(t)] += 0.1 * rng.standard_normal(len(t)) * np.exp(-40 * t)
    return torch.from_numpy(clips)


def has_bfloat16(device: torch.device) -> bool:
    """Does a device compute in bfloat16? A processor that only imitates it takes some 25 times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _fold_norms(module):
    """Multiply every BatchNorm that follows a convolution into its weights; the activation behind it stays."""
    children = list(module.named_children())
    for (_, first), (name, second) in zip(children, children[1:], strict=False):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and second.track_running_stats:
            fused = fuse_conv_bn_eval(first, second)
            first.weight, first.bias = fused.weight, fused.bias
            rest = [getattr(second, part) for part in ("drop", "act") if hasattr(second, part)]
            setattr(module, name, nn.Sequential(*rest))
    for _, child in module.named_children():
        _fold_norms(child)
