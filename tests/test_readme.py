"""What the README promises is there, and the example runs as it stands."""

import ast
import importlib.util
import json
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import browser
import nbformat
import pytest
import typer
import yaml

import cocola_lib
from cocola_lib import files
from cocola_lib.__main__ import UsageProblem
from cocola_lib.cli.app import app as cocola
from cocola_lib.files import REPO
from cocola_lib.workshop import reference
from cocola_lib.workshop.families.__main__ import app as families

README, CONTRIBUTING = ((REPO / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))


def test_the_python_example_runs_as_it_stands(tiny_sets):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"found its partner among 8: ([\d.]+)", done.stdout)
    assert float(found[1]) > 1 / 8


def test_links_lead_to_files_of_the_repository():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README + CONTRIBUTING):
        assert (REPO / target).exists(), target


def test_the_readme_asks_each_notebooks_own_question():
    for path in sorted((REPO / "notebooks").glob("*.ipynb")):
        question = re.search(r"\*\*([^*]+\?)\*\*", nbformat.read(path, as_version=4).cells[0].source)[1]
        assert f"| [{path.stem}](notebooks/{path.name}) | {' '.join(question.split())}" in README


def test_make_targets_that_the_readme_names_exist():
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)", README)) | {"run", "test"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_make_lab_opens_a_copy_of_the_first_notebook(tmp_path, tmp_path_factory):
    shutil.copy(REPO / "Makefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    shutil.copy(REPO / "notebooks" / "00_start_here.ipynb", tmp_path / "notebooks")
    jupyter, port, token = browser.own_jupyter(tmp_path_factory), browser.free_port(), secrets.token_hex(16)
    options = {"port": port, "port_retries": 0, "ip": "127.0.0.1", "allow_root": True, "open_browser": False}
    config = {"ServerApp": options, "IdentityProvider": {"token": token}}
    files.write_json(Path(jupyter["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.json", config)
    command = ["make", "-C", tmp_path, "-o", ".venv/installed", "lab", f"BIN={Path(sys.executable).parent}"]
    first = f"http://127.0.0.1:{port}/api/contents/notebooks/00_start_here.ipynb?content=0&token={token}"
    with browser.serve(command, first, jupyter):  # it ends, and does not answer, where it cannot open the notebook
        assert (tmp_path / "outputs" / "lab" / "notebooks" / "00_start_here.ipynb").exists()


def test_links_in_the_table_of_equations_lead_to_the_file_that_defines_the_name():
    rows = README.split("| paper | code |\n|---|---|\n", 1)[1].split("\n\n", 1)[0].splitlines()
    for row in rows:
        links = re.findall(r"\[`([\w.]+)`\]\(([^)]+)\)", row)
        assert links, row
        for name, target in links:
            scope = ast.parse((REPO / target).read_text(encoding="utf-8")).body
            for part in name.split("."):
                found = [n for n in scope if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part]
                assert found, f"{name} is not defined in {target}"
                scope = found[0].body


def test_every_room_and_every_module_of_the_core_is_on_both_maps():
    rooms = {p.stem for p in (REPO / "cocola_lib").glob("*.py")} - {"__init__", "__main__"}
    rooms |= {p.parent.name for p in (REPO / "cocola_lib").glob("*/__init__.py")}
    for text, head in ((README, "| room |"), (CONTRIBUTING, "| from the top |")):
        table = text.split(head, 1)[1].split("\n\n", 1)[0]
        assert rooms <= set(re.findall(r"`(\w+)`", table)), rooms - set(re.findall(r"`(\w+)`", table))


def commands(text):
    """The commands that a text shows, as (module, arguments): `cocola ...` and `python -m cocola_lib...`."""
    shown = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    for line in shown.splitlines():
        for piece in re.split(r";|&&|\bdo\b", line.split(" #")[0]):
            found = re.match(r"\s*(?:srun )?(?:cocola|python -m (cocola_lib[\w.]*)) (.+)", piece)
            if found:
                yield found[1] or "cocola_lib", shlex.split(found[2].replace("$k", "16"))


def understand(command, arguments, parent=None):
    """Let the command line read arguments, down to the last subcommand, without running anything."""
    context = command.make_context("cocola", list(arguments), parent=parent, resilient_parsing=arguments == ["--help"])
    if hasattr(command, "commands") and arguments != ["--help"]:
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        understand(inner, rest, context)


APPS = {"cocola_lib": cocola, "cocola_lib.workshop.families": families}
TEXTS = ("README.md", "CONTRIBUTING.md", "cocola_lib/accompaniment/folder_protocol.md")


@pytest.mark.parametrize("name", TEXTS)
def test_the_command_line_understands_every_command_that_is_shown(name):
    shown = list(commands((REPO / name).read_text(encoding="utf-8")))
    assert shown
    for module, arguments in shown:
        if module in APPS:
            understand(typer.main.get_command(APPS[module]), arguments)
        else:
            assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("wrong", ["scores a.wav b.wav", "score --pair a.csv", "listen prepare x --pages many"])
def test_a_command_that_is_not_there_would_be_noticed(wrong):
    with pytest.raises(UsageProblem):
        understand(typer.main.get_command(cocola), wrong.split())


def test_every_place_that_names_the_repository_names_this_one():
    urls = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"] == urls["Repository"]
    owner, name = urls["Repository"].split("/")[-2:]
    assert urls["Documentation"] == f"https://{owner}.github.io/{name}/" and urls["Documentation"] in README
    for badge in ("colab.research.google.com/github/", "mybinder.org/v2/gh/"):
        assert re.findall(rf"{re.escape(badge)}([^/]+/[^/]+)/", README) == [f"{owner}/{name}"]


@pytest.mark.parametrize("command", re.findall(r"^papermill .+?(?= *#|$)", README, flags=re.MULTILINE))
def test_plain_papermill_understands_what_is_shown(command, tmp_path):
    (tmp_path / "params.yaml").write_text("k: 64\n", encoding="utf-8")
    arguments = [str(REPO / part) if part.startswith("notebooks/") else part for part in shlex.split(command)[1:]]
    arguments += ["--prepare-only"] * ("out.ipynb" in arguments)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "out.ipynb" in arguments:
        cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
        (given,) = [c.source for c in cells if "injected-parameters" in c.metadata.get("tags", [])]
        assert given == "# Parameters\nk = 64\n"
    else:
        assert "max_overlap: float (default 0.5)" in done.stdout


def test_every_place_that_names_the_version_names_this_one():
    assert f"version = {{{cocola_lib.__version__}}}" in README
    assert yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))["version"] == cocola_lib.__version__
    newest = re.search(r"^## (\S+)", (REPO / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert newest == cocola_lib.__version__


def brought(project, requirements):
    """Names of the packages that requirements ask for, those of our own extras followed."""
    names = set()
    for name, inner in (re.match(r"([\w-]+)(?:\[(.+?)\])?", line).groups() for line in requirements):
        own = inner.split(",") if name == project["name"] else ()
        names |= {name}.union(*(brought(project, project["optional-dependencies"][extra]) for extra in own))
    return names


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
    assert fixed <= brought(project, project["dependencies"] + [f"cocola-lib[{','.join(extras)}]"])


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
