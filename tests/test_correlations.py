"""Weighted correlations against scipy on repeated rows; p-values against other packages; power against simulation."""

import numpy as np
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cocola_lib.listening import correlations


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 15))
def test_a_row_of_weight_w_is_w_equal_rows(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 5, (n, 2)).astype(float), rng.integers(0, 4, n).astype(float)  # ties on both sides
    weights = rng.integers(0, 4, n)
    found = correlations.coefficients(x, y, weights)
    rows = np.repeat(np.arange(n), weights)
    for column, row in zip(x.T, found, strict=True):
        if (weights > 0).sum() < 3 or np.ptp(y[rows]) == 0 or np.ptp(column[rows]) == 0:
            assert np.isnan(row).all()
        else:
            three = (stats.pearsonr, stats.spearmanr, stats.kendalltau)
            assert row == pytest.approx([f(column[rows], y[rows])[0] for f in three], abs=1e-9)


def test_missing_ratings_and_constant_metrics():
    x = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [9.0, 7.0]])
    found = correlations.coefficients(x, np.array([1.0, 2.0, 3.0, np.nan]))
    assert found[0] == pytest.approx([1, 1, 1])
    assert np.isnan(found[1]).all()
    assert np.isnan(correlations.coefficients(x[:2], np.array([1.0, 2.0]))).all()  # two points are on a line


def test_an_interval_is_fishers_and_holds_the_estimate():
    rng = np.random.default_rng(0)
    drawn = np.tanh(np.arctanh(0.5) + 0.1 * rng.standard_normal(20_000))
    low, high, p = correlations.intervals(np.array(0.5), drawn)
    assert (low, high) == pytest.approx(np.tanh(np.arctanh(0.5) + 0.196 * np.array([-1, 1])), abs=2e-3)
    assert p == pytest.approx(2 * stats.norm.sf(np.arctanh(0.5) / 0.1), rel=0.3)
    low, high, _ = correlations.intervals(np.array([-1.0, 1.0]), np.array([[-1.0, 1.0], [-0.9, 0.8], [-1.0, 1.0]]))
    assert (low <= [-1, 1]).all()
    assert (high >= [-1, 1]).all()


def test_no_interval_where_most_draws_had_nothing_to_correlate():
    drawn = np.array([[0.1], [np.nan], [np.nan], [np.nan]])
    assert np.isnan(correlations.intervals(np.array([0.1]), drawn)).all()


def test_four_systems_in_perfect_order_cannot_have_a_small_p():
    x, y = np.array([[0.0], [1.0], [2.0], [5.0]]), np.array([0.0, 1.0, 2.0, 4.0])
    r, rho, tau = correlations.permutation_p(x, y)[0]
    assert (rho, tau) == pytest.approx((2 / 24, 2 / 24))  # the order and its reverse
    assert r == pytest.approx(1 / 24)  # the steps are unequal: only the order itself


def test_permutation_p_of_many_systems_is_scipys():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((9, 1)), rng.standard_normal(9)

    def strength(v):
        return abs(np.corrcoef(x[:, 0], v)[0, 1])

    theirs = stats.permutation_test(
        (y,), strength, permutation_type="pairings", n_resamples=3_000, alternative="greater", rng=rng
    ).pvalue
    assert correlations.permutation_p(x, y)[0, 0] == pytest.approx(theirs, abs=0.03)


@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_corrected_p_are_pingouins_and_nan_is_not_counted(ours, theirs):
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5, 0.03])
    expected = pingouin.multicomp(p, method=theirs)[1]
    assert correlations.correct(p, ours) == pytest.approx(expected)
    assert correlations.correct([0.01, np.nan], ours) == pytest.approx([0.01, np.nan], nan_ok=True)


def test_power_is_what_a_simulation_finds_and_errs_on_the_careful_side():
    rng, r, n = np.random.default_rng(0), 0.54, 20
    x = rng.standard_normal((20_000, n))
    y = r * x + np.sqrt(1 - r**2) * rng.standard_normal((20_000, n))
    found = np.mean(stats.pearsonr(x, y, axis=1).pvalue < 0.05)
    assert found - 0.03 < correlations.power(r, n) < found


def test_points_needed_have_the_power_they_promise_and_are_pingouins():
    n = correlations.points_needed(0.54)
    assert correlations.power(0.54, n) == pytest.approx(0.8, abs=1e-3)
    assert n == pytest.approx(pingouin.power_corr(r=0.54, power=0.8, alpha=0.05), abs=1)
    assert correlations.points_needed(0.54, alpha=0.01) > n
    assert correlations.power(0.0, 50) == pytest.approx(0.05)
