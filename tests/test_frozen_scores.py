"""Both bundled models score ten pairs as they did when the table beside this file was made."""

import json
from pathlib import Path

import numpy as np
import pytest

from cocola_lib import Scorer
from cocola_lib.fast.inference import probe_clips

FROZEN = json.loads(Path(__file__).with_name("frozen_scores.json").read_text(encoding="utf-8"))


def pairs():
    """Ten pairs of 8 s: clips beside strangers, and beside a mix of themselves with another one."""
    clips = probe_clips(10, 8.0).numpy()
    mixes = [np.float32(0.7) * clips[i] + np.float32(0.2) * clips[(i + 3) % 10] for i in range(10)]
    return [(clips[i], mixes[i] if i % 2 else clips[(i + 1) % 10]) for i in range(10)]


@pytest.mark.parametrize("name", FROZEN)
def test_scores_of_a_bundled_model_have_moved(name):
    scorer = Scorer(name, device="cpu", precision="float32")
    for score, frozen in zip(scorer.score_pairs(pairs()), FROZEN[name], strict=True):
        found = {mode: getattr(score, mode) for mode in frozen}
        assert found == pytest.approx(frozen, rel=1e-4, abs=1e-4)  # another processor rounds otherwise
