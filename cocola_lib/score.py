"""What a scorer reports about one pair: means, curves over time, intervals, and what they mean."""

import math
from dataclasses import dataclass, field

import numpy as np

from cocola_lib.calibration import Calibration

N_BOOTSTRAP = 1000


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
    def interval(self):
        """(low, high) of `both`, or of the only mode that was asked for."""
        return self.intervals.get("both", next(iter(self.intervals.values())))

    @property
    def percentiles(self):
        """Mode -> share of random pairs it would beat, in per cent; empty without a calibration."""
        return self._calibrated("percentile")

    @property
    def odds(self):
        """Mode -> odds true : random; 1 is undecided; empty without a calibration."""
        return self._calibrated("odds")

    @property
    def percentile(self):
        """`percentiles` of `both`; None without a calibration."""
        return self.percentiles.get("both")

    def _calibrated(self, what):
        known = self.calibration.modes if self.calibration else {}
        return {m: getattr(known[m], what)(getattr(self, m)) for m in self.curves if m in known}


def bootstrap(values, n=N_BOOTSTRAP, generator=None):
    """95 % bootstrap interval of a mean.

    Args:
        values: (n_windows,) scores of the windows.
        n: resamples.
        generator: `numpy.random.Generator`; None starts one from 0, so that a pair always gets the same interval.
    Returns:
        (low, high); NaN for fewer than two values.
    """
    if len(values) < 2:
        return math.nan, math.nan
    generator = np.random.default_rng(0) if generator is None else generator
    means = values[generator.integers(len(values), size=(n, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
