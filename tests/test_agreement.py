"""Agreement of raters: closed forms, textbook tables, and what noise allows."""

import numpy as np
import pandas as pd
import pingouin
import pytest

from cocola_lib.listening import agreement, screening
from cocola_lib.listening.ratings import OPTIONAL

NAN = np.nan
SHROUT_FLEISS = np.array(  # Psychological Bulletin 86, 1979, table 2: 6 targets x 4 judges
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
).T
KRIPPENDORFF = np.array(  # Computing Krippendorff's alpha-reliability, 2011, section C: 4 observers x 12 units
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def crossed(n_raters, n_stimuli, stimuli=1.0, raters=0.5, residual=1.0, share=1.0, seed=0):
    """Raters x stimuli with known standard deviations, some ratings missing; and the true opinions."""
    rng = np.random.default_rng(seed)
    true = stimuli * rng.standard_normal(n_stimuli)
    x = true + raters * rng.standard_normal((n_raters, 1)) + residual * rng.standard_normal((n_raters, n_stimuli))
    return np.where(rng.random(x.shape) < share, x, NAN), true


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorffs_own_example(level, expected):
    assert agreement.krippendorff_alpha(KRIPPENDORFF, level) == pytest.approx(expected, abs=6e-4)


def test_alpha_is_1_for_full_agreement_and_below_0_for_opposite_raters():
    assert agreement.krippendorff_alpha([[1, 2, 3], [1, 2, 3]]) == 1
    assert agreement.krippendorff_alpha([[1, 2, 3, 4], [4, 3, 2, 1]]) < 0


def test_alpha_ignores_stimuli_with_one_rating():
    table = np.array([[1, 2, 3, NAN], [1, 3, 3, 5]])
    assert agreement.krippendorff_alpha(table) == agreement.krippendorff_alpha(table[:, :3])


@pytest.mark.parametrize("table", [[[1, NAN], [NAN, 2]], [[3, 3], [3, 3]], [[1, 2, 3]]])
def test_alpha_is_nan_where_nothing_can_be_compared(table):
    assert np.isnan(agreement.krippendorff_alpha(table))


def test_alpha_of_two_raters_is_its_closed_form():
    """Two raters who differ by d on each of n stimuli: 1 - (2n - 1) d^2 / (2n times the variance of all ratings)."""
    n, d = 5, 0.5
    table = np.stack([np.arange(n), np.arange(n) + d])
    assert agreement.krippendorff_alpha(table) == pytest.approx(1 - (2 * n - 1) * d**2 / (4 * n * table.var()))


def test_icc_of_shrout_and_fleiss_example():
    icc = agreement.icc(SHROUT_FLEISS)
    assert icc["single"] == pytest.approx(0.29, abs=0.005)
    assert icc["mean"] == pytest.approx(0.62, abs=0.005)
    assert icc["k"] == pytest.approx(4)


def test_icc_of_complete_ratings_is_pingouins():
    table, _ = crossed(5, 12)
    tidy = pd.DataFrame(table).stack().rename("y").rename_axis(["rater", "target"]).reset_index()
    theirs = pingouin.intraclass_corr(tidy, targets="target", raters="rater", ratings="y")["ICC"].to_numpy()
    assert list(agreement.icc(table).values())[:2] == pytest.approx(theirs[[1, 4]])  # ICC(2,1), ICC(2,k)


def test_variance_components_are_unbiased_with_ratings_missing():
    found = [
        list(agreement.variance_components(crossed(12, 40, 1.0, 0.5, 0.8, share=0.3, seed=s)[0]).values())
        for s in range(60)
    ]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - [1.0, 0.25, 0.64]) < 3.5 * error).all()


def test_variance_components_are_nan_where_the_design_cannot_tell_them_apart():
    assert np.isnan(list(agreement.variance_components([[1, 2, 3]]).values())).all()  # one rater
    apart = [[1, 2, NAN, NAN], [NAN, NAN, 3, 4]]  # nobody shares a stimulus
    assert np.isnan(list(agreement.variance_components(apart).values())).all()


def test_ceiling_is_what_the_true_opinions_reach():
    """A metric that knows the truth correlates with mean and single ratings as the ceiling says."""
    reached = []
    for seed in range(12):
        table, true = crossed(14, 120, raters=0.0, residual=1.5, share=0.4, seed=seed)
        counts = (~np.isnan(table)).sum(axis=0)
        table, true = table[:, counts > 0], true[counts > 0]
        ceiling = agreement.ceiling(pd.DataFrame(table))
        single = np.broadcast_to(true, table.shape)[~np.isnan(table)]
        reached.append(
            (
                agreement.pearson(true, np.nanmean(table, axis=0)) - ceiling["item"],
                agreement.pearson(single, table[~np.isnan(table)]) - ceiling["rating"],
            )
        )
    assert np.abs(np.mean(reached, axis=0)) == pytest.approx([0, 0], abs=0.02)


def test_split_halves_and_icc_say_the_same_of_complete_ratings():
    table, _ = crossed(16, 200, raters=0.0)
    halves = agreement.split_half(table)
    assert halves["reliability"] == pytest.approx(agreement.icc(table)["mean"], abs=0.02)
    assert halves["reliability"] == pytest.approx(2 * halves["half"] / (1 + halves["half"]))
    assert halves["n_stimuli"] == 200


def test_split_half_of_one_rater_is_nan():
    assert np.isnan(agreement.split_half([[1, 2, 3]])["reliability"])


def test_ratings_needed_is_where_the_ceiling_meets_the_wish():
    table, _ = crossed(8, 60)
    single = agreement.icc(table)["single"]
    k = agreement.ratings_needed(single, 0.54)
    assert np.sqrt(k * single / (1 + (k - 1) * single)) == pytest.approx(0.54)
    assert agreement.ratings_needed(-0.1, 0.54) == np.inf


# Screening


def tidy(rows, **columns):
    """Ratings from (listener, item, system, rating)."""
    frame = pd.DataFrame(rows, columns=["listener", "item", "system", "rating"]).assign(page="0", track="t")
    frame = frame.assign(**{name: value for name, value in OPTIONAL.items() if name not in frame})
    return frame.assign(scale_min=0, scale_max=4, **columns)


def panel(rate):
    """Three raters who agree on four items by two systems, and a last one who makes `rate` of what they say."""
    truth = {
        (f"{i}", s): 3 + i % 2 if s == "Ground Truth" else i % 3 for i in range(4) for s in ("Ground Truth", "Random")
    }
    rows = [(name, *key, value) for name in "abc" for key, value in truth.items()]
    return tidy(rows + [("last", *key, rate(value)) for key, value in truth.items()])


def flags(ratings):
    return screening.screen(ratings).set_index("listener")["flags"]


def test_nobody_is_flagged_who_agrees_with_the_others():
    assert (flags(panel(rate=lambda value: value)) == "").all()


def test_a_rater_who_turns_the_scale_round_is_flagged_for_two_reasons():
    found = flags(panel(rate=lambda value: 4 - value))
    assert "r = -" in found["last"]
    assert "high anchor not above low anchor" in found["last"]
    assert (found.drop("last") == "").all()


def test_a_rater_who_always_says_the_same_is_flagged():
    assert "the same rating throughout" in flags(panel(rate=lambda value: 2))["last"]


def test_attention_checks_count_only_where_the_file_says_what_was_asked():
    agreeing = panel(rate=lambda value: value)
    checks = tidy([("a", "x", "(attention)", 1), ("a", "y", "(attention)", 2), ("b", "x", "(attention)", 3)])
    checks = checks.assign(attention=True, expected=[1.0, 4.0, NAN])
    screened = screening.screen(pd.concat([agreeing, checks], ignore_index=True)).set_index("listener")
    assert screened.loc["a", "attention"] == "1 of 2"
    assert screened.loc["a", "flags"] == "failed 1 of 2 attention checks"
    assert screened.loc["b", "attention"] == ""
    assert screened.loc["a", "n"] == 8, "an attention check is no rating"


def test_hidden_anchors_go_before_ground_truth_and_random():
    anchors = tidy([("a", "x", "(high anchor)", 0), ("a", "x", "(low anchor)", 4)]).assign(anchor=True)
    found = screening.screen(pd.concat([panel(rate=lambda value: value), anchors])).set_index("listener")
    assert found.loc["a", "high_minus_low"] == -4
    assert found.loc["a", "flags"] == "high anchor not above low anchor"


def test_the_flagged_are_left_out_only_where_asked():
    ratings = panel(rate=lambda value: 4 - value)
    kept = screening.without_flagged(ratings, screening.screen(ratings))
    assert set(kept["listener"]) == {"a", "b", "c"}


def test_z_scores_take_severity_and_range_away():
    ratings = tidy(
        [("mild", f"{i}", "s", 2 + i) for i in range(3)] + [("strict", f"{i}", "s", 2 * i) for i in range(3)]
    )
    z = screening.z_scored(ratings).to_numpy()
    assert z[:3] == pytest.approx(z[3:])
    assert z[:3].std() == pytest.approx(1)
    assert (screening.z_scored(tidy([("flat", f"{i}", "s", 3) for i in range(3)])) == 0).all()


def test_summary_has_intervals_over_songs_and_none_for_one_song():
    rng = np.random.default_rng(0)
    rows = [(rater, f"{i}", "s", np.clip(round(i % 5 + rng.normal()), 0, 4)) for rater in "abcd" for i in range(12)]
    several = agreement.summary(tidy(rows).assign(track=lambda t: t["item"]), n_bootstrap=100)
    assert (several["low"] <= several["value"]).all()
    assert (several["value"] <= several["high"]).all()
    one_item = agreement.summary(tidy([("a", "0", "s", 1), ("a", "0", "t", 2), ("b", "0", "s", 2), ("b", "0", "t", 4)]))
    assert one_item["low"].isna().all()
