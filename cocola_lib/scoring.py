"""Scores: do these two sub-mixes belong together? (Eq. 2, the COCOLA score.) Used by notebooks 00, 04 and 05.

A score is the mean over the windows in which both sides sound. Raw values mean something within one checkpoint
only; with a calibration they are also percentiles and odds (see `cocola_lib.calibration`).
"""

import math
from functools import cached_property

import numpy as np

from cocola_lib import audio, checkpoints
from cocola_lib.calibration import stored_calibration
from cocola_lib.clips import ClipJob, PairJob
from cocola_lib.embeddings import Embedder
from cocola_lib.features import MODES
from cocola_lib.score import Score, bootstrap

BUNDLED = checkpoints.IN_PACKAGE / "hps-all-time"  # the default
BUNDLED_PAPER = checkpoints.IN_PACKAGE / "hps-all"  # the paper's encoder


class Scorer:
    """Scores pairs of clips with a trained model.

    Args:
        checkpoint: folder in our format, a released Lightning .ckpt, or the name of a model in the package
            ("hps-all"); None is its default, "hps-all-time".
        device: "auto", or a torch device such as "cpu" or "cuda:1".
        batch_size: windows per batch.
        precision: "float32", "bfloat16", or "auto": bfloat16 on processors that have it, if the checkpoint is
            calibrated and its scores move by less than 0.5 % of their spread; `scorer.embedder.inference.report()`
            says what was chosen.
    Raises:
        FileNotFoundError, ValueError: no such checkpoint, or not one.
    """

    def __init__(self, checkpoint=None, device="auto", batch_size=64, precision="auto"):
        if checkpoint is None and not BUNDLED.is_dir():
            raise FileNotFoundError(
                "no model comes with this version yet; make one with `python -m cocola_lib train` "
                "and pass its folder: Scorer.from_checkpoint(path), --checkpoint path"
            )
        self.checkpoint = BUNDLED if checkpoint is None else checkpoints.locate(checkpoint)
        model, self.config = checkpoints.load(self.checkpoint)
        self._set(model, device, batch_size, precision)

    @classmethod
    def from_checkpoint(cls, path, device="auto", batch_size=64, precision="auto"):
        """A scorer from a checkpoint of ours or a released one; told apart by itself."""
        return cls(path, device, batch_size, precision)

    @classmethod
    def from_model(cls, model, config=None, device="auto", batch_size=64, precision="auto"):
        """A scorer from a frozen copy of a `Cocola` in memory, such as one in training."""
        scorer = cls.__new__(cls)
        scorer.checkpoint, scorer.config = None, config or {}
        scorer._set(model, device, batch_size, precision)
        return scorer

    def _set(self, model, device, batch_size, precision):
        self.modes = MODES if model.front_end.n_channels == 2 else ("both",)
        self.calibration = stored_calibration(self.config)
        known = self.calibration.modes.get("both") if self.calibration else None
        self.embedder = Embedder(model, device, batch_size, precision, known.spread if known else None)

    @cached_property
    def hash(self):
        """A name for exactly these weights, 16 hex digits; scores and indexes carry it."""
        return checkpoints.checkpoint_hash(self.checkpoint) if self.checkpoint else self.embedder.hash()

    def score(self, conditioning, accompaniment, rate=None, hop_s=2.5, short="pad", modes=None):
        """Score one pair.

        The windows are those of the longer clip; where the shorter one has ended it is silent. What is left
        after the last whole window, less than a hop, is not scored.

        Args:
            conditioning, accompaniment: paths, or samples (N,), (N, channels) or (channels, N), any length.
            rate: Hz of arrays; None means 16,000.
            hop_s: seconds between windows.
            short: a clip shorter than 5 s is zero padded with a warning ("pad") or refused ("error").
            modes: which of "both", "harmonic", "percussive"; None is all that the model has.
        Returns:
            `Score`.
        Raises:
            FileNotFoundError, ValueError: one line that says what is wrong with which clip or argument.
        """
        (result,) = self.score_pairs([(conditioning, accompaniment)], rate, hop_s, short, modes)
        if isinstance(result, Exception):
            raise result
        return result

    def score_pairs(self, pairs, rate=None, hop_s=2.5, short="pad", modes=None):
        """Score many pairs in full batches, reading as it goes; memory does not grow with their number.

        Args:
            pairs: iterable of (conditioning, accompaniment); the rest as `score`.
        Yields:
            In order, a `Score`, or the ValueError or FileNotFoundError that its clips raised.
        """
        modes = self.check_modes(modes)
        jobs = (PairJob(pair, rate, hop_s, short) for pair in pairs)
        for job in self.embedder.stream(jobs, modes):
            yield job.error or self._score(job, modes)

    def matrix(self, conditionings, accompaniments, mode="both", rate=None, hop_s=2.5):
        """Score all against all, each clip embedded once: entry (i, j) equals `score(c[i], a[j])` in that mode.

        Args:
            conditionings: n clips, accompaniments: m clips; each as in `score`.
            mode: "both", "harmonic" or "percussive".
        Returns:
            (n, m) float32; NaN where no window has both sides sounding.
        """
        return self.matrices(conditionings, accompaniments, (mode,), rate, hop_s)[mode]

    def matrices(self, conditionings, accompaniments, modes=None, rate=None, hop_s=2.5):
        """`matrix` for several modes from one pass over the clips: mode -> (n, m)."""
        modes = self.check_modes(modes)
        sides = [list(self.embed_windows(c, modes, rate, hop_s)) for c in (conditionings, accompaniments)]
        shape = tuple(len(side) for side in sides)
        total, count = np.zeros((len(modes), *shape)), np.zeros(shape)
        longest = [max((h.shape[1] for h in side), default=0) for side in sides]
        for t in range(min(longest)):
            rows, columns = ([i for i, h in enumerate(side) if _sounds(h, t)] for side in sides)
            cells = np.ix_(rows, columns)
            count[cells] += 1
            for k in range(len(modes)):
                h1, h2 = (
                    np.stack([side[i][k, t] for i in used]) if used else None
                    for side, used in zip(sides, (rows, columns), strict=True)
                )
                if h1 is not None and h2 is not None:
                    total[k][cells] += self.embedder.similarity(h1, h2)
        with np.errstate(invalid="ignore"):
            means = (total / count).astype(np.float32)
        return dict(zip(modes, means, strict=True))

    def embed(self, clips, mode="both", rate=None, hop_s=2.5):
        """Embed clips; a clip of several windows is the mean of those that sound.

        Args:
            clips: iterable of n clips, each as in `score`.
            mode: "both", "harmonic" or "percussive".
        Returns:
            (n, D) float32; a row of NaN for a silent clip.
        """
        rows = []
        for h in self.embed_windows(clips, self.check_modes((mode,)), rate, hop_s):
            sounding = h[0, np.isfinite(h[0, :, 0])]  # (n_sounding, D)
            rows.append(sounding.mean(axis=0) if len(sounding) else h[0, 0])
        return np.stack(rows) if rows else np.zeros((0, self.embedder.dim), np.float32)

    def embed_windows(self, clips, modes=None, rate=None, hop_s=2.5, errors="raise"):
        """Embed every window of every clip.

        Args:
            clips, rate, hop_s: as `embed`; modes: as `score`.
            errors: "raise" a clip's ValueError or FileNotFoundError, or "yield" it in the clip's place.
        Yields:
            (n_modes, n_windows, D) float32 per clip, NaN where a window is silent.
        """
        modes = self.check_modes(modes)
        for job in self.embedder.stream((ClipJob(clip, rate, hop_s) for clip in clips), modes):
            if job.error:
                if errors == "raise":
                    raise job.error
                yield job.error
                continue
            h = np.full((len(modes), job.n_windows, self.embedder.dim), np.nan, dtype=np.float32)
            for t, embedding in job.embeddings.items():
                h[:, t] = embedding
            yield h

    def check_modes(self, modes):
        """The modes asked for as a tuple, or one line about why this model cannot give them."""
        modes = self.modes if modes is None else (modes,) if isinstance(modes, str) else tuple(modes)
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown or not modes:
            raise ValueError(f"mode: {unknown[0] if unknown else modes!r}; expected one of {', '.join(MODES)}")
        missing = [mode for mode in modes if mode not in self.modes]
        if missing:
            kind = self.embedder.model.config.features
            raise ValueError(
                f"mode: {missing[0]!r} needs a model with harmonic and percussive channels; this one has a single "
                f"channel (features {kind!r}): use mode 'both', or a checkpoint with features 'hps'"
            )
        return modes

    def _score(self, job, modes):
        """Windows' embeddings -> `Score`."""
        curves = {mode: np.full(job.n_windows, np.nan) for mode in modes}
        times = sorted({t for t, _ in job.embeddings})
        for k, mode in enumerate(modes):
            if times:
                h1, h2 = (np.stack([job.embeddings[t, side][k] for t in times]) for side in (0, 1))
                curves[mode][times] = self.embedder.pair_scores(h1, h2)
        means = {mode: float(np.mean(curve[times])) if times else math.nan for mode, curve in curves.items()}
        return Score(
            **{mode: means.get(mode) for mode in MODES},
            curves=curves,
            starts_s=np.arange(job.n_windows) * job.hop / audio.SAMPLE_RATE,
            coverage=len(times) / job.n_windows,
            n_silent=job.n_windows - len(times),
            intervals={mode: bootstrap(curve[times]) for mode, curve in curves.items()},
            reason=None if times else job.why_silent(),
            padded=job.padded,
            calibration=self.calibration,
        )


def _sounds(h, t):
    """Whether (n_modes, n_windows, D) has a window t, and it sounds."""
    return t < h.shape[1] and not np.isnan(h[0, t, 0])
