"""Frozen lists: the same for everybody, read back as they were written, and refused where the data do not fit."""

import numpy as np
import pytest
from songs import write_songs

from cocola_lib.classification import pair_lists
from cocola_lib.data.stems import Stem, Track
from cocola_lib.files import write_csv
from cocola_lib.sampling import PairSpec, specs_to_frame


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data") / "songs", n=3, seconds=12.0)


def write(specs, path):
    specs_to_frame(specs).to_csv(path, index=False)
    return path


def test_a_list_comes_back_from_disk_as_it_was_drawn(tracks, tmp_path):
    ((_, specs),) = pair_lists.draw(tracks, 6, seed=0).items()
    assert pair_lists.read(write(specs, tmp_path / "x.csv"), tracks) == specs


def test_a_stem_called_na_is_a_stem(tmp_path):
    stems = tuple(Stem(name, (tmp_path / f"{name}.wav",)) for name in ("NA", "None", "=1"))
    track = Track("null", "mine", "test", stems, 16_000, 160_000)
    asked = [PairSpec("null", 0.0, ("NA",), ("None",)), PairSpec("null", 1.0, ("=1",), ("NA",))]
    write_csv(tmp_path / "x.csv", specs_to_frame(asked))
    assert pair_lists.read(tmp_path / "x.csv", [track]) == asked


def test_the_seed_decides_the_list_and_the_fingerprint_tells_lists_apart(tracks):
    lists = [next(iter(pair_lists.draw(tracks, 5, seed).values())) for seed in (0, 0, 1)]
    names = [pair_lists.fingerprint(specs) for specs in lists]
    assert names[0] == names[1] != names[2]


def test_a_short_list_is_the_beginning_of_a_long_one(tracks):
    short, long = (next(iter(pair_lists.draw(tracks, n).values())) for n in (3, 6))
    assert long[:3] == short


def test_few_songs_give_a_shorter_list_and_no_error(tracks):
    (specs,) = pair_lists.draw(tracks, 500).values()
    assert 3 <= len(specs) < 500


def test_single_pairs_have_one_stem_on_each_side(tracks):
    (specs,) = pair_lists.draw(tracks, 6, single=True).values()
    assert {(len(s.anchor), len(s.positive)) for s in specs} == {(1, 1)}


def test_a_list_is_read_as_its_specifications_say(tracks):
    (specs,) = pair_lists.draw(tracks, 4).values()
    anchors, positives = pair_lists.sides(specs, tracks)
    by_id = {track.id: track for track in tracks}
    for spec, *pair in zip(specs, anchors, positives, strict=True):
        for clip, names in zip(pair, (spec.anchor, spec.positive), strict=True):
            np.testing.assert_array_equal(clip, by_id[spec.track_id].read(names, spec.start_s, 5.0))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("track_id", "nowhere", "line 2: track 'nowhere' is not among the 3 tracks here"),
        ("positive", "kazoo", "has no stem 'kazoo'; it has stem0, stem1"),
        ("start_s", 99.0, r"starts at 99.0 s, the track ends at 12.0 s"),
    ],
)
def test_a_list_of_other_data_is_refused_with_its_line(column, value, expected, tracks, tmp_path):
    (specs,) = pair_lists.draw(tracks, 2).values()
    frame = specs_to_frame(specs)
    frame[column] = frame[column].astype(object)
    frame.loc[0, column] = value
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match=expected):
        pair_lists.read(tmp_path / "x.csv", tracks)


def test_no_file_and_no_column_are_one_line_each(tracks, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such list of pairs; leave `pairs_from` empty"):
        pair_lists.read(tmp_path / "none.csv", tracks)
    (tmp_path / "x.csv").write_text("track_id,start_s\n")
    with pytest.raises(ValueError, match="no column anchor, positive"):
        pair_lists.read(tmp_path / "x.csv", tracks)
