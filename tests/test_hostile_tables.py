"""Tables and places as people give them: what cannot be meant is one line, before any work is done."""

import pytest
from tiny import clip_file

from cocola_lib.__main__ import main
from cocola_lib.data import pair_files
from cocola_lib.scoring import Scorer

HEAD, ROW = "conditioning,accompaniment\n", "a.wav,b.wav\n"


def refused(capsys, *arguments):
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and not out and err.startswith("error: ") and err.count("\n") == 1, (out, err)
    return err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"conditioning,accompaniment,accompaniment\na,b,c\n", "two columns are called accompaniment"),
        (HEAD.replace(",", ";").encode() + b"a;b\n", "has: conditioning;accompaniment; separate columns by commas"),
        (HEAD.replace(",", "\t").encode() + b"a\tb\n", "separate columns by commas"),
        ((HEAD + ROW).encode("utf-16"), "not a CSV file in UTF-8"),
        ((HEAD + "\u00e9.wav,b.wav\n").encode("latin-1"), "save it as CSV UTF-8"),
        (HEAD.encode() + b'a.wav,"b.wav\n', "not a CSV file that can be read"),
        (b"\n" + (HEAD + ROW).encode(), "its first line has: none"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_name(tmp_path, content, says):
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(ValueError, match="pairs.csv: ") as said:
        pair_files.read_pairs(tmp_path / "pairs.csv")
    assert says in str(said.value)


@pytest.mark.parametrize(
    "content",
    [
        (HEAD + ROW).encode("utf-8-sig"),
        (HEAD + ROW).replace("\n", "\r\n").encode(),
        b"conditioning, accompaniment \na.wav,b.wav\n",
        b",conditioning,accompaniment,\n,a.wav,b.wav,\n",
    ],
)
def test_a_table_from_a_spreadsheet_is_read(tmp_path, content):
    (tmp_path / "pairs.csv").write_bytes(content)
    assert [pair_files.pair_of(row) for row in pair_files.read_pairs(tmp_path / "pairs.csv")] == [("a.wav", "b.wav")]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Two folders of clips and a file that is no folder; a model would be an error: nothing is opened."""
    monkeypatch.setattr(Scorer, "__init__", None)
    for side in "ab":
        clip_file(tmp_path / side / "0.wav", 1)
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", ["file/x.csv", "file/deeper/x.csv", "circle/x.csv"])
@pytest.mark.parametrize(
    "command",
    [
        ("score", "a/0.wav", "b/0.wav", "--out"),
        ("rank", "a/0.wav", "b", "--out"),
        ("rank", "a/0.wav", "b", "--index"),
        ("matrix", "a", "b", "--out"),
        ("score-stems", "a", "--out"),
        ("score-stems", "a", "--curves"),
    ],
)
def test_an_output_that_has_no_place_is_refused_before_the_work(capsys, clips, command, place):
    said = refused(capsys, *command, place)
    assert f"{place}: cannot be written (" in said and "Errno" not in said
    assert sorted(path.name for path in clips.iterdir()) == ["a", "b", "circle", "file"]


def test_two_outputs_are_two_files(capsys, clips):
    assert "--out and --index name one file" in refused(
        capsys, "rank", "a/0.wav", "b", "--out", "x.csv", "--index", "./x.csv"
    )
    assert "--out and --curves name one file" in refused(
        capsys, "score-stems", "a", "--out", "x.csv", "--curves", clips / "x.csv"
    )


def test_a_name_moves_no_cursor_and_an_error_of_the_system_names_its_file(capsys, clips):
    assert "?[31mred: no such folder" in refused(capsys, "matrix", "a", "\x1b[31mred")
    said = refused(capsys, "grid", "circle")
    assert said.startswith("error: circle: ") and "Errno" not in said


def test_a_model_of_the_package_is_not_calibrated_in_its_place(capsys):
    said = refused(capsys, "calibrate", "hps-all-time", "--pairs", "none.csv")
    assert "comes with its calibration" in said and "cocola convert hps-all-time FOLDER" in said
