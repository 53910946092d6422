"""Downloads: the data sets that need no login, checked against their published checksums and unpacked safely.

A download goes on where it stopped; an archive is unpacked beside its target and moved in when it is whole, and nothing
in it, whatever its names and links say, is written anywhere else.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cocola_lib.data.progress import bar
from cocola_lib.data.unpack import unpack
from cocola_lib.files import read_json, write_json

MOISESDB = "needs a registration: ask for it at music.ai/research, unpack it, and give its folder as data root"
STATE = ".cocola-downloads.json"  # in the target folder: which archives are unpacked
ATTEMPTS = 5  # connections in a row that bring nothing new before a download is given up
TIMEOUT_S = 60


@dataclass(frozen=True)
class Archive:
    """One file to fetch: where from, its published checksum ("md5:..." or "sha256:..."), what it unpacks into."""

    url: str
    checksum: str
    into: str  # a folder below the target folder


@dataclass(frozen=True)
class Remote:
    """A data set: its archives, their size together, the folder that it ends up in, and its terms."""

    name: str
    archives: tuple[Archive, ...]
    size_gb: float
    folder: str
    licence: str


def _load() -> dict[str, Remote]:
    """The data sets of `downloads.json`: addresses and checksums as their authors publish them."""
    table = json.loads(Path(__file__).with_name("downloads.json").read_text(encoding="utf-8"))
    return {
        name: Remote(name, **entry | {"archives": tuple(Archive(**a) for a in entry["archives"])})
        for name, entry in table.items()
    }


DATASETS = _load()


def get(name: str) -> Remote:
    """Look a downloadable data set up by name.

    Raises:
        ValueError: unknown; the message says what there is, or where to get it by hand.
    """
    if name.lower().replace("-", "") in ("moisesdb", "moisesdbv0.1"):
        raise ValueError(f"MoisesDB {MOISESDB}")
    if name not in DATASETS:
        raise ValueError(f"no data set {name!r} to download; there are {', '.join(DATASETS)} (MoisesDB {MOISESDB})")
    return DATASETS[name]


def describe(remote: Remote, to: Path) -> str:
    """What a download takes, for the question before it."""
    existing = next(folder for folder in (to.absolute(), *to.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    n = len(remote.archives)
    return (
        f"{remote.name}: {remote.size_gb:g} GB in {n} archive{'s' * (n > 1)}, up to twice that while unpacking, into "
        f"{to} ({free:.1f} GB free). Licence: {remote.licence}."
    )


def is_there(remote: Remote, to: Path) -> bool:
    """Whether every archive of a data set is unpacked."""
    return {archive.url for archive in remote.archives} <= set(_state(to).get(remote.name, ()))


def fetch(remote: Remote, to: str | Path, keep: bool = False, progress: bool = True) -> Path:
    """Download, verify and unpack a data set; what an interrupted run finished is kept.

    Args:
        remote: from `get`.
        to: the folder to unpack into.
        keep: keep the archives.
        progress: show a bar.

    Returns:
        The folder of the data set.

    Raises:
        ValueError: wrong checksum, hostile or damaged archive, the server refuses, or a folder is in the way.
        OSError: not enough space, or no connection.
    """
    import pooch

    to = Path(to).expanduser().absolute()
    to.mkdir(parents=True, exist_ok=True)
    folder, state = to / remote.folder, _state(to)
    if remote.name not in state and folder.exists():
        raise ValueError(f"{folder} exists and was not downloaded here; give it as data root, or another --to")
    free = shutil.disk_usage(to).free
    if not is_there(remote, to) and remote.size_gb * 1e9 > free:
        raise OSError(f"{to}: {remote.size_gb:g} GB needed, {free / 1e9:.1f} GB free; choose another disk")
    for archive in remote.archives:
        done = state.setdefault(remote.name, [])
        if archive.url in done:
            continue
        write_json(to / STATE, state)
        file = "-".join([remote.name, *archive.url.rsplit("/", 2)[-2:]])
        store = to / ".archives"
        path = Path(pooch.retrieve(archive.url, archive.checksum, file, store, downloader=Resuming(file, progress)))
        _unpack_into(path, to / archive.into)
        done.append(archive.url)
        write_json(to / STATE, state)
        if not keep:
            path.unlink()
    return folder


class Resuming:
    """A downloader for pooch that goes on where the last connection broke, within a run and across runs.

    Args:
        name: of the archive; its part lies beside it as `<name>.part`.
        progress: show a bar.
    """

    def __init__(self, name: str, progress: bool = True):
        self.name, self.progress = name, progress

    def __call__(self, url: str, output_file: str, pooch) -> None:
        import requests

        part, fruitless = Path(output_file).parent / f"{self.name}.part", 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._fetch_rest(url, part, before)
                break
            except requests.RequestException as error:
                fruitless = 0 if part.exists() and part.stat().st_size > before else fruitless + 1
                if fruitless == ATTEMPTS:
                    reason = " ".join(str(error).split())[:120]
                    raise OSError(f"{url}: no connection ({reason}); run it again to go on") from None
        os.replace(part, output_file)

    def _fetch_rest(self, url: str, part: Path, have: int) -> None:
        """Fetch what is missing of a part; a server that knows no ranges starts over."""
        import requests

        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code == 416:  # nothing is missing, or the file is another one by now: its hash will tell
                return
            if response.status_code >= 500:
                raise requests.ConnectionError(f"the server says {response.status_code}")
            if response.status_code not in (200, 206):
                raise ValueError(f"{url}: the server says {response.status_code} {response.reason}")
            have = have if response.status_code == 206 else 0
            total = have + int(response.headers.get("Content-Length", 0))
            shown = bar(None, self.name, total, self.progress, initial=have, unit="B", unit_scale=True)
            with part.open("ab" if have else "wb") as file, shown:
                for block in response.iter_content(1 << 16):
                    file.write(block)
                    shown.update(len(block))
            if part.stat().st_size < total:
                raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def _unpack_into(archive: Path, target: Path) -> None:
    """Unpack beside the target, then move in what is whole."""
    staging = archive.with_name(archive.name + ".unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        unpack(archive, staging)
        target.mkdir(parents=True, exist_ok=True)
        wrapped = staging / target.name  # some archives hold one folder of the data set's name, some its contents
        for entry in (wrapped if wrapped.is_dir() else staging).iterdir():
            there = target / entry.name
            if there.is_dir():  # moved in by a run that was interrupted before it could say so
                shutil.rmtree(there)
            os.replace(entry, there)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _state(to: Path) -> dict[str, list[str]]:
    try:
        return read_json(to / STATE)
    except (OSError, ValueError):
        return {}
