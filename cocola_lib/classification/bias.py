"""Does a score follow how much is played rather than how well it fits? Measured on strangers, and taken out.

Two clips of different songs do not belong together. If full, loud or busy clips score higher with strangers than
others, the score has a bias, and loses comparisons that way. `learn` fits it on strangers of one split, and `corrected`
takes it out of the scores of another. Used by notebook 08.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
import pandas as pd

from cocola_lib.classification import answers
from cocola_lib.classification.shortcuts import SILENCE_DB
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.stems import Track
from cocola_lib.evaluation import bootstrap_ratio
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer

QUANTITIES = {"stems": "number of stems", "level_db": "level (dBFS)", "onsets_per_s": "onsets per second"}


@dataclass(frozen=True)
class Asked:
    """Pairs of one split, how much is played on either side, and what every metric says to all of them.

    Attributes:
        specs: n pairs.
        anchors, positives: n rows of `describe`.
        matrices: metric -> (n, n).
    """

    specs: list[PairSpec]
    anchors: pd.DataFrame
    positives: pd.DataFrame
    matrices: dict[str, np.ndarray]

    @property
    def songs(self) -> list[str]:
        """The track of each pair."""
        return [spec.track_id for spec in self.specs]


def ask(metrics: dict[str, Scorer], tracks: Sequence[Track], n: int, seed: int = 0) -> Asked:
    """Draw n pairs of some tracks, or as many as there are, and let every metric score all of them, P+H."""
    sampler = WindowSampler(tracks)
    specs = sampler.batch(n, seed, 0, at_most=True)
    anchors, positives = zip(*map(sampler.audio, specs), strict=True)
    matrices = {name: metric.matrix(anchors, positives).astype(float) for name, metric in metrics.items()}
    return Asked(specs, describe(specs, "anchor", anchors), describe(specs, "positive", positives), matrices)


def describe(specs: Sequence[PairSpec], side: str, clips: Sequence[np.ndarray]) -> pd.DataFrame:
    """How much is played in some clips.

    Args:
        specs: n pairs. side: "anchor" or "positive". clips: n waveforms at 16 kHz of that side.

    Returns:
        n rows: the keys of `QUANTITIES`.
    """
    rows = []
    for spec, clip in zip(specs, clips, strict=True):
        power = float(np.mean(np.square(clip, dtype=np.float64)))
        onsets = librosa.onset.onset_detect(y=clip, sr=SAMPLE_RATE)
        level_db = 10 * np.log10(max(power, 10 ** (SILENCE_DB / 10)))
        rows.append((len(getattr(spec, side)), level_db, len(onsets) * SAMPLE_RATE / len(clip)))
    return pd.DataFrame(rows, columns=list(QUANTITIES))


def strangers(songs: Sequence[str]) -> np.ndarray:
    """Which pairs of clips are of different songs: (n,) -> (n, n) bool."""
    known = np.asarray(songs)
    return known[:, None] != known


def slopes(asked: Asked, matrix: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """By how much does a clip score higher with strangers if there is more of it?

    Args:
        asked: the pairs. matrix: (n, n) scores of theirs.

    Returns:
        side, quantity, slope, low, high (95 % over songs), n: in deviations of the scores of strangers, per deviation
        of the quantity. 0 is no bias.
    """
    scores, rows = np.where(strangers(asked.songs), matrix, np.nan), []
    spread = np.nanstd(scores)
    for side, about, axis in (("anchor", asked.anchors, 1), ("accompaniment", asked.positives, 0)):
        means = np.nanmean(scores, axis=axis)
        y = (means - means.mean()) / spread
        for quantity in QUANTITIES:
            x = about[quantity].to_numpy(float)
            x = (x - x.mean()) / (x.std() or 1.0)
            low, high = bootstrap_ratio(x * y, x * x, asked.songs, seed)
            rows.append((side, quantity, (x * y).sum() / max((x * x).sum(), 1e-12), low, high, len(x)))
    return pd.DataFrame(rows, columns=["side", "quantity", "slope", "low", "high", "n"])


def learn(asked: Asked, matrix: np.ndarray) -> np.ndarray:
    """Least squares of the scores of strangers on what both sides play.

    Returns:
        (7,): a constant, the weights of the anchor's quantities, and those of the accompaniment's.
    """
    i, j = np.nonzero(strangers(asked.songs) & np.isfinite(matrix))
    anchors, positives = (side.to_numpy(float) for side in (asked.anchors, asked.positives))
    design = np.column_stack([np.ones(len(i)), anchors[i], positives[j]])
    return np.linalg.lstsq(design, matrix[i, j], rcond=None)[0]


def corrected(asked: Asked, matrix: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The scores less what strangers who play as much would have: (n, n)."""
    of_anchor, of_positive = np.split(weights[1:], 2)
    anchors, positives = (side.to_numpy(float) for side in (asked.anchors, asked.positives))
    return matrix - weights[0] - (anchors @ of_anchor)[:, None] - positives @ of_positive


def worth(valid: Asked, test: Asked, ks: Sequence[int], seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy before and after a correction that was learnt on another split.

    Returns:
        (rater, scores ("as they are" or "corrected"), and the columns of `answers.accuracy`; rater, and the columns of
        `answers.paired`, corrected minus as they are).
    """
    table, differences = [], []
    for name, matrix in test.matrices.items():
        found = {"corrected": corrected(test, matrix, learn(valid, valid.matrices[name])), "as they are": matrix}
        ranks = pd.concat([answers.rank({"both": m}, test.specs, "all", scores) for scores, m in found.items()])
        table.append(answers.accuracy(ranks, ks, seed).rename(columns={"model": "scores"}).assign(rater=name))
        differences.append(answers.paired(ranks, *found, ks, seed=seed).assign(rater=name))
    return pd.concat(table, ignore_index=True), pd.concat(differences, ignore_index=True)
