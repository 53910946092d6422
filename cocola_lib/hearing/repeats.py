"""False negatives: a bar that comes again is a rival in training, and belongs to the anchor as well as its own partner.

Where a song is known from its score, windows are found whose bars return some bars later, chords and pattern alike: the
same music, one loop later. Beside it stand a window of the same song whose bars are others, and strangers. Used by
notebook 08.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.miniatures import excerpts
from cocola_lib.data.miniatures.band import Song
from cocola_lib.data.stems import Track
from cocola_lib.hearing.probes import has_score
from cocola_lib.sampling import PairSpec, WindowSampler, split_stems

PARTNER, LOOP, OTHER_BARS, STRANGER = "own window", "one loop later", "other bars of the song", "another song"
RELATIONS = (PARTNER, LOOP, OTHER_BARS, STRANGER)


@dataclass(frozen=True)
class Repeat:
    """A pair, and when its music comes again (s) and when other music of the same song sounds (s)."""

    spec: PairSpec
    again_s: float
    other_s: float


def bar_times(song: Song) -> np.ndarray:
    """When each bar of a song begins, in seconds of its file, and when the last one ends: (bars + 1,)."""
    last = song.bars[-1]
    return song.lead_in_s + np.array([*(b.start for b in song.bars), last.start + last.steps / 4]) * 60 / song.tempo_bpm


def shifts(song: Song, first: int, n: int) -> tuple[list[int], list[int]]:
    """Where n bars from the first on come again, and where others stand in their place.

    Returns:
        Numbers of first bars, at least n bars away from `first`: those of the same music (kind of section and chords of
        every bar alike), and those where at least half of the bars have other chords.
    """
    here, again, other = song.bars[first : first + n], [], []
    for start in range(len(song.bars) - n + 1):
        there = song.bars[start : start + n]
        alike = [a.chords == b.chords for a, b in zip(here, there, strict=True)]
        if abs(start - first) < n:
            continue
        if all(alike) and all(a.kind == b.kind for a, b in zip(here, there, strict=True)):
            again.append(start)
        elif sum(alike) <= n / 2:
            other.append(start)
    return again, other


def find(tracks: Sequence[Track], n: int, seed: int = 0) -> list[Repeat]:
    """Windows that come again, at most one per song.

    Args:
        tracks: of one split; only those with a score of bars are of use.
        n: at most so many.
    """
    rng, found = np.random.default_rng(seed), []
    for i in rng.permutation(len(tracks)):
        song = excerpts.piece(tracks[i].stems[0].files[0]) if has_score(tracks[i]) else None
        repeat = _find_in(tracks[i], song, rng) if song and len(found) < n else None
        found += [repeat] if repeat else []
    return found


def _find_in(track: Track, song: Song, rng: np.random.Generator) -> Repeat | None:
    times, sampler = bar_times(song), WindowSampler([track])
    starts, active = sampler.windows(track)
    sounding = dict(zip(starts.tolist(), active.T, strict=True))
    n = int(np.ceil(WINDOW_S / np.diff(times).min()))

    def sounds(bar: int) -> np.ndarray:
        return sounding.get(round(times[bar] / BLOCK_S), np.zeros(len(track.stems), dtype=bool))

    for first in rng.permutation(max(0, len(song.bars) - n + 1)):
        again, other = shifts(song, int(first), n)
        for a in again:
            for b in other:
                names = np.array(track.stem_names)[sounds(first) & sounds(a) & sounds(b)]
                if len(names) > 1:
                    start_s = round(float(times[first]), 1)
                    again_s, other_s = (start_s + float(times[bar] - times[first]) for bar in (a, b))  # to the sample
                    return Repeat(PairSpec(track.id, start_s, *split_stems(names, rng)), again_s, other_s)
    return None


def compare(metric, tracks: Sequence[Track], repeats: Sequence[Repeat], name: str) -> pd.DataFrame:
    """Score every anchor with its partner, with the same stems one loop later and in other bars, and with strangers.

    Args:
        metric: a `Scorer`. tracks: that the repeats are of. repeats: from `find`. name: of the metric.

    Returns:
        rater, mode, relation, item, track, score: one row per pair and relation (of strangers, the mean).
    """
    by_id = {track.id: track for track in tracks}

    def clips(side: str, at: Sequence[float]) -> list[np.ndarray]:
        return [
            by_id[r.spec.track_id].read(getattr(r.spec, side), t, WINDOW_S) for r, t in zip(repeats, at, strict=True)
        ]

    starts = [r.spec.start_s for r in repeats], [r.again_s for r in repeats], [r.other_s for r in repeats]
    partners = [clip for at in starts for clip in clips("positive", at)]
    n, rows = len(repeats), []
    for mode, matrix in metric.matrices(clips("anchor", starts[0]), partners).items():
        blocks = np.asarray(matrix, dtype=float).reshape(n, 3, n).transpose(1, 0, 2)
        strangers = np.where(np.eye(n, dtype=bool), np.nan, blocks[0])
        scores = [*(np.diag(block) for block in blocks), [np.nanmean(row) if n > 1 else np.nan for row in strangers]]
        for relation, score in zip(RELATIONS, scores, strict=True):
            rows.append(pd.DataFrame({"relation": relation, "item": range(n), "score": score}).assign(mode=mode))
    songs = [r.spec.track_id for r in repeats]
    table = pd.concat(rows, ignore_index=True).assign(rater=name)
    return table.assign(track=[songs[i] for i in table["item"]])


def measure(metrics: dict, tracks: Sequence[Track], n: int, seed: int = 0) -> pd.DataFrame:
    """`compare` for several metrics; no row where fewer than two songs come again."""
    repeats = find(tracks, n, seed)
    if len(repeats) < 2:
        return pd.DataFrame(columns=["relation", "item", "score", "mode", "rater", "track"])
    return pd.concat([compare(metric, tracks, repeats, name) for name, metric in metrics.items()], ignore_index=True)
