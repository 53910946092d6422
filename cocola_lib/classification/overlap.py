"""The overlap ratio r: how many of an anchor's rivals come from its own song, and how much they overlap with it.

Two windows of one song that overlap share music, so that the one's accompaniment belongs to the other's anchor as well:
a false negative. Counted here from what the sampler draws, without any audio. Used by notebook 08.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stems import Track
from cocola_lib.sampling import PairSpec, WindowSampler

SONGS_PER_BATCH = 8  # where overlap is studied: with many songs, hardly two windows of a batch are of the same one
LONG_S = 20.0  # s, of a song in which several windows have room


def songs_of_batches(tracks: Sequence[Track], n_batches: int, seed: int) -> list[list[Track]]:
    """A few songs for each batch: long ones where there are some."""
    rng, long = (
        np.random.default_rng([seed, 2]),
        [track for track in tracks if track.duration_s > LONG_S] or list(tracks),
    )
    size = min(SONGS_PER_BATCH, len(long))
    return [[long[i] for i in rng.choice(len(long), size, replace=False)] for _ in range(n_batches)]


def share_of_rivals(which: np.ndarray) -> float:
    """The share of an anchor's rivals that are meant: (n, n) bool, whose diagonal does not count."""
    n = len(which)
    return float((which.sum() - np.trace(which)) / max(1, n * (n - 1)))


def rivals(specs: Sequence[PairSpec]) -> dict[str, float]:
    """Of the rivals in one batch: how many are of the anchor's song, and how many overlap with it in time.

    Returns:
        same_song, overlapping: shares of all rivals; shared: the mean share of the window that overlapping ones share
        (NaN where none does).
    """
    songs, starts = np.array([s.track_id for s in specs]), np.array([s.start_s for s in specs])
    same = songs[:, None] == songs
    common = np.where(same, np.maximum(0, (1 - np.abs(starts[:, None] - starts) / WINDOW_S).round(6)), 0)
    np.fill_diagonal(common, 0)
    shared = float(common[common > 0].mean()) if (common > 0).any() else float("nan")
    return {"same_song": share_of_rivals(same), "overlapping": share_of_rivals(common > 0), "shared": shared}


def count(tracks: Sequence[Track], k: int, ratios: Sequence[float], n_batches: int, seed: int = 0) -> pd.DataFrame:
    """`rivals`, averaged over batches of any songs and of few songs, for every r.

    Returns:
        batch ("any songs", "8 songs"), r, windows (mean per batch: fewer than K where no more fit), and the numbers of
        `rivals`.
    """
    few, rows = songs_of_batches(tracks, n_batches, seed), []
    for name, chosen in (
        ("any songs", [list(tracks)] * n_batches),
        ("one song" if len(few[0]) == 1 else f"{len(few[0])} songs", few),
    ):
        for r in ratios:
            drawn = [
                WindowSampler(songs, max_overlap=r).batch(k, seed, step, at_most=True)
                for step, songs in enumerate(chosen)
            ]
            means = pd.DataFrame(map(rivals, drawn)).mean()
            rows.append({"batch": name, "r": r, "windows": np.mean([len(specs) for specs in drawn])} | means.to_dict())
    return pd.DataFrame(rows)
