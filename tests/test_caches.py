"""Caches and the machine around them: a power cut, a closed folder or a missing home cost time, never a result."""

import os
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import clip, tiny_checkpoint

import cocola_lib
from cocola_lib import files
from cocola_lib.data import activity, audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.models import checkpoints

SPOILT = [b"", b"\x93NUMPY\1\0v\0garbage", b"{broken", bytes(500)]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    (tmp_path / "root/song").mkdir(parents=True)
    for i, name in enumerate(("bass", "drums")):
        soundfile.write(tmp_path / f"root/song/{name}.wav", clip(7, i), 16_000)
    return tmp_path / "root"


@pytest.mark.parametrize("content", SPOILT, ids=repr)
def test_a_spoilt_cache_ends_the_run_or_is_not_mentioned(root, tmp_path, content):
    tracks = load_tracks(root)
    energy = np.array(activity.block_energy(tracks[0]))
    spoilt = list((tmp_path / "cache").rglob("*.*"))
    assert {path.parent.name for path in spoilt} == {"index", "activity"}
    for path in spoilt:
        path.write_bytes(content)
    with pytest.warns(UserWarning, match="index.* cannot be read .*; made again"):
        assert load_tracks(root) == tracks
    with pytest.warns(UserWarning, match="activity.* cannot be read .*; made again"):
        np.testing.assert_array_equal(activity.block_energy(tracks[0]), energy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_tracks(root)
        activity.block_energy(tracks[0])


def test_a_cache_of_another_shape_is_believed(root, tmp_path):
    (track,) = load_tracks(root)
    energy = np.array(activity.block_energy(track))
    (path,) = (tmp_path / "cache/activity").iterdir()
    np.save(path, energy[:, :3])
    with pytest.warns(UserWarning, match="made again"):
        np.testing.assert_array_equal(activity.block_energy(track), energy)


def test_a_data_set_cannot_be_read_where_its_cache_cannot_be_kept(root, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "file/below"))  # nobody, root included, can write there
    with pytest.warns(UserWarning, match="COCOLA_DATA; this time it goes without") as said:
        (track,) = load_tracks(root)
        assert activity.block_energy(track).shape == (2, 70)
    assert all("\n" not in str(warning.message) for warning in said)


def run(code, cwd, **environment):
    """Python in another folder, with another environment."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "COCOLA_DATA", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    kept |= {"PYTHONPATH": str(Path(cocola_lib.__file__).parents[1])} | environment
    return subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=cwd, env=kept, capture_output=True, text=True, timeout=120
    )


def test_a_relative_data_folder_is_another_one_in_every_folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    code = (
        "import cocola_lib, os, subprocess, sys; from cocola_lib.files import data_dir; print(data_dir())\n"
        "os.chdir('notebooks'); print(data_dir()); sys.stdout.flush()\n"
        "subprocess.run([sys.executable, '-c', 'from cocola_lib.files import data_dir; print(data_dir())'])"
    )
    done = run(code, tmp_path, COCOLA_DATA="data", HOME=str(tmp_path))
    assert set(done.stdout.split()) == {str(tmp_path / "data")}, done.stderr


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs another user without a home")
def test_a_user_without_a_home_cannot_import_what_is_compiled(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "home").mkdir(mode=0o555)
    code = (
        "import os, cocola_lib, platformdirs; from cocola_lib.files import data_dir; data_dir()\n"
        "os.environ.pop('NUMBA_CACHE_DIR', None); os.setgid(54321); os.setuid(54321)\n"
        "cocola_lib._settle(); print(data_dir(), os.environ['NUMBA_CACHE_DIR'])\n"
        "assert os.stat(os.environ['NUMBA_CACHE_DIR']).st_mode & 0o777 == 0o700"
    )
    for environment in ({}, {"HOME": str(tmp_path / "home")}, {"HOME": "/nowhere"}):
        done = run(code, "/", **environment)
        assert done.returncode == 0, done.stderr
        data, compiled = map(Path, done.stdout.split())
        assert data.is_absolute() and not compiled.exists()


def test_weights_are_for_their_writer_only(tmp_path):
    before = os.umask(0o022)
    try:
        folder = tiny_checkpoint(tmp_path / "model")
        files.write_text(tmp_path / "x.txt", "x")
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (*folder.iterdir(), tmp_path / "x.txt")]
        assert modes == [0o644] * 3 and stat.S_IMODE(folder.stat().st_mode) == 0o755
    finally:
        os.umask(before)


def test_weights_that_may_not_be_read_are_called_missing(tmp_path, monkeypatch):
    folder = tiny_checkpoint(tmp_path / "model")

    def denied(*_):
        raise FileNotFoundError("No such file or directory: model.safetensors")  # safetensors' words for both

    monkeypatch.setattr(checkpoints, "load_file", denied)
    with pytest.raises(ValueError, match=r"model\.safetensors: cannot be read \(permission denied\)"):
        checkpoints.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        checkpoints.load(folder)
    shutil.rmtree(folder)


def test_a_written_clip_has_another_mode_than_other_files(tmp_path):
    before = os.umask(0o027)
    try:
        audio.write(tmp_path / "x.wav", clip(1))
        assert stat.S_IMODE((tmp_path / "x.wav").stat().st_mode) == 0o640
    finally:
        os.umask(before)
