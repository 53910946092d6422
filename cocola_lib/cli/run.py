"""`cocola run`: the whole study, notebook after notebook."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.files import default_run_dir

CellMinutes = Annotated[
    float | None,
    typer.Option(min=0.01, help="A cell that takes longer has hung; it ends the run.", show_default="the profile's"),
]


def run(
    profile: Annotated[str, typer.Option(help="How much runs: smoke, quick or full.")] = "quick",
    data_root: Annotated[
        Path | None, typer.Option(help="Your stems or a data set.", show_default="miniatures, made on this machine")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes.", show_default="outputs/<profile>")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="Run only the notebooks whose names begin so: --only 00 --only 01.")
    ] = None,
    cell_minutes: CellMinutes = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="A notebook parameter as name=value, repeatable.")
    ] = None,
):
    """Execute the notebooks in order, and keep them with their figures, tables and results.

    \b
      cocola run
      cocola run --profile full --data-root /data/stems
      cocola run --only 02 -p k=64 -p recipe=hps-all --run-dir outputs/k64
      cocola run --only 04 -p folders=outputs_a/,outputs_b/

    This needs a clone of the repository. Each parameter goes to the notebooks that have it. Paths are meant as seen
    from the folder that you are in.
    """
    from cocola_lib.notebook import study
    from cocola_lib.training.profiles import get_profile

    pairs = [text.split("=", 1) for text in parameter or []]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"--parameter {parameter}: expected name=value")
    size = get_profile(profile)
    size = replace(size, cell_minutes=cell_minutes or size.cell_minutes)
    folder = run_dir or default_run_dir(profile)
    executed = study.run_notebooks(size, folder, data_root, seed, dict(pairs), only)
    typer.echo(study.summary(folder, executed))
