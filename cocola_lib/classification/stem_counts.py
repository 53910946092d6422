"""More and more stems on either side of the same windows: what does each of them add? Used by notebook 08.

In notebook 03 a pair of few stems comes from other songs than one of many. Here every window is asked with one to three
stems on each side, and with the others left out, so that nothing but their number changes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.classification import answers
from cocola_lib.data.stems import Track
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer

N_STEMS = 4  # that a window needs
SHAPES = ((1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 1))  # stems in the anchor and in the accompaniment


def nested(tracks: Sequence[Track], n: int, seed: int = 0) -> dict[tuple[int, int], list[PairSpec]]:
    """The same windows in every shape: anchors take stems from one end of an order, accompaniments from the other.

    Args:
        tracks: of one split. n: windows, at most, one per song and round.
        seed: of windows and orders.

    Returns:
        shape -> n specifications, in the same order; empty lists where no window has four sounding stems.
    """
    rng, sampler, windows = np.random.default_rng(seed), WindowSampler(tracks), []
    for i in np.tile(rng.permutation(len(tracks)), 1 + n // len(tracks)):
        starts, active = sampler.windows(tracks[i])
        full = np.flatnonzero(active.sum(axis=0) >= N_STEMS) if len(starts) else starts
        if len(windows) < n and len(full):
            column = int(rng.choice(full))
            names = np.array(tracks[i].stem_names)[active[:, column]]
            order = tuple(str(name) for name in rng.permutation(names)[:N_STEMS])
            windows.append((tracks[i].id, round(float(starts[column]) / 10, 1), order))
    return {
        (a, b): [PairSpec(track_id, start_s, order[:a], order[-b:]) for track_id, start_s, order in windows]
        for a, b in SHAPES
    }


def measure(metric: Scorer, lists: dict, clips: tuple[list, list], name: str) -> pd.DataFrame:
    """Ranks of `answers.rank` for every shape, which is the column test_set, such as "1 x 3".

    Args:
        metric: asks. lists: from `nested`. clips: from `read`. name: of the metric, the column model.
    """
    n = len(lists[SHAPES[0]])
    found = {mode: np.asarray(matrix) for mode, matrix in metric.matrices(*clips).items()}  # (3 n, 3 n)
    parts = []
    for (a, b), specs in lists.items():
        rows, columns = (slice((size - 1) * n, size * n) for size in (a, b))
        matrices = {mode: matrix[rows, columns] for mode, matrix in found.items()}
        parts.append(answers.rank(matrices, specs, f"{a} x {b}", name))
    return pd.concat(parts, ignore_index=True)


def read(lists: dict, tracks: Sequence[Track]) -> tuple[list, list]:
    """The clips of `nested`, each once: anchors of one, two and three stems, and accompaniments likewise."""
    sampler, sides = WindowSampler(tracks), []
    for side, shapes in (("anchor", ((1, 1), (2, 1), (3, 1))), ("positive", ((1, 1), (1, 2), (1, 3)))):
        specs = [spec for shape in shapes for spec in lists[shape]]
        sides.append([sampler.by_id[s.track_id].read(getattr(s, side), s.start_s, sampler.window_s) for s in specs])
    return sides[0], sides[1]
