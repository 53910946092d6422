"""The row of recordings in notebook 03: measured where demos are at hand, else the stored table, and which is said."""

import pytest
from songs import write_bands
from test_recordings import METRICS

from cocola_lib.notebook import recordings


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path))
    return tmp_path


def test_without_demos_the_stored_table_is_shown_and_called_so(data):
    table, said = recordings.found(METRICS, 6, seed=0)
    assert (
        said.startswith("**Not measured here**") and "cocola data download demos" in said and "recordings.csv" in said
    )
    assert "control" in set(table["rater"]) and "shared" not in set(table["rater"])
    page = recordings.shown(table)._repr_html_()
    assert "bands" in page and "singers over karaoke" in page and "strangers, K = 32" in page


def test_demos_at_hand_are_measured(data):
    write_bands(data / "demos/multitrack/studio", n=3)
    table, said = recordings.found(METRICS, 6, seed=0)
    assert said.startswith("**Measured here**, on 3 pieces")
    assert set(table["rater"]) == {"shared", "wrong", "shared - wrong"}
    assert "same piece" in recordings.shown(table)._repr_html_()


def test_a_listener_hears_recordings_or_is_told_that_there_are_none(data):
    mine = write_bands(data / "mine", n=2)
    assert recordings.music(mine)[0] == mine and "No recordings are at hand" in recordings.music(mine)[1]
    write_bands(data / "demos/multitrack/studio", n=3)
    tracks, said = recordings.music(mine)
    assert {track.dataset for track in tracks} == {"studio"} and said.startswith(
        "The music below was recorded by people: 3"
    )
