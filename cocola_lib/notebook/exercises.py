"""Checks of exercises: each says whether what a student wrote is right, and if not, on which example it goes wrong."""

from collections.abc import Callable

import numpy as np
import torch

from cocola_lib.classification.overlap import share_of_rivals
from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.evaluation import hit_probability
from cocola_lib.hearing.curves import EARLIEST_S, HOP_S, ramp
from cocola_lib.loss import contrastive_loss
from cocola_lib.masking import contrastive_step

N_CLIPS = 4  # that an encoder is asked to embed
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


def check_find_turn(find: Callable[[np.ndarray, np.ndarray, float], float], within_s: float = 0.6) -> str:
    """Compare a student's answer to when a wrong part begins with curves of which it is known.

    Args:
        find: takes (n,) starts of the windows in s, (n,) their scores, and the song's length in s; gives seconds.
        within_s: how far from the truth an answer may be.
    Returns:
        One sentence: right, or the first example on which it is not.
    """
    rng, length_s = np.random.default_rng(0), 24.0
    starts_s = np.arange(0, length_s - WINDOW_S + HOP_S / 2, HOP_S)
    for at_s in (8.0, 15.5, EARLIEST_S + 1):
        curve = 12 - 9 * ramp(starts_s, at_s) + 0.3 * rng.standard_normal(len(starts_s))
        found = _number(lambda curve: find(starts_s, curve, length_s), curve)
        if not abs(found - at_s) <= within_s:
            return f"Not yet: where the wrong part begins at {at_s:.1f} s, it says {found:.1f} s."
    return f"Right: it is within {within_s:g} s on every example."


def check_contributions(share: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> str:
    """Compare a student's gradient times input of Eq. 2 with automatic differentiation.

    Args:
        share: takes h1 (D,), W (D, D) and h2 (D,); gives what each number of h1 adds to the similarity, (D,).
    Returns:
        One sentence: right, or the first example on which it is not.
    """
    generator = torch.Generator().manual_seed(0)
    for d in (2, 3, 8):
        h1, h2, w = (torch.randn(*shape, generator=generator) for shape in ((d,), (d,), (d, d)))
        h1.requires_grad_()
        (gradient,) = torch.autograd.grad(h1 @ w @ h2, h1)
        expected, found = (gradient * h1).detach(), torch.as_tensor(share(h1.detach(), w, h2))
        if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
            return (
                f"Not yet: for D = {d} it gives {found.numpy().round(2)}, and the gradient {expected.numpy().round(2)}."
            )
    return RIGHT


def check_encoder(build: Callable[[], torch.nn.Module]) -> str:
    """See whether a student's encoder can take its place among the others: features, embeddings, one step of Eq. 3.

    Args:
        build: gives an untrained model with the interface of a `Cocola`.
    Returns:
        One sentence: right, or what is missing.
    """
    model = build().train()
    clips = 0.1 * torch.randn(N_CLIPS, round(WINDOW_S * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))
    features = model.features(clips)
    h = model.embed(features)
    if h.ndim != 2 or len(h) != N_CLIPS:
        return f"Not yet: {N_CLIPS} clips give embeddings of shape {tuple(h.shape)}; (8, D) is needed."
    loss, _ = contrastive_step(model, features, ["both"] * (N_CLIPS // 2))
    loss.backward()
    idle = [name for name, weights in model.named_parameters() if weights.grad is None]
    if not torch.isfinite(loss) or idle:
        return f"Not yet: the loss is {loss.item():.2f}, and no gradient reaches {', '.join(idle) or 'nothing else'}."
    n_parameters = sum(weights.numel() for weights in model.parameters())
    return f"Right: D = {h.shape[1]}, {n_parameters:,} parameters, first loss {loss.item():.2f}."


def check_same_song(share: Callable[[np.ndarray], float]) -> str:
    """Compare a student's share of the rivals that come from the anchor's own song with the one of `overlap`.

    Args:
        share: takes (n,) the songs of a batch's windows, and gives the share of all rivals, in [0, 1].
    Returns:
        One sentence: right, or the first example on which it is not.
    """
    for songs in (["a", "b", "c"], ["a", "a"], ["a", "a", "b"], ["a"] * 3 + ["b"] * 5, list("abcabcab")):
        known = np.array(songs)
        found, expected = _number(share, known), share_of_rivals(known[:, None] == known)
        if not np.isclose(found, expected):
            return f"Not yet: for the songs {', '.join(songs)} it gives {found:.3f}, and the share is {expected:.3f}."
    return RIGHT


def _number(function: Callable, example) -> float:
    try:
        return float(function(example))
    except Exception as error:  # whatever a student's code may raise
        raise ValueError(f"your function stops on an example of shape {tuple(example.shape)}: {error!r}") from error
