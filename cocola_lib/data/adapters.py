"""Adapters: one per layout on disk, each of which says where its tracks are and what their stems are.

Everything else (headers, splits, errors, the cached index) is common and lies in `tracks`. The layouts are those that
the data sets publish, see the README; notebook 01 explores whichever are there.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cocola_lib.data import containers
from cocola_lib.data.containers import SUFFIX as STEM_MP4
from cocola_lib.data.metadata import read_json, read_yaml
from cocola_lib.data.names import inside, printable
from cocola_lib.data.sound_files import AUDIO_SUFFIXES
from cocola_lib.data.stems import Stem

NOT_STEMS = ("mix", "mixture")  # file names that hold the sum of the stems
OURS = ""  # no official split: `tracks.assign_splits` decides
SPLIT_FOLDERS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test"}  # folder -> split
MUSDB_STEMS = ("drums", "bass", "other", "vocals")
MUSDB_VALID = (  # of its train folder, as the musdb package defines them
    "Actions - One Minute Smile",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave",
    "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants",
    "Leaf - Summerghost",
    "Skelpolu - Human Mistakes",
    "Young Griffo - Pennies",
    "ANiMAL - Rockshow",
    "James May - On The Line",
    "Meaxic - Take A Step",
    "Traffic Experiment - Sirens",
)


@dataclass(frozen=True)
class Adapter:
    """One layout.

    Attributes:
        name: of the layout.
        dataset: display name; None for the name of the root folder.
        layout: what its root looks like, for error messages.
        home: root -> the folder that holds tracks or splits, None if the layout is another one.
        tracks: home -> (split, path) of every track; split OURS where there is none.
        stems: path -> the stems of one track.
    """

    name: str
    dataset: str | None
    layout: str
    home: Callable[[Path], Path | None]
    tracks: Callable[[Path], Iterable[tuple[str, Path]]]
    stems: Callable[[Path], list[Stem]]


def _home(holds: Callable[[Path], bool], *inside: str) -> Callable[[Path], Path | None]:
    """The root itself, or the first folder inside it that holds what the layout asks for."""
    return lambda root: next((d for d in (root, *(root / name for name in inside)) if d.is_dir() and holds(d)), None)


def _entries(folder: Path, pattern: str = "*") -> list[Path]:
    """Sorted contents of a folder without hidden ones: macOS leaves `._name.wav` files that hold no audio."""
    return sorted(entry for entry in folder.glob(pattern) if not entry.name.startswith("."))


def _audio_files(folder: Path) -> list[Path]:
    files = (f for f in _entries(folder) if f.suffix.lower() in AUDIO_SUFFIXES and not f.is_dir())
    return [f for f in files if f.stem.lower() not in NOT_STEMS]  # links to nowhere too: opening them names them


def _split_tracks(pattern: str) -> Callable[[Path], list[tuple[str, Path]]]:
    """Tracks that match a pattern in split folders; "omitted" and other folders are none."""
    return lambda home: [
        (split, path) for folder, split in SPLIT_FOLDERS.items() for path in _entries(home / folder, pattern)
    ]


def _present(files: Iterable[Path]) -> tuple[Path, ...]:
    """The files, each of which must be there."""
    files = tuple(files)
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file}: missing; unpack the archive again")
    return files


def files_as_stems(folder: Path) -> list[Stem]:
    """Every audio file a stem, named after it; bass.wav beside bass.flac keep their suffixes."""
    files = _audio_files(folder)
    short, names = Counter(printable(f.stem) for f in files), Counter(printable(f.name) for f in files)
    if twice := next((name for name, n in names.items() if n > 1), None):
        raise ValueError(f"{folder}: {twice} is there twice, its accents written in two ways; leave one of them")
    return [Stem(printable(f.stem if short[printable(f.stem)] == 1 else f.name), (f,)) for f in files]


def _cocochorales_stems(folder: Path) -> list[Stem]:
    if not (folder / "stems_audio").is_dir():
        raise FileNotFoundError(f"{folder}: no stems_audio folder; unpack the archive again")
    return files_as_stems(folder / "stems_audio")  # "4_double bass.wav": numbers and spaces are kept


def _slakh_stems(folder: Path) -> list[Stem]:
    """S00_Guitar, ...: the rendered stems of metadata.yaml; the others exist as MIDI only."""
    content = read_yaml(folder / "metadata.yaml")
    try:
        rendered = {sid: entry["inst_class"] for sid, entry in content["stems"].items() if entry["audio_rendered"]}
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"{folder / 'metadata.yaml'}: stems lack inst_class or audio_rendered") from None
    suffix = ".wav" if any((folder / "stems").glob("S*.wav")) else ".flac"
    files = {sid: inside(folder / "stems", f"{sid}{suffix}") for sid in rendered}
    return [Stem(f"{sid}_{rendered[sid]}", _present([file])) for sid, file in files.items()]


def _moisesdb_stems(folder: Path) -> list[Stem]:
    """A stem is the sum of the files under its name; a name that comes twice is still one stem."""
    files: dict[str, list[Path]] = {}
    try:
        for stem in read_json(folder / "data.json")["stems"]:
            for part in stem["tracks"]:
                file = inside(folder, stem["stemName"], f"{part['id']}.{part.get('extension', 'wav')}")
                files.setdefault(stem["stemName"], []).append(file)
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"{folder / 'data.json'}: stems lack stemName, tracks or id") from None
    return [Stem(name, _present(files[name])) for name in sorted(files)]


def _musdb_tracks(pattern: str) -> Callable[[Path], list[tuple[str, Path]]]:
    found = _split_tracks(pattern)
    return lambda home: [
        ("valid" if split == "train" and path.name.removesuffix(STEM_MP4) in MUSDB_VALID else split, path)
        for split, path in found(home)
    ]


def _stem_mp4_tracks(home: Path) -> list[tuple[str, Path]]:
    return _musdb_tracks(f"*{STEM_MP4}")(home) or [(OURS, path) for path in _entries(home, f"*{STEM_MP4}")]


def _slakh_tracks(home: Path) -> list[tuple[str, Path]]:
    return _split_tracks("Track*")(home) or [(OURS, path) for path in _entries(home, "Track*")]  # babyslakh: flat


def _folder_tracks(home: Path) -> list[tuple[str, Path]]:
    folders = [home] if _audio_files(home) else [d for d in _entries(home) if d.is_dir() and _audio_files(d)]
    return [(OURS, folder) for folder in folders]


def _any(*patterns: str) -> Callable[[Path], bool]:
    return lambda folder: any(not p.name.startswith(".") for pattern in patterns for p in folder.glob(pattern))


# In this order; the last one takes any folder with audio.
ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        Adapter(
            "CocoChorales",
            "CocoChorales",
            "main_dataset/{train,valid,test}/<ensemble>_track<n>/stems_audio/*.wav",
            _home(lambda folder: folder.name == "main_dataset", "main_dataset"),
            _split_tracks("*_track*"),
            _cocochorales_stems,
        ),
        Adapter(
            "Slakh2100",
            "Slakh2100",
            "slakh2100_flac_redux/{train,validation,test}/Track<n>/{metadata.yaml,stems/S*.flac}",
            _home(
                _any("Track*/metadata.yaml", *(f"{split}/Track*/metadata.yaml" for split in SPLIT_FOLDERS)),
                "slakh2100_flac_redux",
                "slakh2100_redux_16k",
                "babyslakh_16k",
            ),
            _slakh_tracks,
            _slakh_stems,
        ),
        Adapter(
            "MoisesDB",
            "MoisesDB",
            "moisesdb_v0.1/<uuid>/{data.json,<stem>/<uuid>.wav}",
            _home(_any("*/data.json"), "moisesdb/moisesdb_v0.1", "moisesdb_v0.1"),
            lambda home: [(OURS, path.parent) for path in _entries(home, "*/data.json") if path.parent.name[0] != "."],
            _moisesdb_stems,
        ),
        Adapter(
            "MUSDB18-HQ",
            "MUSDB18-HQ",
            "{train,test}/<Artist - Title>/{mixture,drums,bass,other,vocals}.wav",
            _home(_any("train/*/mixture.wav", "test/*/mixture.wav"), "musdb18hq"),
            lambda home: [(split, path) for split, path in _musdb_tracks("*")(home) if path.is_dir()],
            lambda folder: [Stem(name, _present([folder / f"{name}.wav"])) for name in MUSDB_STEMS],
        ),
        Adapter(
            "stem files",
            None,
            f"<track>{STEM_MP4}, or {{train,test}}/<Artist - Title>{STEM_MP4} (MUSDB18)",
            _home(_any(f"*{STEM_MP4}", f"train/*{STEM_MP4}", f"test/*{STEM_MP4}"), "musdb18"),
            _stem_mp4_tracks,
            lambda path: [Stem(n, (path,), stream=i) for i, n in enumerate(containers.stem_names(path), start=1)],
        ),
        Adapter(
            "folder of stems",
            None,
            "<track>/<stem>.wav (or flac, ogg, mp3)",
            lambda root: root if _folder_tracks(root) else None,
            _folder_tracks,
            files_as_stems,
        ),
    )
}
