"""Unpacking: archives from elsewhere, without trusting anything that they say."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    FileExistsError,
    NotADirectoryError,
)


def unpack(archive: Path, target: Path) -> None:
    """Unpack regular files and folders of a .zip or .tar.* into a folder.

    Raises:
        ValueError: a member that points outside, is a link or a device; a damaged or encrypted archive.
        OSError: not enough space.
    """
    try:
        for name, size, source in _members(archive):
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
                raise ValueError(f"{archive}: refused, it would write {name!r} outside its folder")
            if size > shutil.disk_usage(target).free:
                raise OSError(f"{target}: no space left for {name} ({size / 1e6:.0f} MB); choose another disk")
            path = target.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except NotImplementedError as error:
        raise ValueError(f"{archive}: packed in a way that Python does not know ({error}); unpack it by hand") from None
    except RuntimeError:
        raise ValueError(f"{archive}: encrypted; unpack it by hand, with its password") from None
    except DAMAGED as error:
        raise ValueError(f"{archive}: damaged archive ({error}); delete it and download again") from None


def _members(archive: Path) -> Iterator[tuple[str, int, object]]:
    """(name, bytes, open file) of every regular file; folders are made as needed, anything else is refused."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise ValueError(f"{archive}: refused, {member.filename!r} is a link or a device")
                if not member.is_dir():
                    with content.open(member) as source:
                        yield member.filename, member.file_size, source
        return
    with tarfile.open(archive, "r:*") as content:
        for member in content:
            if not (member.isreg() or member.isdir()):
                raise ValueError(f"{archive}: refused, {member.name!r} is a link or a device")
            if member.isreg():
                yield member.name, member.size, content.extractfile(member)
