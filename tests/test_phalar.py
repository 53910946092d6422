"""PHALAR and its own COCOLA, read from files in their exact names, against slow versions written from the constants."""

import librosa
import lightning_files
import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from lightning_files import INPUT_TYPES, constants
from tiny import clip
from torch import nn

from cocola_lib.__main__ import main
from cocola_lib.fast.inference import probe_clips
from cocola_lib.features import FrontEnd
from cocola_lib.masking import contrastive_step
from cocola_lib.models import checkpoints
from cocola_lib.models.cqt import ConstantQ, cqt_magnitude, kernel_lengths
from cocola_lib.models.phalar import Phalar, PhalarConfig
from cocola_lib.scoring import Scorer

CHANNELS = (8, 12, 18, 27, 40, 60)
ENUMS = constants()
HYPER = {
    "input_type": ENUMS.ModelInputType(INPUT_TYPES["mel_htk"]),
    "comparison_method": ENUMS.ModelComparisonMethod.BILINEAR_SIMILARITY,
    "spec_pool_norm": "global",
    "spec_pool_center_padding": True,
}


def published_state(seed=0, stem_bias=True):
    """Random weights under PHALAR's published names, in the published shapes; with or without the stem's bias."""
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape):
        fan = int(np.prod(shape[1:]))
        return torch.randn(shape, generator=rng) / np.sqrt(fan) if len(shape) > 1 else torch.rand(shape, generator=rng)

    state = {"encoder.backbone.input_proj.weight": draw(8, 1, 1, 1)}
    state |= {"encoder.backbone.input_proj.bias": draw(8) - 0.5} if stem_bias else {}
    for layer in range(10):
        n = CHANNELS[(layer + 1) // 2]
        for branch, hidden, kernel in (
            ("freq_conv", n, (3, 1)),
            ("time_conv", n, (1, 3)),
            ("pointwise_op", 2 * n, (1, 1)),
        ):
            name = f"encoder.backbone.layers.{layer}.{branch}"
            state |= {f"{name}.0.weight": draw(n), f"{name}.0.bias": draw(n) - 0.5}
            state |= {f"{name}.1.weight": draw(hidden, n, *kernel), f"{name}.1.bias": draw(hidden) - 0.5}
            state |= {f"{name}.3.weight": draw(n, hidden, 1, 1), f"{name}.4.weight": draw(n)}
        if layer % 2 == 0:
            state[f"encoder.backbone.layers.{layer}.compression.weight"] = draw(CHANNELS[layer // 2 + 1], n, 1, 3)
    state["encoder.pooling.0.project_in.1.weight"] = draw(80, 5760)
    state |= {"encoder.mlp.0.W.weight": draw(1024, 640), "encoder.mlp.1.weight": draw(512) + 0.5}
    state |= {"encoder.mlp.2.b": draw(512) - 0.5, "encoder.mlp.3.W.weight": draw(1024, 512)}
    return state | {"similarity.W.W.weight": 10 * draw(1024, 512)}


def slow_cqt(x):
    """One clip (N,), bin by bin in double: (96, T) magnitudes."""
    padded, rows = np.pad(x.astype(float), 16_384, mode="reflect"), []
    for k in range(96):
        f_hz = 16.35 * 2 ** (k / 12)
        length = int(np.ceil(16_000 / (2 ** (1 / 12) - 1) / f_hz))
        window = scipy.signal.get_window("hann", length)
        kernel = window / window.sum() * np.exp(2j * np.pi * f_hz * np.arange(length) / 16_000)
        heard = scipy.signal.fftconvolve(padded, kernel[::-1], mode="valid") * np.sqrt(length)
        start = 16_384 - (length + 1) // 2
        rows.append(np.abs(heard[start : start + len(x) + 1 : 160]))
    return np.stack(rows)


def slow_embed(state, x):
    """(N,) -> 512 complex numbers of length one, in double, straight from the published names."""
    s = {name: tensor.double() for name, tensor in state.items()}
    level = 20 * np.log10(np.maximum(slow_cqt(x), 1e-10))
    z = torch.from_numpy((np.maximum(level, level.max() - 80) + 80) / 80)[None, None]
    z = F.conv2d(z, s["encoder.backbone.input_proj.weight"], s.get("encoder.backbone.input_proj.bias"))
    for layer in range(10):
        for branch, padding in (("freq_conv", (1, 0)), ("time_conv", (0, 1)), ("pointwise_op", 0)):
            p = {key: s.get(f"encoder.backbone.layers.{layer}.{branch}.{key}") for key in ("0.weight", "0.bias")}
            y = F.instance_norm(z) * p["0.weight"][:, None, None] + p["0.bias"][:, None, None]
            p = {i: s[f"encoder.backbone.layers.{layer}.{branch}.{i}.weight"] for i in (1, 3, 4)}
            y = F.silu(F.conv2d(y, p[1], s[f"encoder.backbone.layers.{layer}.{branch}.1.bias"], padding=padding))
            z = z + F.conv2d(y, p[3]) * p[4][:, None, None]
        if layer % 2 == 0:
            weight = s[f"encoder.backbone.layers.{layer}.compression.weight"]
            z = F.conv2d(z, weight, stride=(1, 2), padding=(0, 1))
    steps = np.stack([z[0, :, :, t].T.numpy().ravel() for t in range(z.shape[3])])  # frequency by channel
    r = steps @ s["encoder.pooling.0.project_in.1.weight"].numpy().T  # (T, 80)
    missing = max(0, 19 - len(r))
    r = np.pad(r, ((missing // 2, missing - missing // 2), (0, 0)))
    n = np.arange(len(r))
    r = np.stack([r.T @ np.exp(-2j * np.pi * k * n / len(r)) for k in range(1, 9)], axis=1) / np.sqrt(len(r))  # (80, 8)
    h = (r / (np.abs(r).mean() + 1e-6)).ravel()
    matrix = {i: s[f"encoder.mlp.{i}.W.weight"].numpy() for i in (0, 3)}
    h = (matrix[0][:512] + 1j * matrix[0][512:]) @ h
    h = h / np.sqrt(np.mean(np.abs(h) ** 2) + 1e-6) * s["encoder.mlp.1.weight"].numpy()
    size = np.sqrt(np.abs(h) ** 2 + 1e-6)
    h = h * np.maximum(size + s["encoder.mlp.2.b"].numpy(), 0) / size
    h = (matrix[3][:512] + 1j * matrix[3][512:]) @ h
    return h / np.sqrt(np.sum(np.abs(h) ** 2) + 1e-6)


def slow_similarity(state, x, y):
    """Re((W x)^H y): W on the conditioning."""
    w = state["similarity.W.W.weight"].double().numpy()
    return float((np.conj((w[:512] + 1j * w[512:]) @ x) @ y).real)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(state, file)."""
    state = published_state()
    return state, lightning_files.write(tmp_path_factory.mktemp("phalar") / "PHALAR_best.ckpt", state, ENUMS, **HYPER)


@pytest.fixture(scope="module")
def clips():
    """Two clips of 5 s, and the slow version's embeddings of them."""
    waveforms = probe_clips(2)
    return waveforms, [slow_embed(published_state(), x) for x in waveforms.numpy()]


def test_the_constant_q_front_end_is_nnaudios_and_the_slow_versions():
    cqt = pytest.importorskip("nnAudio.features.cqt")
    waveforms = probe_clips(1)
    theirs = cqt.CQT1992v2(sr=16_000, hop_length=160, n_bins=96, fmin=16.35, verbose=False)
    ours = cqt_magnitude(waveforms)
    assert ours.shape == (1, 96, 501)
    np.testing.assert_allclose(ours, theirs(waveforms), rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours[0], slow_cqt(waveforms[0].numpy()), rtol=0, atol=1e-4)
    assert torch.equal(kernel_lengths(), theirs.lenghts.long())


def test_levels_are_absolute_and_end_80_db_below_the_clips_own_loudest_cell():
    waveforms = torch.stack([probe_clips(1)[0], 0.1 * probe_clips(1)[0]])
    waveforms[:, 40_000:] = 0
    loud, quiet = ConstantQ()(waveforms)
    assert float((loud - quiet).max()) == pytest.approx(20 / 80, abs=1e-4)
    for picture in (loud, quiet):
        assert float(picture.max() - picture.min()) == pytest.approx(1, abs=1e-6)


def test_a_published_file_gives_the_slow_versions_numbers_in_both_forms(published, clips):
    state, path = published
    waveforms, expected = clips
    model, config = checkpoints.load(path)
    h = model.embed_modes(waveforms, ("both",))[0].detach()
    np.testing.assert_allclose(h[:, :512] + 1j * h[:, 512:], np.stack(expected), rtol=0, atol=2e-4)
    there = np.array([[slow_similarity(state, x, y) for y in expected] for x in expected])
    assert np.abs(there - there.T).max() > 4e-2, "the fixture must tell the two forms apart"
    found = model.similarity(h, h).detach()
    np.testing.assert_allclose(found, (there + there.T) / 2, rtol=0, atol=5e-3)
    plain = Phalar(PhalarConfig(symmetric=False)).eval()
    plain.load_state_dict(model.state_dict())
    np.testing.assert_allclose(plain.similarity(h, h).detach(), there, rtol=0, atol=5e-3)
    assert config["provenance"]["hyper_parameters"]["comparison_method"] == "bilinear_similarity"


def test_a_file_whose_stem_has_no_bias_is_read_and_stored_as_well(tmp_path, clips):
    state = published_state(stem_bias=False)
    path = lightning_files.write(tmp_path / "PHALAR_best.ckpt", state, ENUMS, **HYPER)
    model, _ = checkpoints.load(path)
    kept, _ = checkpoints.load(checkpoints.save(tmp_path / "kept", model))
    assert sum(weights.numel() for weights in kept.parameters()) == 2_293_104
    expected = slow_embed(state, clips[0].numpy()[0])
    for found in (model, kept):
        h = found.eval().embed_modes(clips[0][:1], ("both",))[0, 0].detach().numpy()
        np.testing.assert_allclose(h[:512] + 1j * h[512:], expected, rtol=0, atol=2e-4)


def test_a_scorer_opens_the_file_and_scores_windows(published, clips):
    state, path = published
    scorer = Scorer.from_checkpoint(path, device="cpu")
    waveforms, h = clips
    a, b = waveforms.numpy()[:2]
    score = scorer.score(a, b)
    assert scorer.modes == ("both",) and score.harmonic is None
    expected = (slow_similarity(state, h[0], h[1]) + slow_similarity(state, h[1], h[0])) / 2
    assert score.both == pytest.approx(expected, abs=5e-3) == scorer.score(b, a).both
    assert scorer.matrix([a, b], [a, b])[0, 1] == pytest.approx(score.both, abs=1e-5)
    with pytest.raises(ValueError, match="single channel"):
        scorer.score(a, b, modes="harmonic")


def test_the_command_line_says_what_a_published_file_holds(published, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["models", str(published[1]), "control"])
    assert not stop.value.code
    phalar, control = capsys.readouterr().out.splitlines()[1:]
    assert phalar.startswith('PHALAR_best.ckpt,"PHALAR, both directions",both,1024,2293112,,')
    assert control.startswith('control,"chroma and onsets, nothing learnt","both, harmonic, percussive"')


def test_phalar_converts_to_our_format_and_keeps_its_scores(published, tmp_path):
    model, config = checkpoints.load(published[1])
    again, saved = checkpoints.load(checkpoints.save(tmp_path / "phalar", model, provenance=config["provenance"]))
    x = torch.from_numpy(np.stack([clip(seed=0), clip(seed=1)]))
    assert torch.equal(again(x), model(x)) and torch.equal(again.w(), model.w())
    assert saved["model"] == {"symmetric": True, "stem_bias": True} and not again.training


def test_a_front_end_kept_in_the_file_is_checked_and_left_out(published, tmp_path):
    state, _ = published
    kernels = {f"encoder.cqt_extractor.0.cqt_kernels_{part}": torch.zeros(96, 1, 8) for part in ("real", "imag")}
    kernels["encoder.cqt_extractor.0.lenghts"] = kernel_lengths().float()
    model, _ = checkpoints.load(lightning_files.write(tmp_path / "with.ckpt", state | kernels, ENUMS, **HYPER))
    assert torch.equal(model.bilinear.W.weight, state["similarity.W.W.weight"])
    kernels["encoder.cqt_extractor.0.lenghts"] /= 2
    with pytest.raises(ValueError, match="other.ckpt: its constant-Q kernels are not 12 an octave"):
        checkpoints.load(lightning_files.write(tmp_path / "other.ckpt", state | kernels, ENUMS, **HYPER))


@pytest.mark.parametrize(
    ("weights", "hyper", "message"),
    [
        ({"encoder.mlp.2.b": None}, {}, "weights of another model .1 missing, 0 unknown, as head.2.b"),
        ({"encoder.mlp.4.b": torch.ones(3)}, {}, "0 missing, 1 unknown, as head.4.b"),
        ({"encoder.mlp.2.b": torch.ones(3)}, {}, r"head.2.b has shape \(3,\), the model needs \(512,\)"),
        ({}, {"comparison_method": ENUMS.ModelComparisonMethod.PSD_BILINEAR_SIMILARITY}, "comparison_method psd"),
        ({}, {"spec_pool_norm": None}, "a variant of PHALAR with spec_pool_norm None; only global is read"),
        ({"encoder.mlp.2.b": "words"}, {}, "holds something that is no tensor"),
    ],
)
def test_a_variant_or_a_damaged_file_is_one_line(published, tmp_path, weights, hyper, message):
    state = {name: weight for name, weight in (published[0] | weights).items() if weight is not None}
    path = lightning_files.write(tmp_path / "wrong.ckpt", state, ENUMS, **HYPER | hyper)
    with pytest.raises(ValueError, match=message) as error:
        checkpoints.load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_clips_of_other_lengths_are_embedded_down_to_half_a_second(clips):
    model = Phalar().eval()
    for seconds in (0.6, 2.0, 7.0):
        assert model(torch.from_numpy(clip(seconds)[None])).norm().item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="clips of 4800 samples: the constant-Q front end needs 8231"):
        model(torch.zeros(1, 4800))


def test_phalar_takes_the_contrastive_step_and_every_weight_learns():
    torch.manual_seed(0)
    model = Phalar().train()
    for name, weight in model.named_parameters():
        if name.endswith(".4.weight"):
            nn.init.constant_(weight, 0.1)  # layer scales start at 0, and so would gradients behind them
    features = model.features(torch.from_numpy(np.stack([clip(2, seed=i) for i in range(4)])))
    loss, similarities = contrastive_step(model, features, ["both"] * 2)
    loss.backward()
    assert similarities.shape == (2, 2)
    assert not [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0]


# PHALAR's own COCOLA


class TheirCocola(nn.Module):
    """efficientnet_pytorch, pooled; linear, BatchNorm, SiLU, linear; LayerNorm, tanh; free W."""

    def __init__(self, features):
        super().__init__()
        from efficientnet_pytorch import EfficientNet

        torch.manual_seed(0)
        self.net = EfficientNet.from_name("efficientnet-b0", in_channels=2, include_top=False)
        self.mlp = nn.Sequential(nn.Linear(1280, 512), nn.BatchNorm1d(512), nn.SiLU(), nn.Linear(512, 512))
        self.layer_norm, self.w = nn.LayerNorm(512), nn.Parameter(0.05 * torch.randn(512, 512))
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
        for norm in norms:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.momentum = 1.0  # one batch's statistics are the running ones
        with torch.no_grad():
            self.train()
            self.mlp(self.net(features).flatten(1))
        self.eval().requires_grad_(False)

    def embed(self, features):
        return torch.tanh(self.layer_norm(self.mlp(self.net(features).flatten(1))))

    def state(self):
        names = {"net.": "encoder.backbone.model.", "mlp.": "encoder.mlp.", "": "similarity."}
        return {
            next(new + name.removeprefix(old) for old, new in names.items() if name.startswith(old)): tensor
            for name, tensor in self.state_dict().items()
        }


def reflected_hps(x):
    """(N,) -> (2, 64, T) dB, with librosa: a Hann window of 400 in 1,024 samples, edges mirrored."""
    spectrum = librosa.stft(x, n_fft=1024, win_length=400, hop_length=160, pad_mode="reflect")
    mel = {"sr": 16_000, "n_mels": 64, "fmin": 60.0, "fmax": 7800.0}
    parts = [librosa.feature.melspectrogram(S=np.abs(part) ** 2, **mel) for part in librosa.decompose.hpss(spectrum)]
    return np.stack([librosa.power_to_db(part, ref=np.max) for part in parts])


@pytest.mark.parametrize("path", ["numba", "torch"])
def test_the_mirrored_front_end_is_librosas_on_both_paths_and_differs_from_zeros(path):
    waveforms = torch.from_numpy(np.stack([clip(1, seed) for seed in (0, 1)]))  # loud up to both ends
    expected = np.stack([reflected_hps(x) for x in waveforms.numpy()])
    found = FrontEnd("hps_reflect", path)(waveforms)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)
    assert (found - FrontEnd("hps", path)(waveforms)).abs().max() > 1
    with pytest.raises(ValueError, match="clip of 512 samples: hps_reflect mirrors edges: more than 512"):
        FrontEnd("hps_reflect", path)(waveforms[:, :512])


def test_phalars_cocola_is_read_in_its_own_names_and_gives_the_oracles_numbers(tmp_path):
    waveforms = probe_clips(6, 2.5)
    features = FrontEnd("hps_reflect")(waveforms)
    oracle = TheirCocola(features)
    hyper = {"input_type": ENUMS.ModelInputType(INPUT_TYPES["hps"])}
    hyper["comparison_method"] = ENUMS.ModelComparisonMethod.COCOLA_SIMILARITY
    path = lightning_files.write(tmp_path / "COCOLA_best.ckpt", oracle.state(), ENUMS, **hyper)
    model, config = checkpoints.load(path)
    assert (config["model"]["features"], config["model"]["pooling"]) == ("hps_reflect", "mlp")
    for mode, silent in (("both", []), ("harmonic", [1]), ("percussive", [0])):
        theirs = features.clone()
        theirs[:, silent] = 0
        h = model.embed(features, mode).detach()
        torch.testing.assert_close(h, oracle.embed(theirs), rtol=0, atol=2e-4)
        expected = oracle.embed(theirs[:3]) @ oracle.w @ oracle.embed(theirs[3:]).T
        torch.testing.assert_close(model.similarity(h[:3], h[3:]).detach(), expected, rtol=0, atol=5e-3)
    again, _ = checkpoints.load(checkpoints.save(tmp_path / "ours", model))
    assert torch.equal(again(waveforms), model(waveforms))
    assert Scorer(path, "cpu").modes == ("both", "harmonic", "percussive")
