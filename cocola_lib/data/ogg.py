"""Ogg files as they are (RFC 3533): whether they end where they should, and how many streams follow one another."""

from pathlib import Path

PAGE_HEAD = 27  # bytes before the table of segments
LAST = 4  # flag of a stream's last page


def holds_several(path: Path) -> bool:
    """Whether several streams follow one another in an Ogg file; no for a file of another kind.

    Raises:
        ValueError: it was cut off; one line.
    """
    with path.open("rb") as raw:
        if raw.read(4) != b"OggS":
            return False
        raw.seek(0)
        data = raw.read()
    at, n_ends, last = 0, 0, False
    while data[at : at + 4] == b"OggS" and len(data) >= at + PAGE_HEAD:
        table = data[at + PAGE_HEAD : at + PAGE_HEAD + data[at + 26]]
        last = bool(data[at + 5] & LAST)
        n_ends += last
        at += PAGE_HEAD + len(table) + sum(table)
    if not last or at > len(data):
        raise ValueError(f"{path}: cut off, its last page is missing; copy it again")
    return n_ends > 1
