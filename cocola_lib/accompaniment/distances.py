"""Distances between systems, each with what an interval over tracks needs: the same distance without some tracks."""

from collections.abc import Sequence

import numpy as np

from cocola_lib.accompaniment.frechet import Moments, fad_infinity, frechet_distance, total

MAX_GROUPS = 40  # of a jackknife; tracks are put together beyond that
MAX_GROUPS_WIDE = 8  # with embeddings of more than 128 numbers, where every distance takes 0.1 s


class Distances:
    """Frechet distances between the mixes of several systems, with all tracks and without each one of them.

    An item in which any system has no embedding is left out for all. Where rows are no more than dimensions,
    covariances are shrunk.

    Args:
        embedded: system -> n tables of (rows, D). tracks: n, of the items.
    Attributes:
        whole: system -> moments of all its items; items: system -> moments of each; n_left_out: number of items;
        shrunk: whether covariances are.
    """

    def __init__(self, embedded: dict[str, list[np.ndarray]], tracks: Sequence[str]):
        keep = [i for i in range(len(tracks)) if all(len(clips[i]) for clips in embedded.values())]
        rows, outside = in_their_span({system: [clips[i] for i in keep] for system, clips in embedded.items()})
        self.items = {s: [Moments.of(clip, outside=outside) for clip in clips] for s, clips in rows.items()}
        self.whole = {system: total(items) for system, items in self.items.items()}
        self.n_left_out = len(tracks) - len(keep)
        dim = next(iter(self.whole.values())).dim
        groups = groups_of([tracks[i] for i in keep], MAX_GROUPS if dim <= 128 else MAX_GROUPS_WIDE)
        self._left, fewest = {}, []  # per system: all rows, then those without each group
        for system, items in self.items.items():
            parts = [total([items[i] for i in group]) for group in groups]
            self._left[system] = [self.whole[system], *(self.whole[system] - part for part in parts)]
            fewest.append(min(moments.n for moments in self._left[system]))
        self.shrunk = min(fewest) <= dim
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def __call__(self, system: str, to: str) -> np.ndarray:
        """(1 + groups,): the distance with all tracks, then without each group of them."""
        if (system, to) not in self._known:
            pairs, singular = (
                zip(self._left[to], self._left[system], strict=True),
                "shrink" if self.shrunk else "refuse",
            )
            self._known[system, to] = np.array([frechet_distance(x, y, singular) for x, y in pairs])
        return self._known[system, to]


def in_their_span(embedded: dict[str, list[np.ndarray]]) -> tuple[dict[str, list[np.ndarray]], int]:
    """Rows in the coordinates of the space that they span together, and how many dimensions are outside of it.

    That is a rotation, which no distance notices. Rows as many as dimensions or more stay as they are.
    """
    every = [clip for clips in embedded.values() for clip in clips]
    n, dim = sum(map(len, every)), every[0].shape[1] if every else 0
    if n >= dim:
        return embedded, 0
    basis = np.linalg.qr(np.concatenate(every).T.astype(np.float64))[0]  # (D, n)
    return {system: [clip @ basis for clip in clips] for system, clips in embedded.items()}, dim - n


def groups_of(tracks: Sequence[str], most: int) -> list[list[int]]:
    """Indices of the items of each track; tracks share groups where there are more than `most`."""
    names = list(dict.fromkeys(tracks))
    group_of = {name: i % most for i, name in enumerate(names)}
    groups = [[i for i, t in enumerate(tracks) if group_of[t] == g] for g in range(min(most, len(names)))]
    return groups if len(groups) > 1 else []


def infinity(real, items, seed):
    """FAD-infinity and a note; NaN where the items are too few to leave any out."""
    try:
        found = fad_infinity(real, items, seed)
    except ValueError as reason:
        return np.nan, str(reason)
    below = "; below 0, an extrapolation from too few clips" if found["value"] < 0 else ""
    return found["value"], f"r2 {found['r2']:.2f}{below}"
