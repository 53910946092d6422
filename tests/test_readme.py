"""What the README promises is there, and the example runs as it stands."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from cocola_lib.files import REPO
from cocola_lib.workshop import reference

README = (REPO / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_as_it_stands(tiny_sets):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"found its partner among 8: ([\d.]+)", done.stdout)
    assert float(found[1]) > 1 / 8


def test_links_lead_to_files_of_the_repository():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPO / target).exists(), target


def test_make_targets_that_the_readme_names_exist():
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)", README)) | {"run", "test"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_module_of_the_library_is_on_the_map():
    modules = {p.stem for p in (REPO / "cocola_lib").glob("*.py")} - {"__init__", "__main__"}
    folders = {p.parent.name for p in (REPO / "cocola_lib").glob("*/__init__.py")}
    table = README.split("in the order in which data flow", 1)[1]
    named = set(re.findall(r"`(\w+)`", table))
    assert modules | folders <= named, sorted((modules | folders) - named)


def test_conda_and_pip_users_get_the_same():
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = yaml.safe_load((REPO / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert f"python{project['requires-python']}" in conda
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    (line,) = pip
    extras = set(re.fullmatch(r"--editable \.\[(.+)\]", line)[1].split(","))
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert extras == set(re.search(r'--editable "\.\[(.+)\]"', makefile)[1].split(","))
    assert extras <= set(project["optional-dependencies"])
    fixed = {"jupyterlab", "papermill", "torch", "torchaudio", "timm", "librosa", "seaborn", "ipywidgets"}
    names = {re.split(r"[<>=\[ ]", requirement)[0] for requirement in project["dependencies"]}
    assert fixed <= names


def test_the_tables_are_those_that_the_reference_run_makes():
    assert reference.fill(README, reference.blocks()) == README


def test_the_results_table_shows_what_the_run_stored():
    entries = json.loads(reference.RESULTS.read_text(encoding="utf-8"))
    found = entries["03_classification_tables"]["results"]
    wanted = (found["main"], 16, "P+H", "mini-musdb18hq")
    row = next(r for r in found["accuracy"] if (r["model"], r["k"], r["mode"], r["test_set"]) == wanted)
    assert f"| {100 * row['accuracy']:.1f} / " in reference.table(entries)


def test_a_readme_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="the marks .* are missing"):
        reference.fill("# nothing", {"results": ""})


def test_nothing_committed_names_this_machine_or_a_package_index():
    tracked = subprocess.run(["git", "-C", str(REPO), "ls-files"], capture_output=True, text=True, check=True).stdout
    for name in tracked.split():
        path = REPO / name
        if path.suffix in {".py", ".ipynb", ".toml", ".yml", ".md", ".json", ".csv", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            for word in ("/" + "work/", "pypi" + ".org", "files.python" + "hosted", "deb.debian" + ".org"):
                assert word not in text, f"{name} names {word}"
