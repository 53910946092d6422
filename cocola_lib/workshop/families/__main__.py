"""The bundled models from nothing: python -m cocola_lib.workshop.families make | train | export | outside | songs."""

import multiprocessing
import os
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer

from cocola_lib.cli.console import show_frame
from cocola_lib.files import write_csv

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
    from cocola_lib.workshop.families import render

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
    teacher: Annotated[
        str | None, typer.Option(help="A model whose scores are imitated early, as hps-all-time.", show_default="none")
    ] = None,
):
    """Train; stop it at any time and call it again."""
    import torch

    from cocola_lib.workshop.families import train

    if model == "hps-all-time":  # its steps take no longer than sound: one core is the loader's
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    train.train(folder, families, minutes, model, origin=train.Origin(seed, start, teacher))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training.")],
    folder: Annotated[Path | None, typer.Option(help="Of the checkpoint.", show_default="the package's own")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the model card.")] = "",
    blend: Annotated[
        str | None, typer.Option(help="A model to take the mean of the weights with.", show_default="none")
    ] = None,
):
    """Write the moving average as the bundled checkpoint, calibrated, with its log and model card."""
    from cocola_lib.workshop.families.export import export

    typer.echo(export(run, folder, note, blend))


Checkpoint = Annotated[str | None, typer.Option(help="A model: a folder, or a name.", show_default="the bundled one")]
Out = Annotated[Path | None, typer.Option(help="Write the table there, as CSV.")]


@app.command()
def outside(
    folder: Annotated[Path, typer.Argument(help="Held-out families: make --held-out.")],
    checkpoint: Checkpoint = None,
    out: Out = None,
    responses: Annotated[Path | None, typer.Option(help="Write there what it reacts to, as CSV.")] = None,
):
    """Measure a model and the control on music that no training heard."""
    from cocola_lib.hearing.responses import acceptance, respond
    from cocola_lib.workshop.families.outside import measure, probes

    metrics, how = _metrics(checkpoint), ("outside FOLDER", 0)
    _show(measure(metrics, folder), metrics, out, *how)
    sets = probes(folder)
    found = [acceptance(respond(metric, sets, name)).assign(rater=name) for name, metric in metrics.items()]
    _show(pd.concat(found, ignore_index=True), metrics, responses, *how)


@app.command()
def songs(
    folder: Annotated[Path, typer.Argument(help="Gets the songs; those that are there stay.")],
    checkpoint: Checkpoint = None,
    out: Out = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of every miniature: 1, 2, ...")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 2,
):
    """Measure a model and the control on more test songs than the miniatures have: those of other seeds."""
    from cocola_lib.workshop.families.songs import measure_seeds

    metrics = _metrics(checkpoint)
    table = measure_seeds(metrics, folder, range(1, seeds + 1), jobs)
    _show(table, metrics, out, f"songs FOLDER --seeds {seeds}", f"1 to {seeds}")


def _metrics(checkpoint):
    from cocola_lib import Scorer

    return {"model": Scorer(checkpoint), "control": Scorer("control")}


def _show(table, metrics, out, command, seed):
    show_frame(table.round(3))
    if out:
        origin = {"checkpoint": metrics["model"].hash, "seed": seed}
        write_csv(out, table.assign(**origin, command=f"python -m cocola_lib.workshop.families {command}"))


if __name__ == "__main__":
    app()
