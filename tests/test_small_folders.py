"""Folders of a few short songs: what does not fit becomes smaller, and says so."""

import pytest
from songs import SHORT, TINY, write_bands

from cocola_lib.classification import cells, genres, overlap, trials
from cocola_lib.data.tracks import of_split
from cocola_lib.notebook import questions
from cocola_lib.notebook import training as told
from cocola_lib.sampling import PairDataset
from cocola_lib.training import by_name, fitting
from cocola_lib.training.encoders import ENCODERS
from cocola_lib.training.profiles import get_profile
from cocola_lib.training.settings import TrainSettings
from cocola_lib.training.training_data import TrainingData


@pytest.fixture(scope="module")
def three_songs(tmp_path_factory):
    return write_bands(tmp_path_factory.mktemp("three"), n=3, seconds=20.0)


@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_three_songs_of_20_s_train_with_a_k_that_every_batch_fills(three_songs, profile, tmp_path):
    asked = get_profile(profile).settings()
    settings, said = fitting.fitted(TINY, asked, three_songs)
    assert 3 <= settings.k <= 7  # windows of 5 s that overlap by half at most, in one song of 20 s
    assert settings.masking == ("batch" if settings.k < 6 else "group")
    assert f"K is {settings.k} instead of {asked.k}" in said
    data = TrainingData(TINY, settings, three_songs, tmp_path)
    batches = data.samplers["train"]
    assert {len(batches.batch(settings.k, settings.seed, step)) for step in range(settings.n_steps)} == {settings.k}
    assert len(data.valid_specs) >= 2 and isinstance(data.train_set(), PairDataset)
    assert said in told.the_plan("tiny", settings, data.splits, said).text
    assert fitting.fitted(TINY, settings, three_songs) == (settings, "")


def test_what_fits_and_what_nothing_could_fit_stay_as_they_were(three_songs, tmp_path):
    assert fitting.fitted(TINY, TrainSettings(k=2, masking="none"), three_songs)[1] == ""
    too_short = write_bands(tmp_path / "short", n=3, seconds=4.0)
    assert fitting.fitted(TINY, SHORT, too_short) == (SHORT, "")
    with pytest.raises(ValueError, match="longest 4.0 s. hold 0 of the 6 windows asked for, .*; add longer tracks"):
        TrainingData(TINY, SHORT, too_short, tmp_path)


def test_devices_share_a_smaller_batch_equally(three_songs):
    settings, said = fitting.fitted(TINY, TrainSettings(k=32, masking="none", devices=2), three_songs)
    assert settings.k % 2 == 0 and settings.k >= 2 and "three groups" not in said


@pytest.mark.parametrize(("k", "masks", "candidates"), [(48, "group", 16), (6, "group", 2), (5, "batch", 5)])
def test_few_windows_have_one_mask(k, masks, candidates):
    assert fitting.masks_of(k) == (masks, candidates)


def test_one_track_in_a_split_has_no_stranger_so_all_are_asked(three_songs):
    chosen, said = of_split(three_songs, "test")
    assert chosen == three_songs and "all 3 tracks" in said
    assert of_split(three_songs * 2, "test") == ([t for t in three_songs * 2 if t.split == "test"], "")
    assert of_split(three_songs, "tset") == ([], "")
    assert of_split(chosen[:1], chosen[0].split) == (chosen[:1], "")


def test_training_by_name_takes_what_fits_and_refuses_a_k_that_was_asked_for(three_songs, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(by_name.run, "train", lambda recipe, settings, *_, **__: asked.append(settings.k))
    songs = three_songs[0].stems[0].files[0].parents[1]
    with pytest.warns(UserWarning, match="so K is . instead of 12"):
        by_name.train(tmp_path, "hps-all", "smoke", songs)
    by_name.train(tmp_path, "hps-all", "smoke", songs, k=12)
    assert 3 <= asked[0] <= 7 and asked[1] == 12  # which `run.train` then refuses


def test_songs_whose_style_nobody_states_are_asked_as_everything(three_songs):
    """Notebook 08, on a plain folder: no group of music has two songs."""
    assert [group for group in genres.HEARD if genres.select(group, three_songs)] == [genres.EVERYTHING]
    pools = cells.pools(three_songs, 4)
    assert list(pools) == [genres.EVERYTHING] and len(set(pools[genres.EVERYTHING].groups)) > 1
    with pytest.raises(ValueError, match="1 tracks: two are needed with a window"):
        cells.pools(three_songs[:1], 4)


def test_of_fewer_than_three_songs_none_is_to_train_on(three_songs):
    assert [track.split for track in fitting.training_tracks(three_songs)] == ["train"]
    with pytest.raises(ValueError, match="none of 2 tracks is to train on"):
        fitting.training_tracks([track for track in three_songs if track.split != "train"])


def test_encoders_are_asked_about_all_songs_where_one_alone_is_for_the_test(three_songs):
    """Notebook 09, which would else find no rival."""
    songs = three_songs[0].stems[0].files[0].parents[1]
    _, tests = trials._heard.__wrapped__(ENCODERS["b0-average"], str(songs), "tiny", 4, None)
    (pool,) = tests.values()
    assert len(set(pool.groups)) > 1


def test_overlap_is_said_to_matter_where_songs_are_few(three_songs):
    few = overlap.count(three_songs[:1], 6, [0.0, 0.9], 2)
    assert set(few["batch"]) == {"any songs", "one song"} and "these songs are so few" in questions.concerned(few)
    many = few.assign(overlapping=0.01)
    assert "r hardly matters" in questions.concerned(many)
