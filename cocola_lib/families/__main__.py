"""The bundled models from nothing: python -m cocola_lib.families make | train | export | outside."""

import multiprocessing
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="Gets the families, 5 MB each.")],
    n: Annotated[int, typer.Option(help="Families.")] = 3600,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = 1,
    held_out: Annotated[bool, typer.Option(help="Music that no training hears, with all variants.")] = False,
):
    """Render families; what is there already stays."""
    from cocola_lib.families import render

    shares = [(folder, n, share, jobs, seed, held_out, typer.echo) for share in range(jobs)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.starmap(render.make, shares)


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(help="Gets the state and the log; goes on from what is there.")],
    families: Annotated[Path, typer.Argument(help="Folder of families.")],
    minutes: Annotated[float, typer.Option(help="Of training in all, over every restart.")] = 120,
    model: Annotated[Literal["hps-all-time", "hps-all", "hps-all-stem"], typer.Option(help="Which.")] = "hps-all-time",
    seed: Annotated[int, typer.Option(help="Of weights and draws.")] = 0,
    start: Annotated[
        Path | None, typer.Option(help="A checkpoint or training to begin from.", show_default="nothing")
    ] = None,
):
    """Train; stop it at any time and call it again."""
    import torch

    from cocola_lib.families import train

    if model == "hps-all-time":  # its steps take no longer than sound: one core is the loader's
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    train.train(folder, families, minutes, model, seed=seed, start=start)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training.")],
    folder: Annotated[Path | None, typer.Option(help="Of the checkpoint.", show_default="the package's own")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the model card.")] = "",
):
    """Write the moving average as the bundled checkpoint, calibrated, with its log and model card."""
    from cocola_lib.families.export import export

    typer.echo(export(run, folder, note))


@app.command()
def outside(
    folder: Annotated[Path, typer.Argument(help="Held-out families: make --held-out.")],
    checkpoint: Annotated[Path | None, typer.Option(help="A model.", show_default="the bundled one")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table there, as CSV.")] = None,
):
    """Measure a model and the control on music that no training heard."""
    from cocola_lib import Scorer
    from cocola_lib.console import show_frame
    from cocola_lib.control import ChromaOnsetControl
    from cocola_lib.families.outside import measure

    scorer = Scorer(checkpoint)
    table = measure({"model": scorer, "control": ChromaOnsetControl()}, folder)
    show_frame(table.round(3))
    if out:
        table.assign(checkpoint=scorer.hash).to_csv(out, index=False)


if __name__ == "__main__":
    app()
