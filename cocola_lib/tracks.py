"""Tracks: one description for every data set, and the adapters that fill it in.

A track is a piece of music given as stems. An adapter knows one layout on disk; everything after it
(sampling, features, scores) sees `Track` only. Used by every notebook; notebook 01 shows what is inside.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cocola_lib import audio

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
NOT_STEMS = ("mix", "mixture")  # file names that hold the sum of the stems
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Stem:
    """One instrument's part: its name, unique in the track, and the files that are summed to make it."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Track:
    """A piece of music as stems.

    Attributes:
        id: unique over all data sets, `<dataset>/<split>/<folder>`.
        dataset: display name, e.g. "CocoChorales"; miniatures say "mini-...".
        split: "train", "valid" or "test".
        stems: at least two.
        sample_rate: of the files, in Hz; reading always gives 16 kHz.
        n_samples: of the longest stem, at `sample_rate`. Shorter stems are silent after their end.
    """

    id: str
    dataset: str
    split: str
    stems: tuple[Stem, ...]
    sample_rate: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate

    @property
    def stem_names(self) -> tuple[str, ...]:
        return tuple(stem.name for stem in self.stems)

    def read(self, names: tuple[str, ...], start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
        """Read the sub-mix of the named stems: their plain sum (Eq. 1), not renormalised.

        Args:
            names: stems to sum.
            start_s: where the window starts, in seconds.
            duration_s: its length in seconds; None reads to the end of the track.

        Returns:
            (N,) float32 mono at 16 kHz; zeros after a stem's end.

        Raises:
            ValueError: a name that the track does not have, or a file that cannot be read.
        """
        by_name = {stem.name: stem for stem in self.stems}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise ValueError(f"track {self.id}: no stem {unknown[0]!r}; it has {', '.join(by_name)}")
        if duration_s is None:
            duration_s = self.duration_s - start_s
        files = [file for name in names for file in by_name[name].files]
        return audio.mix([audio.read(file, start_s=start_s, duration_s=duration_s) for file in files])


def make_track(dataset: str, split: str, folder: Path, stems: list[Stem], id: str | None = None) -> Track:
    """Check a track's files by their headers and describe it.

    Raises:
        ValueError: fewer than two stems, stems of different sample rates, or a file without audio.
    """
    if len(stems) < 2:
        found = f"only {stems[0].files[0].name}" if stems else "no stem"
        raise ValueError(f"{folder}: {found} found; a track needs two stems or more (move the folder away, or add one)")
    headers = [audio.info(file) for stem in stems for file in stem.files]
    rates = sorted({header.sample_rate for header in headers})
    if len(rates) > 1:
        raise ValueError(f"{folder}: stems of different sample rates ({rates} Hz); resample them to one rate")
    n_samples = max(header.n_samples for header in headers)
    return Track(id or f"{dataset}/{split}/{folder.name}", dataset, split, tuple(stems), rates[0], n_samples)


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


def _audio_files(folder: Path) -> list[Path]:
    # macOS leaves `._name.wav` files that hold no audio beside the real ones
    files = (f for f in folder.iterdir() if f.suffix.lower() in AUDIO_SUFFIXES and not f.name.startswith("."))
    return sorted(f for f in files if f.stem.lower() not in NOT_STEMS)


def is_cocochorales(root: Path) -> bool:
    return (root / "main_dataset").is_dir() or root.name == "main_dataset"


def index_cocochorales(root: Path, dataset: str = "CocoChorales") -> Iterator[Track]:
    """CocoChorales, full or tiny (arXiv 2209.14458): main_dataset/<split>/<ensemble>_track<n>/stems_audio."""
    main = root if root.name == "main_dataset" else root / "main_dataset"
    for split in SPLITS:
        for folder in sorted((main / split).glob("*_track*")):
            stems_dir = folder / "stems_audio"
            if not stems_dir.is_dir():
                raise ValueError(f"{folder}: no stems_audio folder; unpack the archive again")
            yield make_track(dataset, split, folder, [Stem(f.stem, (f,)) for f in _audio_files(stems_dir)])


def is_folder_of_stems(root: Path) -> bool:
    return bool(_audio_files(root)) or any(_audio_files(d) for d in root.iterdir() if d.is_dir())


def index_folder_of_stems(root: Path, dataset: str | None = None) -> Iterator[Track]:
    """Any folder: <track>/*.{wav,flac,ogg,mp3}, every file a stem except mix and mixture.

    A folder that holds audio files itself is one track. Splits are ours (`assign_splits`).
    """
    folders = [root] if _audio_files(root) else [d for d in sorted(root.iterdir()) if d.is_dir() and _audio_files(d)]
    splits = assign_splits([d.name for d in folders])
    for folder in folders:
        stems = [Stem(f.stem, (f,)) for f in _audio_files(folder)]
        if len({stem.name for stem in stems}) < len(stems):  # bass.wav beside bass.flac
            stems = [Stem(f.name, (f,)) for f in _audio_files(folder)]
        yield make_track(dataset or root.name, splits[folder.name], folder, stems)


@dataclass(frozen=True)
class Adapter:
    """One layout: how it is recognised and how it is read."""

    detect: Callable[[Path], bool]
    index: Callable[..., Iterator[Track]]
    layout: str  # what its root looks like, for error messages


# in this order: the last one takes any folder with audio
ADAPTERS: dict[str, Adapter] = {
    "CocoChorales": Adapter(is_cocochorales, index_cocochorales, "main_dataset/{train,valid,test}/..."),
    "folder of stems": Adapter(is_folder_of_stems, index_folder_of_stems, "<track>/<stem>.wav"),
}


def find_datasets(data_root: str | Path) -> list[tuple[str, Path]]:
    """Recognise the data sets at a folder, or one level below it: (adapter name, root) pairs.

    Raises:
        FileNotFoundError: no such folder. ValueError: nothing recognisable in it.
    """
    root = Path(data_root).expanduser()
    if not root.is_dir():
        kind = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"data_root {root} {kind}; give a folder that holds a data set or tracks with stems")
    known = list(ADAPTERS.items())
    for name, adapter in known[:-1]:
        if adapter.detect(root):
            return [(name, root)]
    children = sorted(d for d in root.iterdir() if d.is_dir() and not d.name.startswith("."))
    found = [(name, child) for child in children for name, adapter in known[:-1] if adapter.detect(child)]
    if found:
        return found
    if is_folder_of_stems(root):
        return [(known[-1][0], root)]
    layouts = "; ".join(f"{name}: {adapter.layout}" for name, adapter in known)
    shown = ", ".join(entry.name for entry in sorted(root.iterdir())[:4]) or "nothing"
    raise ValueError(f"data_root {root} holds {shown}; expected one of these layouts - {layouts}")


def _miniature_name(root: Path) -> str | None:
    manifest = root / "miniature.json"
    return json.loads(manifest.read_text(encoding="utf-8"))["name"] if manifest.exists() else None


def load_tracks(data_root: str | Path, dataset: str | None = None, split: str | None = None) -> list[Track]:
    """Index the tracks at `data_root`, in a fixed order.

    Args:
        data_root: a data set, a folder of data sets, or a folder of tracks with stems.
        dataset: keep this data set only (its display name).
        split: keep "train", "valid" or "test" only.

    Raises:
        FileNotFoundError, ValueError: one line that names the folder and says what to do.
    """
    tracks: list[Track] = []
    for adapter, root in find_datasets(data_root):
        # a miniature says so in its own name, so that no table can pass it off as the real data set
        mini = _miniature_name(root)
        tracks += ADAPTERS[adapter].index(root, **({"dataset": mini} if mini else {}))
    if not tracks:
        raise ValueError(f"data_root {data_root}: no tracks found; is the data set unpacked completely?")
    selected = [t for t in tracks if dataset in (None, t.dataset) and split in (None, t.split)]
    if not selected:
        have = ", ".join(sorted({f"{t.dataset}/{t.split}" for t in tracks}))
        raise ValueError(f"data_root {data_root}: nothing in dataset={dataset}, split={split}; it has {have}")
    return selected
