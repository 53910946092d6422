"""Notes -> a folder of families: every stem of an excerpt, as it is, transposed, and at another tempo.

A family NAME is three files: `NAME.npy`, int16 (variants, stems, samples) at 16 kHz; `NAME.rolls.npy`, the bits of
(stems, 12, 650) pitch classes at 50 Hz of the first variant; and `NAME.json`, written last: variants as (semitones,
tempo factor), tempo, drums and programs. About a second of one core each, and 5 MB.
"""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from cocola_lib.data.miniatures.synth import Note
from cocola_lib.files import whole
from cocola_lib.workshop.families import LENGTH_S, RATE, ROLL_HZ
from cocola_lib.workshop.families.pieces import SOURCES

SYNTH_RATE = 32_000  # Hz
SOUNDFONTS = Path("/usr/share/sounds/sf2")
HELD_OUT_FONT = SOUNDFONTS / "MuseScore_General_Full.sf2"  # another soundfont for music from outside
ORDER = ("band", "chorale", "groove", "work", "band", "groove")  # sources of families 0, 1, 2, ...
SEMITONES = (1, 2, 3, 4, 5, 6)
SEMITONE_SHARES = (0.20, 0.18, 0.18, 0.16, 0.14, 0.14)
MAX_STEMS = 7


def make(folder, n, share=0, of=1, seed=1, held_out=False, progress=print):
    """Render families `share`, `share + of`, ... below `n`; what is there already stays.

    Args:
        folder: gets the files.
        n: families in all.
        share, of: for several processes: this one's part of them.
        seed: of everything drawn.
        held_out: music for the test from outside: other composers, grooves and soundfont, with variants transposed
            by 1..6 semitones and at 0.9 and 1.1 of the tempo.
        progress: called with a line now and then, and for an excerpt that could not be made.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(share, n, of):
        source = ("groove", "work")[index % 2] if held_out else ORDER[index % len(ORDER)]
        name = f"{source}-{index:05d}"
        if (folder / f"{name}.json").exists():
            continue
        rng = np.random.default_rng([seed, index, held_out])
        try:
            _family(folder / name, source, index, rng, held_out)
        except (RuntimeError, ValueError) as error:  # a groove that MMA refuses, a work without notes here
            progress(f"{name}: {error}")
        if index // of % 100 == 0:
            progress(f"{index} of {n}")


def _family(path, source, index, rng, held_out):
    for _ in range(4):
        piece = SOURCES[source](rng, held_out)
        parts = [part for part in piece.parts if sum(note.start_s < LENGTH_S - 2 for note in part.notes) >= 3]
        if len(parts) >= 2 and not all(part.drums for part in parts):
            break
    else:
        raise ValueError("four excerpts with fewer than two parts that play")
    chosen = sorted(rng.permutation(len(parts))[:MAX_STEMS])
    parts = [_late(parts[i], rng.normal(0, 0.006)) for i in chosen]
    font = HELD_OUT_FONT if held_out else (_tim() if rng.random() < 0.45 else SOUNDFONTS / "FluidR3_GM.sf2")
    variants = _variants(rng, index, held_out)
    audio = np.stack([_play(font, parts, semitones, factor) for semitones, factor in variants])
    audio *= _gains(audio[0], rng)[:, None]
    _write(path.with_name(path.name + ".npy"), np.clip(audio * 32767, -32767, 32767).astype(np.int16))
    rolls = np.stack([_roll(part) for part in parts])
    _write(path.with_name(path.name + ".rolls.npy"), np.packbits(rolls, axis=-1))
    about = {
        "source": source,
        "tempo_bpm": piece.tempo_bpm,
        "variants": variants,
        "drums": [bool(part.drums) for part in parts],
        "programs": [int(part.program) for part in parts],
        "soundfont": Path(font).name,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(about) + "\n", encoding="utf-8")


def _variants(rng, index, held_out):
    """(semitones, tempo factor), the first unchanged."""
    if held_out:
        sign = (-1) ** index
        return [(0, 1.0), *((sign * s, 1.0) for s in SEMITONES), (0, 0.9), (0, 1.1)]
    semitones = int(rng.choice(SEMITONES, p=SEMITONE_SHARES)) * int(rng.choice([-1, 1]))
    variants = [(0, 1.0), (semitones, 1.0)]
    if rng.random() < 0.35:
        variants.append((0, float(rng.choice([rng.uniform(0.85, 0.95), rng.uniform(1.05, 1.15)]))))
    return variants


def _play(font, parts, semitones, factor):
    """(stems, samples) float32: drums are not transposed."""
    return np.stack([_synth(str(font))(_change(p, 0 if p.drums else semitones, factor)) for p in parts])


def _change(part, semitones, factor):
    """Transposed by semitones, and `factor` times as fast."""
    notes = (Note(n.start_s / factor, n.end_s / factor, n.pitch + semitones, n.velocity) for n in part.notes)
    return replace(part, notes=tuple(note for note in notes if 0 <= note.pitch < 128))


def _late(part, late_s):
    """A player who is a little behind or ahead of the others."""
    notes = (n._replace(start_s=max(0.0, n.start_s + late_s), end_s=max(0.02, n.end_s + late_s)) for n in part.notes)
    return replace(part, notes=tuple(notes))


def _gains(stems, rng):
    """A level for each stem, -26 dBFS on average while it sounds, never above full scale: (stems,)."""
    gains = []
    for x in stems:
        power = np.square(x[: len(x) // 1600 * 1600]).reshape(-1, 1600).mean(1)
        sounding = power[power > 1e-4 * power.max()] if power.max() > 0 else np.ones(1)
        level = 10 ** (rng.normal(-26, 3) / 20) / np.sqrt(sounding.mean())
        gains.append(min(level, 0.9 / max(np.abs(x).max(), 1e-6)))
    return np.float32(gains)


def _roll(part):
    """Pitch classes that a part plays: (12, 650) of 0 and 1; nothing for drums."""
    roll = np.zeros((12, int(LENGTH_S * ROLL_HZ)), np.uint8)
    for note in () if part.drums else part.notes:
        first = int(note.start_s * ROLL_HZ)
        roll[note.pitch % 12, first : max(first + 1, int(note.end_s * ROLL_HZ))] = 1
    return roll


def _write(path, array):
    with whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def _tim():
    import pretty_midi

    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


@functools.cache
def _synth(font):
    """A function from a part to (samples,) float32 at 16 kHz; one FluidSynth per soundfont and process."""
    import fluidsynth
    import soxr

    if not Path(font).is_file():
        raise FileNotFoundError(f"{font}: no such soundfont; install it (CONTRIBUTING, the bundled models)")
    dry = {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.cpu-cores": 1}
    synth = fluidsynth.Synth(samplerate=float(SYNTH_RATE), gain=0.5, **dry)
    loaded = synth.sfload(font)

    def play(part):
        synth.system_reset()
        channel = 9 if part.drums else 0
        if synth.program_select(channel, loaded, 128 if part.drums else 0, part.program) and part.drums:
            synth.program_select(channel, loaded, 128, 0)  # a kit that this soundfont lacks
        synth.pitch_bend(channel, int(8192 * part.detune_cents / 200))
        events = [(n.start_s, 1, n.pitch, n.velocity) for n in part.notes] + [
            (n.end_s, 0, n.pitch, 0) for n in part.notes
        ]
        pieces, now, end = [], 0, int(LENGTH_S * SYNTH_RATE)
        for time_s, begins, pitch, velocity in sorted(events):
            at = int(time_s * SYNTH_RATE)
            if at >= end:
                break
            if at > now:
                pieces.append(synth.get_samples(at - now))
                now = at
            synth.noteon(channel, int(pitch), int(velocity)) if begins else synth.noteoff(channel, int(pitch))
        pieces.append(synth.get_samples(end - now))
        x = np.concatenate(pieces).reshape(-1, 2).mean(axis=1, dtype=np.float32) / 32768
        return soxr.resample(x, SYNTH_RATE, RATE)[: int(LENGTH_S * RATE)]

    return play
