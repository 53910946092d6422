"""Demos, against a local server: both layouts, cut parts, checksums, files that changed upstream, broken downloads."""

import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from tiny import clip
from typer.testing import CliRunner

from cocola_lib.__main__ import app
from cocola_lib.data import audio, demos
from cocola_lib.data.tracks import load_tracks

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def local(server, monkeypatch):
    monkeypatch.setattr(demos, "HOST", server.url)


def flac(x, rate=16_000):
    buffer = io.BytesIO()
    soundfile.write(buffer, x, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def publish(server, path, x, rate=16_000):
    """Put a sound into the repository of all demos here."""
    server.files[f"/band/songs/{COMMIT}/{path}"] = flac(x, rate)


def demo(role="bass", path="my stems/BASS & co.flac", **changes):
    row = demos.Demo(
        "multitrack", "band", "song", role, "band/songs", COMMIT, path, None, "", 0.0, 3.0, "", "CC0-1.0", True
    )
    return replace(row, **changes)


def fetch(rows, to, **options):
    return demos.fetch(rows, to, progress=False, **options)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix == ".flac")


def test_the_part_asked_for_is_cut_out_of_the_original_at_16_khz(server, tmp_path):
    x = clip(8.0, rate=44_100, channels=2)
    publish(server, "my stems/BASS & co.flac", x, 44_100)
    found = fetch([demo(start_s=2.0)], tmp_path)
    assert (found.written, found.kept, found.remarks) == (1, 0, [])
    got = audio.read(tmp_path / "multitrack/band/song/bass.flac")
    expected = audio.resample(x.mean(axis=1), 44_100, 16_000)[32_000:80_000]
    np.testing.assert_allclose(got[100:-100], expected[100:-100], atol=2e-3)
    assert not (tmp_path / demos.ORIGINALS).exists() or not list((tmp_path / demos.ORIGINALS).iterdir())


def test_one_channel_and_a_mix_without_its_output_are_told_apart_from_the_whole(server, tmp_path):
    voice, band = clip(3.0, 1), clip(3.0, 2)
    publish(server, "karaoke.flac", np.stack([band, voice], axis=1))
    publish(server, "mix.flac", 0.5 * (voice + band))
    publish(server, "stem.flac", 0.5 * voice)
    rows = [demo("vocals", "karaoke.flac", channel=1), demo("band", "karaoke.flac", channel=0)]
    example = {"kind": "generated", "source": "system", "item": "1"}
    fetch([*rows, demo("context", "mix.flac", minus="stem.flac", **example)], tmp_path)
    read = {file: audio.read(tmp_path / file) for file in files(tmp_path)}
    np.testing.assert_allclose(read["multitrack/band/song/vocals.flac"], voice, atol=1e-4)
    np.testing.assert_allclose(read["multitrack/band/song/band.flac"], band, atol=1e-4)
    np.testing.assert_allclose(read["generated/system/1/context.flac"], 0.5 * band, atol=2e-4)


def test_a_channel_that_is_not_there_is_named(server, tmp_path):
    publish(server, "mono.flac", clip(3.0))
    (remark,) = fetch([demo(path="mono.flac", channel=1)], tmp_path).remarks
    assert "1 channels; channel 1 is asked for" in remark and files(tmp_path) == []


def test_both_layouts_open(server, tmp_path):
    roles = ("bass", "drums")
    for i, role in enumerate(roles):
        publish(server, f"{role}.flac", clip(3.0, i))
    fetch([demo(role, f"{role}.flac") for role in roles], tmp_path)
    (track,) = load_tracks(tmp_path / "multitrack")
    assert (track.dataset, track.stem_names) == ("band", roles)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    publish(server, "my stems/BASS & co.flac", clip(3.0))
    fetch([demo()], tmp_path)
    assert fetch([demo()], tmp_path) == demos.Outcome(0, 1, []) and len(server.asked) == 1


def test_a_file_that_several_examples_share_is_fetched_once(server, tmp_path):
    publish(server, "context.flac", clip(3.0))
    fetch([demo("context", "context.flac", source=system, kind="generated") for system in "abc"], tmp_path)
    assert len(server.asked) == 1 and len(files(tmp_path)) == 3


@pytest.mark.parametrize("known", ["in the table", "from the first download"])
def test_a_file_that_changed_upstream_is_named_and_the_old_one_kept(server, tmp_path, known):
    publish(server, "my stems/BASS & co.flac", clip(3.0, 1))
    original = server.files[f"/band/songs/{COMMIT}/my stems/BASS & co.flac"]
    row = demo(sha256=hashlib.sha256(original).hexdigest() if known == "in the table" else "")
    fetch([row], tmp_path)
    old = (tmp_path / row.file).read_bytes()
    assert fetch([row], tmp_path, recheck=True) == demos.Outcome(0, 1, [])
    publish(server, "my stems/BASS & co.flac", clip(3.0, 2))
    found = fetch([row], tmp_path, recheck=True)
    assert (
        len(found.remarks) == 1 and "changed upstream" in found.remarks[0] and "the old one is kept" in found.remarks[0]
    )
    assert (tmp_path / row.file).read_bytes() == old
    (tmp_path / row.file).unlink()
    (remark,) = fetch([row], tmp_path).remarks  # nothing old to keep, and nothing unknown is written
    assert "not written" in remark and files(tmp_path) == []


def test_a_wrong_checksum_in_the_table_writes_nothing(server, tmp_path):
    publish(server, "my stems/BASS & co.flac", clip(3.0))
    (remark,) = fetch([demo(sha256="0" * 64)], tmp_path).remarks
    assert "changed upstream" in remark and files(tmp_path) == []
    assert not list((tmp_path / demos.ORIGINALS).iterdir())


def test_the_first_download_is_trusted_and_written_down(server, tmp_path):
    publish(server, "my stems/BASS & co.flac", clip(3.0))
    fetch([demo()], tmp_path)
    known = json.loads((tmp_path / demos.STATE).read_text())
    (body,) = server.files.values()
    assert known == {demo().address(demo().path): hashlib.sha256(body).hexdigest()}


def test_a_missing_or_unreadable_file_is_named_and_the_others_come(server, tmp_path):
    publish(server, "good.flac", clip(3.0))
    server.files[f"/band/songs/{COMMIT}/page.flac"] = b"<html>not a sound</html>"
    rows = [demo("a", "gone.flac"), demo("b", "page.flac"), demo("c", "good.flac")]
    found = fetch(rows, tmp_path)
    assert found.written == 1 and files(tmp_path) == ["multitrack/band/song/c.flac"]
    assert "404" in found.remarks[0] and "no audio that can be read" in found.remarks[1]


def test_silence_is_named(server, tmp_path):
    publish(server, "my stems/BASS & co.flac", np.zeros(48_000))
    found = fetch([demo()], tmp_path)
    assert found.written == 1 and found.remarks == ["multitrack/band/song/bass.flac: decodes to silence"]


def test_a_broken_connection_leaves_nothing_half_and_the_next_run_goes_on(server, tmp_path):
    publish(server, "my stems/BASS & co.flac", clip(60.0))
    server.breaks, server.break_after = 1, 100_000
    assert fetch([demo()], tmp_path).written == 1 and server.asked[0] == 0 and server.asked[1] > 50_000
    other = tmp_path / "other"
    server.breaks, server.break_after, server.asked = 99, 0, []
    with pytest.raises(OSError, match="no connection .*run it again to go on"):
        fetch([demo()], other)
    assert files(other) == []
    server.breaks = 0
    assert fetch([demo()], other).written == 1


def run(*words):
    return CliRunner().invoke(app, ["data", "download", "demos", *map(str, words)])


@pytest.fixture
def small_table(server, monkeypatch):
    publish(server, "open.flac", clip(3.0, 1))
    publish(server, "closed.flac", clip(3.0, 2))
    rows = [demo("a", "open.flac"), demo("b", "closed.flac", open=False, licence="not stated")]
    monkeypatch.setattr(demos, "table", lambda: rows)


def test_only_what_a_licence_allows_is_fetched_and_the_rest_on_request_with_a_caution(small_table, tmp_path):
    done = run("--out", tmp_path, "--yes")
    assert done.exit_code == 0 and files(tmp_path) == ["demos/multitrack/band/song/a.flac"]
    assert "--all fetches 1 more, whose licence does not say that you may" in done.output
    done = run("--out", tmp_path, "--yes", "--all")
    assert done.exit_code == 0 and len(files(tmp_path)) == 2
    assert "For 1 of them no licence allows more than to listen and to measure here" in done.output
    assert re.search(r"1 files written, 1 kept", done.output)


def test_nothing_is_fetched_without_consent(small_table, server, tmp_path):
    done = run("--to", tmp_path)
    assert "nothing was downloaded" in str(done.exception) and server.asked == []


def test_options_of_the_demos_are_refused_elsewhere(tmp_path):
    done = CliRunner().invoke(app, ["data", "download", "babyslakh", "--to", str(tmp_path), "--all"])
    assert "--all and --recheck are for demos" in str(done.exception)


def test_the_table_says_where_everything_comes_from_and_opens_only_stated_licences():
    rows = demos.table()
    assert len({row.file for row in rows}) == len(rows) > 400
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{40}", row.commit) and re.fullmatch(r"[\w.-]+/[\w.-]+", row.repository)
        assert row.kind in ("multitrack", "generated") and row.path and row.seconds > 0 and row.start_s >= 0
        assert row.kind == "multitrack" or row.role in ("context", "output", "reference")
        assert row.sha256 == "" or re.fullmatch(r"[0-9a-f]{64}", row.sha256)
        assert row.open == row.licence.startswith(("CC0", "MIT"))
    assert demos.table()[0].address("a b.m4a").endswith("/a%20b.m4a")
