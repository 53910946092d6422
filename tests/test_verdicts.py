"""Sentences of notebook 03 say what the numbers say, and nothing where there is nothing to say."""

import numpy as np
import pandas as pd

from cocola_lib.classification import answers
from cocola_lib.notebook import verdicts
from cocola_lib.sampling import PairSpec


def test_a_difference_counts_only_where_its_interval_excludes_0():
    intervals = {"up": (0.01, 0.03), "down": (-0.03, -0.01), "open": (-0.01, 0.03), "one track": (np.nan, np.nan)}
    rows = [
        {"test_set": name, "a": "m", "b": "control", "k": k, "difference": 0.02, "low": low, "high": high}
        for k in (2, 8)
        for name, (low, high) in intervals.items()
    ]
    (line,) = verdicts.contrasts(pd.DataFrame(rows))
    expected = "**above** on up; **below** on down; **not clearly different** on open, one track."
    assert line == f"m against control, K = 2: {expected}"


def test_drawn_batches_are_compared_with_their_own_standard_error():
    said = verdicts.drawn([0.5, 0.75] * 50, 0.65, k=4)
    assert "62.50 %" in said and "65.00 %" in said and "-2.50 points" in said
    assert f"±{196 * 0.125 / 10:.2f} points" in said


def test_mistakes_are_named_only_if_they_happen_and_in_three_tracks():
    rows = [("a", "b", 0.5, 3), ("a", "c", 0.9, 2), ("b", "a", 0.0, 9)]
    rates = pd.DataFrame(
        [{"model": "m", "true": t, "rival": r, "rate": x, "n": 10, "n_tracks": k} for t, r, x, k in rows]
    )
    classes = [("same class", 0.4, 0.3, 0.5), ("another class", 0.1, 0.05, 0.2)]
    by_class = pd.DataFrame(classes, columns=["classes", "rate", "low", "high"]).assign(model="m")
    said = verdicts.mistakes(rates, by_class, "m")
    assert "mistakes most often: b instead of a (50 % of 10)." in said
    assert said.endswith("it goes by the class to some degree.")
    said = verdicts.mistakes(rates[2:], by_class.assign(low=0.0, high=1.0), "m")
    assert "no pair of classes" in said and said.endswith("no sign that it goes by the class.")


def test_the_sentences_about_accuracy_quote_the_table():
    specs = [PairSpec(f"t{i % 3}", float(i), ("bass",) * (1 + i % 2), ("drums",)) for i in range(6)]
    matrices = {"both": np.eye(6), "harmonic": np.ones((6, 6))}
    ranks = pd.concat([answers.rank(matrices, specs, "set", model) for model in ("m", "control")])
    accuracy = answers.accuracy(ranks, [2, 64])
    assert verdicts.headline(accuracy, "set", "m") == (
        "set, K = 2: m 100 % [100, 100], control 100 % [100, 100], chance 50 %"
    )
    assert verdicts.hardest(accuracy, "set", "m") == (
        "At K = 6 on set, m reaches 100 % with P+H, 0 % with H; chance is 16.7 %."
    )
    assert verdicts.stems(answers.by_stems(ranks, "m"), "m") == (
        "m at K = 2, test sets pooled: 100 % with one stem on each side (3 pairs), 100 % with more (3 pairs)."
    )
    assert "set: m 0 %; control 0 %" in verdicts.alone(accuracy[accuracy["mode"] == "harmonic"], "set")


def test_an_anchor_is_heard_with_its_partner_and_with_the_rival():
    specs = [PairSpec(f"t{i}", 0.0, ("bass",), (stem,)) for i, stem in enumerate(("drums", "piano"))]
    clips = [np.random.default_rng(i).normal(size=(2, 80_000)).astype(np.float32) / 10 for i in (0, 1)]
    called = {"t0": "A: One", "t1": "B: Two"}
    players = verdicts.hear(0, 1, clips, specs, np.array([[1.0, 2.5], [0.0, 4.0]]), called)
    assert players.title == "A: One against B: Two"
    assert list(players.clips) == ["the anchor", "with its partner (drums)", "with the rival (keys)"]
    assert list(players.notes.values()) == ["score 1.00", "score 2.50"]
