"""The model with measured features: opened by name, the sum of its blocks, and never in place of the default."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import clip

from cocola_lib import Scorer
from cocola_lib.features import MODES
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import CONFIG, IN_PACKAGE, checkpoint_hash
from cocola_lib.models.fused import BLOCKS, Fused
from cocola_lib.models.measured import chroma, onsets

NAME = "hps-all-measured"


@pytest.fixture(scope="module")
def scorer():
    return Scorer(NAME, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def clips():
    t = np.arange(80_000) / 16_000
    return [clip(5.0, seed) + 0.1 * np.float32(np.sin(2 * np.pi * f * t)) for seed, f in enumerate((220, 330, 440))]


@pytest.fixture(scope="module")
def embedded(scorer, clips):
    """Mode -> (learnt, onsets, chroma) of three clips."""
    h = scorer.model.embed_modes(torch.from_numpy(np.stack(clips)), MODES)
    return dict(zip(MODES, (part.split(scorer.model.sizes, dim=1) for part in h), strict=True))


def test_it_opens_by_name_and_is_calibrated(scorer, clips):
    assert scorer.hash == checkpoint_hash(NAME)
    score = scorer.score(*clips[:2])
    assert set(score.percentiles) == set(MODES) and np.isfinite(score.both)


def test_it_is_the_default():
    assert Scorer(device="cpu").hash == checkpoint_hash(NAME)


def test_an_embedding_has_at_most_1024_numbers(scorer, clips):
    assert scorer.embed(clips[:1]).shape == (1, scorer.model.dim) == (1, 882)
    assert scorer.model.dim <= 1024


def test_a_score_is_the_weighted_sum_of_its_blocks(scorer, clips, embedded):
    learnt = Scorer("hps-all-time", device="cpu", precision="float32").matrices(clips, clips)
    weights = json.loads((IN_PACKAGE / NAME / CONFIG).read_text())["model"]["weights"]
    for mode, found in scorer.matrices(clips, clips).items():
        _, begins, sounds = embedded[mode]
        parts = learnt[mode], (begins @ begins.T).numpy(), (sounds @ sounds.T).numpy()
        expected = sum(weights[block] * part for block, part in zip(BLOCKS, parts, strict=True))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_w_says_what_project_does(scorer, clips):
    h = torch.from_numpy(scorer.embed(clips))
    torch.testing.assert_close(scorer.model.project(h), h @ scorer.model.w(), rtol=1e-4, atol=1e-4)


def test_a_mode_leaves_out_what_is_not_its_own(clips, embedded):
    waveforms = torch.from_numpy(np.stack(clips))
    begins, sounds = onsets(waveforms), chroma(waveforms)
    assert begins.any() and sounds.any()
    for mode, (_, found_begins, found_sounds) in embedded.items():
        assert torch.equal(found_begins, begins if mode != "harmonic" else torch.zeros_like(begins))
        assert torch.equal(found_sounds, sounds if mode != "percussive" else torch.zeros_like(sounds))
    assert not torch.equal(embedded["harmonic"][0], embedded["percussive"][0])


def test_a_missing_or_unknown_weight_is_refused(scorer):
    with pytest.raises(ValueError, match="weights of learnt, drums; expected learnt, onsets, chroma"):
        Fused(scorer.model.learnt, {"learnt": 1.0, "drums": 1.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learnt_hash": "0" * 16}, "made for hps-all-time 0000000000000000, here is"),
        ({"learnt": "no-such-model"}, "no-such-model: no such checkpoint"),
        ({"weights": {"learnt": 1.0}}, "weights of learnt; expected learnt, onsets, chroma"),
        ({"weights": None}, "config.json: "),
        ({"learnt_hash": None}, "made for hps-all-time None"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(tmp_path, change, message):
    folder = shutil.copytree(IN_PACKAGE / NAME, tmp_path / "model")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"model": config["model"] | change}))
    with pytest.raises(ValueError, match=message) as caught:
        checkpoints.load(folder)
    assert "\n" not in str(caught.value) and str(folder / CONFIG) in str(caught.value)


def test_a_checkpoint_that_leaves_out_a_setting_says_which(tmp_path):
    folder = shutil.copytree(IN_PACKAGE / NAME, tmp_path / "model")
    config = json.loads((folder / CONFIG).read_text())
    del config["model"]["weights"]
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match="'weights' is missing"):
        checkpoints.load(folder)


@pytest.mark.parametrize("table", ["recordings.csv", "responses.csv"])
def test_what_stands_beside_it_was_measured_with_it(table):
    rows = pd.read_csv(IN_PACKAGE / NAME / table)
    assert rows.loc[rows["rater"].isin([NAME, "model"]), "checkpoint"].unique().tolist() == [checkpoint_hash(NAME)]


def test_the_card_belongs_to_this_checkpoint():
    assert checkpoint_hash(NAME) in (IN_PACKAGE / NAME / "README.md").read_text(encoding="utf-8")
