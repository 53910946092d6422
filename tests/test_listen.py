"""Players hold the sound that they are labelled with, at matched levels, in a form that needs no trust."""

import base64
import io
import re

import numpy as np
import soundfile

from cocola_lib.data.audio import rms_dbfs
from cocola_lib.notebook.players import Players, hear_pair, match_levels

TONE = (0.5 * np.sin(np.arange(16_000) * 0.1)).astype(np.float32)


def decoded(html):
    for data in re.findall(r'src="data:audio/flac;base64,([^"]+)"', html):
        yield soundfile.read(io.BytesIO(base64.b64decode(data)))


def test_a_player_holds_its_own_clip_level_matched():
    players = Players({"tone": TONE, "quiet tone": 0.01 * TONE})
    (loud, rate), (quiet, _) = decoded(players._repr_html_())
    assert rate == 16_000
    np.testing.assert_allclose(loud, quiet, atol=2 / 32768)
    np.testing.assert_allclose(np.corrcoef(loud, TONE)[0, 1], 1.0, atol=1e-6)


def test_the_sound_is_in_src_and_not_in_a_source_child_that_untrusted_notebooks_lose():
    html = Players({"a": TONE})._repr_html_()
    assert "<source" not in html
    assert html.count("<audio controls") == 1


def test_labels_are_escaped():
    html = Players({"<b>bass</b>": TONE}, {"<b>bass</b>": "<i>"})._repr_html_()
    assert "<b>bass" not in html
    assert "<i>" not in html


def test_matching_never_clips_and_leaves_silence_silent():
    peaky = np.zeros(16_000, dtype=np.float32)
    peaky[0] = 1.0  # a low level with a high peak: matching it alone would clip
    a, b, c = match_levels([peaky, TONE, np.zeros(16_000, dtype=np.float32)])
    assert max(np.abs(a).max(), np.abs(b).max()) <= 0.99 + 1e-6
    assert abs(rms_dbfs(a) - rms_dbfs(b)) < 0.01
    assert not c.any()


def test_a_pair_is_heard_alone_and_together():
    assert list(hear_pair(TONE, TONE, "pair").clips) == ["anchor", "accompaniment", "together"]
