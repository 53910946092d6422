"""A run that was killed goes on as if nothing had happened, and never from a state that is not its own."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from full_disk import FullDisk
from songs import SHORT, SMALL, TINY, write_songs
from tiny import tiny_model

from cocola_lib.__main__ import main
from cocola_lib.files import locked
from cocola_lib.models import checkpoints
from cocola_lib.training import module as contrastive
from cocola_lib.training import run as training
from cocola_lib.training import states
from cocola_lib.training.history import read_history

SIX = replace(SHORT, n_steps=6, ema=0.9)
KILLED = """
import os, signal, sys
from songs import TINY, SHORT
from dataclasses import replace
from cocola_lib.training import run as training
from cocola_lib.training.module import ContrastiveModule
from cocola_lib.data.tracks import load_tracks
start = ContrastiveModule.on_train_batch_start
def die_at_3(self, batch, index):
    if self.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    start(self, batch, index)
ContrastiveModule.on_train_batch_start = die_at_3
training.train(TINY, replace(SHORT, n_steps=6, ema=0.9), load_tracks(sys.argv[1]), sys.argv[2], progress=False)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    write_songs(folder)
    return folder


@pytest.fixture(scope="module")
def tracks(root):
    from cocola_lib.data.tracks import load_tracks

    return load_tracks(root)


@pytest.fixture(scope="module")
def whole(tracks, tmp_path_factory):
    """A run that nobody killed."""
    return training.train(TINY, SIX, tracks, tmp_path_factory.mktemp("whole"), progress=False)


def assert_same(result, whole):
    for a, b in ((result.checkpoint, whole.checkpoint), (result.last, whole.last)):
        ours, theirs = (checkpoints.load(folder)[0].state_dict() for folder in (a, b))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    columns = ["step", "split", "loss", "accuracy", "k"]
    pd.testing.assert_frame_equal(result.history[columns], whole.history[columns])


def stop_at(step, monkeypatch):
    def killed(self, batch, batch_idx):
        if self.global_step == step:
            raise RuntimeError("killed")
        return step_of_a_run(self, batch, batch_idx)

    step_of_a_run = contrastive.ContrastiveModule.training_step
    monkeypatch.setattr(contrastive.ContrastiveModule, "training_step", killed)


def test_the_same_seed_gives_the_same_weights(whole, tracks, tmp_path):
    assert_same(training.train(TINY, SIX, tracks, tmp_path, progress=False), whole)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_run_that_died_at_any_step_ends_with_the_same_weights(step, whole, tracks, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(RuntimeError, match="killed"):
            training.train(TINY, SIX, tracks, tmp_path, progress=False)
    assert states.unfinished(tmp_path) == step // 2 * 2
    torch.manual_seed(1234)  # another process
    assert_same(training.train(TINY, SIX, tracks, tmp_path, progress=False, resume=True), whole)
    assert states.unfinished(tmp_path) is None


def test_a_process_that_was_killed_ends_with_the_same_weights(whole, root, tracks, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), str(tmp_path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert states.unfinished(tmp_path) == 2
    assert_same(training.train(TINY, SIX, tracks, tmp_path, progress=False, resume=True), whole)


def die_in_the_export(tracks, folder, after):
    """A run of six steps that dies when so many of its two models are exported."""
    save, exported = checkpoints.save, []

    def killed(*arguments, **options):
        if len(exported) == after:
            raise RuntimeError("killed")
        exported.append(save(*arguments, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "save", killed)
        with pytest.raises(RuntimeError, match="killed"):
            training.train(TINY, SIX, tracks, folder, progress=False)


@pytest.mark.parametrize("after", [0, 1])
def test_a_run_that_died_in_its_export_is_exported_without_another_step(after, whole, tracks, tmp_path, monkeypatch):
    die_in_the_export(tracks, tmp_path, after)
    assert states.kept(tmp_path) == "a finished run"
    with monkeypatch.context() as patch:
        patch.setattr(training, "_fit", None)
        assert_same(training.train(TINY, SIX, tracks, tmp_path, progress=False, resume=True), whole)


def test_a_finished_run_is_not_deleted_without_being_asked(root, tracks, tmp_path, monkeypatch, capsys):
    die_in_the_export(tracks, tmp_path, 1)
    before = sorted((tmp_path / "lightning").iterdir())
    with pytest.raises(SystemExit) as end:
        main(["train", "b0-time", "--profile", "smoke", "--data-root", str(root), "--run-dir", str(tmp_path)])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1
    assert "holds a finished run: --resume goes on with it, --fresh deletes it" in said
    assert sorted((tmp_path / "lightning").iterdir()) == before
    shutil.rmtree(tmp_path / "lightning")
    assert states.kept(tmp_path) == ""  # the last model alone is not what a run is for
    (tmp_path / "last").rename(tmp_path / "checkpoint")
    assert states.kept(tmp_path) == "a model"


def test_two_trainings_do_not_mix_in_one_folder(tracks, tmp_path):
    with (
        locked(tmp_path / "lightning" / ".lock", ""),
        pytest.raises(ValueError, match="another training is going on there; give another run_dir"),
    ):
        training.train(TINY, SHORT, tracks, tmp_path, progress=False)
    assert not (tmp_path / "history.csv").exists()


def test_a_row_of_the_log_that_was_cut_off_is_left_out(whole, tmp_path):
    rows = (whole.checkpoint.parent / "history.csv").read_text(encoding="utf-8")
    (tmp_path / "history.csv").write_text(rows + "1,0.0", encoding="utf-8")
    pd.testing.assert_frame_equal(read_history(tmp_path / "history.csv"), whole.history)


@pytest.fixture(scope="module")
def halfway(tracks, tmp_path_factory):
    """A run of four steps, of which two are done."""
    folder = tmp_path_factory.mktemp("halfway")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(3, patch)
        with pytest.raises(RuntimeError, match="killed"):
            training.train(TINY, SHORT, tracks, folder, progress=False)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": replace(TINY, name="other")}, "is of recipe tiny, this run is other"),
        ({"recipe": replace(TINY, config=replace(SMALL, time_steps=8))}, "other model .time_steps 16 -> 8"),
        ({"settings": replace(SHORT, k=9)}, "other settings .k 6 -> 9"),
        ({"settings": replace(SHORT, seed=1)}, "other settings .seed 0 -> 1"),
        ({"settings": replace(SHORT, n_steps=2)}, "has done its 2 steps; give a larger n_steps"),
    ],
    ids=["recipe", "model", "k", "seed", "finished"],
)
def test_another_run_is_not_continued(change, message, halfway, tracks):
    run = {"recipe": TINY, "settings": SHORT} | change
    with pytest.raises(ValueError, match=message) as error:
        training.train(run["recipe"], run["settings"], tracks, halfway, progress=False, resume=True)
    assert "\n" not in str(error.value)
    assert states.unfinished(halfway) == 2  # and nothing is lost


def test_other_tracks_are_refused(halfway, tracks):
    fewer = [t for t in tracks if not t.id.endswith("song3")]
    with pytest.raises(ValueError, match="was trained on other tracks"):
        training.train(TINY, SHORT, fewer, halfway, progress=False, resume=True)


def test_a_state_that_is_older_than_a_setting_is_gone_on_with(halfway, tracks, tmp_path):
    shutil.copytree(halfway / "lightning", tmp_path / "lightning")
    path = tmp_path / "lightning" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    state["cocola"]["settings"] |= {"data_start": True, "single": False}  # names of an earlier version
    del state["cocola"]["settings"]["start"]
    torch.save(state, path)
    assert training.train(TINY, SHORT, tracks, tmp_path, progress=False, resume=True).history["step"].max() == 4


def test_nothing_to_go_on_with_is_said(tracks, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to go on with"):
        training.train(TINY, SHORT, tracks, tmp_path, progress=False, resume=True)


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / "lightning").mkdir()
    (tmp_path / "lightning" / "last.ckpt").write_bytes(b"half a state")
    with pytest.raises(ValueError, match="last.ckpt: no state of a training run"):
        states.unfinished(tmp_path)


def test_a_full_disk_leaves_the_state_before_whole(tmp_path):
    path = tmp_path / "last.ckpt"
    states.WholeFiles().save_checkpoint({"w": torch.zeros(4)}, path)
    with FullDisk(10_000), pytest.raises(OSError, match="last.ckpt: cannot be written .*the state before is whole"):
        states.WholeFiles().save_checkpoint({"w": torch.ones(100_000)}, path)
    assert torch.equal(torch.load(path, weights_only=True)["w"], torch.zeros(4))
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]  # nothing half-written


def test_a_full_disk_in_the_middle_of_a_run_is_no_loss(whole, tracks, tmp_path, monkeypatch):
    save = states.WholeFiles.save_checkpoint

    def disk_fills_up(self, checkpoint, path, storage_options=None):
        if checkpoint["global_step"] < 4:
            return save(self, checkpoint, path)
        with FullDisk(10_000):
            return save(self, checkpoint, path)

    with monkeypatch.context() as patch:
        patch.setattr(states.WholeFiles, "save_checkpoint", disk_fills_up)
        with pytest.raises(OSError, match="cannot be written"):
            training.train(TINY, SIX, tracks, tmp_path, progress=False)
    assert states.unfinished(tmp_path) == 2
    assert_same(training.train(TINY, SIX, tracks, tmp_path, progress=False, resume=True), whole)


def test_a_full_disk_leaves_the_exported_model_whole(tmp_path):
    checkpoints.save(tmp_path / "model", tiny_model(seed=0))
    with FullDisk(10_000), pytest.raises(OSError, match="model: cannot be written"):
        checkpoints.save(tmp_path / "model", tiny_model(seed=1))
    kept, first = checkpoints.load(tmp_path / "model")[0], tiny_model(seed=0)
    assert torch.equal(kept.head.projection.weight, first.head.projection.weight)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
