"""Audio in and out: any file or array becomes checked mono, and a part of a file equals the same part of the whole."""

import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import clip, clip_file

from cocola_lib.data import audio


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One 3 s stereo clip at several rates and in several formats."""
    folder = tmp_path_factory.mktemp("audio")
    for rate in (8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000):
        soundfile.write(folder / f"{rate}.wav", clip(3, 1, rate, 2), rate)
    for kind in ("flac", "ogg", "mp3"):
        soundfile.write(folder / f"44100.{kind}", clip(3, 1, 44_100, 2), 44_100)
    return folder


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(["8000.wav", "11025.wav", "16000.wav", "44100.wav", "44101.wav", "48000.wav", "44100.flac"]),
    start_s=st.floats(0, 3.5),
    duration_s=st.floats(0.001, 2),
)
def test_a_part_of_a_file_equals_the_same_samples_of_the_whole(files, name, start_s, duration_s):
    n = round(duration_s * 16_000)
    if n == 0:
        return
    whole = np.pad(audio.read(files / name), (0, 100_000))
    part = audio.read(files / name, start_s=start_s, duration_s=duration_s)
    assert part.shape == (n,) and part.dtype == np.float32
    start = round(start_s * 16_000)
    np.testing.assert_allclose(part, whole[start : start + n], atol=2e-6)


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_seeking_in_a_lossy_file_lands_on_the_same_samples(files, kind):
    whole = audio.read(files / f"44100.{kind}")
    part = audio.read(files / f"44100.{kind}", start_s=1.234, duration_s=1.0)
    np.testing.assert_allclose(part, whole[19_744:35_744], atol=1e-5)


@pytest.mark.parametrize("name", ["8000.wav", "44100.wav", "44101.wav", "44100.flac", "44100.ogg", "44100.mp3"])
def test_the_whole_file_keeps_its_duration(files, name):
    assert abs(len(audio.read(files / name)) - 48_000) <= 1
    assert audio.info(files / name).duration_s == pytest.approx(3, abs=1e-3)


def test_zeros_appear_only_past_the_end(files):
    x = audio.read(files / "44100.wav", start_s=2.5, duration_s=2.0)
    assert np.abs(x[7_900:8_000]).max() > 0 and not x[8_000:].any()
    assert not audio.read(files / "44100.wav", start_s=100, duration_s=1).any()


def test_a_tone_keeps_its_pitch_and_nothing_folds_down(tmp_path):
    t = np.arange(44_100) / 44_100
    soundfile.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * 1_000 * t), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "high.wav", 0.5 * np.sin(2 * np.pi * 10_000 * t), 44_100, subtype="FLOAT")
    spectrum = np.abs(np.fft.rfft(audio.read(tmp_path / "x.wav")))
    assert spectrum.argmax() == 1_000
    assert audio.rms_dbfs(audio.read(tmp_path / "high.wav")[500:-500]) < -90


def test_channels_are_averaged_not_summed(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.stack([np.full(1_000, 0.5), np.zeros(1_000)], 1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(tmp_path / "x.wav"), 0.25)


@pytest.mark.parametrize("bitrate", ["VARIABLE", "CONSTANT"])
def test_an_mp3_that_does_not_state_its_length_is_not_called_cut_off(tmp_path, bitrate):
    x = clip(20, 1, 44_100, 2)
    x[: len(x) // 2] = 0  # cheap frames first: a guess from them is far too long
    options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": bitrate, "compression_level": 0.5}
    with soundfile.SoundFile(tmp_path / "x.mp3", "w", 44_100, 2, **options) as file:
        file.write(x)
    data = (tmp_path / "x.mp3").read_bytes()
    header = max(data.find(b"Xing"), data.find(b"Info"))
    (tmp_path / "plain.mp3").write_bytes(data[data.find(b"\xff\xfb", header) :])
    whole = audio.read(tmp_path / "plain.mp3")
    assert abs(len(whole) - 320_000) < 1_600
    assert audio.info(tmp_path / "plain.mp3").duration_s == pytest.approx(20, abs=0.1)
    np.testing.assert_allclose(
        audio.read(tmp_path / "plain.mp3", start_s=12, duration_s=3), whole[192_000:240_000], atol=1e-5
    )
    assert not audio.read(tmp_path / "plain.mp3", start_s=21, duration_s=1).any()


def test_a_wav_from_a_pipe_and_one_with_a_long_tag_are_whole(tmp_path):
    soundfile.write(tmp_path / "x.wav", clip(1), 16_000)
    data = (tmp_path / "x.wav").read_bytes()
    at = data.find(b"data")
    (tmp_path / "pipe.wav").write_bytes(data[: at + 4] + b"\xff" * 4 + data[at + 8 :])
    (tmp_path / "tag.wav").write_bytes(data[:at] + b"LIST" + (5_001).to_bytes(4, "little") + bytes(5_002) + data[at:])
    for name in ("pipe.wav", "tag.wav"):
        np.testing.assert_array_equal(audio.read(tmp_path / name), audio.read(tmp_path / "x.wav"))


def broken_files(folder):
    """Name -> (error type, words that its message must hold)."""
    soundfile.write(folder / "whole.wav", clip(1, 0, 16_000, 2), 16_000)
    data = (folder / "whole.wav").read_bytes()
    (folder / "cut.wav").write_bytes(data[: len(data) // 2])
    (folder / "0hz.wav").write_bytes(data[:24] + bytes(4) + data[28:])
    for kind in ("flac", "mp3"):
        soundfile.write(folder / f"whole.{kind}", clip(3, 0, 44_100, 2), 44_100)
        data = (folder / f"whole.{kind}").read_bytes()
        (folder / f"cut.{kind}").write_bytes(data[: len(data) // 2])
    (folder / "text.wav").write_text("this is no music\n" * 20, encoding="utf-8")
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "nothing.wav", np.zeros((0, 1)), 16_000)
    soundfile.write(folder / "wide.wav", np.zeros((10, 200)), 16_000)
    x = clip(1)
    x[7] = np.nan
    soundfile.write(folder / "nan.wav", x, 16_000, subtype="FLOAT")
    x[7] = np.inf
    soundfile.write(folder / "inf.wav", x, 16_000, subtype="FLOAT")
    soundfile.write(folder / "loud.wav", 1e6 * clip(1), 16_000, subtype="FLOAT")
    return {
        "missing.wav": (FileNotFoundError, "no such file"),
        "cut.wav": (ValueError, "cut off"),
        "cut.flac": (ValueError, "cut off"),
        "cut.mp3": (ValueError, "cut off"),
        "0hz.wav": (ValueError, "0 Hz"),
        "text.wav": (ValueError, "no audio"),
        "empty.wav": (ValueError, "empty"),
        "folder.wav": (ValueError, "directory"),
        "nothing.wav": (ValueError, "no samples"),
        "wide.wav": (ValueError, "200 channels"),
        "nan.wav": (ValueError, "1 of 16000 samples"),
        "inf.wav": (ValueError, "infinite"),
        "loud.wav": (ValueError, "full scale"),
    }


def test_every_bad_file_is_one_line_that_names_it(tmp_path):
    for name, (error, words) in broken_files(tmp_path).items():
        with pytest.raises(error, match=words) as caught:
            audio.read(tmp_path / name)
        message = str(caught.value)
        assert name in message and "\n" not in message, message


def test_permission_denied_is_one_line(tmp_path, monkeypatch):
    path = Path(clip_file(tmp_path / "x.wav", 1))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so chmod would not do
    with pytest.raises(ValueError, match="permission denied"):
        audio.read(path)


@pytest.mark.parametrize(
    "options", [{"start_s": -1}, {"start_s": math.nan}, {"duration_s": 0}, {"duration_s": -1}, {"start_s": 99}]
)
def test_an_impossible_part_is_an_error(files, options):
    with pytest.raises(ValueError, match="start_s|duration_s"):
        audio.read(files / "16000.wav", **options)


@pytest.mark.parametrize("rate", [0, -1, 44_100.5, "fast", None, math.nan, math.inf, 10**9])
def test_a_rate_that_is_none_is_an_error(files, rate):
    with pytest.raises(ValueError, match="Hz"):
        audio.read(files / "16000.wav", rate)
    with pytest.raises(ValueError, match="Hz"):
        audio.to_mono(clip(1), rate)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16"])
def test_integers_are_scaled_by_their_full_range_without_overflow(dtype):
    kind = np.iinfo(dtype)
    x = audio.to_mono(np.array([kind.min, kind.max, kind.min], dtype))
    np.testing.assert_allclose(x, [-1, 1, -1], atol=2 / (kind.max - kind.min) + 1e-9)
    stereo = np.full((1_000, 2), kind.max, dtype)  # a sum in the array's own type would wrap around
    assert audio.to_mono(stereo).min() > 0.98


@pytest.mark.parametrize(
    "x", [np.arange(5), np.ones(5, bool), np.ones(5, complex), np.array(["a"]), np.array([None, 1.0])]
)
def test_types_without_a_full_scale_are_refused(x):
    with pytest.raises(ValueError, match="expected float"):
        audio.to_mono(x)


def test_integers_in_a_float_array_are_refused():
    with pytest.raises(ValueError, match="full scale"):
        audio.to_mono(np.array([0.0, 32_000.0]))


@pytest.mark.parametrize("shape", [(), (2, 2, 100), (0,), (0, 2), (200, 1_000), (1_000, 200), (2, 2)])
def test_shapes_that_are_no_audio_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        audio.to_mono(np.zeros(shape, np.float32))


def test_channels_first_and_channels_last_are_the_same_sound():
    x = clip(1, channels=2)
    np.testing.assert_array_equal(audio.to_mono(x), audio.to_mono(x.T))
    np.testing.assert_allclose(audio.to_mono(x), x.mean(axis=1), atol=1e-7)
    assert audio.to_mono(x[:, :1]).shape == audio.to_mono(x[:, :1].T).shape == (16_000,)


def test_nan_and_infinity_are_counted():
    x = clip(1)
    x[:3] = np.nan, np.inf, -np.inf
    with pytest.raises(ValueError, match="mine: 3 of 16000 samples"):
        audio.to_mono(x, name="mine")


def test_what_is_written_is_read_back(tmp_path):
    for kind in ("wav", "flac"):
        path = tmp_path / "new" / f"x.{kind}"
        audio.write(path, clip(1))
        np.testing.assert_allclose(audio.read(path), clip(1), atol=2**-15)
    assert sorted(os.listdir(tmp_path / "new")) == ["x.flac", "x.wav"]


def test_what_lies_beyond_full_scale_is_clipped_and_does_not_wrap(tmp_path):
    audio.write(tmp_path / "x.wav", np.array([1.5, -1.5] * 50))
    np.testing.assert_allclose(audio.read(tmp_path / "x.wav"), [1, -1] * 50, atol=2**-14)


@pytest.mark.parametrize("x, name", [([math.nan], "x.wav"), ([0.0], "x.txt"), (["a"], "x.wav")])
def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path, x, name):
    with pytest.raises(ValueError, match=re.escape(name)):
        audio.write(tmp_path / name, np.array(x))
    assert not os.listdir(tmp_path)


def test_mix_is_the_sum_of_eq_1():
    clips = [clip(1, seed) for seed in range(3)]
    np.testing.assert_allclose(audio.mix(clips), clips[0] + clips[1] + clips[2], atol=1e-6)
    np.testing.assert_array_equal(audio.mix(clips[:1]), clips[0])
    for bad in ([], [clip(1), clip(2)]):
        with pytest.raises(ValueError, match="one length"):
            audio.mix(bad)


def test_levels_have_their_textbook_values():
    t = np.arange(16_000) / 16_000
    assert audio.rms_dbfs(np.sin(2 * np.pi * 100 * t)) == pytest.approx(-3.01, abs=0.01)
    assert audio.rms_dbfs(np.full(10, -1.0)) == pytest.approx(0)
    assert audio.rms_dbfs(np.full(10, 1e-3, np.float32)) == pytest.approx(-60, abs=1e-3)
    assert audio.rms_dbfs(np.zeros(10)) == audio.rms_dbfs([]) == -math.inf


def test_resampling_there_and_back_changes_nothing_below_the_band_edge():
    t = np.arange(16_000) / 16_000
    x = sum(np.sin(2 * np.pi * hz * t) for hz in (60, 440, 3_000, 6_500)).astype(np.float32) / 4
    y = audio.resample(audio.resample(x, 16_000, 44_100), 44_100, 16_000)
    assert len(y) == len(x)
    assert audio.rms_dbfs(y[400:-400] - x[400:-400]) < audio.rms_dbfs(x) - 60
    assert audio.resample(x, 16_000, 16_000) is x
