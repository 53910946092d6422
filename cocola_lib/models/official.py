"""The released checkpoints: Lightning files of other code bases, from which only tensors are taken.

A pickle is a program. `torch.load(weights_only=True)` runs only what tensors need, and every other name in the file
(Enum members of a missing module, or something hostile) is replaced by an inert stand-in that is never looked up.
"""

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models.formats import FORMAT, VERSION, checkpoint_hash, fit
from cocola_lib.models.phalar import PHALAR_STEM, load_phalar
from cocola_lib.models.pickles import check_checkpoint

INPUT_TYPES = {"double_channel_harmonic_percussive": "hps", "single_channel_mel_spectrogram": "mel_htk"}
GETATTR = ("builtins.getattr", "__builtin__.getattr")
STEM = "_conv_stem.weight"  # an EfficientNet's first weight: what stands before it begins all its names


@dataclass(frozen=True)
class Released:
    """A published form of COCOLA.

    Attributes:
        heads: the names of its modules above the backbone -> ours; the first one ends the projection.
        features: channels of its input -> our front end.
        pooling: our head.
    """

    heads: dict[str, str]
    features: dict[int, str]
    pooling: str


RELEASED = (
    Released(  # by the paper's authors
        {"encoder.projection": "head.projection", "layer_norm": "head.norm"},
        {2: "hps", 1: "mel_htk"},
        "average",
    ),
    Released(  # by PHALAR's, who trained it again
        {
            "encoder.mlp.3": "head.projection.3",
            "encoder.mlp.1": "head.projection.1",
            "encoder.mlp.0": "head.projection.0",
            "similarity.layer_norm": "head.norm",
        },
        {2: "hps_reflect"},
        "mlp",
    ),
)


def load_official(path):
    """Read a released Lightning checkpoint: of COCOLA, by the paper's authors or PHALAR's, or of PHALAR.

    Args:
        path: the .ckpt file.
    Returns:
        (model, config) as `checkpoints.load` gives them, the kind of model told from the file.
    Raises:
        ValueError: one line: the file is no such checkpoint, is cut off, or holds another model.
    """
    path = Path(path)
    contents = read_lightning(path)
    state, hyper = contents["state_dict"], contents.get("hyper_parameters")
    hyper = {str(k): _plain(v) for k, v in hyper.items()} if isinstance(hyper, dict) else {}
    model = load_phalar(path, state, hyper) if PHALAR_STEM in state else _load_cocola(path, state, hyper)
    provenance = {
        "source": path.name,
        "source_hash": checkpoint_hash(path),
        "lightning": _plain(contents.get("pytorch-lightning_version")),
        "hyper_parameters": hyper,
    }
    whole = {"format": FORMAT, "version": VERSION, "model": model.config.to_dict()}
    return model.eval(), whole | {"training": None, "calibration": None, "provenance": provenance}


def _load_cocola(path, state, hyper):
    """One of `RELEASED`, with these weights."""
    stem = next((name for name in state if name.endswith(STEM) and state[name].ndim == 4), None)
    kinds = (kind for kind in RELEASED if getattr(state.get(f"{next(iter(kind.heads))}.weight"), "ndim", 0) == 2)
    if stem is None or (released := next(kinds, None)) is None:
        raise ValueError(f"{path}: a checkpoint of another model (no COCOLA encoder among its {len(state)} tensors)")
    config = ModelConfig(
        features=_front_end(path, released, state[stem].shape[1], hyper.get("input_type")),
        pooling=released.pooling,
        embedding_dim=len(state[f"{next(iter(released.heads))}.weight"]),
        input_offset_db=0.0,
        input_scale_db=1.0,
        padding="static224",
        norm_eps=1e-3,
        norm_momentum=0.01,
        initial_w="normal",
    )
    model = Cocola(config)
    names = our_names(model, stem.removesuffix(STEM), released)
    unknown = {name: name for name in state if name not in names}  # left as they are, for the error message
    return fit(model, {(names | unknown)[name]: tensor for name, tensor in state.items()}, path)


def our_names(model, backbone, released):
    """Released name -> our name, for every weight of the model; `backbone` begins the names of the encoder's."""
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
    theirs_of = {f"backbone.{ours}": backbone + theirs for theirs, ours in modules.items()}
    theirs_of |= {ours: theirs for theirs, ours in released.heads.items()}
    names = {"similarity.w": "head.weight"}
    for name in model.state_dict():
        module, _, kind = name.rpartition(".")
        if module in theirs_of:
            names[f"{theirs_of[module]}.{kind}"] = name
    return names


def read_lightning(path):
    """The contents of a Lightning file as dicts, lists, numbers and strings; `state_dict` as tensors.

    Raises:
        ValueError: when the file is no Lightning checkpoint, or is cut off, or its state_dict holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            whole = zipfile.is_zipfile(file)
        if not whole:
            raise ValueError("neither a folder of ours nor a Lightning checkpoint, or cut off: copy it again")
        check_checkpoint(path)
        unknown = get_unsafe_globals_in_checkpoint(path)
        with safe_globals([(_member if name in GETATTR else _Inert, name) for name in unknown]):
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except pickle.UnpicklingError:  # torch's own message says how to run the file all the same
        raise ValueError(f"{path}: refused, or damaged: its pickle asks for more than tensors need") from None
    except Exception as error:  # a pickle can fail in any way at all
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path}: damaged, or no PyTorch checkpoint ({type(error).__name__}: {reason})") from None
    state = contents.get("state_dict") if isinstance(contents, dict) else None
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path}: no state_dict; give a Lightning checkpoint or a folder of ours")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor)):
            raise ValueError(f"{path}: state_dict holds something that is no tensor ({str(name)[:60]!r}); refused")
        plain = value.layout is torch.strided and value.device.type == "cpu"
        if not plain or value.nbytes > value.untyped_storage().nbytes():
            raise ValueError(f"{path}: {name[:60]!r} has more values than the file holds; refused")
    return contents


class _Inert:
    """Stands for a name that torch does not know: keeps what it is called with, and does nothing."""

    arguments = ()  # of one that is made without a call

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        """Ignore it."""


def _member(_, name):
    """An Enum member as Python 3.11.0 to 3.11.3 pickles it: by its name, which is its value in capitals."""
    return _Inert(str(name).lower())


def _front_end(path, released, n_channels, stated):
    """Our front end for that many channels, unless the file states another."""
    found = released.features.get(n_channels)
    if found is None or (stated is not None and INPUT_TYPES.get(stated) != found.removesuffix("_reflect")):
        raise ValueError(
            f"{path}: input {stated or 'unknown'} with {n_channels} channels; ours are {', '.join(INPUT_TYPES)}"
        )
    return found


def _plain(value):
    """What JSON can hold: numbers and strings; an Enum member becomes its value."""
    if isinstance(value, _Inert):
        value = value.arguments[0] if value.arguments else None
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(type(value).__name__)
