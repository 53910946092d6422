"""Scores: do these two sub-mixes belong together? (Eq. 2, the COCOLA Score.) Used by notebooks 00, 04 and 05.

A score is the mean over the windows in which both sides sound. Raw values mean something within one checkpoint
only; with a calibration they are also percentiles and odds (see `cocola_lib.models.calibration`).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from cocola_lib.clips import HOP_S, ClipJob, PairJob
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.evaluation import bootstrap_interval
from cocola_lib.fast.batches import pick_device, stream
from cocola_lib.features import MODES
from cocola_lib.models import checkpoints
from cocola_lib.models.calibration import Calibration, stored_calibration
from cocola_lib.models.formats import IN_PACKAGE, checkpoint_hash, locate, weights_hash

BUNDLED = IN_PACKAGE / "hps-all-time"  # the default
BUNDLED_PAPER = IN_PACKAGE / "hps-all"  # the paper's encoder
CONTROL = IN_PACKAGE / "control"  # chroma and onsets, nothing learnt


class Model(Protocol):
    """What a scorer needs of a model: embeddings of windows, and Eq. 2. `Cocola` is one, the control another."""

    modes: tuple[str, ...]
    dim: int  # D
    report: dict[str, Any]  # how it computes: device, precision

    def embed_modes(self, waveforms: Tensor, modes: tuple[str, ...]) -> Tensor:
        """(B, N) at 16 kHz -> (n_modes, B, D)."""

    def project(self, h: Tensor) -> Tensor:
        """(K, D) -> (K, D), h' W."""

    def similarity(self, h1: Tensor, h2: Tensor) -> Tensor:
        """(K1, D), (K2, D) -> (K1, K2), Eq. 2."""

    def similarity_of_pairs(self, h1: Tensor, h2: Tensor) -> Tensor:
        """(K, D), (K, D) -> (K,), its diagonal."""


@dataclass(frozen=True)
class Score:
    """How well a conditioning and an accompaniment fit, per mode and over time. Higher is more coherent.

    `both`, `harmonic`, `percussive`: mean over the scored windows; None where the mode was not asked for or the
    model has a single channel; NaN, with `reason`, where there is no window in which both sides sound.
    `curves`: mode -> (n_windows,), NaN where a side is silent; `starts_s`: (n_windows,) when each window starts, s.
    `coverage`: share of the windows in which both sound, 0 to 1; `n_silent`: the number of the others.
    `intervals`: mode -> (low, high), 95 % bootstrap over windows (they overlap, so it is a little narrow); NaN
    with fewer than two scored windows. `padded`: a side was shorter than a window and was zero padded.
    """

    both: float | None
    harmonic: float | None
    percussive: float | None
    curves: dict[str, np.ndarray] = field(repr=False)
    starts_s: np.ndarray = field(repr=False)
    coverage: float
    n_silent: int
    intervals: dict[str, tuple[float, float]]
    reason: str | None = None
    padded: bool = False
    calibration: Calibration | None = field(default=None, repr=False)

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) of `both`, or of the only mode that was asked for."""
        return self.intervals.get("both", next(iter(self.intervals.values())))

    @property
    def percentiles(self) -> dict[str, float]:
        """Mode -> share of random pairs it would beat, in per cent; empty without a calibration."""
        return self._calibrated("percentile")

    @property
    def odds(self) -> dict[str, float]:
        """Mode -> odds true : random; 1 is undecided; empty without a calibration."""
        return self._calibrated("odds")

    @property
    def percentile(self) -> float | None:
        """`percentiles` of `both`; None without a calibration."""
        return self.percentiles.get("both")

    def _calibrated(self, what: str) -> dict[str, float]:
        known = self.calibration.modes if self.calibration else {}
        return {m: getattr(known[m], what)(getattr(self, m)) for m in self.curves if m in known}


class Scorer:
    """Scores pairs of clips with a model.

    Clips are paths, or samples (N,), (N, channels) or (channels, N) of any length. They are cut into windows of 5 s;
    windows in which a side is silent do not count.

    Args:
        checkpoint: folder in our format, a released Lightning .ckpt, or the name of a model in the package
            ("hps-all-time", "hps-all", or "control": chroma and onsets); None is the default, "hps-all-time".
        device: "auto", or a torch device such as "cpu" or "cuda:1".
        batch_size: windows per batch; 64 windows need about 0.5 GB with EfficientNet-B0.
        precision: "float32", "bfloat16", or "auto": bfloat16 on processors that have it, if the checkpoint is
            calibrated and its scores move by less than 0.5 % of their spread; `scorer.model.report` says what it is.
    Raises:
        FileNotFoundError, ValueError: no such checkpoint, or not one.
    """

    def __init__(self, checkpoint=None, device="auto", batch_size=64, precision="auto"):
        self.checkpoint = BUNDLED if checkpoint is None else locate(checkpoint)
        model, self.config = checkpoints.load(self.checkpoint)
        self.hash = checkpoint_hash(self.checkpoint)  # a name for exactly these weights; scores and indexes carry it
        self._set(model, device, batch_size, precision)

    @classmethod
    def from_checkpoint(cls, path, device="auto", batch_size=64, precision="auto"):
        """A scorer from a checkpoint of ours or a released one; told apart by itself."""
        return cls(path, device, batch_size, precision)

    @classmethod
    def from_model(cls, model, config=None, device="auto", batch_size=64, precision="auto"):
        """A scorer from a frozen copy of a `Cocola` in memory, such as one in training."""
        scorer = cls.__new__(cls)
        scorer.checkpoint, scorer.config, scorer.hash = None, config or {}, weights_hash(model)
        scorer._set(model, device, batch_size, precision)
        return scorer

    def _set(self, model, device: str, batch_size: int, precision: str) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"batch_size: {batch_size!r}; expected a whole number of windows, 1 or more")
        self.calibration = stored_calibration(self.config)
        known = self.calibration.modes.get("both") if self.calibration else None
        if precision == "auto" and known is None:
            precision = "float32"
        self.device, self.batch_size = pick_device(device), batch_size
        self.model: Model = model.frozen(self.device, precision, known.spread if known else None)
        self.modes = self.model.modes

    def score(self, conditioning, accompaniment, rate=None, hop_s=HOP_S, modes=None) -> Score:
        """Score one pair.

        The windows are those of the longer clip; where the shorter one has ended it is silent. What is left
        after the last whole window, less than a hop, is not scored.

        Args:
            conditioning, accompaniment: clips; one shorter than 5 s is zero padded, with a warning.
            rate: Hz of arrays; None means 16,000.
            hop_s: seconds between windows.
            modes: which of "both", "harmonic", "percussive"; None is all that the model has.
        Raises:
            FileNotFoundError, ValueError: one line that says what is wrong with which clip or argument.
        """
        (result,) = self.score_pairs([(conditioning, accompaniment)], rate, hop_s, modes)
        if isinstance(result, Exception):
            raise result
        return result

    def score_pairs(self, pairs: Iterable, rate=None, hop_s=HOP_S, modes=None) -> Iterator[Score | Exception]:
        """Score many pairs in full batches, reading as it goes; memory does not grow with their number.

        Args:
            pairs: iterable of (conditioning, accompaniment); the rest as `score`.
        Yields:
            In order, a `Score`, or the ValueError or FileNotFoundError that its clips raised.
        """
        modes = self.check_modes(modes)
        for job in self._stream((PairJob(pair, rate, hop_s) for pair in pairs), modes):
            yield job.error or self._score(job, modes)

    def matrix(self, conditionings, accompaniments, mode="both", rate=None, hop_s=HOP_S) -> np.ndarray:
        """Score all against all, each clip embedded once: entry (i, j) equals `score(c[i], a[j])` in that mode.

        Args:
            conditionings, accompaniments: n clips and m clips; the rest as `score`.
        Returns:
            (n, m) float32; NaN where no window has both sides sounding.
        """
        return self.matrices(conditionings, accompaniments, (mode,), rate, hop_s)[mode]

    def matrices(self, conditionings, accompaniments, modes=None, rate=None, hop_s=HOP_S) -> dict[str, np.ndarray]:
        """`matrix` for several modes from one pass over the clips: mode -> (n, m)."""
        modes = self.check_modes(modes)
        sides = [list(self.embed_windows(c, modes, rate, hop_s)) for c in (conditionings, accompaniments)]
        shape = tuple(len(side) for side in sides)
        total, count = np.zeros((len(modes), *shape)), np.zeros(shape)
        for t in range(min(max((h.shape[1] for h in side), default=0) for side in sides)):
            rows, columns = ([i for i, h in enumerate(side) if _sounds(h, t)] for side in sides)
            if rows and columns:
                cells = np.ix_(rows, columns)
                count[cells] += 1
                for k in range(len(modes)):
                    h1, h2 = (
                        np.stack([side[i][k, t] for i in at]) for side, at in zip(sides, (rows, columns), strict=True)
                    )
                    total[k][cells] += self._on_device(self.model.similarity, h1, h2)
        with np.errstate(invalid="ignore"):
            return dict(zip(modes, (total / count).astype(np.float32), strict=True))

    def embed(self, clips: Iterable, mode="both", rate=None, hop_s=HOP_S) -> np.ndarray:
        """Embed clips; a clip of several windows is the mean of those that sound.

        Returns:
            (n, D) float32; a row of NaN for a silent clip.
        """
        rows = []
        for h in self.embed_windows(clips, (mode,), rate, hop_s):
            sounding = h[0, np.isfinite(h[0, :, 0])]  # (n_sounding, D)
            rows.append(sounding.mean(axis=0) if len(sounding) else h[0, 0])
        return np.stack(rows) if rows else np.zeros((0, self.model.dim), np.float32)

    def embed_windows(self, clips: Iterable, modes=None, rate=None, hop_s=HOP_S, errors="raise") -> Iterator:
        """Embed every window of every clip.

        Args:
            clips, modes, rate, hop_s: as `score`.
            errors: "raise" a clip's ValueError or FileNotFoundError, or "yield" it in the clip's place.
        Yields:
            (n_modes, n_windows, D) float32 per clip, NaN where a window is silent.
        """
        modes = self.check_modes(modes)
        for job in self._stream((ClipJob(clip, rate, hop_s) for clip in clips), modes):
            if job.error and errors == "raise":
                raise job.error
            yield job.error or job.table(len(modes), self.model.dim)

    def project(self, h: np.ndarray) -> np.ndarray:
        """The conditioning side of Eq. 2, h1' W: (K, D) -> (K, D); its inner product with h2 is the score."""
        return self._on_device(self.model.project, h)

    def check_modes(self, modes: Sequence[str] | str | None) -> tuple[str, ...]:
        """The modes asked for as a tuple, or one line about why this model cannot give them."""
        modes = self.modes if modes is None else (modes,) if isinstance(modes, str) else tuple(modes)
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown or not modes:
            raise ValueError(f"mode: {unknown[0] if unknown else modes!r}; expected one of {', '.join(MODES)}")
        if missing := [mode for mode in modes if mode not in self.modes]:
            raise ValueError(
                f"mode: {missing[0]!r} needs a model with harmonic and percussive channels; this one has a single "
                "channel: use mode 'both', or a checkpoint with features 'hps'"
            )
        return modes

    def _stream(self, jobs: Iterable, modes: tuple[str, ...]) -> Iterator:
        def embed(windows: np.ndarray) -> np.ndarray:  # (B, N) -> (n_modes, B, D)
            return self._on_device(lambda x: self.model.embed_modes(x, modes), windows)

        return stream(jobs, embed, self.batch_size)

    @torch.inference_mode()
    def _on_device(self, function, *arrays: np.ndarray) -> np.ndarray:
        """Call a function of tensors with arrays."""
        tensors = (torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in arrays)
        return function(*tensors).float().cpu().numpy()

    def _score(self, job: PairJob, modes: tuple[str, ...]) -> Score:
        """Windows' embeddings -> `Score`."""
        curves = {mode: np.full(job.n_windows, np.nan) for mode in modes}
        times = sorted({t for t, _ in job.embeddings})
        for k, mode in enumerate(modes if times else ()):
            h1, h2 = (np.stack([job.embeddings[t, side][k] for t in times]) for side in (0, 1))
            curves[mode][times] = self._on_device(self.model.similarity_of_pairs, h1, h2)
        means = {mode: float(np.mean(curve[times])) if times else math.nan for mode, curve in curves.items()}
        return Score(
            **{mode: means.get(mode) for mode in MODES},
            curves=curves,
            starts_s=np.arange(job.n_windows) * job.hop / SAMPLE_RATE,
            coverage=len(times) / job.n_windows,
            n_silent=job.n_windows - len(times),
            intervals={mode: bootstrap_interval(curve[times], times) for mode, curve in curves.items()},
            reason=None if times else job.why_silent(),
            padded=job.padded,
            calibration=self.calibration,
        )


def _sounds(h: np.ndarray, t: int) -> bool:
    """Whether (n_modes, n_windows, D) has a window t, and it sounds."""
    return t < h.shape[1] and not np.isnan(h[0, t, 0])
