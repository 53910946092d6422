"""The command line: `python -m cocola_lib COMMAND`, also installed as `cocola`. One file per group of commands.

Heavy imports live inside the functions, so that `--help` answers at once.
"""

from typing import Annotated

import typer

from cocola_lib import __version__
from cocola_lib.cli import accompany, data, describe, grid, listen, models, run, score, stems, train

app = typer.Typer(
    name="cocola",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""COCOLA: do these musical stems belong together?

    \b
      cocola run                               execute the notebooks, the whole study
      cocola train hps-all-time                train a model
      cocola grid grid.yaml                    notebooks or trainings for many values of their parameters
      cocola score mix.wav bass.wav            score one pair
      cocola rank mix.wav loops/               list the loops that fit a mix best
      cocola accompany evaluate outputs/       judge a generator by a folder of its outputs (Table III)
      cocola COMMAND --help                    everything about one command

    An error is one line on stderr, with exit code 2; exit code 1 means that some rows failed.
    """,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cocola {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command(help=score.SCORE_HELP)(score.score)
app.command(help=score.RANK_HELP)(score.rank)
app.command(help=stems.STEMS_HELP)(stems.score_stems)
app.command(help=stems.MATRIX_HELP)(stems.matrix)
app.command()(describe.models)
app.command(help=models.CALIBRATE_HELP)(models.calibrate)
app.command(help=models.CONVERT_HELP)(models.convert)
app.command(help=models.EXPORT_HELP)(models.export)
app.command()(run.run)
app.command()(train.train)
app.command(help=grid.GRID_HELP)(grid.grid)
app.add_typer(data.app, name="data")
app.add_typer(accompany.app, name="accompany")
app.add_typer(listen.app, name="listen")
