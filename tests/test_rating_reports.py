"""Sentences of notebooks 06 and 07 say what the ratings hold, also where there is hardly anything to say."""

import numpy as np
import pandas as pd
import pytest
import small_study

from cocola_lib.listening import agreement, metric_agreement, ratings, results, screening
from cocola_lib.listening.simulated import simulate
from cocola_lib.notebook import listening, runs
from cocola_lib.notebook import ratings as report


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    test = ratings.read(small_study.write(tmp_path_factory.mktemp("study") / "listening_tests"))
    return test, metric_agreement.join(test.rated.assign(z=0.0), test.metrics)[0]


def one_listener(test):
    rows = test.ratings[test.ratings["listener"] == "00"]
    return ratings.ListeningTest(rows, test.metrics, "one.csv")


def found(test, joined):
    """What notebook 07 says at its end of these ratings."""
    correlations, preferences = metric_agreement.tables(joined, ["cocola", "clap"], n_bootstrap=40)
    correlations = correlations.sort_values("level", key=lambda level: level != "item", kind="stable")
    table, people = agreement.matrix(joined), metric_agreement.people(joined)
    before_after = report.before_after(joined, screening.screen(test.ratings), "cocola")
    ceiling, alpha = agreement.ceiling(table), agreement.krippendorff_alpha(table, "ordinal")
    return report.found(test, correlations, preferences, ceiling["item"], people, alpha, before_after)


def test_simulated_ratings_say_so_first_and_ratings_of_people_never():
    stimuli = pd.DataFrame([(s, i, f"song {i}") for i in range(6) for s in ("Random", "Mine")])
    test = simulate(stimuli.set_axis(["system", "item", "track"], axis=1), 5, n_pages=4)
    joined = test.rated.assign(
        cocola=test.rated["rating"] + np.arange(len(test.rated)) % 3, clap=1.0 * test.rated.index
    )
    assert found(test, joined).startswith("- **These ratings were simulated")
    assert "SIMULATED" in report.origin(test, None, 1) and "Random 0.8, Mine 2" in report.origin(test, None, 1)
    assert "rehearsal" in report.origin(test, "ratings.csv", 1)


def test_ratings_of_people_are_counted_and_not_called_simulated(study):
    test, joined = study
    assert "imulated" not in found(test, joined) and "of people" in report.origin(test, "folder", 1)
    text = report.who_rated_what(test, 0)
    assert f"9 listeners gave {len(joined)} ratings (1 to 5)" in text and "Very few" not in text


def test_one_listener_has_no_agreement_and_no_ceiling_and_is_not_called_a_reason_for_anything(study):
    test = one_listener(study[0])
    joined = study[1][study[1]["listener"] == "00"]
    text = found(test, joined)
    assert "No two listeners rated the same stimulus" in text and "of 1 rater" in text
    assert "Very few listeners" in report.who_rated_what(test, 0)
    ceiling = agreement.ceiling(agreement.matrix(joined))
    assert report.agreement_found(agreement.matrix(joined), np.nan, ceiling).startswith("**No two listeners")
    assert "unknown" in report.ceiling_found(ceiling, 8, "cocola", 0.3)


def test_ratings_that_are_all_alike_end_nothing_and_are_not_called_unshared(study):
    alike, joined = (frame.assign(rating=3.0) for frame in (study[0].ratings, study[1]))
    text = found(ratings.ListeningTest(alike, study[0].metrics, "alike.csv"), joined)
    ceiling = agreement.ceiling(agreement.matrix(joined))
    for said in (
        text,
        report.agreement_found(agreement.matrix(joined), np.nan, ceiling),
        report.ceiling_found(ceiling, 8, "cocola", np.nan),
    ):
        assert "The ratings are all alike" in said and "No two listeners" not in said


def test_flagged_raters_are_left_out_of_the_second_row_only(study):
    test, joined = study
    screened = screening.screen(test.ratings).assign(flags=lambda t: np.where(t["listener"] == "03", "odd", ""))
    both = report.before_after(joined, screened, "cocola")
    assert both["raters"].tolist() == [9, 8]
    kept = joined[joined["listener"] != "03"]
    assert both["ratings"].tolist() == [len(joined), len(kept)]
    assert both["alpha, ordinal"][1] == agreement.krippendorff_alpha(agreement.matrix(kept), "ordinal")
    assert report.screened(both).startswith("Flagged and kept: 1 of 9 raters; without them")


def test_results_are_plain_enough_to_be_stored(tmp_path, study):
    run = runs.Run(tmp_path, "07_mos_analysis")
    run.results(report.plain(raters=screening.screen(study[0].ratings), needed={"r": np.nan}), {}, "headline")
    assert '"needed": {\n        "r": null' in (tmp_path / "results.json").read_text(encoding="utf-8")


def test_the_room_counts_who_answered(tmp_path):
    from listening_tools import music, small_study

    made = small_study(tmp_path / "study", music(tmp_path / "music"))
    numbers = listening.numbers(made, results.balance(made, [made.plan(slot) for slot in range(6)]))
    assert (numbers["n_clips"], numbers["rated_clips_per_listener"]) == (24, 10)
    assert "takes 24 listeners" in listening.effort(numbers)  # ten ratings of 24 clips, ten at a time
    answers = pd.DataFrame({"listener": ["ann", "ann", "bob"]})
    assert listening.headline(numbers, answers) == "2 listeners, 3 answers"
    assert "Nobody has answered yet" in listening.collected(answers.iloc[:0], made)
