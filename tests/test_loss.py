"""Eq. 3 against its closed form and against a loop written from the paper."""

import math

import pytest
import torch

from cocola_lib.loss import contrastive_loss
from cocola_lib.workshop.families.losses import imitation_loss


def loop(similarities):
    """Eq. 3 as printed: minus the sum over anchors of log(exp(own) / sum of exp(all)), divided by K."""
    total = 0.0
    for i, row in enumerate(similarities.tolist()):
        total -= math.log(math.exp(row[i]) / sum(math.exp(value) for value in row))
    return total / len(similarities)


@pytest.mark.parametrize("k", [1, 2, 7, 32])
def test_loss_is_the_papers_sum(k):
    similarities = torch.randn(k, k, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    assert contrastive_loss(similarities).item() == pytest.approx(loop(similarities), abs=1e-12)


@pytest.mark.parametrize("k", [2, 32])
def test_a_model_that_cannot_tell_costs_log_k(k):
    assert contrastive_loss(torch.full((k, k), 3.7)).item() == pytest.approx(math.log(k), abs=1e-6)


def test_a_certain_model_costs_nothing_and_large_scores_do_not_overflow():
    assert contrastive_loss(1e4 * torch.eye(8)).item() == 0.0
    assert contrastive_loss(1e4 * (1 - torch.eye(8))).isfinite()


def test_rows_are_anchors_not_columns():
    similarities = torch.tensor([[2.0, 0.0], [2.0, 0.0]])  # both anchors prefer the first candidate
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert contrastive_loss(similarities).item() == pytest.approx(expected, abs=1e-6)
    assert contrastive_loss(similarities.T).item() == pytest.approx(math.log(2), abs=1e-6)


def test_adding_a_constant_to_an_anchors_row_changes_nothing():
    similarities = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    shifted = similarities + torch.arange(5.0)[:, None]
    torch.testing.assert_close(contrastive_loss(shifted), contrastive_loss(similarities))


def test_gradient_pulls_the_own_partner_up_and_pushes_the_others_down():
    similarities = torch.zeros(4, 4, requires_grad=True)
    contrastive_loss(similarities).backward()
    torch.testing.assert_close(similarities.grad, (torch.full((4, 4), 0.25) - torch.eye(4)) / 4)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="must be \\(K, K\\)"):
        contrastive_loss(torch.zeros(shape))


def test_both_ways_is_the_mean_over_rows_and_columns():
    similarities = torch.randn(7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (loop(similarities) + loop(similarities.T)) / 2
    assert contrastive_loss(similarities, both_ways=True).item() == pytest.approx(expected, abs=1e-12)
    assert contrastive_loss(similarities, both_ways=True).item() != pytest.approx(loop(similarities), abs=1e-3)


def test_imitation_is_least_where_the_scores_agree_and_passes_over_what_is_no_candidate():
    torch.manual_seed(0)
    targets = torch.randn(5, 5).masked_fill(torch.eye(5).roll(1, 0).bool(), -torch.inf)
    entropy = torch.special.entr(targets.softmax(1)).sum(1).mean().item()
    assert imitation_loss(targets, targets).item() == pytest.approx(entropy, abs=1e-6)
    assert imitation_loss(targets + torch.randn(5, 1), targets).item() == pytest.approx(entropy, abs=1e-5)
    assert imitation_loss(torch.zeros(5, 5).masked_fill(targets.isinf(), -torch.inf), targets).item() == pytest.approx(
        math.log(4), abs=1e-6
    )
