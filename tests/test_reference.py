"""The reference set is small, no older than the notebooks, and the README's table says what it holds."""

import base64
import io
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from cocola_lib.data import paper
from cocola_lib.files import REPO
from cocola_lib.models.formats import IN_PACKAGE, checkpoint_hash
from cocola_lib.notebook import players as listen
from cocola_lib.workshop import reference

NOTEBOOKS = REPO / "notebooks"


def test_the_reference_set_stays_small():
    assert reference.megabytes(reference.FOLDER) < reference.MAX_MB


def test_the_reference_set_is_no_older_than_the_notebooks():
    assert reference.stale(NOTEBOOKS, reference.FOLDER) == []


def test_the_reference_set_was_made_inside_its_repository():
    for path in reference.FOLDER.glob("*.ipynb"):
        given = json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]["parameters"]
        assert not Path(given["run_dir"]).is_absolute(), f"{path}: {given['run_dir']} is a place on one machine"


@pytest.fixture
def executed(tmp_path):
    """Sources and executed copies, with outputs and a cell of injected parameters."""
    sources, folder = tmp_path / "notebooks", tmp_path / "reference"
    for path in (sources, folder):
        path.mkdir()
    for name in ("00_start_here.ipynb", "07_mos_analysis.ipynb"):
        shutil.copy(NOTEBOOKS / name, sources)
        content = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
        injected = {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": ["profile = 'quick'"]}
        content["cells"].insert(3, injected)
        for cell in content["cells"]:
            cell["outputs"] = ["a figure"]
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return sources, folder


def test_outputs_and_injected_parameters_do_not_make_a_copy_old(executed):
    assert reference.stale(*executed) == []


@pytest.mark.parametrize("kind", ["code", "markdown"])
def test_one_changed_cell_makes_a_copy_old(executed, kind):
    sources, folder = executed
    path = sources / "07_mos_analysis.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    next(c for c in content["cells"] if c["cell_type"] == kind)["source"].append("\nanother line")
    path.write_text(json.dumps(content), encoding="utf-8")
    assert reference.stale(sources, folder) == ["07_mos_analysis.ipynb"]


def test_a_notebook_that_was_not_executed_is_named(executed):
    sources, folder = executed
    (folder / "00_start_here.ipynb").unlink()
    assert reference.stale(sources, folder) == ["00_start_here.ipynb"]


def test_what_is_not_committed_does_not_count(tmp_path):
    for name in ("models/x/model.safetensors", "embeddings/04.npz", "listening/test.db"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(3_000_000))
    (tmp_path / "results.json").write_bytes(bytes(2_000_000))
    assert reference.megabytes(tmp_path) == 2.0
    ignored = (REPO / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"outputs/reference/{name}/" for name in reference.NOT_COMMITTED} <= set(ignored)


def test_compression_keeps_what_is_seen_and_heard(tmp_path):
    (tmp_path / "figures").mkdir()
    figure, ax = plt.subplots()
    ax.imshow(np.random.default_rng(0).random((30, 30)), cmap="magma")
    path = tmp_path / "figures" / "x.png"
    figure.savefig(path)
    plt.close(figure)
    before = np.asarray(Image.open(path).convert("RGB"), float)
    size = path.stat().st_size
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    tone = 0.3 * np.sin(np.arange(80_000) / 20).astype(np.float32)
    outputs = [{"data": {"image/png": data + "\n", "text/html": listen.audio_tag(tone, "a tone")}}]
    (tmp_path / "00_x.ipynb").write_text(json.dumps({"cells": [{"outputs": outputs}]}))
    reference.compress(tmp_path)
    assert path.stat().st_size < size
    assert np.abs(np.asarray(Image.open(path).convert("RGB"), float) - before).mean() < 3
    found = json.loads((tmp_path / "00_x.ipynb").read_text())["cells"][0]["outputs"][0]["data"]
    assert base64.b64decode(found["image/png"]) == path.read_bytes()
    mp3 = base64.b64decode(found["text/html"].split("audio/mpeg;base64,")[1].split('"')[0])
    heard, rate = soundfile.read(io.BytesIO(mp3))
    assert rate == 16_000 and len(heard) == len(tone)
    assert np.corrcoef(heard, tone)[0, 1] > 0.99 and len(mp3) < 40_000


@pytest.mark.parametrize("table", [reference.OUTSIDE, reference.RESPONSES, reference.SONGS])
@pytest.mark.parametrize("name", ["hps-all-measured", "hps-all-time", "hps-all"])
def test_what_stands_beside_the_bundled_weights_was_measured_with_them(name, table):
    found = pd.read_csv(IN_PACKAGE / name / table)["checkpoint"].unique()
    assert found.tolist() == [checkpoint_hash(name)]


def entries_of_now():
    """The results of a run as notebooks 02 to 07 store them, numbers made up."""
    accuracy = [
        {"test_set": name, "model": model, "mode": "P+H", "k": k, "k_used": min(k, n), "accuracy": 0.5 + i / 100}
        for name, n in zip(paper.MINIATURE_OF.values(), (40, 7, 128, 128), strict=True)
        for i, model in enumerate(("bundled", "control", "small all", "small hps-all", "bundled hps-all"))
        for k in (2, 8, 16, 64)
    ]
    summary = [
        {"rater": "COCOLA", "mode": "P+H", "system": s, "mean": 1.0, "low": 0.5, "high": 1.5}
        for s in ("Random", "Ground Truth")
    ]
    differences = [
        {"test_set": name, "a": a, "b": "control", "k": k, "difference": 0.01, "low": -0.002, "high": 0.03}
        for name, ks in (("mini-musdb18hq", (2, 8)), ("mini-slakh2100", (2, 8, 16, 64)))
        for a in ("bundled", "hps-all-time")
        for k in ks
    ]
    asked = {"mode": "both", "value": 0.821, "low": 0.74, "high": 0.89}
    expected = [
        {"expectation": "beats itself transposed", "target": ">= 95%", "met": False} | asked,
        {"expectation": "  transposed by 1", "target": "", "met": None} | asked,
        asked | {"expectation": "cost of pitch", "target": ">= 0%", "met": True, "mode": "harmonic - percussive"},
    ]
    origin = {"command": "cocola run", "seed": 0, "checkpoint": "c0ffee", "data": {"hash": "da7a"}}
    results = {
        "02_training": {"last_train_loss": 0.5, "log_k": 2.77},
        "03_classification_tables": {"main": "bundled", "accuracy": accuracy, "differences": differences},
        "04_accompaniment_evaluation": {"summary": summary},
        "05_what_the_score_hears": {"expected": expected},
        "07_mos_analysis": {"simulated": True, "correlations": [{"r": 0.4, "r_low": 0.3, "r_high": 0.5}]},
    }
    return {name: {"results": found, "provenance": origin} for name, found in results.items()}


def test_the_readme_has_the_small_models_beside_the_papers_rows_and_no_capped_k():
    text = reference.table(entries_of_now())
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[-2:] for line in text.splitlines() if "Table" in line}
    assert rows["Table I, K = 2, the model"] == ["50.0 / 50.0 / 50.0 / 50.0", "93.9 / 93.7 / 94.3 / 99.7 |"]
    assert rows["Table I, K = 2, trained on All for seconds"] == [
        "52.0 / 52.0 / 52.0 / 52.0",
        "90.4 / 93.1 / 90.1 / 99.9 |",
    ]
    assert rows["Table II, K = 64, the model"][0] == "- / - / 50.0 / 50.0"
    assert rows["Table II, K = 16, the paper's encoder"] == ["54.0 / - / 54.0 / 54.0", "70.3 / 62.2 / 72.6 / 96.7 |"]
    assert "trained on MoisesDB" not in text  # no such model in this run
    assert "`bundled`" in text


def test_the_readme_says_which_goals_the_bundled_model_misses_and_where_it_is_above_the_control():
    rows = ("model", "control", "model - control")
    figures = {"value": 0.089, "low": 0.022, "high": 0.157, "checkpoint": "c0ffee"}
    outside = pd.DataFrame({"k": 8, "rater": row, "n": 89} | figures for row in rows)
    holds = {"mini-slakh2100": (72, 72, 72, 0), "mini-cocochorales": (72, 36, 16, 24)}
    songs = pd.DataFrame(
        {"test_set": name, "k": k, "rater": row}
        | dict(zip(("n_tracks", "n_songs", "n_tunes", "n_known"), held, strict=True))
        | figures
        for row in rows
        for name, held in holds.items()
        for k in (8, 64)
    )
    asked = {"expectation": "beats itself transposed", "mode": "both", "low": 0.9, "high": 0.99}
    responses = pd.DataFrame(
        asked | other | {"rater": rater, "value": value, "met": value > 0.95}
        for rater, value in (("model", 0.96), ("control", 0.7))
        for other in ({}, {"expectation": "cost of pitch", "mode": "harmonic - percussive"})
    )
    lines = reference.bundled(entries_of_now(), outside, responses, songs).splitlines()
    row = "| beats itself transposed | P+H | >= 95% | 82 % [74, 89] | **no** | 96 % [90, 99] | yes |"
    assert row in lines
    between = "82 points [74, 89] | yes | 96 points [90, 99] | yes |"
    assert f"| cost of pitch | harmonic - percussive | >= 0% | {between}" in lines
    assert not any("transposed by 1" in line for line in lines)  # nothing is demanded there
    assert "| mini-musdb18hq | +1.0 [-0.2, +3.0] | +1.0 [-0.2, +3.0] | - |" in lines
    assert "| music from outside, 89 excerpts | - | +8.9 [+2.2, +15.7] | - |" in lines
    assert "| mini-slakh2100, 72 more songs | - | +8.9 [+2.2, +15.7] | +8.9 [+2.2, +15.7] |" in lines
    names = {line.split(" |")[0] for line in lines}
    assert "| mini-cocochorales, 72 performances of 36 songs (24 known) on 16 tunes" in names


def test_ratings_of_people_are_not_called_simulated():
    entries = entries_of_now()
    assert "**simulated** ratings: 0.40 [0.30, 0.50]" in reference.table(entries)
    entries["07_mos_analysis"]["results"]["simulated"] = False
    assert "simulated" not in reference.table(entries)


def test_a_stale_reference_does_not_get_into_the_readme(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "README", tmp_path / "README.md")
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    with pytest.raises(SystemExit, match="outputs/reference is older than 00_start_here.ipynb, "):
        reference.main()
    assert not (tmp_path / "README.md").exists()
