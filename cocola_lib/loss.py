"""The contrastive loss (Eq. 3): each anchor must find its own partner among K."""

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(similarities: Tensor, both_ways: bool = False) -> Tensor:
    """Cross entropy of each anchor against the K candidates of its row (Eq. 3, divided by K).

    Args:
        similarities: (K, K); row i holds sim(anchor i, positive j), the true pair on the diagonal.
        both_ways: True: the mean of this and of its mirror, in which each positive must find its anchor.
    Returns:
        A scalar in nats: log K when the model cannot tell, 0 when every anchor is certain of its partner.
    Raises:
        ValueError: when the matrix is not square or empty.
    """
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1] or similarities.shape[0] == 0:
        raise ValueError(f"similarities must be (K, K) with K > 0, found shape {tuple(similarities.shape)}")
    own = torch.arange(similarities.shape[0], device=similarities.device)
    loss = F.cross_entropy(similarities, own)
    return (loss + F.cross_entropy(similarities.T, own)) / 2 if both_ways else loss
