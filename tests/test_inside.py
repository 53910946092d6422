"""What is inside a model is found where it was put: by probes, in pictures of a decision, and along a song."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import clip, tiny_model

from cocola_lib.data.tracks import load_tracks
from cocola_lib.hearing import curves, linear_probes, saliency
from cocola_lib.hearing.curves import Turn
from cocola_lib.hearing.linear_probes import Known
from cocola_lib.notebook import inside


@pytest.fixture(scope="module")
def band(tiny_sets):
    return load_tracks(tiny_sets["mini-slakh2100"])


def test_what_is_written_follows_the_score(band):
    song = linear_probes.song_of(band[0])
    beat_s = 60 / song.tempo_bpm
    at = linear_probes.written(song, song.lead_in_s + 3.25 * beat_s)
    assert at["beat phase"] == pytest.approx(0.25) and 2 ** at["tempo"] == pytest.approx(song.tempo_bpm)
    assert at["key"] == linear_probes.PITCH_CLASSES[song.tonic]
    bar = song.bars[2]
    middle = linear_probes.written(song, song.lead_in_s + bar.start * beat_s - 2.5 + 0.01)
    assert middle["chord"] == linear_probes.PITCH_CLASSES[bar.chords[0].root]


def test_a_chorale_has_no_song_and_alone_it_is_refused(tiny_sets):
    chorales = load_tracks(tiny_sets["mini-cocochorales"])
    assert linear_probes.song_of(chorales[0]) is None
    with pytest.raises(ValueError, match="none is a miniature's band"):
        linear_probes.draw(chorales, 1)


def test_each_window_is_drawn_as_a_mix_and_as_one_of_its_stems(band):
    known = linear_probes.draw(band[:2], 1)
    assert [sorted(one.written) for one in known] == 2 * [sorted(linear_probes.MIX), ["instrument"]]
    assert all(one.clip.shape == (80_000,) for one in known)


def test_a_probe_finds_what_an_embedding_holds_and_nothing_that_it_does_not():
    rng, known = np.random.default_rng(0), []
    for i in range(120):
        said = {"tempo": rng.normal(), "beat phase": rng.random(), "key": str(rng.choice(["C", "G"]))}
        said |= {"chord": str(rng.choice(["C", "F"])), "instrument": str(rng.choice(["bass", "drums"]))}
        known.append(Known(f"song{i // 2}", np.zeros(1), said))
    angle = 2 * np.pi * np.array([one.written["beat phase"] for one in known])
    tempo, in_c = [one.written["tempo"] for one in known], [one.written["key"] == "C" for one in known]
    knows = np.column_stack([tempo, np.cos(angle), np.sin(angle), in_c, rng.normal(size=(120, 4))])
    found = linear_probes.probe({"knows": knows, "noise": rng.normal(size=(120, 8))}, known).set_index(
        ["asked", "encoder"]
    )
    assert (found.loc[["tempo", "beat phase", "key"]].xs("knows", level=1)["value"] > 0.9).all()
    assert found.loc[("chord", "knows"), "value"] < 0.7 and found.loc[("tempo", "noise"), "value"] < 0.2
    assert found.loc[("key", "chance"), "value"] < 0.7 and (found["n_songs"] == 60).all()
    said = inside.what_is_known(found.reset_index(), "knows")
    assert "reads tempo" in said and "does not read chord" in said


class OneCell(torch.nn.Module):
    """Hears a single cell of the harmonic channel."""

    def features(self, waveforms):
        return torch.full((len(waveforms), 2, 64, 501), -40.0)

    def embed(self, features):
        return features[:, 0, 10, 100:101] / 80 + 1

    def similarity_of_pairs(self, h1, h2):
        return (h1 * h2).sum(dim=1)


def test_the_picture_shows_the_cell_that_decides_and_turning_it_down_costs_the_score():
    found = saliency.explain(OneCell(), clip(), clip(seed=1))
    assert found.similarity == pytest.approx(0.25)
    for side in found.saliency:
        assert np.unravel_index(np.abs(side).argmax(), side.shape) == (0, 10, 100)
    cells = saliency.strongest(found.saliency)
    assert cells[0, 0, 10, 100] and saliency.lost(OneCell(), found, cells) == pytest.approx(0.25 - 0.375**2)
    assert saliency.lost(OneCell(), found, ~cells) == pytest.approx(0)


def test_a_models_pictures_are_summed_up_over_songs(monkeypatch):
    monkeypatch.setattr(saliency, "N_COPIES", 1)
    model = tiny_model()
    maps = [saliency.explain(model, clip(seed=i), clip(seed=9 + i)) for i in range(2)]
    table = saliency.summarise(model, maps, ["a", "b"])
    assert len(table) == 4 and table["expected"][0] == 0.5
    assert table["value"][:3].between(0, 1).all()


def test_all_cells_kept_are_the_clip_and_none_are_silence():
    x = clip()
    everything = saliency.remains(x, np.ones((2, 64, 501), bool))
    assert np.corrcoef(everything, x)[0, 1] > 0.95
    assert not saliency.remains(x, np.zeros((2, 64, 501), bool)).any()


def test_a_ramp_is_found_where_it_was_put_and_silence_is_left_out():
    starts_s = np.arange(0, 17.01, 0.5)
    for at_s in (6.0, 11.2):
        curve = 3 - 2 * curves.ramp(starts_s, at_s)
        curve[::7] = np.nan
        assert curves.find_turn(starts_s, curve, 22.0) == pytest.approx(at_s, abs=0.06)
    assert np.isnan(curves.find_turn(starts_s, np.full(len(starts_s), np.nan), 22.0))


def test_a_song_goes_wrong_at_a_bar_and_as_loud_as_before(band):
    turns = curves.make_turns(band, 2)
    for turn in turns:
        at = round(turn.at_s * 16_000)
        before, after = turn.accompaniment[:at], turn.accompaniment[at:]
        assert len(before) >= 4 * 16_000 <= len(after) and turn.bars_s[turn.bar] == turn.at_s
        assert turn.track_id != turn.other_id and len(turn.anchor) == len(turn.accompaniment)
    with pytest.raises(ValueError, match="two are needed"):
        curves.make_turns(band[:1], 2)


def test_errors_are_measured_in_seconds_and_bars():
    turn = Turn("song", "other", np.zeros(16_000 * 20), np.zeros(16_000 * 20), 8.0, np.arange(0, 20, 2.0))

    def score(anchor, accompaniment, hop_s, modes):
        starts_s = np.arange(0, 15.01, hop_s)
        return SimpleNamespace(starts_s=starts_s, curves={"both": -curves.ramp(starts_s, 8.6)})

    found = curves.curves({"ear": SimpleNamespace(score=score)}, [turn])
    table = curves.errors(found, [turn])
    assert table["error_s"][0] == pytest.approx(0.6, abs=0.06) and table["right_bar"][0]
    summary = curves.summarise(pd.concat([table, table])).set_index("metric")
    assert summary.loc["ear", "right_bar"] == 1 and summary.loc["ear", "median_s"] == pytest.approx(0.6, abs=0.06)
    assert "a guess" in summary.index and summary.loc["ear", "n_songs"] == 2
