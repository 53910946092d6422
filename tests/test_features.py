"""Front ends against librosa and torchaudio, medians against scipy."""

import librosa
import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from cocola_lib.fast import hps
from cocola_lib.fast.medians import KERNEL, TILE, median_network, median_rows, median_torch, mirrored, transpose
from cocola_lib.features import MODES, FrontEnd, mask_channels

N = 80_000  # samples, 5 s
TOLERANCE_DB = 1e-3


def librosa_log_mel(x, separate):
    """The front end word for word in librosa."""
    magnitude = np.abs(librosa.stft(x, n_fft=1024, win_length=400, hop_length=160, center=True, pad_mode="constant"))
    parts = hpss(magnitude) if separate else [magnitude]
    mels = [librosa.feature.melspectrogram(S=p**2, sr=16_000, n_mels=64, fmin=60, fmax=7800) for p in parts]
    return np.stack([librosa.power_to_db(mel, ref=np.max, top_db=80.0) for mel in mels])


def hpss(magnitude):
    if magnitude.shape[1] >= KERNEL:
        return librosa.decompose.hpss(magnitude, kernel_size=31, power=2.0, margin=1.0)
    h, p = sorted_medians(magnitude.T).T, sorted_medians(magnitude)  # scipy 1.17 can read beyond so short an axis
    return [magnitude * librosa.util.softmask(*pair, power=2, split_zeros=True) for pair in ((h, p), (p, h))]


def sorted_medians(x):
    """Medians of 31 down each column, by sorting every window."""
    padded = np.pad(x, ((KERNEL // 2, KERNEL // 2), (0, 0)), mode="symmetric")  # scipy calls it "reflect"
    return np.sort(np.lib.stride_tricks.sliding_window_view(padded, KERNEL, axis=0), axis=-1)[..., KERNEL // 2]


def signals():
    rng = np.random.default_rng(0)
    t = np.arange(N) / 16_000
    clicks = np.zeros(N)
    clicks[::4000] = 1
    pluck = np.exp(-6 * (t % 0.5))
    music = sum(np.sin(2 * np.pi * f * t) * pluck for f in (110, 220, 277.2, 329.6)) / 5
    return {
        "tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "quiet tone": 1e-4 * np.sin(2 * np.pi * 440 * t),
        "clicks": clicks,
        "one click": np.eye(1, N, N // 2)[0],
        "noise": 0.1 * rng.standard_normal(N),
        "music": music + 0.1 * clicks + 1e-3 * rng.standard_normal(N),
        "tone, then nothing": np.sin(2 * np.pi * 440 * t) * (t < 2),
        "full scale": np.sign(np.sin(2 * np.pi * 100 * t)),
        "constant": np.ones(N),
        "silence": np.zeros(N),
        "near silence": 1e-20 * rng.standard_normal(N),
        "one sample": np.ones(1),
        "two frames": rng.standard_normal(200),
        "not a whole tile": rng.standard_normal(16_161),
    }


@pytest.mark.filterwarnings("ignore:n_fft=1024 is too large")
@pytest.mark.parametrize("name", signals())
def test_features_are_librosas_whatever_the_sound(name):
    x = signals()[name].astype(np.float32)
    batch = torch.from_numpy(x)[None]
    separated = librosa_log_mel(x, separate=True)
    for path in ("numba", "torch"):
        np.testing.assert_allclose(FrontEnd("hps", path)(batch)[0], separated, rtol=0, atol=TOLERANCE_DB)
    np.testing.assert_allclose(FrontEnd("mel")(batch)[0], librosa_log_mel(x, False), rtol=0, atol=TOLERANCE_DB)


def test_mel_htk_is_torchaudios():
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    x = torch.from_numpy(np.stack([signals()[k] for k in ("noise", "music", "silence")]).astype(np.float32))
    mel = MelSpectrogram(16_000, 1024, 400, 160, f_min=60.0, f_max=7800.0, n_mels=64)
    expected = AmplitudeToDB("power")(mel(x))
    torch.testing.assert_close(FrontEnd("mel_htk")(x)[:, 0], expected, rtol=0, atol=5e-3)  # torchaudio: float32


def test_a_clip_does_not_depend_on_its_batch_nor_on_threads():
    x = torch.from_numpy(np.stack([signals()[k] for k in ("noise", "music", "clicks")]).astype(np.float32))
    together, alone = FrontEnd()(x), torch.cat([FrontEnd()(clip[None]) for clip in x])
    assert torch.equal(together, alone)
    window, filters = np.hanning(401)[:-1], np.ones((1, 513), np.float32)
    powers = [hps.hps_mel_power(x.numpy(), window, 1024, 160, filters, n_threads=n) for n in (1, 3)]
    assert np.array_equal(*powers)


class Clips(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return FrontEnd()(torch.randn(1, 16_000, generator=torch.Generator().manual_seed(i)))[0]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_compute_what_the_main_process_does_also_when_forked_after_use(start):
    clips = Clips()
    expected = torch.stack([clips[i] for i in range(4)])  # threads and kernels are in use before the fork
    loader = torch.utils.data.DataLoader(clips, batch_size=4, num_workers=2, multiprocessing_context=start)
    assert torch.equal(next(iter(loader)), expected)


def test_clips_of_different_lengths_do_not_leave_traces_in_each_other():
    long, short = torch.randn(1, N), torch.randn(1, 20_000)
    first = FrontEnd()(short)
    FrontEnd()(long)
    assert torch.equal(FrontEnd()(short), first)


def test_a_tone_is_harmonic_and_a_click_is_percussive():
    x = torch.from_numpy(np.stack([signals()["tone"], signals()["one click"]]).astype(np.float32))
    window, filters = np.hanning(401)[:-1], np.ones((1, 513), np.float32)
    energy = hps.hps_mel_power(x.numpy(), window, 1024, 160, filters).sum((2, 3))  # (B, 2)
    assert energy[0, 0] > 100 * energy[0, 1]
    assert energy[1, 1] > 100 * energy[1, 0]


@pytest.mark.parametrize("n", [1, 2, 15, 16, 31, 50])
def test_medians_are_scipys_bit_for_bit_also_where_the_edge_is_folded_twice(n):
    x = np.random.default_rng(n).standard_normal((n, 2 * TILE)).astype(np.float32)
    x[x > 1] = 1  # ties
    expected = sorted_medians(x)
    if n >= KERNEL:
        assert np.array_equal(median_filter(x, size=(KERNEL, 1), mode="reflect"), expected)
    assert np.array_equal(median_torch(torch.from_numpy(x.T.copy())).numpy().T, expected)
    rows = TILE * -(-n // TILE)
    out = np.empty((rows, x.shape[1]), np.float32)
    median_rows(np.ascontiguousarray(x[mirrored(n, 15, rows - n + 15)]), out)
    assert np.array_equal(out[:n], expected)


def test_the_network_finds_medians_of_plain_numbers():
    x = np.random.default_rng(0).permutation(46).tolist()
    assert median_network(x, min, max) == [sorted(x[i : i + 31])[15] for i in range(16)]


def test_tiles_are_transposed_and_not_just_copied():
    x = np.random.default_rng(0).standard_normal((40, 48)).astype(np.float32)
    out = np.empty((48, 32), np.float32)
    transpose(x, 5, out)
    assert np.array_equal(out, x[5:37].T)


def test_masking_silences_the_other_channel_at_0_db():
    features = torch.randn(3, 2, 64, 20) - 40
    assert mask_channels(features, "both") is features
    for mode, kept in (("harmonic", 0), ("percussive", 1)):
        masked = mask_channels(features, mode)
        assert torch.equal(masked[:, kept], features[:, kept])
        assert (masked[:, 1 - kept] == 0).all()
        assert torch.equal(masked[:, 1 - kept], FrontEnd()(torch.zeros(3, 3040))[:, 0])  # a silent clip


def test_one_channel_cannot_be_masked_and_the_error_says_what_to_do():
    with pytest.raises(ValueError, match="use mode 'both'"):
        mask_channels(torch.zeros(1, 1, 64, 20), "harmonic")
    with pytest.raises(ValueError, match="expected one of both, harmonic, percussive"):
        mask_channels(torch.zeros(1, 2, 64, 20), "drums")
    assert MODES == ("both", "harmonic", "percussive")


@pytest.mark.parametrize(
    ("waveforms", "message"),
    [
        (torch.zeros(80), "must be \\(B, N\\)"),
        (torch.zeros(1, 0), "must be \\(B, N\\)"),
        (torch.full((1, 800), torch.nan), "NaN or infinite"),
        (torch.full((1, 800), torch.inf), "NaN or infinite"),
        (torch.ones(1, 800, dtype=torch.int16), "floating point"),
    ],
)
def test_bad_waveforms_are_refused_in_one_line(waveforms, message):
    with pytest.raises(ValueError, match=message) as error:
        FrontEnd()(waveforms)
    assert "\n" not in str(error.value)


def test_unknown_front_ends_are_refused():
    with pytest.raises(ValueError, match="choose one of hps, hps_reflect, mel, mel_htk"):
        FrontEnd("chroma")
    with pytest.raises(ValueError, match="more than 512"):
        FrontEnd("mel_htk")(torch.zeros(1, 512))
