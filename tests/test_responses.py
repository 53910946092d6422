"""Dose and answer: raters whose ears are known get the curves that they must get."""

import numpy as np
import pandas as pd
import pytest

from cocola_lib.hearing import probes, responses
from cocola_lib.hearing.probes import DOSES, Probe
from cocola_lib.sampling import PairSpec

MODES = ("both", "harmonic", "percussive")


def probe(i, change, units=abs):
    """A pair as one number per side: the anchor holds i, an accompaniment i plus what was changed about it."""
    changed = {(change, dose): np.array([i, units(dose)], dtype=float) for dose in DOSES[change]}
    spec = PairSpec(f"set/song{i}", 0.0, ("bass",), ("piano",))
    return Probe(spec, np.array([i, 0.0]), np.array([i, 0.0]), changed)


class Ear:
    """Scores 10 for the true partner, less for every unit of change that it hears, 0 for another song."""

    def __init__(self, loss_per_dose):
        self.loss = loss_per_dose

    def matrices(self, anchors, clips):
        same = np.array([[float(a[0] == c[0]) for c in clips] for a in anchors])
        dose = np.array([c[1] for c in clips])
        return {mode: same * (10 - loss * dose) for mode, loss in self.loss.items()}


@pytest.fixture
def sets():
    return {"pitched": [probe(i, "pitch") for i in range(5)]}


def test_an_ear_that_hears_pitch_pays_in_proportion_and_always_prefers_the_truth(sets):
    table = responses.respond(Ear({"harmonic": 1.0}), sets, "ear")
    summary = responses.summarise(table).set_index("dose")
    for semitones in (1, 3, 6):
        assert summary.cost[semitones] == summary.cost[-semitones] == pytest.approx(semitones / 10)
    assert (summary["beaten"] == 1).all()
    assert (summary["n_songs"] == 5).all()


def test_a_deaf_ear_pays_nothing_and_never_prefers_the_truth(sets):
    summary = responses.summarise(responses.respond(Ear({"both": 0.0}), sets))
    assert (summary["cost"] == 0).all()
    assert (summary["beaten"] == 0).all()  # a tie is no win


def test_random_is_the_mean_over_other_songs_only(sets):
    table = responses.respond(Ear({"both": 0.0}), sets)
    assert (table["random"] == 0).all()
    assert (table["true"] == 10).all()


def test_silent_sides_are_left_out_and_counted_out(sets):
    table = responses.respond(Ear({"both": 1.0}), sets)
    table.loc[table["item"] == "pitched 0", "changed"] = np.nan
    assert set(responses.summarise(table)["n_pairs"]) == {4}


def test_expectations_are_met_by_a_musician_and_not_by_the_deaf():
    n = 4

    def table(losses):
        frames = []
        for change, doses in DOSES.items():
            for mode in MODES:
                for i in range(n):
                    rows = pd.DataFrame({"change": change, "dose": doses, "item": f"x {i}", "track": f"s/{i}"})
                    rows["changed"] = 10 - losses(change, mode, rows["dose"].to_numpy())
                    frames.append(rows.assign(rater="m", mode=mode, true=10.0, random=0.0, test_set="s"))
        return pd.concat(frames, ignore_index=True)

    def musician(change, mode, dose):
        if change == "pitch":
            return np.full(len(dose), {"both": 4.0, "harmonic": 8.0, "percussive": 0.5}[mode])
        if change == "delay":
            return 0.02 * dose
        return np.full(len(dose), {"both": 8.0, "harmonic": 5.0, "percussive": 9.0}[mode])

    good = responses.acceptance(table(musician)).dropna(subset=["met"])
    assert good["met"].astype(bool).all(), good
    assert {">= 95%", "<= 15%", ">= 60%", ">= 0%"} == set(good["target"])
    deaf = responses.acceptance(table(lambda change, mode, dose: np.zeros(len(dose)))).dropna(subset=["met"])
    unmet = deaf[~deaf["met"].astype(bool)]["expectation"].tolist()
    assert "beats itself transposed by 1 to 6 semitones" in unmet
    assert "cost of a delay of an eighth note" in unmet
    assert "cost of a delay of 20 ms" not in unmet


def test_the_difference_of_two_modes_is_the_difference_of_their_costs():
    ear = Ear({"harmonic": 1.0, "percussive": 0.25, "both": 0.5})
    table = responses.respond(ear, {"pitched": [probe(i, "pitch") for i in range(4)]})
    value, low, high = responses.difference(table, "pitch", (2, -2), "harmonic", "percussive")
    assert value == pytest.approx(0.2 - 0.05)
    assert low <= value <= high


def conflicts(costs):
    """What `conflict_order` says of an ear that hears each conflict as so many units: claim -> share of the pairs."""
    sets = {"pitched": [probe(i, "conflict", costs.get) for i in range(4)]}
    table = responses.respond(Ear({"both": 1.0}), sets)
    assert list(responses.summarise(table)["cost"]) == pytest.approx([cost / 10 for cost in costs.values()])
    return responses.conflict_order(table).set_index("claim")["mean"].to_dict()


def test_an_ear_that_adds_up_what_is_wrong_has_the_conflicts_in_order():
    best, worst, key = conflicts({"wrong key": 2, "wrong tempo": 3, "both wrong": 5}).values()
    assert (best, worst, key) == (1, 1, 0)


def test_an_ear_for_pitch_only_does_not_find_both_wrong_worse_than_the_wrong_key():
    best, worst, key = conflicts({"wrong key": 4, "wrong tempo": 0, "both wrong": 4}).values()
    assert (best, worst, key) == (0, 0, 1)  # the wrong tempo sounds as written to it: ties are no order


def test_both_wrong_is_both_of_what_is_wrong_alone():
    (semitones, tempo), both = zip(*probes.CONFLICTS.values(), strict=True), probes.CONFLICTS["both wrong"]
    assert both == (semitones[0], tempo[1]) and semitones[1] == 0 and tempo[0] == 1


def test_every_dose_is_a_change_and_belongs_to_one_kind_of_pair():
    assert sorted(DOSES) == sorted(c for changes in probes.KINDS.values() for c in changes)
    assert 0 not in DOSES["pitch"] and 1.0 not in DOSES["stretch"]


def test_pairs_of_one_song_have_nothing_random_to_compare_with():
    one_song = {"pitched": [probe(0, "pitch")]}
    with pytest.raises(ValueError, match="all pairs are of .*; what a mistake costs is measured against another song"):
        responses.respond(Ear({"both": 1.0}), one_song)
