"""The checks of exercises accept what is right and name what is not."""

import numpy as np
import torch
from tiny import tiny_model

from cocola_lib.hearing.curves import find_turn
from cocola_lib.loss import contrastive_loss
from cocola_lib.notebook.exercises import (
    RIGHT,
    check_contributions,
    check_encoder,
    check_eq_3,
    check_eq_4,
    check_find_turn,
)
from cocola_lib.notebook.sources import show_source


def test_eq_3_written_by_hand_is_right():
    assert check_eq_3(lambda s: (s.logsumexp(dim=1) - s.diag()).mean()) == RIGHT


def test_eq_3_over_columns_or_without_logsumexp_is_not():
    assert "Not yet" in check_eq_3(lambda s: (s.logsumexp(dim=0) - s.diag()).mean())
    assert "Not yet" in check_eq_3(lambda s: (s.exp().sum(dim=1).log() - s.diag()).mean())


def test_eq_4_as_a_loop_is_right_and_one_that_counts_ties_is_not():
    def strict(s):
        return np.mean([all(row[i] > other for j, other in enumerate(row) if j != i) for i, row in enumerate(s)])

    assert check_eq_4(strict) == RIGHT
    assert "a tie is a miss" in check_eq_4(lambda s: np.mean(s.argmax(axis=1) == np.arange(len(s))) if s[0, 1] != 1 or
                                           s[0, 0] != 1 else 1.0)  # fmt: skip


def test_shown_source_names_the_file_and_escapes_code():
    shown = show_source(contrastive_loss).data
    assert "cocola_lib/loss.py, line" in shown and "cross_entropy" in shown
    assert torch.nn.functional.cross_entropy.__name__ in shown


def test_a_turn_that_is_fitted_is_right_and_one_in_the_middle_is_not():
    assert check_find_turn(find_turn).startswith("Right")
    assert "Not yet" in check_find_turn(lambda starts_s, curve, length_s: length_s / 2)


def test_contributions_are_those_of_the_gradient():
    assert check_contributions(lambda h1, w, h2: h1 * (w @ h2)) == RIGHT
    assert "Not yet" in check_contributions(lambda h1, w, h2: h1 * (h2 @ w))


def test_an_encoder_that_embeds_and_learns_is_right_and_one_with_idle_weights_is_not():
    assert check_encoder(tiny_model).startswith("Right")

    def idle():
        model = tiny_model()
        model.unused = torch.nn.Linear(2, 2)
        return model

    assert "no gradient reaches unused.weight" in check_encoder(idle)
