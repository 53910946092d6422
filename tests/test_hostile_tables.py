"""Tables and places as people give them: what cannot be meant is one line, before any work is done."""

import pandas as pd
import pytest
from tiny import clip_file

from cocola_lib.__main__ import main
from cocola_lib.accompaniment.evaluate import evaluate_folders
from cocola_lib.accompaniment.layouts import COLUMNS, MANIFEST
from cocola_lib.accompaniment.measure import trial_from_folders
from cocola_lib.accompaniment.systems import read_folder
from cocola_lib.cli import console
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


FOREIGN = {"x.csv": b"name,born\nann,1990\n", "x.json": b'[{"name": "ann"}]', "head.csv": b"name,born\n"}
WRITE = {
    "rank": (("rank", "a/0.wav", "b", "--out"), "rank,name,score\n1,x.wav,3.5\n"),
    "matrix": (("matrix", "a", "b", "--out"), "a,b,mode,both_ways\nx,y,both,3.5\n"),
    "score-stems": (("score-stems", "a", "--out"), "track,stem,stem_class,both\nx,bass,bass,3.5\n"),
    "curves": (("score-stems", "a", "--curves"), "track,stem,start_s,both\nx,bass,0,3.5\n"),
    "score": (("score", "a/0.wav", "b/0.wav", "--out"), "conditioning,accompaniment,checkpoint\nx,y,z\n"),
}


@pytest.mark.parametrize("command", WRITE)
def test_a_result_replaces_a_result_of_its_kind_and_nothing_else(capsys, clips, command):
    arguments, earlier = WRITE[command]
    others = {f"{name}.csv": text.encode() for name, (_, text) in WRITE.items() if name != command}
    for name, content in (FOREIGN | others).items():
        (clips / name).write_bytes(content)
        said = refused(capsys, *arguments, name)
        assert f"{name}: exists and is no result of this command; choose another name or delete it" in said
        assert (clips / name).read_bytes() == content
    for content in (b"", earlier.encode(), earlier.encode("utf-8-sig")):  # opened and saved by a spreadsheet
        (clips / "own.csv").write_bytes(content)
        with pytest.raises((TypeError, SystemExit)) as stop:  # on to the model, which is none, or to stems
            main([*arguments, "own.csv"])
        assert stop.type is TypeError or "only 0.wav found" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["matrix", "curves"])
def test_a_figure_beside_a_new_table_replaces_no_picture(capsys, clips, command):
    (clips / "holiday.png").write_bytes(b"sun")
    assert "holiday.png: exists and is no result" in refused(capsys, *WRITE[command][0], "holiday.csv")


def test_table_iii_replaces_table_iii_and_nothing_else(tmp_path):
    for name, content in {"table.csv": "leg,top\n4,oak\n", "scores.csv": "home,away\n1,0\n"}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"{name}: exists and is no result of this command"):
            evaluate_folders([], tmp_path, None)
        (tmp_path / name).unlink()
    with pytest.raises(OSError, match=r"table\.csv: cannot be written"):
        evaluate_folders([], clip_file(tmp_path / "x.wav", 1), None)
    (tmp_path / "table.csv").write_text("system,metric,value\na,b,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="No objects"):  # on to the folders, of which there are none
        evaluate_folders([], tmp_path, None)


@pytest.mark.parametrize("name", ["n" * 300 + ".wav", "nul\0.wav", "gone.wav", "n/" * 3000])
@pytest.mark.parametrize("side", ["conditioning", "output", "reference"])
def test_a_name_that_no_file_can_have_is_named_with_its_line(tmp_path, side, name):
    names = dict.fromkeys(("conditioning", "output", "reference"), "x.wav") | {side: name}
    clip_file(tmp_path / "x.wav", 1)
    rows = ",".join(["1", *names.values(), "bass", "NA"])
    (tmp_path / MANIFEST).write_text(f"{','.join(COLUMNS)}\n{rows}\n", encoding="utf-8")
    where = "1 of 1 outputs are not there" if side == "output" else rf"line 2: {side} .*: no such file"
    with pytest.raises(FileNotFoundError, match=where):
        read_folder(tmp_path)


def test_a_systems_name_that_moves_a_cursor_is_refused(tmp_path):
    clip_file(tmp_path / "x.wav", 1)
    (tmp_path / MANIFEST).write_text(f"{','.join(COLUMNS)}\n1,x.wav,x.wav,,bass,\x1b[31mred\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: system .* holds characters that cannot be shown"):
        read_folder(tmp_path)


def test_names_on_a_terminal_are_not_markup(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    console.show_frame(pd.DataFrame({"name": ["[/red]", ":bass:", "\x1b[31mx", "[b]"], "score": [1.0] * 4}))
    out = capsys.readouterr().out
    assert all(name in out for name in ("[/red]", ":bass:", "?[31mx", "[b]")) and "\x1b[31mx" not in out


def test_a_length_that_clips_cannot_have_is_refused_or_said(tmp_path):
    clip_file(tmp_path / "x.wav", 6)
    (tmp_path / MANIFEST).write_text(f"{','.join(COLUMNS)}\n1,x.wav,x.wav,,bass,s\n", encoding="utf-8")
    frame = read_folder(tmp_path)
    for cut_s in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cut_s is .* scores need 5 s or more"):
            trial_from_folders(frame, cut_s)
    assert "2 of 2 clips end before 50 s" not in "".join(trial_from_folders(frame, 6.0).notes)
    assert any("clips end before 50 s" in note for note in trial_from_folders(frame, 50.0).notes)


@pytest.mark.parametrize("option", [("listen", "serve", "--port"), ("listen", "serve", "--port=1", "--ip")])
def test_a_port_out_of_range_or_no_address_is_refused(capsys, option):
    for value in ("0", "-1", "99999") if option[-1] == "--port" else ("",):
        assert "port" in refused(capsys, *option, value)
