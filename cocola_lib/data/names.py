"""Names of files, as people read them and as metadata may give them."""

import os
import re
import unicodedata
from pathlib import Path


def printable(name: str) -> str:
    """A file's name as text: accents are one character each (NFC), and a name that is no UTF-8 is read as Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


def one_line(text: object) -> str:
    """A text as one line that moves no cursor of a terminal: a file's name may hold anything."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", " ".join(str(text).split()))


def inside(folder: Path, *names: str) -> Path:
    """A file below a folder, by names from its metadata.

    Raises:
        ValueError: a name that would lead elsewhere, or is none.
    """
    for name in names:
        if not isinstance(name, str) or name in ("", ".", "..") or re.search(r"[/\\:\0\r\n]", name):
            raise ValueError(
                f"{folder}: its metadata name {str(name)[:60]!r}, which is no name of a file; unpack it again"
            )
    return folder.joinpath(*names)


def compared(a: str, b: str) -> int:
    """-1, 0 or 1, as a collation of SQLite has it: capitals, and how accents are typed, do not matter."""
    first, second = (printable(name).casefold() for name in (a, b))
    return (first > second) - (first < second)


def from_anywhere(text: str) -> str | None:
    """A path, or several separated by commas, made absolute where they exist: others have another working folder.

    What does not exist here, such as the name of a model in the package, stays as it is.
    """
    text = text.strip()
    if text == "None":
        return None
    if text and (path := Path(text).expanduser()).exists():
        return str(path.resolve())
    return ",".join(from_anywhere(part) or "" for part in text.split(",")) if "," in text else text
