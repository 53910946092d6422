"""The model that comes with the package: whole, small, calibrated, and better than chance where it must be."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny import clip

from cocola_lib import Scorer, checkpoints, miniatures, scoring
from cocola_lib.evaluation import hit_probability
from cocola_lib.features import MODES
from cocola_lib.sampling import WindowSampler
from cocola_lib.tracks import load_tracks


@pytest.fixture(scope="module")
def scorer():
    return Scorer(device="cpu")


@pytest.fixture(scope="module")
def pairs():
    sampler = WindowSampler(load_tracks(miniatures.ensure("mini-cocochorales", size="tiny"), split="test"))
    return [sampler.audio(spec) for spec in sampler.batch(16, seed=0, step=0, at_most=True)]


def test_weights_are_half_precision_and_small():
    with safe_open(scoring.BUNDLED / checkpoints.WEIGHTS, framework="pt") as weights:
        kinds = {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118, no mapping
    assert kinds <= {torch.float16, torch.int64}
    assert (scoring.BUNDLED / checkpoints.WEIGHTS).stat().st_size < 12e6


def test_card_and_log_belong_to_these_weights():
    card = (scoring.BUNDLED / "README.md").read_text(encoding="utf-8")
    assert checkpoints.checkpoint_hash(scoring.BUNDLED) in card
    steps = json.loads((scoring.BUNDLED / checkpoints.CONFIG).read_text(encoding="utf-8"))["training"]["steps"]
    last = (scoring.BUNDLED / "log.csv").read_text(encoding="utf-8").splitlines()[-1]
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


def test_noise_is_no_partner(scorer, pairs):
    noise = clip(5.0, seed=1)
    anchors, positives = zip(*pairs[:6], strict=True)
    scores = scorer.matrix(anchors, [*positives, noise])
    assert (scores.diagonal() > scores[:, -1]).mean() > 0.8
