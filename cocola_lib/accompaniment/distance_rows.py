"""The distances of one embedder as rows of the table: of mixes and of stems, for many clips and for few; and APA."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.accompaniment import table3
from cocola_lib.accompaniment.apa import published_adherence
from cocola_lib.accompaniment.fad_embedders import Cached, Unavailable, open_embedder
from cocola_lib.accompaniment.frechet import jackknife
from cocola_lib.accompaniment.kernel import kernel_statistics
from cocola_lib.accompaniment.measure import Trial, embed_answers, embed_mixes, save_embeddings
from cocola_lib.scoring import Scorer

STEMS = "of stems, "  # before the embedder's name where answers are embedded alone, and not in their mixes
PUBLISHED_APA = "APA as published, "
APA_EMBEDDERS = ("CLAP", "log-mel")  # as published, and one without weights, so that the column is there
RANGES = {"KAD": (-np.inf, np.inf), "density": (0.0, np.inf), "coverage": (0.0, 1.0)}


def distance_rows(
    trial: Trial, name: str, stored: Path, scorer: Scorer | None, weights=None, download: bool = False, seed: int = 0
) -> pd.DataFrame:
    """FAD, KAD, density and coverage of mixes and of stems, APA in our form and as published.

    Args:
        trial: with `Ground Truth`.
        name: of the embedder; weights, download, scorer: see `open_embedder`.
        stored: .npz that gets the embeddings of mixes; those of stems lie beside it.
        seed: of FAD-infinity's orders.
    Returns:
        Rows of the table (`table3.COLUMNS`); without the weights, no values, and how to get them as note.
    """
    try:
        embedder = open_embedder(name, weights, scorer, download)
    except Unavailable as reason:
        systems = list(trial.answers)
        rows = [table3.empty_rows(systems, name, str(reason)), _no_fad(systems, STEMS + name, str(reason))]
        return pd.concat(rows, ignore_index=True)
    embedder = embedder if name == "log-mel" else Cached(embedder)
    mixes, stems = embed_mixes(trial, embedder), embed_answers(trial, embedder)
    save_embeddings(stored, mixes)
    save_embeddings(stored.with_name(f"{stored.stem} of stems.npz"), stems)
    rows = [*fad_rows(mixes, trial.tracks, name, seed=seed), *fad_rows(stems, trial.tracks, STEMS + name, alone=True)]
    if name in APA_EMBEDDERS:
        rows.append(apa_rows(trial, embedder))
    return pd.concat([part for part in rows if len(part)], ignore_index=True)


def fad_rows(embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], name: str, **options) -> list[pd.DataFrame]:
    """FAD, KAD, density and coverage, as rows; a system without embeddings, a silent one, has a note and no value."""
    heard = {system: clips for system, clips in embedded.items() if any(map(len, clips))}
    if table3.TRUTH not in heard or not any(map(all, zip(*(map(len, clips) for clips in heard.values()), strict=True))):
        return [_no_fad(list(embedded), name, f"FAD {name}: there is no item in which all systems sound")]
    silent = [system for system in embedded if system not in heard]
    rows = [table3.frechet_table(heard, tracks, name, **options), kernel_rows(heard, tracks, name)]
    return [*rows, _no_fad(silent, name, f"FAD {name}: {', '.join(silent)} silent throughout")]


def _no_fad(systems: list[str], name: str, note: str) -> pd.DataFrame:
    """Rows that say why there is no FAD."""
    rows = table3.empty_rows(systems, name, note)
    return rows[rows["metric"].str.startswith("FAD")]


def kernel_rows(embedded: dict[str, list[np.ndarray]], tracks: Sequence[str], name: str) -> pd.DataFrame:
    """KAD, density and coverage of every system but the truth, with a jackknife over tracks: rows of the table."""
    rows = []
    for system, found in kernel_statistics(embedded, tracks, table3.TRUTH).items():
        for kind, values in found.items():
            low, high = np.clip(jackknife(values[0], values[1:]), *RANGES[kind])
            better = "lower" if kind == "KAD" else "higher"
            rows.append((system, f"{kind} {name}", values[0], low, high, len(tracks), better, ""))
    return pd.DataFrame(rows, columns=table3.COLUMNS)


def apa_rows(trial: Trial, embedder) -> pd.DataFrame:
    """APA as published: rows of the table."""
    found, note = published_adherence(trial, embedder, table3.TRUTH)
    rows = []
    for system, values in found.items():
        low, high = np.clip(jackknife(values[0], values[1:]), 0, 1)
        rows.append((system, PUBLISHED_APA + embedder.name, values[0], low, high, len(trial.ids), "higher", note))
    return pd.DataFrame(rows, columns=table3.COLUMNS)
