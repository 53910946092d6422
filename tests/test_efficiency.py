"""Ideas are compared on equal terms: the same clock, the same pairs, and one thing changed."""

import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from songs import SMALL, write_bands, write_songs

from cocola_lib import masking
from cocola_lib.data import miniatures
from cocola_lib.encoder import ModelConfig
from cocola_lib.loss import contrastive_loss
from cocola_lib.models import backbones
from cocola_lib.sampling import PairSpec
from cocola_lib.scoring import Scorer
from cocola_lib.training.small_runs import InThree, Pool
from cocola_lib.workshop import efficiency
from cocola_lib.workshop.efficiency import Idea


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return Pool(write_songs(tmp_path_factory.mktemp("songs"), n=6, seconds=12.0), 6, 2)


def test_names_tell_ideas_apart_and_the_papers_model_is_among_them():
    found = efficiency.ideas()
    assert len({idea.name for idea in found}) == len(found)
    assert not found[0].measured_start and found[0].config.pooling == "average"
    assert found[0].config.initial_w == "normal"


def test_an_idea_is_taught_until_its_time_is_over(pool, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(efficiency.time, "monotonic", lambda: float(next(ticks)))  # a second per step
    both_ways = []
    monkeypatch.setattr(
        masking, "contrastive_loss", lambda s, both: both_ways.append(both) or contrastive_loss(s, both)
    )
    model, steps = efficiency.teach(Idea("small", SMALL, k=6, both_ways=True), pool, 5 / 60)
    assert steps == 5 and both_ways == [True] * 5 and not model.training


def test_the_average_is_asked_not_what_it_follows(pool):
    plain, _ = efficiency.teach(Idea("small", SMALL, k=6), pool, 1e-6)
    average, _ = efficiency.teach(Idea("small", SMALL, k=6, average=True), pool, 1e-6)
    assert not torch.equal(plain.head.projection.weight, average.head.projection.weight)


def test_half_the_time_resolution_still_fits_the_head(pool):
    _, steps = efficiency.teach(Idea("small", SMALL, k=6, halved=1.0), pool, 1e-6)
    assert steps == 1


def test_chorales_come_first_if_asked(pool, monkeypatch):
    monkeypatch.setattr(pool, "datasets", np.array([efficiency.EASY] * 4 + ["band"] * 2))
    sizes = []
    monkeypatch.setattr(masking, "contrastive_loss", lambda s, both: sizes.append(len(s)) or contrastive_loss(s))
    ticks = itertools.count()
    monkeypatch.setattr(efficiency.time, "monotonic", lambda: float(next(ticks)))
    efficiency.teach(Idea("small", SMALL, k=6, easy=0.5), pool, 5 / 60)
    assert sizes == [4, 4, 6, 6, 6]


def test_half_of_the_time_goes_to_the_teacher(pool, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(efficiency.time, "monotonic", lambda: float(next(ticks)))
    _, alone = efficiency.teach(Idea("small", SMALL, k=6), pool, 8 / 60)
    model, steps = efficiency.teach(Idea("small", SMALL, k=6, teacher=SMALL), pool, 8 / 60)
    assert (alone, steps) == (8, 4)
    assert all(p.isfinite().all() for p in model.parameters())  # pairs of other masks do not spoil the targets


def test_a_head_that_keeps_time_may_read_later_features(pool):
    for stride in (16, 32):
        model, _ = efficiency.teach(Idea("small", SMALL, k=6, stride=stride), pool, 1e-6)
        assert model.pooled(pool.features[0]).shape[-1] == -(-pool.features.shape[-1] // stride)


def test_three_sub_mixes_of_a_window_share_no_stem_and_every_two_are_positives(tmp_path, monkeypatch):
    three = InThree(write_bands(tmp_path, n=6), 6, 4)
    assert three.features.shape[1:3] == (3, 2) and len(three.features) == len(three.groups) > 0
    spec = PairSpec("x", 0.0, ("a",), ("b", "c", "d"))
    assert three.takes(spec) and not three.takes(PairSpec("x", 0.0, ("a",), ("b",)))

    class Sampler:
        window_s = 5.0
        by_id = {"x": SimpleNamespace(read=lambda names, start_s, length_s: names)}

    assert three.clips(Sampler, spec) == (("a",), ("b",), ("c", "d"))
    calls = []
    monkeypatch.setattr(masking, "contrastive_loss", lambda s, both: calls.append(0) or contrastive_loss(s))
    efficiency.teach(Idea("small", SMALL, k=6, sub_mixes=3), three, 1e-6)
    assert len(calls) == 3


def test_the_first_target_is_what_the_control_says():
    rng = np.random.default_rng(0)
    sides = [[rng.standard_normal(80_000).astype(np.float32) * (np.arange(80_000) % n < 900) for n in periods]
             for periods in ((8_000, 5_000, 12_000), (8_000, 5_100, 11_000))]  # fmt: skip
    described = torch.tensor(np.array([[efficiency.describe(clip) for clip in side] for side in sides])).transpose(0, 1)
    found = Scorer("control").matrices(*sides, ("harmonic", "percussive"))
    for mode, matrix in found.items():
        np.testing.assert_allclose(efficiency._control(described, [mode] * 3, scale=1.0), matrix, atol=1e-5)
    both = efficiency._control(described, ["both"] * 3, scale=1.0)
    np.testing.assert_allclose(both, sum(found.values()), atol=1e-5)


def test_a_warm_start_hears_the_control_first_and_eq_3_then(tmp_path, monkeypatch):
    pool = Pool(write_songs(tmp_path, n=6, seconds=12.0), 6, 2, describe=efficiency.describe)
    ticks, targets = itertools.count(), []
    monkeypatch.setattr(efficiency.time, "monotonic", lambda: float(next(ticks)))
    imitation = efficiency.imitation_loss
    monkeypatch.setattr(efficiency, "imitation_loss", lambda s, t: targets.append(t) or imitation(s, t))
    _, steps = efficiency.teach(Idea("small", SMALL, k=6, warm=0.5), pool, 8 / 60)
    assert steps == 8 and len(targets) in (3, 4)


def test_the_table_has_a_row_for_each_idea_test_set_and_k_and_says_what_made_it(tmp_path, monkeypatch):
    songs = write_songs(tmp_path / "songs", n=6, seconds=12.0)
    splits = ["train"] * 4 + ["test"] * 2
    found = [dataclasses.replace(song, split=split) for song, split in zip(songs, splits, strict=True)]
    everywhere = [dataclasses.replace(track, dataset=name) for name in miniatures.MODULES for track in found]
    monkeypatch.setattr(miniatures, "open_tracks", lambda data_root, size: everywhere)
    two = [Idea("a", SMALL, k=6), Idea("b", dataclasses.replace(SMALL, time_steps=8), k=6)]
    monkeypatch.setattr(efficiency, "ideas", lambda: two)
    for name, value in (("POOL_BATCHES", 1), ("POOL_K", 6), ("TEST_K", 4)):
        monkeypatch.setattr(efficiency, name, value)
    efficiency.main(1e-6, tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table["variant"]) == ["a", "a", "b", "b"] and set(table["k"]) == {2}
    assert table["accuracy"].between(0, 1).all() and (table["steps"] == 1).all()
    origins = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert origins.keys() == {"a", "b"} and all("git_commit" in origin for origin in origins.values())
    efficiency.main(2e-6, tmp_path / "table.csv", only=["b"])
    again = pd.read_csv(tmp_path / "table.csv")
    assert list(again["variant"]) == list(table["variant"]) and list(again["minutes"]) == [1e-6] * 2 + [2e-6] * 2
    with pytest.raises(typer.BadParameter, match="no idea has c or d in its name; there are: a; b"):
        efficiency.main(1e-6, tmp_path / "table.csv", only=["c", "d"])


@pytest.mark.parametrize("has", [True, False])
def test_only_a_processor_with_bfloat16_trains_in_it(has, monkeypatch):
    monkeypatch.setattr(backbones, "has_bfloat16", lambda device: has)
    for name, expected in ((backbones.COLUMNS, has), ("efficientnet_b0", False)):
        with backbones.mixed_precision(ModelConfig(backbone=name, pooling="time")):
            assert torch.is_autocast_enabled("cpu") == expected
