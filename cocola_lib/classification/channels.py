"""The two channels put to the test: models with and without them, in every mode, on pairs, harmony and rhythm.

Used by notebook 08.
"""

from pathlib import Path

import pandas as pd

from cocola_lib.classification.cells import CHANNELS, ask, similarities
from cocola_lib.hearing import alignment
from cocola_lib.hearing.probes import Probe
from cocola_lib.models import checkpoints
from cocola_lib.scoring import Scorer
from cocola_lib.training.small_runs import Pool


def ask_all(cells: pd.DataFrame, folder: Path, pools: dict[str, Pool], sets: dict[str, list[Probe]]) -> pd.DataFrame:
    """What every model of a grid answers in every mode that it has.

    Args:
        cells: what `grids.run_grid` gave for `cells.train`, with a column `channels`. folder: of the grid.
        pools: kind of features -> the same pairs.
        sets: from `alignment.make_sets`.

    Returns:
        channels, mode, test ("partner, K = 2", and those of `alignment.TESTS`), seed, track, accuracy, n_pairs.
    """
    rows = []
    for cell in cells.to_dict("records"):
        model, pool = (
            checkpoints.load(Path(folder) / cell["checkpoint"])[0].eval(),
            pools[CHANNELS[cell["channels"]][0]],
        )
        found = [
            ask(similarities(model, pool.features, mode), pool.groups).assign(mode=mode, test="partner, K = 2")
            for mode in model.modes
        ]
        found.append(alignment.ask(Scorer.from_model(model), sets))
        rows.append(pd.concat(found).assign(channels=cell["channels"], seed=cell["seed"]))
    return pd.concat(rows, ignore_index=True)
