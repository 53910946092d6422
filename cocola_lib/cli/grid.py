"""`cocola grid`: notebooks or trainings for every combination of some parameters."""

from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.grouped import options_of
from cocola_lib.cli.shared_options import Crew

GRID_HELP = """Run notebooks, or a training, for every combination of parameters, on all cores or many machines.

\b
  cocola grid grid.yaml
  cocola grid grid.yaml --backend dask --workers 4
  cocola grid grid.yaml --backend dask --scheduler tcp://10.0.0.1:8786
  cocola grid grid.yaml --figure k,max_overlap --value "02.valid_accuracy[k=16].accuracy"

\b
The file says what runs, and which values each parameter takes:
  notebooks: ["02", "03"]          # or  train: b0-time
  profile: quick
  data_root: /data/stems           # without it: miniatures
  parameters:
    k: [16, 32, 64]
    max_overlap: [0.0, 0.5]
  fixed: {n_steps: 100}

Each cell gets a folder of its own, named by its parameters. The same command goes on where an earlier one stopped: a
finished cell is read, a failed one is left as it is, with its notebook and error.txt, until --retry. grid.csv has the
parameters and all numbers that a cell reports; the exit code is 1 if cells have failed. A cell whose Dask worker is
lost runs on another one. Workers on other machines must see the same folders.
"""


@options_of(Crew)
def grid(
    crew: Crew,
    file: Annotated[Path, typer.Argument(metavar="GRID.YAML", help="What runs, and with which parameters.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of the cells and of grid.csv.", show_default="outputs/grids/<name>")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the failed cells again.")] = False,
    figure: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Two parameters: draw --value over them, means over the others.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="The column of grid.csv to draw.")] = None,
):
    """Run every cell of a grid that has not finished (see `GRID_HELP`)."""
    from cocola_lib.cli.grid_file import read_grid
    from cocola_lib.files import default_run_dir
    from cocola_lib.training import grids

    if (figure is None) != (value is None):
        raise ValueError("--figure and --value go together: two parameters, and the number to draw")
    given = read_grid(file)
    axes = _axes(figure, given.parameters) if figure else None
    folder = run_dir or default_run_dir("grids") / file.stem
    try:
        cells = _cells(given, folder)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    table = grids.run_cells(cells, retry=retry, report=typer.echo, **crew.options())
    typer.echo(f"{folder / grids.TABLE}: {len(table)} rows")
    if axes:
        _draw(table, axes, value, folder)
    if any(cell.failure() for cell in cells):
        raise typer.Exit(1)


def _cells(given, folder):
    """The cells of a grid, each of which could run: names, values, notebooks and data are looked at first."""
    from cocola_lib.data.miniatures import open_tracks
    from cocola_lib.training.cells import cells_of

    if given.notebooks:
        from cocola_lib.notebook import grid_cells as kind

        task, fixed = kind.notebooks_cell, {"notebooks": given.notebooks}
    else:
        from cocola_lib.training import by_name as kind

        task, fixed = kind.train_cell, {}
    fixed |= {name: _seen_from_anywhere(name, value, kind.PATHS) for name, value in given.fixed.items()}
    parameters = {
        name: [_seen_from_anywhere(name, value, kind.PATHS) for value in values] if isinstance(values, list) else values
        for name, values in given.parameters.items()
    }
    cells = cells_of(task, parameters, folder, fixed)
    for data in dict.fromkeys(kind.check_cell(**cell.parameters, **cell.fixed) for cell in cells):
        open_tracks(*data)
    return cells


def _seen_from_anywhere(name, value, paths):
    """A path as all workers see it: in the file it is meant from the folder that the command is given in."""
    from cocola_lib.data.names import from_anywhere

    return from_anywhere(value) if name in paths and isinstance(value, str) else value


def _axes(figure, parameters):
    """The two parameters of the figure."""
    names = [name.strip() for name in figure.split(",")]
    if len(names) != 2 or names[0] == names[1] or not set(names) <= parameters.keys():
        raise ValueError(f"--figure {figure}: expected two parameters as X,Y; the grid has {', '.join(parameters)}")
    return names


def _draw(table, axes, value, folder):
    """Save the figure and say where."""
    from cocola_lib.notebook.plots.grids import save_grid

    known = list(table.select_dtypes("number").columns.difference(axes, sort=False))
    if value not in known:
        more = f" and {len(known) - 12} more, see the first line of grid.csv" if len(known) > 12 else ""
        raise ValueError(f"--value {value}: not a number of this grid; it has {', '.join(known[:12])}{more}")
    typer.echo(save_grid(table, *axes, value, folder / "grid.png"))
