"""From notes to sound: MIDI files, the soundfont renderer, loudness, and 16-bit files.

`midirenderer` plays a MIDI file with the small General MIDI soundfont that `pretty_midi` ships, at
48 kHz and in 16 bits, the same bytes every time. A stem is one `Part`: notes for one instrument.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cocola_lib.extras import need

BEND_RANGE_SEMITONES = 2.0  # General MIDI's default range of the pitch wheel
TICKS_PER_BEAT = 960  # about half a millisecond at 120 beats per minute
EFFECT_CONTROLS = {"reverb": 91, "chorus": 93}


class Note(NamedTuple):
    """One note: from `start_s` to `end_s`, `pitch` 0-127 (60 = middle C), `velocity` 1-127."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """The notes of one instrument, which become one stem."""

    notes: tuple[Note, ...]
    program: int = 0  # General MIDI program, 0-127; for drums, the drum kit
    drums: bool = False
    name: str = ""
    detune_cents: float = 0.0  # -200 to 200
    reverb: int = 0  # 0-127, the synthesiser's own; 0 = dry
    chorus: int = 0  # 0-127


@functools.cache
def soundfont() -> bytes:
    """Read TimGM6mb.sf2, the General MIDI soundfont in the `pretty_midi` package."""
    import pretty_midi

    path = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: reinstall pretty_midi, which ships this soundfont")
    return path.read_bytes()


def midi_bytes(parts: list[Part], tempo_bpm: float = 120.0, length_s: float | None = None) -> bytes:
    """Write parts as a Standard MIDI File, one track each.

    Args:
        parts: at most 15 pitched parts and any number of drum parts
        tempo_bpm: written into the file; note times stay in seconds
        length_s: when the file ends; None: with the last note

    Returns:
        the bytes of the file
    """
    import pretty_midi

    score = pretty_midi.PrettyMIDI(resolution=TICKS_PER_BEAT, initial_tempo=tempo_bpm)
    for part in parts:
        instrument = pretty_midi.Instrument(part.program, is_drum=part.drums, name=part.name)
        instrument.notes = [pretty_midi.Note(n.velocity, n.pitch, n.start_s, n.end_s) for n in part.notes]
        for effect, control in EFFECT_CONTROLS.items():
            instrument.control_changes.append(pretty_midi.ControlChange(control, getattr(part, effect), 0.0))
        if part.detune_cents:
            wheel = round(8192 * part.detune_cents / (100 * BEND_RANGE_SEMITONES))
            instrument.pitch_bends.append(pretty_midi.PitchBend(max(-8192, min(8191, wheel)), 0.0))
        if length_s is not None:  # an event at the end lets the last note ring
            last = pretty_midi.ControlChange(EFFECT_CONTROLS["chorus"], part.chorus, length_s)
            instrument.control_changes.append(last)
        score.instruments.append(instrument)
    buffer = io.BytesIO()
    score.write(buffer)
    return buffer.getvalue()


def around(part: Part, span: tuple[float, float]) -> Part:
    """The notes that sound in a span of time (s), which becomes the new beginning."""
    first, last = span
    notes = (
        Note(max(0.0, n.start_s - first), n.end_s - first, n.pitch, n.velocity)
        for n in part.notes
        if n.end_s > first + 0.02 and n.start_s < last
    )
    return replace(part, notes=tuple(notes))


def render(part: Part, length_s: float, rate: int, stereo: bool = False) -> np.ndarray:
    """Play one part.

    Args:
        part: the notes and their instrument
        length_s: of the result, seconds
        rate: of the result, Hz
        stereo: keep the soundfont's two channels

    Returns:
        (N,) or, in stereo, (N, 2) float32, not normalised: a soft note is soft
    """
    need("data", "midirenderer", "pretty_midi")
    import midirenderer
    import soundfile
    import soxr

    n_samples = round(length_s * rate)
    if not part.notes:
        return np.zeros((n_samples, 2) if stereo else n_samples, np.float32)
    # no gaps in what is rendered: the tempo is 120 so that a tick is the same time in every file
    wave = midirenderer.render_wave_from(soundfont(), midi_bytes([part], 120.0, length_s + 0.1))
    x, found_rate = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)
    x = x if stereo else x.mean(axis=1)
    x = soxr.resample(x, found_rate, rate, quality="HQ")[:n_samples]
    return np.pad(x, [(0, n_samples - len(x))] + [(0, 0)] * (x.ndim - 1)).astype(np.float32)


def k_weighting(rate: int) -> np.ndarray:
    """Second-order sections of the ear-like filter of ITU-R BS.1770, for any sample rate."""
    sections = []
    # the standard tabulates 48 kHz; these analogue constants reproduce its table
    f0, gain_db, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = np.tan(np.pi * f0 / rate)
    vh = 10 ** (gain_db / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    b = np.array([vh + vb * k / q + k * k, 2 * (k * k - vh), vh - vb * k / q + k * k]) / a0
    sections.append([*b, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    f0, q = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * f0 / rate)
    a0 = 1 + k / q + k * k
    sections.append([1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    return np.array(sections)


def integrated_loudness(x: np.ndarray, rate: int) -> float:
    """Measure loudness as ITU-R BS.1770-4 does, silences left out by its two gates.

    Args:
        x: (N,) or (N, channels), -1 to 1
        rate: Hz

    Returns:
        LUFS: a full-scale 1 kHz sine in one channel gives -3; -inf when nothing sounds
    """
    from scipy.signal import sosfilt

    power = sosfilt(k_weighting(rate), x.reshape(len(x), -1).astype(np.float64), axis=0) ** 2
    block, hop = round(0.4 * rate), round(0.1 * rate)
    sums = np.concatenate([[0.0], np.cumsum(power.sum(axis=1))])
    starts = np.arange(0, max(1, len(x) - block + 1), hop)
    energy = (sums[np.minimum(starts + block, len(x))] - sums[starts]) / block
    loud = energy[energy > 10 ** ((-70 + 0.691) / 10)]
    if not loud.size:
        return -np.inf
    loud = loud[loud > 0.1 * loud.mean()]
    return float(-0.691 + 10 * np.log10(loud.mean()))


def to_int16(x: np.ndarray) -> np.ndarray:
    """Round to 16 bits; beyond full scale is clipped."""
    return np.clip(np.round(x * 32768.0), -32768, 32767).astype(np.int16)


def write_audio(path: Path, x: np.ndarray, rate: int) -> None:
    """Write int16 samples, (N,) or (N, channels), as WAV or FLAC by the name's ending; OSError where that fails."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        soundfile.write(path, x, rate, subtype="PCM_16")
    except soundfile.SoundFileRuntimeError as error:  # libsndfile's "System error" on a full disk
        raise OSError(f"{path}: not written ({error}); is the disk full?") from None
