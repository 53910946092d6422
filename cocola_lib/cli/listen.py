"""`cocola listen prepare|serve|status|export`: a listening test, from its sounds to the table of ratings."""

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.grouped import options_of

app = typer.Typer(rich_markup_mode=None, help="A listening test: prepare, serve, status, export.")

Folder = Annotated[
    Path | None, typer.Argument(metavar="[STUDY]", help="Folder of the study.", show_default="outputs/quick/listening")
]


@app.callback(invoke_without_command=True)
def listen(context: typer.Context):
    """A listening test: people rate how well two parts belong together.

    \b
      cocola listen serve      opens the test in a browser, without any code
      cocola listen status     how far each listener has got
      cocola listen export     all answers as CSV, for notebook 07
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@dataclass
class Numbers:
    """The options of `prepare` that become `listening.folder.Settings`."""

    seed: Annotated[int, typer.Option(min=0, help="Seed of the items, the faults, and who hears what.")] = 0
    n_items: Annotated[int, typer.Option("--items", min=2, help="Number of conditionings, at most.")] = 24
    pages: Annotated[int, typer.Option(min=1, help="Pages per listener, hidden anchors not counted.")] = 8
    per_page: Annotated[
        int | None, typer.Option(min=1, help="Clips on a page.", show_default="a clip of every system, six at most")
    ] = None
    n_anchors: Annotated[int, typer.Option("--anchors", min=0, help="Pages with a pair of hidden anchors.")] = 1
    n_attention: Annotated[int, typer.Option("--attention", min=0, max=4, help="Clips with beeps to count.")] = 2
    seconds: Annotated[float, typer.Option(max=600, help="Length of a clip, s.")] = 5.0
    listen_s: Annotated[float, typer.Option(help="How much of a clip must be heard before it is rated, s.")] = 3.0
    scale_min: Annotated[int, typer.Option(min=0, max=1, help="0: ratings 0 to 4, as in the paper. 1: 1 to 5.")] = 0


@app.command()
@options_of(Numbers)
def prepare(
    numbers: Numbers,
    study: Folder = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Stems or a data set.", show_default="miniatures, made here")
    ] = None,
    systems: Annotated[
        list[Path] | None, typer.Option(help="Folder with a manifest.csv of outputs to be rated, repeatable.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the data: train, valid or test.")] = "test",
):
    """Make the sounds of a test and keep them in a folder; every listener hears the same ones.

    \b
      cocola listen prepare my_test --data-root /data/stems
      cocola listen prepare my_test --systems outputs_of_model_a/ --systems outputs_of_model_b/

    Listeners rate Random, Shifted, Stretched, Ground Truth and the systems of the folders. A study that someone has
    answered is never overwritten.
    """
    from cocola_lib.listening import prepare as library
    from cocola_lib.listening.folder import Settings

    made = library.from_data(_folder(study), data_root, Settings(**asdict(numbers)), tuple(systems or ()), split)
    n_clips = sum(map(len, made.plan(0)))
    typer.echo(
        f"{made.folder}: {made.deal.n_items} items, {', '.join(made.systems)}; a listener hears {n_clips} clips on "
        f"{len(made.plan(0))} pages. Next: cocola listen serve {made.folder}"
    )


@app.command()
def serve(
    study: Folder = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the local web server.")] = 8866,
    ip: Annotated[
        str, typer.Option(help="127.0.0.1: this computer only. 0.0.0.0 lets the whole network in, unencrypted.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    dark: Annotated[bool, typer.Option("--dark", help="Light letters on a dark page.")] = False,
):
    """Open the test in a browser; listeners see no code. Ctrl+C ends it; answers are safe at any moment.

    \b
      cocola listen serve
      cocola listen serve my_test --port 9000

    Without a study in the folder a small one is made first, from miniature data. Several listeners can take the test
    at the same time, each in a window of their own.
    """
    from cocola_lib.listening import prepare as library
    from cocola_lib.listening.folder import Settings, Study
    from cocola_lib.listening.page import write_page
    from cocola_lib.listening.store import Store

    _refuse_taken(ip, port)
    folder = _folder(study)
    if not (folder / "study.json").exists():
        typer.echo(f"{folder}: no study yet; making one from miniature data", err=True)
        library.from_data(folder, None, Settings(), (), "test")
    made = Study(folder)
    made.check_sounds()
    Store(made).close()  # a damaged file of answers is found now, not by the first listener
    page = write_page(made)
    typer.echo(f"The test: http://{ip}:{port}/ (Ctrl+C ends it). Answers: {made.answers_path.resolve()}", err=True)
    command = [sys.executable, "-W", "ignore", "-m", "cocola_lib.listening.server", str(page)]
    command += [f"--port={port}", f"--Voila.ip={ip}", f"--Voila.open_browser={browser}"]
    command.append(f"--theme={'dark' if dark else 'light'}")
    os.execv(sys.executable, command)


@app.command()
def status(study: Folder = None):
    """List the listeners: pages done, attention checks passed, how they rated the hidden anchors."""
    from cocola_lib.cli import console
    from cocola_lib.listening import results

    store = _store(study)
    frame = results.status(store)
    if len(frame):
        console.show_frame(frame)
    n_finished = int((frame["finished"] != "not yet").sum())
    typer.echo(f"{store.path}: {_listeners(len(frame))}, {n_finished} finished", err=True)


@app.command()
def export(
    study: Folder = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write.", show_default="ratings.csv in the study")] = None,
):
    """Write all answers as a tidy CSV: one row per rating. Safe while the test goes on.

    \b
      cocola listen export
      cocola run --only 07 -p ratings=outputs/quick/listening/ratings.csv

    Attention checks and hidden anchors have rows of their own (columns attention, anchor); they are not systems.
    """
    from cocola_lib.listening import results

    store = _store(study)
    path = out or store.study.folder / "ratings.csv"
    frame = results.export(store, path)
    n_systems = int((~frame["attention"] & ~frame["anchor"]).sum())
    who = _listeners(frame["listener"].nunique())
    typer.echo(f"{path}: {len(frame)} answers of {who}, {n_systems} of them rate systems")


def _listeners(n: int) -> str:
    return f"{n} listener{'s' if n != 1 else ''}"


def _refuse_taken(ip: str, port: int) -> None:
    """One line where another server, which may serve another test, has the port already."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just let go is free
        try:
            probe.bind((ip or "no address", port))  # "" would be every address of this computer
        except OSError as error:
            raise ValueError(f"port {port} of {ip} cannot be used ({error.strerror}); choose another --port") from None


def _folder(study: Path | None) -> Path:
    from cocola_lib.files import default_run_dir

    return study.expanduser() if study is not None else default_run_dir("quick") / "listening"


def _store(study: Path | None):
    """The answers of a study; none yet is an error with the next step in it."""
    from cocola_lib.listening.folder import Study
    from cocola_lib.listening.store import Store

    found = Study(_folder(study))
    if not found.answers_path.exists():
        raise ValueError(
            f"{found.folder}: nobody has taken the test yet; open it with cocola listen serve {found.folder}"
        )
    return Store(found)
