"""The sound of the procedural band: who plays or sings, equaliser, saturation, compression, room, level.

Every stem has a sound of its own, drawn from its own random numbers. Nothing is shared within a song:
if two stems of one song had the same room, noise or level, a model could pair them without hearing music.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cocola_lib.data.miniatures.band import Song, Stem
from cocola_lib.data.miniatures.phonetics import voice_of
from cocola_lib.data.miniatures.players import perform
from cocola_lib.data.miniatures.singer import sing
from cocola_lib.data.miniatures.synth import around, integrated_loudness, render


@dataclass(frozen=True)
class Desk:
    """How a data set tends to sound; one stem's settings are drawn around it."""

    lufs: tuple[float, float] = (-26.0, 3.5)  # mean and deviation of a stem's loudness
    eq_db: float = 4.0  # deviation of each of three bands
    wet_share: float = 0.5  # how many stems stand in a room
    wet: tuple[float, float] = (0.05, 0.3)  # room level against the dry sound
    rt60_s: tuple[float, float] = (0.15, 0.9)  # the room's decay by 60 dB
    drive: tuple[float, float] = (0.2, 1.5)  # saturation
    squeeze: tuple[float, float] = (0.0, 0.4)  # compression: 0 none, 1 all alike
    noise_share: float = 0.3  # how many stems hiss
    noise_dbfs: tuple[float, float] = (-88.0, -68.0)
    width: float = 0.6  # deviation of the position between left (-1) and right (1)


@dataclass(frozen=True)
class Sound:
    """One stem's settings."""

    lufs: float
    eq: tuple[tuple[float, float, float], ...]  # centre Hz, gain dB, quality
    drive: float
    squeeze: float
    wet: float
    rt60_s: float
    pan: float
    noise_dbfs: float  # -inf: none


def draw_sound(rng: np.random.Generator, desk: Desk) -> Sound:
    """Draw one stem's settings."""
    bands = ((60, 250), (300, 1500), (2000, 6000))
    eq = tuple(
        (float(np.exp(rng.uniform(*np.log(b)))), float(rng.normal(0, desk.eq_db)), float(rng.uniform(0.5, 1.2)))
        for b in bands
    )
    in_room, hisses = rng.random() < desk.wet_share, rng.random() < desk.noise_share
    return Sound(
        lufs=float(np.clip(rng.normal(*desk.lufs), -36, -17)),
        eq=eq,
        drive=float(np.exp(rng.uniform(*np.log(desk.drive)))),
        squeeze=float(rng.uniform(*desk.squeeze)),
        wet=float(rng.uniform(*desk.wet)) if in_room else 0.0,
        rt60_s=float(rng.uniform(*desk.rt60_s)),
        pan=float(np.clip(rng.normal(0, desk.width), -1, 1)),
        noise_dbfs=float(rng.uniform(*desk.noise_dbfs)) if hisses else -np.inf,
    )


def peaking(centre_hz: float, gain_db: float, quality: float, rate: int) -> np.ndarray:
    """Second-order section of a peaking equaliser (the audio EQ cookbook's)."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * min(centre_hz, 0.45 * rate) / rate
    alpha = np.sin(w) / (2 * quality)
    b = np.array([1 + alpha * a, -2 * np.cos(w), 1 - alpha * a])
    d = np.array([1 + alpha / a, -2 * np.cos(w), 1 - alpha / a])
    return np.concatenate([b, d]) / d[0]


def treat(x: np.ndarray, rate: int, sound: Sound, rng: np.random.Generator) -> np.ndarray:
    """Send a stem through its channel of the desk.

    Args:
        x: (N,) or (N, 2)
        rate: Hz
        sound: the channel's settings
        rng: for the room and the noise

    Returns:
        same shape, at `sound.lufs`; an empty stem stays silent, but for its noise
    """
    from scipy.signal import oaconvolve, sosfilt

    peak = np.abs(x).max()
    if peak > 0:
        x = sosfilt(np.stack([peaking(*band, rate) for band in sound.eq]), x, axis=0)
        x = x / np.abs(x).max()
        x = compress(np.tanh(sound.drive * x) / np.tanh(sound.drive), rate, sound.squeeze)
        if sound.wet:
            tail = oaconvolve(x, room(rng, rate, sound.rt60_s, x.shape[1:]), axes=0)[: len(x)]
            x = x + sound.wet * tail * np.sqrt(np.mean(x**2) / max(np.mean(tail**2), 1e-20))
        x = x * 10 ** ((sound.lufs - integrated_loudness(x, rate)) / 20)
        over = np.abs(x).max()
        x = x * min(1.0, 0.7 / over)  # sparse sounds are all peak: leave room for the others
    if x.ndim == 2:
        angle = (sound.pan + 1) * np.pi / 4  # equal power
        x = x * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)])
    if np.isfinite(sound.noise_dbfs):
        x = x + rng.normal(0, 10 ** (sound.noise_dbfs / 20), x.shape)
    return x.astype(np.float32)


def compress(x: np.ndarray, rate: int, amount: float) -> np.ndarray:
    """Even out loudness over about 50 ms: gain = envelope ** -amount, limited in quiet places."""
    from scipy.signal import lfilter

    power = (x**2).reshape(len(x), -1).mean(axis=1)
    c = np.exp(-1 / (0.05 * rate))
    envelope = np.sqrt(np.maximum(lfilter([1 - c], [1, -c], power), 1e-12))
    gain = np.maximum(envelope / envelope.max(), 0.05) ** -amount
    return x * (gain[:, None] if x.ndim == 2 else gain)


def room(rng, rate: int, rt60_s: float, channels: tuple[int, ...] = ()) -> np.ndarray:
    """Draw a room's echo: noise that dies away, darker with time, after a short delay. (n, *channels)"""
    from scipy.signal import lfilter

    n = round(min(rt60_s, 1.5) * rate)
    t = np.arange(n) / rate
    noise = rng.normal(size=(n, *channels)) * 10 ** (-3 * (t if not channels else t[:, None]) / rt60_s)
    dark = rng.uniform(0.3, 0.8)
    delay = np.zeros((round(rng.uniform(0.002, 0.025) * rate), *channels))
    return np.concatenate([delay, lfilter([1 - dark], [1, -dark], noise, axis=0)])


def play(
    song: Song,
    stem: Stem,
    rate: int,
    desk: Desk,
    stereo: bool = False,
    **how,
) -> np.ndarray:
    """Play and record one stem of a song, exactly as in the data set or with one thing wrong.

    The changes are made in the score, so that they leave no artefact in the sound; everything random
    (touch, room, noise) stays as it was.

    Args:
        song, stem: from `band.compose`
        rate: Hz
        desk: the data set's
        stereo: two channels
        how: it is played, see `players.perform`; another take (double tracking) also has another sound

    Returns:
        (N,) or (N, 2) float32 of the song's length
    """
    x = sound(song, stem, (0.0, song.length_s), rate, stereo, **how)
    return record(x, song, stem, rate, desk, **how)


def sound(song: Song, stem: Stem, span: tuple[float, float], rate: int, stereo: bool = False, **how) -> np.ndarray:
    """What a stem's player plays, or sings, from one second to another, before it is recorded; see `play`."""
    part = perform(song, stem, **how)
    if stem.role == "vocals":
        x = sing(part, span, rate, voice_of(stem.centre), song.rng(stem.name, "voice", how.get("take", "")))
        return np.stack([x, x], axis=1) if stereo else x
    return render(around(part, span), span[1] - span[0], rate, stereo)


def record(x: np.ndarray, song: Song, stem: Stem, rate: int, desk: Desk, take="", keep=None, **_) -> np.ndarray:
    """Record what a stem's player played, through the channel of the desk that this stem and take always get."""
    rng = song.rng(stem.name, "sound", take, sorted(keep or ()))
    return treat(x, rate, draw_sound(rng, desk), rng)
