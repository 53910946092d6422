"""Edge cases: mash-ups of two songs, and experimental textures, in pairs of which one should score higher.

Of every two accompaniments the better one keeps what the other loses, harmony or rhythm, and both are the same kind of
sound. So the order is known, and so is the channel that should hear it. Used by notebook 08; conflicts in ordinary
music are `responses`'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cocola_lib.data.audio import WINDOW_S
from cocola_lib.data.miniatures import excerpts
from cocola_lib.data.stems import Track
from cocola_lib.evaluation import grouped_means
from cocola_lib.hearing import probes, textures
from cocola_lib.hearing.probes import Probe, excerpt, has_score
from cocola_lib.hearing.repeats import bar_times
from cocola_lib.sampling import WindowSampler

HALF_BEAT, TRITONE = 0.5, 6
TEMPO = (0.75, 1.34)  # by how much another song may be played slower or faster
AS_WRITTEN, MASHUP = "as written", "mash-up"


@dataclass(frozen=True)
class Claim:
    """Of two accompaniments the better should score higher.

    Attributes:
        better, worse: names of accompaniments.
        channel: "harmonic" or "percussive": what the worse one lacks; "both" where it lacks both.
    """

    better: str
    worse: str
    channel: str


CLAIMS = (
    Claim(AS_WRITTEN, MASHUP, "both"),
    Claim(MASHUP, "mash-up, a tritone off", "harmonic"),
    Claim(MASHUP, "mash-up, half a beat late", "percussive"),
    Claim("noise in rhythm", "noise out of rhythm", "percussive"),
    Claim("drone in key", "drone in a wrong key", "harmonic"),
    Claim("tonal line", "atonal line", "harmonic"),
    Claim("tonal line", "tonal line out of rhythm", "percussive"),
    Claim(AS_WRITTEN, "grains shuffled", "percussive"),
    Claim(AS_WRITTEN, "reversed", "percussive"),
)
NAMES = tuple(dict.fromkeys(name for claim in CLAIMS for name in (claim.better, claim.worse)))


def texture_clips(probe: Probe, beat_s: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The accompaniment of a probe as experimental textures: name -> (N,).

    Args:
        probe: of `probes.make_probes`, with the change "conflict".
        beat_s: length of a beat.
        rng: of noise, phases, grains and lines.
    """
    x, late = probe.truth, HALF_BEAT * beat_s
    noise, tonal = textures.noise_in_rhythm(x, rng), textures.line(x, rng, tonal=True)
    return {
        AS_WRITTEN: x,
        "noise in rhythm": noise,
        "noise out of rhythm": textures.rolled(noise, late),
        "drone in key": textures.drone(x, rng),
        "drone in a wrong key": textures.drone(probe.changed["conflict", "wrong key"], rng),
        "tonal line": tonal,
        "atonal line": textures.line(x, rng, tonal=False),
        "tonal line out of rhythm": textures.rolled(tonal, late),
        "grains shuffled": textures.granular(x, rng),
        "reversed": x[::-1].copy(),
    }


def mash_up(track: Track, spec, others: Sequence[Track], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Another song's accompaniment in the key and tempo of a pair, bar on bar: name -> (N,); {} where none fits.

    Played from the score, so that neither transposing nor another tempo leaves a trace. The other song has the same
    metre, and a tempo that may become the pair's; its scale is the same where there is such a song.
    """
    song = excerpts.piece(track.stems[0].files[0]) if has_score(track) else None
    pairs = [(o, excerpts.piece(o.stems[0].files[0])) for o in others if song and o.id != track.id and has_score(o)]
    fit = [
        (o, s) for o, s in pairs if s and s.metre == song.metre and TEMPO[0] < song.tempo_bpm / s.tempo_bpm < TEMPO[1]
    ]
    fit = [(o, s) for o, s in fit if s.scale == song.scale] or fit
    for i in rng.permutation(len(fit)):
        other, theirs = fit[i]
        factor, up = song.tempo_bpm / theirs.tempo_bpm, (song.tonic - theirs.tonic + 6) % 12 - 6
        found = _aligned(song, spec.start_s, other, theirs, factor)
        if found:
            names, start_s = found
            how = {"transpose_semitones": up, "tempo_factor": factor}
            late_s = HALF_BEAT * 60 / theirs.tempo_bpm
            return {
                MASHUP: excerpt(other, names, start_s, **how),
                "mash-up, a tritone off": excerpt(other, names, start_s, **how | {"transpose_semitones": up + TRITONE}),
                "mash-up, half a beat late": excerpt(other, names, start_s - late_s, **how),
            }
    return {}


def _aligned(song, start_s: float, other: Track, theirs, factor: float) -> tuple[tuple[str, ...], float] | None:
    """Pitched stems of another song, and where they start so that bars fall together (s of the unchanged file)."""
    since = start_s - bar_times(song)  # since each bar began
    into_s = float(since[since >= -1e-6].min()) * factor  # in the other song's time
    sampler = WindowSampler([other])
    starts, active = sampler.windows(other)
    sounding = dict(zip(starts.tolist(), active.T, strict=True))
    for begin in bar_times(theirs)[1:-1]:
        at = float(begin) + into_s
        if at + WINDOW_S * factor + 0.5 < other.duration_s and round(at * 10) in sounding:
            pitched = [
                n
                for n, on in zip(other.stem_names, sounding[round(at * 10)], strict=True)
                if on and probes.is_pitched(n)
            ]
            if pitched:
                return tuple(pitched[:2]), at
    return None


def respond(metric, sets: Sequence[tuple[Probe, dict[str, np.ndarray]]], name: str) -> pd.DataFrame:
    """Score all accompaniments of all probes, and of strangers.

    Args:
        metric: a `Scorer`. sets: (probe, name -> clip), not every name everywhere. name: of the metric.

    Returns:
        rater, mode, item, track, accompaniment, score, place (0: as written, 100: the mean of strangers).
    """
    keys = [(i, what) for i, (_, clips) in enumerate(sets) for what in clips]
    clips = [sets[i][1][what] for i, what in keys]
    items, songs, frames = np.array([i for i, _ in keys]), [probe.spec.track_id for probe, _ in sets], []
    for mode, matrix in metric.matrices([probe.anchor for probe, _ in sets], clips).items():
        matrix = np.asarray(matrix, dtype=float)
        true = np.array([what == AS_WRITTEN for _, what in keys])
        own = matrix[items, np.arange(len(keys))]
        for i, song in enumerate(songs):
            strange = [j for j in np.flatnonzero(true) if songs[items[j]] != song]
            mine = np.flatnonzero(items == i)
            random, best = np.nanmean(matrix[i, strange]) if strange else np.nan, own[mine[true[mine]]].item()
            rows = pd.DataFrame({"accompaniment": [keys[j][1] for j in mine], "score": own[mine]})
            place = 100 * (best - rows["score"]) / (best - random)
            frames.append(rows.assign(mode=mode, item=i, track=song, true=best, random=random, place=place))
    return pd.concat(frames, ignore_index=True).assign(rater=name)


def judge(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """In how many pairs is the better accompaniment above the worse one, in every mode?

    Args:
        table: from `respond`, of any metrics.

    Returns:
        rater, mode, better, worse, channel, mean (share, 0.5 is chance), low, high (95 % over songs), n.
    """
    wide = table.pivot(index=["rater", "mode", "item", "track"], columns="accompaniment", values="score").reset_index()
    rows = []
    for claim in CLAIMS:
        if {claim.better, claim.worse} <= set(wide.columns):
            known = wide.dropna(subset=[claim.better, claim.worse])
            won = (known[claim.better] > known[claim.worse]).astype(float)
            about = {"better": claim.better, "worse": claim.worse, "channel": claim.channel}
            rows.append(known[["rater", "mode", "track"]].assign(won=won, **about))
    return grouped_means(pd.concat(rows), ["rater", "mode", "better", "worse", "channel"], "won", seed)


def conflicts(sets: Sequence[tuple[Probe, dict[str, np.ndarray]]]) -> list[Probe]:
    """The probes of some sets with their conflicts alone, for `responses.respond`."""
    keys = [("conflict", dose) for dose in probes.CONFLICTS]
    return [replace(probe, changed={key: probe.changed[key] for key in keys}) for probe, _ in sets]


def make_sets(tracks: Sequence[Track], n: int, seed: int = 0) -> list[tuple[Probe, dict[str, np.ndarray]]]:
    """Probes and all that is played to them: [(probe, name -> clip)].

    Args:
        tracks: held-out ones. n: probes.
    """
    specs = probes.draw_pairs(tracks, n, seed, pitched=True)
    rng, by_id = np.random.default_rng([seed, 8]), {track.id: track for track in tracks}
    sets = []
    for probe in probes.make_probes(tracks, specs, ("pitch", "conflict")):
        track = by_id[probe.spec.track_id]
        clips = texture_clips(probe, 60 / probes.tempo_bpm(track), rng)
        sets.append((probe, clips | mash_up(track, probe.spec, tracks, rng)))
    return sets
