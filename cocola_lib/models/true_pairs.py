"""True pairs to calibrate on: drawn from a data set, or listed in a table."""

from pathlib import Path

from cocola_lib.data import miniatures
from cocola_lib.data.pair_files import locate, pair_of, read_pairs
from cocola_lib.data.tracks import load_tracks
from cocola_lib.sampling import WindowSampler


def draw_pairs(data_root=None, dataset=None, split="valid", n=256, seed=0):
    """True pairs of a data set, as training draws them: sub-mixes of one window, windows overlapping by half at most.

    Args:
        data_root: folder of a data set, or of several; None: the miniatures.
        dataset: which of them; None: all.
        split: "train", "valid" or "test"; "all": every track.
        n: pairs; fewer where the data set holds fewer windows.
        seed: of the draw.
    Returns:
        (name, pairs, groups): of the data set, (anchor, positive) waveforms at 16 kHz, and track ids.
    """
    wanted = None if split == "all" else split
    if data_root is not None:
        tracks = load_tracks(data_root, dataset, wanted)
    else:
        names = [name for name in miniatures.MODULES if dataset in (None, name)]
        tracks = [track for name in names for track in load_tracks(miniatures.ensure(name), name, wanted)]
    if not tracks:
        raise ValueError(f"dataset is {dataset!r}; there are {', '.join(miniatures.MODULES)}, or give --data-root")
    sampler = WindowSampler(tracks)
    specs = sampler.batch(n, seed, 0, at_most=True)
    name = "+".join(sorted({track.dataset for track in tracks}))
    return f"{name} {split}", [sampler.audio(spec) for spec in specs], [spec.track_id for spec in specs]


def pairs_from_table(path):
    """True pairs from a CSV (columns conditioning, accompaniment): (pairs of paths, groups by conditioning)."""
    pairs = dict.fromkeys(pair_of(row) for row in read_pairs(path))
    pairs = [tuple(locate(file, Path(path).parent) for file in pair) for pair in pairs]
    return pairs, [conditioning for conditioning, _ in pairs]
