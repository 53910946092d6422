"""A comparison shows each system's score beside its own sound."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from tiny import clip

from cocola_lib.notebook.compare import CONDITIONING, compare

SCORES = {("a", "H"): 1.0, ("a", "P"): 5.0, ("b", "H"): 3.0, ("b", "P"): np.nan, ("<c>", "H"): 2.0, ("<c>", "P"): 4.0}


@pytest.fixture
def table():
    rows = [{"item": 7, "system": s, "mode": m, "score": v, "track": "song"} for (s, m), v in SCORES.items()]
    return pd.DataFrame([*rows, {"item": 8, "system": "a", "mode": "H", "score": 0.5, "track": "other song"}])


def sound(item, system):
    """A chord of its own for every system and item, louder or softer."""
    rng = np.random.default_rng(item + sum(map(ord, system)))
    tones = [np.sin(2 * np.pi * hz * np.arange(80_000) / 16_000) for hz in rng.uniform(200, 2000, 3)]
    return (rng.uniform(0.02, 0.2) * np.sum(tones, axis=0)).astype(np.float32)


def heard(document):
    found = re.findall(r'aria-label="([^"]+)" data-rate="16000" src="data:audio/mpeg;base64,([^"]+)"', document)
    return {label: soundfile.read(io.BytesIO(base64.b64decode(data)))[0] for label, data in found}


def test_the_best_system_is_on_top_and_missing_scores_are_dashes(table):
    page = compare(table, sound)
    assert list(page.scores().index) == ["b", "<c>", "a"]
    names = re.findall(r'<tr><th scope="row">([^<]+)</th>', page.html)
    assert names == ["b", "&lt;c&gt;", "a"]
    assert '<td data-value="">-</td>' in page.html
    assert page.html.count("data-sort>") == 2  # both modes can be sorted by


def test_every_player_plays_the_system_that_it_names(table):
    clips = heard(compare(table, sound).html)
    assert len(clips) == 7
    music = clips["conditioning"]
    for system in ("a", "b"):
        alone = clips[f"{system}, alone"]
        assert np.corrcoef(alone, sound(7, system))[0, 1] > 0.98
        expected = sound(7, system) / sound(7, system).std() + sound(7, CONDITIONING) / sound(7, CONDITIONING).std()
        assert np.corrcoef(clips[f"{system}, with the conditioning"], expected)[0, 1] > 0.98
        assert 20 * abs(np.log10(alone.std() / music.std())) < 0.5  # dB


def test_choosing_another_conditioning_shows_its_systems_only(table):
    page = compare(table, sound)
    page.menu.value = 8
    assert list(page.scores().index) == ["a"]
    assert "8: other song" in page.html
    assert len(heard(page.html)) == 3


def test_clips_of_unequal_length_are_told(table):
    page = compare(table, lambda item, system: clip(4.0 if system == "b" else 5.0))
    assert "item 7: the clips are not equally long" in page.html
    assert "b 4 s" in page.html


def test_tables_that_cannot_be_compared_are_refused(table):
    with pytest.raises(ValueError, match="no score; it needs item, system, score"):
        compare(table.drop(columns="score"), sound)
    with pytest.raises(ValueError, match="no rows"):
        compare(table[:0], sound)
    with pytest.raises(ValueError, match="item is 9; the table has 7 to 8"):
        compare(table, sound, item=9)
