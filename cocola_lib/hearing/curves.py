"""The score over a whole song, as a curve that finds the bar in which a wrong part comes in.

A song is made whose accompaniment is its own up to a bar, and another song's from there on. Windows of 5 s are scored
along it: the mean of each is a mixture of right and wrong while the window crosses the bar, so the curve should go down
a ramp of 5 s. The ramp that fits best says where the bar is. Notebook 09 shows how exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cocola_lib.data.audio import SAMPLE_RATE, WINDOW_S
from cocola_lib.data.stems import Track
from cocola_lib.evaluation import N_BOOTSTRAP, bootstrap_interval
from cocola_lib.hearing.linear_probes import song_of

HOP_S = 0.5  # between windows
STEP_S = 0.05  # between the places that are tried
LENGTH_CLASS_S = 5.0  # songs of about one length are drawn at random
EARLIEST_S = 4.0  # the change keeps this distance from both ends


@dataclass(frozen=True)
class Turn:
    """A song whose accompaniment is wrong from a bar on: clips (N,) float32 at 16 kHz.

    Attributes:
        track_id, other_id: whose song it is, and whose accompaniment comes in.
        anchor, accompaniment: what is scored. at_s: when the wrong part begins.
        bars_s: (bars,) when each bar begins.
    """

    track_id: str
    other_id: str
    anchor: np.ndarray
    accompaniment: np.ndarray
    at_s: float
    bars_s: np.ndarray

    @property
    def bar(self) -> int:
        """The number of the bar in which the wrong part begins."""
        return int(np.abs(self.bars_s - self.at_s).argmin())


def make_turns(tracks: Sequence[Track], n: int, seed: int = 0) -> list[Turn]:
    """Make songs that go wrong at a bar, `EARLIEST_S` from both ends or more; the longest songs first.

    Args:
        tracks: tracks that are no band of a miniature are left out: their bars are not known.
        n: songs, at most.

    Raises:
        ValueError: fewer than two such songs.
    """
    bands = [(track, song) for track in tracks if (song := song_of(track))]
    if len(bands) < 2:
        raise ValueError(f"{len(tracks)} tracks: {len(bands)} of a miniature's band; two are needed")
    rng, turns = np.random.default_rng(seed), []
    mixed = [bands[i] for i in rng.permutation(len(bands))]
    mixed = sorted(mixed, key=lambda band: -round(band[0].duration_s / LENGTH_CLASS_S))
    for (track, song), (other, _) in zip(mixed, [*mixed[1:], mixed[0]], strict=True):
        bars_s = song.lead_in_s + np.array([bar.start for bar in song.bars]) * 60 / song.tempo_bpm
        length_s = min(track.duration_s, other.duration_s)
        inside = bars_s[(bars_s >= EARLIEST_S) & (bars_s <= length_s - EARLIEST_S)]
        if len(inside) and len(turns) < n:
            turns.append(_turn(track, other, float(rng.choice(inside)), length_s, bars_s, rng))
    return turns


def _turn(track: Track, other: Track, at_s: float, length_s: float, bars_s: np.ndarray, rng) -> Turn:
    """Half of a song's stems against the other half, which half of another song's replaces from a bar on."""
    anchor, own = _halves(track, rng)
    foreign, at = _halves(other, rng)[1], round(at_s * SAMPLE_RATE)
    clips = [track.read(anchor, 0.0, length_s), track.read(own, 0.0, length_s), other.read(foreign, 0.0, length_s)]
    accompaniment = np.concatenate([clips[1][:at], _as_loud(clips[2][at:], clips[1][at:])])
    return Turn(track.id, other.id, clips[0], accompaniment, at_s, bars_s[bars_s < length_s])


def _halves(track: Track, rng) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [track.stem_names[i] for i in rng.permutation(len(track.stems))]
    return tuple(names[::2]), tuple(names[1::2])


def _as_loud(clip: np.ndarray, as_this: np.ndarray) -> np.ndarray:
    """A clip at the level of another one, so that loudness gives nothing away."""
    rms = [np.sqrt(np.mean(np.square(x))) for x in (clip, as_this)]
    return clip * np.float32(rms[1] / max(rms[0], 1e-9))


def ramp(starts_s: np.ndarray, at_s: float) -> np.ndarray:
    """How much of each window is wrong if the wrong part begins at a time: (n,) in 0..1."""
    return np.clip((starts_s + WINDOW_S - at_s) / WINDOW_S, 0, 1)


def find_turn(starts_s: np.ndarray, curve: np.ndarray, length_s: float) -> float:
    """When a wrong part begins: the ramp downwards that leaves the smallest squared error.

    Args:
        starts_s: (n,) of the windows. curve: (n,) their scores; NaN is left out.
        length_s: of the song.

    Returns:
        Seconds; NaN where fewer than three windows have a score.
    """
    heard = np.isfinite(curve)
    if heard.sum() < 3:
        return float("nan")
    places, errors = np.arange(EARLIEST_S / 2, length_s - EARLIEST_S / 2, STEP_S), []
    for at_s in places:
        slope = ramp(starts_s[heard], at_s)
        centred, y = slope - slope.mean(), curve[heard] - curve[heard].mean()
        fall = min(0.0, centred @ y / max(centred @ centred, 1e-9))  # a score that rises is no wrong part
        errors.append(np.square(y - fall * centred).sum())
    return float(places[int(np.argmin(errors))])


def curves(metrics: Mapping, turns: Sequence[Turn]) -> list[dict]:
    """Score every song along its whole length: metric, turn (its number), starts_s, curve, found_s of each."""
    rows = []
    for name, metric in metrics.items():
        for i, turn in enumerate(turns):
            score = metric.score(turn.anchor, turn.accompaniment, hop_s=HOP_S, modes="both")
            length_s = len(turn.anchor) / SAMPLE_RATE
            found_s = find_turn(score.starts_s, score.curves["both"], length_s)
            rows.append({"metric": name, "turn": i, "starts_s": score.starts_s, "curve": score.curves["both"]}
                        | {"found_s": found_s})  # fmt: skip
    return rows


def errors(found: Sequence[dict], turns: Sequence[Turn], seed: int = 0) -> pd.DataFrame:
    """How far from the truth each metric's answer is, in every song, and so are guesses at random.

    Returns:
        metric, track, at_s, found_s, error_s, right_bar (is the bar nearest to the answer the right one?).
    """
    rng = np.random.default_rng(seed)
    lengths = [len(turn.anchor) / SAMPLE_RATE for turn in turns]
    guessed = [
        {"metric": "a guess", "turn": i, "found_s": rng.uniform(EARLIEST_S, length - EARLIEST_S)}
        for i, length in enumerate(lengths)
    ]
    rows = []
    for row in [*found, *guessed]:
        turn, found_s = turns[row["turn"]], row["found_s"]
        nearest = int(np.abs(turn.bars_s - found_s).argmin())
        rows.append({"metric": row["metric"], "track": turn.track_id, "at_s": turn.at_s, "found_s": found_s}
                    | {"error_s": abs(found_s - turn.at_s), "right_bar": nearest == turn.bar})  # fmt: skip
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Per metric: median error in s and share of right bars, with 95 % intervals over songs."""
    rows = []
    for metric, group in table.groupby("metric", sort=False):
        errors_s = group["error_s"].dropna().to_numpy()
        drawn = np.random.default_rng(seed).integers(len(errors_s), size=(N_BOOTSTRAP, len(errors_s)))
        low, high = np.quantile(np.median(errors_s[drawn], axis=1), [0.025, 0.975])
        right = group["right_bar"].to_numpy(float)
        share_low, share_high = bootstrap_interval(right, group["track"], seed)
        rows.append(
            {"metric": metric, "median_s": np.median(errors_s), "low": low, "high": high}
            | {"right_bar": right.mean(), "right_low": share_low, "right_high": share_high, "n_songs": len(group)}
        )
    return pd.DataFrame(rows)
