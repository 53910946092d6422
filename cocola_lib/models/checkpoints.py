"""Models on disk: a folder with `model.safetensors` (weights) and `config.json` (everything else).

Two kinds have no weights of their own: the control, and a learnt model with measured features beside it.
"""

import dataclasses
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cocola_lib.encoder import MOST, Cocola, ModelConfig
from cocola_lib.files import check_writable, whole, whole_folder, write_json
from cocola_lib.models.control import ChromaOnsets
from cocola_lib.models.formats import CONFIG, FORMAT, VERSION, WEIGHTS, checkpoint_hash, fit, in_package, locate
from cocola_lib.models.fused import Fused
from cocola_lib.models.official import load_official
from cocola_lib.models.phalar import Phalar, PhalarConfig

RANGES = {  # what a model's settings that are measures may be
    "embedding_dim": (1, MOST),
    "time_steps": (2, MOST),
    "dropout": (0, 1),
    "input_offset_db": (-1000, 1000),
    "input_scale_db": (1e-3, 1000),
    "norm_eps": (1e-12, 1),
    "norm_momentum": (0, 1),
}


def save(folder, model, training=None, calibration=None, provenance=None):
    """Write a checkpoint folder in one move: a crash leaves the old one or none, never half of one.

    Args:
        folder: path to write; an older checkpoint there is replaced.
        model: Cocola or Phalar.
        training, calibration: dicts for JSON, or None.
        provenance: dict for JSON: where the weights come from.
    Returns:
        The folder, a Path.
    Raises:
        ValueError: when the path holds something that is no checkpoint of ours.
        OSError: a full disk, for one.
    """
    folder = Path(folder)
    if not isinstance(model, Cocola | Phalar):
        raise ValueError(f"{folder}: {type(model).__name__} has no weights of its own to write; use it by its name")
    if folder.exists() and not _is_replaceable(folder):
        raise ValueError(f"{folder}: exists and is no cocola_lib checkpoint; choose another path")
    config = {
        "format": FORMAT,
        "version": VERSION,
        "model": dataclasses.asdict(model.config),
        "training": training,
        "calibration": calibration,
        "provenance": provenance or {},
    }
    check_writable(folder)
    try:
        with whole_folder(folder) as temporary:
            state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
            with whole(temporary / WEIGHTS) as file:
                save_file(state, file)
            write_json(temporary / CONFIG, config)
    except (SafetensorError, OSError) as error:
        raise OSError(f"{folder}: cannot be written ({error}); what was there before is whole, make room") from None
    return folder


def load(path):
    """Read a model, whichever format it is in.

    Args:
        path: a folder written by `save`, the name of a model in the package (see `locate`), or a released Lightning
            .ckpt of COCOLA or PHALAR (tensors only; nothing in it runs).
    Returns:
        (model, config): Cocola in eval mode on the CPU (`ChromaOnsets` for the control, `Fused` where features are
        measured beside what is learnt, `Phalar`), and the checkpoint's config dict.
    Raises:
        FileNotFoundError, ValueError: one line: which file, what was found, what to do.
    """
    try:
        path = locate(path)
        exists = path.exists()
    except OSError as error:  # a folder above may not be entered
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    if not exists:
        names = ", ".join(in_package())
        raise FileNotFoundError(
            f"{path}: no such checkpoint; give a folder with {CONFIG}, a released .ckpt file, or one of {names}"
        )
    if path.is_file():
        return load_official(path)
    config = read_config(path)
    kind = next((key for key in OPEN if key in config["model"]), "backbone")
    return OPEN[kind](path, config["model"]), config


def _control(path, settings):
    """The control, which has two constants and no weights."""
    spread = settings["spread"]
    if not isinstance(spread, dict) or set(spread) != {"harmonic", "percussive"}:
        raise ValueError(f"{path / CONFIG}: spread is {spread!r:.60}; expected numbers for harmonic and percussive")
    for mode, value in spread.items():
        _number(path, f"spread of {mode}", value, 1e-6, 1e6)
    return ChromaOnsets(spread)


def _fused(path, settings):
    """A model in another checkpoint, and measured features beside it."""
    try:
        name, expected, weights = (settings[key] for key in ("learnt", "learnt_hash", "weights"))
        found = checkpoint_hash(name)
        if found != expected:
            raise ValueError(f"made for {name} {expected}, here is {found}; install the release that it came with")
        return Fused(load(name)[0], weights)
    except KeyError as error:
        raise ValueError(f"{path / CONFIG}: {error} is missing; copy it again") from None
    except (FileNotFoundError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path / CONFIG}: {error}") from None


def _weights(path, settings):
    """A `Cocola` or a `Phalar`, its weights beside it."""
    ours = "symmetric" not in settings
    for name, limits in RANGES.items() if ours else ():
        _number(path, name, settings.get(name, limits[0]), *limits)
    try:
        model = Cocola(ModelConfig.from_dict(settings)) if ours else Phalar(PhalarConfig(**settings))
        state = load_file(path / WEIGHTS)
    except FileNotFoundError:  # safetensors' word for a file that it may not open, too
        if (path / WEIGHTS).exists():
            raise ValueError(f"{path / WEIGHTS}: cannot be read (permission denied)") from None
        raise FileNotFoundError(f"{path}: has no {WEIGHTS}; the checkpoint is incomplete") from None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path / WEIGHTS}: cannot be read ({error}); cut off or damaged, copy it again") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path / CONFIG}: {error}") from None
    return fit(model, state, path / WEIGHTS).eval()


def _number(path, name, value, low, high):
    """Refuse a setting that is no number between two others; NaN is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{path / CONFIG}: {name} is {value!r:.60}; expected a number from {low:g} to {high:g}")


# a setting that only this kind has -> how it opens
OPEN = {"spread": _control, "learnt": _fused, "backbone": _weights, "symmetric": _weights}


def read_config(folder):
    """The config.json of a checkpoint folder, checked to be ours."""
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"{folder}: a folder without {CONFIG} is no checkpoint; give one that `save` wrote")
    try:
        config = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON ({error})") from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT or not isinstance(config.get("model"), dict):
        raise ValueError(f"{file}: not a {FORMAT} checkpoint")
    if config.get("version") != VERSION:
        raise ValueError(f"{file}: version {config.get('version')}, this library reads {VERSION}; update one of them")
    for part in ("training", "calibration", "provenance"):
        if not isinstance(config.get(part), dict | None):
            raise ValueError(f"{file}: {part} is no object but a {type(config[part]).__name__}; copy it again")
    return config


def _no_constant(name):
    """NaN and infinity, which Python's reader takes and JSON does not have."""
    raise ValueError(f"{name} is no number")


def _is_replaceable(folder):
    return folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir()))
