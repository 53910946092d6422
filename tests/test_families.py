"""Families: what breaks one thing and only one, what may not count as wrong, and a training that goes on."""

import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from cocola_lib import scoring
from cocola_lib.data.miniatures import chorales
from cocola_lib.data.miniatures.synth import Note, Part
from cocola_lib.encoder import Cocola
from cocola_lib.hearing import responses
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import checkpoint_hash
from cocola_lib.workshop.families import LENGTH_S, RATE, ROLL_HZ, draw, export, outside, render, songs, sound, train
from cocola_lib.workshop.families.__main__ import app
from cocola_lib.workshop.families.pieces import Piece

BEAT_S = 0.5
IN_ANOTHER_PROCESS = train._load


@pytest.fixture(autouse=True)
def loaded_here(monkeypatch):
    """Batches are drawn in the process of the test: another one takes longer to start than all that is trained here."""
    monkeypatch.setattr(train, "_load", iter)


def about(folder, name, stems, variants=((0, 1.0), (2, 1.0)), drums=()):
    """A family on disk whose stems are tones that pulse on the beat, transposed as its variants say."""
    t = np.arange(int(LENGTH_S * RATE)) / RATE
    audio = np.zeros((len(variants), len(stems), len(t)))
    rolls = np.zeros((len(stems), 12, int(LENGTH_S * ROLL_HZ)), np.uint8)
    for i, pitch in enumerate(stems):
        for v, (semitones, factor) in enumerate(variants):
            f_hz = 440 * 2 ** ((pitch + semitones - 69) / 12)
            audio[v, i] = 0.3 * np.sin(2 * np.pi * f_hz * t) * np.exp(-4 * (t * factor % BEAT_S))
        if i not in drums:
            rolls[i, pitch % 12] = 1
    np.save(folder / f"{name}.npy", (audio * 32767).astype(np.int16))
    np.save(folder / f"{name}.rolls.npy", np.packbits(rolls, axis=-1))
    values = {"variants": variants, "tempo_bpm": 60 / BEAT_S, "drums": [i in drums for i in range(len(stems))]}
    (folder / f"{name}.json").write_text(json.dumps(values))
    return folder / f"{name}.json"


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        about(tmp_path, f"band-{i:05d}", (60 + i, 64 + i, 67 + i, 48 + i), drums=(3,))
    return tmp_path


# Drawing


def test_windows_of_a_family_are_itself_transposed_late_and_elsewhere(folder):
    family = draw.Family(folder / "band-00000.json")
    rng = np.random.default_rng(0)
    for _ in range(30):
        windows = draw._windows(family, 3.0, LENGTH_S - 5, rng)
        assert windows[0] == (0, 3.0) and windows[1] == (draw.TRANSPOSED, 3.0)
        variant, late = windows[3]
        assert variant == 0 and 0.1 <= abs(late - 3.0) <= 1.5 * BEAT_S
        assert windows[4][0] == 0 and 0.07 <= abs(windows[4][1] - 3.0) <= 0.18
        assert all(0 <= at <= LENGTH_S - 5 for _, at in windows)


def test_pitch_classes_move_with_the_transposition_and_drums_have_none(folder):
    family = draw.Family(folder / "band-00000.json")
    assert family.roll(0, [0], 1.0).sum(axis=1).tolist() == [63] + [0] * 11  # C
    assert family.roll(1, [0], 1.0).sum(axis=1).nonzero()[0].tolist() == [2]  # two semitones up: D
    assert family.roll(0, [3], 1.0).sum() == 0


def test_pitch_classes_follow_the_tempo(tmp_path):
    path = about(tmp_path, "band-00000", (60, 64), variants=((0, 1.0), (1, 1.0), (0, 2.0)))
    family = draw.Family(path)
    family.rolls[0, 0, : int(4 * ROLL_HZ)] = 0  # silent for four seconds, two at the double tempo
    assert family.roll(0, [0], 0.0)[0].argmax() == 50  # 4 s of 80 ms
    assert family.roll(2, [0], 0.0)[0].argmax() == 25


def test_a_faster_tape_is_shorter_and_higher_and_so_are_its_pitch_classes(tmp_path):
    family = draw.Family(about(tmp_path, "band-00000", (69, 64)))
    heard = [family.clip(0, [0], 1.0, np.ones(1, np.float32), raised) for raised in (0, 3)]
    peaks = [np.abs(np.fft.rfft(clip)).argmax() / 5 for clip in heard]
    assert peaks[0] == pytest.approx(440, abs=1) and peaks[1] == pytest.approx(440 * 2 ** (3 / 12), abs=1)
    family.rolls[0, 9, 3 * ROLL_HZ :] = 0  # A, for three seconds
    for raised in (0, 3):
        roll = family.roll(0, [0], 1.0, raised)
        assert roll[9 + raised - 12 * (raised == 3)].sum() == pytest.approx(2 / draw.speed(raised) / 0.08, abs=1)


def test_half_of_the_draws_are_heard_twice_through_another_equaliser(folder, monkeypatch):
    monkeypatch.setattr(draw, "KEPT", 1)
    drawn, listened = draw.Batches(folder, n=(2, 0, 0)), []
    listen = drawn._listen
    monkeypatch.setattr(drawn, "_listen", lambda *args: listened.append(listen(*args)) or listened[-1])
    batches = list(itertools.islice(iter(drawn), 6))
    assert len(listened) == 2 + 2 + 4  # from the third batch on, one of two is known
    first_sides = batches[2][0].unflatten(0, (2, 2, draw.SETS))[0, 0].float()
    same = [heard for heard in listened[:4] if np.array_equal(heard.rolls[0], batches[2][1][: draw.SETS])]
    assert same and not torch.equal(same[0].features[0].float(), first_sides)


def test_draws_are_heard_as_often_as_asked(folder, monkeypatch):
    monkeypatch.setattr(draw, "KEPT", 1)
    drawn, listened = draw.Batches(folder, n=(4, 0, 0), sets=1, heard=4), []
    listen = drawn._listen
    monkeypatch.setattr(drawn, "_listen", lambda *args: listened.append(listen(*args)) or listened[-1])
    batches = list(itertools.islice(iter(drawn), 22))
    assert len(listened) == 4 + 4 + 20  # from the third batch on, three of four are known
    assert {len(features) for features, _, _ in batches} == {2 * 4}


def test_sides_share_no_stem_and_say_whether_they_have_notes(folder):
    family = draw.Family(folder / "band-00000.json")
    rng = np.random.default_rng(1)
    drawn = [d for d in (draw.draw(family, rng) for _ in range(20)) if d]
    assert drawn and {d.pitched for d in drawn} <= {(True, True), (True, False), (False, True)}
    for d in drawn:
        heard = [set(np.flatnonzero(d.rolls[side, 0].any(axis=1))) for side in (0, 1)]
        assert not heard[0] & heard[1]
        assert d.pitched == tuple(bool(h) for h in heard)
        assert all(len(side) == draw.SETS and len(side[0]) == 5 * RATE for side in d.clips)


@pytest.mark.parametrize("sets", [1, 3])
def test_a_family_may_give_fewer_windows(sets, folder):
    family = draw.Family(folder / "band-00000.json")
    drawn = next(d for d in (draw.draw(family, np.random.default_rng(i), sets) for i in range(20)) if d)
    assert [len(side) for side in drawn.clips] == [sets, sets] and drawn.rolls.shape[1] == sets
    features, rolls, _ = next(iter(draw.Batches(folder, (1, 1, 1), sets)))
    assert len(features) == len(rolls) == 2 * 3 * sets


def test_a_family_that_is_silent_is_passed_over(tmp_path):
    family = draw.Family(about(tmp_path, "band-00000", (60, 64)))
    family.audio = np.zeros_like(family.audio)
    assert draw.draw(family, np.random.default_rng(0)) is None


def test_a_batch_holds_both_sides_of_every_family(folder):
    features, rolls, pitched = next(iter(draw.Batches(folder, n=(2, 1, 1))))
    assert features.shape == (2 * 4 * draw.SETS, 2, 64, 501) and features.dtype == torch.float16
    assert rolls.shape == (8 * draw.SETS, 12, 63) and pitched.shape == (4, 2)
    again = next(iter(draw.Batches(folder, n=(2, 1, 1))))
    assert torch.equal(features, again[0])  # the seed decides


def test_an_empty_folder_says_how_to_make_families(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m cocola_lib.workshop.families make"):
        draw.Batches(tmp_path)


# Sound


def test_recordings_change_the_sound_and_keep_the_onsets():
    rng = np.random.default_rng(0)
    x = np.zeros(5 * RATE, np.float32)
    x[20_000:24_000] = 0.3 * np.sin(np.arange(4000) / 5)
    for _ in range(20):
        y = sound.recorded(x, rng)
        assert y.dtype == np.float32 and np.isfinite(y).all() and len(y) == len(x)
        before, after = np.abs(y[10_000:19_900]).max(), np.abs(y[20_000:24_000]).max()
        assert after > 5 * before
    assert not sound.recorded(np.zeros_like(x), rng).any()


def test_the_equaliser_keeps_peak_and_floor_of_features():
    rng = np.random.default_rng(0)
    features = torch.rand(20, 2, 64, 11) * -80
    changed = sound.equalised(features, rng, share=1.0)
    assert changed.min() >= -80 and torch.allclose(changed.amax((2, 3)), torch.zeros(20, 2))
    assert torch.equal(sound.equalised(features, rng, share=0.0), features)


# Training


def losses_of(name, n=(1, 1, 1)):
    plan = dataclasses.replace(train.PLANS[name], n=n)
    return train.Losses(Cocola(plan.config), plan)


def test_only_pairs_that_are_truly_false_count_as_false():
    losses = losses_of("hps-all-time")
    excluded = losses.excluded(torch.tensor([[True, True], [True, False], [True, True]]))
    both, harmonic, percussive = (i * draw.SETS for i in range(3))  # the first window of each family
    assert not excluded.diagonal().any()
    assert excluded[both, harmonic] and excluded[both, percussive] and excluded[harmonic, percussive]  # other masks
    assert not excluded[both, both + 1]  # notes on both sides: its transposed twin is wrong
    deaf = excluded[harmonic : harmonic + 3, harmonic : harmonic + 3]
    assert deaf[0, 1] and deaf[1, 0] and deaf[1, 2]  # drums on one side: transposed is as good
    assert excluded[percussive, percussive + 1]  # the percussive channel hears no pitch
    assert not deaf[0, 2] and not excluded[percussive, percussive + 3]  # but it hears that one is late


def test_a_familys_wrong_windows_must_be_beaten_by_a_margin_and_strangers_need_not(folder):
    torch.manual_seed(0)
    batch = next(iter(draw.Batches(folder, (2, 1, 1))))
    losses = losses_of("hps-all-time", (2, 1, 1))
    assert losses.hard.sum() == 4 * 5 * 4 and not losses.hard.diagonal().any()  # four families of five windows
    assert losses.hard[0, 1:5].all() and not losses.hard[0, 5:].any()
    model = Cocola(train.PLANS["hps-all-time"].config).eval()
    found = {}
    for margin in (0.0, 2.0, 50.0):
        losses.margin = margin
        found[margin] = losses(model, *batch)[1]
    assert found[0.0]["loss"] < found[2.0]["loss"] < found[50.0]["loss"]
    assert len({values["accuracy"] for values in found.values()}) == 1  # what is counted has no margin
    losses.hard[:] = False
    assert losses(model, *batch)[1]["loss"] == found[0.0]["loss"]


def test_pitch_classes_are_read_off_the_papers_encoder_early_and_not_later(folder):
    torch.manual_seed(0)
    batch = next(iter(draw.Batches(folder, (2, 2, 2), 1)))
    model, losses = Cocola(train.PLANS["hps-all"].config), losses_of("hps-all", (2, 2, 2))
    assert sum(p.numel() for p in losses.parameters()) == 12 * (2 * 1280 + 1)  # two bands of the last features
    total, late = losses(model.eval(), *batch)
    assert "pitch loss" not in late and float(total.detach()) == pytest.approx(late["loss"], abs=1e-4)
    losses.early = True
    total, early = losses(model, *batch)
    assert float(total.detach()) == pytest.approx(early["loss"] + 15 * early["pitch loss"], abs=0.01)
    total.backward()
    assert losses.reading.weight.grad.abs().sum() > 0 and model.backbone.conv_stem.weight.grad.abs().sum() > 0


def test_a_teacher_is_imitated_early_and_not_later(folder):
    torch.manual_seed(0)
    batch = next(iter(draw.Batches(folder, (2, 2, 2), 1)))
    model, losses = Cocola(train.PLANS["hps-all"].config), losses_of("hps-all", (2, 2, 2))
    teacher = Cocola(train.PLANS["hps-all-time"].config).eval()
    assert "imitation" not in losses(model.eval(), *batch, teacher)[1]
    losses.early = True
    alone, _ = losses(model, *batch)
    total, values = losses(model, *batch, teacher)
    assert float((total - alone).detach()) == pytest.approx(values["imitation"], abs=1e-3)
    total.backward()
    assert all(p.grad is None for p in teacher.parameters())


def test_training_goes_on_from_its_last_state(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_load", IN_ANOTHER_PROCESS)
    run = tmp_path / "run"
    for minutes in (0.0001, 0.0002):
        train.train(run, folder, minutes, n=(1, 1, 1), save_every=1)
    log = [json.loads(line) for line in (run / train.LOG).read_text().splitlines()]
    assert [row["step"] for row in log] == sorted({row["step"] for row in log})
    assert {row["split"] for row in log} == {"train"}  # four families: none is kept for validation
    material = json.loads((run / train.MATERIAL).read_text())
    assert material == {
        "model": "hps-all-time",
        "seed": 0,
        "k": 3 * draw.SETS,
        "families": 4,
        "sources": {"band": 4},
        "start": None,
        "teacher": None,
        "parts": 2,
    }
    state = torch.load(run / train.STATE, weights_only=True)
    assert state["step"] == log[-1]["step"] >= 1
    model = Cocola(train.PLANS["hps-all-time"].config)
    model.load_state_dict(state["average"])
    assert (model.backbone.whitening - torch.eye(128)).abs().max() > 0.1


def test_some_families_are_kept_for_validation_and_their_figures_are_logged(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "VALID_EVERY", 2)
    kept, heard = ({file.stem for file in draw.Batches(folder, valid=valid).files} for valid in (True, False))
    assert len(kept) == len(heard) == 2 and not kept & heard
    monkeypatch.setattr(train, "VALID_BATCHES", 1)
    run = train.train(tmp_path / "run", folder, 0.0001, n=(1, 1, 1), save_every=1)
    log = [json.loads(line) for line in (run / train.LOG).read_text().splitlines()]
    assert [row["split"] for row in log] == ["train", "valid"] and 0 <= log[1]["accuracy"] <= 1


@pytest.mark.parametrize("early", [0.0, 0.5])
def test_the_papers_encoder_is_trained_on_eq_3_and_early_on_pitch_classes_too(early, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(train.PLANS, "hps-all", dataclasses.replace(train.PLANS["hps-all"], early=early))
    teacher = checkpoints.save(tmp_path / "teacher", Cocola(train.PLANS["hps-all-time"].config), {"steps": 0})
    run = train.train(tmp_path / "run", folder, 0.0001, "hps-all", n=(2, 2, 2), origin=train.Origin(teacher=teacher))
    (row,) = [json.loads(line) for line in (run / train.LOG).read_text().splitlines()]  # the first step
    assert row["loss"] > 0 and ("pitch loss" in row) == ("imitation" in row) == (early > 0)
    material = json.loads((run / train.MATERIAL).read_text())
    assert material["teacher"] == checkpoint_hash(teacher)


def test_a_training_may_begin_from_a_checkpoint(folder, tmp_path):
    begun = checkpoints.save(tmp_path / "begun", Cocola(train.PLANS["hps-all-time"].config), {"steps": 0})
    train.train(tmp_path / "on", folder, 0.0001, n=(1, 1, 1), origin=train.Origin(start=begun))
    material = json.loads((tmp_path / "on" / train.MATERIAL).read_text())
    assert material["start"] == checkpoint_hash(begun) and material["teacher"] is None


def test_what_had_been_whitened_stays_so(folder, tmp_path):
    before = Cocola(train.PLANS["hps-all-time"].config)
    before.backbone.whitening *= 2
    theirs = {name: value for name, value in before.state_dict().items() if "plain" not in name}  # of an older kind
    (tmp_path / "old").mkdir()
    torch.save({"average": theirs}, tmp_path / "old" / train.STATE)
    run = train.train(tmp_path / "run", folder, 0.0001, n=(1, 1, 1), origin=train.Origin(start=tmp_path / "old"))
    after = torch.load(run / train.STATE, weights_only=True)["model"]
    assert torch.equal(after["backbone.whitening"], before.backbone.whitening)


@pytest.mark.parametrize(("kind", "moves"), [("hps-all-stem", False), ("hps-all", True)])
def test_what_comes_from_another_kind_of_model_is_kept_at_first(kind, moves, folder, tmp_path):
    begun = checkpoints.save(tmp_path / "begun", Cocola(train.PLANS[kind].config), {"steps": 0})
    run = train.train(tmp_path / "run", folder, 0.0001, "hps-all", n=(2, 2, 2), origin=train.Origin(start=begun))
    before, after = checkpoints.load(begun)[0].state_dict(), torch.load(run / train.STATE, weights_only=True)["model"]
    name = "backbone.conv_stem.weight"
    assert torch.equal(before[name], after[name]) != moves


def test_the_papers_encoder_begins_from_its_stem(tmp_path):
    stem, whole = (Cocola(train.PLANS[name].config) for name in ("hps-all-stem", "hps-all"))
    torch.save({"average": stem.state_dict()}, tmp_path / train.STATE)
    taken = train._take(whole, tmp_path)
    theirs, ours = stem.backbone.state_dict(), whole.backbone.state_dict()
    assert set(theirs) < set(ours) and len(taken) == len(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("name", ["hps-all-time", "hps-all"])
def test_an_exported_training_is_half_precision_calibrated_and_has_a_card(name, folder, tmp_path, monkeypatch):
    teacher = checkpoints.save(tmp_path / "teacher", Cocola(train.PLANS["hps-all-time"].config), {"steps": 0})
    n, teacher = ((1, 1, 1), None) if name == "hps-all-time" else ((2, 2, 2), teacher)
    run = train.train(tmp_path / "run", folder, 0.0001, name, n=n, origin=train.Origin(teacher=teacher))
    state = torch.load(run / train.STATE, weights_only=True)
    assert state["early"] == (state["spent"] if teacher else 0)  # one step, the plan's first
    torch.save(state | {"spent": 70 * 60, "early": 35 * 60}, run / train.STATE)
    rng = np.random.default_rng(0)
    pairs = [tuple(0.1 * rng.standard_normal((2, RATE)).astype(np.float32)) for _ in range(10)]
    monkeypatch.setattr(export, "validation_pairs", lambda: ("noise", pairs, np.arange(10)))
    from cocola_lib.scoring import Scorer

    out = export.export(run, tmp_path / "weights", note="A test.")
    assert (out / "model.safetensors").stat().st_size < 10.5e6
    assert Scorer.from_checkpoint(out).calibration.dataset == "noise"
    card = (out / export.CARD).read_text()
    assert "4 excerpts" in card and "A test." in card and "{" not in card
    assert "70 minutes on two CPU cores" in card and ("For 35 of its minutes" in card) == (name == "hps-all")
    assert (teacher is None) == ("similarities that the checkpoint" not in card)
    assert teacher is None or checkpoint_hash(teacher) in card
    assert (out / export.TABLE).read_text().startswith("step,minutes,split,loss")


def test_a_blend_is_the_mean_of_two_models_weights(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "validation_pairs", lambda: ("noise", [], np.arange(0)))
    monkeypatch.setattr(export.calibration, "calibrate", lambda *_: None)
    monkeypatch.setattr(export.calibration, "store", lambda *_: None)
    run = train.train(tmp_path / "run", folder, 0.0001, n=(1, 1, 1))
    other = checkpoints.save(tmp_path / "other", Cocola(train.PLANS["hps-all-time"].config), {"steps": 0})
    out = export.export(run, tmp_path / "weights", blend=other)
    theirs = checkpoints.load(other)[0].state_dict()
    ours = torch.load(run / train.STATE, weights_only=True)["average"]
    for name, found in checkpoints.load(out)[0].state_dict().items():
        if found.dtype.is_floating_point:
            torch.testing.assert_close(found, ((ours[name] + theirs[name]) / 2).half().float(), rtol=1e-3, atol=1e-4)
    said = (out / export.CARD).read_text()
    assert checkpoint_hash(other) in said and checkpoints.read_config(out)["training"]["blend"] in said


def test_a_stem_is_no_model_to_export(folder, tmp_path):
    run = train.train(tmp_path / "run", folder, 0.0001, "hps-all-stem", n=(1, 1, 1))
    with pytest.raises(ValueError, match="a training of hps-all-stem; exported are hps-all-time, hps-all"):
        export.export(run, tmp_path / "weights")


# Music from outside


class Pitch:
    """A metric that hears nothing but the accompaniment's strongest frequency, and likes middle C."""

    def matrix(self, conditionings, accompaniments):
        peaks = [np.abs(np.fft.rfft(clip)).argmax() / 5 for clip in accompaniments]
        return np.tile([-abs(peak - 261.6) for peak in peaks], (len(conditionings), 1))

    def matrices(self, conditionings, accompaniments):
        return {"both": self.matrix(conditionings, accompaniments)}


def test_outside_counts_partners_found_and_pairs_a_metric_with_the_others(tmp_path):
    for i in range(3):
        about(tmp_path, f"work-{i:05d}", (60, 60))
    table = outside.measure({"a": Pitch(), "b": Pitch()}, tmp_path).set_index(["k", "rater"])
    assert table.loc[(2, "a"), "value"] == 0  # all alike: a tie is a miss
    assert table.loc[(2, "a - b"), ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert (8, "a") not in table.index  # three families only


def test_outside_breaks_one_thing_at_a_time(tmp_path):
    variants = ((0, 1.0), (-3, 1.0), (0, 0.9))
    for i in range(3):
        about(tmp_path, f"work-{i:05d}", (60, 60 + i % 2), variants)
    sets = outside.probes(tmp_path)
    assert list(sets["pitched"][0].changed) == [("pitch", 3)]
    assert set(sets["any"][0].changed) == {("stretch", 0.9), ("delay", 20.0), ("delay in beats", 0.5)}
    first = sets["any"][0]
    np.testing.assert_array_equal(first.changed["delay", 20.0][320:], first.truth[:-320])
    table = responses.summarise(responses.respond(Pitch(), sets)).set_index(["change", "dose"])
    assert table.loc[("pitch", 3), "beaten"] == 1 and table.loc[("delay", 20.0), "beaten"] < 1


def test_outside_needs_two_families(tmp_path):
    with pytest.raises(ValueError, match="0 families"):
        outside.measure({"a": Pitch()}, tmp_path)


def test_the_command_line_measures_the_bundled_model_beside_the_control(folder, tmp_path):
    tables = tmp_path / "outside.csv", tmp_path / "responses.csv"
    found = CliRunner().invoke(app, ["outside", str(folder), "--out", tables[0], "--responses", tables[1]])
    assert found.exit_code == 0, found.output
    accuracy, answers = map(pd.read_csv, tables)
    assert set(accuracy["rater"]) == {"model", "control", "model - control"} and set(accuracy["k"]) == {2}
    assert set(answers["mode"]) > {"both", "harmonic", "percussive"}
    for table in (accuracy, answers):
        assert table["checkpoint"].unique().tolist() == [checkpoint_hash(scoring.BUNDLED)]


# More held-out songs


def test_more_songs_are_test_songs_of_other_seeds_and_each_seed_is_a_list_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(songs, "SIZE", "tiny")
    sets = {seed: songs.make("mini-slakh2100", seed, tmp_path) for seed in (1, 2)}
    tracks = {seed: [p.track for p in played] for seed, played in sets.items()}
    assert {track.split for of_seed in tracks.values() for track in of_seed} == {"test"}
    first, second = (of_seed[0].read(of_seed[0].stem_names, 0, 5) for of_seed in tracks.values())
    assert not np.array_equal(first, second)
    table = songs.measure({"a": Knows(), "b": Pitch()}, {"x": sets}, n_pairs=6, ks=(2, 6, 7)).set_index(["k", "rater"])
    assert table.loc[(2, "a"), "value"] == 1 and table.loc[(6, "a"), "n_pairs"] == 12  # no rivals from the other seed
    assert table.loc[(2, "a - b"), "value"] == pytest.approx(1 - table.loc[(2, "b"), "value"])
    assert 2 < table.loc[(2, "a"), "n_tracks"] == table.loc[(2, "a"), "n_songs"] <= sum(map(len, sets.values()))
    assert table.loc[(2, "a"), "n_known"] == 0  # the band's songs are each seed's own
    assert 7 not in table.index.get_level_values("k")


def test_a_chorale_counts_once_in_however_many_seeds_and_settings_of_a_tune_together():
    played = {seed: {songs._music(job) for job in songs._plan("mini-cocochorales", seed).values()} for seed in range(4)}
    more = played[1] | played[2] | played[3]
    names, tunes = ({each[i] for each in more} for i in (0, 1))
    assert names == set(chorales.splits()["test"])
    assert len(tunes) < len(names) and played[0] < more  # what the project's own test set holds is not new


def test_intervals_are_over_tunes_and_not_over_performances(monkeypatch):
    """Two tunes in 40 performances, one found always and one never: the mean may be anything from 0 to 1."""
    played = [songs.Performance(SimpleNamespace(id=str(i)), f"song {i}", f"tune {i % 2}", False) for i in range(40)]
    sampler = SimpleNamespace(
        draw=lambda n, seed, step: (SimpleNamespace(track_id=p.track.id) for p in played), audio=lambda spec: (0, 0)
    )
    monkeypatch.setattr(songs, "WindowSampler", lambda tracks: sampler)
    metric = SimpleNamespace(matrix=lambda a, b: np.diag(np.arange(40) % 2))
    (row,) = songs.measure({"a": metric}, {"x": {1: played}}, n_pairs=40, ks=(2,)).itertuples()
    assert (row.value, row.low, row.high) == (0.5, 0, 1)
    assert (row.n_tracks, row.n_songs, row.n_tunes) == (40, 40, 2)


class Knows:
    """A metric that is always right."""

    def matrix(self, conditionings, accompaniments):
        return np.eye(len(conditionings))


# Rendering


def part(*pitches, drums=False):
    return Part(tuple(Note(0.5 * i, 0.5 * i + 0.4, p, 90) for i, p in enumerate(pitches)), drums=drums)


def test_variants_change_one_thing_each():
    slow = render._change(part(60, 62), 0, 0.5)
    assert [tuple(n)[:3] for n in slow.notes] == [(0.0, 0.8, 60), (1.0, 1.8, 62)]
    assert [n.pitch for n in render._change(part(60, 127), 3, 1.0).notes] == [63]  # no such key
    variants = render._variants(np.random.default_rng(0), 1, held_out=True)
    assert variants == [(0, 1.0)] + [(-s, 1.0) for s in range(1, 7)] + [(0, 0.9), (0, 1.1)]


def test_a_family_is_written_whole_and_what_is_there_stays(tmp_path, monkeypatch):
    played = []

    def play(font, parts, semitones, factor):
        played.append((semitones, factor))
        t = np.arange(int(LENGTH_S * RATE)) / RATE
        return np.stack([0.1 * np.sin(2 * np.pi * 220 * t).astype(np.float32) for _ in parts])

    piece = Piece([part(60, 64, 67), part(36, 36, 36, drums=True)], 100.0)
    monkeypatch.setattr(render, "_play", play)
    monkeypatch.setattr(render, "SOURCES", dict.fromkeys(("band", "chorale", "groove", "work"), lambda *_: piece))
    render.make(tmp_path, 3, progress=lambda line: None)
    assert sorted(p.stem for p in tmp_path.glob("*.json")) == ["band-00000", "chorale-00001", "groove-00002"]
    family = draw.Family(tmp_path / "band-00000.json")
    assert family.variants[0] == [0, 1.0] and family.audio.dtype == np.int16
    assert sorted(family.pitched) == [False, True]
    before = len(played)
    render.make(tmp_path, 3, progress=lambda line: None)
    assert len(played) == before


def test_an_excerpt_that_cannot_be_made_is_reported_and_left_out(tmp_path, monkeypatch):
    lines = []
    alone = Piece([part(60, 64, 67)], 100.0)
    monkeypatch.setattr(render, "SOURCES", {"band": lambda *_: alone})
    render.make(tmp_path, 1, progress=lines.append)
    assert any("fewer than two parts" in line for line in lines) and not list(tmp_path.glob("*.json"))
