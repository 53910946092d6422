"""Published generators: own against foreign accompaniment, and the ladder, measured where their outputs are at hand.

    python -m cocola_lib.workshop.published FOLDER

FOLDER holds SYSTEM/EXAMPLE/{context,output,reference}.flac, as `cocola data download demos` writes them. The two tables
lie in the package, with what they were made with, so that notebook 04 shows them where the outputs are not at hand.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from cocola_lib.accompaniment.beats import open_tracker
from cocola_lib.accompaniment.evaluate import Plan, evaluate_folders
from cocola_lib.accompaniment.layouts import content
from cocola_lib.accompaniment.published import RUNGS, STORED, STORED_LADDER, ladder, own_against_foreign
from cocola_lib.files import write_csv
from cocola_lib.scoring import Scorer

EMBEDDERS = ("log-mel", "COCOLA")  # those that need no download
PLAIN = ("Random", "Ground Truth")  # baselines that distances need


def folder_hash(folder: Path) -> str:
    """A name for exactly these files: 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + content(path).encode())
    return digest.hexdigest()[:16]


def main(
    folder: Annotated[Path, typer.Argument(help="Outputs of generators.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for everything that the ladder is made of.")] = Path("published"),
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
):
    """Measure published outputs of generators."""
    metrics = {"COCOLA": Scorer(), "control": Scorer("control")}
    origin = {"checkpoint": metrics["COCOLA"].hash, "seed": seed, "data": folder_hash(folder)}
    rungs = [folder / system for system in RUNGS if (folder / system).is_dir()]
    plan = Plan(baselines=PLAIN, embedders=EMBEDDERS, tracker="librosa", seed=seed)
    orders = ladder(evaluate_folders(rungs, out, metrics["COCOLA"], plan).table)
    write_csv(STORED_LADDER, orders.assign(**origin))
    own = own_against_foreign(folder, metrics, open_tracker("librosa"), seed)
    write_csv(STORED, own.assign(**origin))
    for table in (orders, own):
        typer.echo(pd.DataFrame(table).round(3).to_string())


if __name__ == "__main__":
    typer.run(main)
