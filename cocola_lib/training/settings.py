"""The settings of a training run. Notebook 02 and `python -m cocola_lib train` fill them in from a profile."""

from dataclasses import asdict, dataclass

from cocola_lib.masking import MASKINGS
from cocola_lib.sampling import MAX_OVERLAP
from cocola_lib.training.profiles import Profile

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}  # -> Lightning's names
LOGGERS = ("tensorboard", "wandb")
# what may change when a run goes on: none of it moves a weight
FREE = ("n_steps", "n_workers", "patience", "logger")


@dataclass(frozen=True)
class TrainSettings:
    """One run's settings; the defaults are the paper's where it states them.

    Attributes:
        k: K, windows per batch, over all devices.
        n_steps: optimiser steps.
        seed: of weights, batches, masks, noise and dropout.
        learning_rate: of Adam.
        masking: which channel is silenced. "group": a third of the pairs each keeps both, only the harmonic and only
            the percussive channel, and anchors meet only candidates with their own mask. "batch": one mode per step
            for all pairs (batch normalisation then learns whatever mask came last). "pair", the paper: one per
            pair (lets the encoder find its partner by the mask: accuracy sticks at 3/K). "none" keeps both.
        both_ways: the loss over rows and columns; the paper's is over rows.
        ema: decay of a moving average of the weights, which is then validated and kept; 0: none.
        max_overlap: r, between windows of one track in a batch.
        single: one stem per member, not sub-mixes.
        data_start: set the projection from the first batch, so that embeddings start apart.
        valid_every: steps between validations; after each, the state of the run is saved.
        n_valid_pairs: frozen validation pairs, at most.
        patience: validations without a better accuracy before the run stops early; None: never.
        precision: "float32"; "bfloat16" or "float16": mixed, where the device is faster at it.
        n_workers: loader processes per device.
        devices: GPUs (or CPU processes) per machine.
        nodes: machines.
        logger: "tensorboard" or "wandb" beside the CSV; None: the CSV only.
    """

    k: int = 32
    n_steps: int = 100
    seed: int = 0
    learning_rate: float = 1e-3
    masking: str = "group"
    both_ways: bool = False
    ema: float = 0.0
    max_overlap: float = MAX_OVERLAP
    single: bool = False
    data_start: bool = True
    valid_every: int = 20
    n_valid_pairs: int = 128
    patience: int | None = None
    precision: str = "float32"
    n_workers: int = 0
    devices: int = 1
    nodes: int = 1
    logger: str | None = None

    def __post_init__(self):
        choices = {"masking": MASKINGS, "precision": tuple(PRECISIONS), "logger": (None, *LOGGERS)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; use {', '.join(map(str, allowed))}")
        if self.k < 2:
            raise ValueError(f"K is {self.k}; a contrastive batch needs two windows or more")
        for name in ("n_steps", "valid_every", "n_valid_pairs", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
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

    @classmethod
    def of(cls, size: Profile, **changes) -> "TrainSettings":
        """The settings of a profile, with changes; a change of None keeps the profile's number."""
        names = ("k", "n_steps", "valid_every", "n_valid_pairs", "n_workers", "masking")
        shared = {name: getattr(size, name) for name in names} | {"data_start": size.start != "paper"}
        return cls(**shared | {name: value for name, value in changes.items() if value is not None})

    def decisive(self) -> dict:
        """The settings that decide the weights of every step."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}
