"""Embeddings: windows of many clips through the model in full batches, one clip's audio in memory at a time."""

import hashlib
import os
from collections import deque

import numpy as np
import torch

from cocola_lib.inference import Inference


def pick_device(device="auto"):
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


class Embedder:
    """A model that takes windows one by one and runs them in batches.

    Args:
        model: `Cocola`; a frozen copy is made, the model itself stays as it is.
        device: as `pick_device`.
        batch_size: windows per batch; 64 windows need about 0.5 GB with EfficientNet-B0.
        precision: "float32", "bfloat16", or "auto": bfloat16 where it is quick and moves scores by less than 0.5 % of
            `scale`; without a scale float32.
        scale: spread of the model's scores, from its calibration; None where there is none.
    """

    def __init__(self, model, device="auto", batch_size=64, precision="auto", scale=None):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"batch_size: {batch_size!r}; expected a whole number of windows, 1 or more")
        self.device = pick_device(device)
        self.model = model
        self.batch_size = batch_size
        self.dim = model.config.embedding_dim  # D
        precision = "float32" if precision == "auto" and scale is None else precision
        self.inference = Inference(model, self.device, precision, scale)
        self.head = self.inference.exact.head

    @torch.inference_mode()
    def embed(self, waveforms, modes):
        """Embed one batch: (B, N) float32 -> (n_modes, B, D) float32."""
        features = self.inference.exact.features(torch.from_numpy(waveforms).to(self.device))  # (B, C, M, T)
        return torch.stack([self.inference.embed(features, mode) for mode in modes]).float().cpu().numpy()

    @torch.inference_mode()
    def similarity(self, h1, h2):
        """Eq. 2 on arrays: (K1, D), (K2, D) -> (K1, K2)."""
        h1, h2 = (torch.from_numpy(np.ascontiguousarray(h)).to(self.device) for h in (h1, h2))
        return (self.head.project(h1) @ h2.T).float().cpu().numpy()

    @torch.inference_mode()
    def pair_scores(self, h1, h2):
        """Eq. 2 row by row: (K, D), (K, D) -> (K,)."""
        h1, h2 = (torch.from_numpy(h).to(self.device) for h in (h1, h2))
        return (self.head.project(h1) * h2).sum(dim=1).float().cpu().numpy()

    @torch.inference_mode()
    def project(self, h):
        """The conditioning side of Eq. 2, h1' W: (K, D) -> (K, D); its inner product with h2 is the score."""
        return self.head.project(torch.from_numpy(h).to(self.device)).float().cpu().numpy()

    def hash(self):
        """A name for exactly these weights, for models that are in no file: 16 hex digits of a SHA-256."""
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def stream(self, jobs, modes):
        """Run the windows of many jobs in full batches and yield each job, in order, when all of it is embedded.

        A job whose windows cannot be read (ValueError or FileNotFoundError) carries that as `error` and does not
        stop the others. At most one batch of windows is held.
        """
        batch, waiting = [], deque()
        for job in jobs:
            waiting.append(job)
            try:
                for key, window in job.windows if job.error is None else ():
                    job.pending += 1
                    batch.append((job, key, window))
                    if len(batch) == self.batch_size:
                        self._flush(batch, modes)
            except (ValueError, FileNotFoundError) as error:
                job.error = error
            job.read = True
            while waiting and waiting[0].read and not waiting[0].pending:
                yield waiting.popleft()
        self._flush(batch, modes)
        yield from waiting

    def _flush(self, batch, modes):
        """Embed what has gathered and hand it to the jobs."""
        if batch:
            embedded = self.embed(np.stack([window for _, _, window in batch]), modes)  # (n_modes, B, D)
            for i, (job, key, _) in enumerate(batch):
                job.embeddings[key] = embedded[:, i]
                job.pending -= 1
            batch.clear()
