"""The checkpoint `hps-all-measured`: a learnt model, measured onsets and chroma beside it, and three weights.

    python -m cocola_lib.workshop.fused --learnt 0.636 --onsets 9.6704 --chroma 5.0658

writes `models/weights/hps-all-measured/config.json`, calibrated on the pairs of the control. The model's card, beside
it, says where the weights come from.
"""

from typing import Annotated

import typer

from cocola_lib.models import checkpoints
from cocola_lib.models.formats import IN_PACKAGE, checkpoint_hash
from cocola_lib.models.fused import Fused
from cocola_lib.workshop.control import validation_pairs, write_calibrated

LEARNT = "hps-all-time"
MEASURED = IN_PACKAGE / "hps-all-measured"


def main(
    learnt: Annotated[float, typer.Option(help="Weight of what is learnt.")],
    onsets: Annotated[float, typer.Option(help="Weight of the onsets.")],
    chroma: Annotated[float, typer.Option(help="Weight of the chroma.")],
):
    """Calibrate the model with these weights of its three blocks, and write its checkpoint."""
    weights = {"learnt": learnt, "onsets": onsets, "chroma": chroma}
    settings = {"learnt": LEARNT, "learnt_hash": checkpoint_hash(LEARNT), "weights": weights}
    drawn = validation_pairs()
    known = write_calibrated(MEASURED, Fused(checkpoints.load(LEARNT)[0], weights), settings, drawn, LEARNT)
    for mode, entry in known.modes.items():
        typer.echo(f"{mode}: {entry}")


if __name__ == "__main__":
    typer.run(main)
