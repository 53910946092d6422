"""More held-out songs: the miniatures' test sets once more, made from other seeds.

A laptop's test sets have 24, 13 or 3 songs: over so few, the interval of a difference is wide whatever the model.
Another seed gives the band other songs. The chorales of the test split are 36, on 16 tunes, whatever the seed: another
seed gives them in other keys, tempi and ensembles. So intervals are over tunes, and the table counts what is new.
"""

import functools
import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.classification.partners import beside
from cocola_lib.data import miniatures
from cocola_lib.data.miniatures import chorales, tunes
from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import load_tracks
from cocola_lib.evaluation import hit_probability
from cocola_lib.sampling import WindowSampler

SIZE = "small"
KS = (2, 8, 16, 64)
N_PAIRS = 128  # of each seed, where its songs have so many windows


@dataclass(frozen=True)
class Performance:
    """A track, and what it plays.

    Attributes:
        track: the audio.
        song: the same name in every performance of it, whatever the seed.
        tune: the same for all settings of one melody.
        known: the project's own test set (seed 0) holds this song too, in another performance.
    """

    track: Track
    song: str
    tune: str
    known: bool


def make(name, seed, root, jobs=2) -> list[Performance]:
    """Render the songs of a miniature that a test would hear; songs that are there stay.

    Args:
        name: one of `miniatures.MODULES`.
        seed: not 0, which is the project's own miniature.
        root: folder for all of them.
        jobs: processes.
    Returns:
        The test split, or all of a data set that has no split folders (MoisesDB).
    """
    folder = miniatures.folder_of(name, SIZE, seed, root)
    wanted = _plan(name, seed)
    todo = [job for job in wanted.values() if not (folder / job.path).is_dir()]
    if todo:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(miniatures.make_track, repeat(name), todo, repeat(folder)))
    known = {_music(job)[0] for job in _plan(name, 0).values()}
    played = [(track, *_music(wanted[track.id.rsplit("/", 1)[-1]])) for track in load_tracks(folder)]
    return [Performance(track, song, tune, song in known) for track, song, tune in played]


def _plan(name, seed) -> dict:
    """Folder name -> job, of the tracks that a test would hear."""
    plan = importlib.import_module(miniatures.MODULES[name]).plan(SIZE, seed)
    return {Path(job.path).name: job for job in [job for job in plan if "/test/" in f"/{job.path}"] or plan}


def _music(job) -> tuple[str, str]:
    """The song and the tune of a job: a chorale is the same in every seed, the band's songs are each seed's own."""
    if isinstance(job, chorales.Job):
        return job.chorale, _tune_of()[job.chorale]
    return (f"{job.song}, seed {job.seed}",) * 2


@functools.cache
def _tune_of() -> dict[str, str]:
    names = chorales.splits()["test"]
    groups = tunes.group_by_tune({name: tunes.tune(chorales.read_chorale(name)) for name in names})
    return {name: group[0] for group in groups for name in group}


def measure(metrics, sets, n_pairs=N_PAIRS, ks=KS):
    """Eq. 4 of every metric on every set, and by how much the first differs from the others, pair by pair.

    Args:
        metrics: name -> anything with `matrix(conditionings, accompaniments)`.
        sets: test set -> seed -> performances. Each seed has its own list of pairs, rivals come from that list.
        n_pairs: of each seed, at most.
        ks: a K above the pairs of a seed leaves that seed out.
    Returns:
        DataFrame: test_set, k, rater ("a", "b", "a - b"), value, low, high (95 % over tunes), n_pairs, n_tracks,
        n_songs, n_tunes (that differ), n_known (songs that the test set of seed 0 holds too).
    """
    rows = []
    for test_set, seeds in sets.items():
        played, matrices = [], {name: [] for name in metrics}
        for seed, performances in seeds.items():
            sampler = WindowSampler([p.track for p in performances])
            specs = list(islice(sampler.draw(n_pairs, seed, 0), n_pairs))
            sides = [list(side) for side in zip(*map(sampler.audio, specs), strict=True)]
            by_id = {p.track.id: (seed, p) for p in performances}
            played.append([by_id[spec.track_id] for spec in specs])
            for name, metric in metrics.items():
                matrices[name].append(metric.matrix(*sides))
        for k in ks:
            chosen = [i for i, of_seed in enumerate(played) if len(of_seed) >= k]
            if not chosen:
                continue
            found = {n: np.concatenate([hit_probability(m[i], k) for i in chosen]) for n, m in matrices.items()}
            heard = [each for i in chosen for each in played[i]]
            compared = beside(found, [p.tune for _, p in heard])
            rows += [{"test_set": test_set, "k": k} | row | _sizes(heard) for row in compared]
    return pd.DataFrame(rows)


def _sizes(heard) -> dict[str, int]:
    return {
        "n_pairs": len(heard),
        "n_tracks": len({(seed, p.track.id) for seed, p in heard}),
        "n_songs": len({p.song for _, p in heard}),
        "n_tunes": len({p.tune for _, p in heard}),
        "n_known": len({p.song for _, p in heard if p.known}),
    }


def measure_seeds(metrics, root, seeds=(1, 2, 3), jobs=2):
    """`measure` on every miniature, its songs rendered first where they are missing."""
    root = Path(root)
    sets = {name: {seed: make(name, seed, root, jobs) for seed in seeds} for name in miniatures.MODULES}
    return measure(metrics, sets)
