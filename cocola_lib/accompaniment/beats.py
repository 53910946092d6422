"""Beat F1: do the beats of the answer fall on those of the conditioning? The column of stream-music-gen and others.

Beats are tracked on both sides apart; those that lie within 70 ms of each other count (`mir_eval.beat.f_measure`). A
tracker that is named hears them: `beat-this` (Foscarin et al., 2024, model `final0`, no DBN) where its package and its
weights are, else librosa's, which is the Accompanist's too. Values of two trackers do not compare.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import mir_eval
import numpy as np
import torch

from cocola_lib.accompaniment.accompanist import find_beats
from cocola_lib.accompaniment.fad_embedders import FETCH, Unavailable

TRACKERS = ("auto", "beat-this", "librosa")
BEAT_WINDOW_S = 0.07  # s to either side, as in MIREX
FEWEST = 2  # beats; with less on a side the tracker has failed
MODEL = "final0"
Tracker = Callable[[np.ndarray, int], np.ndarray]  # ((N,), Hz) -> beats, s


def open_tracker(name: str = "auto", weights: str | Path | None = None, download: bool = False) -> tuple[str, Tracker]:
    """A beat tracker by name.

    Args:
        name: one of `TRACKERS`; "auto" is beat-this where it can be had, else librosa.
        weights: of beat-this, a .ckpt file; None: torch hub's cache.
        download: fetch weights that are not there.
    Returns:
        (the name of the tracker, the tracker).
    Raises:
        Unavailable: one line: what beat-this lacks, and how to get it. ValueError: an unknown name.
    """
    if name not in TRACKERS:
        raise ValueError(f"tracker is {name!r}; use {', '.join(TRACKERS)}")
    if name != "librosa":
        try:
            return "beat-this", _beat_this(weights, download)
        except Unavailable:
            if name != "auto" or weights is not None:
                raise
    return "librosa", lambda x, rate: find_beats(x, rate)[1]


def beat_f1(conditioning: np.ndarray, answer: np.ndarray) -> float:
    """F-measure of two lists of beats, 0 to 1; NaN where a list has fewer than two: the tracker failed.

    Args:
        conditioning, answer: (n,) beats, s, in order.
    """
    if min(len(conditioning), len(answer)) < FEWEST:
        return float("nan")
    return float(mir_eval.beat.f_measure(conditioning, answer, f_measure_threshold=BEAT_WINDOW_S))


def _beat_this(weights, download) -> Tracker:
    if importlib.util.find_spec("beat_this") is None:
        raise Unavailable("Beat F1: needs the package beat-this; pip install 'cocola-lib[beats]'")
    from beat_this.inference import Audio2Beats

    path = Path(weights) if weights else Path(torch.hub.get_dir()) / "checkpoints" / f"beat_this-{MODEL}.ckpt"
    if not path.is_file() and (weights or not download):
        raise Unavailable(
            f"Beat F1: the weights of beat-this, {path}, are not here; {FETCH} --download fetches them, "
            "--weights beat-this=FILE reads a local copy"
        )
    try:
        track = Audio2Beats(str(path) if path.is_file() else MODEL, "cpu", dbn=False)
    except Exception as error:  # a broken or foreign file, no network: whatever it is, the column stays empty
        what = f"{path}: not the weights of beat-this, or damaged ({type(error).__name__})"
        raise Unavailable(f"Beat F1: {what}; expected {MODEL}.ckpt as its authors publish it") from None
    return lambda x, rate: np.asarray(track(x, rate)[0])
