"""The released Lightning format, against an oracle built from `efficientnet_pytorch`; hostile pickles."""

import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import lightning_files
import numpy as np
import pytest
import torch
from lightning_files import INPUT_TYPES, constants
from torch import nn

from cocola_lib.fast.inference import probe_clips
from cocola_lib.features import FrontEnd
from cocola_lib.models import checkpoints
from cocola_lib.models.official import read_lightning

SHARED = Path(__file__).parents[2] / "shared" / "official"
TOLERANCE = 1e-4  # relative to the largest value


def assert_close(ours, theirs):
    theirs = torch.as_tensor(theirs)
    torch.testing.assert_close(torch.as_tensor(ours), theirs, rtol=0, atol=TOLERANCE * float(theirs.abs().max()))


class Oracle(nn.Module):
    """The released network: efficientnet_pytorch, linear, LayerNorm, tanh, bilinear, with calibrated random weights."""

    def __init__(self, n_channels, features):
        super().__init__()
        from efficientnet_pytorch import EfficientNet

        torch.manual_seed(0)
        self.net = EfficientNet.from_name("efficientnet-b0", in_channels=n_channels, include_top=False)
        self.projection, self.layer_norm = nn.Linear(1280, 512), nn.LayerNorm(512)
        self.w = nn.Parameter(0.05 * torch.randn(512, 512))
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.2)
            norm.momentum = 1.0  # one batch's statistics are the running ones
        with torch.no_grad():
            self.train()
            self.net(features)
        for norm in norms:
            norm.momentum = 0.01
        self.eval().requires_grad_(False)

    def pooled(self, features):
        return self.net(features).flatten(1)

    def embed(self, features):
        return torch.tanh(self.layer_norm(self.projection(self.pooled(features))))

    def state(self):
        names = {"net.": "encoder.encoder.model.0.", "projection.": "encoder.projection.", "w": "similarity.w"}
        return OrderedDict(
            (next((new + k[len(old) :] for old, new in names.items() if k.startswith(old)), k), v)
            for k, v in self.state_dict().items()
        )


@pytest.fixture(scope="module")
def enums():
    return constants()


@pytest.fixture(scope="module")
def write(enums):
    def write(path, state, input_type=INPUT_TYPES["hps"], **hyper):
        parameters = {"input_type": enums.ModelInputType(input_type), "embedding_mode": enums.EmbeddingMode.RANDOM}
        return lightning_files.write(path, state, enums, **parameters | hyper)

    return write


@pytest.fixture(scope="module", params=INPUT_TYPES)
def released(request, write, tmp_path_factory):
    """(kind, oracle, file, waveforms (8, N))."""
    waveforms = probe_clips(8, 2.5)
    features = FrontEnd(request.param)(waveforms)
    oracle = Oracle(features.shape[1], features)
    path = tmp_path_factory.mktemp("released") / "model.ckpt"
    return request.param, oracle, write(path, oracle.state(), INPUT_TYPES[request.param]), waveforms


# Compatibility


def test_released_checkpoint_gives_the_oracles_numbers_from_the_waveforms_on(released):
    kind, oracle, path, waveforms = released
    model, config = checkpoints.load(path)
    assert config["model"]["features"] == kind
    features = model.features(waveforms)
    assert_close(model.pooled(features).detach(), oracle.pooled(features))
    for mode in ("both", "harmonic", "percussive") if kind == "hps" else ("both",):
        theirs = features.clone()
        if mode != "both":
            theirs[:, 1 if mode == "harmonic" else 0] = 0
        h = model.embed(features, mode).detach()
        assert_close(h, oracle.embed(theirs))
        expected = oracle.embed(theirs[:4]) @ oracle.w @ oracle.embed(theirs[4:]).T  # row: first member
        assert_close(model.similarity(h[:4], h[4:]).detach(), expected)


def test_padding_and_batchnorm_matter_so_that_the_comparison_means_something(released):
    _, oracle, path, waveforms = released
    model, _ = checkpoints.load(path)
    features = model.features(waveforms)
    expected = oracle.pooled(features)
    for change in ({"padding": "symmetric"}, {"norm_eps": 1e-2}):
        settings = model.config.to_dict() | change
        other = type(model)(type(model.config)(**settings)).eval()
        other.load_state_dict(model.state_dict())
        assert (other.pooled(features) - expected).abs().max() > 10 * TOLERANCE * expected.abs().max()


def test_a_released_checkpoint_converts_to_ours_and_keeps_its_scores(released, tmp_path):
    _, _, path, waveforms = released
    model, config = checkpoints.load(path)
    folder = checkpoints.save(tmp_path / "ours", model, provenance=config["provenance"])
    again, saved = checkpoints.load(folder)
    assert torch.equal(again(waveforms), model(waveforms))
    assert saved["model"] == config["model"]
    assert saved["provenance"]["hyper_parameters"]["input_type"] in INPUT_TYPES.values()


def test_an_enum_that_another_python_pickled_by_name_is_read_alike(released, write, enums, tmp_path, monkeypatch):
    kind, oracle, _, _ = released
    by_name = lambda member, _: (getattr, (type(member), member.name))  # noqa: E731, Python 3.11.0 to 3.11.3
    monkeypatch.setattr(enums.ModelInputType, "__reduce_ex__", by_name)
    path = write(tmp_path / "named.ckpt", oracle.state(), INPUT_TYPES[kind])
    _, config = checkpoints.load(path)
    assert config["provenance"]["hyper_parameters"]["input_type"] == INPUT_TYPES[kind]


def test_reading_does_not_import_or_invent_the_missing_module(released):
    checkpoints.load(released[2])
    assert not any(name.startswith("contrastive_model") for name in sys.modules)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference files are not part of the project")
@pytest.mark.parametrize("name", ["hps", "mel"])
def test_reference_files_are_matched_from_the_waveforms_on(name):
    model, _ = checkpoints.load(SHARED / f"official_{name}.ckpt")
    reference = np.load(SHARED / f"official_{name}.npz")
    with torch.inference_mode():
        x, y = (model.features(torch.from_numpy(reference[k][:, 0])) for k in "xy")
        np.testing.assert_allclose(x, reference["features_x"], rtol=0, atol=1e-3)
        np.testing.assert_allclose(y, reference["features_y"], rtol=0, atol=1e-3)
        assert_close(model.pooled(torch.cat([x, y])), reference["pooled"])
        assert_close(model.embed(torch.cat([x, y])), reference["embeddings"])
        modes = [m for m in ("both", "harmonic", "percussive") if f"similarity_{m}" in reference]
        assert len(modes) == (3 if name == "hps" else 1)
        for mode in modes:
            similarity = model.similarity(model.embed(x, mode), model.embed(y, mode))
            assert_close(similarity, reference[f"similarity_{mode}"])
        assert_close(model.similarity(model.embed(x), model.embed(y)).diag(), reference["score_both"])


# Hostile pickles


class Runs:
    """Pickles to a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class RunsByState:
    """Pickles to a call, and then to items and a state set on what it returned."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,), {"state": 1}, iter([1, 2]), iter([("a", 1)])


def attacks(canary):
    command = f"touch {canary}"
    return {
        "system": Runs(os.system, command),
        "eval": Runs(eval, f"__import__('os').system('{command}')"),
        "nested": {"deep": [{"deeper": (Runs(os.system, command),)}]},
        "argument of a call": Runs(print, Runs(os.system, command)),
        "state": RunsByState(command),
        "partial": Runs(__import__("functools").partial, os.system, command),
        "attribute": Runs(getattr, Runs(__import__, "os"), "system"),
    }


@pytest.mark.parametrize("name", attacks(""))
def test_a_hostile_hyper_parameter_runs_nothing_and_is_carried_along_or_refused(name, released, write, tmp_path):
    kind, oracle, _, waveforms = released
    canary = tmp_path / "canary"
    path = write(tmp_path / "hostile.ckpt", oracle.state(), INPUT_TYPES[kind], extra=attacks(canary)[name])
    try:
        features = (model := checkpoints.load(path)[0]).features(waveforms[:1])
        assert_close(model.pooled(features).detach(), oracle.pooled(features))
    except ValueError as error:
        assert "damaged" in str(error) and "\n" not in str(error)
    assert not canary.exists()


@pytest.mark.parametrize("name", attacks(""))
def test_a_hostile_weight_runs_nothing_and_is_refused(name, released, write, tmp_path):
    kind, oracle, _, _ = released
    canary = tmp_path / "canary"
    state = oracle.state() | {"layer_norm.bias": attacks(canary)[name]}
    path = write(tmp_path / "hostile.ckpt", state, INPUT_TYPES[kind])
    with pytest.raises(ValueError, match="no tensor .'layer_norm.bias'.; refused|damaged") as error:
        checkpoints.load(path)
    assert "\n" not in str(error.value)
    assert not canary.exists()


def test_the_same_pickle_does_run_where_nobody_guards(tmp_path):
    canary = tmp_path / "canary"
    torch.save({"state_dict": {}, "hyper_parameters": attacks(canary)["system"]}, tmp_path / "hostile.ckpt")
    torch.load(tmp_path / "hostile.ckpt", weights_only=False)
    assert canary.exists()


def write_program(path, program):
    """A checkpoint whose pickle is written by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("data.pkl", program), ("version", "3\n"), ("byteorder", "little")):
            archive.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("wanted", ["builtins.eval", "os.system", "torch.load", "torch._utils._import_dotted_name"])
def test_no_name_but_a_tensors_is_ever_looked_up(wanted, tmp_path):
    module, name = wanted.rsplit(".", 1)
    program = b"\x80\x02}(X\x0a\x00\x00\x00state_dictc" + f"{module}\n{name}\n".encode() + b"u."
    write_program(tmp_path / "x.ckpt", program)
    assert pickle.loads(program)["state_dict"]  # a valid program: unguarded, the name is found
    with pytest.raises(ValueError, match="no state_dict|x.ckpt: refused"):
        read_lightning(tmp_path / "x.ckpt")


def test_a_pickle_cannot_alter_the_reader_for_the_next_file(released, tmp_path):
    path = tmp_path / "x.ckpt"  # BUILD on torch's tensor builder: sets attributes of what the reader put there
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x05\x00\x00\x00value K\x01sb."
    write_program(path, program)
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.load(path)
    checkpoints.load(released[2])


# Wrong files


def refused(path, message):
    with pytest.raises(ValueError, match=message) as error:
        checkpoints.load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_off_file_is_refused(share, released, tmp_path):
    whole = released[2].read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut.ckpt", "cut off")


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "model.ckpt").write_bytes(b"PK")
    monkeypatch.setattr(Path, "open", denied)
    refused(tmp_path / "model.ckpt", "cannot be read .Permission denied")


@pytest.mark.parametrize("contents", [b"", b"just text\n", pickle.dumps({"state_dict": {}}), bytes(1000)])
def test_a_file_of_another_kind_is_refused(contents, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(contents)
    refused(tmp_path / "model.ckpt", "neither a folder of ours nor a Lightning checkpoint")


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "model.ckpt", "no PyTorch checkpoint")


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    torch.save({"state_dict": nn.Linear(3, 3).state_dict()}, tmp_path / "linear.ckpt")
    refused(tmp_path / "linear.ckpt", "another model")
    torch.save(nn.Linear(3, 3).state_dict(), tmp_path / "bare.ckpt")
    refused(tmp_path / "bare.ckpt", "no state_dict")


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("similarity.w", torch.zeros(256, 256), r"shape \(256, 256\), the model needs \(512, 512\)"),
        ("encoder.projection.weight", torch.zeros(256, 1280), r"the model needs \(256"),
        ("layer_norm.weight", None, "1 missing"),
        ("encoder.encoder.model.0._fc.weight", torch.zeros(3), "1 unknown"),
        ("encoder.encoder.model.0._conv_stem.weight", torch.zeros(32, 3, 3, 3), "with 3 channels"),
    ],
)
def test_wrong_sizes_and_missing_weights_are_named(name, tensor, message, released, write, tmp_path):
    kind, oracle, _, _ = released
    state = oracle.state()
    state.pop(name, None)
    if tensor is not None:
        state[name] = tensor
    refused(write(tmp_path / "wrong.ckpt", state, INPUT_TYPES[kind]), message)


def test_an_input_that_we_do_not_have_is_refused_and_not_guessed(released, write, tmp_path):
    _, oracle, _, _ = released
    refused(write(tmp_path / "h.ckpt", oracle.state(), "single_channel_harmonic"), "input single_channel_harmonic")


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(released, tmp_path):
    source = released[2]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "short.ckpt", "w") as new:
        for item in old.infolist():
            data = old.read(item)
            new.writestr(item.filename, data[:-4] if item.filename.endswith("/data/0") else data)
    refused(tmp_path / "short.ckpt", "damaged.*record size")
