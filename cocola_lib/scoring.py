"""Scores: do these two sub-mixes belong together? (Eq. 2, the COCOLA Score.) Used by notebooks 00, 04 and 05.

A score is the mean over the windows in which both sides sound. Raw values mean something within one checkpoint
only; with a calibration they are also percentiles and odds (see `cocola_lib.models.calibration`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from cocola_lib.clips import HOP_S, ClipJob, PairJob, Sound
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.evaluation import bootstrap_interval
from cocola_lib.fast.batches import pick_device, stream
from cocola_lib.features import MODES, check_modes
from cocola_lib.models import checkpoints, hub
from cocola_lib.models.calibration import Calibration, stored_calibration
from cocola_lib.models.formats import IN_PACKAGE, Model, checkpoint_hash, locate, weights_hash

BUNDLED, BUNDLED_PAPER = IN_PACKAGE / "hps-all-measured", IN_PACKAGE / "hps-all"  # the default, and the paper's encoder
CONTROL = IN_PACKAGE / "control"  # chroma and onsets, nothing learnt
Sounds: TypeAlias = Iterable[Sound]
Hz: TypeAlias = int | None  # the rate of arrays; None: 16,000
Modes: TypeAlias = Sequence[str] | str | None  # some of MODES; None: all that the model has


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
        """That of `both`; None without a calibration."""
        return self.percentiles.get("both")

    def _calibrated(self, what: str) -> dict[str, float]:
        known = self.calibration.modes if self.calibration else {}
        return {m: getattr(known[m], what)(getattr(self, m)) for m in self.curves if m in known}


class Scorer:
    """Scores pairs of clips with a model.

    A clip is a path, or samples (N,), (N, channels) or (channels, N) of any length, cut into windows of 5 s. What is
    wrong with a clip or an argument is said in one line, as FileNotFoundError or ValueError.

    Args:
        checkpoint: folder in our format, a released .ckpt (COCOLA, PHALAR), or a name: "hps-all-measured", the
            default; "hps-all-time": its learnt part alone; "hps-all"; "control": chroma and onsets alone.
        device: "auto", or a torch device such as "cpu" or "cuda:1".
        batch_size: windows per batch; 64 windows need about 0.5 GB with EfficientNet-B0.
        precision: "float32", "bfloat16", or "auto": bfloat16 on processors that have it, if the checkpoint is
            calibrated and its scores move by less than 0.5 % of their spread; `scorer.model.report` says what it is.
    """

    def __init__(
        self, checkpoint: str | Path | None = None, device: str = "auto", batch_size: int = 64, precision: str = "auto"
    ):
        self.checkpoint: Path | None = BUNDLED if checkpoint is None else locate(checkpoint)
        model, config = checkpoints.load(self.checkpoint)
        self._set(model, config, device, batch_size, precision)

    @classmethod
    def from_checkpoint(cls, path: str | Path, **options: Any) -> "Scorer":
        """The same by a name that says it; formats are told apart by themselves."""
        return cls(path, **options)

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> "Scorer":
        """The same, from the Hugging Face hub as well: "owner/model", or "owner/model@revision"."""
        return cls(hub.fetch(name), **options)

    @classmethod
    def from_model(
        cls, model: Any, config: dict | None = None, device: str = "auto", batch_size: int = 64, precision: str = "auto"
    ) -> "Scorer":
        """A scorer from a frozen copy of a `Cocola` in memory, such as one in training."""
        scorer = cls.__new__(cls)
        scorer.checkpoint, scorer.hash = None, weights_hash(model)
        scorer._set(model, config or {}, device, batch_size, precision)
        return scorer

    hash = cached_property(lambda self: checkpoint_hash(self.checkpoint))  # names these weights; read when asked for

    def _set(self, model: Any, config: dict, device: str, batch_size: int, precision: str) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"batch_size: {batch_size!r}; expected a whole number of windows, 1 or more")
        self.config, self.calibration = config, stored_calibration(config)
        known = self.calibration.modes.get("both") if self.calibration else None
        precision = "float32" if precision == "auto" and known is None else precision
        self.device, self.batch_size = pick_device(device), batch_size
        self.model: Model = model.frozen(self.device, precision, known.spread if known else None)
        self.modes = self.model.modes

    def score(
        self, conditioning: Sound, accompaniment: Sound, rate: Hz = None, hop_s: float = HOP_S, modes: Modes = None
    ) -> Score:
        """Score one pair.

        The windows are those of the longer clip, every `hop_s` seconds; where the shorter one has ended it is silent.
        What is left after the last whole window is not scored. A clip shorter than 5 s is zero padded, with a warning.
        """
        (result,) = self.score_pairs([(conditioning, accompaniment)], rate, hop_s, modes)
        if isinstance(result, Exception):
            raise result
        return result

    def score_pairs(
        self, pairs: Iterable, rate: Hz = None, hop_s: float = HOP_S, modes: Modes = None
    ) -> Iterator[Score | Exception]:
        """Score many (conditioning, accompaniment) pairs in full batches; memory does not grow with their number.

        Yields:
            In order, a `Score`, or the ValueError or FileNotFoundError that its clips raised.
        """
        modes = check_modes(modes, self.modes)
        for job in self._stream((PairJob(pair, rate, hop_s) for pair in pairs), modes):
            yield job.error or self._score(job, modes)

    def matrix(
        self, conditionings: Sounds, accompaniments: Sounds, mode: str = "both", rate: Hz = None, hop_s: float = HOP_S
    ) -> np.ndarray:
        """All n conditionings against all m accompaniments, each clip embedded once: (n, m) float32.

        Entry (i, j) equals `score(c[i], a[j])`; NaN where no window has both sides sounding.
        """
        return self.matrices(conditionings, accompaniments, (mode,), rate, hop_s)[mode]

    def matrices(
        self, conditionings: Sounds, accompaniments: Sounds, modes: Modes = None, rate: Hz = None, hop_s: float = HOP_S
    ) -> dict[str, np.ndarray]:
        """`matrix` for several modes from one pass over the clips: mode -> (n, m)."""
        modes = check_modes(modes, self.modes)
        sides = [list(self.embed_windows(c, modes, rate, hop_s)) for c in (conditionings, accompaniments)]
        shape = tuple(len(side) for side in sides)
        total, count = np.zeros((len(modes), *shape)), np.zeros(shape)
        for t in range(min(max((h.shape[1] for h in side), default=0) for side in sides)):
            rows, columns = (  # the clips that have a window t, and sound in it
                [i for i, h in enumerate(side) if t < h.shape[1] and not np.isnan(h[0, t, 0])] for side in sides
            )
            if rows and columns:
                cells = np.ix_(rows, columns)
                count[cells] += 1
                for k in range(len(modes)):
                    h1 = np.stack([sides[0][i][k, t] for i in rows])
                    h2 = np.stack([sides[1][j][k, t] for j in columns])
                    total[k][cells] += self._on_device(self.model.similarity, h1, h2)
        return dict(zip(modes, (total / np.where(count, count, np.nan)).astype(np.float32), strict=True))

    def embed(self, clips: Sounds, mode: str = "both", rate: Hz = None, hop_s: float = HOP_S) -> np.ndarray:
        """Embed n clips: (n, D) float32, the mean of the windows that sound; a row of NaN for a silent clip."""
        rows = []
        for h in self.embed_windows(clips, (mode,), rate, hop_s):
            sounding = h[0, np.isfinite(h[0, :, 0])]  # (n_sounding, D)
            rows.append(sounding.mean(axis=0) if len(sounding) else h[0, 0])
        return np.stack(rows) if rows else np.zeros((0, self.model.dim), np.float32)

    def embed_windows(
        self, clips: Sounds, modes: Modes = None, rate: Hz = None, hop_s: float = HOP_S, errors: str = "raise"
    ) -> Iterator:
        """Embed every window of every clip.

        Args:
            errors: "raise" a clip's ValueError or FileNotFoundError, or "yield" it in the clip's place.
        Yields:
            (n_modes, n_windows, D) float32 per clip, NaN where a window is silent.
        """
        modes = check_modes(modes, self.modes)
        for job in self._stream((ClipJob(clip, rate, hop_s) for clip in clips), modes):
            if job.error and errors == "raise":
                raise job.error
            yield job.error or job.table(len(modes), self.model.dim)

    def project(self, h: np.ndarray) -> np.ndarray:
        """The conditioning side of Eq. 2, h1' W: (K, D) -> (K, D); its inner product with h2 is the score."""
        return self._on_device(self.model.project, h)

    def _stream(self, jobs: Iterable, modes: tuple[str, ...]) -> Iterator:
        embed = partial(self._on_device, partial(self.model.embed_modes, modes=modes))  # (B, N) -> (n_modes, B, D)
        return stream(jobs, embed, self.batch_size)

    @torch.inference_mode()
    def _on_device(self, function: Callable, *arrays: np.ndarray) -> np.ndarray:
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
