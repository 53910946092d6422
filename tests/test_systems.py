"""The folder protocol: what is written can be read, and what is wrong is said in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import clip, clip_file

from cocola_lib.accompaniment import layouts, systems
from cocola_lib.data import audio
from cocola_lib.data.stems import Stem, Track


def make_track(folder, name, stems=("bass", "drums", "vocals", "other", "S03_Guitar"), seconds=12, seed=0):
    files = [(stem, clip_file(folder / name / f"{stem}.wav", seconds, seed + i)) for i, stem in enumerate(stems)]
    made = tuple(Stem(stem, (Path(audio_file),)) for stem, audio_file in files)
    return Track(f"band/test/{name}", "band", "test", made, 16_000, seconds * 16_000)


@pytest.fixture
def tracks(tmp_path):
    return [make_track(tmp_path / "data", f"song {i}", seed=10 * i) for i in range(3)]


def manifest(folder, rows, columns=systems.COLUMNS):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(columns), *(",".join(row) for row in rows)]
    (folder / systems.MANIFEST).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S01_Synth Lead", "synth lead"),
        ("4_double bass", "double bass"),
        ("bass", "bass"),
        ("other_keys", "other_keys"),
    ],
)
def test_the_class_of_a_stem_is_its_name_without_numbers(name, expected):
    assert systems.stem_class(name) == expected


def test_an_exported_folder_asks_each_question_without_its_answer(tracks, tmp_path):
    folder = tmp_path / "questions"
    questions = systems.export(tracks, folder, 5, chunk_s=6.0)
    frame = pd.read_csv(folder / "manifest.csv", dtype=str)
    assert len(frame) == len(questions) == 5
    assert list(frame.columns[:6]) == list(systems.COLUMNS)
    assert not set(frame["stem_class"]) & {"vocals", "other"}
    assert "arXiv 2302.02257" in (folder / "README.md").read_text(encoding="utf-8")
    by_id = {track.id: track for track in tracks}
    for question, row in zip(questions, frame.itertuples(), strict=True):
        assert question.asked not in question.conditioning
        heard, true = systems.read_question(question, by_id, 6.0)
        stored = audio.read(folder / row.conditioning)
        assert len(stored) == 96_000
        gain = np.abs(stored).max() / np.abs(heard).max()
        np.testing.assert_allclose(stored, gain * heard, atol=1e-4)
        np.testing.assert_allclose(audio.read(folder / row.reference), gain * true, atol=2e-4)  # one gain for both
    assert [q.asked for q in systems.draw_questions(tracks, 5, 6.0)] == [q.asked for q in questions]


def test_an_answered_folder_reads_back_with_absolute_paths(tracks, tmp_path):
    folder = tmp_path / "questions"
    systems.export(tracks, folder, 3, chunk_s=5.0)
    with pytest.raises(FileNotFoundError, match=r"3 of 3 outputs are not there, the first is .*0000\.wav"):
        systems.read_folder(folder)
    for i in range(2):
        clip_file(folder / f"outputs/{i:04d}.wav")
    with pytest.raises(FileNotFoundError, match=r"1 of 3 outputs.*--allow-missing"):
        systems.read_folder(folder)
    frame = systems.read_folder(folder, missing="drop")
    assert list(frame["id"]) == ["0000", "0001"]
    assert frame["output"].map(lambda p: p.startswith(str(tmp_path))).all()
    assert set(frame["track"]) <= {track.id for track in tracks}


def test_an_export_never_writes_into_a_folder_that_is_used(tracks, tmp_path):
    (tmp_path / "used").mkdir()
    clip_file(tmp_path / "used/thesis.wav")
    with pytest.raises(ValueError, match="used: exists and is not empty"):
        systems.export(tracks, tmp_path / "used", 3)


def test_tracks_too_short_for_a_chunk_are_named_with_their_length(tracks):
    with pytest.raises(ValueError, match=r"window of 47\.55 s.*longest track has 12\.0 s"):
        systems.draw_questions(tracks, 3, 47.55)


def test_questions_come_from_every_data_set(tracks, tmp_path):
    one = make_track(tmp_path / "data", "lonely", seed=99)
    lonely = Track("duo/test/lonely", "duo", "test", one.stems, one.sample_rate, one.n_samples)
    drawn = systems.draw_questions([*tracks, lonely], 4, 5.0)
    assert {q.track_id.split("/")[0] for q in drawn} == {"band", "duo"}
    assert [q.id for q in drawn] == ["0000", "0001", "0002", "0003"]


def test_a_manifest_without_references_is_enough(tmp_path):
    for name in ("c", "o"):
        clip_file(tmp_path / f"{name}.wav")
    frame = systems.read_folder(manifest(tmp_path, [("1", "c.wav", "o.wav", "", "bass", "mine")]))
    assert frame.loc[0, "reference"] == ""
    assert frame.loc[0, "track"] == f"{tmp_path.name}/{layouts.content(frame.loc[0, 'conditioning'])}"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no rows"),
        ([("1", "c.wav", "o.wav", "", "bass", "")], "line 2: no system"),
        ([("1", "x.wav", "o.wav", "", "bass", "a")], r"line 2: conditioning .*x\.wav: no such file"),
        ([("1", "c.wav", "o.wav", "r.wav", "bass", "a")], r"line 2: reference .*r\.wav: no such file"),
        ([("1", "c.wav", "o.wav", "", "bass", "a")] * 2, r"line 3: 'a' answers '1' twice \(line 2\)"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_its_line(tmp_path, rows, message):
    for name in ("c", "o"):
        clip_file(tmp_path / f"{name}.wav")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        systems.read_folder(manifest(tmp_path, rows))


def test_missing_columns_manifests_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="no column reference and system; its first line has: id, conditioning"):
        systems.read_folder(manifest(tmp_path / "a", [], ("id", "conditioning", "output", "stem_class")))
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv: no such file; it needs the columns id, conditioning"):
        systems.read_folder(tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        systems.read_folder(tmp_path / "nowhere")


def test_two_folders_must_agree_on_the_question_and_not_on_the_name(tmp_path):
    for folder, seed in (("a", 0), ("b", 1), ("c", 0)):
        for i, name in enumerate(("c", "o")):
            audio.write(tmp_path / folder / f"{name}.wav", clip(seed=seed + 5 * i))
        manifest(tmp_path / folder, [("1", "c.wav", "o.wav", "", "bass", "a" if folder == "c" else folder)])
    with pytest.raises(ValueError, match=r"question '1': .* are different conditionings"):
        systems.read_folders([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ValueError, match="'a' is in several folders"):
        systems.read_folders([tmp_path / "a", tmp_path / "c"])
