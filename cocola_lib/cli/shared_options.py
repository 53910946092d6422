"""Options that several commands share, each described once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="hps-all-measured, hps-all-time, hps-all, control, a folder, or a released .ckpt (COCOLA, PHALAR).",
        show_default="hps-all-measured",
    ),
]
Device = Annotated[str, typer.Option(help="auto (CUDA, then MPS, then the CPU), cpu, cuda, cuda:1 or mps.")]
Hop = Annotated[float, typer.Option(help="Seconds from one window of 5 s to the next.")]
BatchSize = Annotated[int, typer.Option(help="Windows of 5 s per batch; lower it when memory runs out.")]


@dataclass
class Model:
    """Which model scores, and how."""

    checkpoint: Checkpoint = None
    device: Device = "auto"
    batch_size: BatchSize = 64

    def open(self):
        """Its `Scorer`."""
        from cocola_lib.scoring import Scorer

        return Scorer(self.checkpoint, self.device, self.batch_size)


@dataclass
class Crew:
    """Who does work that many can share."""

    backend: Annotated[
        Literal["local", "dask"] | None,
        typer.Option(help="Processes of this machine, or workers of dask.distributed.", show_default=False),
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many on this machine.", show_default="one per core")
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler.", show_default="a cluster here")
    ] = None

    def options(self) -> dict:
        """What was given, as `fast.workers.Workers` takes it."""
        given = {"backend": self.backend, "n_workers": self.workers, "scheduler": self.scheduler}
        return {name: value for name, value in given.items() if value is not None}
