"""Small runs hear batches as they were drawn, and are functions of their seed."""

import pytest
import torch
from songs import write_songs

from cocola_lib.encoder import ModelConfig
from cocola_lib.training import small_runs
from cocola_lib.training.small_runs import Pool

SMALL = ModelConfig(backbone=small_runs.BACKBONE, pooling="time")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    tracks = write_songs(tmp_path_factory.mktemp("songs"), n=8, seconds=12.0)
    return Pool(tracks, 6, 2)


def test_a_batch_has_anchors_first_and_their_partners_in_the_same_order(pool):
    batch = next(pool.batches(4))
    assert torch.equal(batch[:4], pool.features[:4, 0])
    assert torch.equal(batch[4:], pool.features[:4, 1])


def test_a_pool_that_is_smaller_than_k_still_trains(pool):
    torch.manual_seed(0)
    before = small_runs.Cocola(SMALL).head.projection.weight
    model = small_runs.fit(SMALL, "pair", 24, pool, 48)
    assert not torch.equal(model.head.projection.weight, before)


def test_a_run_is_a_function_of_its_seed(pool):
    a, b, other = (small_runs.fit(SMALL, "group", 6, pool, 12, seed).head.projection.weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, other)
