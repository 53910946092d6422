"""Checkpoint folders: what is written is read, nothing is half-written, and every wrong path gets one clear line."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models import checkpoints
from cocola_lib.models.checkpoints import load, read_config, save
from cocola_lib.models.describe import describe
from cocola_lib.models.formats import CONFIG, WEIGHTS, checkpoint_hash

SMALL = ModelConfig(backbone="mobilenetv3_small_050", embedding_dim=64)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Cocola(SMALL).eval()


@pytest.fixture
def folder(model, tmp_path):
    return save(tmp_path / "model", model, {"steps": 3}, {"mean": 0.5}, {"seed": 1})


def refused(path, message, error=ValueError):
    with pytest.raises(error, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("pooling", ["average", "time"])
@pytest.mark.parametrize("features", ["hps", "mel"])
def test_a_model_comes_back_as_it_was_saved(pooling, features, tmp_path):
    original = Cocola(dataclasses.replace(SMALL, pooling=pooling, features=features, time_steps=16)).eval()
    loaded, config = load(save(tmp_path / "m", original, training={"steps": 3}))
    x = torch.randn(2, 16_000)
    assert torch.equal(loaded(x), original(x))
    assert torch.equal(loaded.w(), original.w())
    assert not loaded.training
    assert loaded.config == original.config
    assert config["training"] == {"steps": 3} and config["calibration"] is None and config["provenance"] == {}


def test_config_names_format_version_and_every_setting(folder):
    config = json.loads((folder / CONFIG).read_text())
    assert (config["format"], config["version"]) == ("cocola_lib", 1)
    assert config["model"] == SMALL.to_dict()
    assert config["calibration"] == {"mean": 0.5} and config["provenance"] == {"seed": 1}


def test_saving_over_an_older_checkpoint_replaces_all_of_it(folder, model):
    (folder / "stale.txt").write_text("old")
    save(folder, model, provenance={"seed": 2})
    assert sorted(f.name for f in folder.iterdir()) == [CONFIG, WEIGHTS]
    assert read_config(folder)["provenance"] == {"seed": 2}
    assert [f.name for f in folder.parent.iterdir()] == ["model"]


def test_a_crash_while_saving_leaves_the_old_checkpoint_and_no_litter(folder, model, monkeypatch):
    before = checkpoint_hash(folder)
    monkeypatch.setattr(checkpoints, "save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(folder, model)
    assert checkpoint_hash(folder) == before
    assert [f.name for f in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["control", "hps-all-measured"])
def test_a_model_without_weights_of_its_own_is_not_written(name, tmp_path):
    with pytest.raises(ValueError, match="no weights of its own to write; use it by its name"):
        save(tmp_path / "copy", load(name)[0])
    assert not (tmp_path / "copy").exists()


def test_saving_never_replaces_what_is_no_checkpoint(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is no cocola_lib checkpoint"):
        save(tmp_path, model)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_hash_follows_the_weights_and_nothing_else(folder, model, tmp_path):
    other = save(tmp_path / "other", model, provenance={"seed": 9})
    assert checkpoint_hash(folder) == checkpoint_hash(other) == checkpoint_hash(folder / WEIGHTS)
    assert len(checkpoint_hash(folder)) == 16
    state = load_file(folder / WEIGHTS)
    state["head.weight"][0, 0] += 1
    save_file(state, other / WEIGHTS)
    assert checkpoint_hash(other) != checkpoint_hash(folder)


def test_a_missing_checkpoint_says_what_to_give(tmp_path):
    refused(tmp_path / "nowhere", "no such checkpoint; give a folder with config.json", FileNotFoundError)
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        checkpoint_hash(tmp_path / "nowhere")


def test_a_folder_without_config_is_refused(tmp_path):
    refused(tmp_path, "without config.json is no checkpoint", FileNotFoundError)


def test_a_folder_without_weights_is_refused(folder):
    (folder / WEIGHTS).unlink()
    refused(folder, "has no model.safetensors", FileNotFoundError)


@pytest.mark.parametrize("keep", [0, 4, 1000, -100])
def test_cut_off_weights_are_refused(folder, keep):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:keep])
    refused(folder, "cannot be read")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "not JSON"),
        ("[]", "not a cocola_lib checkpoint"),
        ('{"format": "other", "model": {}}', "not a cocola_lib checkpoint"),
        ('{"format": "cocola_lib", "model": {}, "version": 2}', "version 2, this library reads 1"),
        ('{"format": "cocola_lib", "version": 1, "model": {"depth": 3}}', "unknown model settings depth"),
        (
            '{"format": "cocola_lib", "version": 1, "model": {"embedding_dim": "big"}}',
            "embedding_dim is 'big'; expected",
        ),
        ("3", "not a cocola_lib checkpoint"),
        ("[" * 100_000, "not JSON"),
        ('{"format": "cocola_lib", "version": 1, "model": {"spread": "x"}}', "spread is 'x'; expected numbers"),
        (
            '{"format": "cocola_lib", "version": 1, "model": {"spread": {"harmonic": 0, "percussive": 1}}}',
            "harmonic is 0",
        ),
        ('{"format": "cocola_lib", "version": 1, "model": {"learnt": "control"}}', "'learnt_hash' is missing"),
    ],
)
def test_a_config_that_is_not_ours_is_refused(folder, text, message):
    (folder / CONFIG).write_text(text)
    refused(folder, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding_dim": 32}, r"has shape \(64.*\), the model needs \(32"),
        ({"backbone": "efficientnet_b0"}, "weights of another model"),
        ({"pooling": "time"}, "weights of another model"),
        ({"features": "mel"}, r"has shape \(16, 2, 3, 3\), the model needs \(16, 1, 3, 3\)"),
    ],
)
def test_weights_of_another_model_are_refused(folder, change, message):
    config = json.loads((folder / CONFIG).read_text())
    config["model"] |= change
    (folder / CONFIG).write_text(json.dumps(config))
    refused(folder, message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("input_scale_db", value) for value in ("NaN", "Infinity", "1e300", "0", "true", "[1]", "1" + "0" * 400)),
        *(("norm_eps", value) for value in ("-1", "0", "null")),
        *(("norm_momentum", "-0.1"), ("dropout", "2"), ("time_steps", '"16"'), ("embedding_dim", "0")),
    ],
)
def test_a_setting_that_is_no_number_of_use_is_refused_by_its_name(folder, name, value):
    text = json.loads((folder / CONFIG).read_text())
    text["model"][name] = "HERE"
    (folder / CONFIG).write_text(json.dumps(text).replace('"HERE"', value))
    refused(folder, "no number" if value in ("NaN", "Infinity") else f"config.json: {name} is ")


@pytest.mark.parametrize("part", ["training", "calibration", "provenance"])
def test_a_part_of_the_config_that_is_no_object_is_refused(folder, part):
    for value in ([1], "text", 3):
        config = json.loads((folder / CONFIG).read_text()) | {part: value}
        (folder / CONFIG).write_text(json.dumps(config))
        refused(folder, f"config.json: {part} is no object but a {type(value).__name__}")


@pytest.mark.parametrize("change", [lambda w: w.fill_(torch.nan), lambda w: w.fill_(torch.inf), torch.Tensor.long])
def test_weights_that_are_no_numbers_score_nothing(folder, change):
    state = load_file(folder / WEIGHTS)
    state["head.weight"] = change(state["head.weight"])
    save_file(state, folder / WEIGHTS)
    refused(folder, "head.weight holds torch.* that are no weights")


def test_what_a_model_was_calibrated_on_is_listed(folder):
    config = json.loads((folder / CONFIG).read_text()) | {"calibration": {"my songs": {}, "theirs": {}}}
    (folder / CONFIG).write_text(json.dumps(config))
    assert describe(folder)["calibrated_on"] == "my songs, theirs"
    assert describe("control")["calibrated_on"]


def test_a_name_that_is_no_model_is_told_those_that_are(tmp_path):
    refused(tmp_path / "hps-all-tim", "or one of control, hps-all, hps-all-measured, hps-all-time", FileNotFoundError)
