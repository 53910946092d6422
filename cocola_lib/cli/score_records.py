"""Pairs of files become records, the columns of scores: in this process, or by workers that get them in chunks."""

import contextlib
import math
import os
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from cocola_lib.data.pair_files import PAIR, locate, stamp
from cocola_lib.fast.workers import Workers

STATUS = ("coverage", "n_windows", "n_silent", "status", "reason", "hop_s", "checkpoint", "calibrated_on", "files")
CHUNK = 32  # rows that a worker scores before it says so


@dataclass(frozen=True)
class Job:
    """How rows are scored, and where the result goes.

    Attributes:
        modes: as `Scorer.score`.
        hop_s: seconds between windows.
        out: .csv or .json to write; None only returns.
        fresh: True scores again what an earlier run has scored.
        folder: where files are looked for that are not found from the working folder.
        workers: who scores; None: this process.
        model: checkpoint, device and batch size, from which each worker opens the scorer.
    """

    modes: tuple[str, ...]
    hop_s: float = 2.5
    out: Path | None = None
    fresh: bool = False
    folder: Path = Path()
    workers: Workers | None = None
    model: tuple = ()


def score_here(scorer, keys, job):
    """Yield (key, record, stamps) of each pair: its files as they were before they were read."""
    before = [stamps(key, job.folder) for key in keys]
    results = scorer.score_pairs((_usable(key, job.folder) for key in keys), hop_s=job.hop_s, modes=job.modes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*zero padded")  # said in the row instead
        for key, files, result in zip(keys, before, results, strict=True):
            yield key, _record(result, key, job.modes), files


def score_by_workers(scorer, keys, job):
    """As `score_here`, a chunk at a time; the rows of a chunk that took its workers down fail."""
    chunks = [keys[i : i + CHUNK] for i in range(0, len(keys), CHUNK)]
    call = partial(_score_chunk, job=replace(job, workers=None), wanted=scorer.hash, here=os.getcwd())
    for i, found in job.workers.map(call, chunks):
        if isinstance(found, Exception):
            found = [(key, _record(found, key, job.modes), stamps(key, job.folder)) for key in chunks[i]]
        yield from found


def _score_chunk(keys, job, wanted, here):
    """What a worker does: `score_here` in the folder from which paths are meant, with its own scorer."""
    with contextlib.chdir(here):
        scorer = _opened(*job.model)
        if scorer.hash != wanted:
            raise ValueError(f"{job.model[0]}: another model on this worker ({scorer.hash}, not {wanted})")
        return list(score_here(scorer, keys, job))


@lru_cache(maxsize=1)
def _opened(*model):
    """A worker opens its scorer once."""
    from cocola_lib.scoring import Scorer

    return Scorer(*model)


def stamps(key, folder):
    """What changes when a file of a pair does."""
    return " ".join(stamp(locate(path, folder)) for path in key)


def columns(modes):
    """The columns of scores: per mode the mean, its interval, and the calibrated values."""
    return [f"{mode}{end}" for mode in modes for end in ("", "_low", "_high", "_percentile", "_odds")]


def _usable(key, folder):
    """A key as a pair of paths; an empty side becomes one that cannot exist, so that the row fails and not the run."""
    return tuple(locate(path, folder) for path in key) if all(key) else (Path(os.devnull) / "missing",) * 2


def _record(result, key, modes):
    """A `Score` or an error as columns."""
    if isinstance(result, Exception) or not all(key):
        reason = str(result) if all(key) else f"no {PAIR[not key[1]]} for {key[0] or key[1] or 'this row'}"
        return {"status": "failed", "reason": reason}
    record = {}
    for mode in modes:
        values = (getattr(result, mode), *result.intervals[mode])
        if mode in result.odds:
            values += (result.percentiles[mode], result.odds[mode])
        record |= dict(zip(columns([mode]), values, strict=False))
    silent = math.isnan(record[modes[0]])
    reason = result.reason or ("shorter than a window: zero padded" if result.padded else "")
    n_windows = len(result.starts_s)
    values = (result.coverage, n_windows, result.n_silent, "silent" if silent else "ok", reason)
    return record | dict(zip(STATUS[:5], values, strict=True))
