"""What the procedural band's data sets share: who plays, in which style, and how to play it again.

`slakh.py`, `moises.py` and `musdb.py` write the three layouts. Each has `plan`, `song(job)`,
`players(song, job)`, which says what each file holds, and `write`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from cocola_lib.data.miniatures import styles, track_rng
from cocola_lib.data.miniatures.band import Song, Stem, compose
from cocola_lib.data.miniatures.studio import play
from cocola_lib.data.miniatures.synth import to_int16

# role -> (chance of each of its possible players, pitch around which it plays and the deviation)
ROLES = {
    "drums": ((0.95,), 0, 0),
    "percussion": ((0.3,), 0, 0),
    "bass": ((0.97,), 40, 2),
    "comp": ((0.95, 0.6, 0.2), 60, 4),
    "pad": ((0.5, 0.1), 62, 5),
    "arp": ((0.5,), 62, 7),
    "riff": ((0.5,), 55, 7),
    "melody": ((0.85,), 74, 5),
    "counter": ((0.3,), 66, 5),
    "vocals": ((0.0,), 64, 6),
    "effect": ((0.06,), 60, 4),
}


@dataclass(frozen=True)
class Job:
    """One track to make: where, and the song it plays."""

    path: str
    song: str  # name of the song; an omitted Slakh track plays the song of another track
    seed: int
    length_s: float
    omitted: bool = False


def draw_players(rng: np.random.Generator, held_out: bool, chances: dict | None = None) -> tuple[Stem, ...]:
    """Draw who plays: a role, a program that suits it and a player's habits, whatever the style.

    Args:
        rng: decides
        held_out: draw from the programs that only mini-musdb18hq has, or from the others
        chances: role -> chances, instead of those in `ROLES`
    """
    players = []
    for role, (default, centre, spread) in ROLES.items():
        for i, chance in enumerate((chances or {}).get(role, default)):
            if rng.random() >= chance:
                continue
            if role in ("drums", "percussion"):
                programs = [k for k in styles.DRUM_KITS if (k in styles.HELD_OUT_KITS) == held_out]
            else:
                programs = [p for p in styles.PROGRAMS[role] if styles.is_held_out(p) == held_out]
            players.append(
                Stem(
                    name=f"{role}{i + 1}",
                    role=role,
                    program=int(programs[rng.integers(len(programs))]),
                    centre=round(centre + spread * float(rng.normal())),
                    late_s=float(rng.normal(0, 0.006)),
                    loose_s=float(rng.uniform(0.002, 0.010)),
                    detune_cents=float(rng.normal(0, 6)),
                    dynamics=float(rng.uniform(0.4, 1.3)),
                )
            )
    return tuple(players)


def song_of(job: Job, held_out: bool, chances: dict | None = None) -> Song:
    """Compose a job's song, in one of its data set's styles."""
    names = [s for s in styles.STYLES if (s in styles.HELD_OUT_STYLES) == held_out]
    style = names[track_rng(job.seed, f"{job.song}/style").integers(len(names))]
    return compose(job.song, job.seed, job.length_s, style, lambda rng: draw_players(rng, held_out, chances))


def settle(files: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Round files to 16 bits such that their sum, the mix, does not clip. Returns files and mix, int16."""
    peak = float(np.abs(np.sum(files, axis=0)).max())
    gain = min(1.0, 0.98 / max(peak, 1e-9))  # one gain for all: rare, and the balance stays
    files = [to_int16(x * gain) for x in files]
    return files, np.sum([x.astype(np.int32) for x in files], axis=0).astype(np.int16)


FIRST_WORDS = ("Paper", "Silver", "Tiny", "Broken", "Northern", "Velvet", "Hollow", "Golden", "Late", "Salt")
LAST_WORDS = ("Lanterns", "Harbour", "Engines", "Gardens", "Letters", "Signals", "Mountains", "Foxes", "Tides", "Rooms")


def invent(rng: np.random.Generator, the: bool = False) -> str:
    """Invent the name of a song or, with "The", of a band."""
    words = (FIRST_WORDS[rng.integers(10)], LAST_WORDS[rng.integers(10)])
    return " ".join(("The", *words) if the else words)


def replay(module: ModuleType, job: Job, name: str, **changes) -> np.ndarray:
    """Play a file of a track again, see `miniatures.replay`."""
    song = module.song(job)
    players = module.players(song, job)
    if name not in players:
        raise ValueError(f"{job.path}: no file {name!r}; choose one of {', '.join(players)}")
    return record(song, players[name], module, **changes)


def record(song: Song, players: list, module: ModuleType, **changes) -> np.ndarray:
    """Record what goes into one file: the sum of one or more players, as (stem, arguments of `play`)."""
    desk = {"rate": module.RATE, "desk": module.DESK, "stereo": module.STEREO}
    return np.sum([play(song, stem, **desk, **how, **changes) for stem, how in players], axis=0)
