"""Encoders are compared on equal terms: one step, one clock, one set of songs; and each is what it says it is."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from songs import write_bands

from cocola_lib.classification import seeds
from cocola_lib.classification.trials import ask, compare, summarise
from cocola_lib.data.tracks import load_tracks
from cocola_lib.encoder import ModelConfig
from cocola_lib.masking import contrastive_step
from cocola_lib.models.backbones import CONFORMER, Conformer
from cocola_lib.models.beside import Alone, Beside, measure
from cocola_lib.models.measured import SIZES
from cocola_lib.models.phalar import Phalar
from cocola_lib.notebook import inside
from cocola_lib.training import encoders
from cocola_lib.training.encoders import ENCODERS, Encoder, make_pool
from cocola_lib.training.small_runs import steps_within

LAST = list(ENCODERS)[-1]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    write_bands(folder, n=6)
    return folder


def clips(n=4):
    return 0.1 * torch.randn(n, 80_000, generator=torch.Generator().manual_seed(0))


def test_the_papers_encoder_is_the_first_of_the_registry_and_seven_others_follow():
    assert list(ENCODERS)[0] == "b0-average" and len(ENCODERS) == 8
    assert ENCODERS["b0-average"].build.args == (ModelConfig(),)
    assert len({one.what for one in ENCODERS.values()}) == len(ENCODERS)


@pytest.mark.parametrize("name", ["convnext-time", "conformer-time", "phalar", "measured", "conformer-measured"])
def test_a_step_of_eq_3_reaches_every_weight(name):
    torch.manual_seed(0)
    model = ENCODERS[name].build().train()
    loss, similarities = contrastive_step(model, model.features(clips()), ["both"] * 2)
    loss.backward()
    assert similarities.shape == (2, 2) and torch.isfinite(loss)
    assert all(weights.grad is not None for weights in model.parameters())


def test_steps_end_with_the_time_and_the_rate_falls_to_nothing():
    optimiser, ticks = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=9.0), itertools.count()
    rates = [optimiser.param_groups[0]["lr"] for _ in steps_within(optimiser, 4 / 60, lambda: float(next(ticks)), 2.0)]
    np.testing.assert_allclose(rates, [1 + np.cos(np.pi * share) for share in (0.25, 0.5, 0.75, 1.0)])
    assert len(list(steps_within(optimiser, 1e-9, lambda: float(next(ticks))))) == 1


def test_a_conformer_hears_all_of_the_window_at_every_step():
    torch.manual_seed(0)
    conformer = Conformer(2).eval()
    x = torch.randn(1, 2, 64, 501, requires_grad=True)
    out = conformer(x)
    assert out.shape == (1, 144, 1, 63)
    out[0, 0, 0, 0].backward()
    assert x.grad[..., -40:].abs().sum() > 0


def test_what_is_learnt_and_what_is_measured_add_up():
    torch.manual_seed(0)
    model = Beside(ModelConfig(backbone=CONFORMER, pooling="time")).eval()
    features = model.features(clips())
    with torch.no_grad():
        h = model.embed(features)
        learnt = h[:, : -sum(SIZES)]
        onsets, chroma = measure(clips()).split(SIZES, dim=1)
        expected = 0.1 * model.head.project(learnt) @ learnt.T + 8 * onsets @ onsets.T + 4 * chroma @ chroma.T
        torch.testing.assert_close(model.similarity(h, h), expected)
        torch.testing.assert_close(
            Alone().similarity(*2 * [measure(clips())]), 8 * onsets @ onsets.T + 4 * chroma @ chroma.T
        )


def test_phalar_is_trained_one_way_and_asked_both_ways():
    model = ENCODERS["phalar"].build()
    assert isinstance(model, Phalar) and not model.config.symmetric
    w = encoders.as_scored(model).w()
    torch.testing.assert_close(w, w.T)


def test_all_encoders_hear_the_same_pairs(root):
    tracks = load_tracks(root)
    pools = [make_pool(ENCODERS[name], tracks, 6, 1, training=False) for name in ("b0-time", "phalar", "measured")]
    assert pools[0].groups == pools[1].groups == pools[2].groups
    assert torch.equal(pools[0].features, pools[2].features) and pools[1].features.shape[2:] == (1, 96, 501)
    chosen = torch.tensor([3, 1])
    features, measured = pools[2].inputs(chosen)
    assert torch.equal(features, pools[0].inputs(chosen)) and measured.shape == (4, sum(SIZES))
    assert torch.equal(measured[2], pools[2].described[3, 1])


def test_rivals_are_windows_of_other_songs():
    similarities = np.array([[1.0, 9, 0, 0], [9, 1, 0, 0], [0, 0, 1, 0], [5, 5, 0, 1]])
    pool = SimpleNamespace(groups=["a", "a", "b", "c"], similarities=lambda model: similarities)
    found = ask(None, pool)
    at_2 = found[found["k"] == 2].set_index("track")
    assert at_2.loc["a", "accuracy"] > 0.7 and at_2.loc["a", "n_pairs"] == 2  # its own song's 9 is no rival
    assert at_2.loc["b", "accuracy"] == 1


def test_a_cell_of_the_comparison_has_a_row_for_each_test_song_and_k(root, monkeypatch, tmp_path):
    monkeypatch.setitem(ENCODERS, "small", Encoder("small", ENCODERS["measured"].build, measured=True))
    threads = torch.get_num_threads()
    found = compare(tmp_path, "small", 1e-6, 0, str(root), "tiny", 4, str(root))
    assert set(found["test"]) == {"bands0", "recordings"}  # one song alone is for the test: all are asked
    assert set(found["k"]) == {2}
    assert (found["steps"] == 1).all() and (found["n_parameters"] == 2).all() and (found["scoring_ms"] > 0).all()
    assert torch.get_num_threads() == threads
    table = summarise(found.assign(encoder="b0-time", seed=0, minutes=1e-6))
    assert table["accuracy"].between(0, 1).all() and table["ahead"].isna().all()
    assert "was not compared" in inside.did_it_beat_all(table)


def rows(encoder, values, n_pairs=2):
    """What some seeds found on some songs: (seeds, songs)."""
    cells = [(seed, f"song{i}", value) for seed, songs in enumerate(values) for i, value in enumerate(songs)]
    frame = pd.DataFrame(cells, columns=["seed", "track", "accuracy"])
    return frame.assign(encoder=encoder, minutes=1.0, test="band", k=8, n_pairs=n_pairs, steps=10.0)


def test_intervals_widen_with_seeds_and_songs_that_differ_and_differences_are_paired():
    songs = np.linspace(0.2, 0.6, 8)
    table = pd.concat([rows("b0-time", [songs, songs]), rows(LAST, [songs + 0.2, songs + 0.4])])
    found = summarise(table).set_index("encoder")
    assert found.loc[LAST, "accuracy"] == pytest.approx(0.7) and found.loc["b0-time", "n_tracks"] == 8
    assert found.loc["b0-time", "ahead"] == pytest.approx(0.3)
    assert found.loc["b0-time", "ahead_low"] == pytest.approx(0.2)  # the songs cancel, the seeds do not
    assert found.loc["b0-time", "high"] - found.loc["b0-time", "low"] > 0.1
    assert found.loc["b0-time", "n_pairs"] == 16 and found.loc["b0-time", "steps"] == 10
    assert np.ptp(seeds.crossed(rows("b0-time", [[0.5] * 8] * 3))) == pytest.approx(0)
    said = inside.did_it_beat_all(summarise(table))
    assert f"`{LAST}` is ahead of another encoder in 1 of 1 comparisons" in said and "+30 points" in said
    assert inside.best_encoder(summarise(table), "band", 8).startswith(f"on band at K = 8, first is `{LAST}` with 70 %")


def test_the_stored_table_has_every_encoder_with_three_seeds():
    table = inside.stored()
    longest = table[table["minutes"] == table["minutes"].max()]
    assert set(longest["encoder"]) == set(ENCODERS) and (table["n_seeds"] == 3).all()
    assert set(longest["test"]) == {"chorales", "band", "recordings"} and set(longest["k"]) == {2, 8, 64}
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()
    assert "parameters" in repr(inside.encoders(table, "stored"))
