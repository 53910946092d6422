"""Key and chord agreement: do both sides play in one key, and the same chords at the same time?

Both are estimated from chroma, on each side apart, as the Accompanist does. Drums and percussion have neither.
"""

import numpy as np

from cocola_lib.accompaniment.accompanist import HOP, TRIADS, chord_chroma, estimate_chords, estimate_key
from cocola_lib.data.audio import SILENCE_DBFS, rms_dbfs
from cocola_lib.models.control import SEGMENT_S

SHARED_TONES = 2  # of three: chords that share so many fit (a triad, its parallel, its relatives: 4 of 24)

Key = tuple[int, str]  # pitch class of the tonic, "major" or "minor"


def on_circle(key: Key) -> int:
    """Where a key stands on the circle of fifths, 0 (C major, A minor) to 11 (F major, D minor)."""
    tonic, kind = key
    return 7 * (tonic + (3 if kind == "minor" else 0)) % 12


def key_distance(a: Key, b: Key) -> int:
    """Steps between two keys on the circle of fifths: 0, the same or the relative key, to 6; at random 3 on average."""
    apart = abs(on_circle(a) - on_circle(b))
    return min(apart, 12 - apart)


def shared_tones(a: Key, b: Key) -> int:
    """How many pitch classes two triads have in common, 0 to 3."""
    one, other = ({(root + tone) % 12 for tone in TRIADS[kind]} for root, kind in (a, b))
    return len(one & other)


def heard_harmony(x: np.ndarray, rate: int) -> tuple[Key | None, list[Key | None]]:
    """The key of a clip, and a chord for each half second; None where it is silent.

    Args:
        x: (N,) float32. rate: Hz.
    """
    n = max(1, round(len(x) / rate / SEGMENT_S))
    loud = [rms_dbfs(part) >= SILENCE_DBFS for part in np.array_split(x, n)]
    if not any(loud):
        return None, [None] * n
    chroma = chord_chroma(np.asarray(x, dtype=np.float32), rate)  # (12, T)
    edges = np.round(np.linspace(0, len(x) / HOP, n + 1)).astype(int)
    segments = np.stack([chroma[:, a : max(b, a + 1)].mean(axis=1) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    key = estimate_key(chroma.sum(axis=1))
    chords = estimate_chords(segments, key)
    return key, [chord if sounds else None for chord, sounds in zip(chords, loud, strict=True)]


def chord_agreement(a: list[Key | None], b: list[Key | None]) -> float:
    """Share of the half seconds in which both sound whose chords share two tones or more; NaN where there is none.

    Two chords at random fit in 4 of 24 cases, 17 %.
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=False) if x is not None and y is not None]
    return float(np.mean([shared_tones(x, y) >= SHARED_TONES for x, y in pairs])) if pairs else float("nan")
