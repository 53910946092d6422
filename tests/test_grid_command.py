"""`cocola grid`: what its file may say, notebooks and trainings as cells, and the figure."""

import inspect
import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from cocola_lib.__main__ import main
from cocola_lib.cli.grid_file import read_grid
from cocola_lib.data import miniatures
from cocola_lib.files import REPO, read_csv
from cocola_lib.notebook import grid_cells, study
from cocola_lib.notebook.plots.grids import save_grid
from cocola_lib.training import by_name, run
from cocola_lib.training.cells import cells_of
from cocola_lib.training.settings import TrainSettings

SHORT = "train: b0-time\nprofile: smoke\n"


def cocola(capsys, *arguments):
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code, *capsys.readouterr()


@pytest.fixture
def grid(tmp_path):
    """A function that writes a grid's file."""

    def write(text):
        (tmp_path / "my grid.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "my grid.yaml"

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- k", "holds a list; expected lines `key: value` with the keys notebooks, train, profile"),
        ("", "holds a NoneType"),
        ("k: [", "not YAML that can be read"),
        (SHORT + "parameters: {k: [6]}\nprofile: smoke", "profile is given twice (line 4)"),
        (SHORT + "parameters: {k: [6], k: [8]}", "k is given twice (line 3)"),
        (SHORT + "parameters: {k: [6]}\nfixed:\n  seed: 1\n  seed: 2", "seed is given twice (line 6)"),
        ("[" * 5000, "not YAML that can be read"),
        (SHORT + "parameter: {k: [6]}", "unknown key parameter; there are notebooks, train, profile"),
        ("profile: smoke\nparameters: {k: [6]}", "give either notebooks"),
        (SHORT + 'notebooks: ["02"]\nparameters: {k: [6]}', "give either notebooks"),
        (SHORT + "parameters: [k, 6]", "parameters is ['k', 6]; expected lines `name: value`"),
        (SHORT + "parameters: {1: [6]}", "parameters has the name 1"),
        (SHORT + "parameters: {k: [6]}\nfixed: {n_steps: [1, 2]}", "fixed n_steps is [1, 2]; give one number or text"),
        ("train: [all]\nparameters: {k: [6]}", "train is ['all']; give one name; several are a list `recipe`"),
        (SHORT + "parameters: {profile: [smoke]}", "profile is given twice"),
        ('notebooks: "02"\nparameters: {k: [6]}', "notebooks is '02'; give a list of them"),
        (SHORT + "parameters: {k: 6}", "parameter k is 6; give a list of values, [6] for a single one"),
        (SHORT + "parameters: {k: []}", "parameter k is an empty list"),
        (SHORT + "parameters: {k: [6, [8]]}", "parameter k holds [8], a list"),
        (SHORT + "parameters: {k: [2026-11-28]}", "parameter k holds datetime.date(2026, 11, 28), a date"),
        (SHORT, "a grid needs a parameter with a list of values"),
        (SHORT + "parameters: {tempo: [6]}", "tempo: not a setting of a training; there are k, n_steps, seed"),
        (SHORT + "parameters: {k: [6, 1]}", "K is 1; a contrastive batch needs two windows or more"),
        (SHORT + "parameters: {k: [six]}", "k 'six': a setting has a value of the wrong kind"),
        ("train: b1\nparameters: {k: [6]}", "recipe is 'b1'; use moisesdb"),
        ('notebooks: ["02"]\nprofile: smoke\nparameters: {tempo: [1]}', "parameter 'tempo': no notebook has it"),
        ('notebooks: ["02"]\nparameters: {run_dir: [a, b]}', "run_dir: not a parameter of a grid"),
    ],
)
def test_a_file_that_makes_no_grid_is_one_line_that_names_it(capsys, grid, tmp_path, text, said):
    code, out, err = cocola(capsys, "grid", grid(text), "--run-dir", tmp_path / "out")
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert err.startswith("error: ") and "my grid.yaml: " in err and said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--figure", "k,seed"], "--figure and --value go together"),
        (["--figure", "k,tempo", "--value", "x"], "expected two parameters as X,Y; the grid has k, seed"),
        (["--figure", "k", "--value", "x"], "expected two parameters as X,Y"),
        (["--backend", "local", "--scheduler", "tcp://127.0.0.1:1"], "does not go with backend 'local'"),
    ],
)
def test_options_that_do_not_fit_are_one_line(capsys, grid, tmp_path, monkeypatch, arguments, said):
    monkeypatch.setattr(miniatures, "open_tracks", lambda *_: [])
    file = grid(SHORT + "parameters: {k: [6, 8], seed: [0, 1]}")
    code, _, err = cocola(capsys, "grid", file, "--run-dir", tmp_path / "out", *arguments)
    assert code == 2 and said in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_numbers_of_a_file_are_those_that_people_write(grid):
    found = read_grid(
        grid("notebooks: [02, 08, '03']\nparameters: {learning_rate: [1e-3, 1E+2, 0.5, '1e-3'], k: [16]}")
    )
    assert found.notebooks == ["02", "08", "03"]
    assert found.parameters == {"learning_rate": [0.001, 100.0, 0.5, "1e-3"], "k": [16]}


def test_the_readmes_example_is_a_grid_that_could_run(grid):
    (example,) = re.findall(r"```yaml\n(.*?)```", (REPO / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    found = read_grid(grid(example))
    cells = cells_of(grid_cells.notebooks_cell, found.parameters, "", found.fixed | {"notebooks": found.notebooks})
    assert {grid_cells.check_cell(**cell.parameters, **cell.fixed) for cell in cells} == {(None, "small", 0)}
    assert len(cells) == 9


def trained(recipe, settings, tracks, run_dir, resume=False, progress=True):
    """In place of a training: an accuracy that is a function of the settings."""
    if settings.seed == 2:
        raise ValueError("loss is not finite")
    row = {"step": 4, "minutes": 0.5, "split": "valid", "loss": 1.0, "accuracy": settings.k / 10, "low": 0, "high": 1}
    return run.TrainResult(run_dir, run_dir, pd.DataFrame([row | {"k": 6.0}]))


def test_trainings_fill_a_table_and_a_figure_and_failed_ones_are_tried_again(capsys, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "train", trained)
    monkeypatch.setattr(miniatures, "open_tracks", lambda *_: [])
    file = grid(SHORT + "parameters: {k: [6, 8], masking: [group, none], seed: [0, 2]}\nfixed: {n_steps: 3}")
    command = ("grid", file, "--run-dir", tmp_path / "out", "--workers", 1)
    code, out, _ = cocola(capsys, *command, "--figure", "k,masking", "--value", "valid_accuracy")
    assert code == 1 and "8 of 8" in out and "4 cells have failed" in out and "loss is not finite" in out
    found = read_csv(tmp_path / "out" / "grid.csv")
    assert list(found.columns[:4]) == ["k", "masking", "seed", "valid_accuracy"]
    assert found["valid_accuracy"].tolist() == [0.6, 0.6, 0.8, 0.8]
    assert (tmp_path / "out" / "grid.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.setattr(run, "train", lambda *a, **o: trained(a[0], TrainSettings(k=60), *a[2:], **o))
    code, out, _ = cocola(capsys, *command, "--retry")
    assert code == 0 and "8 cells, 4 of them from before" in out
    assert read_csv(tmp_path / "out" / "grid.csv")["valid_accuracy"].tolist() == [0.6, 6, 0.6, 6, 0.8, 6, 0.8, 6]
    code, _, err = cocola(capsys, *command, "--figure", "k,masking", "--value", "acuracy")
    assert code == 2 and "--value acuracy: not a number of this grid; it has seed, valid_accuracy, valid_low" in err


def test_the_settings_of_a_training_are_no_names_of_its_task():
    own = inspect.signature(by_name.train_cell).parameters.keys() - {"changes"}
    assert not own & TrainSettings.__dataclass_fields__.keys()


def test_notebooks_are_cells_with_their_numbers_and_a_failed_one_is_kept(capsys, grid, tmp_path, monkeypatch):
    given = (
        "profile: str = 'smoke'  # how much\nseed: int = 0  # of all\nrun_dir: str = ''  # where to\nk: int = 0  # K"
    )
    work = (
        "import json, pathlib\nfound = {'table': [{'k': 2, 'accuracy': k / 3}], 'ten': 10 // k}\n"
        "pathlib.Path(run_dir, 'results.json').write_text(json.dumps({'02_small': {'results': found}}))"
    )
    cells = [nbformat.v4.new_code_cell(given, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(work)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "notebooks" / "02_small.ipynb")
    monkeypatch.setattr(study, "NOTEBOOKS", tmp_path / "notebooks")
    for module in (study, miniatures):
        monkeypatch.setattr(module, "open_tracks", lambda *_: [])
    file = grid("notebooks: [02]\nprofile: smoke\nparameters: {k: [5, 0]}\nfixed: {seed: 0}")
    code, out, _ = cocola(capsys, "grid", file, "--run-dir", tmp_path / "out", "--workers", 1)
    assert code == 1 and "02_small: ZeroDivisionError" in out
    (row,) = read_csv(tmp_path / "out" / "grid.csv").to_dict("records")
    assert row == {"k": 5, "02.table[k=2].k": 2, "02.table[k=2].accuracy": pytest.approx(5 / 3), "02.ten": 2}
    assert len(list(tmp_path.glob("out/k=5-*/02_small.ipynb"))) == 1
    assert len(list(tmp_path.glob("out/k=0-*/02_small.failed.ipynb"))) == 1


def test_every_number_of_a_notebook_has_a_name_of_its_own():
    table = [{"set": s, "mode": m, "k": k, "x": 1.5} for s in "ab" for m in "PH" for k in (2, 4)]
    found = grid_cells.numbers(
        {"table": table, "same": [{"x": 1}, {"x": 1}], "list": [3, "no"], "deep": {"n": 2}, "y": True}
    )
    assert len(found) == 8 * 2 + 2 + 1 + 1
    assert found["table[set=a,mode=H,k=4].x"] == 1.5 and found["same[1].x"] == 1
    assert found["list[0]"] == 3 and found["deep.n"] == 2


@pytest.mark.parametrize("value", ["text", "0.5", "None", 0.5, None, True, "it's"])
def test_a_parameter_reaches_a_notebook_as_it_stands_in_the_file(value):
    arrived = study._typed({"split": grid_cells._as_typed("split", value)})["split"]
    assert arrived == value and type(arrived) is type(value)


def test_a_figure_shows_means_over_the_rest_and_how_many_rows_they_are_of(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("cocola_lib.notebook.plots.grids.heat_map", lambda *a, **o: seen.append(a))
    rows = [{"k": k, "r": r, "seed": s, "x": k + s} for k in (16, 2) for r in ("a", None) for s in (0, 1)]
    table = pd.DataFrame(rows)
    table.loc[1, "x"] = np.nan
    save_grid(table, "k", "r", "x", tmp_path / "x.png")
    _, means, _, _, notes = seen[0]
    assert means.columns.tolist() == ["16", "2"] and means.to_numpy().tolist() == [[16, 2.5], [16.5, 2.5]]
    assert notes.to_numpy().tolist() == [["n=1", "n=2"], ["n=2", "n=2"]]
