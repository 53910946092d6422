"""The line-up: a model that is here is opened, one that is not stays in the table and says how to get it."""

import pytest
from tiny import tiny_checkpoint

from cocola_lib import scoring
from cocola_lib.classification import lineup
from cocola_lib.models import formats
from cocola_lib.models.formats import checkpoint_hash


def by_name(*arguments):
    return {entrant.name: entrant for entrant in lineup.find(*arguments)}


def test_an_empty_run_has_what_the_library_brings_and_says_how_to_get_all_others(tmp_path):
    rows = by_name(tmp_path)
    assert [name for name, e in rows.items() if not e.missing] == ["control", "bundled", "bundled hps-all"]
    assert rows["bundled"].checkpoint == scoring.BUNDLED and rows["control"].checkpoint == scoring.CONTROL
    assert rows["hps-all"].missing == "`cocola train hps-all`"
    assert lineup.RELEASED in rows["released HPS All"].missing
    assert "`released`" in rows["released HPS All"].missing


def test_one_more_model_may_be_named_as_in_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "IN_PACKAGE", tmp_path)
    tiny_checkpoint(tmp_path / "another")
    assert by_name(tmp_path / "run", "another")["yours"].checkpoint == tmp_path / "another"


def test_what_a_run_trained_is_found_by_its_recipe_with_the_papers_row(tmp_path):
    tiny_checkpoint(tmp_path / "models" / "all" / "checkpoint", features="mel")
    tiny_checkpoint(tmp_path / "models" / "small-slakh2100" / "checkpoint", features="mel")
    rows = by_name(tmp_path)
    assert rows["all"].paper == "All"
    assert rows["small slakh2100"].paper == "Slakh2100"
    metrics, _ = lineup.open_all(list(rows.values()))
    assert set(metrics) == {"control", "bundled", "bundled hps-all", "all", "small slakh2100"}
    assert metrics["all"].modes == ("both",)
    assert metrics["control"].hash == checkpoint_hash("control")


def test_a_broken_checkpoint_becomes_a_row_that_says_so(tmp_path):
    folder = tiny_checkpoint(tmp_path / "models" / "hps-all" / "checkpoint")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    metrics, rows = lineup.open_all(lineup.find(tmp_path))
    assert "hps-all" not in metrics
    assert "cut off or damaged" in next(e.missing for e in rows if e.name == "hps-all")


@pytest.mark.parametrize("arguments", [("checkpoint", None), (None, "released")])
def test_a_path_that_is_named_and_not_there_is_an_error(arguments, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint; the parameter"):
        lineup.check(*(name and tmp_path / name for name in arguments))


def test_released_weights_come_from_a_file_or_a_folder(tmp_path):
    folder = tmp_path / "authors"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no \.ckpt file"):
        lineup.check(None, folder)
    (folder / "COCOLA_HP_v1.ckpt").write_bytes(b"x")
    for given in (folder, folder / "COCOLA_HP_v1.ckpt"):
        rows = {e.name: e for e in lineup.find(tmp_path, None, given)}
        assert rows["released COCOLA_HP_v1"].paper == "HPS All"
        assert "released HPS All" not in rows
