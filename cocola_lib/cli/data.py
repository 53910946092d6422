"""`cocola data list|prepare|download|mini`: what there is, how to get it, and copies that are fast to read."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.data.names import one_line

app = typer.Typer(rich_markup_mode=None, help="Data sets: list, prepare, download, mini.")

DataRoot = Annotated[
    Path | None,
    typer.Option(help="A data set, or a folder of several.", show_default="COCOLA_DATA, or the user's cache"),
]


@app.callback(invoke_without_command=True)
def data(context: typer.Context):
    """Data sets: what there is, how to get it, and copies that are fast to read."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_data(data_root: DataRoot = None):
    """List the data sets in a folder: splits, hours, stems; and what can be downloaded or made.

    \b
      cocola data list
      cocola data list --data-root /my/data
    """
    import pandas as pd

    from cocola_lib.cli import console
    from cocola_lib.data import download, miniatures
    from cocola_lib.data.tracks import find_datasets, load_tracks, miniature
    from cocola_lib.files import data_dir

    root, rows = data_root or data_dir(), []
    try:
        homes = find_datasets(root)
    except (ValueError, FileNotFoundError):
        if data_root is not None:
            raise
        homes = []
    for _, home in homes:
        size = miniature(home).get("size")
        for name, tracks in _by_split(load_tracks(home, on_error="skip")).items():
            minutes = sum(t.duration_s for t in tracks) / 60
            stems = sum(len(t.stems) for t in tracks) / len(tracks)
            shown = f"{name[0]} ({size})" if size else name[0]
            row = {"dataset": shown, "split": name[1], "tracks": len(tracks), "minutes": round(minutes, 1)}
            rates = sorted({t.sample_rate for t in tracks})
            rows.append(row | {"stems": round(stems, 1), "rate_hz": "/".join(map(str, rates)), "folder": str(home)})
    if rows:
        console.show_frame(pd.DataFrame(rows))
    typer.echo(f"{len(homes)} data set{'s' * (len(homes) != 1)} in {root}", err=True)
    if data_root is None:
        remote = ", ".join(f"{name} ({d.size_gb:g} GB)" for name, d in download.DATASETS.items())
        typer.echo(f"cocola data mini: {', '.join(miniatures.MODULES)}", err=True)
        typer.echo(f"cocola data download: {remote}, demos (recordings and generators' answers)", err=True)
        typer.echo(f"MoisesDB: {download.MOISESDB}", err=True)


@app.command()
def prepare(
    data_root: Annotated[Path, typer.Option(help="A data set, or a folder of several.")],
    out: Annotated[Path, typer.Option(help="Folder for the copies; give it as data root afterwards.")],
    dataset: Annotated[str | None, typer.Option(help="This data set only.")] = None,
    format: Annotated[str, typer.Option(help="wav seeks fastest, flac takes about half the space.")] = "wav",
    jobs: Annotated[int | None, typer.Option(min=1, help="How many threads.", show_default="one per core")] = None,
    on_error: Annotated[str, typer.Option(help="Broken tracks: raise stops, skip leaves them out.")] = "raise",
    keep_unrelated: Annotated[
        bool, typer.Option("--keep-unrelated", help="Keep folders whose stems do not sound together.")
    ] = False,
    tile_loops: Annotated[
        bool, typer.Option("--tile-loops", help="Repeat loops that are a half, a third, ... of their track.")
    ] = False,
):
    """Resample every stem once, to 16 kHz mono 16-bit files that training reads by seeking.

    \b
      cocola data prepare --data-root /my/slakh2100_flac_redux --out /fast/slakh
      cocola train --data-root /fast/slakh

    Run it again after an interruption: finished tracks are kept, changed ones are made again.
    """
    from cocola_lib.cli import console
    from cocola_lib.data import prepare as library
    from cocola_lib.data.tracks import load_tracks

    if out.resolve().is_relative_to(data_root.resolve()):
        raise ValueError(f"{out} lies in {data_root}, which would hold every song twice; choose a folder outside it")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracks = load_tracks(data_root, dataset, None, on_error, keep_unrelated, tile_loops)
    written, broken = library.prepare(tracks, out, format, jobs, on_error, console.progress_bar("prepare"))
    kept = len(tracks) - written - len(broken)
    typer.echo(f"{out}: {written} tracks written, {kept} kept")
    said = [*(str(warning.message) for warning in caught), *(f"left out: {reason}" for reason in broken)]
    for line in said:
        typer.echo(one_line(line), err=True)
    if any("left out" in line for line in said):
        raise typer.Exit(1)


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A data set that `cocola data list` shows, or demos.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", "--out", help="Folder to unpack into.", show_default="COCOLA_DATA, or the user's cache"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before downloading.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archives after unpacking.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Demos: also those that state no licence that allows it.")
    ] = False,
    recheck: Annotated[bool, typer.Option("--recheck", help="Demos: which of those here changed upstream?")] = False,
):
    """Download and unpack a data set that needs no login; its checksum is verified.

    \b
      cocola data download cocochorales-tiny --to /my/data
      cocola data download demos       # public recordings and generators' answers, into demos/{multitrack,generated}

    Run it again after an interruption: it goes on where it stopped.
    """
    from cocola_lib.cli import console
    from cocola_lib.data import demos
    from cocola_lib.data import download as library
    from cocola_lib.files import data_dir

    folder = Path(to or data_dir()).expanduser()
    if name == demos.NAME:
        _download_demos(folder / demos.NAME, every, recheck, yes)
        return
    if every or recheck:
        raise ValueError(f"--all and --recheck are for {demos.NAME}; a data set is downloaded whole")
    chosen = library.get(name)
    if not library.is_there(chosen, folder):
        typer.echo(library.describe(chosen, folder), err=True)
        if not yes and not console.agreed():
            raise ValueError("nothing was downloaded; answer y, or give --yes")
    typer.echo(library.fetch(chosen, folder, keep=keep))


@app.command()
def mini(
    names: Annotated[list[str] | None, typer.Argument(help="Miniatures.", show_default="all of them")] = None,
    size: Annotated[str, typer.Option(help="tiny, small or large.")] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other music.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="How many processes.", show_default="one per core")] = None,
):
    """Make miniature data sets here, without any download; finished ones are kept.

    \b
      cocola data mini
      cocola data mini mini-slakh2100 --size tiny
    """
    from cocola_lib.data import miniatures

    for name in names or miniatures.MODULES:
        typer.echo(miniatures.ensure(name, size, seed, jobs=jobs))


def _download_demos(folder, every, recheck, yes):
    """Fetch the demos whose licence allows it, or every one; say which files are missing or odd."""
    from cocola_lib.cli import console
    from cocola_lib.data import demos

    table = demos.table()
    chosen = [demo for demo in table if demo.open or every]
    if recheck or not all((folder / demo.file).exists() for demo in chosen):
        more = f" --all fetches {len(table) - len(chosen)} more, whose licence does not say that you may."
        typer.echo(demos.describe(chosen, folder) + more * (len(chosen) < len(table)), err=True)
        if not yes and not console.agreed():
            raise ValueError("nothing was downloaded; answer y, or give --yes")
    found = demos.fetch(chosen, folder, recheck)
    for remark in found.remarks:
        typer.echo(remark, err=True)
    typer.echo(f"{folder}: {found.written} files written, {found.kept} kept")
    if found.written + found.kept < len(chosen):
        raise typer.Exit(1)


def _by_split(tracks):
    """Tracks by (data set, split), in the order train, valid, test."""
    order = {"train": 0, "valid": 1, "test": 2}
    groups = {}
    for track in sorted(tracks, key=lambda t: (t.dataset, order[t.split])):
        groups.setdefault((track.dataset, track.split), []).append(track)
    return groups
