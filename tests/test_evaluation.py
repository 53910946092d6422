"""Eq. 4 against a slow loop written from the paper, and its edges."""

from itertools import combinations

import numpy as np
import pytest

from cocola_lib.evaluation import accuracy_table, bootstrap_interval, hit_probability
from cocola_lib.notebook.sentences import percent


def accuracy_by_enumeration(similarities, k):
    """Every anchor with every set of K - 1 rivals, as Eq. 4 reads."""
    n = len(similarities)
    hits = []
    for anchor in range(n):
        others = [j for j in range(n) if j != anchor]
        own = similarities[anchor, anchor]
        hits.append(
            np.mean([all(own > similarities[anchor, j] for j in rivals) for rivals in combinations(others, k - 1)])
        )
    return np.array(hits)


@pytest.mark.parametrize("k", [2, 3, 5, 7])
def test_closed_form_equals_the_enumeration_of_all_batches(k):
    similarities = np.random.default_rng(k).normal(size=(7, 7)) + np.eye(7)
    np.testing.assert_allclose(hit_probability(similarities, k), accuracy_by_enumeration(similarities, k), atol=1e-12)


def test_random_batches_agree_with_the_average_over_all_batches():
    rng = np.random.default_rng(0)
    similarities = rng.normal(size=(40, 40)) + 1.5 * np.eye(40)
    drawn = []
    for _ in range(4000):
        chosen = rng.choice(40, size=8, replace=False)
        drawn.append(np.mean(similarities[np.ix_(chosen, chosen)].argmax(axis=1) == np.arange(8)))
    standard_error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - hit_probability(similarities, 8).mean()) < 4 * standard_error


def test_a_constant_score_is_worth_nothing():
    assert hit_probability(np.ones((6, 6)), 2).sum() == 0


def test_nan_is_a_miss_for_its_anchor_and_a_rival_that_is_not_beaten():
    similarities = 5.0 * np.eye(4)
    similarities[1, 1] = np.nan
    similarities[2, 0] = np.nan
    assert hit_probability(similarities, 4).tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("k", [1, 5])
def test_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match=r"K is \d; with 4 pairs it must lie in 2..4"):
        hit_probability(np.eye(4), k)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 4\)"):
        hit_probability(np.zeros((3, 4)), 2)


def test_the_interval_widens_when_windows_come_from_few_tracks():
    values = np.repeat([0.0, 1.0], 50)
    by_track = bootstrap_interval(values, ["a"] * 25 + ["b"] * 25 + ["c"] * 25 + ["d"] * 25)
    by_pair = bootstrap_interval(values, [str(i) for i in range(100)])
    assert by_track[1] - by_track[0] > 2 * (by_pair[1] - by_pair[0])


def test_one_track_gives_no_interval():
    assert np.isnan(bootstrap_interval(np.ones(5), ["a"] * 5)).all()


def test_a_sentence_has_its_interval_or_says_why_not():
    assert percent(0.971, 0.94, 0.99) == "97 % [94, 99]"
    assert percent(0.5, float("nan"), float("nan")) == "50 % [no interval: one track]"


def test_the_table_leaves_out_a_k_that_the_list_cannot_fill():
    table = accuracy_table(np.eye(10), [2, 8, 64], [str(i) for i in range(10)])
    assert table["k"].tolist() == [2, 8]
    assert table["accuracy"].tolist() == [1.0, 1.0]
    assert table["chance"].tolist() == [1 / 2, 1 / 8]
