"""Training on twenty tiny songs: what a run leaves, when it stops, what it refuses."""

import json
from collections import Counter
from dataclasses import replace
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
import torch
from songs import SHORT, SMALL, TINY, write_songs
from tiny import clip
from typer.testing import CliRunner

from cocola_lib import masking
from cocola_lib.cli import train as train_command
from cocola_lib.cli.app import app
from cocola_lib.data import miniatures
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models import checkpoints
from cocola_lib.scoring import Scorer
from cocola_lib.training import module as contrastive
from cocola_lib.training import run as training
from cocola_lib.training.profiles import get_profile
from cocola_lib.training.recipes import Recipe, get_recipe
from cocola_lib.training.settings import TrainSettings

ONE_STEP = TrainSettings(k=2, masking="none", n_steps=1, valid_every=1, n_valid_pairs=4)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="module")
def result(tracks, tmp_path_factory):
    return training.train(TINY, SHORT, tracks, tmp_path_factory.mktemp("run"), progress=False)


def test_a_run_leaves_a_checkpoint_that_loads_and_says_where_it_comes_from(result):
    model, config = checkpoints.load(result.checkpoint)
    assert model.config == SMALL
    assert config["training"]["seed"] == SHORT.seed
    assert config["training"]["recipe"] == "tiny"
    assert config["training"]["n_train_tracks"] == 16
    assert config["training"]["best_step"] in (2, 4)


def test_best_and_last_are_both_kept(result):
    best, last = (checkpoints.read_config(folder)["training"]["step"] for folder in (result.checkpoint, result.last))
    valid = result.history.query("split == 'valid'")
    assert best == valid.loc[valid["accuracy"].idxmax(), "step"]
    assert last == SHORT.n_steps


def test_the_history_has_a_row_per_step_and_per_validation(result):
    assert Counter(result.history["split"]) == {"train": 4, "valid": 2}
    stored = pd.read_csv(result.checkpoint.parent / "history.csv")
    pd.testing.assert_frame_equal(stored, result.history)
    assert result.history.query("split == 'train'")["step"].tolist() == [1, 2, 3, 4]
    assert result.history["minutes"].is_monotonic_increasing


def test_a_trained_checkpoint_knows_what_its_scores_mean(result):
    score = Scorer.from_checkpoint(result.checkpoint).score(clip(seed=1), clip(seed=2))
    assert 0 <= score.percentile <= 100
    assert score.calibration.dataset.endswith("valid")


def test_a_run_whose_steps_are_no_multiple_of_the_interval_ends_with_a_validation(tracks, tmp_path):
    settings = replace(SHORT, n_steps=3)
    history = training.train(TINY, settings, tracks, tmp_path, progress=False).history
    assert history.query("split == 'valid'")["step"].tolist() == [2, 3]


def test_without_progress_the_run_stops_early(tracks, tmp_path, monkeypatch):
    monkeypatch.setattr(contrastive, "hit_probability", lambda similarities, k: np.full(len(similarities), 0.5))
    settings = replace(ONE_STEP, n_steps=50, patience=2)
    history = training.train(TINY, settings, tracks, tmp_path, progress=False).history
    assert history["step"].max() == 3  # the best is the first; two validations later it gives up


def test_the_average_of_the_weights_is_what_is_kept(tracks, tmp_path):
    still, moving = (replace(ONE_STEP, n_steps=2, valid_every=2, ema=ema) for ema in (0.0, 0.5))
    weights = [
        checkpoints.load(training.train(TINY, settings, tracks, tmp_path / name, progress=False).last)[0]
        for name, settings in (
            ("still", still),
            ("moving", moving),
            ("first", replace(still, n_steps=1, valid_every=1)),
        )
    ]
    last, average, first = (model.head.projection.weight for model in weights)
    torch.testing.assert_close(average, (first + last) / 2)


@pytest.mark.parametrize("change", [{"both_ways": True}, {"precision": "bfloat16"}], ids=lambda c: next(iter(c)))
def test_options_train(change, tracks, tmp_path):
    result = training.train(TINY, replace(SHORT, n_steps=2, **change), tracks, tmp_path, progress=False)
    assert result.history["loss"].notna().all()


def test_a_loss_that_is_nan_stops_the_run_and_leaves_its_batch(tracks, tmp_path, monkeypatch):
    def poisoned(similarities, both_ways=False):
        poisoned.calls += 1
        return similarities.sum() * (float("nan") if poisoned.calls == 2 else 0.0)

    poisoned.calls = 0
    monkeypatch.setattr(masking, "contrastive_loss", poisoned)
    with pytest.raises(ValueError, match="the loss is nan at step 2; its batch is listed in .*broken_batch.csv"):
        training.train(TINY, replace(SHORT, masking="none"), tracks, tmp_path, progress=False)
    batch = pd.read_csv(tmp_path / "broken_batch.csv")
    assert len(batch) == SHORT.k
    assert {"track_id", "start_s", "anchor", "positive", "mask", "step"} <= set(batch)
    assert set(batch["step"]) == {2}


def test_curves_go_to_tensorboard_too(tracks, tmp_path):
    training.train(TINY, replace(ONE_STEP, logger="tensorboard"), tracks, tmp_path, progress=False)
    assert list((tmp_path / "tensorboard").glob("events.*"))
    assert (tmp_path / "history.csv").exists()


def test_a_logger_whose_package_is_missing_is_refused_before_anything_runs(tracks, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="package wandb is not installed: pip install wandb"):
        training.train(TINY, replace(ONE_STEP, logger="wandb"), tracks, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_says_from_which_data_and_seed_it_was_made(tracks, tmp_path):
    result = training.train(TINY, replace(ONE_STEP, seed=7), tracks, tmp_path, progress=False)
    origin = json.loads((result.checkpoint / "config.json").read_text(encoding="utf-8"))["provenance"]
    assert (origin["seed"], origin["data"]["n_tracks"]) == (7, len(tracks))


def test_only_the_measured_start_is_set_up_by_the_first_batch():
    recipe = Recipe("average", ModelConfig(backbone=SMALL.backbone, embedding_dim=16))
    batch = torch.from_numpy(np.stack([clip(seed=i) for i in range(4)])).chunk(2)

    def plain(config):
        torch.manual_seed(0)
        return Cocola(config).head.projection.weight

    measured, paper = (training.untrained(recipe, TrainSettings(start=start), batch) for start in ("measured", "paper"))
    torch.testing.assert_close(paper.head.projection.weight, plain(recipe.model("paper")), rtol=0, atol=0)
    assert not torch.allclose(measured.head.projection.weight, plain(recipe.model("measured")))


@pytest.mark.parametrize("start", ["measured", "paper"])
def test_the_command_line_trains_from_the_start_that_it_is_given(start, tracks, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "train", lambda recipe, settings, *rest, **options: seen.append((recipe, settings)))
    monkeypatch.setattr(miniatures, "open_tracks", lambda *arguments: tracks)
    command = ["train", "hps-all", "--profile", "full", "--start", start, "--both-ways", "--run-dir", str(tmp_path)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert seen == [(get_recipe("hps-all"), get_profile("full").settings(start=start, both_ways=True))]


def test_the_options_of_the_command_are_the_settings_of_a_run():
    types = {name: kind | None for name, (kind, _, _) in train_command.OPTIONS.items()}
    assert types == {name: kind | None for name, kind in get_type_hints(TrainSettings).items()}


def test_a_run_shows_one_bar_over_all_steps_with_the_last_validation(tracks, tmp_path, capsys):
    training.train(TINY, SHORT, tracks, tmp_path)
    last = capsys.readouterr().out.split("\r")[-1]
    assert "4/4" in last
    assert "validation accuracy" in last


def test_without_validation_tracks_training_is_refused(tracks, tmp_path):
    with pytest.raises(ValueError, match="no track in the valid split"):
        training.train(TINY, SHORT, [t for t in tracks if t.split == "train"], tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_data_set_with_one_track_is_refused(tmp_path):
    one = write_songs(tmp_path / "one", n=1)
    with pytest.raises(ValueError, match=r"no track in the train split \(1 in all\)"):
        training.train(TINY, SHORT, one, tmp_path / "run", progress=False)


def test_more_windows_than_the_tracks_hold_are_refused(tracks, tmp_path):
    greedy = TrainSettings(k=256, n_steps=1)
    with pytest.raises(ValueError, match="of the 256 windows asked for"):
        training.train(TINY, greedy, tracks, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_song_in_training_and_validation_is_refused(tracks, tmp_path):
    leak = [replace(t, split="valid") for t in tracks if t.split == "train"][:1]
    with pytest.raises(ValueError, match="is in the training set too"):
        training.train(TINY, SHORT, [*tracks, *leak], tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"masking": "song"},
        {"k": 1},
        {"n_steps": 0},
        {"k": 9, "devices": 2},
        {"precision": "float8"},
        {"logger": "paper"},
        {"patience": 0},
        {"ema": 1.0},
        {"learning_rate": 0.0},
        {"start": "random"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        TrainSettings(**wrong)


def test_the_full_profile_has_the_papers_settings():
    settings = get_profile("full").settings()
    assert (settings.k, settings.learning_rate, settings.max_overlap) == (32, 1e-3, 0.5)
    assert (settings.masking, settings.both_ways, settings.ema, settings.start) == ("pair", False, 0.0, "paper")


def test_a_change_of_none_keeps_the_profiles_value():
    size = get_profile("quick")
    assert size.settings(k=None, seed=3) == replace(size.training, seed=3)
