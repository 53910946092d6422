"""Defects of a track that its files reveal by themselves: unequal lengths, silent stems, clipped samples.

Used by notebook 01.
"""

import numpy as np

from cocola_lib.data.activity import BLOCK_S, block_energy, sounding
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.stems import Stem, Track

FULL_SCALE = 32767 / 32768  # the largest 16-bit sample, full scale = 1


def count_clipped(waveform: np.ndarray) -> int:
    """How many samples of a waveform lie at full scale or beyond it."""
    return int(np.sum(np.abs(waveform) >= FULL_SCALE))


def find_defects(track: Track) -> dict[str, str | float | int]:
    """Look for defects in one track.

    Args:
        track: its energy is read from the cache (see `block_energy`), and five seconds of every stem from its files.

    Returns:
        "track": its id; "lengths differ by (s)": longest minus shortest stem, the shorter one being silent after its
        end; "stems that never sound": stems at or below the silence threshold in every block of 0.1 s; "clipped
        samples": samples at full scale, at the file's own rate, in the loudest five seconds of every stem.

    Raises:
        ValueError, OSError: a file that cannot be read, by name.
    """
    energy = block_energy(track)
    lengths = [stem.info().duration_s for stem in track.stems]
    return {
        "track": track.id,
        "lengths differ by (s)": max(lengths) - min(lengths),
        "stems that never sound": int((~sounding(energy, BLOCK_S).any(axis=1)).sum()),
        "clipped samples": sum(map(_clipped_where_loudest, track.stems, energy)),
    }


def _clipped_where_loudest(stem: Stem, energy: np.ndarray) -> int:
    """Clipped samples around the stem's loudest block: (blocks,) mean squares say where that is."""
    start_s = max(0.0, float(energy.argmax()) * BLOCK_S - WINDOW_S / 2)
    return count_clipped(stem.read(stem.info().sample_rate, start_s, WINDOW_S))
