"""Doubts about a plain folder: what does not sound together, decodes to silence, or loops; what is left alone."""

import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from cocola_lib.__main__ import app
from cocola_lib.data import audio, doubts
from cocola_lib.data.activity import block_energy
from cocola_lib.data.tracks import load_tracks

RATE = audio.SAMPLE_RATE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))


def played(times, seconds=32.0, seed=0):
    """Decaying noise at some times, louder and softer as it comes: (N,) float32."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    x, note = 1e-4 * rng.standard_normal(n), np.exp(-np.arange(RATE // 5) / 800)
    for start in (round(t * RATE) for t in times if t < seconds):
        here = x[start : start + len(note)]
        here += rng.uniform(0.05, 0.3) * rng.standard_normal(len(here)) * note[: len(here)]
    return np.clip(x, -1, 1).astype(np.float32)


def beats(bpm, share=0.6, seconds=32.0, seed=0):
    """Some of the eighths of a tempo."""
    grid = np.arange(0, seconds, 30 / bpm)
    return grid[np.random.default_rng(seed).random(len(grid)) < share]


def band(bpms, seconds=32.0):
    return {f"stem {i}": played(beats(bpm, seconds=seconds, seed=i), seconds, i) for i, bpm in enumerate(bpms)}


def write(folder, stems):
    for name, x in stems.items():
        audio.write(folder / f"{name}.wav", x)
    return folder


TOGETHER, APART = band([112, 112, 112]), band([97, 112, 131])


def opened(root, **options):
    """The names of the tracks, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracks = load_tracks(root, **options)
    return [track.id.rsplit("/", 1)[-1] for track in tracks], [str(w.message) for w in caught]


def test_stems_that_do_not_sound_together_are_named_and_left_out(tmp_path):
    root = tmp_path / "mine"
    write(root / "album", APART)
    write(root / "piece", TOGETHER)
    for _ in range(2):  # the second time from the index
        names, said = opened(root)
        assert names == ["piece"] and len(said) == 1
        assert said[0].startswith(
            "1 tracks left out, their stems do not sound together: mine/test/album; keep_unrelated"
        )


def test_they_are_kept_on_request_and_nothing_is_said(tmp_path):
    write(tmp_path / "mine/album", APART)
    write(tmp_path / "mine/piece", TOGETHER)
    assert opened(tmp_path / "mine", keep_unrelated=True) == (["album", "piece"], [])


def test_a_folder_of_unrelated_stems_only_says_so(tmp_path):
    write(tmp_path / "mine/album", APART)
    with pytest.warns(UserWarning, match="do not sound together"), pytest.raises(ValueError, match="no tracks found"):
        load_tracks(tmp_path / "mine")


def test_music_without_a_pulse_passes_if_its_onsets_fall_together():
    times = np.sort(np.random.default_rng(5).uniform(0, 32, 150))
    assert not doubts.are_unrelated([played(times, seed=1), played(times, seed=2)])
    others = np.sort(np.random.default_rng(6).uniform(0, 32, 150))
    assert doubts.are_unrelated([played(times, seed=1), played(others, seed=2)])


def test_players_that_are_late_and_take_turns_pass():
    late = played(beats(112, 0.6, seed=1) + 0.07, seed=1)
    lead = played(beats(112, 0.6, seed=2)[:30], seed=2)
    assert not doubts.are_unrelated([late, lead, played(beats(112, 0.9, seed=3), seed=3)])


@pytest.mark.parametrize(
    "clips",
    [
        [x[: 20 * RATE] for x in APART.values()],  # too short to tell
        [np.full(32 * RATE, 0.1, np.float32), np.zeros(32 * RATE, np.float32)],
        [0.1 * np.sin(2 * np.pi * hz * np.arange(32 * RATE) / RATE).astype(np.float32) for hz in (220, 330)],
    ],
    ids=["20 s", "nothing begins", "steady tones"],
)
def test_what_gives_too_little_to_judge_by_is_left_alone(clips):
    assert not doubts.are_unrelated(list(clips))


def test_stems_that_decode_to_silence_are_named(tmp_path):
    silence, (bass, drums) = np.zeros(6 * RATE), (played(beats(112), 6.0, i) for i in range(2))
    write(tmp_path / "mine/trio", {"bass": bass, "drums": drums, "pad": silence})
    write(tmp_path / "mine/alone", {"bass": bass, "drums": silence})
    names, said = opened(tmp_path / "mine")
    assert names == ["alone", "trio"] and len(said) == 1
    assert "2 tracks with stems that decode to silence: mine/test/alone (drums); mine/test/trio (pad)" in said[0]


def test_a_stem_that_sounds_outside_of_the_middle_is_not_silent(tmp_path):
    x = np.zeros(200 * RATE)
    x[:RATE] = 0.1
    folder = write(tmp_path / "mine/song", {"intro": x, "all along": played(beats(112, seconds=200.0), 200.0)})
    assert opened(folder.parent)[1] == []


def test_loops_are_repeated_on_request_only(tmp_path):
    loops = {"two bars": played(beats(120), 4.0, 1), "eight bars": played(beats(120), 16.0, 2)}
    loops["ends early"] = played(beats(120), 15.0, 3)
    write(tmp_path / "mine/loops", loops)
    names, said = opened(tmp_path / "mine")
    assert names == ["loops"] and "loops (two bars); tile_loops=True" in said[0]
    (plain,) = load_tracks(tmp_path / "mine")
    (track,) = load_tracks(tmp_path / "mine", tile_loops=True)
    loop = audio.read(tmp_path / "mine/loops/two bars.wav")
    assert not plain.read(("two bars",), 4.0, 5.0).any()
    np.testing.assert_array_equal(track.read(("two bars",)), np.tile(loop, 4))
    np.testing.assert_array_equal(track.read(("two bars",), 6.0, 4.0), np.roll(loop, -2 * RATE))
    assert not track.read(("ends early",), 15.0, 1.0).any() and track.duration_s == 16.0
    assert [stem.info().duration_s for stem in track.stems] == [16.0, 15.0, 16.0]


def test_what_sounds_when_is_known_for_a_repeated_loop_too(tmp_path):
    write(tmp_path / "mine/loops", {"a": played(beats(120), 4.0, 1), "b": played(beats(120), 8.0, 2)})
    plain, track = (load_tracks(tmp_path / "mine", tile_loops=tile)[0] for tile in (False, True))
    assert not block_energy(plain)[0, 40:].any()
    np.testing.assert_allclose(block_energy(track)[0, 40:], block_energy(track)[0, :40], rtol=1e-5)


def test_a_prepared_copy_holds_what_was_asked_for(tmp_path):
    write(tmp_path / "mine/loops", {"a": played(beats(120), 4.0, 1), "b": played(beats(120), 8.0, 2)})
    write(tmp_path / "mine/album", APART)
    words = ["data", "prepare", "--data-root", str(tmp_path / "mine"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and "left out" in done.output and "tile_loops" in done.output
    done = CliRunner().invoke(app, [*words, "--keep-unrelated", "--tile-loops"])
    assert done.exit_code == 0 and "2 tracks written" in done.output  # the loops again, repeated
    names, said = opened(tmp_path / "out")
    assert sorted(names) == ["album", "loops"] and said == []
    (loops,) = [track for track in load_tracks(tmp_path / "out") if track.id.endswith("loops")]
    assert loops.stems[0].info().duration_s == 8.0


def test_a_folder_for_each_source_opens_as_data_sets(tmp_path):
    for source in ("studio", "stage"):
        write(tmp_path / "all" / source / "song", {"bass": played(beats(112), 6.0), "keys": played(beats(112), 6.0, 1)})
    assert [track.dataset for track in load_tracks(tmp_path / "all")] == ["stage", "studio"]
