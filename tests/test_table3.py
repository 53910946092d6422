"""Table III from stored scores and embeddings: every cell has a second way to be computed."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg

from cocola_lib.accompaniment import table3
from cocola_lib.accompaniment.distance_rows import fad_rows
from cocola_lib.accompaniment.frechet import Moments, frechet_distance
from cocola_lib.accompaniment.measure import load_embeddings, save_embeddings
from cocola_lib.data import paper


def tidy(system, values, rater="COCOLA", mode="P+H", tracks=None, percentile=np.nan):
    tracks = tracks or [f"band/test/{i}" for i in range(len(values))]
    return pd.DataFrame(
        {
            "rater": rater,
            "mode": mode,
            "item": range(len(values)),
            "system": system,
            "track": tracks,
            "score": values,
            "percentile": percentile,
        }
    )


def clouds(n=30, rows=6, d=5, seed=0):
    """Embeddings of three systems; Accompanist lies between Random and Ground Truth."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, rows, d))
    return {
        name: [(clip + shift).astype(np.float32) for clip in noise * scale]
        for name, shift, scale in (("Random", 2.0, 1.0), ("Accompanist", 0.5, 1.2), ("Ground Truth", 0.0, 1.0))
    }


def fad_by_the_book(a, b):
    """Both covariances by numpy, one general matrix square root by scipy: nothing of ours."""
    a, b = (np.concatenate(x).astype(np.float64) for x in (a, b))
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)


def cell(table, system, metric, column="value"):
    (found,) = table[(table["system"] == system) & (table["metric"] == metric)][column]
    return found


def test_a_mean_counts_the_items_that_sound_and_says_how_many():
    scores = pd.concat([tidy("a", [1.0, 2.0, np.nan, 6.0]), tidy("b", [np.nan] * 4)])
    table = table3.summarise(scores)
    assert cell(table, "a", "COCOLA P+H") == 3.0
    assert cell(table, "a", "COCOLA P+H", "n") == 3
    assert 1.0 <= cell(table, "a", "COCOLA P+H", "low") < 3.0 < cell(table, "a", "COCOLA P+H", "high") <= 6.0
    assert np.isnan(cell(table, "b", "COCOLA P+H")) and cell(table, "b", "COCOLA P+H", "note") == "silent throughout"


def test_calibrated_columns_appear_only_where_there_is_a_calibration():
    with_it = table3.summarise(tidy("a", [1.0, 3.0], percentile=[20.0, 90.0]))
    assert cell(with_it, "a", "COCOLA P+H, beats random %") == 55.0
    assert set(table3.summarise(tidy("a", [1.0, 3.0]))["metric"]) == {"COCOLA P+H"}


def test_the_control_is_named_by_what_it_hears():
    modes = ("P+H", "P", "H")
    table = table3.summarise(pd.concat([tidy("a", [1.0, 2.0], "control", mode) for mode in modes]))
    assert list(table["metric"]) == ["control, both", "control, onsets", "control, chroma"]


def test_windows_of_one_track_do_not_count_as_many():
    one = table3.summarise(tidy("a", [1.0, 2.0, 3.0, 4.0], tracks=["t"] * 4))
    assert np.isnan(cell(one, "a", "COCOLA P+H", "low"))


def test_a_system_is_between_only_where_both_steps_go_up():
    tracks = [f"{data}/test/{i}" for data in ("x", "y", "z") for i in range(4)]
    up = np.linspace(0, 0.3, 4)
    listens = np.concatenate([up + 1, up - 1, up + 3])
    systems = {"Random": np.tile(up, 3), "Accompanist": listens, "Ground Truth": np.tile(up + 2, 3)}
    rows = table3.between(pd.concat([tidy(s, v, tracks=tracks) for s, v in systems.items()]), "Accompanist")
    assert list(rows["data"]) == ["x", "y", "z"]
    assert list(rows["between"]) == list(rows["clearly"]) == [True, False, False]
    np.testing.assert_allclose(rows["above"], [1, -1, 3], atol=1e-12)
    np.testing.assert_allclose(rows["below"], [1, 3, -1], atol=1e-12)


def test_a_step_whose_interval_holds_zero_is_not_clear():
    steps = np.array([1.0, 1.0, 1.0, -2.5])  # above Random by 0.125 on average, because of one track or despite it
    systems = {"Random": np.zeros(4), "Accompanist": steps, "Ground Truth": steps + 1}
    (row,) = table3.between(pd.concat([tidy(s, v) for s, v in systems.items()]), "Accompanist").itertuples()
    assert row.between and not row.clearly


def test_a_silent_system_takes_no_item_from_the_comparison_of_the_others():
    up = np.linspace(0, 0.3, 4)
    loud = [tidy("Random", up), tidy("Accompanist", up + 1), tidy("Ground Truth", up + 2)]
    silent = tidy("Quiet", [np.nan] * 4)
    pd.testing.assert_frame_equal(
        table3.between(pd.concat([*loud, silent]), "Accompanist"), table3.between(pd.concat(loud), "Accompanist")
    )
    won = table3.wins(pd.concat([*loud, silent])).set_index("against")["truth wins"]
    assert won["Random"] == won["Accompanist"] == 1 and np.isnan(won["Quiet"])
    assert table3.between(pd.concat([*loud[::2], tidy("Accompanist", [np.nan] * 4)]), "Accompanist").empty


def test_the_truth_wins_question_by_question_and_a_tie_is_no_win():
    rows = pd.concat([tidy("Ground Truth", [1.0, 2.0, 3.0, 4.0]), tidy("Random", [0.0, 2.0, 5.0, np.nan])])
    (found,) = table3.wins(rows).itertuples(index=False)
    assert found[:4] == ("COCOLA", "P+H", "Random", pytest.approx(1 / 3))


def test_silence_copies_and_missing_weights_are_remarked():
    values = {"Quiet": [np.nan] * 2, "Half": [np.nan, 1.0], "Copy": [5.0, 6.0], "Ground Truth": [2.0, 3.0]}
    scores = pd.concat([tidy(system, x) for system, x in values.items()])
    rows = [table3.summarise(scores), table3.empty_rows(["Copy", "Ground Truth"], "CLAP", "no weights")]
    silent, half, copy, missing = table3.remarks(pd.concat(rows, ignore_index=True), scores)
    assert silent.startswith("Quiet is silent throughout") and half.startswith("Half: 50% of its scores are missing")
    assert copy.startswith("Above Ground Truth by COCOLA (P+H): Copy.") and missing == "no weights."


def test_fad_of_given_embeddings_equals_the_textbook_to_one_in_a_million():
    embedded = clouds()
    table = table3.frechet_table(embedded, [str(i) for i in range(30)], "test")
    for system in ("Random", "Accompanist"):
        expected = fad_by_the_book(embedded[system], embedded["Ground Truth"])
        assert cell(table, system, "FAD test") == pytest.approx(expected, rel=1e-6)
    to_real, to_random, apart = (
        fad_by_the_book(embedded[a], embedded[b])
        for a, b in (("Accompanist", "Ground Truth"), ("Accompanist", "Random"), ("Ground Truth", "Random"))
    )
    expected = np.clip(0.5 + (to_random - to_real) / (2 * apart), 0, 1)
    assert cell(table, "Accompanist", "APA test") == pytest.approx(expected, rel=1e-6)
    above = cell(table, "Accompanist", "FAD test, above Random")
    assert above == pytest.approx(to_real - apart, rel=1e-6) and above < 0


def test_what_is_known_by_definition_is_marked_so():
    table = table3.frechet_table(clouds(), [str(i) for i in range(30)], "test")
    known = {("Ground Truth", "FAD test"): 0.0, ("Ground Truth", "APA test"): 1.0, ("Random", "APA test"): 0.0}
    for (system, metric), value in known.items():
        assert cell(table, system, metric) == value
        assert cell(table, system, metric, "note") == "by definition"
        assert np.isnan(cell(table, system, metric, "low"))


def test_the_interval_is_the_jackknife_over_tracks():
    embedded, tracks = clouds(n=12), [str(i // 3) for i in range(12)]  # four tracks
    table = table3.frechet_table(embedded, tracks, "test")
    value = cell(table, "Random", "FAD test")
    without = [
        fad_by_the_book(
            *([c for c, t in zip(embedded[s], tracks, strict=True) if t != g] for s in ("Random", "Ground Truth"))
        )
        for g in "0123"
    ]
    error = np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert cell(table, "Random", "FAD test", "high") == pytest.approx(value + 1.96 * error, rel=1e-5)


def test_fewer_clips_than_dimensions_are_shrunk_and_said():
    table = table3.frechet_table(clouds(n=6, rows=1, d=8), list("abcdef"), "wide")
    assert "6 embeddings of 8 dimensions, covariances are shrunk" in cell(table, "Random", "FAD wide", "note")
    assert cell(table, "Random", "FAD wide") > cell(table, "Accompanist", "FAD wide") > 0
    assert np.isnan(cell(table, "Random", "FAD-inf wide")), "no extrapolation of shrunk distances"


def test_few_clips_of_many_dimensions_have_the_distances_of_all_dimensions():
    embedded = clouds(n=6, rows=2, d=80)  # 36 rows in all, so that 44 dimensions are outside of their span
    table = table3.frechet_table(embedded, list("abcdef"), "wide")
    moments = {system: Moments.of(np.concatenate(clips)) for system, clips in embedded.items()}
    for system in ("Random", "Accompanist"):
        expected = frechet_distance(moments["Ground Truth"], moments[system], "shrink")
        assert cell(table, system, "FAD wide") == pytest.approx(expected, rel=1e-9)
    assert "12 embeddings of 80 dimensions" in cell(table, "Random", "FAD wide", "note")


def test_the_distance_alone_is_a_part_of_the_table():
    tracks = [str(i) for i in range(30)]
    whole, alone = (table3.frechet_table(clouds(), tracks, "test", alone=alone) for alone in (False, True))
    pd.testing.assert_frame_equal(alone, whole[whole["metric"] == "FAD test"].reset_index(drop=True))


def test_an_item_that_is_silent_for_one_system_is_left_out_for_all():
    embedded = clouds(n=20)
    tracks = [str(i) for i in range(20)]
    without = table3.frechet_table({s: x[1:] for s, x in embedded.items()}, tracks[1:], "test")
    embedded["Random"][0] = np.zeros((0, 5), np.float32)
    table = table3.frechet_table(embedded, tracks, "test")
    assert cell(table, "Accompanist", "FAD test") == pytest.approx(cell(without, "Accompanist", "FAD test"))
    assert "silent items are left out: 1" in cell(table, "Accompanist", "FAD test", "note")


def test_a_system_that_is_silent_throughout_costs_the_others_no_distance():
    tracks = [str(i) for i in range(20)]
    loud = clouds(n=20)
    silent = loud | {"Quiet": [np.zeros((0, 5), np.float32)] * 20}
    without, table = (pd.concat(fad_rows(x, tracks, "test"), ignore_index=True) for x in (loud, silent))
    pd.testing.assert_frame_equal(table[table["system"] != "Quiet"], without, check_dtype=False)
    assert np.isnan(cell(table, "Quiet", "FAD test"))
    assert cell(table, "Quiet", "FAD test", "note") == "FAD test: Quiet silent throughout"
    for i in range(20):  # nowhere do all of them sound
        loud["Random" if i % 2 else "Accompanist"][i] = np.zeros((0, 5), np.float32)
    (none,) = fad_rows(loud, tracks, "test")
    assert none["value"].isna().all() and set(none["note"]) == {"FAD test: there is no item in which all systems sound"}


def test_answers_that_are_all_alike_have_a_distance_with_an_interval():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 200))
    embedded = {"Ground Truth": [rng.normal(size=(1, 200)) for _ in range(6)], "Metronome": [one] * 6}
    table = table3.frechet_table(embedded, [str(i) for i in range(6)], "test", alone=True)
    assert np.isfinite([cell(table, "Metronome", "FAD test", x) for x in ("value", "low", "high")]).all()


def test_ranks_turn_the_sign_of_distances_and_leave_the_truth_out():
    rows = [
        (system, metric, value, np.nan, np.nan, 9, better, "")
        for metric, better, values in (
            ("COCOLA P+H", "higher", (1.0, 2.0, 3.0)),
            ("FAD a", "lower", (0.1, 0.2, 0.0)),
            ("FAD gone", "lower", (np.nan, np.nan, 0.0)),
            ("FAD a, above Random", "lower", (0.0, 0.1, -0.1)),
            ("COCOLA P+H, beats random %", "higher", (50.0, 60.0, 99.0)),
        )
        for system, value in zip(("Random", "Accompanist", "Ground Truth"), values, strict=True)
    ]
    ranks, agreement = table3.agreement(pd.DataFrame(rows, columns=table3.COLUMNS))
    assert list(ranks.index) == ["Random", "Accompanist"] and list(ranks) == ["COCOLA P+H", "FAD a"]
    assert list(ranks["COCOLA P+H"]) == [2.0, 1.0] and list(ranks["FAD a"]) == [1.0, 2.0]
    (pair,) = agreement.itertuples()
    assert pair.kendall == -1.0 and pair.n == 2


def test_a_system_without_a_score_ranks_last_and_keeps_the_metric():
    scores = pd.concat([tidy("Random", [1.0, 2.0]), tidy("Quiet", [np.nan] * 2), tidy("Mine", [3.0, 4.0])])
    rows = [("Random", 3.0), ("Quiet", 1.0), ("Mine", 2.0)]
    fad = pd.DataFrame([(s, "FAD a", x, np.nan, np.nan, 2, "lower", "") for s, x in rows], columns=table3.COLUMNS)
    ranks, agreement = table3.agreement(pd.concat([table3.summarise(scores), fad], ignore_index=True))
    assert ranks.to_dict("list") == {"COCOLA P+H": [2.0, 3.0, 1.0], "FAD a": [3.0, 1.0, 2.0]}
    assert agreement["kendall"].item() == pytest.approx(-1 / 3)


def test_the_papers_rows_carry_its_name_and_all_of_its_numbers():
    rows = table3.paper_rows(["Random"])
    assert rows["system"].str.contains("the paper's").all()
    numbers = paper.accompaniment().drop(columns=["data", "system"]).to_numpy(dtype=float)
    assert len(rows) == np.isfinite(numbers).sum()
    assert cell(rows, "Diff-A-Riff (the paper's, MoisesDB)", "COCOLA H") == 60.00
    assert cell(rows, "Random (the paper's, MUSDB18-HQ)", "FAD EnCodec") == 6.04
    assert cell(rows, "Random (the paper's, MUSDB18-HQ)", "FAD EnCodec", "note").endswith("also here")


def test_an_empty_cell_is_empty_and_not_a_zero():
    table = pd.concat([table3.summarise(tidy("a", [1.0, 2.0])), table3.empty_rows(["a"], "CLAP", "not here")])
    shown = table3.wide(table)
    assert list(shown) == ["COCOLA P+H", "FAD CLAP", "APA CLAP"]
    assert shown.loc["a", "FAD CLAP"] == "" and shown.loc["a", "COCOLA P+H"].startswith("1.5 [1, 2]")


def test_embeddings_come_back_from_disk_as_they_were(tmp_path):
    embedded = clouds(n=3)
    save_embeddings(tmp_path / "a" / "b.npz", embedded)
    again = load_embeddings(tmp_path / "a" / "b.npz")
    assert list(again) == list(embedded)
    for system, clips in embedded.items():
        for clip, stored in zip(clips, again[system], strict=True):
            np.testing.assert_array_equal(clip, stored)
