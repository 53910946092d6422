"""The command line as a user meets it: tables, files, resuming, ranks, and one line per error."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from full_disk import FullDisk
from tiny import clip_file, tiny_checkpoint

from cocola_lib.__main__ import main
from cocola_lib.cli import score_files
from cocola_lib.data import audio
from cocola_lib.files import locked
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import IN_PACKAGE, checkpoint_hash
from cocola_lib.scoring import Scorer

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def data(tmp_path):
    """Five pairs of clips by number; the side b of 3 is silent, that of 4 is broken; and a table of them."""
    for i in range(5):
        for side in "ab":
            clip_file(tmp_path / side / f"{i}.wav", 5 + i, i + 10 * (side == "b"))
    audio.write(tmp_path / "b" / "3.wav", np.zeros(128_000))
    (tmp_path / "b" / "4.wav").write_text("no music", encoding="utf-8")
    rows = [f"song {i},a/{i}.wav,b/{i}.wav" for i in (0, 1, 2, 3, 4, 1)]
    (tmp_path / "pairs.csv").write_text("\n".join(["song,conditioning,accompaniment", *rows]), encoding="utf-8")
    return tmp_path


def run(capsys, *arguments):
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_pair_is_a_table_with_the_scores_of_the_library(capsys, model, data):
    code, out, err = run(capsys, "score", data / "a/2.wav", data / "b/2.wav", "--checkpoint", model, "--device", "cpu")
    score = Scorer(model, "cpu").score(data / "a/2.wav", data / "b/2.wav")
    assert code == 0 and not err
    for mode in ("both", "harmonic", "percussive"):
        assert f"{getattr(score, mode):.3f}" in out and mode in out
    assert "1 of 1 windows" in out


def test_a_table_of_pairs_becomes_a_table_of_scores(capsys, model, data):
    out = data / "new" / "scores.csv"
    code, _, err = run(capsys, "score", "--pairs", data / "pairs.csv", "--out", out, "--checkpoint", model)
    rows = table(out)
    assert code == 1 and "4 scored, 1 silent, 1 failed (1 of them repeat" in err
    assert [row["song"] for row in rows] == ["song 0", "song 1", "song 2", "song 3", "song 4", "song 1"]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "silent", "failed", "ok"]
    assert rows[1] == rows[5]
    score = Scorer(model, "cpu").score(data / "a/1.wav", data / "b/1.wav")
    assert float(rows[1]["both"]) == pytest.approx(score.both, rel=1e-4)
    assert rows[3]["both"] == "nan" and "silent" in rows[3]["reason"]
    assert rows[4]["both"] == "" and "b/4.wav: no audio" in rows[4]["reason"]
    assert os.listdir(out.parent) == ["scores.csv"]


def test_folders_are_matched_by_name_and_lonely_files_fail(capsys, model, data):
    (data / "a" / "0.wav").rename(data / "a" / "0.flac")
    clip_file(data / "a" / "lonely.wav")
    arguments = ("--conditioning", data / "a", "--accompaniment", data / "b", "--out", data / "scores.json")
    code, _, err = run(capsys, "score", *arguments, "--checkpoint", model, "--mode", "harmonic")
    rows = json.loads((data / "scores.json").read_text(encoding="utf-8"))
    assert code == 1 and "3 scored, 1 silent, 2 failed" in err
    assert rows[0]["conditioning"].endswith("0.flac") and "both" not in rows[0] and rows[0]["harmonic"]
    assert rows[3]["harmonic"] is None and rows[5]["reason"].startswith("no accompaniment for")


def test_in_a_pipe_many_pairs_are_csv(capsys, model, data):
    code, out, _ = run(capsys, "score", "--pairs", data / "pairs.csv", "--checkpoint", model)
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 1 and len(rows) == 6 and rows[0]["status"] == "ok"


@pytest.mark.parametrize("name", ["scores.csv", "scores.json"])
def test_finished_rows_are_not_scored_again_and_failed_ones_are(capsys, model, data, monkeypatch, name):
    arguments = ("score", "--pairs", data / "pairs.csv", "--out", data / name, "--checkpoint", model)
    run(capsys, *arguments)
    first = score_files.read_rows(data / name)
    clip_file(data / "b" / "4.wav", 9, 14)
    asked = []
    score_pairs = Scorer.score_pairs
    monkeypatch.setattr(
        Scorer, "score_pairs", lambda self, pairs, **o: score_pairs(self, [asked.append(p) or p for p in pairs], **o)
    )
    code, _, err = run(capsys, *arguments)
    assert code == 0 and [Path(pair[0]).name for pair in asked] == ["4.wav"]
    again = score_files.read_rows(data / name)
    assert again[:4] == first[:4] and again[4]["status"] == "ok" and again[5] == first[5]
    for options, n in (((), 0), (("--hop-s", "5"), 5), (("--fresh",), 5)):
        asked.clear()
        assert run(capsys, *arguments, *options)[0] == 0
        assert len(asked) == n, options


def test_a_row_whose_audio_has_changed_is_scored_anew(capsys, model, data):
    arguments = ("score", "--pairs", data / "pairs.csv", "--out", data / "s.csv", "--checkpoint", model)
    run(capsys, *arguments)
    first = table(data / "s.csv")
    sizes = [os.stat(data / side / "2.wav").st_size for side in "ab"]
    assert [int(part.split("-")[0]) for part in first[2]["files"].split()] == sizes
    clip_file(data / "b" / "2.wav", 7, 99)  # other music of the same length, under the same name
    run(capsys, *arguments)
    again = table(data / "s.csv")
    score = Scorer(model, "cpu").score(data / "a/2.wav", data / "b/2.wav")
    assert float(again[2]["both"]) == pytest.approx(score.both, rel=1e-4)
    assert again[2]["both"] != first[2]["both"] and [*again[:2], *again[3:]] == [*first[:2], *first[3:]]


@pytest.mark.parametrize("name", ["n" * 300 + ".wav", "headerless.raw", "nul\0.wav", "n" * 5000])
def test_one_row_that_cannot_be_a_file_fails_and_the_others_go_on(name, capsys, model, data):
    (data / "headerless.raw").write_bytes(bytes(1000))
    rows = f"conditioning,accompaniment\na/0.wav,b/0.wav\na/1.wav,{name}\na/2.wav,b/2.wav\n"
    (data / "odd.csv").write_text(rows, encoding="utf-8")
    code, _, err = run(
        capsys, "score", "--pairs", data / "odd.csv", "--out", data / "s.csv", "--checkpoint", model, "--mode", "both"
    )
    found = table(data / "s.csv")
    assert code == 1 and "2 scored, 0 silent, 1 failed" in err
    assert [row["status"] for row in found] == ["ok", "failed", "ok"] and found[1]["reason"]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_console_that_lacks_a_letter_of_a_name_still_shows_the_score(encoding, model, data, monkeypatch):
    names = [str(data / name) for name in ("日本 mix.wav", os.fsdecode(b"caf\xe9.wav"))]
    for name in names:
        os.rename(clip_file(data / "plain.wav", 5), name)
    console = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", console)
    with pytest.raises(SystemExit) as stop:
        main(["score", *names, "--checkpoint", str(model), "--mode", "both"])
    console.flush()
    shown = console.buffer.getvalue().decode(encoding)
    assert not stop.value.code and "mix.wav" in shown and "caf" in shown
    assert f"{Scorer(model, 'cpu').score(*names, modes=('both',)).both:.3f}" in shown


def test_two_processes_do_not_score_into_one_file(capsys, model, data):
    with locked(data / ".s.csv.lock", ""):
        arguments = ("score", "--pairs", data / "pairs.csv", "--out", data / "s.csv", "--checkpoint", model)
        code, _, err = run(capsys, *arguments)
    assert code == 2 and "s.csv: another process is scoring into it" in err and err.count("\n") == 1


def test_a_table_of_scores_used_as_pairs_keeps_no_old_score(capsys, model, data):
    (data / "old.csv").write_text(
        'conditioning,both,status,"my, note",accompaniment\r\n'
        'a/0.wav,99,ok,"two\r\nlines, [bold]",b/0.wav\r\na/4.wav,99,ok,ü,b/4.wav\r\n',
        encoding="utf-8-sig",
        newline="",
    )
    for name in ("s.csv", "s.json", "s.csv"):  # the last time resumed
        run(capsys, "score", "--pairs", data / "old.csv", "--out", data / name, "--checkpoint", model)
        rows = score_files.read_rows(data / name)
        assert [row["status"] for row in rows] == ["ok", "failed"]
        assert rows[0]["my, note"] == "two\r\nlines, [bold]" and rows[1]["my, note"] == "ü"
        assert float(rows[0]["both"]) < 90 and not rows[1].get("both")


def test_an_interrupted_run_goes_on_where_it_stopped(capsys, model, data, monkeypatch):
    arguments = ("score", "--pairs", data / "pairs.csv", "--out", data / "s.csv", "--checkpoint", model)
    score_pairs, asked = Scorer.score_pairs, []

    def stop_after_two(self, pairs, **options):
        for i, result in enumerate(score_pairs(self, pairs, **options)):
            if i == 2:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(Scorer, "score_pairs", stop_after_two)
    assert run(capsys, *arguments)[0] == 130
    (part,) = score_files.parts(data / "s.csv")
    assert not (data / "s.csv").exists()
    with part.open("a", encoding="utf-8") as file:
        file.write('[["a/2.wav", "b/2.w')  # killed in the middle of a line
    monkeypatch.setattr(
        Scorer, "score_pairs", lambda self, pairs, **o: score_pairs(self, [asked.append(p) or p for p in pairs], **o)
    )
    assert run(capsys, *arguments)[0] == 1
    assert [Path(pair[0]).name for pair in asked] == ["2.wav", "3.wav", "4.wav"]
    assert len(table(data / "s.csv")) == 6 and not score_files.parts(data / "s.csv")


def test_two_ranks_share_the_rows_and_write_one_file(model, data):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cocola_lib", "score", "--pairs", "pairs.csv", "--checkpoint", model]
    processes = [
        subprocess.Popen(
            [*command, "--out", "s.csv", "--mode", "both", "--device", "cpu"],
            cwd=data,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 0], errors
    rows = table(data / "s.csv")
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "silent", "failed", "ok"]
    scorer = Scorer(model, "cpu")
    for i in range(3):
        expected = scorer.score(data / f"a/{i}.wav", data / f"b/{i}.wav").both
        assert float(rows[i]["both"]) == pytest.approx(expected, rel=1e-3)
    assert not score_files.parts(data / "s.csv")


def test_several_processes_need_an_output_and_torchrun(capsys, model, data, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    arguments = ("score", "--pairs", data / "pairs.csv", "--checkpoint", model)
    assert "give --out" in run(capsys, *arguments)[2]
    assert "start the command with torchrun" in run(capsys, *arguments, "--out", data / "s.csv")[2]


def bad_inputs(data, model):
    """Arguments of `score` and words that the one line must hold."""
    (data / "columns.csv").write_text("mix,bass\n1,2\n", encoding="utf-8")
    (data / "empty.csv").touch()
    (data / "header.csv").write_text("conditioning,accompaniment\n", encoding="utf-8")
    (data / "binary.csv").write_bytes(bytes(range(256)))
    (data / "mine.csv").write_text("diary\nprecious\n", encoding="utf-8")
    (data / "mine.json").write_text('{"a": 1}', encoding="utf-8")
    (data / "folder.csv").mkdir()
    (data / "other").mkdir()
    clip_file(data / "other" / "elsewhere.wav", 1)
    mono = tiny_checkpoint(data / "mono", "mel")
    with tarfile.open(data / "x.ckpt", "w"):
        pass
    pair, pairs = (data / "a/0.wav", data / "b/0.wav"), ("--pairs", data / "pairs.csv")
    good = ("--checkpoint", model)
    return [
        ((), "give two files, or --pairs"),
        ((data / "a/0.wav", *good), "1 given; expected two files"),
        ((*pair, *pairs, *good), "give two files, or --pairs"),
        (("--conditioning", data / "a", *good), "both --conditioning and --accompaniment"),
        ((data / "none.wav", pair[1], *good), "none.wav: no such file"),
        ((data / "a", pair[1], *good), "is a directory"),
        ((pair[0], data / "b/4.wav", *good), "4.wav: no audio"),
        (("--pairs", data / "none.csv", *good), "none.csv: no such file"),
        (("--pairs", data / "columns.csv", *good), "no column conditioning and accompaniment"),
        (("--pairs", data / "empty.csv", *good), "its first line has: none"),
        (("--pairs", data / "header.csv", *good), "holds no rows"),
        (("--pairs", data / "binary.csv", *good), "binary.csv: not a CSV file"),
        (("--pairs", data / "folder.csv", *good), "folder.csv: not a CSV file"),
        ((*pairs, "--out", data / "s.xlsx", *good), "written as .csv or .json"),
        ((*pairs, "--out", data / "folder.csv", *good), "is a directory"),
        ((*pairs, "--out", data / "mine.csv", *good), "exists and is no result of this command"),
        ((*pairs, "--out", data / "mine.json", *good), "holds no table"),
        ((*pairs, "--out", data / "pairs.csv", *good), "is the table of pairs itself"),
        (("--conditioning", data / "a", "--accompaniment", data / "other", *good), "no file name in common"),
        (("--conditioning", data / "a", "--accompaniment", data / "none", *good), "none: no such folder"),
        ((*pair, "--checkpoint", data / "none"), "none: no such checkpoint"),
        ((*pair, "--checkpoint", data / "a"), "without config.json"),
        ((*pair, "--checkpoint", data / "x.ckpt"), "x.ckpt"),
        ((*pair, "--checkpoint", mono, "--mode", "harmonic"), "needs a model with harmonic"),
        ((*pair, "--mode", "drums", *good), "drums"),
        ((*pair, "--device", "abacus", *good), "'abacus' is not available"),
        ((*pair, "--batch-size", "0", *good), "batch_size: 0"),
        ((*pair, "--batch-size", "many", *good), "'--batch-size'"),
        ((*pair, "--hop-s", "0", *good), "hop_s: 0"),
        ((*pair, "--volume", "11", *good), "No such option"),
    ]


def test_every_bad_input_is_one_line_and_exit_code_2(capsys, model, data):
    for arguments, words in bad_inputs(data, model):
        code, out, err = run(capsys, "score", *arguments)
        assert code == 2, (arguments, out, err)
        assert err.startswith("error: ") and err.count("\n") == 1 and words in err, (words, err)
    assert (data / "mine.csv").read_text(encoding="utf-8") == "diary\nprecious\n"


def test_help_is_there_for_every_command(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    for command in ("score", "rank", "calibrate", "convert"):
        assert command in out
        code, page, _ = run(capsys, command, "--help")
        assert code == 0 and f"cocola {command}" in page and "Usage" in page
    assert "error: No such command" in run(capsys, "sing")[2]


def test_help_lists_the_choices_and_the_models(capsys):
    page = run(capsys, "score", "--help")[1]
    assert "--mode <all|both|harmonic|percussive>" in page
    assert all(name in page for name in (*(p.name for p in IN_PACKAGE.iterdir() if p.is_dir()), "released .ckpt"))
    assert "--by <mean|best>" in run(capsys, "rank", "--help")[1]


def loaded(module, *others):
    """Which of the others an import of a module loads."""
    code = f"import sys, {module}; print(*[m for m in {others} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_help_and_import_do_not_load_torch():
    assert loaded("cocola_lib.__main__", "torch", "pandas", "librosa", "numpy", "soundfile") == ""


def test_the_sampler_loads_neither_lightning_nor_the_miniatures():
    assert (
        loaded("cocola_lib.sampling", "lightning", "pytorch_lightning", "cocola_lib.data.miniatures", "librosa") == ""
    )


def test_calibrate_gives_later_scores_a_meaning(capsys, data):
    folder = tiny_checkpoint(data / "model")
    rows = [f"{clip_file(data / f'{i}x.wav', 5, i)},{clip_file(data / f'{i}y.wav', 5, i + 50)}" for i in range(9)]
    (data / "true.csv").write_text("\n".join(["conditioning,accompaniment", *rows]), encoding="utf-8")
    code, out, _ = run(capsys, "calibrate", folder, "--pairs", data / "true.csv", "--dataset", "my songs")
    assert code == 0 and "my songs, both: a true pair beats a random one in" in out and "72 random" in out
    code, out, _ = run(capsys, "score", data / "a/0.wav", data / "b/0.wav", "--checkpoint", folder)
    assert code == 0 and "beats random" in out and "my songs" in out
    run(capsys, "score", "--pairs", data / "pairs.csv", "--out", data / "s.csv", "--checkpoint", folder)
    assert 0 <= float(table(data / "s.csv")[0]["both_percentile"]) <= 100
    both = ("--pairs", data / "true.csv", "--data-root", data)
    assert "give --data-root or --pairs" in run(capsys, "calibrate", folder, *both)[2]


def test_calibrate_draws_pairs_from_a_data_set(capsys, data, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(data / "cache"))
    folder = tiny_checkpoint(data / "model")
    for song in range(12):
        for stem in range(3):
            clip_file(data / "songs" / f"song {song}" / f"{stem}.wav", 20, 3 * song + stem)
    code, out, err = run(
        capsys, "calibrate", folder, "--data-root", data / "songs", "--split", "train", "--n", "20", "--device", "cpu"
    )
    assert code == 0, err
    assert list(checkpoints.read_config(folder)["calibration"].values())[0]["modes"]["both"]["n_true"] >= 8
    code, _, err = run(capsys, "calibrate", folder, "--data-root", data / "none")
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_rank_lists_and_keeps_an_index(capsys, model, data):
    arguments = ("rank", data / "a/2.wav", data / "b", "--checkpoint", model, "--index", data / "b.safetensors")
    code, out, err = run(capsys, *arguments)
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 1 and "left out: " in err and "4.wav" in err
    assert [row["rank"] for row in rows] == ["1", "2", "3"] and {row["name"] for row in rows} == {
        "0.wav",
        "1.wav",
        "2.wav",
    }
    (data / "b" / "4.wav").unlink()
    code, _, _ = run(capsys, *arguments, "--top", "1", "--out", data / "best.csv")
    assert code == 0 and [row["name"] for row in table(data / "best.csv")] == [rows[0]["name"]]
    assert "made with model" in run(capsys, *arguments, "--mode", "harmonic")[2]


@pytest.mark.parametrize("option", ["--index", "--out"])
def test_rank_says_before_it_listens_that_a_file_cannot_be_written(option, capsys, model, data, monkeypatch):
    monkeypatch.setattr("cocola_lib.accompaniment.retrieval.build_index", None)
    (data / "full").touch()  # no folder
    code, _, err = run(
        capsys, "rank", data / "a/2.wav", data / "b", "--checkpoint", model, option, data / "full" / "kept.csv"
    )
    assert code == 2 and "full" in err and err.count("\n") == 1


def test_a_disk_that_fills_up_under_an_index_is_one_line(capsys, model, data):
    with FullDisk(200):
        code, _, err = run(
            capsys, "rank", data / "a/2.wav", data / "b", "--checkpoint", model, "--index", data / "b.safetensors"
        )
    assert code == 2 and "b.safetensors: cannot be written (File too large)" in err and err.count("\n") == 1
    assert not list(data.glob(".*"))


def test_a_disk_that_fills_up_under_scores_names_the_file_and_keeps_what_was_written(capsys, model, data):
    arguments = ("score", "--pairs", data / "pairs.csv", "--out", data / "s.csv", "--checkpoint", model)
    with FullDisk(800):
        code, _, err = run(capsys, *arguments)
    assert code == 2 and "s.csv.part0.jsonl: cannot be written (File too large)" in err and err.count("\n") == 1
    assert run(capsys, *arguments)[0] == 1 and len(table(data / "s.csv")) == 6


def test_convert_writes_a_checkpoint_that_scores_alike(capsys, model, data):
    code, out, _ = run(capsys, "convert", model, data / "copy")
    assert code == 0 and "mobilenetv3_small_050" in out
    assert checkpoint_hash(data / "copy") == checkpoint_hash(model)
    code, _, err = run(capsys, "convert", model, data / "a")
    assert code == 2 and "choose another path" in err
