"""Metadata, archives and names from others: nothing in them crashes, hangs, leads outside or goes unmentioned."""

import json
import os
import shutil
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
import soundfile
from test_adapters import moises, slakh
from tiny import clip

from cocola_lib.data import names
from cocola_lib.data.pair_files import audio_files, match_folders
from cocola_lib.data.tracks import load_tracks
from cocola_lib.data.unpack import unpack


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))


def sound(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, clip(6, seed), 16_000)
    return path


MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))
YAMLS = {
    "merges": (MERGES + "stems: {S00: {inst_class: Bass, audio_rendered: true}}", "refers to parts of itself"),
    "depth": ("stems: " + "[" * 100_000, "nest"),
    "base 60": ("stems: " + "1:" * 400_000 + "1", "of 800001 characters"),
    "number as id": ("stems: {0: {inst_class: Bass, audio_rendered: true}}", "missing; unpack"),
    "list": ("stems: [1, 2]", "stems lack"),
    "no text": ("stems: {S00: {inst_class: Bass, audio_rendered: true}, S01: 3}", "stems lack"),
    "outside": ("stems: {../../../secret: {inst_class: Bass, audio_rendered: true}}", "no name of a file"),
    "absolute": ("stems: {/etc/x: {inst_class: Bass, audio_rendered: true}}", "no name of a file"),
    "long": ("stems: {" + "S" * 400 + ": {inst_class: Bass, audio_rendered: true}}", "name too long|missing"),
}


@pytest.mark.parametrize(("text", "says"), YAMLS.values(), ids=YAMLS)
def test_slakh_metadata_crash_hang_or_lead_outside(tmp_path, text, says):
    for track in ("Track00001", "Track00002"):
        slakh(tmp_path / "slakh", f"train/{track}")
    sound(tmp_path / "secret.flac")
    (tmp_path / "slakh/train/Track00002/metadata.yaml").write_text(text, encoding="utf-8")
    with pytest.warns(UserWarning, match=f"(?i)1 tracks left out: .*({says})") as said:
        tracks = load_tracks(tmp_path / "slakh", on_error="skip")
    assert [track.id for track in tracks] == ["Slakh2100/train/Track00001"]
    assert all("\n" not in str(warning.message) and len(str(warning.message)) < 700 for warning in said)


def stem(name="bass", **part):
    return json.dumps({"stems": [{"stemName": name, "tracks": [{"id": "1-0"} | part]}]})


JSONS = {
    "depth": ('{"stems": ' + "[" * 200_000, "cannot be read"),
    "text for a part": ('{"stems": [{"stemName": "bass", "tracks": ["x"]}]}', "stems lack"),
    "text for a stem": ('{"stems": ["bass"]}', "stems lack"),
    "number": ('{"stems": 3}', "stems lack"),
    "null name": (stem(None), "no name of a file"),
    "list as name": (stem(["bass"]), "no name of a file|stems lack"),
    "outside by name": (stem("../.."), "no name of a file"),
    "outside by id": (stem(id="../../../secret"), "no name of a file"),
    "outside by suffix": (stem(extension="/../../../../secret.wav"), "no name of a file"),
    "nul": (stem(id="a\0b"), "no name of a file"),
    "large": ('{"stems": [' + " " * 5_000_000 + "]}", "more than 4 MB"),
}


@pytest.mark.parametrize(("text", "says"), JSONS.values(), ids=JSONS)
def test_moisesdb_metadata_crash_hang_or_lead_outside(tmp_path, text, says):
    for song in ("0a", "0b"):
        moises(tmp_path / "moisesdb_v0.1", song)
    sound(tmp_path / "secret.wav")
    (tmp_path / "moisesdb_v0.1/0b/data.json").write_text(text, encoding="utf-8")
    with pytest.warns(UserWarning, match=f"1 tracks left out: .*({says})"):
        (track,) = load_tracks(tmp_path, on_error="skip")
    assert track.id.endswith("/0a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_metadata_that_are_a_pipe_are_waited_for(tmp_path):
    for song in ("0a", "0b"):
        moises(tmp_path / "moisesdb_v0.1", song)
    (tmp_path / "moisesdb_v0.1/0b/data.json").unlink()
    os.mkfifo(tmp_path / "moisesdb_v0.1/0b/data.json")
    with pytest.warns(UserWarning, match="1 tracks left out: .*a pipe or a device"):
        assert len(load_tracks(tmp_path, on_error="skip")) == 1


def spoilt_zip(path, flag=0, method=0):
    """A zip whose member says that it is encrypted, or packed by a method that nobody knows."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "hello")
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(signature) + at
        data[place] |= flag
        data[place + 2] = method
    path.write_bytes(data)


@pytest.mark.parametrize(("change", "says"), [({"flag": 1}, "encrypted"), ({"method": 77}, "does not know")])
def test_a_zip_that_python_cannot_open_is_a_traceback(tmp_path, change, says):
    spoilt_zip(tmp_path / "x.zip", **change)
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=rf"x\.zip: .*{says}") as caught:
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on Unix")
def test_a_name_that_is_no_utf8_refuses_the_data_set(tmp_path):
    folder = os.fsencode(tmp_path / "music") + b"/caf\xe9"
    for i, name in enumerate((b"/fl\xfbte.wav", b"/bass.wav")):
        shutil.move(sound(tmp_path / "x.wav", i), os.fsdecode(folder + name)) if os.path.isdir(folder) else (
            os.makedirs(folder),
            shutil.move(sound(tmp_path / "x.wav", i), os.fsdecode(folder + name)),
        )
    for _ in range(2):  # the second time from the cache
        (track,) = load_tracks(tmp_path / "music")
        assert track.id == "music/test/café" and sorted(track.stem_names) == ["bass", "flûte"]
        assert track.read(("flûte",)).any()


def test_an_accent_typed_in_two_ways_makes_two_names_of_one(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert names.printable(apart) == composed != apart
    sound(tmp_path / f"a/{composed}.wav"), sound(tmp_path / f"b/{apart}.flac")
    (row,) = match_folders(tmp_path / "a", tmp_path / "b")
    assert row["conditioning"].endswith(".wav") and row["accompaniment"].endswith(".flac")
    sound(tmp_path / f"a/{apart}.wav", 1)
    if len(list((tmp_path / "a").iterdir())) < 2:
        pytest.skip("a file system that knows")
    with pytest.raises(ValueError, match="café.wav is there twice, its accents written in two ways"):
        load_tracks(tmp_path / "a")


def test_stems_in_some_formats_or_behind_broken_links_are_left_out_without_a_word(tmp_path):
    song = tmp_path / "music/song"
    for i, name in enumerate(("bass.wav", "keys.aiff", "drums.flac")):
        sound(song / name, i)
    soundfile.write(song / "voice.opus", clip(6, 4, 48_000), 48_000, format="OGG", subtype="OPUS")
    soundfile.write(song / "guitar.ogg", clip(6, 5, 16_000), 16_000)
    shutil.move(song / "voice.opus", tmp_path / "voice.opus")  # of another rate
    (track,) = load_tracks(tmp_path / "music")
    assert track.stem_names == ("bass", "drums", "guitar", "keys")
    assert list(audio_files(song)) == ["bass.wav", "drums.flac", "guitar.ogg", "keys.aiff"]
    (song / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.raises(FileNotFoundError, match=r"gone\.wav: a link to .*nowhere\.wav, which is not there"):
        load_tracks(tmp_path / "music")
    assert audio_files(song)["gone.wav"] == ""


def test_prepared_tracks_name_files_elsewhere(tmp_path):
    from cocola_lib.data.prepare import prepare

    for i, name in enumerate(("bass", "drums")):
        sound(tmp_path / f"music/song/{name}.wav", i)
    prepare(load_tracks(tmp_path / "music"), tmp_path / "prepared")
    (path,) = (tmp_path / "prepared").rglob("track.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["track"][3][0][1] = ["../../../../music/song/bass.wav"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"track\.json: names files elsewhere"):
        load_tracks(tmp_path / "prepared")


def test_a_silent_stem_with_an_offset_is_drawn_for_pairs(tmp_path):
    from cocola_lib.data import activity

    sound(tmp_path / "music/song/a.wav"), sound(tmp_path / "music/song/b.wav", 1)
    soundfile.write(tmp_path / "music/song/c.wav", np.full(96_000, 0.2), 16_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (track,) = load_tracks(tmp_path / "music")
    sounds = activity.sounding(activity.block_energy(track))
    assert sounds[:2].all() and not sounds[2].any()
