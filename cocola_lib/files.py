"""Files: written whole or not at all; JSON and CSV; and the folders in which things are kept.

Every file of this project is written to a temporary name beside its own and renamed, so that a reader never sees half
of one, and a full disk or a kill leaves the old one as it was.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula, and a name from somebody else may be one. So CSV
files have an apostrophe before such a text, and `read_csv` takes it away again; numbers stay as they are.
"""

import contextlib
import errno
import json
import math
import os
import re
import shutil
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # half a second of `cocola --help`
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet may run, with apostrophes before it or none
DIGITS = 6  # significant ones, of numbers in tables for people
NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
NO_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)  # a file where a folder must be
REPO = Path(__file__).resolve().parents[1]  # of a clone; beside the package in an installation


def data_dir() -> Path:
    """Where data and caches are kept: the environment variable COCOLA_DATA, or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("COCOLA_DATA") or os.path.join(platformdirs.user_cache_dir("cocola"), "data")
    return Path(chosen).expanduser().absolute()


def default_run_dir(profile: str) -> Path:
    """The run folder of a profile: `outputs/<profile>` in the clone, or, of an installed package, where one stands."""
    return (REPO if (REPO / "pyproject.toml").is_file() else Path.cwd()) / "outputs" / profile


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
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
            mode = temporary.stat().st_mode  # the umask's; some writers choose one that shuts others out
            yield temporary
            temporary.chmod(mode)
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # it may have no place at all
            temporary.unlink()


def cached(path: Path, read: Callable[[Path], Any]) -> Any:
    """What a cache holds; None where there is none, or, with a warning, none that `read` can read.

    Args:
        path: of the cache; a power cut leaves files of length 0.
        read: path -> value; a KeyError or TypeError means that the file is another's.
    """
    try:
        return read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        warnings.warn(
            f"{path}: a cache that cannot be read ({error or type(error).__name__}); made again", stacklevel=3
        )
        return None


def keep(path: Path, value: Any, write: Callable[[Path, Any], Any]) -> None:
    """Put a value into a cache with `write(path, value)`; a warning, and no more, where it cannot be kept."""
    try:
        with whole(path) as temporary:
            write(temporary, value)
    except OSError as error:
        warnings.warn(f"{error} with COCOLA_DATA; this time it goes without", stacklevel=3)


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """A full disk or a closed folder, met in this block, becomes one line that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*NOT_WRITABLE, *NO_PLACE):
            raise
        raise OSError(f"{path}: cannot be written ({error.strerror}); make room, or choose another place") from None


def check_writable(path: Path | str) -> None:
    """Refuse a file or folder that could not be written, before the work that it is to hold; nothing is made.

    Raises:
        OSError: one line that names `path`.
    """
    with writing(path):
        above = next(folder for folder in Path(path).absolute().parents if os.path.lexists(folder))
        tempfile.TemporaryFile(dir=above).close()


@contextmanager
def locked(path: Path | str, busy: str, wait: bool = False) -> Iterator[None]:
    """Let one process at a time into this block. However the process ends, its lock ends with it.

    Args:
        path: of the lock, a file that is there meanwhile.
        busy: what is said where another process is in the block, one line.
        wait: wait for the other to leave, instead.

    Raises:
        ValueError: `busy`. OSError: the lock cannot be written.
    """
    from filelock import FileLock, Timeout

    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            raise ValueError(busy) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows: not while it is open
            path.unlink()
        lock.release()


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """A temporary folder to fill, renamed to `path` at the end, in place of an older one."""
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        outer = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        (outer / "new").mkdir()
        yield outer / "new"
        if os.path.lexists(path):  # a folder cannot be replaced in one call: the older one steps aside first
            os.rename(path, outer / "old")
        os.rename(outer / "new", path)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def write_text(path: Path | str, content: str) -> None:
    """Write a text in UTF-8, whole."""
    with whole(path) as temporary:
        # a file name that is no UTF-8 cannot be written as it is, and must not cost the rest
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path | str, value: Any, indent: int | None = 2) -> None:
    """Write plain values as JSON, whole. NaN and infinity become null: other readers than Python's refuse them."""
    write_text(path, json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file in UTF-8; errors as `parse_json`, and as a file has them."""
    return parse_json(Path(path).read_text(encoding="utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; a ValueError is raised for what is none, and for brackets nested deeper than Python follows."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def write_csv(path: Path | str, frame: "pd.DataFrame") -> None:
    """Write a frame as CSV without its index, whole; text that is a formula is guarded, see above."""
    with whole(path) as temporary:
        _in_words(guarded, frame).to_csv(temporary, index=False, lineterminator="\n", errors="backslashreplace")


def csv_of(frame: "pd.DataFrame") -> str:
    """A frame as the text of a CSV file, without its index; numbers have `DIGITS` significant digits."""
    return _in_words(guarded, frame).to_csv(index=False, lineterminator="\n", float_format=f"%.{DIGITS}g")


def read_csv(path: Path | str, **options: Any) -> "pd.DataFrame":
    """Read what `write_csv` wrote: empty cells are NaN, and nothing else is: somebody may be called NA.

    Args:
        path: of the file.
        options: further ones of `pandas.read_csv`.
    """
    import pandas as pd

    return _in_words(unguarded, pd.read_csv(path, **{"keep_default_na": False, "na_values": [""]} | options))


def guarded(cell: Any) -> Any:
    """A cell for a CSV file: an apostrophe before text that a spreadsheet would run; anything else as it is."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) and not _is_number(cell) else cell


def unguarded(cell: Any) -> Any:
    """What `guarded` was given."""
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and FORMULA.match(cell) else cell


def _in_words(change: Callable[[Any], Any], frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame, its texts changed, those of its first line too."""
    changed = frame.copy(deep=False)
    for name in frame.select_dtypes(exclude=["number", "bool", "datetime"]):
        changed[name] = frame[name].map(change)
    return changed.rename(columns=change)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
