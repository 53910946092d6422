"""Tracks: one description for every data set, and the adapters that fill it in.

A track is a piece of music given as stems. An adapter knows one layout on disk; everything after it
(sampling, features, scores) sees `Track` only. Used by every notebook; notebook 01 shows what is inside.
"""

import hashlib
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cocola_lib.data import doubts, prepare
from cocola_lib.data.adapters import ADAPTERS, OURS, SPLIT_FOLDERS, Adapter
from cocola_lib.data.names import printable
from cocola_lib.data.sound_files import unstated_delay
from cocola_lib.data.stems import Stem, Track, track_from_row, track_to_row
from cocola_lib.files import cached, data_dir, keep, read_json, write_json

MINIATURE = "miniature.json"  # a miniature's manifest, which holds its name
INDEX_VERSION = 3  # of the cached index: a change of any adapter needs another one
PLAIN = list(ADAPTERS)[-1]  # the layout of any folder with audio
DEPTH = 6  # folders below a root that are looked at for changes


def make_track(dataset: str, split: str, folder: Path, stems: list[Stem], id: str | None = None) -> Track:
    """Check a track's files by their headers and describe it.

    Raises:
        ValueError: fewer than two stems, stems of different sample rates, or a file without audio.
    """
    if len(stems) < 2:
        found = f"only {stems[0].files[0].name}" if stems else "no stem"
        raise ValueError(f"{folder}: {found} found; a track needs two stems or more (move the folder away, or add one)")
    headers = [stem.info() for stem in stems]
    rates = sorted({header.sample_rate for header in headers})
    if len(rates) > 1:
        raise ValueError(f"{folder}: stems of different sample rates ({rates} Hz); resample them to one rate")
    n_samples = max(header.n_samples for header in headers)
    files = [file for stem in stems for file in stem.files]
    late = [f"{printable(file.name)} ({delay})" for file in files if (delay := unstated_delay(file))]
    if late and len({file.suffix.lower() for file in files}) > 1:
        warnings.warn(
            f"{folder}: not stated is the delay of the encoder of {', '.join(late)}; beside stems of another format it "
            "may be early or late by some ms (1,000 samples at 44.1 kHz: 23 ms). WAV and FLAC have none",
            stacklevel=2,
        )
    return Track(id or f"{dataset}/{split}/{printable(folder.name)}", dataset, split, tuple(stems), rates[0], n_samples)


def assign_splits(names: list[str], seed: int = 42) -> dict[str, str]:
    """Split names 80/10/10 into train, valid and test: sorted, shuffled by the seed, at least one in each.

    With fewer than three names all of them are in "test": enough to explore and score, not to train.
    """
    names = sorted(names)
    if len(names) < 3:
        return dict.fromkeys(names, "test")
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    n_held_out = max(1, round(0.1 * len(names)))
    split = ["test"] * n_held_out + ["valid"] * n_held_out + ["train"] * (len(names) - 2 * n_held_out)
    return dict(zip(shuffled, split, strict=True))


def of_split(tracks: list[Track], split: str) -> tuple[list[Track], str]:
    """The tracks of a split, to measure on; all tracks where one alone is in it, and a sentence that says so."""
    chosen = [track for track in tracks if track.split == split]
    if len(chosen) != 1 or len(tracks) == 1:
        return chosen, ""
    return tracks, (
        f"The {split} split holds a single track, and strangers are of another one, so all {len(tracks)} tracks are "
        "asked about: a model that was trained here has heard some of them."
    )


def find_datasets(data_root: str | Path) -> list[tuple[str, Path]]:
    """Recognise the data sets at a folder, or one level below it: (adapter name, home) pairs.

    Raises:
        FileNotFoundError: no such folder. ValueError: nothing recognisable in it.
    """
    root = Path(data_root).expanduser()
    if not root.is_dir():
        kind = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"data_root {root} {kind}; give a folder that holds a data set or tracks with stems")
    if root.name in SPLIT_FOLDERS and (whole := _recognise(root.resolve().parent)):
        raise ValueError(f"data_root {root} is one split of {whole[0][0]}; give {root.resolve().parent}")
    found = _recognise(root)
    if not any(home == root for _, home in found):  # a folder of data sets, or one unpacked inside it
        found = list(dict.fromkeys([*found, *(pair for child in _visible(root) for pair in _recognise(child))]))
    if not found:  # tracks, or one folder of tracks for each source
        homes = [root] if ADAPTERS[PLAIN].home(root) else [d for d in _visible(root) if ADAPTERS[PLAIN].home(d)]
        found = [(PLAIN, home) for home in homes]
    if found:
        return found
    layouts = "; ".join(f"{name}: {adapter.layout}" for name, adapter in ADAPTERS.items())
    shown = ", ".join(entry.name for entry in sorted(root.iterdir())[:4]) or "nothing"
    raise ValueError(f"data_root {root} holds {shown}; expected one of these layouts - {layouts}")


def _visible(root: Path) -> list[Path]:
    return [d for d in sorted(root.iterdir()) if d.is_dir() and not d.name.startswith(".")]


def _recognise(root: Path) -> list[tuple[str, Path]]:
    """The layouts at a root, "any folder" aside: (adapter name, home) pairs."""
    if (root / prepare.MANIFEST).is_file():
        return [(prepare.NAME, root)]
    homes = ((name, adapter.home(root)) for name, adapter in list(ADAPTERS.items())[:-1])
    return [(name, home) for name, home in homes if home]


def load_tracks(
    data_root: str | Path,
    dataset: str | None = None,
    split: str | None = None,
    on_error: str = "raise",
    keep_unrelated: bool = False,
    tile_loops: bool = False,
) -> list[Track]:
    """Index the tracks at `data_root`, in a fixed order. The index is cached, and made again when a file changed.

    A plain folder is listened to once (see `doubts`), and a warning names what is odd about it.

    Args:
        data_root: a data set, a folder of data sets, or a folder of tracks with stems, or of such folders.
        dataset: keep this data set only (its display name).
        split: keep "train", "valid" or "test" only.
        on_error: a broken track is "raise": fatal, or "skip": named in a warning and left out.
        keep_unrelated: keep tracks of plain folders whose stems do not sound together.
        tile_loops: in plain folders, repeat stems that are a half, a third, ... of their track; else they fall silent.

    Raises:
        FileNotFoundError, ValueError: one line that names the folder and says what to do.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}; use raise or skip")
    tracks: dict[str, Track] = {}
    for name, root in find_datasets(data_root):
        indexed, found = _index(name, root, on_error)
        for track in doubts.settle(indexed, found, keep_unrelated, tile_loops):
            if track.id in tracks:
                places = [str(t.stems[0].files[0].parent) for t in (tracks[track.id], track)]
                raise ValueError(f"data_root {data_root}: {track.id} is twice in it ({', '.join(places)})")
            tracks[track.id] = track
    if not tracks:
        raise ValueError(f"data_root {data_root}: no tracks found; is the data set unpacked completely?")
    selected = [t for t in tracks.values() if dataset in (None, t.dataset) and split in (None, t.split)]
    if not selected:
        have = ", ".join(sorted({f"{t.dataset}/{t.split}" for t in tracks.values()}))
        raise ValueError(f"data_root {data_root}: nothing in {'/'.join(filter(None, (dataset, split)))}; it has {have}")
    return selected


def _index(name: str, root: Path, on_error: str) -> tuple[list[Track], dict[str, doubts.Doubts]]:
    """The tracks of one data set and the doubts about them, from the cache if no file changed since."""
    root = root.absolute()
    mini = miniature(root).get("name")
    key = hashlib.sha256(f"{INDEX_VERSION} {name} {mini} ".encode() + os.fsencode(root)).hexdigest()[:24]
    cache, stamp = data_dir() / "index" / f"{key}.json", _stamp(root)

    def read(path: Path) -> tuple[list[Track], dict[str, doubts.Doubts]] | None:
        stored = read_json(path)
        if stored["stamp"] != stamp:
            return None
        known = {id: doubts.Doubts(**doubt) for id, doubt in stored["doubts"].items()}
        return [track_from_row(row, root) for row in stored["tracks"]], known

    if (known := cached(cache, read)) is not None:
        return known
    tracks, broken = prepare.read_tracks(root) if name == prepare.NAME else _read_tracks(ADAPTERS[name], root, mini)
    found = doubts.listen(tracks) if name == PLAIN and not mini else {}
    if broken and on_error == "raise":
        more = f" (and {len(broken) - 1} more broken tracks)" if len(broken) > 1 else ""
        kind = type(broken[0]) if isinstance(broken[0], OSError) else ValueError
        raise kind(f"{broken[0]}{more}")
    if broken:
        warnings.warn(f"{len(broken)} tracks left out: {'; '.join(map(str, broken[:5]))}", stacklevel=3)
    elif tracks:
        rows = [track_to_row(track, root) for track in tracks]
        described = {id: asdict(doubt) for id, doubt in found.items()}
        keep(
            cache,
            {"stamp": stamp, "tracks": rows, "doubts": described},
            lambda path, value: write_json(path, value, None),
        )
    return tracks, found


def _read_tracks(adapter: Adapter, root: Path, mini: str | None) -> tuple[list[Track], list[Exception]]:
    """Read every track's headers: the tracks, and what is wrong with the others."""
    found = list(adapter.tracks(root))
    ours = assign_splits([path.name for split, path in found if split == OURS])
    # a miniature says so in its own name, so that no table can pass it off as the real data set
    dataset = mini or adapter.dataset or printable(root.name)

    def read(entry: tuple[str, Path]) -> Track | Exception:
        split, path = entry
        try:
            return make_track(dataset, split or ours[path.name], path, adapter.stems(path))
        except (ValueError, OSError) as error:
            return error

    with ThreadPoolExecutor(8) as pool:  # headers on a network disk: waiting, not computing
        results = list(pool.map(read, found))
    return [r for r in results if isinstance(r, Track)], [r for r in results if not isinstance(r, Track)]


def miniature(home: Path) -> dict[str, str]:
    """Name and size of the miniature that a data set's folder belongs to; {} where it is none."""
    manifests = (folder / MINIATURE for folder in (home, *home.parents[:2]))
    found = next((path for path in manifests if path.exists()), None)
    try:
        content = read_json(found) if found else None
        return {"name": content["name"], "size": content.get("size", "")} if found else {}
    except (ValueError, KeyError):
        raise ValueError(f"{found}: cannot be read; delete {found.parent} and make it again") from None


def _stamp(root: Path) -> str:
    """A fingerprint of every file below a root: name, size, time of its last change."""
    digest = hashlib.sha256()

    def walk(folder: str, depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir():
                    if depth < DEPTH:
                        walk(entry.path, depth + 1)
                else:
                    # a link to nowhere has no target to stat; whether it matters, the adapter will say
                    status = entry.stat(follow_symlinks=os.path.exists(entry.path))
                    digest.update(os.fsencode(entry.path) + f" {status.st_size} {status.st_mtime_ns}\n".encode())

    walk(str(root), 0)
    return digest.hexdigest()[:32]


def data_hash(tracks: list[Track]) -> str:
    """A fingerprint of the data: ids, stems, file sizes. Sixteen hex digits."""
    described = [(t.id, [(s.name, [f.stat().st_size for f in s.files]) for s in t.stems]) for t in tracks]
    return hashlib.sha256(json.dumps(sorted(described)).encode()).hexdigest()[:16]
