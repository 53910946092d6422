"""Encoders on trial: all are trained for the same processor time, and asked for the partners of the same windows.

The windows are of songs that none of them heard (Eq. 4), and their rivals are windows of other songs. A trial is a cell
of a grid (`training.grids`). Notebook 09 shows what comes out.
"""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from cocola_lib.classification.partners import hits
from cocola_lib.classification.seeds import over_seeds_and_songs
from cocola_lib.data import miniatures
from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.data.tracks import load_tracks, of_split
from cocola_lib.encoder import Cocola
from cocola_lib.training.encoders import ENCODERS, Encoder, make_pool, teach
from cocola_lib.training.fitting import training_tracks
from cocola_lib.training.recipes import get_recipe
from cocola_lib.training.small_runs import Pool

KS = (2, 8, 64)
TESTS = {"chorales": "mini-cocochorales", "band": "mini-slakh2100"}  # name of a test -> data set
RECORDINGS = "recordings"  # a third test, where some are at hand
STORED = Path(__file__).with_name("encoders.csv")  # the table of a longer run, from `workshop.encoders`
HEARD = 8  # pairs to learn from, for each that is asked
TIMED = 4  # pairs of clips that the scoring time is measured on


def ask(model: nn.Module, pool: Pool) -> pd.DataFrame:
    """How often the partner is found among K, other songs being the rivals (Eq. 4): k, track, accuracy, n_pairs."""
    similarities, songs = pool.similarities(model), np.array(pool.groups)
    strangers, rows = songs[:, None] != songs[None], []
    for k in KS:
        found = pd.DataFrame({"track": songs, "hit": hits(similarities, strangers, k)}).dropna()
        rows.append(found.groupby("track")["hit"].agg(accuracy="mean", n_pairs="size").reset_index().assign(k=k))
    return pd.concat(rows, ignore_index=True)


def scoring_ms(model: nn.Module) -> float:
    """Processor time to score one pair of 5 s, front end included, in ms: the least of three tries."""
    clips = 0.1 * torch.randn(2 * TIMED, round(WINDOW_S * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))
    tries = []
    with torch.no_grad():
        for _ in range(3):
            begun = time.process_time()
            model.similarity(*model.embed(model.features(clips)).chunk(2))
            tries.append(1000 * (time.process_time() - begun) / TIMED)
    return min(tries)


def compare(
    folder: Path,
    encoder: str,
    minutes: float,
    seed: int,
    data_root: str | None = None,
    size: str = "small",
    n: int = 80,
    recordings: str | None = None,
) -> pd.DataFrame:
    """One cell of the comparison, a task of `grids.run_grid`: train one encoder, and ask it.

    Args:
        folder: the cell's own; nothing but the table is kept.
        encoder: a key of `ENCODERS`. minutes, seed: see `teach`.
        data_root, size: of the tracks, see `miniatures.open_tracks`; "train" is heard, "test" asked.
        n: pairs of each test; `HEARD` times as many are learnt from.
        recordings: a folder of pieces with stems, for another test; None: there is none.

    Returns:
        Rows of `ask` for each test, and n_parameters, steps, scoring_ms.
    """
    with one_thread():
        hears = replace(ENCODERS[encoder], what="", build=Cocola)  # encoders that hear the same share the pools
        pool, tests = _heard(hears, data_root, size, n, recordings)
        model, steps = teach(ENCODERS[encoder], pool, minutes, seed)
        answers = [ask(model, test).assign(test=name) for name, test in tests.items()]
        parameters = sum(weights.numel() for weights in model.parameters())
        about = {"n_parameters": parameters, "steps": steps, "scoring_ms": scoring_ms(model)}
    return pd.concat(answers, ignore_index=True).assign(**about)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """What `compare` found in all cells of a grid: a row per minutes, encoder, test and K, see `over_seeds_and_songs`.

    "ahead" is how far the last encoder of the registry is before this one.
    """
    return over_seeds_and_songs(table, ("minutes", "encoder", "test", "k"), {"encoder": list(ENCODERS)[-1]})


@functools.lru_cache(maxsize=2)
def _heard(hears: Encoder, data_root: str | None, size: str, n: int, recordings: str | None) -> tuple[Pool, dict]:
    """The pool to learn from and those of the tests; kept, so that the next cell finds them."""
    tracks = miniatures.open_tracks(data_root, size)
    names = {name: name for name in sorted({t.dataset for t in tracks})} if data_root else TESTS
    asked = {test: of_split([t for t in tracks if t.dataset == name], "test")[0] for test, name in names.items()}
    if recordings:
        asked[RECORDINGS] = load_tracks(recordings, keep_unrelated=True)
    tests = {test: make_pool(hears, songs, n, 1, training=False) for test, songs in asked.items() if songs}
    train = training_tracks(get_recipe("hps-all").select(tracks))
    return make_pool(hears, train, HEARD * n, 0, training=True), tests


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch for a while, so that processor time is the time that it takes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
