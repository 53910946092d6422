"""One audio in three layouts is one trial: a manifest, stream-music-gen's tree, and SYSTEM/EXAMPLE folders."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from tiny import clip_file, tiny_scorer

from cocola_lib.accompaniment import items, layouts
from cocola_lib.accompaniment.evaluate import Plan, evaluate_folders
from cocola_lib.accompaniment.measure import trial_from_folders, trials_from_folders
from cocola_lib.accompaniment.systems import read_folder

CLASSES = {"00000": 4, "00001": "Drums", "00002": 14}  # numbers and names, as metadata have them


def stream_music_gen(root, system="stemgen", seconds=6.0):
    for i, (name, target) in enumerate(CLASSES.items()):
        item = root / name
        clip_file(item / "input_audio.wav", seconds, seed=i)
        clip_file(item / "ground_truth/pred.wav", seconds, seed=10 + i)
        clip_file(item / system / "pred.wav", seconds, seed=20 + i)
        for folder in ("ground_truth", system):
            clip_file(item / folder / "mix.wav", seconds, seed=30 + i)
        (item / "metadata.json").write_text(json.dumps({"target_inst_id": target}), encoding="utf-8")
    return root


def as_manifest(tree, folder):
    folder.mkdir()
    rows = [",".join(layouts.COLUMNS)]
    for name, stem in zip(CLASSES, ("bass", "drums", "drums"), strict=True):
        sides = (f"{tree}/{name}/{side}" for side in ("input_audio.wav", "stemgen/pred.wav", "ground_truth/pred.wav"))
        rows.append(",".join((name, *sides, stem, "stemgen")))
    (folder / layouts.MANIFEST).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def as_examples(tree, folder):
    for name in CLASSES:
        places = {"context": "input_audio.wav", "output": "stemgen/pred.wav", "reference": "ground_truth/pred.wav"}
        for side, place in places.items():
            target = folder / "stemgen" / name / f"{side}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / name / place, target)
    return folder


@pytest.fixture
def tree(tmp_path):
    return stream_music_gen(tmp_path / "tree")


def test_all_layouts_of_one_audio_give_one_trial(tree, tmp_path):
    folders = [tree, as_manifest(tree, tmp_path / "manifest"), as_examples(tree, tmp_path / "examples")]
    trials = [trial_from_folders(read_folder(folder)) for folder in folders]
    for trial in trials:
        assert list(trial.answers) == ["stemgen"] and trial.cut_s == 6.0 and len(set(trial.tracks)) == 3
        for sides in ("conditionings", "references"):
            for one, other in zip(getattr(trial, sides), getattr(trials[0], sides), strict=True):
                np.testing.assert_array_equal(trial.read(one), trials[0].read(other))
    assert trials[0].classes == trials[1].classes == ["bass", "drums", "drums"]
    first, second, third = (items.check_items(trial).drop(columns="track") for trial in trials)
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(first, third)


def test_all_layouts_of_one_audio_give_one_table(tree, tmp_path):
    folders = [tree, as_manifest(tree, tmp_path / "manifest")]
    plan = Plan(baselines=("Random", "Copy", "Ground Truth"), embedders=("log-mel",), tracker="librosa")
    found = [evaluate_folders([folder], tmp_path / f"out{i}", tiny_scorer(), plan) for i, folder in enumerate(folders)]
    assert {"stemgen", "Copy"} < set(found[0].table["system"]) and found[0].table["metric"].nunique() > 8
    for table in ("table", "scores", "checks", "by_class", "ranks"):
        one, other = (pd.read_csv(tmp_path / f"out{i}" / f"{table}.csv") for i in (0, 1))
        hidden = [c for c in ("track",) if c in one]  # a tree names a conditioning by its content, a manifest by itself
        pd.testing.assert_frame_equal(one.drop(columns=hidden), other.drop(columns=hidden), rtol=1e-4)


def test_a_tree_of_one_system_is_called_after_its_folder_and_mixes_are_no_answers(tmp_path):
    frame = read_folder(stream_music_gen(tmp_path / "my run", "pred"))
    assert set(frame["system"]) == {"my run"} and frame["output"].str.endswith("pred/pred.wav").all()


def test_one_system_of_a_demo_page_is_read_without_the_others(tree, tmp_path):
    root = as_examples(tree, tmp_path / "page")
    whole, one = read_folder(root), read_folder(root / "stemgen")
    pd.testing.assert_frame_equal(whole.drop(columns="track"), one.drop(columns="track"))


def test_the_same_conditioning_is_one_track_under_any_name(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        clip_file(tmp_path / f"s/{name}/context.flac", 5.0, seed=seed)
        clip_file(tmp_path / f"s/{name}/output.flac", 5.0, seed=9)
    frame = read_folder(tmp_path)
    assert frame["track"].nunique() == 2 and frame["id"].nunique() == 3 and (frame["reference"] == "").all()


def test_systems_that_share_no_question_are_judged_apart(tmp_path):
    for system, seeds in (("one", (0, 1)), ("two", (1, 2)), ("alone", (5, 6))):
        for seed in seeds:
            clip_file(tmp_path / system / f"{seed}" / "context.wav", 5.0, seed=seed)
            clip_file(tmp_path / system / f"{seed}" / "output.wav", 5.0, seed=20)
    trials = trials_from_folders(read_folder(tmp_path))
    assert {tuple(trial.answers): len(trial.ids) for trial in trials} == {("alone",): 2, ("one", "two"): 1}


def test_a_question_without_a_reference_is_left_out_and_named(tree, tmp_path):
    (tree / "00001/ground_truth/pred.wav").unlink()
    trial = trial_from_folders(read_folder(tree))
    assert trial.ids == ["00000", "00002"]
    assert "1 of 3 questions are left out, as they have no reference; the first is 00001." in trial.notes


def test_sample_rates_that_differ_are_named_and_no_side_is_heard_above_the_lowest(tree):
    clip_file(tree / "00001/stemgen/pred.wav", 6.0, seed=21, rate=48_000)
    trial = trial_from_folders(read_folder(tree))
    (note,) = trial.notes
    assert "16,000 Hz" in note and "48,000 Hz" in note and "low-passed at 8 kHz" in note
    spectrum = np.abs(np.fft.rfft(trial.read(trial.answers["stemgen"][1], 48_000)))
    above = np.fft.rfftfreq(6 * 48_000, 1 / 48_000) > 8_200
    assert spectrum[above].max() < 1e-3 * spectrum.max()


def test_an_answer_shorter_than_the_protocol_is_refused(tree):
    clip_file(tree / "00002/stemgen/pred.wav", 5.5)
    with pytest.raises(ValueError, match=r"00002/stemgen/pred\.wav: 5\.50 s; the protocol judges 6 s"):
        trial_from_folders(read_folder(tree), 6.0, exact=True)


def test_what_is_wrong_with_a_layout_is_said_in_one_line(tree, tmp_path):
    (tmp_path / "other/song").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv: no such file.*NNNNN/input_audio\.wav.*SYSTEM/EXAMPLE"):
        read_folder(tmp_path / "other")
    (tree / "00000/metadata.json").write_text('{"target_inst_id": 99}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"metadata\.json: target_inst_id is 99; expected 0 to 17, or a name"):
        read_folder(tree)
    (tree / "00000/metadata.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"metadata\.json: no JSON object with target_inst_id"):
        read_folder(tree)
    root = as_examples(stream_music_gen(tmp_path / "again"), tmp_path / "twice")
    clip_file(root / "stemgen/00001/output.flac", 6.0)
    with pytest.raises(ValueError, match=r"output\.wav and output\.flac: which one is it"):
        read_folder(root)
    for suffix in ("wav", "flac"):
        (root / f"stemgen/00001/output.{suffix}").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 outputs are not there.*00001.output\.flac"):
        read_folder(root)


def test_half_a_tree_is_said_and_not_judged_as_if_it_were_whole(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "no answer")
    (tmp_path / "no answer/00001/stemgen/pred.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 outputs are not there, .*00001/stemgen/pred\.wav"):
        read_folder(tmp_path / "no answer")
    assert read_folder(tmp_path / "no answer", "drop")["id"].tolist() == ["00000", "00002"]
    (tree / "00001/input_audio.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"answer 2: conditioning .*00001/input_audio\.wav: no such file"):
        read_folder(tree, "drop")
    root = as_examples(stream_music_gen(tmp_path / "again"), tmp_path / "examples")
    (root / "stemgen/00001/context.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"conditioning .*00001/context\.flac: no such file"):
        read_folder(root)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"target_inst_id": true}', '{"target_inst_id": NaN}', ""])
def test_metadata_that_are_none_are_one_line(tree, text):
    (tree / "00000/metadata.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"00000/metadata\.json: (no JSON object|target_inst_id is)"):
        read_folder(tree)
