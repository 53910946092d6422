"""Stems against the rest: does each stem of a song belong to the others, and where? Folders of clips, all against all.

The protocol "multitrack": every stem against the sum of the other stems, windows of 5 s, no padding; Random is the same
stem with the next song. Used by `cocola score-stems` and `cocola matrix`.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from cocola_lib.clips import HOP_S
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stem_classes import stem_class
from cocola_lib.data.stems import Track
from cocola_lib.features import check_modes
from cocola_lib.scoring import Modes, Score, Scorer

Progress = Callable[..., Iterator]


def score_stems(
    scorer: Scorer,
    tracks: Sequence[Track],
    hop_s: float = HOP_S,
    modes: Modes = None,
    progress: Progress = lambda rows, total: rows,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every stem of every track against the sum of the track's other stems.

    Only windows count in which the stem and one of the others sound, so that a silent stem neither is scored nor
    changes a sum.

    Args:
        scorer: of any model.
        tracks: in the order in which Random takes the next one, the last one the first; one alone has no Random.
        hop_s: seconds from one window to the next. modes: some of the scorer's.
        progress: called with an iterable and `total=`, such as `tqdm`.
    Returns:
        A row per stem: track, stem, stem_class; per mode its mean score, `_low` and `_high` (95 %) and `random_<mode>`;
        windows (scored), reason (why there is no score). And the curves: track, stem, start_s and a column per mode,
        NaN where a side is silent.
    Raises:
        ValueError, FileNotFoundError: a file that cannot be read, or a mode that the model lacks.
    """
    modes = check_modes(modes, scorer.modes)
    stems = [(i, name) for i, track in enumerate(tracks) for name in track.stem_names]
    results = scorer.score_pairs(_pairs(tracks, stems), hop_s=hop_s, modes=modes)
    rows, curves = [], []
    for i, name in progress(stems, total=len(stems)):
        track, about = tracks[i], {"track": tracks[i].id, "stem": name, "stem_class": stem_class(name)}
        if track.duration_s < WINDOW_S:
            reason = f"{track.duration_s:.2f} s, shorter than a window of {WINDOW_S:g} s"
            rows.append(about | dict.fromkeys(modes, np.nan) | {"windows": 0, "reason": reason})
            continue
        score = _next(results)
        random = _next(results) if len(tracks) > 1 else None
        rows.append(about | _columns(score, random, modes))
        curves.append(pd.DataFrame({"track": track.id, "stem": name, "start_s": score.starts_s} | score.curves))
    columns = ["track", "stem", "start_s", *modes]
    return pd.DataFrame(rows), pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)


def _pairs(tracks: Sequence[Track], stems: Sequence[tuple[int, str]]) -> Iterator:
    """Context and stem; then, where there is another song, its context and the same stem."""
    for i, name in stems:
        track, following = tracks[i], tracks[(i + 1) % len(tracks)]
        if track.duration_s < WINDOW_S:
            continue
        stem = track.read((name,))
        yield track.read(tuple(other for other in track.stem_names if other != name)), stem
        if len(tracks) > 1:
            others = tuple(other for other in following.stem_names if stem_class(other) != stem_class(name))
            yield following.read(others or following.stem_names), stem


def _next(results: Iterator) -> Score:
    result = next(results)
    if isinstance(result, Exception):
        raise result
    return result


def _columns(score: Score, random: Score | None, modes: Sequence[str]) -> dict:
    found: dict = {}
    for mode in modes:
        found |= {mode: getattr(score, mode)}
        found |= dict(zip((f"{mode}_low", f"{mode}_high"), score.intervals[mode], strict=True))
        found |= {f"random_{mode}": getattr(random, mode)} if random else {}
    return found | {"windows": len(score.starts_s) - score.n_silent, "reason": score.reason or ""}


def all_against_all(
    scorer: Scorer, a: Sequence[str], b: Sequence[str], modes: Modes = None, hop_s: float = HOP_S
) -> pd.DataFrame:
    """Every clip of one list with every clip of another, in both directions.

    Args:
        scorer: of any model. a, b: paths. modes: some of the scorer's. hop_s: as `Scorer.matrices`.
    Returns:
        a, b, mode, a_to_b (a is the conditioning), b_to_a, both_ways (their mean); NaN where no window has both
        sides sounding.
    """
    there = scorer.matrices(a, b, modes, hop_s=hop_s)
    back = there if list(a) == list(b) else scorer.matrices(b, a, modes, hop_s=hop_s)
    frames = []
    for mode, scores in there.items():
        index = pd.MultiIndex.from_product([a, b], names=["a", "b"])
        columns = {"mode": mode, "a_to_b": scores.ravel(), "b_to_a": back[mode].T.ravel()}
        frames.append(pd.DataFrame(columns, index=index).reset_index())
    table = pd.concat(frames, ignore_index=True)
    return table.assign(both_ways=(table["a_to_b"] + table["b_to_a"]) / 2)
