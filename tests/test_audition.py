"""What an audition shows, plays and hides, without a browser."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image
from songs import write_bands

from cocola_lib.features import MODES
from cocola_lib.hearing import foils
from cocola_lib.models.calibration import Calibration, fit
from cocola_lib.notebook import players as listen
from cocola_lib.notebook.audition import audition
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.scoring import Scorer


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    return WindowSampler(write_bands(tmp_path_factory.mktemp("bands")))


@pytest.fixture
def hear(sampler):
    return audition([PairSpec(sampler.tracks[0].id, 1.0, ("bass", "drums"), ("keys",))], sampler, Scorer("control"))


def clips_of(document):
    """label -> (N,) of the players in a document."""
    found = re.findall(r'aria-label="([^"]+)" data-rate="16000" src="data:audio/flac;base64,([^"]+)"', document)
    return {label: soundfile.read(io.BytesIO(base64.b64decode(data)))[0] for label, data in found}


def visible(document):
    """What a reader sees before asking."""
    return re.sub(r"<details>.*?</details>", "", document, flags=re.DOTALL)


def test_the_first_pair_is_there_without_a_click_as_it_is_labelled(hear, sampler):
    track = sampler.tracks[0]
    sides = track.read(("bass", "drums"), 1.0, 5.0), track.read(("keys",), 1.0, 5.0)
    heard = clips_of(hear.html)
    assert list(heard) == ["anchor", "accompaniment", "together"]
    for side, name in zip(sides, ("anchor", "accompaniment"), strict=True):
        assert np.corrcoef(heard[name], side)[0, 1] > 0.9999
    assert len({round(10 * np.log10(np.mean(x**2)), 1) for x in heard.values()}) == 1  # level-matched


def test_scores_are_those_of_the_pair_and_hidden_until_asked(hear, sampler):
    track = sampler.tracks[0]
    sides = track.read(("bass", "drums"), 1.0, 5.0), track.read(("keys",), 1.0, 5.0)
    asked = hear.html[hear.html.index("<details>") :]
    for mode, matrix in Scorer("control").matrices([sides[0]], [sides[1]]).items():
        assert f"({mode})" in asked
        assert f"<td>{matrix[0, 0]:.2f}</td>" in asked
        assert f"({mode})" not in visible(hear.html)


def test_a_scorer_without_calibration_says_no_more_than_its_scores(sampler):
    scorer = Scorer("control")
    scorer.calibration = None
    document = audition([PairSpec(sampler.tracks[0].id, 1.0, ("bass",), ("keys",))], sampler, scorer).html
    assert "not calibrated" in document
    assert "odds" not in document


def test_a_calibrated_scorer_says_what_its_scores_mean(sampler):
    rng = np.random.default_rng(0)
    modes = {mode: fit(rng.normal(2, 1, 500), rng.normal(0, 1, 500)) for mode in MODES}
    spec = PairSpec(sampler.tracks[0].id, 1.0, ("bass",), ("keys",))
    scorer = Scorer("control")
    scorer.calibration = Calibration("songs", modes)
    document = audition([spec], sampler, scorer).html
    known = modes["harmonic"]
    score = scorer.matrix(*[[side] for side in sampler.audio(spec)], "harmonic")[0, 0]
    assert f"{known.percentile(score):.0f} %" in document
    assert "true and random pairs (songs)" in document
    assert "random pairs (songs)" not in visible(document)


def test_choosing_a_kind_changes_the_accompaniment_and_nothing_else(hear, sampler):
    before = clips_of(hear.html)
    assert hear.amount_menu.layout.display == "none"  # this kind has no amounts,
    assert hear.kind_menu.layout.display != "none"  # and can be changed
    hear.kind_menu.value = "delayed"
    hear.amount_menu.value = 125
    after = clips_of(hear.html)
    np.testing.assert_array_equal(after["anchor"], before["anchor"])
    assert not np.array_equal(after["accompaniment"], before["accompaniment"])
    assert "125 ms late" in visible(hear.html)


def test_moving_a_stem_to_the_other_side_changes_both(hear, sampler):
    drums = hear.roles["drums"]
    drums.value = "accompaniment"
    assert hear.spec == PairSpec(sampler.tracks[0].id, 1.0, ("bass",), ("drums", "keys"))
    expected = listen.with_mix(*(sampler.audio(hear.spec)))
    np.testing.assert_allclose(hear.clips["together"], expected["together"], atol=1e-6)


def test_a_side_without_stems_is_told_and_can_be_mended(hear):
    keys = hear.roles["keys"]
    keys.value = "out"
    assert "No stem in the accompaniment" in hear.html
    keys.value = "accompaniment"
    assert list(clips_of(hear.html)) == ["anchor", "accompaniment", "together"]


def test_a_kind_that_a_pair_cannot_have_is_told(hear):
    for name, row in hear.roles.items():
        row.value = "accompaniment" if name == "drums" else "anchor"
    hear.kind_menu.value = "shifted"
    assert "has no pitch to shift" in hear.html


def test_another_track_and_window_keep_the_menus_in_step(hear, sampler):
    hear.track.value = sampler.tracks[2].id
    assert hear.spec.track_id == sampler.tracks[2].id
    hear.window.value = hear.window.options[-1]
    assert hear.spec.start_s == hear.window.options[-1] <= 7.0
    np.testing.assert_allclose(hear.clips["anchor"], listen.with_mix(*sampler.audio(hear.spec))["anchor"], atol=1e-6)


def test_a_track_too_short_for_a_window_is_told_and_never_a_surprise(tmp_path):
    from cocola_lib.data import audio
    from cocola_lib.data.tracks import load_tracks

    write_bands(tmp_path, n=1)
    for stem in ("bass", "keys"):
        audio.write(tmp_path / "song short" / f"{stem}.wav", np.full(16_000, 0.1, dtype=np.float32))
    sampler = WindowSampler(load_tracks(tmp_path))
    short, long = sorted((track.id for track in sampler.tracks), key=lambda name: not name.endswith("song short"))
    hear = audition([PairSpec(long, 1.0, ("bass",), ("keys",))], sampler)
    hear.track.value = short
    assert "no window in which two stems sound" in hear.html
    for _ in range(4):
        hear.surprise()
        assert hear.spec.track_id == long
    assert "is told below" in hear.html


def test_a_surprise_is_not_told_before_it_is_asked_for_and_the_seed_decides_it(sampler):
    spec = PairSpec(sampler.tracks[0].id, 1.0, ("bass",), ("keys",))
    one, two = (audition([spec], sampler, seed=3) for _ in range(2))
    kinds = []
    for _ in range(12):
        one.surprise()
        two.surprise()
        assert (one.spec, one.kind, one.amount) == (two.spec, two.kind, two.amount)
        assert "is told below" in visible(one.html)
        assert one.amount is None or foils.amount_label(one.kind, one.amount) not in visible(one.html)
        assert one.kind not in repr(one)
        assert "What you hear as accompaniment:" in one.html
        kinds.append(one.kind)
    assert 2 <= kinds.count("coherent") <= 10  # a listener who always says no gains nothing
    assert len(set(kinds)) > 2


def test_pictures_show_both_sides_three_ways_with_a_text_each(hear):
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', hear.html)
    texts = [text for text, _ in pictures]
    views, sides = ("waveform", "harmonic", "percussive"), ("anchor", "accompaniment")
    assert texts == [f"{view} of the {side}" for view in views for side in sides]
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for _, data in pictures]
    assert sizes[2:] == [(501, 64)] * 4  # (T, M)


def test_nothing_to_hear_is_refused(sampler):
    with pytest.raises(ValueError, match="specs is empty"):
        audition([], sampler)
