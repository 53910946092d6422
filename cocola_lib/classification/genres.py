"""Which music a track is: its style, and groups of tracks to train on and to test on. Used by notebook 08.

A miniature's style is known from its recipe, a song's of MoisesDB from its `data.json`. Slakh2100 names none.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from cocola_lib.data.metadata import read_json
from cocola_lib.data.miniatures import excerpts
from cocola_lib.data.stem_classes import is_pitched
from cocola_lib.data.stems import Track

GENRES = {  # group -> styles, the miniatures' and MoisesDB's
    "classical": ("chorale",),
    "jazz and latin": ("jazz", "bossa", "salsa", "bossa_nova", "blues"),
    "rock, pop, folk": (
        *("pop", "rock", "ballad", "folk", "prog", "singer_songwriter", "country", "world/folk", "musical_theatre"),
    ),
    "groove": ("funk", "soul", "house", "reggae", "rnb", "electronic", "rap"),
}
PERCUSSION, EVERYTHING = "percussion only", "everything"
HEARD = (*GENRES, PERCUSSION, EVERYTHING)  # groups to train on
OTHER_SOUNDS = "other styles and sounds"  # MUSDB18-HQ, which no training here hears
ASKED = (*GENRES, PERCUSSION, OTHER_SOUNDS)  # groups to test on
UNKNOWN = "unknown"


def style(track: Track) -> str:
    """The style of a track, in lower case; "unknown" where nothing says it."""
    if "cocochorales" in track.dataset.lower():
        return "chorale"
    return _style_of(track.stems[0].files[0])


@cache
def _style_of(file: Path) -> str:
    try:
        song = excerpts.piece(file)
        return song.style if song else "chorale"
    except ValueError:  # no miniature
        described = next(
            (folder / "data.json" for folder in file.parents[:3] if (folder / "data.json").is_file()), None
        )
        return str(read_json(described).get("genre") or UNKNOWN).lower() if described else UNKNOWN


def select(group: str, tracks: Sequence[Track]) -> list[Track]:
    """The tracks of a group.

    Args:
        group: one of `HEARD` or `ASKED`. Percussion only: drums and percussion of songs that have two such stems.
        tracks: of one split.

    Returns:
        Perhaps none. MUSDB18-HQ is in no group but its own, and is everything where there is nothing else.

    Raises:
        ValueError: no such group.
    """
    if group not in {*HEARD, *ASKED}:
        raise ValueError(f"group is {group!r}; use {', '.join(dict.fromkeys((*HEARD, *ASKED)))}")
    apart = [track for track in tracks if "musdb" in track.dataset.lower()]
    if group == OTHER_SOUNDS:
        return apart
    others = [track for track in tracks if track not in apart]
    if group == EVERYTHING:
        return others or apart
    if group == PERCUSSION:
        stems = {track.id: tuple(stem for stem in track.stems if not is_pitched(stem.name)) for track in others}
        return [replace(track, stems=stems[track.id]) for track in others if len(stems[track.id]) > 1]
    return [track for track in others if style(track) in GENRES[group]]
