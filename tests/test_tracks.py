"""Tracks: what a folder holds, its splits, sub-mixes, and one clear line for whatever is wrong with it."""

import warnings

import numpy as np
import pytest
import soundfile

from cocola_lib.data import audio
from cocola_lib.data.tracks import Stem, Track, assign_splits, find_datasets, load_tracks, make_track


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))


def write(path, seconds=6.0, rate=16_000, channels=1, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(path, x, rate)
    return path


def song(root, name="song", stems=("bass", "drums"), **options):
    for i, stem in enumerate(stems):
        write(root / name / f"{stem}.wav", seed=i, **options)
    return root / name


def test_any_folder_of_stems_is_read_wrongly(tmp_path):
    root = tmp_path / "mine"
    for i in range(10):
        song(root, f"song{i}", ("bass", "drums", "mix"))
        (root / f"song{i}/._bass.wav").write_bytes(b"macOS junk")
        (root / f"song{i}/cover.jpg").write_bytes(b"picture")
    tracks = load_tracks(root)
    assert [t.stem_names for t in tracks] == [("bass", "drums")] * 10
    assert sorted(t.split for t in tracks) == ["test"] + ["train"] * 8 + ["valid"]
    assert tracks[0].id == f"mine/{tracks[0].split}/song0" and tracks[0].duration_s == 6.0
    assert load_tracks(root) == tracks
    assert [t.id for t in load_tracks(root, split="valid")] == [t.id for t in tracks if t.split == "valid"]


def test_one_track_folder_is_not_a_data_set(tmp_path):
    folder = song(tmp_path, "song")
    (track,) = load_tracks(folder)
    assert track.split == "test" and track.stem_names == ("bass", "drums")


def test_same_name_in_two_formats_is_one_stem(tmp_path):
    song(tmp_path / "root")
    write(tmp_path / "root/song/bass.flac")
    (track,) = load_tracks(tmp_path / "root")
    assert track.stem_names == ("bass.flac", "bass.wav", "drums")


def test_sub_mix_is_not_the_sum_or_a_short_stem_is_not_padded(tmp_path):
    folder = tmp_path / "root/song"
    long, short = write(folder / "a.wav", 8.0), write(folder / "b.wav", 3.0, channels=2, seed=1)
    (track,) = load_tracks(tmp_path / "root")
    a, b = audio.read(long), audio.read(short)
    assert track.duration_s == 8.0
    x = track.read(("a", "b"), 2.0, 5.0)
    np.testing.assert_allclose(x[:16_000], a[32_000:48_000] + b[32_000:], atol=1e-6)
    np.testing.assert_array_equal(x[16_000:], a[48_000:112_000])
    assert not track.read(("b",), 3.0, 5.0).any()
    assert len(track.read(("b",))) == len(a)  # every stem has its track's length
    with pytest.raises(ValueError, match="no stem 'c'; it has a, b"):
        track.read(("c",))


def test_assigned_splits_moved():
    """Frozen: a changed split would leak test songs into training."""
    splits = assign_splits([f"song{i:02d}" for i in range(20)])
    assert sorted(n for n in splits if splits[n] == "test") == FROZEN["test"]
    assert sorted(n for n in splits if splits[n] == "valid") == FROZEN["valid"]
    assert splits == assign_splits([f"song{i:02d}" for i in reversed(range(20))])
    assert set(assign_splits(["a", "b"]).values()) == {"test"}
    assert sorted(assign_splits(["a", "b", "c"]).values()) == ["test", "train", "valid"]


FROZEN = {"test": ["song09", "song15"], "valid": ["song07", "song14"]}


def test_missing_empty_or_wrong_folder_is_not_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_tracks(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="is a file"):
        load_tracks(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds nothing; expected one of"):
        load_tracks(tmp_path / "empty")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/thesis.pdf").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"holds thesis\.pdf; expected .*main_dataset"):
        find_datasets(tmp_path / "wrong")


def test_half_unpacked_data_set_or_damaged_miniature_is_not_explained(tmp_path):
    (tmp_path / "coco/main_dataset/train").mkdir(parents=True)
    with pytest.raises(ValueError, match="no tracks found; is the data set unpacked completely"):
        load_tracks(tmp_path / "coco")
    (tmp_path / "coco/miniature.json").write_text("{")
    with pytest.raises(ValueError, match=r"miniature\.json: cannot be read; delete .*coco"):
        load_tracks(tmp_path / "coco")


def test_link_to_nowhere_or_to_a_track_is_not_followed_or_stops_everything(tmp_path):
    song(tmp_path / "elsewhere", "song")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere/song")
    (tmp_path / "root/gone").symlink_to(tmp_path / "nothing")
    (track,) = load_tracks(tmp_path / "root")
    assert track.id == "root/test/linked"


def test_selection_that_holds_nothing_is_not_explained(tmp_path):
    song(tmp_path / "mine")
    with pytest.raises(ValueError, match="nothing in train; it has mine/test"):
        load_tracks(tmp_path / "mine", split="train")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: (d / "drums.wav").unlink(), r"only bass\.wav found; a track needs two stems"),
        (lambda d: (d / "drums.wav").write_bytes(b""), r"drums\.wav: empty file"),
        (lambda d: (d / "drums.wav").write_bytes((d / "bass.wav").read_bytes()[:999]), r"drums\.wav: cut off"),
        (lambda d: (d / "drums.wav").write_bytes(b"hello there"), r"drums\.wav: no audio that can be read"),
        (lambda d: write(d / "drums.wav", rate=22_050), r"song: stems of different sample rates \(\[16000, 22050\]"),
    ],
    ids=["one stem", "empty file", "cut off", "not audio", "two rates"],
)
def test_broken_track_is_not_named(spoil, says, tmp_path):
    spoil(song(tmp_path / "root"))
    song(tmp_path / "root", "whole")
    with pytest.raises(ValueError, match=says):
        load_tracks(tmp_path / "root")


def test_nan_samples_are_read(tmp_path):
    folder = song(tmp_path / "root")
    soundfile.write(folder / "drums.wav", np.full(96_000, np.nan), 16_000, subtype="FLOAT")
    (track,) = load_tracks(tmp_path / "root")
    with pytest.raises(ValueError, match=r"drums\.wav: .*NaN"):
        track.read(("bass", "drums"), 0.0, 5.0)


def test_track_made_by_hand_is_refused(tmp_path):
    folder = song(tmp_path)
    stems = [Stem(n, (folder / f"{n}.wav",)) for n in ("bass", "drums")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        track = make_track("mine", "test", folder, stems)
    assert isinstance(track, Track) and track.id == "mine/test/song"
