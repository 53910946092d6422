"""More held-out songs: the miniatures' test sets once more, made from other seeds.

A laptop's test sets have 24, 13 or 3 songs: over so few, the interval of a difference is wide whatever the model. Other
seeds give other music of the same kind, which no training of ours heard.
"""

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.data import miniatures
from cocola_lib.data.tracks import load_tracks
from cocola_lib.evaluation import hit_probability
from cocola_lib.sampling import WindowSampler
from cocola_lib.workshop.families.outside import beside

SIZE = "small"
KS = (2, 8, 16, 64)
N_PAIRS = 128  # of each seed, where its songs have so many windows


def make(name, seed, root, jobs=2):
    """Render the songs of a miniature that a test would hear; songs that are there stay.

    Args:
        name: one of `miniatures.MODULES`.
        seed: not 0, which is the project's own miniature.
        root: folder for all of them.
        jobs: processes.
    Returns:
        The tracks: the test split, or all of a data set that has no split folders (MoisesDB).
    """
    folder = miniatures.folder_of(name, SIZE, seed, root)
    plan = importlib.import_module(miniatures.MODULES[name]).plan(SIZE, seed)
    wanted = [job for job in plan if "/test/" in f"/{job.path}"] or plan
    todo = [job for job in wanted if not (folder / job.path).is_dir()]
    if todo:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(miniatures.make_track, repeat(name), todo, repeat(folder)))
    return load_tracks(folder)


def measure(raters, sets, n_pairs=N_PAIRS, ks=KS):
    """Eq. 4 of every rater on every set, and by how much the first differs from the others, pair by pair.

    Args:
        raters: name -> anything with `matrix(conditionings, accompaniments)`.
        sets: test set -> seed -> tracks. Each seed has its own list of pairs, rivals come from that list.
        n_pairs: of each seed, at most.
        ks: a K above the pairs of a seed leaves that seed out.
    Returns:
        DataFrame: test_set, k, rater ("a", "b", "a - b"), value, low, high (95 % over songs), n_pairs, n_songs.
    """
    rows = []
    for test_set, seeds in sets.items():
        songs, matrices = [], {name: [] for name in raters}
        for seed, tracks in seeds.items():
            sampler = WindowSampler(tracks)
            specs = list(islice(sampler.draw(n_pairs, seed, 0), n_pairs))
            sides = [list(side) for side in zip(*map(sampler.audio, specs), strict=True)]
            songs.append([f"{seed} {spec.track_id}" for spec in specs])
            for name, rater in raters.items():
                matrices[name].append(rater.matrix(*sides))
        for k in ks:
            chosen = [i for i, of_seed in enumerate(songs) if len(of_seed) >= k]
            if not chosen:
                continue
            found = {n: np.concatenate([hit_probability(m[i], k) for i in chosen]) for n, m in matrices.items()}
            groups = [song for i in chosen for song in songs[i]]
            sizes = {"n_pairs": len(groups), "n_songs": len(set(groups))}
            rows += [{"test_set": test_set, "k": k} | row | sizes for row in beside(found, groups)]
    return pd.DataFrame(rows)


def measure_seeds(raters, root, seeds=(1, 2, 3), jobs=2):
    """`measure` on every miniature, its songs rendered first where they are missing."""
    root = Path(root)
    sets = {name: {seed: make(name, seed, root, jobs) for seed in seeds} for name in miniatures.MODULES}
    return measure(raters, sets)
