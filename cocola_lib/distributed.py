"""Several devices: one contrastive batch of K windows, shared out by rank.

Rank r embeds the windows r, r + world_size, ... and meets all K: the embeddings are gathered with their gradients, so
that loss and gradients are those of one process with the whole batch.

Batch normalisation: on GPUs its statistics are those of the whole batch (`share_batch_norm`). PyTorch has no such
layer for CPUs; there each process normalises its own share, and the running averages are rank 0's.
"""

import torch
import torch.distributed as dist
from torch.distributed.nn.functional import all_gather


def place() -> tuple[int, int]:
    """(rank, world_size); (0, 1) without a process group."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def gather(h):
    """The embeddings of all ranks in the order of the batch: (K / world_size, D) -> (K, D).

    Gradients flow back to the rank that made each row, summed over ranks. Every rank has the same loss, and DDP
    averages what they compute, so the result is the gradient of that one loss.
    """
    _, world_size = place()
    if world_size == 1:
        return h
    return _interleave(all_gather(h.contiguous()))


def _interleave(shares):
    """Undo `windows[rank::world_size]`: a list of (K / world_size, D) -> (K, D)."""
    return torch.stack(shares, dim=1).flatten(0, 1)  # (K / world_size, world_size, D) -> (K, D)


def share_batch_norm(model):
    """Let batch normalisation use the statistics of all ranks (GPUs); weights keep their names.

    timm's conversion: PyTorch's own would drop the activations that timm's layers hold.
    """
    from timm.layers import convert_sync_batchnorm

    return convert_sync_batchnorm(model)


def rank_0_buffers(model):
    """Give every rank the running averages of rank 0, so that all of them validate the same model."""
    if place()[1] > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
