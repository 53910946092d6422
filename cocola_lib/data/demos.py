"""Demos: music by people as stems, and answers of published generators, from their public repositories.

`demos.csv` names every file: the repository, a commit and a path in it, the part that is cut out, the licence as it is
stated there, and whether that licence allows to fetch it by default. 16 kHz mono FLAC files are written in two layouts:

    multitrack/SOURCE/PIECE/STEM.flac                           opens as plain folders, see `data.adapters`
    generated/SYSTEM/EXAMPLE/{context,output,reference}.flac    what a system heard, what it answered, the true stem

The checksum of a file that the table does not know is trusted at its first download and kept. A file that changes
upstream later is named, and the old one stays. Tested on a local server; the addresses could not be tried.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np
import soundfile

from cocola_lib.data import audio
from cocola_lib.data.download import Resuming
from cocola_lib.data.progress import bar
from cocola_lib.files import read_json, write_json

NAME = "demos"  # of the download, and of the folder below the target folder
HOST = "https://raw.githubusercontent.com"
STATE = ".cocola-demos.json"  # address -> sha256 of the original
ORIGINALS = ".originals"  # downloads on their way; empty after a run


@dataclass(frozen=True)
class Demo:
    """One file, a row of `demos.csv`.

    Attributes:
        kind: "multitrack" or "generated".
        source: of the piece, or the system.
        item: the piece, or the example.
        role: the stem, or "context", "output", "reference".
        repository, commit, path: of the original.
        channel: the one that holds it; None for the mean of all.
        minus: a path in the same repository, of a file to subtract: a context is a mix without its output.
        start_s, seconds: the part of the original.
        sha256: of the original, "" if unknown.
        licence: as stated.
        open: whether that licence allows to fetch it without looking into it.
    """

    kind: str
    source: str
    item: str
    role: str
    repository: str
    commit: str
    path: str
    channel: int | None
    minus: str
    start_s: float
    seconds: float
    sha256: str
    licence: str
    open: bool

    @property
    def file(self) -> Path:
        """Where it is written, below the folder of demos."""
        return Path(self.kind, self.source, self.item, f"{self.role}.flac")

    def address(self, path: str) -> str:
        """Of a file in its repository, at its commit."""
        return f"{HOST}/{self.repository}/{self.commit}/{quote(path)}"


@dataclass(frozen=True)
class Outcome:
    """How many files were written and kept, and one line for each that is missing or odd."""

    written: int
    kept: int
    remarks: list[str]


def table() -> list[Demo]:
    """All rows of `demos.csv`."""
    with Path(__file__).with_name("demos.csv").open(encoding="utf-8", newline="") as file:
        return [_demo(row) for row in csv.DictReader(file)]


def describe(demos: Sequence[Demo], to: Path) -> str:
    """What a download takes, for the question before it; a sentence on licences where they do not settle it."""
    licences = Counter(demo.licence for demo in demos)
    stated = "; ".join(f"{licence} ({n})" for licence, n in licences.items())
    unclear = sum(not demo.open for demo in demos)
    caution = (
        f" For {unclear} of them no licence allows more than to listen and to measure here: do not pass them on, and "
        f"ask their authors before any other use."
    )
    n = len({demo.repository for demo in demos})
    return f"{len(demos)} files from {n} public repositories, into {to}. Licences as stated there: {stated}." + (
        caution if unclear else ""
    )


def fetch(demos: Sequence[Demo], to: str | Path, recheck: bool = False, progress: bool = True) -> Outcome:
    """Download files, cut them and write them; those that are there are kept.

    Args:
        demos: rows of the table.
        to: the folder of demos.
        recheck: download what is there as well, and say which files changed upstream; the old ones are kept.
        progress: show a bar.

    Raises:
        OSError: no connection, or the disk is full. Run it again: it goes on where it stopped.
    """
    to = Path(to).expanduser().absolute()
    written, kept, remarks = 0, 0, []
    known = read_json(to / STATE) if (to / STATE).exists() else {}
    for demo in bar(demos, NAME, shown=progress, unit="file"):
        there = (to / demo.file).exists()
        kept += there
        if there and not recheck:
            continue
        try:
            clip = _read(demo, to, known)
        except ValueError as error:
            remarks.append(f"{demo.file}: {'the old one is kept' if there else 'not written'}: {error}")
            continue
        if not there:
            audio.write(to / demo.file, clip)
            written += 1
            if audio.rms_dbfs(clip) <= audio.SILENCE_DBFS:
                remarks.append(f"{demo.file}: decodes to silence")
    for done in (to / ORIGINALS).glob("*"):  # parts stay, for the next run to go on
        if done.suffix != ".part":
            done.unlink()
    return Outcome(written, kept, remarks)


def _demo(row: dict[str, str]) -> Demo:
    channel = int(row["channel"]) if row["channel"] else None
    numbers = {name: float(row[name]) for name in ("start_s", "seconds")}
    return Demo(**row | numbers | {"channel": channel, "open": row["open"] == "yes"})


def _read(demo: Demo, to: Path, known: dict[str, str]) -> np.ndarray:
    """Download the originals of a file and cut it out of them: (N,) at 16 kHz.

    Raises:
        ValueError: the server refuses, the checksum is another one, or it is no audio.
    """
    clip = _cut(_original(demo.address(demo.path), demo.sha256, to, known), demo)
    if demo.minus:
        other = _cut(_original(demo.address(demo.minus), "", to, known), demo)
        n = min(len(clip), len(other))
        clip = clip[:n] - other[:n]
    return clip


def _original(address: str, expected: str, to: Path, known: dict[str, str]) -> Path:
    """A file as it is published; its checksum is compared, or written down at its first download."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it tells the checksum of every file
    name = sha256(address.encode()).hexdigest()[:24] + Path(address).suffix
    path = Path(pooch.retrieve(address, None, name, to / ORIGINALS, downloader=Resuming(name, progress=False)))
    found, expected = pooch.file_hash(path), expected or known.get(address, "")
    if expected and found != expected:
        path.unlink()
        raise ValueError(f"{address} changed upstream (sha256 {found[:12]}... instead of {expected[:12]}...)")
    if address not in known:
        known[address] = found
        write_json(to / STATE, known)
    return path


def _cut(original: Path, demo: Demo) -> np.ndarray:
    """The part that a row asks for."""
    if demo.channel is None:
        return audio.read(original, start_s=demo.start_s, duration_s=demo.seconds)
    try:
        samples, rate = soundfile.read(original, dtype="float32", always_2d=True)  # (N, channels)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{original}: no audio that can be read ({error})") from None
    if demo.channel >= samples.shape[1]:
        raise ValueError(f"{original}: {samples.shape[1]} channels; channel {demo.channel} is asked for")
    clip = audio.resample(np.ascontiguousarray(samples[:, demo.channel]), rate, audio.SAMPLE_RATE)
    start = round(demo.start_s * audio.SAMPLE_RATE)
    return clip[start : start + round(demo.seconds * audio.SAMPLE_RATE)]
