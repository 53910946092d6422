"""Defects are found where they were planted, and nowhere else."""

import numpy as np
import soundfile

from cocola_lib.data.defects import find_defects
from cocola_lib.data.tracks import load_tracks

RATE = 44_100


def write_song(folder, **stems):
    folder.mkdir(parents=True)
    for name, x in stems.items():
        soundfile.write(folder / f"{name}.wav", x, RATE)


def test_a_planted_defect_is_not_found_or_found_in_a_sound_track(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE).clip(-4, 4)
    clipped = noise.copy()
    clipped[12 * RATE : 12 * RATE + 7] = 1.0  # far from the start: the loudest place must be looked for
    clipped[12 * RATE + 7 : 13 * RATE] *= 2
    write_song(tmp_path / "clipped", a=noise, b=clipped)
    write_song(tmp_path / "short", a=noise, b=noise[: 15 * RATE])
    write_song(tmp_path / "silent", a=noise, b=0 * noise)
    write_song(tmp_path / "sound", a=noise, b=noise)
    found = {track.id.split("/")[-1]: find_defects(track) for track in load_tracks(tmp_path)}
    numbers = {name: tuple(row.values())[1:] for name, row in found.items()}
    assert numbers == {"clipped": (0.0, 0, 7), "short": (5.0, 0, 0), "silent": (0.0, 1, 0), "sound": (0.0, 0, 0)}
