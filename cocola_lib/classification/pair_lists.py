"""Frozen lists of pairs: one per data set, on disk, so that every model is asked the same questions.

A list is a CSV: track, start of the window, stems of the anchor, stems of the positive. Whoever has the data can put
the same questions to another model, next year or in another program. Notebook 03 writes them, and reads them back when
its parameter `pairs_from` names their folder.
"""

import hashlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from cocola_lib.data.stems import Track
from cocola_lib.files import read_csv
from cocola_lib.sampling import PairSpec, WindowSampler, specs_to_frame

COLUMNS = ("track_id", "start_s", "anchor", "positive")


def draw(tracks: Sequence[Track], n: int, seed: int = 0, single: bool = False) -> dict[str, list[PairSpec]]:
    """Draw a list for every data set among the tracks.

    Args:
        tracks: of one split.
        n: pairs per data set; fewer where the tracks hold fewer windows that overlap by at most half.
        seed: of the draw.
        single: one stem on each side, instead of sub-mixes.

    Returns:
        data set -> specifications; a data set without a window of two sounding stems has an empty list.
    """
    lists = {}
    for name in sorted({track.dataset for track in tracks}):
        sampler = WindowSampler([t for t in tracks if t.dataset == name], single=single)
        lists[name] = list(islice(sampler.draw(n, seed, 0), n))
    return lists


def read(path: str | Path, tracks: Sequence[Track]) -> list[PairSpec]:
    """Read a list back, and check that the tracks hold what it asks for.

    Args:
        path: a CSV with the columns track_id, start_s, anchor, positive; stems joined by `+`.
        tracks: where to find them.

    Raises:
        FileNotFoundError, ValueError: no such file, a column missing, an unknown track or stem, a window too late.
    """
    path, by_id = Path(path), {track.id: track for track in tracks}
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such list of pairs; leave `pairs_from` empty to draw one")
    frame = read_csv(path, dtype={"track_id": str, "anchor": str, "positive": str})
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(missing)}; a list of pairs has {', '.join(COLUMNS)}")
    specs = []
    for line, row in enumerate(frame.itertuples(), start=2):
        track = by_id.get(row.track_id)
        if track is None:
            raise ValueError(f"{path}, line {line}: track {row.track_id!r} is not among the {len(by_id)} tracks here")
        sides = [tuple(str(side).split("+")) for side in (row.anchor, row.positive)]
        unknown = [name for side in sides for name in side if name not in track.stem_names]
        if unknown:
            has = ", ".join(track.stem_names)
            raise ValueError(f"{path}, line {line}: {row.track_id} has no stem {unknown[0]!r}; it has {has}")
        if not 0 <= row.start_s < track.duration_s:
            raise ValueError(f"{path}, line {line}: starts at {row.start_s} s, the track ends at {track.duration_s} s")
        specs.append(PairSpec(row.track_id, float(row.start_s), *sides))
    return specs


def sides(specs: Sequence[PairSpec], tracks: Sequence[Track]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read the audio of a list: its anchors and its positives, (80000,) float32 at 16 kHz each."""
    sampler = WindowSampler(tracks)
    pairs = [sampler.audio(spec) for spec in specs]
    return [anchor for anchor, _ in pairs], [positive for _, positive in pairs]


def fingerprint(specs: Sequence[PairSpec]) -> str:
    """A name for exactly this list: 12 hex digits."""
    return hashlib.sha256(specs_to_frame(specs).to_csv(index=False).encode()).hexdigest()[:12]
