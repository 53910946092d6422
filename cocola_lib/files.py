"""Files: written whole or not at all; JSON and CSV; and the folders in which things are kept.

Every file of this project is written to a temporary name beside its own and renamed, so that a reader never sees half
of one, and a full disk or a kill leaves the old one as it was.
"""

import errno
import json
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # half a second of `cocola --help`
    import pandas as pd

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
REPO = Path(__file__).resolve().parents[1]  # of a clone; beside the package in an installation


def data_dir() -> Path:
    """Where data and caches are kept: the environment variable COCOLA_DATA, or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("COCOLA_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("cocola") / "data"


def default_run_dir(profile: str) -> Path:
    """The run folder of a profile, `outputs/<profile>` in the repository."""
    return REPO / "outputs" / profile


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A temporary name to write to, renamed to `path` at the end: `with whole(path) as temporary: ...`.

    Folders above are made as needed. The temporary name keeps the suffix, by which many writers choose the format.

    Raises:
        OSError: one line that names `path` where the disk is full or the folder closed; else whatever the writing
            raised. Nothing is left behind, and an older `path` is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name[-40:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise OSError(f"{path}: cannot be written ({error.strerror}); make room, or choose another place") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """A temporary folder to fill, renamed to `path` at the end, in place of an older one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    outer = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        (outer / "new").mkdir()
        yield outer / "new"
        if path.exists():  # a folder cannot be replaced in one call: the older one steps aside first
            os.rename(path, outer / "old")
        os.rename(outer / "new", path)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def write_text(path: Path | str, content: str) -> None:
    """Write a text in UTF-8, whole."""
    with whole(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def write_json(path: Path | str, value: Any, indent: int | None = 2) -> None:
    """Write plain values as JSON, whole. NaN and infinity become null: other readers than Python's refuse them."""
    write_text(path, json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: Path | str, frame: "pd.DataFrame") -> None:
    """Write a frame as CSV without its index, whole."""
    with whole(path) as temporary:
        frame.to_csv(temporary, index=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
