"""What a checkpoint holds, in one row: for people who were given a file and wonder."""

from pathlib import Path

from cocola_lib.models import checkpoints
from cocola_lib.models.formats import checkpoint_hash


def describe(path: str | Path) -> dict:
    """A row about a model.

    Args:
        path: as `checkpoints.load` takes it.
    Returns:
        model, kind, modes, numbers (D of an embedding), weights (how many), calibrated_on, hash.
    Raises:
        FileNotFoundError, ValueError: as `checkpoints.load`.
    """
    model, config = checkpoints.load(path)
    return {
        "model": Path(path).name,
        "kind": _kind(config["model"]),
        "modes": ", ".join(model.modes),
        "numbers": model.dim,
        "weights": sum(tensor.numel() for tensor in model.state_dict().values()),
        "calibrated_on": ", ".join(config.get("calibration") or {}),
        "hash": checkpoint_hash(path),
    }


def _kind(settings: dict) -> str:
    if "spread" in settings:
        return "chroma and onsets, nothing learnt"
    if "learnt" in settings:
        return f"{settings['learnt']}, measured onsets and chroma"
    if "symmetric" in settings:
        return f"PHALAR, {'both directions' if settings['symmetric'] else 'W on the conditioning'}"
    return f"COCOLA, {settings['backbone']}, head {settings['pooling']}, features {settings['features']}"
