"""What is written is there whole and says what was meant, whoever chose the names in it and whatever opens it."""

import csv
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cocola_lib import files
from cocola_lib.data.pair_files import read_csv, read_rows, write_rows

NAMES = ["=1+1", "+loop", "-loop", "@live", "\ttab", "'=quoted", "''-twice", "it's", "NA", "None", "null", "nan", "ok"]


def cells(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_no_text_cell_of_a_table_is_a_formula_and_reading_gives_the_names_back(tmp_path):
    frame = pd.DataFrame({"name": NAMES, "score": np.linspace(-3, 3, len(NAMES)), "=head": range(len(NAMES))})
    files.write_csv(tmp_path / "t.csv", frame)
    first, *rows = cells(tmp_path / "t.csv")
    assert first == ["name", "score", "'=head"]
    assert not [row[0] for row in rows if row[0][0] in "=+-@\t\r"]
    assert [float(row[1]) for row in rows] == pytest.approx(frame["score"]) and rows[0][1] == "-3.0"
    pd.testing.assert_frame_equal(files.read_csv(tmp_path / "t.csv"), frame)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_rows_come_back_under_the_names_that_they_were_written_with(suffix, tmp_path):
    rows = [{"conditioning": name, "=x": name, "score": -1.5, "text": "-1.5"} for name in NAMES]
    write_rows(rows, out := tmp_path / f"t{suffix}")
    found = read_rows(out)
    assert [row["conditioning"] for row in found] == [row["=x"] for row in found] == NAMES
    assert {float(row["score"]) for row in found} == {-1.5}
    if suffix == ".csv":
        assert read_csv(out, ["=x"]) == read_rows(out)
        assert all(row[2:] == ["-1.5", "-1.5"] for row in cells(out)[1:])  # a number stays one, even as text


def test_a_name_that_is_no_utf_8_does_not_cost_the_table(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    write_rows([{"conditioning": name, "score": 1.0}], tmp_path / "t.csv")
    assert read_rows(tmp_path / "t.csv") == [{"conditioning": "caf\\udce9.wav", "score": "1.0"}]
    write_rows([{"conditioning": name, "score": 1.0}], tmp_path / "t.json")
    assert read_rows(tmp_path / "t.json") == [{"conditioning": name, "score": 1.0}]


def test_one_process_at_a_time_holds_a_lock_and_a_killed_one_lets_go(tmp_path):
    code = "import sys, time; from cocola_lib.files import locked\nwith locked(sys.argv[1], ''): print(); time.sleep(9)"
    command = [sys.executable, "-u", "-c", code, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(ValueError, match="^somebody else$"), files.locked(tmp_path / ".lock", "somebody else"):
            pass
        other.kill()
    with files.locked(tmp_path / ".lock", "somebody else"):
        assert os.listdir(tmp_path) == [".lock"]
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        files.check_writable(tmp_path / "file" / "index")
    files.check_writable(tmp_path / "new" / "index")
    assert os.listdir(tmp_path) == ["file"]


def make_folder(path):
    with files.whole_folder(path):
        pass


@pytest.mark.parametrize("place", ["file/table.csv", "file/deeper/table.csv", "n" * 300 + ".csv", "circle/table.csv"])
def test_a_place_where_nothing_can_be_is_one_line_that_names_it(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    for write in (files.check_writable, lambda path: files.write_text(path, ""), make_folder):
        if "n" * 300 in place and write is files.check_writable:
            continue  # its folder is there
        with pytest.raises(OSError, match=r"table.csv|n{300}") as said:
            write(tmp_path / place)
        assert "cannot be written (" in str(said.value) and "Errno" not in str(said.value)
    assert sorted(os.listdir(tmp_path)) == ["circle", "file"]


def test_a_link_in_a_circle_makes_way_for_a_folder(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with files.whole_folder(tmp_path / "circle") as folder:
        (folder / "a").touch()
    assert os.listdir(tmp_path) == ["circle"] and os.listdir(tmp_path / "circle") == ["a"]
