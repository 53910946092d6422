"""Checks of exercises: each says whether what a student wrote is right, and if not, on which example it goes wrong."""

from collections.abc import Callable

import numpy as np
import torch

from cocola_lib.evaluation import hit_probability
from cocola_lib.loss import contrastive_loss

RIGHT = "Right: it agrees with the library on every example."


def check_eq_3(loss: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """Compare a student's Eq. 3 with `loss.contrastive_loss`.

    Args:
        loss: takes (K, K) similarities, rows = anchors, and gives a scalar in nats: the mean over the anchors.
    Returns:
        One sentence: right, or the first example on which it is not.
    """
    generator = torch.Generator().manual_seed(0)
    examples = [torch.zeros(4, 4), 5 * torch.eye(3), *(3 * torch.randn(k, k, generator=generator) for k in (2, 8))]
    examples.append(1000 * torch.eye(2))  # exp(1000) is infinite: a sum of exponentials needs logsumexp
    for s in examples:
        found, expected = _number(loss, s), float(contrastive_loss(s))
        if not np.isclose(found, expected, rtol=1e-4, atol=1e-5):
            return f"Not yet: for\n{s.numpy().round(2)}\nit gives {found:.4f}, and Eq. 3 gives {expected:.4f}."
    return RIGHT


def check_eq_4(accuracy: Callable[[np.ndarray], float]) -> str:
    """Compare a student's Eq. 4 with `evaluation.hit_probability` at K = n.

    Args:
        accuracy: takes (K, K) similarities, rows = anchors, and gives the share of anchors that find their positive.
    Returns:
        One sentence: right, or the first example on which it is not.
    """
    rng = np.random.default_rng(0)
    examples = [np.eye(3), 1 - np.eye(3), np.ones((2, 2)), *(rng.normal(size=(k, k)) + np.eye(k) for k in (2, 5, 9))]
    for s in examples:
        found, expected = _number(accuracy, s), float(hit_probability(s, len(s)).mean())
        if not np.isclose(found, expected):
            hint = " (a tie is a miss)" if np.allclose(s, s[0, 0]) else ""
            return f"Not yet: for\n{s.round(2)}\nit gives {found:.3f}, and Eq. 4 gives {expected:.3f}{hint}."
    return RIGHT


def _number(function: Callable, example) -> float:
    try:
        return float(function(example))
    except Exception as error:  # whatever a student's code may raise
        raise ValueError(f"your function stops on an example of shape {tuple(example.shape)}: {error!r}") from error
