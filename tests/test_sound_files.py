"""Files as they come: what recorders, phones and half-finished copies leave is read whole, or named in one line."""

import os
import struct
import subprocess
import warnings

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate
from tiny import clip, tiny_scorer

from cocola_lib.data import audio, ffmpeg, levels, mpeg
from cocola_lib.data.sound_files import AUDIO_SUFFIXES
from cocola_lib.data.tracks import load_tracks

RATE = 44_100
SECONDS = 4.0


@pytest.fixture(scope="module")
def music():
    """Noise, loud first and quiet later: a guess of an MP3's length from its first frames is too short."""
    x = clip(SECONDS, 1, RATE, 2)
    x[RATE:] *= 0.01
    x[-RATE:] *= 50
    x[:50] = 0.8
    return x


@pytest.fixture(scope="module")
def folder(music, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    soundfile.write(folder / "x.wav", music, RATE)
    for bitrate in ("VARIABLE", "CONSTANT"):
        options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": bitrate, "compression_level": 0.3}
        with soundfile.SoundFile(folder / f"{bitrate}.mp3", "w", RATE, 2, **options) as file:
            file.write(music)
    return folder


def lag_ms(x, y, rate=RATE):
    """How much later x is than y."""
    n = min(len(x), len(y))
    return 1_000 * (int(correlate(x[:n], y[:n], method="fft").argmax()) - (n - 1)) / rate


def untagged(path):
    """An MP3's bytes without the frame that counts the others."""
    data = path.read_bytes()
    return data[mpeg.find_frames(data).places[0][0] :]


def convert(source, target, *options):
    """Through ffmpeg, which the extra `test` brings."""
    if not ffmpeg.find():
        pytest.skip("no ffmpeg")
    subprocess.run([ffmpeg.find(), "-v", "error", "-y", "-i", source, *options, target], check=True)
    return target


@pytest.mark.parametrize("bitrate", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("end", [b"", b"TAG" + bytes(125)], ids=["plain", "ID3v1"])
def test_an_mp3_without_a_tag_is_read_in_part_or_late(folder, tmp_path, bitrate, end):
    (tmp_path / "x.mp3").write_bytes(untagged(folder / f"{bitrate}.mp3") + end)
    x = audio.read(tmp_path / "x.mp3", RATE)
    assert 0 <= len(x) - SECONDS * RATE < 2 * 1_152
    assert audio.info(tmp_path / "x.mp3").n_samples == len(x)
    assert lag_ms(x, audio.read(folder / "x.wav", RATE)) == pytest.approx(0, abs=0.1)
    part = audio.read(tmp_path / "x.mp3", RATE, 3.0, 0.5)
    np.testing.assert_allclose(part, x[3 * RATE : 3 * RATE + len(part)], atol=1e-5)


def test_stems_that_may_be_early_or_late_are_not_named(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    (tmp_path / "song").mkdir()
    (tmp_path / "song/bass.wav").write_bytes((folder / "x.wav").read_bytes())
    (tmp_path / "song/drums.mp3").write_bytes((folder / "CONSTANT.mp3").read_bytes())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_tracks(tmp_path / "song")
    assert not [w for w in said if "delay" in str(w.message)]
    (tmp_path / "song/drums.mp3").write_bytes(untagged(folder / "CONSTANT.mp3"))
    with pytest.warns(
        UserWarning, match=r"song: not stated is .* drums\.mp3 \(no LAME tag: the usual 1,105 samples are taken off\)"
    ):
        load_tracks(tmp_path / "song")


def test_an_mp3_with_tags_is_touched(folder):
    for name in ("VARIABLE.mp3", "CONSTANT.mp3"):
        x, _ = soundfile.read(folder / name, dtype="float32")
        np.testing.assert_array_equal(audio.read(folder / name, RATE), x.mean(axis=1))


@pytest.mark.parametrize("bitrate", ["VARIABLE", "CONSTANT"])
def test_the_second_of_two_joined_mp3s_is_lost(folder, tmp_path, bitrate):
    (tmp_path / "x.mp3").write_bytes(2 * (b"ID3\4\0\0\0\0\0\12" + bytes(10) + (folder / f"{bitrate}.mp3").read_bytes()))
    x, one = audio.read(tmp_path / "x.mp3", RATE), audio.read(folder / f"{bitrate}.mp3", RATE)
    assert 0 <= len(x) - 2 * len(one) < 3 * 1_152
    np.testing.assert_allclose(x[: len(one) - RATE], one[:-RATE], atol=1e-4)
    assert audio.rms_dbfs(x[-RATE:]) == pytest.approx(audio.rms_dbfs(one[-RATE:]), abs=1)


def test_joined_mp3s_of_different_rates_play_at_a_wrong_speed(folder, tmp_path):
    soundfile.write(tmp_path / "other.mp3", clip(1, 0, 22_050), 22_050)
    (tmp_path / "x.mp3").write_bytes((folder / "CONSTANT.mp3").read_bytes() + (tmp_path / "other.mp3").read_bytes())
    with pytest.raises(ValueError, match=r"x\.mp3: several MP3s in one, of different rates"):
        audio.read(tmp_path / "x.mp3")


def test_an_mp3_that_was_cut_off_is_read_as_whole(folder, tmp_path):
    data = (folder / "CONSTANT.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(data[: len(data) // 2])
    for read in (audio.read, audio.info):
        with pytest.raises(ValueError, match=r"x\.mp3: cut off, holds \d+ of \d+ frames"):
            read(tmp_path / "x.mp3")
    (tmp_path / "y.mp3").write_bytes(untagged(folder / "CONSTANT.mp3")[: len(data) // 2 + 7])
    with pytest.warns(UserWarning, match=r"y\.mp3: ends inside a frame; was it cut off"):
        assert audio.info(tmp_path / "y.mp3").duration_s == pytest.approx(SECONDS / 2, abs=0.1)


@pytest.mark.parametrize("suffix", ["wav", "rf64", "w64", "aiff", "au", "caf", "ogg", "opus", "flac"])
def test_half_a_file_is_read_as_whole(music, tmp_path, suffix):
    options = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {"format": suffix.upper()})
    soundfile.write(tmp_path / f"whole.{suffix}", clip(SECONDS, 1, 48_000, 2), 48_000, **options)
    assert audio.info(tmp_path / f"whole.{suffix}").duration_s == pytest.approx(SECONDS, abs=1e-3)
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    for share in (0.5, 0.97):
        (tmp_path / f"half.{suffix}").write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match=rf"half\.{suffix}: .*cut off.*; copy it again") as caught:
            audio.read(tmp_path / f"half.{suffix}")
        assert "\n" not in str(caught.value)


def spoil_wav(data, kind):
    """A WAV as some writers leave it."""
    at = data.find(b"data")
    if kind == "size 0":
        return data[:4] + bytes(4) + data[8 : at + 4] + bytes(4) + data[at + 8 :]
    if kind == "size unknown":
        return data[: at + 4] + b"\xff" * 4 + data[at + 8 :]
    return data[:at] + b"LIST" + struct.pack("<I", 5) + b"abcde" + data[at:]  # without the byte that makes it even


@pytest.mark.parametrize("kind", ["size 0", "size unknown", "no pad byte"])
def test_a_wav_from_a_careless_writer_is_lost(folder, tmp_path, kind):
    (tmp_path / "x.wav").write_bytes(spoil_wav((folder / "x.wav").read_bytes(), kind))
    np.testing.assert_array_equal(audio.read(tmp_path / "x.wav", RATE), audio.read(folder / "x.wav", RATE))


def test_an_rf64_from_a_pipe_or_a_flac_from_one_is_lost(folder, music, tmp_path):
    soundfile.write(tmp_path / "x.rf64", music, RATE, format="RF64")
    data = bytearray((tmp_path / "x.rf64").read_bytes())
    at = data.find(b"ds64") + 8
    data[at : at + 24] = bytes(24)
    (tmp_path / "x.rf64").write_bytes(data)
    np.testing.assert_allclose(audio.read(tmp_path / "x.rf64", RATE), audio.read(folder / "x.wav", RATE), atol=1e-4)
    soundfile.write(tmp_path / "x.flac", music, RATE)
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # the number of samples: unknown
    (tmp_path / "x.flac").write_bytes(data)
    if not ffmpeg.find():
        pytest.skip("no ffmpeg")
    np.testing.assert_allclose(audio.read(tmp_path / "x.flac", RATE), audio.read(folder / "x.wav", RATE), atol=1e-4)


def test_two_joined_wavs_are_read_as_the_first(folder, tmp_path):
    (tmp_path / "x.wav").write_bytes(2 * (folder / "x.wav").read_bytes())
    with pytest.raises(ValueError, match=r"x\.wav: several WAVs in one; export it again as one"):
        audio.read(tmp_path / "x.wav")


def test_two_joined_oggs_are_read_as_the_first(music, tmp_path):
    soundfile.write(tmp_path / "one.ogg", music, RATE)
    (tmp_path / "x.ogg").write_bytes(2 * (tmp_path / "one.ogg").read_bytes())
    if not ffmpeg.find():
        pytest.skip("no ffmpeg")
    assert audio.info(tmp_path / "x.ogg").duration_s == pytest.approx(2 * SECONDS, abs=0.05)


def test_a_codec_without_seeking_is_called_damaged(tmp_path):
    soundfile.write(tmp_path / "x.wav", clip(4, 1, 8_000), 8_000, subtype="GSM610")
    theirs, _ = soundfile.read(tmp_path / "x.wav", dtype="float32")
    whole = audio.read(tmp_path / "x.wav", 8_000)
    np.testing.assert_array_equal(whole, theirs)
    np.testing.assert_array_equal(audio.read(tmp_path / "x.wav", 8_000, 1.5, 1.0), whole[12_000:20_000])


def test_raw_samples_are_a_traceback(tmp_path):
    (tmp_path / "x.raw").write_bytes(bytes(1_000))
    with pytest.raises(ValueError, match=r"x\.raw: raw samples state neither rate nor width; export it as WAV"):
        audio.read(tmp_path / "x.raw")


@pytest.mark.parametrize(
    ("name", "options", "late_ms", "loss"),
    [
        ("aac.m4a", ("-c:a", "aac", "-b:a", "320k"), 0, 0.6),
        ("alac.m4a", ("-c:a", "alac"), 0, 1e-4),
        ("flac.ogg", ("-c:a", "flac"), 0, 1e-4),
        ("mp3.wav", ("-c:a", "libmp3lame"), 0, 0.6),
    ],
)
def test_what_phones_and_studios_write_is_not_read(folder, tmp_path, name, options, late_ms, loss):
    path = convert(folder / "x.wav", tmp_path / name, *options)
    x, y = audio.read(path, RATE), audio.read(folder / "x.wav", RATE)
    assert abs(len(x) - len(y)) < 2 * 1_152 and lag_ms(x, y) == pytest.approx(late_ms, abs=0.1)
    n = min(len(x), len(y))
    assert np.square(x[:n] - y[:n]).mean() < loss * np.square(y).mean() + 1e-9
    part = audio.read(path, 16_000, 1.3, 1.0)
    np.testing.assert_allclose(part, audio.read(path)[20_800:36_800], atol=1e-4)
    assert audio.info(path).n_samples == len(x)


def test_half_an_m4a_is_read_as_whole(folder, tmp_path):
    for place, flags in (("end", "0"), ("start", "+faststart")):
        data = convert(folder / "x.wav", tmp_path / "x.m4a", "-movflags", flags).read_bytes()
        (tmp_path / f"{place}.m4a").write_bytes(data[: len(data) // 2])
        with pytest.raises(ValueError, match=rf"{place}\.m4a: damaged or cut off .*; copy it again"):
            audio.read(tmp_path / f"{place}.m4a")


def test_an_m4a_without_ffmpeg_does_not_name_the_extra(tmp_path, monkeypatch):
    (tmp_path / "x.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setattr(ffmpeg, "find", lambda: None)
    with pytest.raises(ValueError, match=r"x\.m4a: no audio .*pip install 'cocola-lib\[stems\]' brings") as caught:
        audio.read(tmp_path / "x.m4a")
    assert "\n" not in str(caught.value)


def test_a_playlist_that_calls_itself_audio_opens_other_files(folder, tmp_path):
    if not ffmpeg.find():
        pytest.skip("no ffmpeg")
    (tmp_path / "x.m4a").write_text(
        f"#EXTM3U\n#EXTINF:4,\nfile://{folder / 'x.wav'}\n#EXT-X-ENDLIST\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"x\.m4a: (no audio|damaged)"):
        audio.read(tmp_path / "x.m4a")


def test_ffmpeg_is_left_running(folder, tmp_path, monkeypatch):
    path, started = convert(folder / "x.wav", tmp_path / "x.m4a"), []
    original = subprocess.Popen

    def popen(*args, **kwargs):
        started.append(original(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(ffmpeg.subprocess, "Popen", popen)
    for _ in range(2):
        audio.read(path, start_s=0.0, duration_s=0.1)
    assert started and all(process.poll() is not None for process in started)


def test_opposite_channels_are_called_silent(music, tmp_path):
    x = music[:, :1]
    soundfile.write(tmp_path / "x.wav", np.hstack([x, -x]), RATE)
    with pytest.warns(UserWarning, match=r"x\.wav: left and right cancel .*; export one channel"):
        audio.read(tmp_path / "x.wav")
    with pytest.warns(UserWarning, match="mine: left and right cancel"):
        audio.to_mono(np.hstack([x, -x]), RATE, "mine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = tiny_scorer().score(tmp_path / "x.wav", clip(4))
    assert np.isnan(score.both) and "x.wav: left and right cancel" in score.reason


def test_a_stem_in_one_channel_or_a_silent_one_cancels(music, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.to_mono(music * [1, 0])
        audio.to_mono(np.zeros((1_000, 2), np.float32))
        audio.to_mono(np.full((1_000, 2), [0.5, -0.5], np.float32))  # offsets only


@pytest.mark.parametrize("offset", [0.3, -0.01])
def test_a_silent_clip_with_an_offset_sounds(tmp_path, offset):
    x = np.full(96_000, offset, np.float32) + np.random.default_rng(0).normal(0, 1e-4, 96_000).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", x, 16_000, subtype="FLOAT")
    assert levels.is_silent(x, 16_000) and levels.sound_dbfs(x, 16_000) == pytest.approx(-80, abs=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = tiny_scorer().score(tmp_path / "x.wav", clip(6))
    assert np.isnan(score.both) and "silent" in score.reason
    assert not levels.is_silent(x + clip(6), 16_000)


def test_a_quiet_bass_loses_its_level_with_the_offset():
    t = np.arange(80_000) / 16_000
    for hz in (31, 41.2, 1_000):
        x = 10 ** (-57 / 20) * np.sin(2 * np.pi * hz * t)
        assert levels.sound_dbfs(x, 16_000) == pytest.approx(audio.rms_dbfs(x), abs=0.05)
        assert levels.sound_dbfs(x, 16_000) == pytest.approx(levels.sound_dbfs(x - 0.2, 16_000), abs=1e-6)
    assert levels.sound_dbfs(np.zeros(0), 16_000) == -np.inf


def test_a_pipe_is_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes")
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(ValueError, match=r"x\.wav: is a pipe or a device"):
        audio.read(tmp_path / "x.wav")


def test_a_link_to_nowhere_is_called_missing(tmp_path):
    (tmp_path / "x.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(FileNotFoundError, match=r"x\.wav: a link to .*gone\.wav, which is not there"):
        audio.read(tmp_path / "x.wav")


def test_the_formats_that_are_read_are_one_list():
    assert {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".m4a"} <= set(AUDIO_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in AUDIO_SUFFIXES)


def test_two_joined_flacs_are_read_as_the_first(music, tmp_path):
    soundfile.write(tmp_path / "one.flac", music, RATE)
    (tmp_path / "x.flac").write_bytes(2 * (tmp_path / "one.flac").read_bytes())
    with pytest.raises(ValueError, match=r"x\.flac: several FLACs in one; export it again as one"):
        audio.read(tmp_path / "x.flac")
    score = tiny_scorer().score  # as a command meets it
    with pytest.raises(ValueError, match="several FLACs in one"):
        score(tmp_path / "one.flac", tmp_path / "x.flac")
    (tmp_path / "x.flac").write_bytes((tmp_path / "one.flac").read_bytes())  # repaired, under the same name
    np.testing.assert_array_equal(audio.read(tmp_path / "x.flac"), audio.read(tmp_path / "one.flac"))


def test_a_bare_aac_begins_late_by_what_is_said_of_its_encoder(folder, tmp_path):
    for name in ("drums.aac", "bass.m4a"):
        (tmp_path / "song").mkdir(exist_ok=True)
        convert(folder / "x.wav", tmp_path / "song" / name)
    with pytest.warns(UserWarning, match=r"of drums\.aac \(late by 1,024 samples \(ffmpeg\)"):
        (track,) = load_tracks(tmp_path, keep_unrelated=True)
    bass, drums = (audio.read(track.stems[i].files[0], RATE) for i in (0, 1))
    x = audio.read(folder / "x.wav", RATE)
    assert lag_ms(bass, x) == pytest.approx(0, abs=0.1)
    assert lag_ms(drums, x) == pytest.approx(1_024 / 44.1, abs=0.1)
