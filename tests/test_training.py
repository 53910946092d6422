"""Training on the tiny miniature: what a run leaves, what it refuses, and that the masks are drawn as said."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import clip

from cocola_lib import audio, checkpoints, training
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.loss import contrastive_loss
from cocola_lib.profiles import PROFILES, get_profile
from cocola_lib.scoring import Scorer
from cocola_lib.tracks import load_tracks

SMALL = ModelConfig(backbone="mobilenetv3_small_050", pooling="time", embedding_dim=64, time_steps=16)
SHORT = training.TrainSettings(k=6, n_steps=4, valid_every=2, n_valid_pairs=8)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Twenty songs of two stems, 20 s each: two of them for validation, two for the test."""
    root = tmp_path_factory.mktemp("songs")
    for song in range(20):
        (root / f"song{song}").mkdir()
        for stem in range(2):
            audio.write(root / f"song{song}" / f"stem{stem}.wav", clip(20.0, seed=10 * song + stem))
    return load_tracks(root)


@pytest.fixture(scope="module")
def result(tracks, tmp_path_factory):
    return training.train(SMALL, SHORT, tracks, tmp_path_factory.mktemp("run"), progress=False)


def test_a_run_leaves_a_checkpoint_that_loads_and_says_where_it_comes_from(result):
    model, config = checkpoints.load(result.checkpoint)
    assert model.config == SMALL
    assert config["training"]["seed"] == SHORT.seed
    assert config["training"]["n_train_tracks"] == 16
    assert config["training"]["best_step"] in (2, 4)


def test_the_history_has_a_row_per_step_and_per_validation(result):
    counts = Counter(result.history["split"])
    assert counts == {"train": 4, "valid": 2}
    stored = pd.read_csv(result.checkpoint.parent / "history.csv")
    pd.testing.assert_frame_equal(stored, result.history, check_dtype=False)
    assert result.history.query("split == 'train'")["step"].tolist() == [1, 2, 3, 4]


def test_the_same_seed_gives_the_same_weights(result, tracks, tmp_path):
    again = training.train(SMALL, SHORT, tracks, tmp_path, progress=False)
    a, b = (checkpoints.load(r.checkpoint)[0].state_dict() for r in (result, again))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_trained_checkpoint_knows_what_its_scores_mean(result, tracks):
    score = Scorer.from_checkpoint(result.checkpoint).score(clip(seed=1), clip(seed=2))
    assert 0 <= score.percentile <= 100
    assert score.calibration.dataset.endswith("valid")


def test_validation_never_uses_training_tracks(result, tracks):
    assert {t.id for t in tracks if t.split == "train"}.isdisjoint(t.id for t in tracks if t.split == "valid")


def draws(masking, k=6, steps=60):
    module = training.ContrastiveModule(Cocola(SMALL), training.TrainSettings(masking=masking), [])
    for step in range(steps):
        module.trainer = None
        type(module).global_step = property(lambda self, step=step: step)
        yield module.draw_modes(k)


@pytest.fixture
def keep_global_step():
    original = training.ContrastiveModule.__dict__.get("global_step")
    yield
    if original is None and "global_step" in training.ContrastiveModule.__dict__:
        del training.ContrastiveModule.global_step


def test_a_batch_shares_one_mask_so_that_the_mask_cannot_give_the_partner_away(keep_global_step):
    modes = list(draws("batch"))
    assert all(len(set(step)) == 1 for step in modes)
    assert set(Counter(step[0] for step in modes)) == {"both", "harmonic", "percussive"}


def test_masks_per_pair_differ_within_a_batch(keep_global_step):
    assert any(len(set(step)) > 1 for step in draws("pair"))


def test_groups_are_thirds_of_the_batch(keep_global_step):
    assert Counter(next(draws("group", k=48))) == {"both": 16, "harmonic": 16, "percussive": 16}


def test_the_grouped_loss_is_the_mean_over_three_batches_that_never_meet():
    module = training.ContrastiveModule(Cocola(SMALL).eval(), SHORT, [])
    module.log_dict = lambda *args, **kwargs: None
    type(module).global_step = property(lambda self: 0)
    a, b = (torch.from_numpy(np.stack([clip(seed=s + i) for i in range(6)])) for s in (0, 10))
    loss = module.training_step((a, b), 0)
    del type(module).global_step
    h1, h2 = module.embed_pairs(a, b, ["both"] * 2 + ["harmonic"] * 2 + ["percussive"] * 2)
    alone = [contrastive_loss(module.model.similarity(h1[i : i + 2], h2[i : i + 2])) for i in (0, 2, 4)]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_masks_are_a_function_of_seed_and_step(keep_global_step):
    assert list(draws("pair")) == list(draws("pair"))


def test_members_of_a_pair_carry_the_same_mask():
    module = training.ContrastiveModule(Cocola(SMALL).eval(), SHORT, [])
    x = torch.from_numpy(np.stack([clip(seed=1), clip(seed=2)]))
    h1, h2 = module.embed_pairs(x, x, ["harmonic", "percussive"])
    torch.testing.assert_close(h1, h2)
    assert not torch.allclose(h1, module.embed_pairs(x, x, ["percussive", "harmonic"])[0])


def test_without_validation_tracks_training_is_refused(tracks, tmp_path):
    with pytest.raises(ValueError, match="no track in the valid split"):
        training.train(SMALL, SHORT, [t for t in tracks if t.split == "train"], tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_more_windows_than_the_tracks_hold_are_refused(tracks, tmp_path):
    greedy = training.TrainSettings(k=256, n_steps=1)
    with pytest.raises(ValueError, match="of the 256 windows asked for"):
        training.train(SMALL, greedy, tracks, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"masking": "song"}, {"k": 5}, {"k": 1, "masking": "none"}, {"n_steps": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        training.TrainSettings(**wrong)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="recipe is 'hps'; use .*hps-all"):
        training.get_recipe("hps")
    with pytest.raises(ValueError, match="profile is 'fast'; use smoke, quick, full"):
        get_profile("fast")


def test_every_profile_names_a_recipe():
    assert {p.recipe for p in PROFILES.values()} <= set(training.RECIPES)


def test_provenance_is_stored_in_the_checkpoint(tracks, tmp_path):
    one = training.TrainSettings(k=2, masking="none", n_steps=1, valid_every=1, n_valid_pairs=4)
    result = training.train(SMALL, one, tracks, tmp_path, provenance={"seed": 7}, progress=False)
    assert json.loads((result.checkpoint / "config.json").read_text(encoding="utf-8"))["provenance"]["seed"] == 7
