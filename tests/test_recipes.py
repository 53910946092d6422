"""The models by name: each trains on what it says, and on nothing that is held out."""

from dataclasses import replace

import numpy as np
import pytest
from songs import write_songs
from tiny import clip

from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.encoder import Cocola
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import locate
from cocola_lib.sampling import WindowSampler
from cocola_lib.training.leaks import refuse_shared
from cocola_lib.training.mixtures import MixtureSampler
from cocola_lib.training.profiles import PROFILES, get_profile
from cocola_lib.training.recipes import RECIPES, Recipe, get_recipe


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("songs"), n=8, seconds=12.0)


def named(tracks, *names):
    """The same files, said to be of these data sets."""
    return [replace(t, dataset=d, id=f"{d}/train/{f}") for t, (d, f) in zip(tracks, names, strict=False)]


REAL = (
    ("MUSDB18-HQ", "a"),
    ("MoisesDB", "b"),
    ("Slakh2100", "c"),
    ("CocoChorales", "random_track1"),
    ("CocoChorales", "string_track1"),
)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("moisesdb", "b"),
        ("slakh2100", "c"),
        ("cocochorales", ["random_track1", "string_track1"]),
        ("all", ["b", "c", "random_track1"]),
        ("hps-all", ["b", "c", "random_track1"]),
        ("cola", ["b", "c", "random_track1"]),
        ("b0-time", ["b", "c", "random_track1", "string_track1"]),
        ("hps-all-time", ["b", "c", "random_track1", "string_track1"]),
    ],
)
def test_a_recipe_trains_on_its_data_sets_and_never_on_musdb(recipe, expected, tracks):
    assert [t.id.rsplit("/")[-1] for t in get_recipe(recipe).select(named(tracks, *REAL))] == list(expected)


def test_miniatures_stand_in_for_the_data_sets(tracks):
    miniatures = named(tracks, ("mini-moisesdb", "a"), ("mini-cocochorales", "string_1"), ("mini-musdb18hq", "c"))
    assert [t.dataset for t in get_recipe("moisesdb").select(miniatures)] == ["mini-moisesdb"]
    assert [t.dataset for t in get_recipe("hps-all").select(miniatures)] == ["mini-moisesdb", "mini-cocochorales"]


def test_a_data_set_that_is_not_there_is_refused(tracks):
    with pytest.raises(ValueError, match="recipe slakh2100 trains on Slakh2100 or mini-slakh2100; found MoisesDB"):
        get_recipe("slakh2100").select(named(tracks, ("MoisesDB", "b")))


def test_musdb_alone_is_refused(tracks):
    with pytest.raises(ValueError, match="MUSDB18-HQ, which is held out; found MUSDB18-HQ"):
        get_recipe("all").select(named(tracks, ("MUSDB18-HQ", "a")))


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="recipe is 'hps'; use moisesdb, .*hps-all"):
        get_recipe("hps")
    with pytest.raises(ValueError, match="profile is 'fast'; use smoke, quick, full"):
        get_profile("fast")


def test_every_profile_names_a_recipe():
    assert {p.recipe for p in PROFILES.values()} <= set(RECIPES)


def test_features_are_those_of_table_1():
    separated = {name for name, recipe in RECIPES.items() if recipe.config.features == "hps"}
    assert separated == {"hps-all", "b0-time", "hps-all-time"}


@pytest.mark.parametrize("name", ["hps-all", "hps-all-time"])
def test_a_recipe_that_is_named_like_a_bundled_model_has_its_form(name):
    assert get_recipe(name).config == checkpoints.load(locate(name))[0].config


def test_the_papers_start_is_raw_decibels_and_a_free_matrix():
    config = get_recipe("hps-all").model("paper")
    assert (config.initial_w, config.input_offset_db, config.input_scale_db) == ("normal", 0.0, 1.0)
    w = Cocola(config).w()
    assert w.std().item() == pytest.approx(0.05, rel=0.02)
    assert get_recipe("hps-all").model() == get_recipe("hps-all").config


def test_cola_draws_two_windows_of_a_track_and_no_track_twice(tracks):
    sampler = MixtureSampler(tracks)
    specs = [spec for step in range(20) for spec in sampler.batch(8, 0, step)]
    assert all(abs(spec.start_s - spec.positive_start_s) > 2.49 for spec in specs)
    assert all(spec.anchor == spec.positive == ("stem0", "stem1") for spec in specs)
    assert len({spec.track_id for spec in specs[:8]}) == 8
    assert sampler.batch(8, 0, 3) == sampler.batch(8, 0, 3)
    assert sampler.batch(8, 0, 3) != sampler.batch(8, 0, 4)


def test_cola_hears_full_mixes_of_both_windows(tracks):
    sampler = MixtureSampler(tracks)
    spec = sampler.batch(4, 0, 0)[0]
    track = sampler.by_id[spec.track_id]
    for heard, start in zip(sampler.audio(spec), (spec.start_s, spec.positive_start_s), strict=True):
        np.testing.assert_array_equal(heard, track.read(track.stem_names, start, 5.0))
    assert sampler.pairs(4, 0, 0).shape == (4, 2, 80_000)


def test_cola_refuses_more_windows_than_tracks(tracks):
    with pytest.raises(ValueError, match="8 tracks, of which 8 hold two windows .* K = 9"):
        MixtureSampler(tracks).batch(9, 0, 0)


def test_only_cola_draws_mixtures():
    assert [name for name, recipe in RECIPES.items() if recipe.sampler is not WindowSampler] == ["cola"]
    assert Recipe("mine").sampler is WindowSampler


def test_songs_that_only_sound_alike_are_no_leak(tracks):
    refuse_shared(tracks[:4], tracks[4:])


def test_the_same_folder_in_both_splits_is_refused(tracks):
    with pytest.raises(ValueError, match="same name"):
        refuse_shared(tracks[:4], tracks[3:4])


def test_the_same_files_under_another_name_are_refused(tracks):
    with pytest.raises(ValueError, match="song0 is in the training set too, as .*same files"):
        refuse_shared(named(tracks, ("A", "other")), tracks[:1])


def test_a_copy_of_the_audio_under_another_name_is_refused(tracks, tmp_path):
    (tmp_path / "renamed").mkdir()
    for i, stem in enumerate(tracks[0].stems):
        (tmp_path / "renamed" / f"part{i}.wav").write_bytes(stem.files[0].read_bytes())
    for song in (1, 2):
        (tmp_path / f"other{song}").mkdir()
        for stem in tracks[song].stems:
            (tmp_path / f"other{song}" / stem.files[0].name).write_bytes(stem.files[0].read_bytes())
    copy = next(t for t in load_tracks(tmp_path) if t.id.endswith("renamed"))
    with pytest.raises(ValueError, match="renamed is in the training set too, as .*song0 .same audio"):
        refuse_shared(tracks, [copy])


@pytest.mark.parametrize(
    ("file", "text"),
    [("data.json", '{"artist": "Somebody", "song": "Tune"}'), ("metadata.yaml", "UUID: 0a1b\nnormalized: true\n")],
)
def test_the_same_song_by_its_field_is_refused(file, text, tmp_path):
    a, b = (write_songs(tmp_path / side, n=1) for side in "ab")
    for i in range(2):  # other audio: only the field tells
        audio.write(tmp_path / "b" / "song0" / f"stem{i}.wav", clip(20.0, seed=77 + i))
    for side in "ab":
        (tmp_path / side / "song0" / file).write_text(text, encoding="utf-8")
    b = [replace(b[0], dataset="B")]
    with pytest.raises(ValueError, match="same song"):
        refuse_shared(a, b)
