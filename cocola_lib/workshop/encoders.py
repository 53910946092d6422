"""The encoders of notebook 09, trained for longer: `python -m cocola_lib.workshop.encoders` makes the stored table.

All learn from the same miniature songs, and are asked about songs that none of them heard; with `--recordings`, about
music by people as well, which none of them is ever trained on. Cells that have finished are kept: stop it, and call it
again.
"""

from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.classification.trials import STORED, compare, summarise
from cocola_lib.data import miniatures
from cocola_lib.files import write_csv, write_json
from cocola_lib.models.provenance import provenance
from cocola_lib.training.encoders import ENCODERS
from cocola_lib.training.grids import run_grid


def main(
    folder: Annotated[Path, typer.Argument(help="Of the grid's cells; an interrupted run goes on from them.")],
    minutes: Annotated[list[float] | None, typer.Option(help="Of processor time, each encoder and seed.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each encoder.")] = 3,
    recordings: Annotated[Path | None, typer.Option(help="Pieces with stems, by people: another test.")] = None,
    out: Annotated[Path, typer.Option(help="The table, CSV; its provenance goes beside it.")] = STORED,
    size: Annotated[str, typer.Option(help="Of the miniatures.")] = "small",
    pairs: Annotated[int, typer.Option(help="Of each test.")] = 80,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
):
    """Train every encoder with every seed, ask them all, and write what was found."""
    grid = {"minutes": minutes or [1.0], "encoder": list(ENCODERS), "seed": list(range(seeds))}
    fixed = {"data_root": None, "size": size, "n": pairs, "recordings": recordings and str(recordings.resolve())}
    table = run_grid(compare, grid, folder, fixed=fixed, n_workers=workers, report=typer.echo)
    write_csv(out, summarise(table))
    origin = provenance(miniatures.open_tracks(None, size), 0)
    settings = {name: values for name, values in grid.items() if name != "encoder"} | {"pairs": pairs}
    write_json(out.with_suffix(".json"), origin | settings)


if __name__ == "__main__":
    typer.run(main)
