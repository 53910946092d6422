"""Without any extra of the package: clips are scored, and what needs an extra says which one, in one line."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cocola_lib.extras import ExtraMissing, need
from cocola_lib.files import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = ("data", "train", "listen", "notebooks", "stems", "fad", "beats", "loggers", "onnx", "grid")


def brought(requirements, seen=None):
    """The distributions that an installation of these requirements brings, as far as they are installed here."""
    seen = set() if seen is None else seen
    for requirement in map(Requirement, requirements):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        wanted = any(
            not requirement.marker or requirement.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)
        )
        if wanted and name not in seen:
            seen.add(name)
            try:
                brought(importlib.metadata.requires(name) or [], seen)
            except importlib.metadata.PackageNotFoundError:
                continue
    return seen


@pytest.fixture(scope="module")
def blocked():
    """The modules that only the extras bring."""
    core = brought(PROJECT["dependencies"])
    names = {Requirement(line).name.lower().replace("_", "-") for extra in FOR_USERS for line in EXTRAS[extra]}
    extra = names - core - {"cocola-lib"}
    modules = importlib.metadata.packages_distributions().items()
    found = [m for m, owners in modules if {o.lower().replace("_", "-") for o in owners} & extra]
    assert {"lightning", "music21", "matplotlib", "papermill", "voila", "krippendorff"} <= set(found)
    return sorted(found)


def cocola(blocked, *commands):
    """Commands in a process that has only what a light install brings: (exit code, lines on stderr) of each."""
    code = f"""
import contextlib, io, json, sys
sys.modules |= dict.fromkeys({blocked})
from cocola_lib.__main__ import main
for command in {[[str(part) for part in command] for command in commands]}:
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            main(command)
    except SystemExit as done:
        print(json.dumps([done.code, err.getvalue().splitlines()]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_files_are_scored_data_sets_listed_and_commands_explained(blocked, tmp_path):
    for name, hz in (("mix", 220), ("bass", 110)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(2 * np.pi * hz * np.arange(80_000) / 16_000), 16_000)
    score = ("score", tmp_path / "mix.wav", tmp_path / "bass.wav", "--out", tmp_path / "scores.csv")
    matrix = ("matrix", tmp_path, tmp_path, "--out", tmp_path / "matrix.csv")
    helped = "run", "train", "grid", "rank", "calibrate", "convert", "accompany evaluate", "listen prepare"
    done = cocola(blocked, score, ("data", "list"), matrix, *([*command.split(), "--help"] for command in helped))
    assert [code for code, _ in done] == [0] * (3 + len(helped)), done
    assert done[2][1][-1].startswith("no figure: ") and 'pip install "cocola-lib[notebooks]"' in done[2][1][-1]
    assert (tmp_path / "matrix.csv").read_text(encoding="utf-8").count("\n") == 5
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").count("\n") == 2


def test_a_command_names_the_extra_that_it_needs(blocked, monkeypatch, tmp_path):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path))  # no miniature is there yet
    needed = {
        "run": "notebooks",
        "train": "train",
        "grid grid.yaml": "train",
        "data mini mini-slakh2100 --size tiny": "data",
        "accompany export questions": "data",
        "export --onnx model.onnx": "onnx",
        "listen serve": "listen",
        "listen status": "listen",
    }
    (tmp_path / "pairs.csv").write_text("conditioning,accompaniment\na.wav,b.wav\n", encoding="utf-8")
    needed[f"score --pairs {tmp_path / 'pairs.csv'} --backend dask"] = "grid"
    done = cocola(blocked, *(command.split() for command in needed))
    for (code, lines), extra in zip(done, needed.values(), strict=True):
        assert code == 2 and len(lines) == 1, lines
        assert lines[0].startswith("error: ") and f'pip install "cocola-lib[{extra}]"' in lines[0]


def test_nobody_imports_a_package_that_is_not_declared():
    declared = {canonicalize_name(Requirement(line).name) for lines in EXTRAS.values() for line in lines}
    declared |= {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    owners = {"fluidsynth": ["pyfluidsynth"]} | importlib.metadata.packages_distributions()  # extras may be absent
    owners |= {"llvmlite": ["numba"]}  # of one release with it
    undeclared = {}
    for path in (REPO / "cocola_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for name in {n.split(".")[0] for n in names} - sys.stdlib_module_names - {"cocola_lib"}:
                if not {canonicalize_name(o) for o in owners.get(name, [name])} & declared:
                    undeclared.setdefault(name, path.name)
    assert not undeclared


def test_what_is_there_opens_the_door_and_what_is_missing_is_named():
    need("data", "numpy")
    with pytest.raises(ExtraMissing, match=r'no_such_module not installed: pip install "cocola-lib\[data\]"'):
        need("data", "numpy", "no_such_module")
