"""A folder that another program made, through the command line: the table, what is in it, and every complaint."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from tiny import clip, tiny_checkpoint

from cocola_lib.__main__ import main
from cocola_lib.accompaniment import systems, table3
from cocola_lib.accompaniment.measure import load_embeddings, score_answers, trial_from_folders
from cocola_lib.models.formats import checkpoint_hash
from cocola_lib.scoring import Scorer

N = 8  # questions, two of each track


def run(capsys, *arguments):
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def other_program(folder, system="Beeps", seed=0, seconds=5.2, references=True, n=N):
    """Writes a folder with nothing of ours: columns in its own order, a BOM, 44.1 kHz stereo FLAC, longer answers."""
    (folder / "audio").mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(["system", "id", "track", "output", "conditioning", "reference", "stem_class", "comment"])
        for i in range(n):
            names = [f"audio/{i}_{kind}.{end}" for kind, end in (("o", "flac"), ("c", "wav"), ("r", "ogg"))]
            seeds = [seed + 100 + i, i, 50 + i]  # the same conditionings and references in every folder
            for name, s, rate, length in zip(
                names, seeds, (44_100, 22_050, 16_000), (seconds + 1, seconds, seconds), strict=True
            ):
                soundfile.write(folder / name, clip(length, s, rate, channels=2), rate)
            row = [
                system,
                f"q{i}",
                f"song {i // 2}",
                names[0],
                names[1],
                names[2] if references else "",
                "bass",
                "x, y",
            ]
            table.writerow(row)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def evaluated(model, tmp_path_factory):
    """The folder, and what `accompany evaluate` left."""
    base = tmp_path_factory.mktemp("evaluated")
    folder = other_program(base / "beeps")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(base / "hub"))
        arguments = ["--checkpoint", model, "--device", "cpu", "--fad", "log-mel,COCOLA,CLAP"]
        main([str(a) for a in ("accompany", "evaluate", folder, "--out", base / "out", *arguments)])
    assert not stop.value.code
    return folder, base / "out"


def test_every_system_has_a_row_and_every_metric_a_column(evaluated):
    table = pd.read_csv(evaluated[1] / "table.csv")
    ours = table[~table["system"].str.contains("the paper's")]
    assert list(dict.fromkeys(ours["system"])) == [
        *("Random", "Copy", "Shifted", "Stretched", "Accompanist", "Beeps"),
        "Ground Truth",
    ]
    columns = {"COCOLA P+H", "COCOLA P", "COCOLA H", "control, both", "control, onsets", "control, chroma"}
    columns |= {"FAD log-mel", "APA log-mel", "FAD COCOLA", "APA COCOLA", "FAD CLAP", "APA CLAP"}
    assert columns <= set(ours["metric"])
    found = ours.pivot(index="system", columns="metric", values="value")
    assert found[sorted(columns - {"FAD CLAP", "APA CLAP"})].notna().all(axis=None)
    assert found[["FAD CLAP", "APA CLAP"]].isna().all(axis=None), "weights that are not here leave empty cells"
    assert (table["system"] == "GMSDI (the paper's, MUSDB18-HQ)").any()
    stored = json.loads((evaluated[1] / "table.json").read_text(encoding="utf-8"))
    assert len(stored) == len(table)


def test_the_table_follows_from_the_stored_scores(evaluated):
    table = pd.read_csv(evaluated[1] / "table.csv").set_index(["system", "metric"])
    scores = pd.read_csv(evaluated[1] / "scores.csv")
    again = table3.summarise(scores).set_index(["system", "metric"])
    assert len(again) == 7 * (6 + 3 + 3)  # systems by scores; the control is calibrated, the tiny model is not
    for column in ("value", "low", "high", "n"):
        np.testing.assert_allclose(table.loc[again.index, column].astype(float), again[column], rtol=1e-4, atol=1e-4)
    mean = scores.query("system == 'Beeps' and rater == 'COCOLA' and mode == 'H'")["score"].mean()
    assert table.loc[("Beeps", "COCOLA H"), "value"] == pytest.approx(mean)


def test_numbers_have_six_digits_and_those_of_the_json_all(evaluated):
    for name in ("table", "scores", "ranks", "agreement", "checks", "by_class"):
        text = (evaluated[1] / f"{name}.csv").read_text(encoding="utf-8")
        assert not re.search(r"[1-9][\d.]{8}", re.sub(r"\b[0-9a-f]{16}\b", "", text)), name
    assert re.search(r'"value": -?[\d.]{12}', (evaluated[1] / "table.json").read_text(encoding="utf-8"))


def test_the_distances_follow_from_the_stored_embeddings(evaluated):
    table = pd.read_csv(evaluated[1] / "table.csv").set_index(["system", "metric"])
    tracks = list(pd.read_csv(evaluated[0] / "manifest.csv", encoding="utf-8-sig")["track"])
    for name in ("log-mel", "COCOLA"):
        embedded = load_embeddings(evaluated[1] / "embeddings" / f"{name}.npz")
        again = table3.frechet_table(embedded, tracks, name).set_index(["system", "metric"])
        for column in ("value", "low", "high"):
            np.testing.assert_allclose(
                table.loc[again.index, column].astype(float), again[column].astype(float), rtol=1e-5, atol=1e-9
            )


def test_a_stored_score_is_the_score_of_that_pair(evaluated, model):
    scores = pd.read_csv(evaluated[1] / "scores.csv")
    frame = systems.read_folder(evaluated[0])
    trial = trial_from_folders(frame)
    assert "cut to 5.20 s" in trial.notes[0] and all(trial.references)
    scorer = Scorer(model, "cpu")
    again = scorer.score(trial.read(frame.loc[3, "conditioning"]), trial.read(frame.loc[3, "output"]))
    for mode, label in (("both", "P+H"), ("harmonic", "H"), ("percussive", "P")):
        row = scores[(scores["rater"] == "COCOLA") & (scores["mode"] == label)].query("item == 3 and system == 'Beeps'")
        assert row["score"].item() == pytest.approx(getattr(again, mode), rel=1e-4)
    control = score_answers(trial, {"control": Scorer("control")})
    assert set(control["system"]) == {"Beeps"} and len(control) == 3 * N


def test_what_is_printed_names_what_is_missing_and_where_the_table_is(capsys, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folders = [other_program(tmp_path / name, name, 7 * i, n=4) for i, name in enumerate(("One", "Two"))]
    options = ("--checkpoint", model, "--device", "cpu", "--baselines", "Random,Ground Truth", "--fad", "EnCodec")
    code, out, err = run(capsys, "accompany", "evaluate", *folders, "--out", tmp_path / "out", *options)
    assert code == 0
    assert out == (tmp_path / "out/table.csv").read_text(encoding="utf-8"), "a pipe gets one table"
    assert all(name in out for name in ("One", "Two", "Random", "Ground Truth", "COCOLA P+H", "control, both"))
    assert (
        "FAD-EnCodec: the weights of facebook/encodec_24khz are not in this machine's cache; cocola accompany evaluate"
        in err
    )
    assert "All clips are cut to 5.20 s" in err
    assert f"{tmp_path / 'out'}: table.csv" in err


def test_a_silent_system_is_named_and_ranks_last_and_takes_nothing_from_the_others(capsys, model, tmp_path):
    folders = [other_program(tmp_path / name, name, 7 * i, n=4) for i, name in enumerate(("Beeps", "Quiet"))]
    for output in (folders[1] / "audio").glob("*_o.flac"):
        soundfile.write(output, np.zeros(80_000), 16_000)
    options = ("--checkpoint", model, "--device", "cpu", "--fad", "log-mel")
    code, _, err = run(capsys, "accompany", "evaluate", *folders, "--out", tmp_path / "out", *options)
    assert code == 0 and "Quiet is silent throughout: it has no score" in err
    ranks = pd.read_csv(tmp_path / "out/ranks.csv").set_index("system")
    assert {"COCOLA P+H", "control, both", "FAD log-mel"} <= set(ranks)
    assert ranks.loc["Quiet", "COCOLA P+H"] == ranks.loc["Quiet", "control, both"] == len(ranks)
    assert set(pd.read_csv(tmp_path / "out/agreement.csv")["metric"]) >= {"COCOLA P+H", "control, both"}


def test_a_folder_without_references_is_scored_without_truth_and_says_so(capsys, model, tmp_path):
    folder = other_program(tmp_path / "f", references=False, n=4)
    options = ("--checkpoint", model, "--device", "cpu", "--baselines", "Random,Ground Truth")
    code, out, err = run(capsys, "accompany", "evaluate", folder, "--out", tmp_path / "out", *options)
    assert code == 0 and "Beeps" in out
    assert "4 of 4 questions have no reference: no Ground Truth, Random, FAD or APA" in err
    assert set(pd.read_csv(tmp_path / "out/scores.csv")["system"]) == {"Beeps"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baselines", "random"), "'random': choose from Random, Copy, Shifted"),
        (("--fad", "clap"), "'clap': choose from log-mel, COCOLA"),
        (("--weights", "CLAP"), "--weights CLAP: expected NAME=PATH"),
        (("--beside", "control"), "control: two columns of this name; rename a checkpoint"),
        (("--cut-s", "3"), "scores need 5 s or more"),
        (("--checkpoint", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_in_one_line(capsys, tmp_path, arguments, message):
    folder = other_program(tmp_path / "f", n=2)
    code, _, err = run(capsys, "accompany", "evaluate", folder, "--out", tmp_path / "out", *arguments)
    assert code and message in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_another_checkpoint_has_columns_of_its_own_and_is_named(capsys, model, tmp_path):
    folder, other = other_program(tmp_path / "f", n=4), shutil.copytree(model, tmp_path / "theirs")
    options = ("--baselines", "none", "--fad", "none", "--checkpoint", model, "--beside", other, "--device", "cpu")
    code, _, err = run(capsys, "accompany", "evaluate", folder, "--out", tmp_path / "out", *options)
    assert code == 0 and f"theirs: the checkpoint {checkpoint_hash(other)}." in err
    scores = pd.read_csv(tmp_path / "out/scores.csv").set_index(["rater", "mode", "item"])["score"]
    pd.testing.assert_series_equal(scores["theirs"], scores["COCOLA"])


def test_clips_that_are_too_short_or_no_audio_are_named(capsys, tmp_path):
    short = other_program(tmp_path / "short", seconds=3, n=2)
    code, _, err = run(capsys, "accompany", "evaluate", short, "--out", tmp_path / "out")
    assert code and "3.00 s; scores need 5 s or more" in err
    broken = other_program(tmp_path / "broken", n=2)
    (broken / "audio/1_o.flac").write_text("no music", encoding="utf-8")
    code, _, err = run(capsys, "accompany", "evaluate", broken, "--out", tmp_path / "out")
    assert code and "1_o.flac" in err and "Traceback" not in err


def test_folders_that_answer_other_questions_are_refused(capsys, tmp_path):
    folders = [other_program(tmp_path / name, name, n=2) for name in "ab"]
    manifest = folders[1] / "manifest.csv"
    manifest.write_text(manifest.read_text(encoding="utf-8-sig").replace(",q", ",other"), encoding="utf-8")
    code, _, err = run(capsys, "accompany", "evaluate", *folders, "--out", tmp_path / "out")
    assert code and "a, b: no question (id) that all of them answer" in err


def test_export_makes_what_evaluate_reads(capsys, tmp_path):
    for i in range(2):
        for stem in ("bass", "drums", "guitar"):
            path = tmp_path / f"data/song {i}/{stem}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, clip(14, 10 * i + len(stem)), 16_000)
    options = ("--data-root", tmp_path / "data", "--n", "3", "--chunk-s", "5")
    code, _, err = run(capsys, "accompany", "export", tmp_path / "q", *options, "--split", "dev")
    assert code and "no tracks in the split 'dev'; there are" in err and "try --split all" in err
    code, out, err = run(capsys, "accompany", "export", tmp_path / "q", *options, "--split", "all")
    assert code == 0 and "questions of 5 s" in out and "cocola accompany evaluate" in out
    assert (tmp_path / "q/README.md").read_text(encoding="utf-8").startswith("# A folder of accompaniments to score")
    code, _, err = run(capsys, "accompany", "evaluate", tmp_path / "q")
    assert code and "outputs are not there" in err
    for row in csv.DictReader((tmp_path / "q/manifest.csv").open(encoding="utf-8")):
        soundfile.write(tmp_path / "q" / row["output"], clip(6, 3, 48_000), 48_000)
    frame = systems.read_folder(tmp_path / "q")
    assert set(frame["stem_class"]) <= {"bass", "drums", "guitar"} and len(frame) == 3


@pytest.mark.slow
@pytest.mark.skipif("COCOLA_SLOW" not in os.environ, reason="two notebooks once more, minutes; COCOLA_SLOW=1 runs them")
def test_notebooks_04_and_05_take_a_model_of_one_channel_and_a_system_that_is_silent(tmp_path, tiny_sets):
    model = tiny_checkpoint(tmp_path / "model", features="mel")
    folder = other_program(tmp_path / "quiet", "Quiet")
    for output in (folder / "audio").glob("*_o.flac"):
        soundfile.write(output, np.zeros(90_000), 16_000)
    command = [sys.executable, "-m", "cocola_lib", "run", "--profile", "smoke", "--only", "04", "--only", "05"]
    command += [
        "--run-dir",
        tmp_path / "run",
        "-p",
        "fad=log-mel",
        "-p",
        f"folders={folder}",
        "-p",
        f"checkpoint={model}",
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = pd.read_csv(tmp_path / "run/tables/04_scores.csv")
    assert set(scores.query("rater == 'COCOLA'")["mode"]) == {"P+H"}
    assert "Quiet is silent throughout" in (tmp_path / "run/04_accompaniment_evaluation.ipynb").read_text(
        encoding="utf-8"
    )
    assert set(pd.read_csv(tmp_path / "run/tables/05_conflicts.csv")["rater"]) == {"COCOLA", "control"}


def test_the_commands_show_up_in_the_help(capsys):
    code, out, _ = run(capsys, "accompany")
    assert code == 0 and "export" in out and "evaluate" in out
    code, out, _ = run(capsys, "--help")
    assert "accompany" in out
