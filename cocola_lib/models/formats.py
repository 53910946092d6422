"""What every format of checkpoint has in common: names of files, a hash of the weights, and loading what fits."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FORMAT, VERSION = "cocola_lib", 1
IN_PACKAGE = Path(__file__).parent / "weights"  # the models that come with the library, by name


class Model(Protocol):
    """What a scorer needs of a model: embeddings of windows, and Eq. 2. `Cocola` is one, the control another."""

    modes: tuple[str, ...]
    dim: int  # D
    report: dict[str, Any]  # how it computes: device, precision

    def embed_modes(self, waveforms: Tensor, modes: tuple[str, ...]) -> Tensor:
        """(B, N) at 16 kHz -> (n_modes, B, D)."""

    def project(self, h: Tensor) -> Tensor:
        """(K, D) -> (K, D), h' W."""

    def similarity(self, h1: Tensor, h2: Tensor) -> Tensor:
        """(K1, D), (K2, D) -> (K1, K2), Eq. 2."""

    def similarity_of_pairs(self, h1: Tensor, h2: Tensor) -> Tensor:
        """(K, D), (K, D) -> (K,), its diagonal."""


def locate(path):
    """Where a model lies: the path itself, or the folder of the model in the package that is called so ("hps-all")."""
    path = Path(path)
    named = IN_PACKAGE / path.name
    return named if len(path.parts) == 1 and not path.exists() and named.is_dir() else path


def in_package():
    """The names of the models in the package."""
    return sorted(file.parent.name for file in IN_PACKAGE.glob(f"*/{CONFIG}"))


def checkpoint_hash(path):
    """A name for exactly these weights: the first 16 hex digits of the SHA-256 of the weights file."""
    path = locate(path)
    file = next((f for f in (path / WEIGHTS, path / CONFIG) if f.is_file()), path)  # the control has no weights
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such checkpoint")
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def weights_hash(model):
    """A name for the weights of a model that is in no file: 16 hex digits of a SHA-256."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


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
        if state[key].dtype.is_floating_point != tensor.dtype.is_floating_point or not state[key].isfinite().all():
            raise ValueError(
                f"{name}: {key} holds {state[key].dtype} that are no weights; a diverged training, or damaged"
            )
    model.load_state_dict(state)
    return model
