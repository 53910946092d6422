"""What the command line says: versions, sizes, digits, ceilings, and questions before anything is replaced."""

import csv
import io
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import tiny_checkpoint

from cocola_lib import __version__, files
from cocola_lib.__main__ import main
from cocola_lib.cli import console
from cocola_lib.data import miniatures
from cocola_lib.data.pair_files import csv_of_rows
from cocola_lib.models import checkpoints, true_pairs
from cocola_lib.models.calibration import fit
from cocola_lib.notebook.study import find_notebooks


def run(capsys, *arguments):
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0, *capsys.readouterr()


def test_the_version_is_the_packages(capsys):
    assert run(capsys, "--version") == (0, f"cocola {__version__}\n", "")


@pytest.mark.parametrize("command", ["score", "rank", "calibrate"])
def test_help_names_the_models_of_the_package(capsys, command):
    words = " ".join(run(capsys, command, "--help")[1].split())
    assert command == "calibrate" or all(name in words for name in ("hps-all-measured", "hps-all-time", "control"))
    assert command != "calibrate" or "miniatures, made here" in words


def test_a_list_of_data_sets_keeps_the_sizes_of_a_miniature_apart(capsys, tiny_sets):
    _, out, err = run(capsys, "data", "list", "--data-root", tiny_sets["mini-musdb18hq"])
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["dataset"] for row in rows} == {"mini-musdb18hq (tiny)"}
    assert all(float(row["minutes"]) > 0 for row in rows) and err.startswith("1 data set in ")


def test_odds_at_the_ceiling_of_a_calibration_are_more_than_that():
    rng = np.random.default_rng(0)
    known = fit(rng.normal(8, 1, 155), rng.normal(0, 1, 900))
    assert known.odds_in_words(30.0) == "> 155 : 1" and known.odds_in_words(-30.0) == "< 1 : 155"
    undecided = -known.intercept / known.slope
    assert known.odds_in_words(undecided + np.log(4) / known.slope) == "4 : 1"
    assert known.odds_in_words(undecided - np.log(4) / known.slope) == "1 : 4"
    assert known.odds_in_words(np.nan) == ""


def test_tables_of_scores_have_six_digits_and_whole_numbers_stay_whole():
    row = {"name": "a", "score": 12.345678901234, "small": 1.23456789e-7, "hop_s": 5.0, "n": 12345678, "none": np.nan}
    (read,) = csv.DictReader(io.StringIO(csv_of_rows([row])))
    assert read == {"name": "a", "score": "12.3457", "small": "1.23457e-07", "hop_s": "5.0", "n": "12345678"} | {
        "none": "nan"
    }
    assert files.csv_of(pd.DataFrame({"score": [12.345678901234], "n": [12345678]})) == "score,n\n12.3457,12345678\n"


def test_converting_asks_before_it_replaces_a_checkpoint(capsys, tmp_path, monkeypatch):
    source, target = tiny_checkpoint(tmp_path / "a"), tiny_checkpoint(tmp_path / "b", seed=1)
    before = (target / "model.safetensors").read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody there to ask
    code, _, err = run(capsys, "convert", source, target)
    assert code == 2 and "holds a checkpoint, which is kept" in err and "--yes" in err
    monkeypatch.setattr(console, "agreed", lambda question: False)
    assert run(capsys, "convert", source, target)[0] == 2
    assert (target / "model.safetensors").read_bytes() == before
    assert run(capsys, "convert", source, target, "--yes")[0] == 0
    assert (target / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert checkpoints.read_config(target)["provenance"]["converted_from"] == "a"


def test_a_calibration_without_data_draws_from_the_miniatures(tiny_sets, monkeypatch):
    monkeypatch.setattr(miniatures, "ensure", tiny_sets.get)
    name, pairs, groups = true_pairs.draw_pairs(split="all", n=8)
    assert name.endswith(" all") and "mini-slakh2100" in name and len(pairs) == len(groups) == 8
    assert true_pairs.draw_pairs(dataset="mini-slakh2100", n=8)[0] == "mini-slakh2100 valid"
    with pytest.raises(ValueError, match="dataset is 'nosuch'; there are mini-"):
        true_pairs.draw_pairs(dataset="nosuch")


def test_a_notebook_that_is_not_there_is_told_what_is():
    with pytest.raises(FileNotFoundError, match="no notebook begins with 42; there are 00_start_here, 01_"):
        find_notebooks(["42"])


def test_an_installed_package_writes_where_one_stands_and_a_clone_into_itself(tmp_path, monkeypatch):
    assert files.default_run_dir("quick") == files.REPO / "outputs" / "quick"
    assert tomllib.loads((files.REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] == "cocola-lib"
    monkeypatch.setattr(files, "REPO", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert files.default_run_dir("quick") == Path.cwd() / "outputs" / "quick"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data", "mini", "--seed", "-1"), "should be greater than or equal to 0"),
        (("run", "--profile", "smoke", "--seed", "-1"), "should be greater than or equal to 0"),
        (("train", "b0-time", "--profile", "smoke", "--seed", "-1"), "seed is -1; give 0 or more"),
    ],
)
def test_a_negative_seed_is_one_line(capsys, arguments, said):
    code, _, err = run(capsys, *arguments)
    assert code == 2 and said in err


def test_copies_of_a_data_set_may_lie_in_it(capsys, tiny_sets):
    root = tiny_sets["mini-musdb18hq"]
    code, _, err = run(capsys, "data", "prepare", "--data-root", root, "--out", root / "copies")
    assert code == 2 and "would hold every song twice; choose a folder outside it" in err
    assert not (root / "copies").exists()
