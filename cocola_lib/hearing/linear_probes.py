"""What does an embedding know? Linear probes for what is written in the score: tempo, beat, key, chord, instrument.

The procedural band composes its songs, so that all of this is known and need not be estimated. A linear probe (ridge)
is fitted to embeddings of some songs and asked about others: what it finds was there to be read, without another layer
that could have computed it. Notebook 09 shows the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cocola_lib.data import miniatures
from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.miniatures.band import Song
from cocola_lib.data.stem_classes import stem_class
from cocola_lib.data.stems import Track
from cocola_lib.evaluation import bootstrap_interval
from cocola_lib.sampling import WindowSampler

PARTS = 5  # of the songs: four are fitted, one is asked
PENALTIES = np.logspace(0, 5, 11)  # of the ridge; the best on the fitted songs is taken
MIX = ("tempo", "beat phase", "key", "chord")  # asked of a mix of all stems
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class Known:
    """One clip, (N,) float32 at 16 kHz, and what is written about it: what -> a number or a name."""

    track_id: str
    clip: np.ndarray
    written: dict[str, float | str]


def song_of(track: Track) -> Song | None:
    """The song that a miniature's band plays; None for everything else (a chorale has no chords written down)."""
    try:
        module, job = miniatures.find_job(track.stems[0].files[0])
    except ValueError:
        return None
    return module.song(job) if hasattr(module, "song") else None


def written(song: Song, start_s: float) -> dict[str, float | str]:
    """What the score says of the 5 s from `start_s`: tempo (log2 of bpm), beat phase at the start (0 to 1), key (its
    tonic), and the root of the chord in the middle."""
    beat_s = 60 / song.tempo_bpm
    middle = (start_s + WINDOW_S / 2 - song.lead_in_s) / beat_s  # quarters
    bar = max((bar for bar in song.bars if bar.start <= middle), key=lambda bar: bar.start, default=song.bars[0])
    step = min(bar.steps - 1, max(0, int(4 * (middle - bar.start))))
    return {
        "tempo": float(np.log2(song.tempo_bpm)),
        "beat phase": (start_s - song.lead_in_s) / beat_s % 1,
        "key": PITCH_CLASSES[song.tonic],
        "chord": PITCH_CLASSES[bar.chord_at(step).root],
    }


def draw(tracks: Sequence[Track], n_windows: int, seed: int = 0) -> list[Known]:
    """Windows of the band's songs: each as a mix of all that sounds, and one of its stems alone.

    Args:
        tracks: tracks that are no band of a miniature are left out.
        n_windows: of each song, at most.
        seed: of the draw.

    Raises:
        ValueError: there is no such track.
    """
    songs = [(track, song) for track in tracks if (song := song_of(track))]
    if not songs:
        raise ValueError(f"{len(tracks)} tracks: none is a miniature's band, whose score is known")
    sampler, rng, found = WindowSampler([track for track, _ in songs]), np.random.default_rng(seed), []
    for track, song in songs:
        starts, active = sampler.windows(track)
        for column in rng.permutation(len(starts))[:n_windows]:
            start_s = round(float(starts[column]) * BLOCK_S, 1)
            names = [name for name, on in zip(track.stem_names, active[:, column], strict=True) if on]
            alone = str(rng.choice(names))
            said = written(song, start_s)
            found.append(Known(track.id, track.read(tuple(names), start_s, WINDOW_S), said))
            kind = {"instrument": stem_class(alone)}
            found.append(Known(track.id, track.read((alone,), start_s, WINDOW_S), kind))
    return found


def _number(probe, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return cross_val_predict(probe, x, y, groups=groups, cv=GroupKFold(min(PARTS, len(set(groups)))))


def _names(probe, x, y, groups):
    """Share of names that are found: 0 or 1 for each clip."""
    return (_number(probe, x, y, groups) == y).astype(float)


def _explained(probe, x, y, groups):
    """Share of the variance that is explained, clip by clip: their mean is R squared."""
    y = y.astype(float)
    return 1 - (_number(probe, x, y, groups) - y) ** 2 / y.var()


def _phase(probe, x, y, groups):
    """Cosine between the phase that is found and the one that is written: 1 is right, 0 chance."""
    angle = 2 * np.pi * y.astype(float)
    cos, sin = _number(probe, x, np.column_stack([np.cos(angle), np.sin(angle)]), groups).T
    return np.cos(np.arctan2(sin, cos) - angle)


# what is asked -> (how an answer is judged, what it counts)
ASKED: dict[str, tuple[Callable, str]] = {
    "tempo": (_explained, "R squared"),
    "beat phase": (_phase, "cosine"),
    "key": (_names, "share"),
    "chord": (_names, "share"),
    "instrument": (_names, "share"),
}


def probe(embeddings: Mapping[str, np.ndarray], known: Sequence[Known], seed: int = 0) -> pd.DataFrame:
    """Fit a linear probe to each embedding for each thing that is written, on some songs, and ask it about the others.

    Args:
        embeddings: name -> (n, D), of the clips of `known`.
        known: from `draw`, n of them.

    Returns:
        A row each: asked, counts ("share", "R squared" or "cosine"), encoder (the last of each is "chance", which says
        what is most frequent), value, low, high (95 % over songs), n_clips, n_songs.
    """
    songs, rows = np.array([clip.track_id for clip in known]), []
    for asked, (judge, counts) in ASKED.items():
        chosen = np.array([asked in clip.written for clip in known])
        y, groups = np.array([clip.written[asked] for clip in known if asked in clip.written]), songs[chosen]
        classes = judge is _names
        ridge = make_pipeline(StandardScaler(), (RidgeClassifierCV if classes else RidgeCV)(PENALTIES))
        guess = DummyClassifier() if classes else DummyRegressor()
        sides = {name: (ridge, h[chosen]) for name, h in embeddings.items()} | {
            "chance": (guess, np.zeros((len(y), 1)))
        }
        for name, (fitted, x) in sides.items():
            values = judge(fitted, x, y, groups)
            low, high = bootstrap_interval(values, groups, seed)
            found = {
                "asked": asked,
                "counts": counts,
                "encoder": name,
                "value": values.mean(),
                "low": low,
                "high": high,
            }
            rows.append(found | {"n_clips": len(y), "n_songs": len(set(groups))})
    return pd.DataFrame(rows)
