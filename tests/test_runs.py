"""Bad input stops a run with one line, a non-zero exit and nothing half-written; provenance is complete."""

import errno
import importlib.machinery
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from tiny import clip_file

from cocola_lib.__main__ import main
from cocola_lib.data.tracks import data_hash, load_tracks
from cocola_lib.files import locked
from cocola_lib.models.provenance import provenance
from cocola_lib.notebook import runs, study
from cocola_lib.training.profiles import get_profile


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """A command that must fail, on a machine without data: what it prints on stderr."""

    def refused(*arguments):
        monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "data"))
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert stop.value.code == 2
        return capsys.readouterr().err

    return refused


def song(folder, *stems, seconds=6.0):
    folder.mkdir(parents=True)
    for i, stem in enumerate(stems):
        clip_file(folder / f"{stem}.wav", seconds, seed=i)


def make_missing(root):
    return "does not exist"


def make_empty(root):
    root.mkdir()
    return "holds nothing"


def make_one_stem(root):
    song(root / "song", "bass")
    return "only bass.wav"


def make_empty_file(root):
    song(root / "song", "bass", "drums")
    (root / "song" / "vocals.wav").write_bytes(b"")
    return "vocals.wav"


def make_cut_off(root):
    song(root / "song", "bass", "drums")
    file = root / "song" / "bass.wav"
    file.write_bytes(file.read_bytes()[:20_000])
    return "bass.wav"


def make_text(root):
    song(root / "song", "bass", "drums")
    (root / "song" / "vocals.wav").write_text("la la la", encoding="utf-8")
    return "vocals.wav"


@pytest.mark.parametrize(
    "make",
    [make_missing, make_empty, make_one_stem, make_empty_file, make_cut_off, make_text],
    ids=lambda f: f.__name__,
)
def test_bad_data_is_one_line_and_leaves_nothing(make, refused, tmp_path):
    root = tmp_path / "music"
    expected = make(root)
    out = tmp_path / "out"
    said = refused("run", "--profile", "smoke", "--data-root", root, "--run-dir", out)
    assert expected in said
    assert len(said.strip().splitlines()) == 1, said
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--profile", "fast"], "profile is 'fast'; use smoke, quick, full"),
        (["-p", "tempo=120"], "parameter 'tempo': no notebook has it; they have"),
        (["-p", "tempo"], "expected name=value"),
        (["--only", "77"], "no notebook begins with 77; there are 00_start_here, 01_data_exploration"),
        (["--only", "00", "--only", "x"], "no notebook begins with x; there are 00_start_here, 01_data_exploration"),
    ],
)
def test_unknown_names_are_one_line_and_leave_nothing(arguments, expected, refused, tmp_path):
    out = tmp_path / "out"
    said = refused("run", "--run-dir", out, *arguments)
    assert expected in said
    assert len(said.strip().splitlines()) == 1, said
    assert not out.exists()


def test_a_track_shorter_than_a_window_is_said_by_the_sampler(tmp_path):
    from cocola_lib.sampling import WindowSampler

    song(tmp_path / "music" / "song", "bass", "drums", seconds=3.0)
    with pytest.raises(ValueError, match=r"the longest 3.0 s\) hold 0 of the 2 windows asked for, of 5.0 s"):
        WindowSampler(load_tracks(tmp_path / "music")).batch(2, seed=0, step=0)


def test_nan_samples_are_named_with_their_file(tmp_path):
    import numpy as np
    import soundfile

    song(tmp_path / "music" / "song", "bass", "drums")
    x = np.zeros(96_000, dtype=np.float32)
    x[5] = np.nan
    soundfile.write(tmp_path / "music" / "song" / "bass.wav", x, 16_000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"bass\.wav.*NaN"):
        load_tracks(tmp_path / "music")[0].read(("bass",), 0.0, 5.0)


def test_stems_of_unequal_length_are_silent_after_their_end(tmp_path):
    folder = tmp_path / "music" / "song"
    folder.mkdir(parents=True)
    clip_file(folder / "bass.wav", 12.0)
    clip_file(folder / "drums.wav", 8.0, seed=1)
    track = load_tracks(tmp_path / "music")[0]
    assert track.duration_s == 12.0
    assert not track.read(("drums",), 8.5, 2.0).any()


@pytest.mark.usefixtures("tiny_sets")
def test_a_failed_notebook_is_one_line_and_keeps_its_name_apart(tmp_path):
    """Notebook 03 is given a checkpoint that nobody trained."""
    given = ["--run-dir", tmp_path / "out", "--only", "03", "-p", f"checkpoint={tmp_path / 'model'}"]
    command = [sys.executable, "-m", "cocola_lib", "run", "--profile", "smoke", *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no checkpoint; the parameter `checkpoint` names it" in done.stderr
    assert sum(line.startswith("error:") for line in done.stderr.splitlines()) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["03_classification_tables.failed.ipynb"]


def small_tour(folder, monkeypatch, source):
    """One notebook of one cell in place of the study's."""
    parameters = "profile: str = 'smoke'  # how much\nseed: int = 0  # of all\nrun_dir: str = ''  # where to"
    given = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[given, nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "00_small.ipynb")
    monkeypatch.setattr(study, "NOTEBOOKS", folder / "notebooks")
    monkeypatch.setattr(study, "open_tracks", lambda *_: None)
    return study.find_notebooks()[0]


@pytest.mark.parametrize(
    ("source", "minutes", "expected"),
    [
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            5,
            "00_small: Kernel died; if memory ran out, close",
        ),
        ("import time\ntime.sleep(60)", 0.02, "00_small: a cell took more than 0.02 minutes; --cell-minutes gives it"),
    ],
    ids=["killed", "hung"],
)
def test_a_kernel_that_dies_or_hangs_is_one_line_and_leaves_what_it_did(
    source, minutes, expected, tmp_path, monkeypatch
):
    path, out = small_tour(tmp_path, monkeypatch, source), tmp_path / "out"
    out.mkdir()
    with pytest.raises(study.NotebookFailed, match=expected) as error:
        study._execute(path, out, {"profile": "smoke"}, minutes)
    assert "\n" not in str(error.value) and "00_small.failed.ipynb" in str(error.value)
    assert [p.name for p in out.iterdir()] == ["00_small.failed.ipynb"]
    assert nbformat.read(out / "00_small.failed.ipynb", as_version=4).cells[-1].source == source


def test_a_disk_that_fills_up_under_a_notebook_is_one_line_with_its_name(tmp_path, monkeypatch):
    path, out = small_tour(tmp_path, monkeypatch, "print(1)"), tmp_path / "out"
    out.mkdir()

    def full(path, temporary, *_):
        temporary.write_text("half", encoding="utf-8")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(study, "_papermill", full)
    with pytest.raises(OSError, match="00_small.ipynb: cannot be written .No space left on device."):
        study._execute(path, out, {}, 1)
    assert [p.name for p in out.iterdir()] == ["00_small.failed.ipynb"]


def test_two_runs_do_not_mix_in_one_folder(tmp_path, monkeypatch):
    small_tour(tmp_path, monkeypatch, "print(1)")
    with (
        locked(tmp_path / "out" / ".lock", ""),
        pytest.raises(ValueError, match="out: another run is writing there; wait for it"),
    ):
        study.run_notebooks(get_profile("smoke"), tmp_path / "out", only=["00"])


def test_without_git_a_number_still_has_its_provenance(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance([], 0)["git_commit"] == "unknown"


def test_results_of_two_notebooks_stand_beside_each_other(tmp_path):
    for name in ("01_b", "00_a"):
        runs.Run(tmp_path, name).results({"x": 1.5}, {"seed": 0}, f"headline of {name}")
    entries = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert list(entries) == ["00_a", "01_b"]
    assert entries["01_b"]["results"] == {"x": 1.5}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("cocola_lib.workshop.efficiency", "python -m cocola_lib.workshop.efficiency --minutes 2"),
        (None, "efficiency.py --minutes 2"),
    ],
)
def test_the_stored_command_names_no_place_on_this_machine(module, expected, monkeypatch):
    spec = module and importlib.machinery.ModuleSpec(module, None)
    monkeypatch.delenv("COCOLA_COMMAND", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    monkeypatch.setattr(sys, "argv", ["/home/me/cocola_lib/efficiency.py", "--minutes", "2"])
    assert provenance([], 0)["command"] == expected


def test_the_data_hash_notices_a_changed_file(tmp_path):
    song(tmp_path / "music" / "song", "bass", "drums")
    before = data_hash(load_tracks(tmp_path / "music"))
    assert data_hash(load_tracks(tmp_path / "music")) == before
    clip_file(tmp_path / "music" / "song" / "bass.wav", 7.0)
    assert data_hash(load_tracks(tmp_path / "music")) != before


def test_a_missing_table_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="run notebook 04 of the same run first"):
        runs.Run(tmp_path, "05").read_table("04_scores", needed_from="04")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ratings", "my_test/ratings.csv", "{here}/my_test/ratings.csv"),
        ("metrics", "scores.csv", "{here}/scores.csv"),
        ("released", "x.ckpt", "{here}/x.ckpt"),
        ("folders", "a/,b/", "{here}/a,{here}/b"),
        ("systems", "a, b", "{here}/a,{here}/b"),
        ("folders", "with, comma", "{here}/with, comma"),
        ("checkpoint", "a", "{here}/a"),
        ("checkpoint", "hps-all", "hps-all"),
        ("checkpoint", "None", None),
        ("systems", "", ""),
        ("ratings", "no/such file", "no/such file"),
        ("split", "a", "a"),
        ("k", "64", 64),
        ("recipe", "hps-all", "hps-all"),
    ],
)
def test_a_path_given_to_a_notebook_is_found_from_the_notebooks_folder(name, text, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("my_test", "a", "b", "with, comma"):
        (tmp_path / folder).mkdir()
    for file in ("my_test/ratings.csv", "scores.csv", "x.ckpt"):
        (tmp_path / file).touch()
    expected = expected.format(here=tmp_path) if isinstance(expected, str) else expected
    assert study._typed({name: text}) == {name: expected}


def test_no_parameter_that_takes_a_path_is_left_as_it_was_typed():
    parameters = {n: p for path in study.find_notebooks() for n, p in study.inspect_parameters(path).items()}
    paths = {name for name, p in parameters.items() if re.match(r"(a )?(folder|CSV|released \.ckpt)", p["help"])}
    assert len(paths) > 5 and paths <= set(study.PATHS) <= parameters.keys()
