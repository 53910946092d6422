"""The training step: masks are drawn as said, and cannot give a partner away."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from songs import SHORT, SMALL
from tiny import clip

from cocola_lib.encoder import Cocola
from cocola_lib.loss import contrastive_loss
from cocola_lib.masking import draw_modes, other_masks
from cocola_lib.training.module import ContrastiveModule


def draws(masking, k=6, steps=60):
    return [draw_modes(masking, k, 0, step) for step in range(steps)]


def module_at_step_0(settings=SHORT, config=SMALL):
    module = ContrastiveModule(Cocola(config).eval(), settings, [])
    module.log_dict = lambda *args, **kwargs: None
    return module


def clips(k, seed=0):
    return torch.from_numpy(np.stack([clip(seed=seed + i) for i in range(k)]))


def test_a_batch_shares_one_mask_so_that_the_mask_cannot_give_the_partner_away():
    modes = draws("batch")
    assert all(len(set(step)) == 1 for step in modes)
    assert {step[0] for step in modes} == {"both", "harmonic", "percussive"}


def test_masks_per_pair_differ_within_a_batch():
    assert any(len(set(step)) > 1 for step in draws("pair"))


def test_groups_are_thirds_of_the_batch():
    assert Counter(draws("group", k=48)[0]) == {"both": 16, "harmonic": 16, "percussive": 16}


def test_masks_are_a_function_of_seed_and_step():
    assert draws("pair") == draws("pair")
    assert draw_modes("pair", 32, 0, 1) != draw_modes("pair", 32, 1, 1)


def test_members_of_a_pair_carry_the_same_mask():
    module = module_at_step_0()
    x = clips(2)
    h1, h2 = module.embed_pairs(x, x, ["harmonic", "percussive"])
    torch.testing.assert_close(h1, h2)
    assert not torch.allclose(h1, module.embed_pairs(x, x, ["percussive", "harmonic"])[0])


def test_the_grouped_loss_is_the_mean_over_three_batches_that_never_meet():
    module = module_at_step_0()
    a, b = clips(6), clips(6, seed=10)
    loss = module.training_step((a, b), 0)
    h1, h2 = module.embed_pairs(a, b, ["both"] * 2 + ["harmonic"] * 2 + ["percussive"] * 2)
    alone = [contrastive_loss(module.model.similarity(h1[i : i + 2], h2[i : i + 2])) for i in (0, 2, 4)]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_groups_do_not_meet_in_columns_either():
    modes = draw_modes("group", 6, 0, 0)
    drawn = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    parted = drawn.masked_fill(other_masks(modes), -torch.inf)
    alone = [contrastive_loss(parted[i : i + 2, i : i + 2], both_ways=True) for i in (0, 2, 4)]
    torch.testing.assert_close(contrastive_loss(parted, both_ways=True), torch.stack(alone).mean())


def test_one_channel_has_nothing_to_mask():
    assert module_at_step_0(replace(SHORT, k=2), replace(SMALL, features="mel")).masking == "none"


def test_three_groups_need_six_windows():
    with pytest.raises(ValueError, match="K is 5; masking in three groups needs K >= 6"):
        module_at_step_0(replace(SHORT, k=5))


def test_dropout_is_a_function_of_seed_and_step():
    module = ContrastiveModule(Cocola(replace(SMALL, dropout=0.5)), SHORT, [])
    module.log_dict = lambda *args, **kwargs: None
    batch = clips(6), clips(6, seed=10)

    def loss():
        module.on_train_batch_start(batch, 0)
        return module.training_step(batch, 0).item()

    first = loss()
    torch.rand(7)  # somebody else draws
    assert loss() == first
