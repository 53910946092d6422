"""Ratings are read from our CSV and from a folder, or invented; what is wrong with a file is said in one line."""

import json

import numpy as np
import pandas as pd
import pytest
import small_study

from cocola_lib.listening import ratings, simulated
from cocola_lib.listening.ratings import COLUMNS, read

ROW = {"listener": "ann", "page": "1", "item": "3", "system": "Random", "rating": 2, "scale_min": 0, "scale_max": 4}
ROW |= {"track": "song a"}


def csv(folder, *changes, **everywhere):
    """A CSV with one row per change; a change to None leaves the column out."""
    rows = [ROW | everywhere | change for change in changes or ({},)]
    table = pd.DataFrame(rows).drop(columns=[name for name, value in everywhere.items() if value is None])
    table.to_csv(folder / "ratings.csv", index=False)
    return folder / "ratings.csv"


def test_csv_keeps_names_as_text_and_takes_paths_from_its_folder(tmp_path):
    audio = {"conditioning": "audio/a.flac", "output": "audio/b.flac", "position": 2, "seconds": 4.5}
    test = read(csv(tmp_path, audio, {"item": "04", "rating": 3} | dict.fromkeys(audio, "")))
    assert test.ratings["item"].tolist() == ["3", "04"]
    assert test.ratings["output"].tolist() == [str(tmp_path / "audio" / "b.flac"), ""]
    assert test.scale == (0, 4)
    assert (test.source, test.simulated, test.metrics) == ("ratings.csv", False, None)


def test_columns_that_a_csv_need_not_have_get_their_defaults(tmp_path):
    row = read(csv(tmp_path)).ratings.iloc[0]
    assert (row["attention"], row["anchor"], row["output"]) == (False, False, "")
    assert np.isnan(row["expected"])
    assert set(COLUMNS) <= set(row.index)


def test_attention_checks_and_hidden_anchors_are_no_ratings_of_systems(tmp_path):
    path = csv(
        tmp_path,
        {"attention": "False", "anchor": "False"},
        {"system": "(attention)", "attention": "True", "anchor": "False", "expected": 2, "track": ""},
        {"system": "(low anchor)", "attention": "False", "anchor": "True"},
    )
    test = read(path)
    assert test.rated["system"].tolist() == ["Random"]
    assert test.ratings["expected"].tolist() == pytest.approx([np.nan, 2, np.nan], nan_ok=True)


def test_stimuli_without_a_rating_are_counted_and_left_out(tmp_path):
    test = read(csv(tmp_path, {}, {"system": "Shifted", "rating": ""}))
    assert len(test.rated) == 1
    assert test.not_rated == 1


def test_listeners_of_a_rehearsal_are_said_to_be_invented(tmp_path):
    test = read(csv(tmp_path, {"listener": "simulated 01"}))
    assert test.simulated
    assert "SIMULATED" in test.source


@pytest.mark.parametrize("name", ["NA", "None", "null", "nan"])
def test_a_listener_or_a_system_whose_name_looks_like_nothing_is_not_lost(tmp_path, name):
    test = read(csv(tmp_path, {"listener": name}, {"system": name}, {"track": name, "item": name}))
    assert test.rated["listener"].tolist() == [name, "ann", "ann"]
    assert test.rated["system"].tolist() == ["Random", name, "Random"]
    assert test.rated["track"].tolist() == ["song a", "song a", name]
    assert test.rated["item"].tolist() == ["3", "3", name]


def test_a_name_that_was_kept_from_being_a_formula_is_read_as_it_was_given(tmp_path):
    assert read(csv(tmp_path, {"listener": "'=1+1"})).rated["listener"].tolist() == ["=1+1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{}, {"listener": ""}], "line 3 names no listener"),
        ([{"rating": "good"}], "a rating is 'good'; ratings are numbers"),
        ([{"rating": 5}], "listener ann rated 5; the scale is 0 to 4"),
        ([{}, {}], "listener ann rated Random of 3 twice on page 1"),
        ([{"rating": ""}], "holds no ratings"),
        ([{}, {"system": "Shifted", "scale_max": 5}], "several scales"),
        ([{"anchor": "perhaps"}], "column 'anchor' holds something other than true and false"),
    ],
)
def test_a_csv_that_cannot_be_analysed_says_why_and_which_it_is(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(csv(tmp_path, *changes))
    assert str(tmp_path / "ratings.csv") in str(caught.value)


def test_a_csv_without_a_column_says_which(tmp_path):
    with pytest.raises(ValueError, match="column 'track' is missing; ratings need listener, page"):
        read(csv(tmp_path, track=None))


def test_what_is_no_file_no_table_or_no_study_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="empty.csv: not a table of ratings"):
        read(tmp_path / "empty.csv")
    with pytest.raises(ValueError, match="no user_ratings"):
        read(tmp_path)


def test_folder_is_read_with_its_metrics_from_itself_or_from_above(tmp_path):
    folder = small_study.write(tmp_path / "listening_tests", n_listeners=3, n_songs=4, n_pages=5)
    test = read(folder)
    pd.testing.assert_frame_equal(test.ratings, read(tmp_path).ratings)
    assert len(test.ratings) == 3 * 5 * 4
    assert test.scale == (1, 5)
    assert set(test.ratings["system"]) == {"Ground Truth", "sac", "stage", "moises"}
    assert set(test.metrics["system"]) == {"Ground Truth", "sac", "stage", "moises"}, "og and gt are the same system"
    assert set(test.metrics["metric"]) == set(small_study.METRICS)
    trial = json.loads((folder / "user_ratings" / "results_01.json").read_text())[2]
    page = test.ratings.query("listener == '01' and page == '2'").sort_values("position")
    assert page["item"].unique().tolist() == [f"{trial['type']}/{trial['folder']}"]
    assert page["rating"].tolist() == [trial["scores"][system] for system in trial["model_order"]]


def test_folder_without_metrics_has_none(tmp_path):
    folder = small_study.write(tmp_path / "listening_tests")
    for file in folder.glob("results_*.json"):
        file.unlink()
    assert read(folder).metrics is None


def test_a_metric_may_lack_a_score(tmp_path):
    folder = small_study.write(tmp_path / "listening_tests")
    (folder / "results_clap.json").write_text(json.dumps({"bass": [{"song": "Song_0", "gt": None, "sac": 1}]}))
    clap = read(folder).metrics.query("metric == 'clap'")
    assert clap["score"].tolist() == pytest.approx([np.nan, 1], nan_ok=True)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"trial_index": 0}]', '{"a": 1}'])
def test_a_listeners_file_of_another_shape_is_named(tmp_path, content):
    folder = small_study.write(tmp_path / "listening_tests")
    (folder / "user_ratings" / "results_03.json").write_text(content)
    with pytest.raises(ValueError, match=r"results_03.json: (not JSON|expected a list of trials)"):
        read(folder)


@pytest.mark.parametrize("content", ["{", "[1]", '{"bass": [{"gt": 1}]}', '{"bass": [{"song": "a", "gt": "high"}]}'])
def test_a_metrics_file_of_another_shape_is_named(tmp_path, content):
    folder = small_study.write(tmp_path / "listening_tests")
    (folder / "results_clap.json").write_text(content)
    with pytest.raises(ValueError, match=r"results_clap.json: "):
        read(folder)


def test_songs_stand_for_clusters_unless_there_is_only_one(tmp_path):
    assert ratings.clusters(read(csv(tmp_path, {}, {"system": "Shifted", "track": "song b"})).rated) == "track"
    assert ratings.clusters(read(csv(tmp_path, {}, {"item": "5"})).rated) == "item"


# Simulated listeners


def stimuli(n_items=8):
    systems = ("Random", "Ground Truth", "Mine")
    rows = [(system, item, f"song {item // 2}") for item in range(n_items) for system in systems]
    return pd.DataFrame(rows, columns=["system", "item", "track"])


def test_simulated_ratings_say_so_and_know_nothing_of_scores():
    scored = stimuli().assign(score=np.arange(24.0))
    test = simulated.simulate(scored, n_listeners=6, n_pages=4, seed=1)
    assert test.simulated
    assert "SIMULATED" in test.source
    assert test.metrics is None
    blind = simulated.simulate(scored.assign(score=0.0), n_listeners=6, n_pages=4, seed=1)
    pd.testing.assert_frame_equal(test.ratings, blind.ratings)


def test_simulated_listeners_rate_whole_pages_on_the_scale_and_items_about_equally_often():
    rated = simulated.simulate(stimuli(), n_listeners=6, n_pages=4).ratings
    assert (rated.groupby(["listener", "page"])["system"].nunique() == 3).all()
    assert (rated.groupby(["listener", "page"])["item"].nunique() == 1).all()
    assert not rated.duplicated(["listener", "item", "system"]).any()
    assert rated.groupby("item").size().between(6, 12).all()  # 6 x 4 pages of 8 items: three each, give or take one
    assert set(rated["rating"]) <= {0, 1, 2, 3, 4}


def test_simulated_systems_get_their_assumed_means_without_noise():
    rated = simulated.simulate(stimuli(60), 10, noise=0.01, n_pages=30, n_careless=0).rated
    means = rated.groupby("system")["rating"].mean()
    assert means["Random"] == pytest.approx(0.2 * 4, abs=0.25)
    assert means["Mine"] == pytest.approx(0.5 * 4, abs=0.25)


def test_nobody_is_invented_to_rate_a_system_that_repeats_its_conditioning():
    copies = stimuli().query("system == 'Mine'").assign(system="Copy")
    rated = simulated.simulate(pd.concat([stimuli(), copies]), 6, n_pages=4).ratings
    pd.testing.assert_frame_equal(rated, simulated.simulate(stimuli(), 6, n_pages=4).ratings)


@pytest.mark.parametrize("changes", [{"n_listeners": 1}, {"n_careless": -1}, {"n_listeners": 3, "n_careless": 4}])
def test_simulation_needs_two_listeners_and_no_more_careless_ones_than_there_are(changes):
    with pytest.raises(ValueError, match="two or more listeners"):
        simulated.simulate(stimuli(), **changes)
