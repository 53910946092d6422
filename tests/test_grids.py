"""Grids: every cell once, finished ones read, failed ones kept; a lost worker's cell runs elsewhere."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from grid_tasks import add, deadly, gives_nothing, odd_only, slow, two_rows

from cocola_lib.fast.workers import Workers
from cocola_lib.files import read_csv
from cocola_lib.training.cells import NAME_LENGTH, cells_of
from cocola_lib.training.grids import run_grid


def runs(folder):
    """How often each cell ran: parameters -> number."""
    return {tuple(json.loads((path.parent / "cell.json").read_text())["parameters"].values()):
            len(path.read_text().split()) for path in Path(folder).glob("*/ran.txt")}  # fmt: skip


def test_a_grid_is_every_combination_in_order_with_its_parameters_first(tmp_path):
    said = []
    found = run_grid(
        add, {"a": [2, 1], "b": [10, 20, 30]}, tmp_path, fixed={"text": "x"}, n_workers=1, report=said.append
    )
    assert list(found.columns) == ["a", "b", "total", "third", "text"]
    assert found["total"].tolist() == [12, 22, 32, 11, 21, 31]
    assert found["third"].tolist() == [t / 3 for t in found["total"]]  # to the last bit, from the file
    pd.testing.assert_frame_equal(read_csv(tmp_path / "grid.csv", float_precision="round_trip"), found)
    assert said[0] == "6 cells" and [line.split("  ")[0] for line in said[1:]] == [f"{i} of 6" for i in range(1, 7)]
    assert not list(tmp_path.rglob(".*"))


def test_a_finished_cell_is_read_and_a_new_value_adds_its_cells_only(tmp_path):
    first = run_grid(add, {"a": [1, 2]}, tmp_path, n_workers=1)
    again = run_grid(add, {"a": [1, 2]}, tmp_path, n_workers=1)
    pd.testing.assert_frame_equal(again, first)
    assert run_grid(add, {"a": [1, 2, 3]}, tmp_path, n_workers=1)["total"].tolist() == [1, 2, 3]
    assert runs(tmp_path) == {(1,): 1, (2,): 1, (3,): 1}


def test_other_fixed_values_or_another_task_are_other_cells(tmp_path):
    assert run_grid(add, {"a": [1]}, tmp_path, n_workers=1)["total"].tolist() == [1]
    assert run_grid(add, {"a": [1]}, tmp_path, fixed={"b": 5}, n_workers=1)["total"].tolist() == [6]
    assert "total" not in run_grid(two_rows, {"a": [1]}, tmp_path, n_workers=1)
    assert run_grid(add, {"a": [1]}, tmp_path, n_workers=1)["total"].tolist() == [1]
    assert len(list(tmp_path.glob("*/cell.json"))) == 3


@pytest.mark.parametrize("damage", ["cell.json", "rows.csv"])
@pytest.mark.parametrize("content", [None, "", "{"])
def test_a_cell_whose_files_are_damaged_or_missing_runs_again(tmp_path, damage, content):
    run_grid(add, {"a": [1, 2]}, tmp_path, n_workers=1)
    path = cells_of(add, {"a": [1]}, tmp_path)[0].folder / damage
    path.unlink() if content is None else path.write_text(content if damage == "cell.json" else "")
    with warnings.catch_warnings():  # of a file that cannot be read
        warnings.simplefilter("ignore")
        found = run_grid(add, {"a": [1, 2]}, tmp_path, n_workers=1)
    assert found["total"].tolist() == [1, 2] and runs(tmp_path) == {(1,): 2, (2,): 1}


def test_a_task_may_give_several_rows_and_a_parameter_is_the_grids(tmp_path):
    found = run_grid(two_rows, {"a": [1, 2], "other": ["x"]}, tmp_path, n_workers=1)
    assert found["a"].tolist() == [1, 1, 2, 2] and found["half"].tolist() == [0, 1, 0, 1]
    assert list(found.columns) == ["a", "other", "half", "value"]


def test_cells_never_share_a_folder_and_every_file_system_takes_its_name(tmp_path):
    values = [
        "a/b",
        "a\\b",
        "a:b",
        "A",
        "a",
        0.5,
        "0.5",
        1,
        1.0,
        True,
        None,
        "None",
        "",
        "..",
        " ",
        "é",
        "n" * 300,
        "n" * 301,
    ]
    cells = cells_of(add, {"a": values, "text": [*range(3)]}, tmp_path)
    names = [cell.folder.name for cell in cells]
    assert len({name.lower() for name in names}) == 3 * len(values)
    assert all(cell.folder.parent == tmp_path and name.isascii() for cell, name in zip(cells, names, strict=True))
    assert max(map(len, names)) <= NAME_LENGTH + 11 and not any(set(name) & set('/\\:*?"<>| ') for name in names)
    assert names[0].startswith("a=a_b,text=0-")


@pytest.mark.parametrize(
    ("parameters", "fixed", "said"),
    [
        ({}, {}, "a grid needs a parameter with a list of values"),
        ({"a": []}, {}, "parameter a is an empty list"),
        ({"a": 3}, {}, "parameter a is 3; give a list of values"),
        ({"a": "12"}, {}, "parameter a is '12'; give a list"),
        ({"a": [1, [2]]}, {}, r"parameter a holds \[2\], a list"),
        ({"a": [1, 2, 1]}, {}, "parameter a holds 1 twice"),
        ({"a": [1], "c": [1]}, {}, "c: not a parameter of add; it has a, b, text"),
        ({"a": [1]}, {"d": 1}, "d: not a parameter of add; it has a, b, text"),
        ({"a": [1]}, {"a": 1}, "a: a parameter of the grid and fixed as well"),
        ({"b": [1]}, {}, "add needs a as well"),
        ({"a": range(1000), "b": range(1001)}, {}, "1,001,000 cells; a grid has 100,000 at most"),
        ({"a": [1]}, {"b": object()}, "fixed b is a object; give a plain value"),
    ],
)
def test_what_makes_no_grid_is_refused_before_anything_is_written(tmp_path, parameters, fixed, said):
    with pytest.raises(ValueError, match=said):
        run_grid(add, parameters, tmp_path / "grid", fixed=fixed, n_workers=1)
    assert not (tmp_path / "grid").exists()


@pytest.mark.parametrize("task", [lambda folder, a: {}, Path, "add"])
def test_a_task_that_workers_cannot_import_is_refused(tmp_path, task):
    with pytest.raises(ValueError, match="a function of a module"):
        run_grid(task, {"a": [1]}, tmp_path, n_workers=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "slurm"}, "backend is 'slurm'; use local, dask"),
        ({"n_workers": 0}, "n_workers is 0; it must be at least 1"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "does not go with backend 'local'"),
        ({"scheduler": "tcp://127.0.0.1:1", "backend": "dask", "n_workers": 2}, "does not go with n_workers"),
    ],
)
def test_workers_that_cannot_be_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Workers(**options)


def test_numbers_of_numpy_and_paths_are_plain_values(tmp_path):
    found = run_grid(add, {"a": np.arange(2), "b": (np.float64(0.5),)}, tmp_path, fixed={"text": tmp_path}, n_workers=1)
    assert found["total"].tolist() == [0.5, 1.5] and set(found["text"]) == {str(tmp_path)}
    stored = json.loads(next(tmp_path.glob("*/cell.json")).read_text())
    assert stored["fixed"] == {"text": str(tmp_path)} and stored["provenance"]["git_commit"]


def test_failed_cells_are_kept_with_what_they_left_and_tried_again_on_request(tmp_path):
    """By joblib's processes, and again in this one."""
    grid, mended, said = tmp_path / "grid", tmp_path / "mended", []
    parameters, fixed = {"a": [1, 2, 3, 4]}, {"mended": mended}
    found = run_grid(odd_only, parameters, grid, fixed=fixed, n_workers=2, report=said.append)
    assert found["a_squared"].tolist() == [1, 9]
    assert said[-1].startswith("2 cells have failed") and "ValueError: 2 is even and that takes two lines" in said[-1]
    two = cells_of(odd_only, parameters, grid, fixed)[1]
    assert (two.folder / "half.txt").exists() and "raise ValueError" in (two.folder / "error.txt").read_text()
    mended.touch()
    with pytest.warns(UserWarning, match="2 cells have failed, to be tried again with retry"):
        assert run_grid(odd_only, parameters, grid, fixed=fixed, n_workers=1)["a"].tolist() == [1, 3]
    found = run_grid(odd_only, parameters, grid, fixed=fixed, n_workers=1, retry=True)
    assert found["a_squared"].tolist() == [1, 4, 9, 16] and not list(grid.glob("*/error.txt"))


def test_a_grid_of_which_no_cell_finishes_says_why(tmp_path):
    with (
        pytest.warns(UserWarning, match="gives_nothing gave NoneType"),
        pytest.raises(ValueError, match="finished; of the first: .*NoneType"),
    ):
        run_grid(gives_nothing, {"a": [1]}, tmp_path, n_workers=1)


def test_a_local_process_that_dies_costs_no_finished_cell(tmp_path):
    with pytest.raises(ChildProcessError, match="a worker process died"):
        run_grid(deadly, {"a": [0, 1, 2]}, tmp_path, n_workers=2)
    assert not (tmp_path / "grid.csv").exists()
    assert run_grid(deadly, {"a": [0, 2]}, tmp_path, n_workers=1)["value"].tolist() == [0, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_the_cell_of_a_dask_worker_that_is_killed_runs_elsewhere(tmp_path):
    killed = []

    def kill_one():
        while not (started := sorted(tmp_path.glob("started-*"))):
            time.sleep(0.02)
        killed.append(started[0].name)
        os.kill(int(killed[0].rsplit("-", 1)[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = run_grid(slow, {"a": [1, 2, 3], "b": [10, 20, 30, 40]}, tmp_path, backend="dask", n_workers=2)
    killer.join()
    assert found["sum"].tolist() == [a + b for a in (1, 2, 3) for b in (10, 20, 30, 40)]
    _, a, b, pid = killed[0].split("-")
    started = [path.name for path in tmp_path.glob("started-*")]
    assert len(started) == 13 and len([name for name in started if name.startswith(f"started-{a}-{b}-")]) == 2
    assert int(pid) not in set(found["pid"]) and os.getpid() not in set(found["pid"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal")
def test_ctrl_c_leaves_no_half_cell_and_no_process(tmp_path):
    """As a terminal sends it, to all processes."""
    call = f"run_grid(slow, {{'a': [1, 2, 3], 'b': [1]}}, {str(tmp_path)!r}, fixed={{'seconds': 60.0}}, n_workers=2)"
    light = "import sys, types\nstub = types.SimpleNamespace(origin=lambda: {'command': ''})\n"  # torch takes seconds
    light += "sys.modules['cocola_lib.models.provenance'] = stub\n"
    code = f"{light}from grid_tasks import slow\nfrom cocola_lib.training.grids import run_grid\n{call}"
    here = Path(__file__).parent
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a session in the background ignores it
    options = {"stderr": subprocess.PIPE, "start_new_session": True, "preexec_fn": heeded}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=here, **options)
    while len(started := list(tmp_path.glob("started-*"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
    for path in started:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name.rsplit("-", 1)[1]), 0)
        path.unlink()
    assert not [path for path in tmp_path.iterdir() if path not in started]


def test_a_scheduler_that_does_not_answer_is_named(tmp_path):
    soon = dask.config.set({"distributed.comm.timeouts.connect": "200ms"})
    with soon, pytest.raises(OSError, match="tcp://127.0.0.1:9: no Dask scheduler answers there"):
        run_grid(add, {"a": [1]}, tmp_path, backend="dask", scheduler="tcp://127.0.0.1:9")
