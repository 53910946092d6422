"""Saved states of a run, written whole, and whether a run may go on from one.

`<run>/lightning/last.ckpt` is the state after the last validation, `best.ckpt` the one with the best accuracy.
"""

import io
import os
from pathlib import Path

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from cocola_lib.files import whole

FOLDER, LAST, BEST = "lightning", "last", "best"
CHECKPOINT = "checkpoint"  # the folder of the exported best model


class WholeFiles(TorchCheckpointIO):
    """Write a state beside the old one and rename it: a full disk or a kill leaves the old one whole.

    Lightning's own writer goes through the system's temporary folder, which may be another disk: then the last move
    is a copy onto the old file.
    """

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        path, state = Path(path), io.BytesIO()
        torch.save(checkpoint, state)
        try:
            with whole(path) as temporary, open(temporary, "wb") as stream:
                stream.write(state.getbuffer())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            kept = "the state before is whole, and a run resumes from it" if path.exists() else "nothing was saved yet"
            raise OSError(f"{error}; {kept}") from None


def load_state(path: Path) -> dict:
    """Read a saved state; nothing in it runs.

    Raises:
        FileNotFoundError, ValueError: one line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such state; there is no run to go on with; start afresh")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state["cocola"]["recipe"], state["global_step"]
    except Exception as error:  # torch raises many kinds
        raise ValueError(f"{path}: no state of a training run ({type(error).__name__}); start afresh") from None
    return state


def unfinished(run_dir: str | Path) -> int | None:
    """The step that a killed run has reached, None where there is none or it has finished."""
    path = Path(run_dir) / FOLDER / f"{LAST}.ckpt"
    if not path.is_file():
        return None
    state = load_state(path)
    return None if _is_finished(state) else state["global_step"]


def kept(run_dir: str | Path) -> str:
    """What a new run in this folder would delete, in words; "" where there is nothing."""
    folder = Path(run_dir)
    if not (folder / FOLDER / f"{LAST}.ckpt").is_file():
        return "a model" if (folder / CHECKPOINT).is_dir() else ""
    reached = unfinished(folder)
    return "a finished run" if reached is None else f"an unfinished run (step {reached})"


def _is_finished(state: dict) -> bool:
    return state["global_step"] >= state["cocola"]["n_steps"] or state["cocola"].get("stopped", False)


def state_to_continue(path: Path, identity: dict) -> tuple[Path, bool]:
    """Check that a saved state belongs to this run; a setting that is newer than the state is not compared.

    Args:
        path: of the state.
        identity: of this run: recipe, model, settings, data, n_steps; see `training`.

    Returns:
        The path, and whether all its steps are done, so that only the export is left.

    Raises:
        FileNotFoundError, ValueError: none there, damaged, of another recipe, settings or data, or past `n_steps`.
    """
    state = load_state(path)
    old, step = state["cocola"], state["global_step"]
    if old["recipe"] != identity["recipe"]:
        raise ValueError(
            f"{path}: is of recipe {old['recipe']}, this run is {identity['recipe']}; give another run_dir, or "
            "start afresh"
        )
    for part in ("model", "settings"):
        now = {k: v for k, v in identity[part].items() if k in old[part]}
        changed = [f"{k} {old[part][k]} -> {v}" for k, v in now.items() if old[part][k] != v]
        if changed:
            raise ValueError(f"{path}: was trained with other {part} ({', '.join(changed)}); give the same to go on")
    if old["data"] != identity["data"]:
        raise ValueError(f"{path}: was trained on other tracks; give the same data_root, or start afresh")
    finished = _is_finished(state) and identity["n_steps"] == old["n_steps"]
    if step >= identity["n_steps"] and not finished:
        raise ValueError(f"{path}: has done its {step} steps; give a larger n_steps to go on")
    return path, finished
