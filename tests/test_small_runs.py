"""Small runs differ in what they are said to differ in, and are judged alike."""

import pytest
import torch
from songs import write_songs

from cocola_lib.training import small_runs
from cocola_lib.training.small_runs import Pool, Variant, one_at_a_time


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    tracks = write_songs(tmp_path_factory.mktemp("songs"), n=8, seconds=12.0)
    return Pool(tracks[:6], 6, 2), Pool(tracks[6:], 6, 1, seed=1, noise_sigma=0.0)


def test_a_variant_changes_one_thing():
    base = Variant()
    variants = one_at_a_time(base, k=[6, 24], masking=["group", "pair"])
    assert [name for name, _ in variants] == ["K", "K", "masks", "masks"]
    for _, variant in variants:
        assert sum(getattr(variant, f) != getattr(base, f) for f in ("k", "max_overlap", "initial_w", "masking")) <= 1


def test_a_batch_has_anchors_first_and_their_partners_in_the_same_order(pools):
    train, _ = pools
    batch = next(train.batches(4))
    assert torch.equal(batch[:4], train.features[:4, 0])
    assert torch.equal(batch[4:], train.features[:4, 1])


def test_a_pool_that_is_smaller_than_k_still_trains(pools):
    _, valid = pools
    curve, _ = small_runs.run(Variant(k=24, masking="pair"), valid, valid, 48)
    assert len(curve) == 2


def test_a_run_is_a_function_of_its_seed(pools):
    train, valid = pools
    (a, s), (b, t) = (small_runs.run(Variant(k=6), train, valid, 12) for _ in range(2))
    assert a["loss"].tolist() == b["loss"].tolist()
    assert (s == t).all()
    assert s.shape == (len(valid.groups),) * 2


def test_all_hear_the_same_number_of_pairs_and_are_judged_alike(pools):
    train, valid = pools
    variants = one_at_a_time(Variant(k=6), k=[3, 6], masking=["none"])
    variants = [(name, Variant(k=v.k, masking="none")) for name, v in variants]
    table = small_runs.side_by_side(variants, {0.5: train}, valid, 12, k=2)
    assert table["steps"].tolist() == [4, 2, 2]
    assert set(table["chance"]) == {0.5}
    assert table["low"].le(table["accuracy"]).all()
    assert table["high"].ge(table["accuracy"]).all()
    assert table.iloc[1, 2:].equals(table.iloc[2, 2:])  # the base was run once
