"""Small trainings for a grid (`training.grids`), and what each of their models answers. Used by notebook 08.

One cell trains the smallest encoder (`models.bands`) on one kind of music, with several seeds, in seconds. Cells differ
in one thing; pairs, steps and seeds are the same. So the answer is a difference: none of these models is good.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cocola_lib.classification.genres import ASKED, EVERYTHING, select
from cocola_lib.classification.overlap import share_of_rivals, songs_of_batches
from cocola_lib.classification.partners import hits
from cocola_lib.classification.seeds import over_seeds_and_songs
from cocola_lib.data import miniatures
from cocola_lib.data.stems import Track
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.masking import mask_pairs
from cocola_lib.models import checkpoints
from cocola_lib.models.bands import BANDS
from cocola_lib.sampling import WindowSampler
from cocola_lib.training.equaliser import equalised
from cocola_lib.training.small_runs import Pool, fit

CHANNELS = {  # what a model hears -> features, and how channels are masked in training
    "mel": ("mel", "none"),
    "HPS": ("hps", "none"),
    "HPS, masked": ("hps", "group"),
}


class Crowded:
    """Batches of few songs, so that windows of one song meet: each batch is drawn from its own songs.

    Args:
        tracks: where songs come from, see `overlap.songs_of_batches`.
        k, n_batches, max_overlap, seed, kind: as in `small_runs.Pool`.
    """

    def __init__(self, tracks: Sequence[Track], k: int, n_batches: int, max_overlap: float, seed: int, kind: str):
        chosen = songs_of_batches(tracks, n_batches, seed)
        self.pools = [Pool(songs, k, 1, max_overlap, seed=seed + 1000 * i, kind=kind) for i, songs in enumerate(chosen)]

    @property
    def same_song(self) -> float:
        """The share of an anchor's rivals that come from its own song."""
        return float(np.mean([_same_song(pool.groups) for pool in self.pools]))

    def batches(self, k: int) -> Iterator[torch.Tensor]:
        """The batches as they were drawn, round and round: (2K, C, M, T)."""
        rng = np.random.default_rng(torch.initial_seed())  # `fit` sets it
        for pool in cycle(self.pools):
            yield equalised(pool.features.transpose(0, 1).flatten(0, 1), rng)


class Shuffled(Pool):
    """A pool whose pairs meet others in every round."""

    same_song = property(lambda self: _same_song(self.groups))

    def batches(self, k):
        """Batches of K pairs in random order, round and round: (2K, C, M, T)."""
        k, rng = min(k, len(self.features)), np.random.default_rng(torch.initial_seed())  # `fit` sets it
        while True:
            order = torch.from_numpy(rng.permutation(len(self.features)))
            for chosen in order[: len(order) // k * k].split(k):
                yield equalised(self.inputs(chosen), rng)


def _same_song(songs: Sequence[str]) -> float:
    known = np.asarray(songs)
    return share_of_rivals(known[:, None] == known)


def train(
    folder: Path,
    data: dict,
    sizes: dict,
    heard: str = EVERYTHING,
    channels: str = "HPS",
    max_overlap: float | None = None,
    data_hash: str = "",
) -> pd.DataFrame:
    """One cell, a task of `grids.run_grid`: train a small model with every seed, and keep them.

    Args:
        folder: the cell's own; gets a checkpoint `seed-N` for each seed.
        data: data_root, size and seed of `miniatures.open_tracks`; only "train" is heard.
        sizes: k, n_batches (of K pairs that there are), n_pairs (that are heard), seeds.
        heard: a group of `genres`.
        channels: that the model hears, a key of `CHANNELS`.
        max_overlap: r, in batches of few songs (`Crowded`); None: 0.5, and any songs.
        data_hash: of the tracks: other music makes another cell.

    Returns:
        A row per seed: seed, checkpoint (below the grid's folder), n_songs, same_song (share of the rivals).

    Raises:
        ValueError: no training track is in the group.
    """
    tracks = select(heard, [t for t in miniatures.open_tracks(**data) if t.split == "train"])
    if not tracks:
        raise ValueError(f"no training track is {heard}")
    features, masking = CHANNELS[channels]
    drawn = {"k": sizes["k"], "n_batches": sizes["n_batches"], "seed": data["seed"], "kind": features}
    pool = Shuffled(tracks, **drawn) if max_overlap is None else Crowded(tracks, max_overlap=max_overlap, **drawn)
    rows, config = [], ModelConfig(features=features, pooling=BANDS)
    for seed in sizes["seeds"]:
        model = fit(config, masking, sizes["k"], pool, sizes["n_pairs"], seed)
        checkpoints.save(Path(folder) / f"seed-{seed}", model, training={"heard": heard, "data": data_hash} | sizes)
        rows.append({"seed": seed, "checkpoint": f"{Path(folder).name}/seed-{seed}"})
    return pd.DataFrame(rows).assign(n_songs=len(tracks), same_song=pool.same_song)


def pools(tracks: Sequence[Track], n: int, seed: int = 0) -> dict[str, Pool]:
    """Pairs to ask, n of every group of `genres.ASKED` that has two songs with windows; where none has, of everything.

    Args:
        tracks: of one split.

    Raises:
        ValueError: no two tracks have windows.
    """
    found = {}
    for group in (*ASKED, EVERYTHING):
        chosen = select(group, tracks) if group != EVERYTHING or not found else []
        sampler = WindowSampler(chosen) if chosen else None
        if sampler and sum(len(sampler.windows(track)[0]) > 0 for track in chosen) > 1:
            found[group] = Pool(chosen, n, 1, seed=seed, noise_sigma=0.0)
    if not found:
        raise ValueError(f"{len(tracks)} tracks: two are needed with a window of 5 s in which two stems sound")
    return found


def similarities(model: Cocola, features: torch.Tensor, mode: str = "both") -> np.ndarray:
    """Every anchor against every positive: features (pairs, 2, C, M, T) -> (pairs, pairs)."""
    with torch.no_grad():
        sides = [model.embed(mask_pairs(side, [mode] * len(side))) for side in features.unbind(1)]
        return model.similarity(*sides).numpy()


def ask(matrix: np.ndarray, songs: Sequence[str], k: int = 2, rivals: str = "strangers") -> pd.DataFrame:
    """How often the partner is found among K (Eq. 4), as `seeds.over_seeds_and_songs` takes it.

    Args:
        matrix: (n, n) similarities of n pairs.
        songs: (n,) of each pair.
        k: K. rivals: "strangers", windows of other songs, or "same song", its other windows.

    Returns:
        track, accuracy, n_pairs; no row where no pair has K - 1 rivals.
    """
    known = np.asarray(songs)
    same = known[:, None] == known
    met = ~same if rivals == "strangers" else same & ~np.eye(len(known), dtype=bool)
    found = pd.DataFrame({"track": known, "hit": hits(matrix, met, k)}).dropna()
    return found.groupby("track", sort=False)["hit"].agg(accuracy="mean", n_pairs="size").reset_index()


def ask_all(cells: pd.DataFrame, folder: Path, tests: dict[str, Pool], k: int = 2, **options) -> pd.DataFrame:
    """What every model of a grid answers to every test.

    Args:
        cells: what `grids.run_grid` gave for `train`. folder: of the grid.
        tests: name -> pool of unseen songs.
        k, options: of `ask`.

    Returns:
        The columns of `cells`, test, and those of `ask`.
    """
    rows = []
    for cell in cells.to_dict("records"):
        model = checkpoints.load(Path(folder) / cell["checkpoint"])[0].eval()
        for name, pool in tests.items():
            found = ask(similarities(model, pool.features), pool.groups, k, **options)
            rows.append(found.assign(**cell, test=name))
    return pd.concat(rows, ignore_index=True)


def summarise(answered: pd.DataFrame, by: Sequence[str], reference: dict | None = None) -> pd.DataFrame:
    """What was answered, over seeds and songs, see `seeds.over_seeds_and_songs`.

    Args:
        answered: from `ask_all`. by: columns that make the groups. reference: what they are held against.
    """
    return over_seeds_and_songs(answered[[*by, "seed", "track", "accuracy", "n_pairs"]], by, reference or {})
