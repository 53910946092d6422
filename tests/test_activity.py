"""Which stems sound: levels follow from blocks, whatever the files; the cache never tells of old files."""

import errno
import shutil

import numpy as np
import pytest
import soundfile

from cocola_lib.data import activity, audio
from cocola_lib.data.tracks import load_tracks


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A song of three stems at 44.1 kHz: noise, a stem that ends after 6 s, and silence."""
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    folder = tmp_path / "root/song"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    soundfile.write(folder / "a.wav", rng.normal(0, 0.1, (44_100 * 70, 2)), 44_100)
    soundfile.write(folder / "b.wav", rng.normal(0, 0.1, 44_100 * 6), 44_100)
    soundfile.write(folder / "c.wav", np.zeros(44_100 * 20), 44_100)
    return tmp_path / "root"


def test_blocks_do_not_add_up_to_the_level_of_a_window(root):
    (track,) = load_tracks(root)
    energy = activity.block_energy(track)
    assert energy.shape == (3, 700)
    for start_s in (0.0, 3.3, 57.5, 65.0):  # 57.5 crosses the minute at which reading stops and goes on
        x = audio.read(root / "song/a.wav", 44_100, start_s, 5.0)
        first = round(start_s * 10)
        level = 10 * np.log10(energy[0, first : first + 50].mean())
        assert level == pytest.approx(audio.rms_dbfs(x), abs=2e-3)


def test_stem_that_ended_or_is_silent_still_sounds(root):
    (track,) = load_tracks(root)
    sounds = activity.sounding(activity.block_energy(track))
    assert sounds.shape == (3, 651) and sounds[0].all() and not sounds[2].any()
    assert sounds[1, :60].all() and not sounds[1, 60:].any()


def test_threshold_is_not_minus_60_dbfs():
    for db, sounds in ((-59.9, True), (-60.1, False)):
        energy = np.full((1, 50), 10 ** (db / 10), np.float32)
        assert activity.sounding(energy)[0, 0] == sounds


def test_loop_and_cumulative_sum_disagree():
    energy = np.random.default_rng(0).exponential(1e-6, (3, 120)).astype(np.float32)
    expected = [[energy[s, i : i + 50].astype(float).mean() > 1e-6 for i in range(71)] for s in range(3)]
    np.testing.assert_array_equal(activity.sounding(energy), expected)
    assert activity.sounding(energy[:, :49]).shape == (3, 0)


def test_cache_is_not_used_or_survives_a_changed_file(root, monkeypatch):
    (track,) = load_tracks(root)
    first = np.array(activity.block_energy(track))
    monkeypatch.setattr(activity, "_block_energy", lambda *_: pytest.fail("not cached"))
    np.testing.assert_array_equal(activity.block_energy(track), first)
    monkeypatch.undo()
    soundfile.write(root / "song/b.wav", np.zeros(44_100 * 7), 44_100)
    assert not activity.block_energy(track, cache=False)[1].any()


def test_nan_in_a_stem_is_taken_for_silence(root):
    x, rate = soundfile.read(root / "song/b.wav")
    x[1_000] = np.nan
    soundfile.write(root / "song/b.wav", x, rate, subtype="FLOAT")
    (track,) = load_tracks(root)
    with pytest.raises(ValueError, match=r"b\.wav: 1 of .* NaN"):
        activity.block_energy(track)


def test_full_disk_ends_the_work_or_leaves_half_a_file(root, tmp_path, monkeypatch):
    (track,) = load_tracks(root)

    def full(path, array):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    with pytest.warns(UserWarning, match="No space left on device.*COCOLA_DATA"):
        activity.block_energy(track)
    assert not list((tmp_path / "cache/activity").iterdir())
