"""Metadata of tracks, read without trusting anything that they say: their size, depth and time are limited."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

MAX_BYTES = 4_000_000  # of a track's metadata: hundreds of times what there is
MAX_DEPTH = 20  # levels
MAX_TEXT = 10_000  # characters of one value: a number in base 60 takes their square
YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C it reads the 2,100 files of Slakh in seconds


def read_json(path: Path) -> dict:
    """Read a track's metadata in JSON: a dictionary with "stems".

    Raises:
        FileNotFoundError, ValueError: one line: which file, what was found, what to do.
    """
    return _read(path, json.loads)


def read_yaml(path: Path) -> dict:
    """Read a track's metadata in YAML, as `read_json`."""
    return _read(path, _load_yaml)


def _read(path: Path, parse: Callable) -> dict:
    """Parse a metadata file; whatever is wrong with it becomes one line."""
    try:
        if not path.is_file() and path.exists():
            raise ValueError("a pipe or a device")
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES / 1e6:g} MB")
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: missing; unpack the archive again") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read ({reason}); unpack the archive again") from None
    if not isinstance(content, dict) or "stems" not in content:
        raise ValueError(f"{path}: has no stems; unpack the archive again")
    return content


def _load_yaml(text: str) -> dict:
    """Parse YAML without references, as plain as metadata are: with them, a few bytes may take for ever."""
    depth = 0
    for event in yaml.parse(text, YAML):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it refers to parts of itself")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_TEXT:
            raise ValueError(f"a text or a number of {len(event.value)} characters")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return yaml.load(text, YAML)
