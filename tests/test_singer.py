"""The miniatures' singer: what is sung is what is written, on the beat, the same every time, and silent in rests."""

import numpy as np
import pytest

from cocola_lib.data.miniatures import moises, musdb, phonetics, singer, studio
from cocola_lib.data.miniatures.synth import Note, Part

RATE = 44_100
# two phrases: from 0.5 s to 3.5 s, and from 5 s to 7 s
NOTES = tuple(Note(0.5 + i, 1.45 + i, pitch, 92) for i, pitch in enumerate((0, 4, 2))) + (
    Note(5.0, 5.95, 7, 92), Note(6.0, 7.0, 0, 92),
)  # fmt: skip


def part_at(centre):
    return Part(tuple(note._replace(pitch=centre + note.pitch) for note in NOTES))


def syllables_of(centre, seed):
    rng = np.random.default_rng(seed)
    rng.random(10)  # the singer's habits
    return singer.syllables(part_at(centre), rng)


def sung(centre, seed):
    return singer.sing(part_at(centre), (0.0, 8.0), RATE, phonetics.voice_of(centre), np.random.default_rng(seed))


def pitch_of(x, low_hz, high_hz):
    """The lag (in Hz) at which a piece of sound is most like itself."""
    x = x - x.mean()
    likeness = np.fft.irfft(np.abs(np.fft.rfft(x, 4 * len(x))) ** 2)[: len(x)] / np.arange(2 * len(x), len(x), -1)
    lags = np.arange(int(RATE / high_hz), int(RATE / low_hz))
    i = lags[np.argmax(likeness[lags])]
    before, here, after = likeness[i - 1 : i + 2]
    return RATE / (i + 0.5 * (before - after) / (before - 2 * here + after))


@pytest.mark.parametrize("centre", [45, 57, 64, 71])
def test_voice_sings_other_notes(centre):
    for seed in range(2):
        x, off = sung(centre, seed), []
        for s in syllables_of(centre, seed):
            wanted_hz = 440 * 2 ** ((s.pitch - 69) / 12)
            for at in np.arange(s.start_s + 0.25, s.end_s - 0.2, 0.05):
                piece = x[int(at * RATE) : int((at + 0.05) * RATE)]
                off.append(1200 * np.log2(pitch_of(piece, wanted_hz / 1.5, wanted_hz * 1.5) / wanted_hz))
        assert np.median(np.abs(off)) < 40 and abs(np.median(off)) < 20


def test_consonant_is_on_the_beat_and_the_vowel_late():
    """The glottis reaches half its force at the note, but for what a phrase is late or early as a whole."""
    for seed in range(20):
        syllables = syllables_of(57, seed)
        late = [s.start_s - note.start_s for s, note in zip(syllables, NOTES, strict=True)]
        np.testing.assert_allclose(late, [late[0]] * 3 + [late[3]] * 2)
        assert all(singer.LATE_S[0] <= x <= singer.LATE_S[1] for x in late)
        voiced = singer.gestures(syllables, phonetics.VOICES["tenor"])["voiced"]
        for s in (s for s in syllables if s.consonant and s.consonant.voiced < 0.2):
            before, after = (np.interp(s.start_s + d, *singer.points_of(voiced)) for d in (-0.013, 0.013))
            assert before < 0.2 and after > 0.8


def test_voice_sounds_where_no_note_is():
    x, syllables = sung(64, 1), syllables_of(64, 1)
    loud = np.abs(x[: len(x) // 441 * 441]).reshape(-1, 441).max(axis=1)  # every 10 ms
    t = 0.01 * np.arange(len(loud))
    starts = [s.start_s - s.consonant.length_s for s in syllables if s.first]
    for start, silent_from in zip(starts, (0.0, 3.6), strict=True):  # a voice may breathe before it begins
        assert loud[(t > silent_from) & (t < start - 0.5)].max(initial=0) == 0
        assert loud[(t > silent_from) & (t < start - 0.05)].max() < 0.1 * loud.max()
    assert loud[t > 7.15].max() == 0
    assert not singer.sing(Part(()), (0.0, 1.0), RATE, phonetics.VOICES["alto"], np.random.default_rng(0)).any()


def test_vibrato_is_early_or_of_another_speed():
    part = Part((Note(0.5, 4.5, 60, 92),))
    x = singer.sing(part, (0.0, 5.0), RATE, phonetics.VOICES["tenor"], np.random.default_rng(2))
    hz = np.array([pitch_of(x[i : i + 1200], 200, 350) for i in range(int(0.55 * RATE), int(4.3 * RATE), 441)])
    cents = 1200 * np.log2(hz / np.median(hz))
    early, late = cents[20:25], cents[60:]
    assert np.std(early) < 8 < np.std(late)
    spectrum = np.abs(np.fft.rfft((late - late.mean()) * np.hanning(len(late)), 2048))
    assert 4.9 < np.fft.rfftfreq(2048, 0.01)[np.argmax(spectrum)] < 6.6


def test_same_seed_sings_otherwise_or_another_seed_the_same():
    again, other = sung(57, 4), sung(57, 5)
    np.testing.assert_array_equal(sung(57, 4), again)
    assert abs(np.corrcoef(again, other)[0, 1]) < 0.5


def test_who_comes_in_late_sings_other_syllables():
    whole, rest = (singer.syllables(Part(notes), np.random.default_rng(0)) for notes in (NOTES, NOTES[1:]))
    assert [(s.vowel, s.start_s, s.end_s) for s in whole[2:]] == [(s.vowel, s.start_s, s.end_s) for s in rest[1:]]


def test_every_voice_of_a_band_is_sung_and_of_the_sex_that_its_file_says():
    kinds = set()
    for job in moises.plan("small", 0):
        song = moises.song(job)
        for stem, _, kind, _ in moises.sessions(song, job):
            assert (stem.role == "vocals") == (moises.stem_name(stem) == "vocals")
            if kind.startswith("lead "):
                assert kind == f"lead {'female' if phonetics.voice_of(stem.centre).female else 'male'} singer"
            kinds |= {kind} if stem.role == "vocals" else set()
    assert kinds == {"lead female singer", "lead male singer", "background vocals"}
    for job in musdb.plan("small", 0):
        assert [s.role for s in musdb.song(job).stems].count("vocals") == 1


def test_excerpt_of_a_voice_is_another_song():
    song = musdb.song(musdb.plan("tiny", 0)[0])
    stem = next(s for s in song.stems if s.role == "vocals")
    whole, part = (studio.sound(song, stem, span, RATE) for span in ((0.0, 8.0), (3.0, 8.0)))
    levels = [np.sqrt((y[: len(y) // 882 * 882] ** 2).reshape(-1, 882).mean(axis=1)) for y in (whole[3 * RATE :], part)]
    assert np.corrcoef(*levels)[0, 1] > 0.98
