"""`cocola score --pairs` by workers: the table of one process, row by row, resumed by the same rules."""

import csv

import distributed
import pytest
from tiny import clip_file, tiny_checkpoint, tiny_scorer

from cocola_lib.__main__ import main
from cocola_lib.cli import score_files, score_records
from cocola_lib.cli.score_records import Job
from cocola_lib.fast.workers import Workers


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Seven pairs in a table, one of which is broken, and a model."""
    folder = tmp_path_factory.mktemp("given")
    for i in range(7):
        for side in "ab":
            clip_file(folder / side / f"{i}.wav", 5 + i % 2, i + 10 * (side == "b"))
    (folder / "b" / "6.wav").write_text("no music", encoding="utf-8")
    rows = [f"a/{i}.wav,b/{i}.wav" for i in range(7)]
    (folder / "pairs.csv").write_text("\n".join(["conditioning,accompaniment", *rows]), encoding="utf-8")
    tiny_checkpoint(folder / "model")
    return folder


def score(given, out, *options):
    with pytest.raises(SystemExit) as stop:
        main([str(part) for part in ("score", "--pairs", given / "pairs.csv", "--out", out, *options)])
    return stop.value.code


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_dask_workers_fill_the_same_table_and_a_second_run_asks_for_what_is_missing(
    given, tmp_path, monkeypatch, capsys
):
    """The workers are threads here; those of `test_grids` are processes."""
    monkeypatch.setattr(score_records, "CHUNK", 3)
    monkeypatch.chdir(given)
    model = ("--checkpoint", "model", "--device", "cpu", "--mode", "both")
    assert score(given, tmp_path / "one.csv", *model) == 1
    options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(1, threads_per_worker=1, **options) as cluster:
        dask = ("--backend", "dask", "--scheduler", cluster.scheduler_address)
        assert score(given, tmp_path / "many.csv", *model, *dask) == 1
    assert (tmp_path / "many.csv").read_text() == (tmp_path / "one.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.csv", "one.csv"]
    asked = []
    monkeypatch.setattr(score_records, "_score_chunk", lambda keys, **_: asked.extend(keys) or [])
    with pytest.raises(KeyError):  # the only one that is asked for again gets no answer
        main(["score", "--pairs", "pairs.csv", "--out", str(tmp_path / "many.csv"), *model, "--workers", "1"])
    assert asked == [("a/6.wav", "b/6.wav")]


def test_rows_of_a_chunk_that_nobody_could_score_fail_with_the_reason(tmp_path):
    files = {"conditioning": clip_file(tmp_path / "a.wav"), "accompaniment": clip_file(tmp_path / "b.wav", seed=1)}
    job = Job(
        ("both",),
        out=tmp_path / "out.csv",
        workers=Workers(n_workers=1),
        model=(tiny_checkpoint(tmp_path / "m"), "cpu", 8),
    )
    (row,) = score_files.score_rows(tiny_scorer(), [files], job)
    assert row["status"] == "failed" and "another model on this worker" in row["reason"]
    (row,) = score_files.score_rows(tiny_scorer(), [files], Job(("both",), out=tmp_path / "out.csv"))
    assert row["status"] == "ok"


def test_under_torchrun_rows_are_not_shared_out_twice(tmp_path, monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    job = Job(("both",), out=tmp_path / "out.csv", workers=Workers(backend="dask"))
    with pytest.raises(ValueError, match="torchrun and --backend both share out the rows"):
        score_files.score_rows(tiny_scorer(), [{"conditioning": "a", "accompaniment": "b"}], job)
