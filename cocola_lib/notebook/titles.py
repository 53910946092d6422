"""What a track is called on the page."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePosixPath

from cocola_lib.data.stems import Track
from cocola_lib.files import read_json


def title(track: Track) -> str:
    """A track's id; artist and song in place of a UUID, where MoisesDB's `data.json` beside the stems has them."""
    place = PurePosixPath(track.id)
    with suppress(ValueError, OSError, KeyError, TypeError):
        uuid.UUID(place.name)
        data = read_json(track.stems[0].files[0].parents[1] / "data.json")
        return f"{place.parent}/{data['artist']}: {data['song']}"
    return track.id


def titles(tracks: Iterable[Track]) -> dict[str, str]:
    """Track id -> what the track is called."""
    return {track.id: title(track) for track in tracks}


def in_words(text: str, tracks: Iterable[Track]) -> str:
    """A text that names tracks by their ids, such as how an answer was made, with their titles in place of these."""
    for track in tracks:
        if track.id in text:
            text = text.replace(track.id, title(track))
    return text
