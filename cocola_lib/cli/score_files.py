"""Scoring many pairs of files: pairs from a table or two folders, one output file, resumable, shared by ranks.

Every finished row goes at once into a part file beside the output; the output itself is written at the end, in the
order of the input. Running the same command again scores only what is missing, has failed, or whose audio has changed:
a row's `files` are the sizes and dates of both.
"""

import contextlib
import glob
import json
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

from cocola_lib.cli.score_records import STATUS, columns, score_by_workers, score_here, stamps
from cocola_lib.data.pair_files import PAIR, pair_of, read_rows, write_rows
from cocola_lib.features import MODES, check_modes
from cocola_lib.files import locked, writing


def score_rows(scorer, rows, job, progress=lambda rows, total: rows):
    """Score rows of pairs; with an output, resumable, and shared by the ranks of a torchrun.

    A pair that occurs several times is scored once. Short clips are zero padded.

    Args:
        scorer: `Scorer`.
        rows: from `pair_files.read_pairs` or `match_folders`.
        job: `score_records.Job`.
        progress: called with an iterable and `total=`, such as `tqdm`.
    Returns:
        The rows, each with its scores and a status: "ok", "silent" (scores NaN) or "failed" (no scores, a reason);
        None on ranks other than 0.
    """
    check_modes(job.modes, scorer.modes)
    dataset = scorer.calibration.dataset if scorer.calibration else ""
    settings = {"hop_s": float(job.hop_s), "checkpoint": scorer.hash, "calibrated_on": dataset}
    rank, world = ranks(job.out)
    if world > 1 and job.workers is not None:
        raise ValueError("torchrun and --backend both share out the rows; use one of them")
    unique = list(dict.fromkeys(pair_of(row) for row in rows))
    with _alone(job.out) if job.out is not None and rank == 0 else contextlib.nullcontext():
        done = {} if job.out is None or job.fresh else finished(job.out, job.modes, settings)
        done = {key: record for key, record in done.items() if record["files"] == stamps(key, job.folder)}
        mine = [key for key in unique[rank::world] if key not in done]
        with _part(job.out, rank, job.fresh) as part:
            scored = _score_keys(scorer, mine, job, settings, part, progress)
        gathered = _gather(scored, rank, world)
        if gathered is None:
            return None
        return _finish(rows, done | gathered, job.out)


def _finish(rows, done, out):
    """The rows with their records; with an output, written there, and the parts taken away."""
    ours = {*columns(MODES), *STATUS}  # an earlier table of scores may be the table of pairs: none of it may stay
    rows = [{k: v for k, v in row.items() if k not in ours} | done[pair_of(row)] for row in rows]
    if out is not None:
        write_rows(rows, out)
        for path in parts(out):
            path.unlink()
    return rows


def _alone(out):
    """One process, or one torchrun, at a time for an output."""
    out = Path(out)
    return locked(out.with_name(f".{out.name}.lock"), f"{out}: another process is scoring into it; wait for it")


def _score_keys(scorer, keys, job, settings, part, progress):
    """The records of pairs, each also written to the open part file, if there is one, as soon as it is known."""
    scored = {}
    found = score_here(scorer, keys, job) if job.workers is None else score_by_workers(scorer, keys, job)
    for key, record, files in progress(found, total=len(keys)):
        scored[key] = record | settings | {"files": files}
        if part:
            part.write(json.dumps([key, scored[key]]) + "\n")
            part.flush()
    return scored


def finished(out, modes, settings):
    """Pairs that an earlier run of the same checkpoint, calibration, hop and modes has scored: key -> record."""
    found = read_rows(out) if Path(out).exists() else []
    entries = [(pair_of(row), row) for row in found if all(name in row for name in PAIR)]
    for path in parts(out):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line of a run that was killed
                key, row = json.loads(line)
                entries.append((tuple(key), row))
    wanted = [*columns(modes), *STATUS]
    return {
        key: {name: row.get(name, "") for name in wanted if name in row or name == "files"}
        for key, row in entries
        if row.get("status") in ("ok", "silent")
        and all(str(row.get(name)) == str(value) for name, value in settings.items())
        and all(mode in row for mode in modes)
    }


def ranks(out=None):
    """(rank, world size) as torchrun sets them; (0, 1) without it."""
    try:
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    except ValueError:
        raise ValueError("RANK, WORLD_SIZE: not numbers; start the command with torchrun") from None
    if world > 1 and out is None:
        raise ValueError("torchrun: several processes need one output file: give --out")
    if world > 1 and "MASTER_ADDR" not in os.environ:
        raise ValueError("WORLD_SIZE is set and MASTER_ADDR is not; start the command with torchrun")
    return rank, world


def parts(out):
    """The part files of an output that is not finished."""
    out = Path(out)
    return sorted(out.parent.glob(f".{glob.escape(out.name)}.part*.jsonl"))


def summary(rows):
    """One line about a table of scores: how many were scored, silent and failed."""
    counts = Counter(row["status"] for row in rows)
    again = len(rows) - len({pair_of(row) for row in rows})
    line = f"{counts['ok']} scored, {counts['silent']} silent, {counts['failed']} failed"
    return line + (f" ({again} of them repeat a pair, which is scored once)" if again else "")


@contextlib.contextmanager
def _part(out, rank, fresh):
    """This rank's part file, opened to append; None without an output."""
    if out is None:
        yield None
        return
    path = Path(out).with_name(f".{Path(out).name}.part{rank}.jsonl")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), path.open("w" if fresh else "a", encoding="utf-8") as file:
        if file.tell():
            file.write("\n")  # after a line that a killed run left unfinished
        yield file


def _gather(scored, rank, world):
    """All ranks' records on rank 0, None elsewhere; gloo, since they are a few bytes per row."""
    if world == 1:
        return scored
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(days=7))  # ranks may finish hours apart
    everyone = [None] * world if rank == 0 else None
    dist.gather_object(scored, everyone)
    dist.destroy_process_group()
    return {key: record for part in everyone for key, record in part.items()} if rank == 0 else None
