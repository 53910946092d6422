"""Where training starts: from the usual place nearly all embeddings are equal, and the loss sits at log K."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from cocola_lib.encoder import Cocola


@runtime_checkable
class StartsFromData(Protocol):
    """A backbone or head that sets itself up from one batch of its input."""

    def start_from(self, x: Tensor) -> None: ...


@torch.no_grad()
def data_dependent_start(model: Cocola, features: Tensor) -> Cocola:
    """Let one batch set up what can be set up from data, so that embeddings start apart.

    From the usual start all embeddings are nearly equal and the loss sits at log K for hundreds of steps. The paper's
    head starts with mean 0 and deviation 1 in every dimension; the `columns` backbone whitens its input; heads that
    keep time centre and normalise themselves.

    Args:
        model: in place.
        features: (B, C, M, T) dB of one batch, B >= 2.
    Returns:
        The model.
    """
    if isinstance(model.backbone, StartsFromData):
        model.backbone.start_from(model.unit_range(features))
    if isinstance(model.head, StartsFromData):
        was_training = model.training
        model.train()  # the batch's own BatchNorm statistics, those of the first step
        pooled = model.pooled(features)
        model.train(was_training)
        model.head.start_from(pooled)
    return model
