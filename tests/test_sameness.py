"""Coherence or sameness: relations are named right, and a score that falls for sameness is caught."""

import numpy as np
import pytest
from songs import write_songs

from cocola_lib.hearing import sameness
from cocola_lib.hearing.sameness import StemClip


def stem(track, kind, start=0.0, value=1.0):
    return StemClip(track, start, kind, np.full(8, value, dtype=np.float32))


HERE = [stem("a", "bass", value=1), stem("a", "keys", value=1), stem("a", "keys", value=1), stem("b", "bass", value=2)]
ELSEWHERE = [stem("a", "bass", 10.0, value=3)]


class ByValue:
    """Scores 1 where the clips are alike, else 0; refuses silence."""

    def matrices(self, anchors, partners):
        def alike(a, b):
            return np.nan if not b.any() else float(a[0] == b[0])

        return {"both": np.array([[alike(a, b) for b in partners] for a in anchors])}


@pytest.fixture
def table():
    return sameness.compare(ByValue(), HERE, ELSEWHERE, "x")


def test_every_comparison_has_the_relation_that_a_loop_gives(table):
    counts = table["relation"].value_counts().to_dict()
    assert counts == {
        "the same part twice": 4,
        "true partner": 4,  # bass with two keys, both ways
        "true partner, same instrument": 2,
        "same instrument, another song": 3,  # the basses, both ways, and that of the other section
        "another instrument, another song": 4,
        "same song, another section": 2,  # the keys with the bass of another section; bass with itself is none
        "noise": 4,
        "silence": 4,
    }


def test_silence_is_refused_and_counted_not_scored(table):
    row = sameness.summarise(table).set_index("relation").loc["silence"]
    assert row.scored == 0
    assert np.isnan(row["mean"])
    assert row.n == 4


def test_the_truth_wins_where_it_scores_higher_and_a_tie_is_no_win(table):
    wins = sameness.summarise(table).set_index("relation")["truth_wins"]
    assert wins["same instrument, another song"] == 1
    assert wins["the same part twice"] == 0  # ties: the same part is as coherent as can be
    assert np.isnan(wins["true partner"])


def test_a_score_that_hears_the_instrument_only_loses_to_the_same_instrument_of_another_song():
    kinds = {"bass": 1.0, "keys": 2.0, "drums": 3.0}
    here = [stem(t, k, value=v) for t in "abcd" for k, v in kinds.items()]
    found = sameness.summarise(sameness.compare(ByValue(), here, [], "timbre")).set_index("relation")
    assert found.loc["same instrument, another song", "truth_wins"] == 0
    assert found.loc["same instrument, another song", "mean"] == 1
    assert found.loc["true partner", "mean"] == 0


def test_classes_are_unordered_and_a_perfect_score_is_above_all_random_pairs(table):
    found = sameness.by_class_pair(table, "x", "both").set_index(["a", "b"])
    assert list(found.index) == [("bass", "keys")]  # two basses are never partners here
    assert found.loc[("bass", "keys"), "auc"] == 1
    assert found.loc[("bass", "keys"), "n_true"] == 4
    assert found.loc[("bass", "keys"), "n_random"] == 4


def test_stems_are_read_from_one_window_per_song_and_from_another_section(tmp_path):
    tracks = write_songs(tmp_path / "songs", n=3, seconds=14.0)
    here, elsewhere = sameness.draw_stems(tracks, 2, seed=0)
    assert len({c.track_id for c in here}) == 2
    for track in {c.track_id for c in here}:
        assert len({c.start_s for c in here if c.track_id == track}) == 1
    window = {c.track_id: c.start_s for c in here}
    assert all(abs(c.start_s - window[c.track_id]) >= 5 for c in elsewhere)


def test_nothing_to_compare_is_one_line(tmp_path):
    tracks = write_songs(tmp_path / "songs", n=1, seconds=4.0)
    with pytest.raises(ValueError, match="1 tracks: no window in which two stems sound"):
        sameness.draw_stems(tracks, 2)
