"""Options that several commands share, each described once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

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
