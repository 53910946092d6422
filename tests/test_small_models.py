"""Small models of Table I: each hears its own data set, is kept when it is still right, and made again when not."""

from dataclasses import replace

import pytest
from songs import write_songs

from cocola_lib.models import checkpoints
from cocola_lib.training import small_models
from cocola_lib.training.profiles import get_profile

SIZE = replace(get_profile("smoke"), small_pairs=6)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    songs = write_songs(tmp_path_factory.mktemp("songs"), n=4, seconds=12.0)
    datasets = ["mini-moisesdb", "mini-slakh2100", "mini-slakh2100", "mini-musdb18hq"]
    return [replace(track, dataset=d, split="train") for track, d in zip(songs, datasets, strict=True)]


@pytest.fixture(scope="module")
def run_dir(tracks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, small_models.ensure(folder, tracks, SIZE)


def test_every_row_whose_data_are_here_is_trained_and_the_others_say_what_they_need(run_dir):
    folder, missing = run_dir
    made = {p.parent.name for p in (folder / "models").glob("*/checkpoint")}
    assert made == {"small-moisesdb", "small-slakh2100", "small-all", "small-hps-all"}
    assert list(missing) == ["cocochorales"]
    assert "trains on CocoChorales or mini-cocochorales" in missing["cocochorales"]


def test_only_hps_all_hears_two_channels(run_dir):
    folder, _ = run_dir
    kinds = {
        p.parent.name: checkpoints.read_config(p)["model"]["features"] for p in (folder / "models").glob("*/checkpoint")
    }
    assert {name for name, kind in kinds.items() if kind == "hps"} == {"small-hps-all"}


def test_a_model_is_kept_until_its_data_or_settings_change(run_dir, tracks):
    folder, _ = run_dir
    weights = folder / "models" / "small-moisesdb" / "checkpoint" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    small_models.ensure(folder, [t for t in tracks if t.dataset == "mini-moisesdb"], SIZE)
    assert weights.stat().st_mtime_ns == before
    small_models.ensure(folder, [t for t in tracks if t.dataset == "mini-moisesdb"], SIZE, seed=1)
    assert weights.stat().st_mtime_ns > before
    assert checkpoints.read_config(weights.parent)["training"]["seed"] == 1


def test_held_out_songs_change_nothing(run_dir, tracks):
    """MUSDB18-HQ and tracks outside of the train split are not heard, so they do not make a model stale."""
    folder, _ = run_dir
    weights = folder / "models" / "small-slakh2100" / "checkpoint" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    extra = replace(tracks[1], id="other", split="test")
    heard = [t for t in tracks if t.dataset != "mini-musdb18hq"]
    small_models.ensure(folder, [*heard, extra], SIZE)
    assert weights.stat().st_mtime_ns == before
