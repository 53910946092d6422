"""The rules of the house: arrows between its rooms only go down, its files stay small, and each idea stands once."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import nbformat
import pytest

from cocola_lib.files import REPO

PACKAGE = REPO / "cocola_lib"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
CORE = ("sampling", "features", "encoder", "masking", "loss", "evaluation", "clips", "scoring")
TOOLS = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
NOTEBOOKS = sorted((REPO / "notebooks").rglob("*.ipynb"))


def contracts(folder: Path) -> subprocess.CompletedProcess:
    """Check the contracts of pyproject.toml on the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_arrows_between_the_rooms_only_go_down():
    done = contracts(REPO)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("loss.py", "import cocola_lib.cli.app", "Rooms are in layers"),
        ("data/tracks.py", "from cocola_lib.scoring import Scorer", "Rooms are in layers"),
        ("hearing/foils.py", "import cocola_lib.listening.mos", "Rooms are in layers"),
        ("data/audio.py", "import cocola_lib.data.tracks", "Siblings form no circle"),
        (
            "listening/mos.py",
            "import matplotlib.pyplot",
            "Figures, widgets and papermill stay in the notebook room and the workshop",
        ),
    ],
)
def test_an_import_that_goes_up_round_or_to_figures_is_noticed(tmp_path, file, line, broken):
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    copy = shutil.copytree(PACKAGE, tmp_path / "cocola_lib", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    assert contracts(tmp_path).returncode == 0
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = contracts(tmp_path)
    assert done.returncode == 1 and f"{broken} BROKEN" in done.stdout


def test_every_room_is_kept_from_figures_but_the_notebook_room_and_the_workshop():
    (contract,) = [c for c in TOOLS["importlinter"]["contracts"] if c["type"] == "forbidden"]
    rooms = {path.parts[0].removesuffix(".py") for path in map(Path, TREES)} - {"__init__", "__main__"}
    assert {f"cocola_lib.{room}" for room in rooms - {"notebook", "workshop"}} == set(contract["source_modules"])
    assert set(contract["forbidden_modules"]) == {"matplotlib", "seaborn", "ipywidgets", "papermill"}


def test_sampling_alone_loads_neither_lightning_nor_the_miniatures():
    code = "import sys, cocola_lib.sampling; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cocola_lib.sampling" in loaded
    unwanted = ("lightning", "pytorch_lightning", "cocola_lib.data.miniatures")
    assert not [name for name in loaded if name.startswith(unwanted)]


def test_the_core_is_short_enough_to_read_in_one_sitting():
    lengths = {name: len((PACKAGE / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in CORE}
    assert sum(lengths.values()) <= 1200, lengths


def test_types_are_checked_in_the_whole_core():
    assert {f"cocola_lib/{name}.py" for name in CORE} <= set(TOOLS["mypy"]["files"])
    assert TOOLS["mypy"]["disallow_untyped_defs"]


def test_no_file_is_longer_than_250_lines():
    lengths = {path.relative_to(REPO): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: n for path, n in lengths.items() if n > 250}


def test_no_function_is_longer_than_40_lines():
    lengths = {}
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[f"{file} {node.name}"] = node.end_lineno - node.lineno + 1
    assert not {name: n for name, n in lengths.items() if n > 40}


def test_no_function_has_more_than_eight_parameters():
    crowded = [
        f"{name}: {node.name} takes {len(taken)}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and len(taken := [a for a in (*node.args.args, *node.args.kwonlyargs) if a.arg not in ("self", "cls")]) > 8
    ]
    assert not crowded


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(REPO / "notebooks").as_posix())
def test_cells_are_short_and_stored_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 20, cell.source
            assert cell.outputs == [] and cell.execution_count is None, cell.source


def renames(tree: ast.AST) -> int:
    """How often a module gives a file another name: os.replace, os.rename, shutil.move, Path.replace, Path.rename."""
    found = 0
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        if owner in ("os", "shutil"):
            found += name in ("replace", "rename", "renames", "move")
        elif name in ("replace", "rename") and len(node.args) == 1 and not node.keywords:
            # of a Path: a string's replace has two arguments; pandas has columns, a dictionary or a constant name
            column = isinstance(node.func.value, ast.Subscript)
            found += not (column or isinstance(node.args[0], ast.Dict | ast.Constant))
    return found


def test_writing_under_another_name_and_renaming_stands_once():
    others = {
        "data/download.py",  # a part that a later run goes on from; what an archive held, moved to its place
        "data/miniatures/__init__.py",  # processes that make the same track at once: the first one wins
        "data/prepare.py",  # tracks grow in one folder, which the next run clears
        "notebook/study.py",  # a notebook that fails is kept under a name that says so
    }
    assert {file for file, tree in TREES.items() if renames(tree)} == others | {"files.py"}


def test_a_constant_of_the_library_stands_in_one_file():
    own = ("data/miniatures/", "accompaniment/vggish.py")  # each set, and VGGish, states its own numbers
    many = ("VERSION", "LEARNING_RATE")  # each format and each training has one
    places = defaultdict(set)
    for file, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not file.startswith(own):
                name = node.targets[0].id
                if name.isupper() and not isinstance(node.value, ast.Tuple | ast.Dict) and name not in many:
                    places[name, ast.unparse(node.value)].add(file)
    assert not {name: files for name, files in places.items() if len(files) > 1}
