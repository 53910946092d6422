"""Tables I and II follow from the stored ranks; models are compared pair by pair; mistakes are counted right."""

import numpy as np
import pandas as pd
import pytest

from cocola_lib.classification import answers
from cocola_lib.evaluation import hit_probability, unbeaten_rivals, win_probability
from cocola_lib.sampling import PairSpec

STEMS = ("bass", "drums", "piano", "vocals")


def make_specs(n, n_tracks=4):
    return [PairSpec(f"t{i % n_tracks}", float(i), (STEMS[i % 4],), (STEMS[(i + 1) % 4],)) for i in range(n)]


def make_ranks(n=12, seed=0, names=("a", "b"), quality=1.0):
    rng = np.random.default_rng(seed)
    specs = make_specs(n)
    found = [
        answers.rank({"both": rng.normal(size=(n, n)) + quality * i * np.eye(n)}, specs, "set", name)
        for i, name in enumerate(names)
    ]
    return pd.concat(found, ignore_index=True)


def test_ranks_written_to_disk_give_the_same_accuracy_as_the_matrix(tmp_path):
    matrix = np.random.default_rng(3).normal(size=(16, 16)) + np.eye(16)
    answers.rank({"both": matrix}, make_specs(16), "set", "m").to_csv(tmp_path / "ranks.csv", index=False)
    table = answers.accuracy(pd.read_csv(tmp_path / "ranks.csv"), [2, 8, 16])
    for row in table.itertuples():
        assert row.accuracy == pytest.approx(hit_probability(matrix, row.k).mean(), abs=1e-12)
        assert row.low <= row.accuracy <= row.high


def test_unbeaten_rivals_are_counted_by_a_loop():
    matrix = np.round(np.random.default_rng(0).normal(size=(9, 9)), 1)  # with ties
    matrix[4, 4] = matrix[2, 5] = np.nan
    by_loop = [sum(not matrix[i, j] < matrix[i, i] for j in range(9) if j != i) for i in range(9)]
    assert unbeaten_rivals(matrix).tolist() == by_loop
    assert by_loop[4] == 8  # a pair without a score beats nobody


def test_win_probability_of_two_is_the_share_of_beaten_rivals():
    assert win_probability(np.array([0, 3, 10]), 11, 2).tolist() == [1.0, 0.7, 0.0]
    with pytest.raises(ValueError, match=r"K is 12; with 11 pairs it must lie in 2\.\.11"):
        win_probability(np.array([0]), 11, 12)


def test_a_k_above_the_list_is_capped_and_said():
    table = answers.accuracy(make_ranks(n=7), [2, 8, 64]).query("model == 'a'")
    assert table["k"].tolist() == [2, 8, 64]
    assert table["k_used"].tolist() == [2, 7, 7]
    assert table["chance"].tolist() == [1 / 2, 1 / 7, 1 / 7]


def test_a_list_of_one_pair_has_no_accuracy():
    ranks = answers.rank({"both": np.ones((1, 1))}, make_specs(1), "set", "m")
    assert answers.accuracy(ranks, [2]).empty


def test_a_paired_difference_is_the_difference_of_the_accuracies_with_a_narrower_interval():
    rng, n = np.random.default_rng(0), 40
    specs = make_specs(n, n_tracks=10)
    base = rng.normal(size=(n, n)) + np.repeat(rng.normal(size=10), 4)[:, None] * np.eye(n)  # songs differ
    better = base + 0.3 * np.eye(n)
    ranks = pd.concat([answers.rank({"both": m}, specs, "set", name) for name, m in (("a", better), ("b", base))])
    (row,) = answers.paired(ranks, "a", "b", [2]).itertuples()
    alone = answers.accuracy(ranks, [2]).set_index("model")
    assert row.difference == pytest.approx(alone.accuracy["a"] - alone.accuracy["b"])
    assert 0 < row.low < row.difference < row.high
    assert row.high - row.low < alone.high["a"] - alone.low["a"]


def test_models_that_were_asked_other_pairs_are_not_subtracted():
    ranks = make_ranks()
    ranks.loc[(ranks["model"] == "b") & (ranks["pair"] == 3), "track"] = "elsewhere"
    with pytest.raises(ValueError, match="a and b were not asked the same pairs of set"):
        answers.paired(ranks, "a", "b", [2])


def test_a_model_against_itself_differs_by_nothing():
    ranks = make_ranks(names=("a",))
    twice = pd.concat([ranks, ranks.assign(model="b")])
    table = answers.paired(twice, "a", "b", [2, 4, 100])
    assert table["k"].tolist() == [2, 4]
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_accuracy_by_stems_keeps_every_pair_once_and_groups_the_large_ones():
    specs = [PairSpec(f"t{i}", 0.0, STEMS[:1] * (1 + i % 6), STEMS[1:2]) for i in range(12)]
    matrix = np.random.default_rng(0).normal(size=(12, 12)) + np.eye(12)
    ranks = answers.rank({"both": matrix}, specs, "set", "m")
    table = answers.by_stems(ranks, "m", most=4)
    assert table["stems_anchor"].tolist() == [1, 2, 3, 4]
    assert table["n_pairs"].tolist() == [2, 2, 2, 6]
    whole = (table["accuracy"] * table["n_pairs"]).sum() / 12
    assert whole == pytest.approx(hit_probability(matrix, 2).mean())


def test_the_worst_mistake_has_the_smallest_margin_of_all_anchors():
    matrix = np.random.default_rng(2).normal(size=(7, 7))
    matrix[3, 4] = np.nan  # no window in which both sound: a rival without a score
    margins = {(i, j): matrix[i, i] - matrix[i, j] for i in range(7) for j in range(7) if i != j and (i, j) != (3, 4)}
    assert answers.worst_mistake(matrix) == min(margins, key=margins.get)


def test_mistakes_are_counted_by_a_loop():
    specs = make_specs(8, n_tracks=3)
    matrix = np.random.default_rng(1).normal(size=(8, 8))
    matrix[0, 0] = np.nan
    counts = answers.mistakes(matrix, specs, "set", "m")
    assert counts["n"].sum() == 8 * 7
    lost = {}
    for i in range(8):
        for j in range(8):
            if i != j:
                key = (specs[i].positive[0], specs[j].positive[0])
                lost[key] = lost.get(key, 0) + (not matrix[i, j] < matrix[i, i])
    kinds = {"bass": "bass", "drums": "drums", "piano": "keys", "vocals": "vocals"}
    found = counts.groupby(["true", "rival"])["lost"].sum()
    assert {k: found[k] for k in found.index} == {(kinds[a], kinds[b]): n for (a, b), n in lost.items()}
    home = counts[counts["where"] == "same song"]["n"].sum()
    assert home == sum(a.track_id == b.track_id for a in specs for b in specs) - 8


def test_a_score_that_goes_by_class_is_caught():
    """Every partner is confused with rivals of its own class, and with no others."""
    specs = make_specs(16, n_tracks=16)
    matrix = np.array([[float(a.positive == b.positive) for b in specs] for a in specs])
    rates = answers.mistake_rates(answers.mistakes(matrix, specs, "set", "m"), ["true", "rival"])
    same = rates["true"] == rates["rival"]
    assert (rates[same]["rate"] == 1).all()
    assert (rates[~same]["rate"] == 0).all()


def test_rates_are_shares_of_all_comparisons_with_an_interval_over_tracks():
    counts = pd.DataFrame({"model": "m", "track": ["x", "y", "z"], "n": [10, 10, 20], "lost": [10, 0, 10]})
    (row,) = answers.mistake_rates(counts, ["model"]).itertuples()
    assert row.rate == 0.5
    assert row.n == 40
    assert row.low < 0.5 < row.high
