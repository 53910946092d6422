"""Notebooks are stored as their readers and papermill need them, and execute in the smoke profile."""

import json
import re
import subprocess
import sys
from pathlib import Path

import browser
import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.util import run_sync
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from cocola_lib.data.miniatures import MODULES
from cocola_lib.notebook.study import NOTEBOOKS, inspect_parameters

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = NOTEBOOKS / "solutions"
EXPECTED = {"profile", "seed", "data_root", "run_dir"}

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


def test_the_tour_is_complete():
    assert [p.stem[:2] for p in PATHS] == [f"{i:02d}" for i in range(10)]


@each_notebook
def test_stored_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@each_notebook
def test_one_parameters_cell_with_types_defaults_and_a_meaning_each(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1
    parameters = inspect_parameters(path)
    assert set(parameters) >= EXPECTED
    assert len(parameters) == len(cells[0].source.splitlines())  # papermill reads every line
    for name, found in parameters.items():
        assert found["inferred_type_name"] != "None", name
        assert found["help"], f"{name} has no comment"


@each_notebook
def test_follows_the_skeleton(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    first = cells[0].source
    assert re.match(rf"# {path.stem[:2]} · ", first)
    assert re.search(r"\*\*[^*]+\?\*\*", first), "the title cell asks a question"
    assert "Run time" in first
    assert first.count("\n- ") == 3, "three bullets of what the reader will be able to do"
    for heading in ("You will be able to", "## What we found", "## Exercises"):
        assert heading in text
    assert 2 <= text.count("<details><summary>Hint</summary>") <= 3
    kinds = [c.cell_type for c in cells]
    parameters = next(i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", []))
    assert kinds[:3] == ["markdown", "code", "code"]
    assert parameters == 3, "title, installation on Colab, imports, parameters, derived values"
    tags = [set(cell.metadata.get("tags", [])) for cell in cells[1:5] if cell.cell_type == "code"]
    assert tags[0] == {"remove-cell"}
    assert all("hide-input" in found for found in tags[1:]), "set-up is folded on the site"


def test_on_colab_a_notebook_installs_the_library_and_elsewhere_nothing(monkeypatch):
    cells = {nbformat.read(path, as_version=4).cells[1].source for path in PATHS}
    (code,) = (source.replace('%pip install -q "cocola-lib[notebooks]"', "asked.append(1)") for source in cells)
    for found, times in ((object(), 0), (None, 1)):
        asked = []
        monkeypatch.setattr("importlib.util.find_spec", lambda name, found=found: found)
        exec(code, {"asked": asked})
        assert len(asked) == times


@each_notebook
def test_links_between_notebooks_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)]+\.ipynb)\)", cell.source):
                assert (NOTEBOOKS / target).exists()


@each_notebook
def test_each_exercise_has_a_solution(path):
    exercises = nbformat.read(path, as_version=4).cells
    asked = re.findall(r"^(\d)\. \*\*([^*]+?)\.?\*\*", "\n".join(c.source for c in exercises), flags=re.MULTILINE)
    solved = nbformat.read(SOLUTIONS / path.name, as_version=4).cells
    found = re.findall(r"^## (\d)(?:\.| ·) (.+)$", "\n".join(c.source for c in solved), flags=re.MULTILINE)
    assert found == [(number, title) for number, title in asked if "Hint" not in title]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory, tiny_sets):
    """All notebooks through papermill in the smoke profile, from the command line."""
    folder = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, "-m", "cocola_lib", "run", "--profile", "smoke", "--run-dir", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


@pytest.mark.slow
def test_every_notebook_executes_from_clean_and_shows_its_outputs(smoke_run):
    folder, _ = smoke_run
    for path in PATHS:
        executed = nbformat.read(folder / path.name, as_version=4)
        outputs = [o for c in executed.cells if c.cell_type == "code" for o in c.outputs]
        assert not any(o.output_type == "error" for o in outputs)
        assert any("image/png" in o.get("data", {}) for o in outputs), f"{path.stem} shows no figure"
    assert not list(folder.glob("*.failed.ipynb"))
    assert not list(folder.glob(".*"))  # nothing half-written


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all solutions: importing the libraries costs more than what most of them compute."""
    manager = AsyncKernelManager(kernel_name="python3")  # the first solution starts it
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.slow
@each_notebook
def test_the_worked_solutions_of_its_exercises_hold(path, smoke_run, kernel):
    given = {"profile": "smoke", "run_dir": str(smoke_run[0])}
    parameters = {name: value for name, value in given.items() if name in inspect_parameters(SOLUTIONS / path.name)}
    notebook = parameterize_notebook(load_notebook_node(str(SOLUTIONS / path.name)), parameters)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # names of the solution before
    client = NotebookClient(notebook, km=kernel, timeout=None, resources={"metadata": {"path": str(SOLUTIONS)}})
    client.extra_arguments = ["--IPKernelApp.log_level=50"]
    client.execute()
    client.kc.stop_channels()


@pytest.mark.slow
def test_results_carry_what_is_needed_to_make_them_again(smoke_run):
    folder, _ = smoke_run
    entries = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert list(entries) == [p.stem for p in PATHS]
    for name, entry in entries.items():
        origin = entry["provenance"]
        assert "cocola run --profile smoke" in origin["command"]
        assert origin["seed"] == 0
        assert len(origin["data"]["hash"]) == 16
        assert set(origin["data"]["datasets"]) == set(MODULES)
        assert "torch" in origin["versions"]
        if name[:2] in ("02", "03", "04", "05", "07", "08"):
            assert len(origin["checkpoint"]) == 16
    assert entries["07_mos_analysis"]["results"]["simulated"] is True
    assert "SIMULATED" in entries["07_mos_analysis"]["headline"]


@pytest.mark.slow
def test_the_summary_names_notebooks_headlines_and_where_to_look(smoke_run):
    folder, printed = smoke_run
    for path in PATHS:
        assert path.stem in printed
    assert "bundled model: picks the true accompaniment" in printed
    assert str(folder / "results.json") in printed


@pytest.mark.slow
def test_tables_follow_from_the_stored_scores(smoke_run):
    import pandas as pd

    folder, _ = smoke_run
    scores = pd.read_csv(folder / "tables" / "04_scores.csv")
    summary = pd.read_csv(folder / "tables" / "04_summary.csv")
    again = scores.groupby(["rater", "mode", "system"])["score"].mean()
    stored = summary.set_index(["rater", "mode", "system"])["mean"]
    pd.testing.assert_series_equal(again.sort_index(), stored.sort_index(), check_names=False)


@pytest.mark.slow
def test_table_3_follows_from_the_stored_scores_and_embeddings(smoke_run):
    import numpy as np
    import pandas as pd

    from cocola_lib.accompaniment import table3
    from cocola_lib.accompaniment.measure import load_embeddings

    folder, _ = smoke_run
    stored = pd.read_csv(folder / "tables" / "04_table3.csv").set_index(["system", "metric"])
    scores = pd.read_csv(folder / "tables" / "04_scores.csv")
    tracks = list(scores.drop_duplicates("item").sort_values("item")["track"])
    again = [table3.summarise(scores)]
    for name in ("log-mel", "COCOLA"):
        again.append(table3.frechet_table(load_embeddings(folder / "embeddings" / f"04_{name}.npz"), tracks, name))
    for made in again:
        made = made.set_index(["system", "metric"])
        for column in ("value", "low", "high"):
            expected = made[column].astype(float)
            np.testing.assert_allclose(stored.loc[made.index, column].astype(float), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@browser.needed[1]  # not marked as a browser test: those run by themselves, and would execute the notebooks once more
def test_players_of_an_executed_notebook_play_in_a_browser(smoke_run, tmp_path, chromium):
    """The static players, through nbconvert's page in a real Chromium: a duration, and a position that moves."""
    from nbconvert import HTMLExporter

    folder, _ = smoke_run
    page_file = Path(tmp_path) / "00.html"
    page_file.write_text(HTMLExporter().from_filename(folder / "00_start_here.ipynb")[0], encoding="utf-8")
    page = chromium.new_page()
    page.goto(page_file.as_uri(), wait_until="domcontentloaded")
    players = page.locator("audio")
    assert players.count() == 11  # five in tables, three each in audition and quiz
    first = players.first
    page.wait_for_function("document.querySelector('audio').readyState >= 2")
    assert abs(first.evaluate("a => a.duration") - 5.0) < 0.05
    first.evaluate("a => { a.muted = true; return a.play() }")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
    page.close()
