"""Windows of many clips in full batches, one clip's audio in memory at a time; and the device to compute on."""

import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator

import numpy as np
import torch


class Job:
    """Windows to embed: (key, waveform) pairs that are read when asked for, and room for their embeddings."""

    def __init__(self) -> None:
        self.windows: Iterable[tuple[Hashable, np.ndarray]] = ()  # (key, (N,) float32)
        self.embeddings: dict = {}  # key -> (n_modes, D) float32
        self.pending = 0
        self.read = False
        self.error: Exception | None = None


def pick_device(device: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        device: "auto" (CUDA, else Apple's MPS, else the CPU; under torchrun the GPU of LOCAL_RANK), or torch's name.
    Returns:
        `torch.device`.
    Raises:
        ValueError: no such device here.
    """
    if device == "auto":
        if torch.cuda.is_available():
            rank = int(os.environ.get("LOCAL_RANK", 0))
            return torch.device("cuda", rank % torch.cuda.device_count())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise ValueError(f"device: {device!r} is not available here; try 'auto' or 'cpu'") from None
    return chosen


def stream(jobs: Iterable[Job], embed: Callable[[np.ndarray], np.ndarray], batch_size: int) -> Iterator:
    """Embed the windows of many jobs in full batches and yield each job, in order, when all of it is embedded.

    A job whose windows cannot be read (ValueError or FileNotFoundError) carries that as `error` and does not stop the
    others. At most one batch of windows is held.

    Args:
        jobs: see `Job`.
        embed: (B, N) float32 -> (n_modes, B, D) float32.
        batch_size: B, windows at once.
    """
    batch: list[tuple[Job, Hashable, np.ndarray]] = []
    waiting: deque[Job] = deque()
    for job in jobs:
        waiting.append(job)
        try:
            for key, window in job.windows if job.error is None else ():
                job.pending += 1
                batch.append((job, key, window))
                if len(batch) == batch_size:
                    _flush(batch, embed)
        except (ValueError, FileNotFoundError) as error:
            job.error = error
        job.read = True
        while waiting and waiting[0].read and not waiting[0].pending:
            yield waiting.popleft()
    _flush(batch, embed)
    yield from waiting


def _flush(batch: list, embed: Callable) -> None:
    """Embed what has gathered and hand it to the jobs."""
    if batch:
        embedded = embed(np.stack([window for _, _, window in batch]))
        for i, (job, key, _) in enumerate(batch):
            job.embeddings[key] = embedded[:, i]
            job.pending -= 1
        batch.clear()
