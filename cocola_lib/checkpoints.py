"""Models on disk: a folder with `model.safetensors` (weights) and `config.json` (everything else)."""

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cocola_lib.encoder import Cocola, ModelConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FORMAT, VERSION = "cocola_lib", 1
IN_PACKAGE = Path(__file__).parent / "weights"  # the models that come with the library, by name


def save(folder, model, training=None, calibration=None, provenance=None):
    """Write a checkpoint folder in one move: a crash leaves the old one or none, never half of one.

    Args:
        folder: path to write; an older checkpoint there is replaced.
        model: Cocola.
        training, calibration: dicts for JSON, or None.
        provenance: dict for JSON: where the weights come from.
    Returns:
        The folder, a Path.
    Raises:
        ValueError: when the path holds something that is no checkpoint of ours.
        OSError: a full disk, for one.
    """
    folder = Path(folder)
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(state, temporary / WEIGHTS)
        (temporary / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        temporary.chmod(0o755)  # mkdtemp's 700 would shut out a shared machine's other users
        _move_into_place(temporary, folder)
    except (SafetensorError, OSError) as error:
        raise OSError(f"{folder}: cannot be written ({error}); what was there before is whole, make room") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def locate(path):
    """Where a model lies: the path itself, or the folder of the model in the package that is called so ("hps-all")."""
    path = Path(path)
    named = IN_PACKAGE / path.name
    return named if len(path.parts) == 1 and not path.exists() and named.is_dir() else path


def load(path):
    """Read a model, whichever format it is in.

    Args:
        path: a folder written by `save`, the name of a model in the package (see `locate`), or a released Lightning
            .ckpt (tensors only; nothing in it runs).
    Returns:
        (model, config): Cocola in eval mode on the CPU, and the checkpoint's config dict.
    Raises:
        FileNotFoundError, ValueError: one line: which file, what was found, what to do.
    """
    try:
        path = locate(path)
        exists = path.exists()
    except OSError as error:  # a folder above may not be entered
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    if not exists:
        raise FileNotFoundError(f"{path}: no such checkpoint; give a folder with {CONFIG}, or a released .ckpt file")
    if path.is_file():
        from cocola_lib.official import load_official

        return load_official(path)
    config = read_config(path)
    try:
        model = Cocola(ModelConfig.from_dict(config["model"]))
        state = load_file(path / WEIGHTS)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: has no {WEIGHTS}; the checkpoint is incomplete") from None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path / WEIGHTS}: cannot be read ({error}); cut off or damaged, copy it again") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path / CONFIG}: {error}") from None
    fit(model, state, path / WEIGHTS)
    return model.eval(), config


def read_config(folder):
    """The config.json of a checkpoint folder, checked to be ours."""
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"{folder}: a folder without {CONFIG} is no checkpoint; give one that `save` wrote")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not JSON ({error})") from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT or not isinstance(config.get("model"), dict):
        raise ValueError(f"{file}: not a {FORMAT} checkpoint")
    if config.get("version") != VERSION:
        raise ValueError(f"{file}: version {config.get('version')}, this library reads {VERSION}; update one of them")
    return config


def fit(model, state, name):
    """Load weights into a model, or say in one line what does not fit."""
    expected = model.state_dict()
    missing = [key for key in expected if key not in state]
    extra = [key for key in state if key not in expected]
    if missing or extra:
        example = (missing or extra)[0]
        raise ValueError(
            f"{name}: weights of another model ({len(missing)} missing, {len(extra)} unknown, as {example})"
        )
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise ValueError(
                f"{name}: {key} has shape {tuple(state[key].shape)}, the model needs {tuple(tensor.shape)}"
            )
    model.load_state_dict(state)
    return model


def checkpoint_hash(path):
    """A name for exactly these weights: the first 16 hex digits of the SHA-256 of the weights file."""
    path = locate(path)
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such checkpoint")
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _is_replaceable(folder):
    return folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir()))


def _move_into_place(temporary, folder):
    """Rename over; an older checkpoint steps aside first, because a folder cannot be replaced in one call."""
    if folder.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        os.rename(folder, aside / folder.name)
        os.rename(temporary, folder)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        os.rename(temporary, folder)
