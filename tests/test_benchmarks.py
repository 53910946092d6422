"""Benchmarks run, both sides do the same work, and nothing is asserted about how long it takes."""

import numpy as np
import pytest
import torch

from cocola_lib.features import FrontEnd
from cocola_lib.workshop import benchmarks


def test_both_sides_compute_the_same_features():
    clips = benchmarks.benchmark_clips(2)
    plain = np.stack([benchmarks.plain_features(x) for x in clips.numpy()])
    np.testing.assert_allclose(FrontEnd()(clips).numpy(), plain, atol=0.05)


def test_every_measurement_has_its_plain_side():
    plain = benchmarks.plain_side(4)
    ours = benchmarks.our_side(4)
    assert {benchmarks.PLAIN_OF.get(name, name) for name in ours} == set(plain)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_our_step_trains_every_weight(precision, monkeypatch):
    built = []
    make = benchmarks.Cocola
    monkeypatch.setattr(benchmarks, "Cocola", lambda config: built.append(make(config)) or built[-1])
    step = benchmarks.our_step("b0-time", benchmarks.benchmark_clips(4), precision)
    before = {name: p.detach().clone() for name, p in built[0].named_parameters()}
    step()
    still = [name for name, p in built[0].named_parameters() if torch.equal(p, before[name])]
    assert still == []


def test_the_plain_step_trains_every_weight():
    encoder = torch.nn.Sequential(torch.nn.Conv2d(2, 1280, 8, 8), torch.nn.AdaptiveAvgPool2d(1))
    before = encoder[0].weight.detach().clone()
    benchmarks.plain_step(encoder, benchmarks.benchmark_clips(4))()
    assert not torch.equal(encoder[0].weight, before)
