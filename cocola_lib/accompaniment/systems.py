"""Systems to judge: a folder of outputs in, a table out. The protocol of Table III, for any generator.

A folder holds `manifest.csv` and audio. A row is one answer of one system to one conditioning:

| column | meaning |
|---|---|
| `id` | of the question; the same in every folder that answers it |
| `conditioning` | audio that the system was given |
| `output` | audio that it answered with: the new stem alone, not the mix |
| `reference` | the true stem; may be empty, then there is no Ground Truth |
| `stem_class` | what was asked for, e.g. `bass`, `drums`, `guitar` |
| `system` | the system's name, a row of the table |

Paths are relative to the folder. Further columns are carried along; `track` groups questions for the intervals.
`cocola accompany export` writes such a folder for a generator to answer, with a README; `cocola accompany evaluate`
reads any number of them. How the systems of the paper produce outputs stands in `folder_protocol.md`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.accompaniment.layouts import COLUMNS, MANIFEST, SIDES, content, read_rows
from cocola_lib.accompaniment.loudness import to_level
from cocola_lib.accompaniment.protocols import PROTOCOLS, Protocol
from cocola_lib.data import audio
from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.names import printable
from cocola_lib.data.pair_files import write_rows
from cocola_lib.data.stems import Track
from cocola_lib.files import whole_folder, write_text
from cocola_lib.sampling import WindowSampler

README = Path(__file__).parent / "folder_protocol.md"
OURS = PROTOCOLS["ours"]


@dataclass(frozen=True)
class Question:
    """What a system is asked: a window of a track, the stems that it hears, and the one that it is to play."""

    id: str
    track_id: str
    start_s: float
    conditioning: tuple[str, ...]
    asked: str
    stem_class: str


def stem_class(name: str) -> str:
    """The instrument in a stem's name, without the numbers of the data sets: "S01_Synth Lead" is "synth lead"."""
    return re.sub(r"^S?\d+[_ ]", "", name).lower()


def draw_questions(
    tracks: Sequence[Track],
    n: int,
    chunk_s: float = OURS.chunk_s,
    seed: int = 0,
    exclude: Sequence[str] = OURS.exclude,
    rest: bool = False,
) -> list[Question]:
    """Draw questions, as many from each data set: a random subset of the sounding stems, and one more to be played.

    Args:
        tracks: where windows come from; windows of one track overlap by half at most.
        n: questions; fewer where the tracks hold fewer windows.
        chunk_s: length of a conditioning, seconds.
        seed: of the draw.
        exclude: stem classes that are never asked for.
        rest: all other sounding stems are heard, instead of a random subset.
    Raises:
        ValueError: no track is long enough, or nothing may be asked for.
    """
    datasets = sorted({track.dataset for track in tracks})
    streams = [_questions([t for t in tracks if t.dataset == d], n, chunk_s, seed, exclude, rest) for d in datasets]
    drawn = []
    while streams and len(drawn) < n:
        stream = streams.pop(0)
        question = next(stream, None)
        if question is not None:
            drawn.append(question)
            streams.append(stream)
    if not drawn:
        raise ValueError(
            f"no questions: {len(tracks)} tracks hold no window of {chunk_s:g} s in which two stems sound, one of them "
            f"other than {', '.join(exclude) or 'none'}; shorten the chunk (the longest track has "
            f"{max((t.duration_s for t in tracks), default=0):.1f} s)"
        )
    order = {question.track_id: i for i, question in enumerate(drawn)}
    drawn.sort(key=lambda q: (q.track_id.split("/")[0], order[q.track_id], q.start_s))
    return [Question(f"{i:04d}", *(getattr(q, f) for f in FIELDS)) for i, q in enumerate(drawn)]


FIELDS = ("track_id", "start_s", "conditioning", "asked", "stem_class")


def _questions(tracks, n, chunk_s, seed, exclude, rest) -> Iterator[Question]:
    """The questions that one data set can give."""
    rng, sampler = np.random.default_rng([seed, 4]), WindowSampler(tracks, window_s=chunk_s)
    for spec in sampler.draw(n, seed, 0):
        names = _sounding(sampler, spec) if rest else (*spec.anchor, *spec.positive)
        allowed = [name for name in names if stem_class(name) not in exclude]
        if allowed:
            asked = allowed[rng.integers(len(allowed))]
            heard = tuple(name for name in names if name != asked)
            yield Question("", spec.track_id, spec.start_s, heard, asked, stem_class(asked))


def _sounding(sampler, spec) -> tuple[str, ...]:
    """All stems that sound in a window."""
    track = sampler.by_id[spec.track_id]
    starts, active = sampler.windows(track)
    column = np.searchsorted(starts, round(spec.start_s / BLOCK_S))
    return tuple(name for name, sounds in zip(track.stem_names, active[:, column], strict=True) if sounds)


def read_question(
    question: Question, by_id: dict[str, Track], chunk_s: float = OURS.chunk_s, rate: int = audio.SAMPLE_RATE
):
    """The audio of a question: (conditioning, true stem), two (N,) float32 at `rate` Hz."""
    track = by_id[question.track_id]
    wanted = (question.conditioning, (question.asked,))
    return tuple(track.read(names, question.start_s, chunk_s, rate) for names in wanted)


def export(
    tracks: Sequence[Track],
    folder: Path | str,
    n: int,
    chunk_s: float = OURS.chunk_s,
    seed: int = 0,
    system: str = "my system",
    exclude: Sequence[str] = OURS.exclude,
    protocol: Protocol = OURS,
) -> list[Question]:
    """Write a folder of questions for a generator: conditioning/, reference/, manifest.csv and a README.

    The manifest names the outputs, `outputs/<id>.wav`, that the generator is to write.

    Args:
        tracks, n, chunk_s, seed, exclude: see `draw_questions`. system: the name of the one that will answer.
        protocol: of the sample rate, the level, and how much of a window is heard.
    Raises:
        ValueError: the folder holds something else already, or there is nothing to ask.
    """
    folder = Path(folder)
    if not system.strip() or not system.isprintable():
        raise ValueError(f"system is {system!r}; give it a name that can be shown")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not empty; choose another folder")
    questions = draw_questions(tracks, n, chunk_s, seed, exclude, protocol.conditioning == "rest")
    by_id, rows = {track.id: track for track in tracks}, []
    with whole_folder(folder) as temporary:
        for question in questions:
            paths = [f"{kind}/{question.id}.wav" for kind in ("conditioning", "outputs", "reference")]
            clips = _levelled(read_question(question, by_id, chunk_s, protocol.rate_hz), protocol)
            for path, clip in zip((paths[0], paths[2]), clips, strict=True):
                audio.write(temporary / path, clip, protocol.rate_hz)
            row = dict(zip(COLUMNS, (question.id, *paths, question.stem_class, system), strict=True))
            rows.append(row | {"track": question.track_id, "start_s": question.start_s})
        (temporary / "outputs").mkdir()
        write_rows(rows, temporary / MANIFEST)
        write_text(temporary / "README.md", README.read_text(encoding="utf-8"))
    return questions


def _levelled(clips, protocol):
    """Conditioning and true stem at the protocol's level; without one, in their own balance and within full scale."""
    if protocol.level_lufs is not None:
        return [to_level(clip, protocol.rate_hz, protocol.level_lufs, protocol.peak) for clip in clips]
    conditioning, reference = clips
    top = max(np.abs(conditioning).max(), np.abs(conditioning + reference).max(), 1e-9)
    return [np.float32(min(1.0, protocol.peak / top)) * clip for clip in clips]


def read_folder(folder: Path | str, missing: str = "error") -> pd.DataFrame:
    """Read and check a folder of outputs, in any of the layouts of `layouts`.

    Args:
        folder: holds manifest.csv, stream-music-gen's tree, or SYSTEM/EXAMPLE folders.
        missing: outputs that are not there are an "error", or are left out ("drop").
    Returns:
        A frame with `COLUMNS` (strings, absolute paths, reference "" where there is none), the manifest's further
        columns, and `track` (where the manifest has none, a name for the conditioning's content).
    Raises:
        FileNotFoundError, ValueError: one line: which file or row, what was found, what to do.
    """
    folder = Path(folder)
    rows = _checked(folder)
    kept = [row for row in rows if os.path.isfile(row["output"])]
    absent = [row["output"] for row in rows if not os.path.isfile(row["output"])]
    if absent and (missing == "error" or not kept):
        raise FileNotFoundError(
            f"{folder}: {len(absent)} of {len(rows)} outputs are not there, the first is {absent[0]}; write "
            "them" + (", or give --allow-missing" if kept else " (the generator's answers, one file per row)")
        )
    frame = pd.DataFrame(kept).fillna("")
    named = frame["track"] if "track" in frame else pd.Series("", frame.index)
    unnamed = folder.resolve().name + "/" + frame["conditioning"].map(content)
    frame["track"] = named.where(named != "", unnamed)
    return frame


def _checked(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder, each complete, its files there (but for the output), and none twice."""
    manifest = folder / MANIFEST
    rows, seen = read_rows(folder), {}
    where, first = (f"{manifest}, line", 2) if manifest.is_file() else (f"{folder}, answer", 1)
    for line, row in enumerate(rows, start=first):
        for name in ("id", "conditioning", "output", "system"):
            if not row[name]:
                raise ValueError(f"{where} {line}: no {name}")
        if not printable(row["system"]).isprintable():
            raise ValueError(f"{where} {line}: system {row['system']!r} holds characters that cannot be shown")
        key = (row["system"], row["id"])
        if key in seen:
            raise ValueError(f"{where} {line}: {row['system']!r} answers {row['id']!r} twice (line {seen[key]})")
        seen[key] = line
        for name in SIDES:
            there = os.path.isfile(row[name])  # pathlib raises at a name that is too long, or has a NUL
            row[name] = os.path.realpath(row[name]) if there else row[name]
            if row[name] and name != "output" and not there:
                raise FileNotFoundError(f"{where} {line}: {name} {row[name]}: no such file")
    return rows


def read_folders(folders: Sequence[Path | str], missing: str = "error") -> pd.DataFrame:
    """Several folders as one frame; a question that two of them answer must have the same conditioning.

    Raises:
        FileNotFoundError, ValueError: as `read_folder`; two conditionings for one id; a system that comes twice.
    """
    frames = [read_folder(folder, missing) for folder in folders]
    systems = [name for frame in frames for name in frame["system"].unique()]
    twice = next((name for name in systems if systems.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is in several folders; give each system a name of its own in column `system`")
    frame, known = pd.concat(frames, ignore_index=True).fillna(""), {}
    for row in frame.itertuples():
        first = known.setdefault(row.id, row.conditioning)
        if first != row.conditioning and Path(first).read_bytes() != Path(row.conditioning).read_bytes():
            raise ValueError(f"question {row.id!r}: {first} and {row.conditioning} are different conditionings")
    return frame
