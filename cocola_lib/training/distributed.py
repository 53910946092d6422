"""Several devices: one contrastive batch of K windows, shared out by rank.

Rank r embeds the windows r, r + world_size, ... and meets all K: the embeddings are gathered with their gradients, so
that loss and gradients are those of one process with the whole batch.

Batch normalisation is part of that: its statistics are those of the whole batch, on GPUs and on CPUs
(`share_batch_norm`). Only dropout is drawn by each rank for its own windows.
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn


def place() -> tuple[int, int]:
    """(rank, world_size); (0, 1) without a process group."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


class _Shares(torch.autograd.Function):
    """The same tensor of every rank: (...) -> (ranks, ...). The gradient of each goes back to its rank, summed."""

    @staticmethod
    def forward(ctx, own):
        shares = [torch.empty_like(own) for _ in range(place()[1])]
        dist.all_gather(shares, own)
        return torch.stack(shares)

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[place()[0]]


def _shares(own):
    """(...) -> (ranks, ...)."""
    return _Shares.apply(own.contiguous()) if place()[1] > 1 else own[None]


def gather(h):
    """The embeddings of all ranks in the order of the batch: (K / world_size, D) -> (K, D).

    Gradients flow back to the rank that made each row, summed over ranks. Every rank has the same loss, and DDP
    averages what they compute, so the result is the gradient of that one loss.
    """
    return _interleave(_shares(h))


def _interleave(shares):
    """Undo `windows[rank::world_size]`: (world_size, K / world_size, D) -> (K, D)."""
    return shares.transpose(0, 1).flatten(0, 1)


class SharedBatchNorm(nn.Module):
    """Batch normalisation by the mean and variance over the windows of all ranks, equally many on each.

    PyTorch's own (`SyncBatchNorm`) does not run on CPUs and would drop the activations that timm's layers hold.

    Args:
        alone: the layer that it replaces; shares its weights and keeps their names.
    """

    def __init__(self, alone: nn.modules.batchnorm._BatchNorm):
        super().__init__()
        self.eps, self.momentum = alone.eps, alone.momentum
        self.weight, self.bias = alone.weight, alone.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(alone, name))
        self.drop, self.act = (getattr(alone, name, nn.Identity()) for name in ("drop", "act"))

    def forward(self, x):
        """(B / world_size, channels, ...), normalised over all but the channels of the whole batch."""
        if self.training:
            x = self._normalise(x)
        else:
            x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return self.act(self.drop(x))

    def _normalise(self, x):
        var, mean = torch.var_mean(x.float(), dim=[0, *range(2, x.ndim)], correction=0)  # (channels,)
        means, variances = _shares(torch.stack([mean, var])).unbind(1)  # (ranks, channels)
        mean, var = means.mean(dim=0), variances.mean(dim=0) + means.var(dim=0, correction=0)
        with torch.no_grad():
            n = len(means) * x.numel() // x.shape[1]  # values per channel
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * n / (n - 1), self.momentum)
            self.num_batches_tracked += 1
        per_channel = (-1, *[1] * (x.ndim - 2))
        scale = (self.weight * (var + self.eps).rsqrt()).view(per_channel)
        return ((x - mean.view(per_channel)) * scale + self.bias.view(per_channel)).to(x.dtype)


def share_batch_norm(module):
    """Replace every batch normalisation in a module, in place, by one over all ranks; returns the module."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, SharedBatchNorm(child))
        else:
            share_batch_norm(child)
    return module
