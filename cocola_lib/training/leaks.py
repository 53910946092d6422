"""Songs that are in the training set and in the validation set: refused, because their accuracy would prove nothing."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from cocola_lib.data.stems import Track
from cocola_lib.files import read_json


def refuse_shared(train: Sequence[Track], valid: Sequence[Track]) -> None:
    """Check that no validation track is a training track, under the same name or another.

    Compared: folder names within a data set; files; the song where the data set names it (MoisesDB: artist and song;
    Slakh2100: the UUID of the MIDI file); and the audio, where all files have the same sizes in bytes.

    Raises:
        ValueError: the first song that is in both; says how it was recognised.
    """
    sizes = {_sizes(track) for track in train} & {_sizes(track) for track in valid}
    signs = {
        "name": _name,
        "files": _files,
        "song": _song,
        "audio": lambda track: _excerpts(track) if _sizes(track) in sizes else None,
    }
    for sign, describe in signs.items():
        known = {key: track for track in train if (key := describe(track)) is not None}
        for track in valid:
            if (key := describe(track)) in known:
                raise ValueError(
                    f"validation track {track.id} is in the training set too, as {known[key].id} (same {sign}); "
                    "move one of them away: a model is judged by songs that it never heard"
                )


def _name(track: Track) -> tuple:
    return track.dataset, Path(track.id).name


def _files(track: Track) -> frozenset:
    return frozenset((file.resolve(), stem.stream) for stem in track.stems for file in stem.files)


def _song(track: Track) -> str | None:
    """What the data set itself calls the song, where it does."""
    for folder in list(track.stems[0].files[0].parents)[:3]:
        if (folder / "data.json").is_file():
            song = read_json(folder / "data.json")
            if song.get("artist") and song.get("song"):
                return f"{song['artist']} - {song['song']}".casefold()
        if (folder / "metadata.yaml").is_file():
            text = (folder / "metadata.yaml").read_text(encoding="utf-8")
            found = re.search(r"^UUID:\s*(\S+)", text, flags=re.MULTILINE)  # a YAML parser needs 10 ms for each
            return found[1] if found else None
    return None


def _sizes(track: Track) -> tuple[int, ...]:
    return tuple(sorted(file.stat().st_size for stem in track.stems for file in stem.files))


def _excerpts(track: Track) -> tuple[str, ...]:
    """What the track sounds like, whatever its files are called: 64 KB from the middle of each."""
    excerpts = []
    for file in (file for stem in track.stems for file in stem.files):
        with open(file, "rb") as stream:
            stream.seek(max(0, file.stat().st_size // 2 - 32_768))
            excerpts.append(hashlib.sha256(stream.read(65_536)).hexdigest())
    return tuple(sorted(excerpts))
