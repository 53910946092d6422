"""What a musician would expect of a score, printed: `python -m cocola_lib.workshop.responses --pairs 24`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cocola_lib.cli.console import show_frame
from cocola_lib.data import miniatures
from cocola_lib.files import write_json
from cocola_lib.hearing.responses import acceptance, make_sets, respond, summarise
from cocola_lib.scoring import Scorer


def main(
    checkpoint: Annotated[Path | None, typer.Option(help="Folder of a model; without it, the bundled one.")] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of each kind.")] = 24,
    out: Annotated[Path | None, typer.Option(help="Write the tables there, as JSON.")] = None,
    size: Annotated[str, typer.Option(help="Size of the miniatures: tiny, small or large.")] = "small",
    split: Annotated[str, typer.Option(help="Which tracks: test, valid or train.")] = "test",
    seed: Annotated[int, typer.Option()] = 0,
    control: Annotated[bool, typer.Option("--control", help="Measure the control without learning.")] = False,
):
    """Measure what a score reacts to on held-out miniature songs, and print what a musician would expect."""
    tracks = [track for track in miniatures.open_tracks(None, size) if track.split == split]
    metric, name = (Scorer("control"), "control") if control else (Scorer(checkpoint), "model")
    table = respond(metric, make_sets(tracks, pairs, seed), name)
    summary, expected = summarise(table, seed), acceptance(table, seed)
    show_frame(expected)
    if out is not None:
        frames = {"acceptance": expected, "doses": summary, "scores": table}
        content = {key: json.loads(frame.to_json(orient="records")) for key, frame in frames.items()}
        write_json(out, {"rater": name, "checkpoint": str(checkpoint or ""), **content})
        print(f"{out}: acceptance, doses and scores written")


if __name__ == "__main__":
    typer.run(main)
