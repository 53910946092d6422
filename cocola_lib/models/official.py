"""The released checkpoints: Lightning files of another code base, from which only tensors are taken.

A pickle is a program. This reader runs it with every outside name replaced by an inert stand-in, so that whatever the
file holds beside tensors (Enum members of a missing module, or something hostile) is carried along and never called.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models.formats import FORMAT, VERSION, checkpoint_hash, fit

BACKBONE = "encoder.encoder.model.0."  # the released names of the encoder's weights start so
INPUT_TYPES = {"double_channel_harmonic_percussive": "hps", "single_channel_mel_spectrogram": "mel_htk"}
DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def load_official(path):
    """Read a released Lightning checkpoint.

    Args:
        path: the .ckpt file.
    Returns:
        (model, config) as `checkpoints.load` gives them, the front end told from the file.
    Raises:
        ValueError: one line: the file is no such checkpoint, is cut off, or holds another model.
    """
    path = Path(path)
    contents = read_lightning(path)
    state, hyper = contents["state_dict"], contents.get("hyper_parameters")
    hyper = hyper if isinstance(hyper, dict) else {}
    stem, projection = state.get(f"{BACKBONE}_conv_stem.weight"), state.get("encoder.projection.weight")
    if stem is None or projection is None or stem.ndim != 4 or projection.ndim != 2:
        raise ValueError(f"{path}: a checkpoint of another model (no COCOLA encoder among its {len(state)} tensors)")
    config = ModelConfig(
        features=_front_end(path, stem.shape[1], hyper.get("input_type")),
        embedding_dim=projection.shape[0],
        input_offset_db=0.0,
        input_scale_db=1.0,
        padding="static224",
        norm_eps=1e-3,
        norm_momentum=0.01,
        initial_w="normal",
    )
    model = Cocola(config)
    names = timm_names(model)
    unknown = {name: name for name in state if name not in names}  # left as they are, for the error message
    fit(model, {(names | unknown)[name]: tensor for name, tensor in state.items()}, path)
    provenance = {
        "source": path.name,
        "source_hash": checkpoint_hash(path),
        "lightning": _plain(contents.get("pytorch-lightning_version")),
        "hyper_parameters": {str(k): _plain(v) for k, v in hyper.items()},
    }
    whole = {"format": FORMAT, "version": VERSION, "model": config.to_dict()}
    return model.eval(), whole | {"training": None, "calibration": None, "provenance": provenance}


def timm_names(model):
    """Released name -> our name, for every weight of the model."""
    modules = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    n = 0
    for s, stage in enumerate(model.backbone.blocks):
        for b, block in enumerate(stage):
            expands = hasattr(block, "conv_pwl")
            parts = {"_depthwise_conv": "conv_dw", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
            if expands:
                parts |= {"_expand_conv": "conv_pw", "_bn0": "bn1", "_bn1": "bn2"}
                parts |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
            else:  # the first block has nothing to expand
                parts |= {"_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
            modules |= {f"_blocks.{n}.{theirs}": f"blocks.{s}.{b}.{ours}" for theirs, ours in parts.items()}
            n += 1
    pairs = [(BACKBONE + theirs, "backbone." + ours) for theirs, ours in modules.items()]
    pairs += [("encoder.projection", "head.projection"), ("layer_norm", "head.norm")]
    ours_to_theirs = {ours: theirs for theirs, ours in pairs}
    names = {"similarity.w": "head.weight"}
    for name in model.state_dict():
        module, _, kind = name.rpartition(".")
        if module in ours_to_theirs:
            names[f"{ours_to_theirs[module]}.{kind}"] = name
    return names


def read_lightning(path):
    """The contents of a Lightning file as dicts, lists, numbers and strings; `state_dict` as tensors.

    Raises:
        ValueError: when the file is no Lightning checkpoint, or is cut off, or its state_dict holds more than tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise ValueError(f"{path}: a zip file, but no PyTorch checkpoint")
            contents = _Reader(io.BytesIO(archive.read(pickles[0]))).load()
            state = contents.get("state_dict") if isinstance(contents, dict) else None
            if not isinstance(state, dict) or not state:
                raise ValueError(f"{path}: no state_dict; give a Lightning checkpoint or a folder of ours")
            others = [k for k, v in state.items() if not (isinstance(k, str) and isinstance(v, _Tensor))]
            if others:
                raise ValueError(
                    f"{path}: state_dict holds something that is no tensor ({str(others[0])[:60]!r}); refused"
                )
            folder = pickles[0].split("/")[0]
            contents["state_dict"] = {name: tensor.read(archive, folder) for name, tensor in state.items()}
            return contents
    except zipfile.BadZipFile:
        raise ValueError(
            f"{path}: neither a folder of ours nor a Lightning checkpoint, or cut off: copy it again"
        ) from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise error if str(error).startswith(str(path)) else _damaged(path, error) from None
    except Exception as error:  # a pickle can fail in any way at all
        raise _damaged(path, error) from None


def _damaged(path, error):
    return ValueError(f"{path}: damaged checkpoint ({type(error).__name__}: {' '.join(str(error).split())[:80]})")


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where a tensor's numbers lie in the archive."""

    dtype: torch.dtype
    key: str
    numel: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor not yet read, so that optimiser states cost nothing."""

    storage: _Storage
    offset: int
    size: tuple
    stride: tuple

    def read(self, archive, folder):
        dtype = self.storage.dtype
        info = archive.getinfo(f"{folder}/data/{self.storage.key}")
        if info.file_size != self.storage.numel * dtype.itemsize or math.prod(self.size) > self.storage.numel:
            raise ValueError(f"tensor {self.storage.key} has {info.file_size} bytes, not its announced size")
        if f"{folder}/byteorder" in archive.namelist() and archive.read(f"{folder}/byteorder") != b"little":
            raise ValueError("big-endian tensors")
        raw = torch.from_numpy(np.frombuffer(archive.read(info), np.uint8).copy())
        return raw.view(dtype).as_strided(self.size, self.stride, self.offset).clone()


class _Rebuild:
    """Stands for torch's own tensor builders; without attributes, so that a pickle cannot alter it."""

    __slots__ = ()

    def __call__(self, storage, *rest):
        if isinstance(storage, _Tensor):  # a Parameter around a tensor
            return storage
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without storage")
        return _Tensor(storage, int(rest[0]), tuple(map(int, rest[1])), tuple(map(int, rest[2])))


class _Inert:
    """Stands for any other name: swallows every call, item and state, and does nothing."""

    def __init__(self, *arguments, **_):
        self.arguments = arguments

    def __call__(self, *arguments, **_):
        return _Inert(*arguments)

    def _ignore(self, *_):
        return None

    __setstate__ = __setitem__ = append = extend = add = _ignore


def _member(_, name):
    """An Enum member as Python 3.11.0 to 3.11.3 pickles it: by its name, which is its value in capitals."""
    return _Inert(str(name).lower())


class _Reader(pickle.Unpickler):
    def find_class(self, module, name):
        if name == "getattr" and module in ("builtins", "__builtin__"):
            return _member
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _Rebuild()
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        return type("_Inert", (_Inert,), {})  # a class: pickles also make instances by __new__

    def persistent_load(self, reference):
        kind, dtype, key, _, numel = reference
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise ValueError("an unknown kind of storage")
        return _Storage(dtype, str(key), int(numel))


def _front_end(path, n_channels, input_type):
    arguments = getattr(input_type, "arguments", (input_type,))
    stated = arguments[0] if arguments and isinstance(arguments[0], str) else None
    expected = {2: "hps", 1: "mel_htk"}.get(n_channels)
    if expected is None or (stated is not None and INPUT_TYPES.get(stated) != expected):
        raise ValueError(
            f"{path}: input {stated or 'unknown'} with {n_channels} channels; ours are {', '.join(INPUT_TYPES)}"
        )
    return expected


def _plain(value):
    """What JSON can hold: numbers and strings; an Enum member becomes its value."""
    if isinstance(value, _Inert):
        value = value.arguments[0] if value.arguments else None
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(type(value).__name__)
