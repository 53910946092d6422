"""The settings of a training run. Notebook 02 and `cocola train` take them from a profile, with changes."""

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from cocola_lib.masking import Masking
from cocola_lib.sampling import MAX_OVERLAP

Start = Literal["measured", "paper"]
Precision = Literal["float32", "bfloat16", "float16"]
Logger = Literal["tensorboard", "wandb"]
# what may change when a run goes on: none of it moves a weight
FREE = ("n_steps", "n_workers", "patience", "logger")


@dataclass(frozen=True)
class TrainSettings:
    """One run's settings; the defaults are the paper's where it states them.

    Attributes:
        k: K, windows per batch, over all devices.
        n_steps: optimiser steps.
        seed: of weights, batches, masks, noise and dropout.
        start: "measured" learns within minutes: input of unit range, W a multiple of I, and a first batch that sets
            up the model (`start.data_dependent_start`). "paper": raw dB, W from N(0, 0.05), and no such batch.
        learning_rate: of Adam.
        masking: which channel is silenced, see `masking.draw_modes`.
        both_ways: the loss over rows and columns; the paper's is over rows.
        ema: decay of a moving average of the weights, which is then validated and kept; 0: none.
        max_overlap: r, between windows of one track in a batch.
        valid_every: steps between validations; after each, the state of the run is saved.
        n_valid_pairs: frozen validation pairs, at most.
        patience: validations without a better accuracy before the run stops early; None: never.
        precision: "float32"; "bfloat16" or "float16": mixed, where the device is faster at it.
        n_workers: loader processes per device.
        devices: GPUs (or CPU processes) per machine.
        nodes: machines.
        logger: "tensorboard" or "wandb" beside the CSV; None: the CSV only.

    Raises:
        ValueError: a value that cannot be; names it and what can.
    """

    k: int = 32
    n_steps: int = 100
    seed: int = 0
    start: Start = "measured"
    learning_rate: float = 1e-3
    masking: Masking = "group"
    both_ways: bool = False
    ema: float = 0.0
    max_overlap: float = MAX_OVERLAP
    valid_every: int = 20
    n_valid_pairs: int = 128
    patience: int | None = None
    precision: Precision = "float32"
    n_workers: int = 0
    devices: int = 1
    nodes: int = 1
    logger: Logger | None = None

    def __post_init__(self):
        choices = {"masking": Masking, "start": Start, "precision": Precision, "logger": Logger}
        for name, allowed in choices.items():
            if getattr(self, name) not in (*get_args(allowed), *((None,) if name == "logger" else ())):
                raise ValueError(f"{name} is {getattr(self, name)!r}; use {', '.join(get_args(allowed))}")
        if self.k < 2:
            raise ValueError(f"K is {self.k}; a contrastive batch needs two windows or more")
        for name in ("n_steps", "valid_every", "n_valid_pairs", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}; give 1 or more validations, or None for no early stopping")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}; the decay of a moving average lies in [0, 1)")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if self.k % self.world_size:
            raise ValueError(
                f"K is {self.k}, which {self.devices} devices on {self.nodes} machines cannot share equally; "
                f"use a multiple of {self.world_size}"
            )

    @property
    def world_size(self) -> int:
        """Processes that share a batch."""
        return self.devices * self.nodes

    def decisive(self) -> dict:
        """The settings that decide the weights of every step."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}
