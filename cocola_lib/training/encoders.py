"""Encoders to compare: one registry, and one way to train them all.

Each learns from the same pairs with the same contrastive step (Eq. 3), for the same time: seconds that a processor
spent on it (`time.process_time`), so that what else the machine does takes nothing away. `classification.trials` asks
them; notebook 09 shows what comes out.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cocola_lib.data.stems import Track
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.masking import contrastive_step
from cocola_lib.models.backbones import COLUMNS, CONFORMER
from cocola_lib.models.beside import Alone, Beside, measure
from cocola_lib.models.phalar import Phalar, PhalarConfig
from cocola_lib.training.small_runs import CONSTANT_Q, LEARNING_RATE, Pool, steps_within
from cocola_lib.training.start import data_dependent_start

K = 16  # in training: windows per step
DRAW = 64  # windows drawn together, and clips of the data-dependent start


@dataclass(frozen=True)
class Encoder:
    """One row of the comparison.

    Attributes:
        what: it is, in words.
        build: makes an untrained model, with the interface of a `Cocola`.
        kind: of features, see `small_runs.Pool`.
        measured: does it hear measured onsets and chroma, too?
        learning_rate: of Adam.
    """

    what: str
    build: Callable[[], nn.Module]
    kind: str = "hps"
    measured: bool = False
    learning_rate: float = LEARNING_RATE


def _cocola(**settings) -> Callable[[], nn.Module]:
    return functools.partial(Cocola, ModelConfig(**settings))


MUSICAL = {"backbone": COLUMNS, "pooling": "musical", "time_steps": 64}  # the default model's learnt part
IN_TIME = {"backbone": CONFORMER, "pooling": "time"}
ENCODERS = {
    "b0-average": Encoder("EfficientNet-B0, averaged over 5 s: the paper's", _cocola()),
    "b0-time": Encoder("EfficientNet-B0 tapped at 80 ms, a head that keeps time", _cocola(pooling="time")),
    "convnext-time": Encoder(
        "ConvNeXt (atto, timm) tapped at 80 ms, a head that keeps time",
        _cocola(backbone="convnext_atto", pooling="time"),
    ),
    "conformer-time": Encoder("convolutions over time, then attention; a head that keeps time", _cocola(**IN_TIME)),
    "phalar": Encoder(
        "PHALAR: constant-Q levels, and the phase of what recurs",
        lambda: Phalar(PhalarConfig(symmetric=False)),
        kind=CONSTANT_Q,
        learning_rate=4e-3,  # its authors' for Adam
    ),
    "columns": Encoder("columns of bands, rhythm | harmony | key: the default's learnt part", _cocola(**MUSICAL)),
    "measured": Encoder("measured onsets and chroma alone: two weights to learn", Alone, measured=True),
    "conformer-measured": Encoder(
        "the conformer, learning beside measured onsets and chroma",
        lambda: Beside(ModelConfig(**IN_TIME)),
        measured=True,
    ),
}


class WithMeasured(Pool):
    """A pool whose pairs are heard with their measured numbers beside the features."""

    def inputs(self, chosen):
        """(2K, C, M, T) and (2K, 370)."""
        return super().inputs(chosen), self.described[chosen].transpose(0, 1).flatten(0, 1)


def make_pool(encoder: Encoder, tracks: list[Track], n: int, seed: int, training: bool) -> Pool:
    """What an encoder hears of tracks: n pairs, the same for every encoder; fewer where no more fit.

    Args:
        training: noise is added, and no two of 64 windows in a row overlap by more than half; else no two of all.
    """
    k = min(n, DRAW) if training else n
    options = {} if training else {"noise_sigma": 0.0}
    if encoder.measured:
        options["describe"] = lambda clip: measure(torch.from_numpy(clip)[None])[0].numpy()
    kind = WithMeasured if encoder.measured else Pool
    return kind(tracks, k, max(1, n // k), seed=seed, kind=encoder.kind, **options)


def teach(encoder: Encoder, pool: Pool, minutes: float, seed: int = 0, k: int = K) -> tuple[nn.Module, int]:
    """Train an encoder for so many minutes of processor time.

    Args:
        encoder: of `ENCODERS`. pool: what it hears, from `make_pool`.
        minutes: of `time.process_time`; one step at least.
        seed: of weights, order and dropout. k: K.

    Returns:
        (model in evaluation mode, steps).
    """
    torch.manual_seed(seed)
    rng, model = np.random.default_rng(seed), encoder.build()
    if isinstance(model, Cocola):
        data_dependent_start(model, pool.features[: DRAW // 2].flatten(0, 1))
    model, k = model.to(memory_format=torch.channels_last).train(), min(k, len(pool.features))
    optimiser = torch.optim.Adam(model.parameters(), lr=encoder.learning_rate)
    for step, _ in steps_within(optimiser, minutes, time.process_time, encoder.learning_rate):  # noqa: B007
        chosen = torch.from_numpy(rng.choice(len(pool.features), k, replace=False))
        loss, _ = contrastive_step(model, pool.inputs(chosen), ["both"] * k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return as_scored(model.eval()), step


def as_scored(model: nn.Module) -> nn.Module:
    """The same model as it is asked: PHALAR's score is the mean of both directions, which it is not in training."""
    if isinstance(model, Phalar):
        model.config = PhalarConfig(symmetric=True)
    return model
