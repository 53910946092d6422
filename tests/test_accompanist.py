"""The accompanist hears what is there, plays to it, and the systems of known rank are what they say."""

import numpy as np
import pytest

from cocola_lib.accompaniment import accompanist, baselines
from cocola_lib.accompaniment.measure import Trial
from cocola_lib.data.audio import rms_dbfs
from cocola_lib.data.miniatures.synth import Note, Part, render
from cocola_lib.scoring import Scorer

RATE = 16_000
G_MAJOR = ((7, "major"), (0, "major"), (2, "major"), (7, "major"))  # G C D G, a bar each


def band(bpm=100, chords=G_MAJOR, seconds=9.6):
    """Chords on every beat, as an electric piano plays them."""
    beat = 60 / bpm
    notes = [
        Note(i * beat, (i + 0.8) * beat, 48 + (root + tone) % 12 + 12 * (tone > 0), 110 if i % 4 == 0 else 90)
        for i in range(int(seconds / beat))
        for root, kind in [chords[i // 4 % len(chords)]]
        for tone in accompanist.TRIADS[kind]
    ]
    return render(Part(tuple(notes), program=4), seconds, RATE)


@pytest.fixture(scope="module")
def conditioning():
    return band()


@pytest.fixture(scope="module")
def heard(conditioning):
    return accompanist.listen(conditioning)


def test_tempo_and_beats_are_those_that_were_played(heard):
    assert heard.tempo_bpm == pytest.approx(100, rel=0.05)
    inside = heard.beats_s[(heard.beats_s > 1) & (heard.beats_s < 8)]
    off = np.abs(inside / 0.6 - np.round(inside / 0.6)) * 0.6
    assert np.median(off) < 0.05


def test_key_and_chords_are_those_that_were_played(heard):
    assert heard.key == (7, "major")
    bars = [heard.chords[np.argmin(np.abs(heard.beats_s - (2.4 * bar + 1.2)))] for bar in range(4)]
    assert bars == list(G_MAJOR)
    assert heard.description == f"{heard.tempo_bpm:.0f} bpm, G major: G C D G"


def test_a_minor_key_is_not_taken_for_its_relative_major():
    a_minor = ((9, "minor"), (2, "minor"), (4, "major"), (9, "minor"))
    assert accompanist.listen(band(100, a_minor)).description.endswith("bpm, A minor: Am Dm E Am")


@pytest.mark.parametrize(("tonic", "kind"), [(0, "major"), (9, "minor"), (6, "major"), (1, "minor")])
def test_a_profile_is_recognised_in_every_key(tonic, kind):
    profile = np.roll(accompanist.MAJOR if kind == "major" else accompanist.MINOR, tonic)
    assert accompanist.estimate_key(profile) == (tonic, kind)


@pytest.mark.parametrize(("asked", "role"), [("bass", "bass"), ("Drums", "drums"), ("guitar", "pad"), ("", "pad")])
def test_an_answer_is_as_long_and_as_loud_as_the_conditioning(conditioning, heard, asked, role):
    assert accompanist.role_of(asked) == role
    x = accompanist.accompany(conditioning, asked, heard=heard)
    assert x.shape == conditioning.shape and x.dtype == np.float32
    assert np.abs(x).max() <= 1
    assert rms_dbfs(x) == pytest.approx(rms_dbfs(conditioning), abs=6)


def test_the_same_question_gets_the_same_answer(conditioning, heard):
    first, again, other = (accompanist.accompany(conditioning, "bass", seed=s, heard=heard) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_fits_its_own_conditioning_better_than_another():
    bands = [band(100), band(134, ((1, "minor"), (6, "major"), (9, "major"), (4, "major")))]
    answers = [accompanist.accompany(clip, "guitar") for clip in bands]
    for mode in ("harmonic", "percussive"):
        matrix = Scorer("control").matrix(bands, answers, mode)
        assert np.diag(matrix).sum() > matrix[0, 1] + matrix[1, 0]


def test_bass_plays_roots_and_fifths_and_drums_no_pitch(heard):
    bass = accompanist.compose(heard, "bass")
    tones = {(n.pitch - root) % 12 for n in bass.notes for root, _ in [_chord_at(heard, n.start_s)]}
    assert tones <= {0, 7}
    drums = accompanist.compose(heard, "drums")
    assert drums.drums and {n.pitch for n in drums.notes} == {accompanist.KICK, accompanist.SNARE, accompanist.HAT}
    with pytest.raises(ValueError, match="role is 'flute'; the accompanist plays bass, pad, drums"):
        accompanist.compose(heard, "flute")


def _chord_at(heard, time):
    return heard.chords[int(np.argmin(np.abs(heard.beats_s - time)))]


def test_silence_is_answered_and_too_short_a_clip_is_refused():
    heard = accompanist.listen(np.zeros(5 * RATE, np.float32))
    assert heard.tempo_bpm == 120 and len(heard.beats_s) >= 8
    assert len(accompanist.accompany(np.zeros(5 * RATE, np.float32), "bass")) == 5 * RATE
    with pytest.raises(ValueError, match=r"0\.50 s; the accompanist needs a second"):
        accompanist.listen(np.zeros(RATE // 2, np.float32))


def test_a_stranger_is_of_another_track_and_of_the_same_data_set_where_possible():
    tracks = ["x/1", "x/1", "x/2", "y/1", "y/1"]
    chosen = baselines.strangers(tracks, [t[0] for t in tracks])
    assert chosen[:3] == [2, 2, 0]
    assert all(tracks[j] != tracks[i] for i, j in enumerate(chosen)), "y has one track: its stranger comes from x"
    assert baselines.strangers(["x/1", "x/1"]) == [1, 0]
    assert baselines.strangers(["x/1"]) == [0]


def test_shifted_is_three_semitones_up_and_stretched_is_slower_at_the_same_pitch():
    t = np.arange(5 * RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 400 * t)).astype(np.float32)

    def peak(x):
        return np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x))))) * RATE / len(x)

    assert peak(baselines.shifted(tone)) == pytest.approx(400 * 2 ** (3 / 12), rel=0.01)
    slower = baselines.stretched(tone)
    assert slower.shape == tone.shape and peak(slower) == pytest.approx(400, rel=0.01)
    click = np.zeros(5 * RATE, np.float32)
    click[3 * RATE : 3 * RATE + 400] = tone[:400]
    moved = np.argmax(np.convolve(baselines.stretched(click) ** 2, np.ones(400), "same")) / RATE
    assert moved == pytest.approx(3 / baselines.STRETCH, abs=0.1)
    with pytest.raises(ValueError, match=r"speed is 1\.1"):
        baselines.stretched(tone, 1.1)


def test_rows_of_the_folders_are_kept_and_the_truth_comes_last(conditioning):
    silence, true = np.zeros_like(conditioning), 0.5 * conditioning
    answers = {"Ground Truth": [true], "Mine": [silence], "Random": [silence]}
    asked = Trial(["0"], ["song"], ["bass"], [conditioning], [true], answers, 5.0)
    trial = baselines.with_baselines(asked, ("Random", "Shifted", "Ground Truth"))
    assert list(trial.answers) == ["Shifted", "Mine", "Random", "Ground Truth"]
    assert trial.answers["Random"][0] is silence
    assert trial.notes == ("Random, Ground Truth: the folders bring these rows, so none is made here.",)


def test_without_a_reference_only_those_who_need_the_conditioning_alone_can_play(conditioning):
    asked = Trial(["0"], ["song"], ["bass"], [conditioning], [None], {}, 5.0)
    assert list(baselines.with_baselines(asked).answers) == ["Copy", "Accompanist"]


def test_an_unknown_system_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="system is 'GMSDI'; there are Random, Copy, Shifted"):
        baselines.answer("GMSDI", Trial([], [], [], [], [], {}, 5.0))
