"""Foils: accompaniments that do not belong, each for one reason.

A foil is made from a true pair by changing one thing about its accompaniment: where it comes from, its pitch, when it
starts, how fast it goes. Used by the audition (`audition.py`) and the quiz (`quiz.py`) of notebooks 00 and 01.
"""

from dataclasses import dataclass

import numpy as np

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.stem_classes import is_pitched
from cocola_lib.hearing import probes
from cocola_lib.sampling import PairSpec, WindowSampler

KINDS = {  # kind -> amounts to choose from; the first is the one that nobody misses
    "coherent": (),
    "other track": (),
    "other window": (),
    "shifted": (3, 1, 2, 4, 5, 6, -1, -2, -3, -4, -5, -6),  # semitones
    "delayed": (250, 30, 60, 125, 500),  # ms
    "stretched": (1.15, 1.1, 1.05, 0.95, 0.9, 0.85),  # tempo, 1.1 is a tenth faster
}
MAX_DRAWS = 50  # windows or tracks tried for a foil before none is said to exist


@dataclass(frozen=True)
class Foil:
    """One accompaniment for an anchor: (N,) float32 at 16 kHz, and a phrase that says what it is."""

    clip: np.ndarray
    what: str


def amount_label(kind: str, amount: float) -> str:
    """An amount with its unit: "+3 semitones", "250 ms late", "10 % faster"."""
    if kind == "shifted":
        return f"{amount:+d} semitone{'s' if abs(amount) > 1 else ''}"
    if kind == "delayed":
        return f"{amount:g} ms late"
    return f"{abs(amount - 1):.0%} {'faster' if amount > 1 else 'slower'}".replace("%", " %")


def make_foil(sampler: WindowSampler, spec: PairSpec, kind: str, amount: float | None = None, seed: int = 0) -> Foil:
    """The accompaniment of a pair, or one that does not belong.

    Args:
        sampler: holds the tracks.
        spec: the true pair.
        kind: one of `KINDS`.
        amount: one of `KINDS[kind]`; None is the first.
        seed: decides which other window or track.

    Returns:
        `Foil`; as long as the anchor.

    Raises:
        ValueError: an unknown kind, or this pair has no such foil (the only window of its track, drums to transpose).
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; use {', '.join(KINDS)}")
    track, rng = sampler.by_id[spec.track_id], np.random.default_rng([seed, round(spec.start_s * 10)])
    if kind == "coherent":
        return Foil(track.read(spec.positive, spec.start_s, sampler.window_s), "the accompaniment of this window")
    if kind == "other window":
        return _other_window(sampler, spec, rng)
    if kind == "other track":
        return _other_track(sampler, spec, rng)
    amount = KINDS[kind][0] if amount is None else amount
    if kind == "delayed":
        return Foil(_late(sampler, spec, amount / 1000), f"the true accompaniment, {amount_label(kind, amount)}")
    if kind == "shifted" and not any(map(is_pitched, spec.positive)):
        raise ValueError(f"{' + '.join(spec.positive)} has no pitch to shift; choose another accompaniment or kind")
    replayed = probes.has_score(track)
    how = "played again from the score" if replayed else "by a phase vocoder, whose artefacts are heard too"
    clip = probes.play(track, spec, **{"semitones" if kind == "shifted" else "tempo": amount})
    return Foil(clip, f"the true accompaniment, {amount_label(kind, amount)}, {how}")


def _late(sampler: WindowSampler, spec: PairSpec, delay_s: float) -> np.ndarray:
    """What was played a little earlier sounds now; before the track's start there is silence."""
    start_s, n = spec.start_s - delay_s, round(sampler.window_s * SAMPLE_RATE)
    clip = sampler.by_id[spec.track_id].read(spec.positive, max(0.0, start_s), sampler.window_s)
    return np.pad(clip, (round(max(0.0, -start_s) * SAMPLE_RATE), 0))[:n]


def _other_window(sampler: WindowSampler, spec: PairSpec, rng: np.random.Generator) -> Foil:
    """The same stems, somewhere else in the track, as far apart as whole windows allow."""
    track = sampler.by_id[spec.track_id]
    starts, active = sampler.windows(track)
    wanted = np.isin(track.stem_names, spec.positive)
    seconds = starts[active[wanted].all(axis=0)] * BLOCK_S
    apart = np.abs(seconds - spec.start_s)
    for distance_s in (sampler.window_s, sampler.window_s / 2):
        far = seconds[apart >= distance_s]
        if len(far):
            start_s = round(float(rng.choice(far)), 1)
            clip = track.read(spec.positive, start_s, sampler.window_s)
            return Foil(clip, f"the same stems, from {start_s:g} s instead of {spec.start_s:g} s")
    raise ValueError(f"track {track.id}: {' + '.join(spec.positive)} plays in no other window")


def _other_track(sampler: WindowSampler, spec: PairSpec, rng: np.random.Generator) -> Foil:
    """The same stem of another track where there is one with that name, else as many of its stems."""
    home = sampler.by_id[spec.track_id]
    others = [t for t in sampler.tracks if t.id != home.id and t.dataset == home.dataset]
    others = others or [t for t in sampler.tracks if t.id != home.id]
    for i in rng.permutation(len(others))[:MAX_DRAWS]:
        track = others[i]
        starts, active = sampler.windows(track)
        if len(starts) == 0:
            continue
        column = int(rng.integers(len(starts)))
        names = [name for name, on in zip(track.stem_names, active[:, column], strict=True) if on]
        same = [name for name in names if name in spec.positive]
        chosen = tuple(same or names[: len(spec.positive)])
        start_s = round(float(starts[column]) * BLOCK_S, 1)
        return Foil(
            track.read(chosen, start_s, sampler.window_s), f"{' + '.join(chosen)} of {track.id}, from {start_s:g} s"
        )
    raise ValueError(f"{len(sampler.tracks)} track(s): there is no other one to take a foil from")
