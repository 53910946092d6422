"""Channel masking, and one contrastive step (Sec. III-A and III-B): masks -> embeddings -> Eq. 2 -> Eq. 3.

In training each pair is heard as a whole, as harmony only or as rhythm only, the same in both members. Everything that
trains here takes the same step: notebook 02's loop, `cocola train`, the small runs and the workshop.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cocola_lib.encoder import Cocola
from cocola_lib.features import MODES, mask_channels
from cocola_lib.loss import contrastive_loss

Masking = Literal["group", "batch", "pair", "none"]
MASKS = 2  # keeps the draw of masks apart from a sampler's draw (0) and noise (1)


def draw_modes(masking: str, k: int, seed: int, step: int) -> list[str]:
    """The channel masks of a step, one mode per pair; a function of (seed, step).

    Args:
        masking: "pair", the paper's: one per pair (an encoder can find its partner by the mask: accuracy sticks at
            3/K). "group": a third of the pairs each, and anchors meet only candidates with their own mask. "batch":
            one for all pairs (batch normalisation then learns whatever mask came last). "none": both channels.
        k: K.
    """
    rng = np.random.default_rng([seed, step, MASKS])
    if masking == "none":
        return ["both"] * k
    if masking == "batch":
        return [MODES[rng.integers(3)]] * k
    if masking == "group":
        return [MODES[i] for i in np.sort(np.arange(k) % 3)]
    return [MODES[i] for i in rng.integers(3, size=k)]


def mask_pairs(features: Tensor, modes: list[str]) -> Tensor:
    """Silence channels of a batch of anchors, then positives: (2K, C, M, T), one mode per pair; K more for a third."""
    if len(set(modes)) == 1:
        return mask_channels(features, modes[0])
    sides = len(features) // len(modes)
    return torch.cat([mask_channels(f[None], m) for f, m in zip(features, modes * sides, strict=True)])


def other_masks(modes: list[str]) -> Tensor:
    """Pairs whose members have different masks, (K, K) bool: they would be ruled out without listening."""
    mask = torch.tensor([MODES.index(mode) for mode in modes])
    return mask[:, None] != mask[None, :]


def contrastive_step(
    model: Cocola, features: Tensor, modes: list[str], excluded: Tensor | None = None, both_ways: bool = False
) -> tuple[Tensor, Tensor]:
    """One step of contrastive learning, up to the loss.

    Args:
        model: what learns.
        features: (2K, C, M, T) dB: K anchors, then their K positives.
        modes: K channel masks, as `draw_modes` gives them.
        excluded, both_ways: see `loss_of_pairs`.
    Returns:
        (loss, similarities): a scalar in nats; (K, K), true pairs on the diagonal.
    """
    h1, h2 = model.embed(mask_pairs(features, modes)).float().chunk(2)  # (K, D) each
    return loss_of_pairs(model, h1, h2, excluded, both_ways)


def loss_of_pairs(
    model: Cocola,
    h1: Tensor,
    h2: Tensor,
    excluded: Tensor | None = None,
    both_ways: bool = False,
    margin: Tensor | float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The second half of `contrastive_step`, from (K, D) embeddings: those of one device, or gathered from several.

    Args:
        excluded: (K, K) bool, pairs that are no candidates, such as `other_masks`; None: all are.
        both_ways: see `contrastive_loss`.
        margin: by how much more some pairs must be beaten, (K, K).
    """
    with torch.autocast(h1.device.type, enabled=False):
        similarities = model.similarity(h1, h2)  # (K, K)
    if excluded is not None:
        similarities = similarities.masked_fill(excluded.to(h1.device), -torch.inf)
    return contrastive_loss(similarities + margin, both_ways), similarities
