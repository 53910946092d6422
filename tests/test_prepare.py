"""Prepared copies: the same music as the originals, never half of it, never two kinds in one folder."""

import errno
import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
import soundfile

from cocola_lib.data import audio, prepare
from cocola_lib.data.tracks import load_tracks
from cocola_lib.files import locked
from cocola_lib.sampling import WindowSampler


@pytest.fixture
def tracks(tmp_path, monkeypatch):
    """Three MoisesDB songs at 44.1 kHz: a loud stem of two files, a short one, stereo and mono."""
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for song in "abc":
        content = {"stems": []}
        for name, n_files, seconds, level in (("guitar", 2, 12, 0.4), ("bass", 1, 9, 0.05), ("drums", 1, 12, 0.1)):
            content["stems"].append({"stemName": name, "tracks": [{"id": str(i)} for i in range(n_files)]})
            (tmp_path / f"data/moisesdb_v0.1/{song}/{name}").mkdir(parents=True)
            for i in range(n_files):
                x = rng.normal(0, level, (44_100 * seconds, 1 + i))
                soundfile.write(tmp_path / f"data/moisesdb_v0.1/{song}/{name}/{i}.wav", x, 44_100)
        (tmp_path / f"data/moisesdb_v0.1/{song}/data.json").write_text(json.dumps(content))
    return load_tracks(tmp_path / "data")


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_prepared_stems_are_other_music(tracks, tmp_path, format):
    assert prepare.prepare(tracks, tmp_path / "out", format) == (3, [])
    copies = load_tracks(tmp_path / "out")
    for original, copy in zip(sorted(tracks, key=lambda t: t.id), copies, strict=True):
        assert (copy.id, copy.dataset, copy.split) == (original.id, original.dataset, original.split)
        assert copy.stem_names == original.stem_names and copy.sample_rate == 16_000
        assert copy.duration_s == pytest.approx(original.duration_s, abs=1e-4)
        for stem, source in zip(copy.stems, original.stems, strict=True):
            found = soundfile.info(stem.files[0])
            assert (found.samplerate, found.channels, found.subtype) == (16_000, 1, "PCM_16")
            step = stem.gain / 2**15
            np.testing.assert_allclose(stem.read(), source.read(), atol=1.01 * step)  # the loud one, too
        x, y = (t.read(("bass", "guitar"), 3.3, 5.0) for t in (copy, original))
        np.testing.assert_allclose(x, y, atol=1e-3)
    assert max(stem.gain for stem in copies[0].stems) > 1


def test_prepared_tracks_give_other_windows(tracks, tmp_path):
    prepare.prepare(tracks, tmp_path / "out")
    copies = {t.id: t for t in load_tracks(tmp_path / "out")}
    ours, theirs = WindowSampler(tracks), WindowSampler([copies[t.id] for t in tracks])
    assert [ours.batch(4, 0, step) for step in range(20)] == [theirs.batch(4, 0, step) for step in range(20)]


def test_finished_tracks_are_made_again_or_changed_ones_kept(tracks, tmp_path):
    prepare.prepare(tracks[:2], tmp_path / "out")
    assert prepare.prepare(tracks, tmp_path / "out") == (1, [])
    assert prepare.prepare(tracks, tmp_path / "out") == (0, [])
    file = tracks[0].stems[0].files[0]
    soundfile.write(file, np.full(44_100 * 9, 0.25), 44_100)
    assert prepare.prepare(tracks, tmp_path / "out") == (1, [])
    copy = next(t for t in load_tracks(tmp_path / "out") if t.id == tracks[0].id)
    assert copy.read((tracks[0].stems[0].name,), 4.0, 1.0) == pytest.approx(0.25, abs=1e-3)


def test_interrupted_run_leaves_half_a_track(tracks, tmp_path, monkeypatch):
    write, calls = audio.write, []

    def interrupted(path, x, rate=16_000):
        calls.append(path)
        if len(calls) == 5:
            raise KeyboardInterrupt
        write(path, x, rate)

    monkeypatch.setattr(audio, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(tracks, tmp_path / "out", jobs=1)
    monkeypatch.undo()
    assert not (tmp_path / "out" / prepare.BUILDING).exists()
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    before = len(load_tracks(tmp_path / "out"))
    assert 1 <= before < 3
    assert prepare.prepare(tracks, tmp_path / "out") == (3 - before, [])


def test_settings_are_mixed_or_a_foreign_folder_is_written_to(tracks, tmp_path):
    prepare.prepare(tracks, tmp_path / "out", "wav")
    with pytest.raises(ValueError, match="was prepared with .*wav.*not .*flac"):
        prepare.prepare(tracks, tmp_path / "out", "flac")
    with pytest.raises(ValueError, match="holds something else"):
        prepare.prepare(tracks, tmp_path / "data")
    with pytest.raises(ValueError, match="format is 'mp3'"):
        prepare.prepare(tracks, tmp_path / "new", "mp3")
    assert not (tmp_path / "new").exists()


def test_unreadable_track_stops_or_is_skipped_unnamed(tracks, tmp_path):
    file = tracks[1].stems[0].files[0]
    file.write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(ValueError, match="cut off"):
        prepare.prepare(tracks, tmp_path / "out")
    _, broken = prepare.prepare(tracks, tmp_path / "out", on_error="skip")
    assert len(broken) == 1 and str(file) in broken[0]
    assert {t.id for t in load_tracks(tmp_path / "out")} == {tracks[0].id, tracks[2].id}


def test_full_disk_is_a_traceback_or_leaves_half_a_track(tracks, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1_000))
        with pytest.raises(OSError, match="0.0 GB free; choose another disk"):
            prepare.prepare(tracks, tmp_path / "out")

    def full(path, *_):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audio, "write", full)
    with pytest.raises(OSError, match=r"No space left on device \(.* MB free\); 0 of 3 tracks written, run it again"):
        prepare.prepare(tracks, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [prepare.MANIFEST]


def test_two_processes_prepare_one_folder_and_end_each_other(tracks, tmp_path):
    with locked(tmp_path / "out" / ".lock", ""), pytest.raises(ValueError, match="out: another process prepares it"):
        (tmp_path / "out" / ".1-2-prepared.json").touch()  # half a manifest, of a run that was killed
        prepare.prepare(tracks, tmp_path / "out")
    assert prepare.prepare(tracks, tmp_path / "out")[0] == len(tracks)


def test_damaged_copy_is_read(tracks, tmp_path):
    prepare.prepare(tracks, tmp_path / "out")
    folder = tmp_path / "out" / tracks[0].id
    (folder / "bass.wav").unlink()
    with pytest.raises(ValueError, match=r"bass\.wav: missing; delete .* and prepare again"):
        load_tracks(tmp_path / "out")
    (folder / prepare.TRACK).write_text("{")
    with pytest.warns(UserWarning, match=r"track\.json: cannot be read"):
        assert len(load_tracks(tmp_path / "out", on_error="skip")) == 2


def run(*arguments):
    """`cocola data ...`, as the command line runs it."""
    from typer.testing import CliRunner

    from cocola_lib.cli.data import app

    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_commands_do_not_prepare_or_list(tracks, tmp_path):
    done = run("prepare", "--data-root", tmp_path / "data", "--out", tmp_path / "out")
    assert done.exit_code == 0 and "3 tracks written, 0 kept" in done.output
    listed = run("list", "--data-root", tmp_path / "out").output
    assert "MoisesDB,train,1,0.2,3,16000," in listed and "1 data set in" in listed
    tracks[1].stems[0].files[0].write_bytes(b"")
    done = run("prepare", "--data-root", tmp_path / "data", "--out", tmp_path / "out", "--on-error", "skip")
    assert done.exit_code == 1 and "2 kept" in done.output and "1 tracks left out" in done.output


def test_download_starts_without_a_yes(tmp_path):
    done = run("download", "babyslakh", "--to", tmp_path / "new")
    assert isinstance(done.exception, ValueError) and "nothing was downloaded" in str(done.exception)
    assert "0.9 GB in 1 archive" in done.output and not (tmp_path / "new").exists()
