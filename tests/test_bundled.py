"""The model that comes with the package: whole, small, calibrated, and better than chance where it must be."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny import clip

from cocola_lib import Scorer, scoring
from cocola_lib.data.tracks import load_tracks
from cocola_lib.evaluation import hit_probability
from cocola_lib.features import MODES
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import CONFIG, IN_PACKAGE, WEIGHTS, checkpoint_hash
from cocola_lib.sampling import WindowSampler


@pytest.fixture(scope="module")
def scorer():
    return Scorer(device="cpu")


@pytest.fixture(scope="module")
def pairs(tiny_sets):
    sampler = WindowSampler(load_tracks(tiny_sets["mini-cocochorales"], split="test"))
    return [sampler.audio(spec) for spec in sampler.batch(16, seed=0, step=0, at_most=True)]


MODELS = (IN_PACKAGE / "hps-all-time", scoring.BUNDLED_PAPER)  # those with weights
both_models = pytest.mark.parametrize("folder", MODELS, ids=[folder.name for folder in MODELS])


@both_models
def test_weights_are_half_precision_and_small(folder):
    with safe_open(folder / WEIGHTS, framework="pt") as weights:
        kinds = {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118, no mapping
    assert kinds <= {torch.float16, torch.int64}
    assert (folder / WEIGHTS).stat().st_size < 12e6


@both_models
def test_card_and_log_belong_to_these_weights(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert checkpoint_hash(folder) in card
    steps = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["training"]["steps"]
    last = (folder / "log.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert f"{steps:,} steps" in card and int(last.split(",")[0]) <= steps


def test_a_first_score_needs_no_checkpoint_and_reads_as_more_than_a_number(scorer, pairs):
    score = scorer.score(*pairs[0])
    assert np.isfinite(score.both)
    assert set(score.percentiles) == set(MODES) and all(0 <= share <= 100 for share in score.percentiles.values())


@pytest.mark.parametrize("mode", MODES)
def test_it_finds_partners_among_chorales_that_it_never_heard(scorer, pairs, mode):
    matrix = scorer.matrix([a for a, _ in pairs], [b for _, b in pairs], mode)
    assert len(pairs) >= 8
    assert hit_probability(matrix, 2).mean() > 0.9
    assert hit_probability(matrix, 8).mean() > 0.6


def test_the_papers_encoder_is_bundled_as_it_is_in_the_paper_and_hears_something(pairs):
    config = checkpoints.read_config(scoring.BUNDLED_PAPER)["model"]
    assert (config["features"], config["backbone"], config["pooling"]) == ("hps", "efficientnet_b0", "average")
    scorer = Scorer("hps-all", device="cpu")
    assert scorer.model.dim == 512 and scorer.calibration
    matrix = scorer.matrix([a for a, _ in pairs], [b for _, b in pairs])
    assert hit_probability(matrix, 2).mean() > 0.6


def test_noise_is_no_partner(scorer, pairs):
    noise = clip(5.0, seed=1)
    anchors, positives = zip(*pairs[:6], strict=True)
    scores = scorer.matrix(anchors, [*positives, noise])
    assert (scores.diagonal() > scores[:, -1]).mean() > 0.8
