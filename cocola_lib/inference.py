"""The encoder at speed: BatchNorm folded into the convolutions, channels last, bfloat16 where it does no harm."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cocola_lib.features import SAMPLE_RATE
from cocola_lib.memory import keep_freed_memory

CHUNK = 16  # clips whose activations fit a processor's cache; devices take the batch whole
TOLERANCE = 0.005  # of the scores' own spread: what bfloat16 may change
PRECISIONS = ("auto", "float32", "bfloat16")


class Inference:
    """A frozen copy of a model's encoder that computes the same embeddings several times faster.

    Args:
        model: `Cocola`; left as it is, later changes of its weights do not reach the copy.
        device: a `torch.device` or its name.
        precision: "float32"; "bfloat16"; "auto": bfloat16 where the hardware has it and eight probe clips' scores
            move by less than 0.5 % of `scale`, else float32.
        scale: spread of the model's scores (a calibration's standard deviation over random pairs); None: the
            probe clips' own.
    """

    def __init__(self, model, device="cpu", precision="auto", scale=None):
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
        keep_freed_memory()
        self.device = torch.device(device)
        self.exact = copy.deepcopy(model).eval().requires_grad_(False)
        _fold_norms(self.exact.backbone)
        self.exact = self.exact.to(self.device, memory_format=torch.channels_last)
        self.error = None  # largest change of a probe score by bfloat16, as a share of the scale; None: not measured
        self.backbone = self.exact.backbone
        if precision == "auto":
            precision = self._choose(scale) if _has_bfloat16(self.device) else "float32"
        self._use(precision)

    @torch.inference_mode()
    def embed(self, features, mode="both"):
        """Features -> embeddings, as `Cocola.embed`: (B, C, M, T) dB -> (B, D) float32."""
        size = CHUNK if self.device.type == "cpu" else 256
        return torch.cat([self._embed(part.to(self.device), mode) for part in features.split(size)])

    def __call__(self, waveforms, mode="both"):
        """Waveforms -> embeddings, as `Cocola.forward`: (B, N) -> (B, D) float32."""
        return self.embed(self.exact.features(waveforms.to(self.device)), mode)

    def report(self):
        """What was chosen and why, for a run's record."""
        return {"device": str(self.device), "precision": self.precision, "bfloat16_error": self.error}

    def _embed(self, features, mode):
        unit = self.exact.unit_range(features, mode).contiguous(memory_format=torch.channels_last)
        out = self.backbone(unit.to(self.dtype))
        return self.exact.head((out if isinstance(out, torch.Tensor) else out[-1]).float())

    def _use(self, precision):
        self.precision, self.dtype = precision, getattr(torch, precision)
        self.backbone = self.exact.backbone
        if precision == "bfloat16":
            self.backbone = copy.deepcopy(self.backbone).to(self.dtype)

    def _choose(self, scale):
        features = self.exact.features(probe_clips().to(self.device))
        scores = []
        for precision in ("float32", "bfloat16"):
            self._use(precision)
            h = self.embed(features)
            scores.append(self.exact.similarity(h, h).detach())
        spread = scale or float(scores[0].std())
        self.error = float((scores[1] - scores[0]).abs().max()) / max(spread, 1e-12)
        return "bfloat16" if self.error < TOLERANCE else "float32"


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


def _has_bfloat16(device):
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
