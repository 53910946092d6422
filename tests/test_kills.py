"""A command that is killed at any moment, and given again, ends as if nobody had killed it.

One kill for each quick command in CI; by hand as many as wanted, and then of the slow commands too:

    COCOLA_KILLS=20 .venv/bin/python -m pytest tests/test_kills.py
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest
from listening_tools import music, small_study
from songs import SHORT, TINY, write_songs
from tiny import clip_file, tiny_checkpoint

from cocola_lib.__main__ import main
from cocola_lib.data.tracks import load_tracks

KILLS = int(os.environ.get("COCOLA_KILLS", "1"))
LIMIT_S = 600.0  # that a command may take here; then it hangs
VOLATILE = {"time", "minutes", "command", "build_s", "provenance"}  # what differs between two undisturbed runs
# every command is a fork of one process that has imported everything: it starts at once, and has no threads yet
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["test_kills", "cocola_lib.training.run", "cocola_lib.accompaniment.retrieval"])

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")


def score(given, out):
    sides = ("--pairs", given / "pairs.csv", "--out", out / "scores.csv")
    cocola("score", *sides, "--checkpoint", given / "model", "--mode", "both", "--device", "cpu")


def rank(given, out):
    kept = ("--index", out / "loops.safetensors", "--out", out / "best.csv")
    cocola("rank", given / "a" / "0.wav", given / "b", *kept, "--checkpoint", given / "model", "--device", "cpu")


def calibrate(given, out):
    if not (out / "model").exists():
        shutil.copytree(given / "model", out / "copying")
        (out / "copying").rename(out / "model")
    cocola("calibrate", out / "model", "--pairs", given / "pairs.csv", "--device", "cpu")


def prepare(given, out):
    cocola("data", "prepare", "--data-root", given / "songs", "--out", out / "prepared", "--jobs", "2")


def train(given, out):
    from cocola_lib.training import run, states

    again = bool(states.kept(out))
    run.train(TINY, SHORT, load_tracks(given / "songs"), out, resume=again, progress=False)


def listen(given, out):
    small_study(out / "study", given / "music")


def mini(given, out):
    os.environ["COCOLA_DATA"] = str(out)
    cocola("data", "mini", "mini-musdb18hq", "--size", "tiny", "--jobs", "2")


def notebook(given, out):
    cocola("run", "--profile", "smoke", "--only", "00", "--run-dir", out)


QUICK, SLOW = (score, rank), (calibrate, prepare, train, listen, mini, notebook)


def cocola(*arguments):
    main([str(argument) for argument in arguments])


def quietly(job, given, out):
    """What a forked process does: a command, its words kept beside the result."""
    words = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(words, 1), os.dup2(words, 2)
    os.chdir(given)
    job(given, out)


def start(job, given, out):
    out.mkdir(exist_ok=True)
    process = FORKS.Process(target=quietly, args=(job, given, out))
    process.start()
    return process


def finish(process, out):
    process.join(LIMIT_S)
    assert process.exitcode == 0, out.with_suffix(".log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the commands read: pairs of clips, a model, songs."""
    folder = tmp_path_factory.mktemp("given")
    for i in range(8):
        for side in "ab":
            clip_file(folder / side / f"{i}.wav", 6, i + 10 * (side == "b"))
    rows = [f"{folder}/a/{i}.wav,{folder}/b/{i}.wav" for i in range(8)]
    (folder / "pairs.csv").write_text("\n".join(["conditioning,accompaniment", *rows]), encoding="utf-8")
    tiny_checkpoint(folder / "model")
    warm = FORKS.Process(target=print)  # the process that is forked imports everything at the first one
    warm.start(), warm.join()
    write_songs(folder / "songs", n=10, seconds=12.0)
    music(folder / "music")
    return folder


def state(folder):
    """Everything that a command left, by name, without what differs from one run to the next."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    inside = {path.relative_to(folder): path for path in files}
    return {
        name.as_posix(): content(path)
        for name, path in inside.items()
        if not any(part.startswith(".") for part in name.parts)  # halves that a kill left
    }


def content(path):
    if path.suffix == ".json":
        return lasting(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".ipynb":  # papermill's cell names the run's folder
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        kept = [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", [])]
        return [(cell["source"], cell.get("execution_count")) for cell in kept]
    if path.name == "history.csv":
        return pd.read_csv(path).drop(columns="minutes").to_csv()
    if path.suffix in (".ckpt", ".png"):  # they know times; what a state holds is compared as the exported model
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lasting(value):
    """JSON without what differs from one run to the next."""
    if isinstance(value, dict):
        return {k: lasting(v) for k, v in value.items() if k not in VOLATILE}
    return [lasting(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("job", QUICK + SLOW * (KILLS > 1), ids=lambda job: job.__name__)
def test_a_killed_command_that_is_given_again_ends_like_an_undisturbed_one(job, given, tmp_path):
    whole = tmp_path / "whole"
    began = time.monotonic()
    finish(start(job, given, whole), whole)
    took, expected = time.monotonic() - began, state(whole)
    assert expected
    rng = np.random.default_rng()
    for i in range(KILLS):
        out, moment = tmp_path / f"killed {i}", rng.uniform(0, took)
        process = start(job, given, out)
        process.join(moment)
        process.kill()
        process.join()
        finished = process.exitcode != -signal.SIGKILL
        finish(start(job, given, out), out)
        assert state(out) == expected, f"killed after {moment:.3f} of {took:.3f} s{' (too late)' * finished}"
