"""Miniature data: true layouts, the same bytes, nothing half-written, no tune in two splits."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import yaml

from cocola_lib.data import miniatures
from cocola_lib.data.miniatures import chorales, ensembles, synth, tunes

NAME = "mini-cocochorales"


@pytest.fixture
def tiny(tiny_sets):
    return tiny_sets[NAME]


def files_of(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file() and p.name != miniatures.MANIFEST
    }


def test_layout_differs_from_cocochorales(tiny):
    tracks = sorted(p for p in tiny.glob("main_dataset/*/*"))
    assert len(tracks) == 15
    assert {p.parent.name for p in tracks} == {"train", "valid", "test"}
    for track in tracks:
        ensemble = track.name.split("_track")[0]
        metadata = yaml.safe_load((track / "metadata.yaml").read_text())
        names = [metadata["instrument_name"][i] for i in range(4)]
        assert metadata["ensemble"] == ensemble
        if ensembles.ENSEMBLES[ensemble]:
            assert names == list(ensembles.ENSEMBLES[ensemble])
        stems = [f"{i}_{name}" for i, name in enumerate(names, start=1)]
        assert sorted(p.name for p in track.iterdir()) == [
            "metadata.yaml", "mix.mid", "mix.wav", "stems_audio", "stems_midi",
        ]  # fmt: skip
        assert sorted(p.name for p in (track / "stems_audio").iterdir()) == [f"{s}.wav" for s in stems]
        assert sorted(p.name for p in (track / "stems_midi").iterdir()) == [f"{s}.mid" for s in stems]


def test_stems_do_not_sum_to_the_mix_or_clip_or_are_silent(tiny):
    for track in tiny.glob("main_dataset/*/*"):
        mix, rate = soundfile.read(track / "mix.wav", dtype="int16")
        stems = [soundfile.read(p, dtype="int16")[0] for p in sorted((track / "stems_audio").iterdir())]
        assert rate == 16_000 and soundfile.info(track / "mix.wav").subtype == "PCM_16"
        assert 5 * rate < len(mix) <= 21 * rate
        np.testing.assert_array_equal(np.sum(stems, axis=0, dtype=np.int32), mix)
        assert np.abs(mix.astype(int)).max() < 32_767
        assert all(-45 < 20 * np.log10(np.std(x / 32768)) < -12 for x in stems)


def test_midi_and_audio_tell_different_stories(tiny):
    import pretty_midi

    track = next(tiny.glob("main_dataset/test/string_*"))
    for wav in sorted((track / "stems_audio").iterdir()):
        x, rate = soundfile.read(wav)
        notes = pretty_midi.PrettyMIDI(str(track / "stems_midi" / f"{wav.stem}.mid")).instruments[0].notes
        note = max(notes, key=lambda n: n.end - n.start)
        piece = x[int((note.start + 0.1) * rate) : int(note.end * rate)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 16))
        hz = 440 * 2 ** ((note.pitch - 69) / 12) * np.arange(1, 6)
        bins = np.round(hz * (1 << 16) / rate).astype(int)
        near = sum(spectrum[b - 30 : b + 31].sum() for b in bins)
        assert near > 0.4 * spectrum.sum()  # the harmonics of the note that MIDI says is sounding


def test_replayed_voice_is_another_recording(tiny):
    folder = next(tiny.glob("main_dataset/train/string_*"))
    on_disk, rate = soundfile.read(folder / "stems_audio" / "2_violin.wav")
    np.testing.assert_allclose(miniatures.replay(folder, "2_violin"), on_disk, atol=2 / 32768)
    late = miniatures.replay(folder, "2_violin", shift_beats=1.0)
    tempo = yaml.safe_load((folder / "metadata.yaml").read_text())["tempo"]
    delay = round(60 / tempo * rate)
    levels = [np.abs(x[: len(x) // 320 * 320]).reshape(-1, 320).mean(axis=1) for x in (late[delay:], on_disk[:-delay])]
    assert np.corrcoef(*levels)[0, 1] > 0.8
    assert abs(np.corrcoef(miniatures.replay(folder, "2_violin", transpose_semitones=1), on_disk)[0, 1]) < 0.5
    with pytest.raises(ValueError, match="no file '5_kazoo'"):
        miniatures.replay(folder, "5_kazoo")


def test_same_seed_gives_other_bytes_when_parallel_or_resumed(tiny, tmp_path):
    """Kill a build in the middle, resume it in one process: the bytes of an undisturbed build."""
    listen = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job does not
    )
    command = (
        f"{listen}; from cocola_lib.data.miniatures import build; build(*{(NAME, 'tiny', 0, str(tmp_path))!r}, jobs=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.DEVNULL)
    folder = miniatures.folder_of(NAME, "tiny", root=tmp_path)
    limit = time.monotonic() + 60
    while not list(folder.glob("main_dataset/*/*")) and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert not miniatures.is_complete(folder), "a killed build counts as complete"
    assert not list((folder / ".building").glob("*/*")), "an interrupted build leaves half a track"
    assert miniatures.build(NAME, "tiny", root=tmp_path, progress=False, jobs=1) == folder
    assert files_of(folder) == files_of(tiny)
    manifests = [json.loads((f / miniatures.MANIFEST).read_text()) for f in (folder, tiny)]
    assert manifests[0]["data_hash"] == manifests[1]["data_hash"] == miniatures.data_hash(tiny)


def test_complete_build_is_built_again_or_a_broken_one_is_not(tiny):
    before = (tiny / miniatures.MANIFEST).stat().st_mtime_ns
    assert miniatures.ensure(NAME, "tiny", root=tiny.parent, progress=False) == tiny
    assert (tiny / miniatures.MANIFEST).stat().st_mtime_ns == before
    assert not miniatures.is_complete(tiny / "nowhere")


def test_tune_in_two_splits():
    table = chorales.splits()
    names = sum(table.values(), [])
    assert len(names) == len(set(names)) > 300
    for size in miniatures.SIZES:
        for job in chorales.plan(size, 3):
            assert job.chorale in table[job.path.split("/")[1]]
        assert len({job.path for job in chorales.plan(size, 3)}) == sum(chorales.N_TRACKS[size][0])
    melodies = {s: [tunes.tune(chorales.read_chorale(n)) for n in table[s][:8]] for s in table}
    runs = {s: {tuple(t[i : i + 11]) for t in ts for i in range(len(t) - 10)} for s, ts in melodies.items()}
    assert not runs["train"] & runs["test"] and not runs["train"] & runs["valid"] and not runs["valid"] & runs["test"]


@pytest.mark.skipif("COCOLA_SLOW" not in os.environ, reason="parses every chorale, minutes; COCOLA_SLOW=1 does")
def test_split_table_in_the_package_is_not_what_the_code_makes():
    assert tunes.split_table() == chorales.splits()


def test_fermata_is_not_held_or_voices_drift_apart():
    chorale = chorales.read_chorale("bwv66.6")
    assert len(chorale.voices) == 4 and chorale.pickup == 1.0 and chorale.fermatas
    parts, length_s = ensembles.perform(chorale, "string", 60, 120.0, np.random.default_rng(1))
    starts = [{q: n.start_s for (q, _, _), n in zip(v, p.notes, strict=True)}
              for v, p in zip(chorale.voices, parts, strict=True)]  # fmt: skip
    apart = [starts[0][q] - starts[3][q] for q in starts[0] if q in starts[3]]
    assert len(apart) > 20 and np.std(apart) < 0.04 and length_s < 90
    at, _ = chorale.fermatas[0]
    seconds = ensembles.time_map(chorale, 60, np.random.default_rng(1))
    assert seconds(at + 1) - seconds(at) > 1.1 * (seconds(at - 2) - seconds(at - 3))


def test_loudness_of_the_standards_own_example():
    t = np.arange(48_000 * 3) / 48_000
    sine = np.sin(2 * np.pi * 997 * t)
    assert synth.integrated_loudness(sine, 48_000) == pytest.approx(-3.01, abs=0.02)
    both = np.stack([sine, sine], axis=1) * 10 ** (-20 / 20)
    assert synth.integrated_loudness(both, 48_000) == pytest.approx(-20.0, abs=0.02)
    assert synth.integrated_loudness(np.zeros(48_000), 48_000) == -np.inf


@pytest.mark.parametrize(
    ("name", "size", "says"), [("mini-nothing", "tiny", "mini-cocochorales"), (NAME, "huge", "tiny, small, large")]
)
def test_unknown_name_or_size_is_unclear(name, size, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        miniatures.build(name, size, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_half_a_track(tmp_path, monkeypatch):
    def full(path, x, rate):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chorales, "write_audio", full)
    with pytest.raises(OSError, match="No space left"):
        miniatures.build(NAME, "tiny", root=tmp_path, progress=False, jobs=1)
    assert not list(tmp_path.rglob("*.wav")) and not list(tmp_path.rglob(miniatures.MANIFEST))


def test_two_processes_that_want_one_miniature_build_it_twice(tmp_path, monkeypatch):
    built, build = [], miniatures.build
    monkeypatch.setattr(miniatures, "build", lambda *arguments: built.append(1) or build(*arguments))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: miniatures.ensure(NAME, "tiny", 0, tmp_path, False, 1), range(2)))
    assert built == [1] and miniatures.is_complete(folders[0])
    assert [p.name for p in tmp_path.iterdir()] == [folders[0].name]


def test_failed_worker_is_taken_as_complete(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "midirenderer.py").write_text("raise ImportError('no renderer here')")
    with pytest.raises(OSError, match="no renderer here"):
        miniatures.build(NAME, "tiny", root=tmp_path / "data", progress=False, jobs=2)
    assert not miniatures.is_complete(miniatures.folder_of(NAME, "tiny", root=tmp_path / "data"))
