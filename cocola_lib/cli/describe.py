"""`cocola models`: what there is to score with, and what a checkpoint holds."""

from pathlib import Path
from typing import Annotated

import typer


def models(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Checkpoints of any format.", show_default="those in the package")
    ] = None,
):
    """List the models in the package, or say what checkpoints hold.

    \b
      cocola models
      cocola models PHALAR_best.ckpt COCOLA_HP_v1.ckpt my_model/
    """
    import pandas as pd

    from cocola_lib.cli import console
    from cocola_lib.models.describe import describe
    from cocola_lib.models.formats import in_package

    console.show_frame(pd.DataFrame([describe(path) for path in paths or in_package()]))
