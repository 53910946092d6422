"""Training: Eq. 3 on batches of K windows, with Lightning (Sec. III-A and IV-B).

Notebook 02 writes the loop out by hand and then calls this; `cocola train` is the same from the command line.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from cocola_lib.data.stems import Track
from cocola_lib.encoder import Cocola
from cocola_lib.files import locked
from cocola_lib.models import calibration, checkpoints
from cocola_lib.models.provenance import provenance
from cocola_lib.scoring import Scorer
from cocola_lib.training import distributed
from cocola_lib.training.history import History, read_history
from cocola_lib.training.module import ContrastiveModule
from cocola_lib.training.progress import ShowProgress, quiet_lightning
from cocola_lib.training.recipes import Recipe
from cocola_lib.training.settings import TrainSettings
from cocola_lib.training.start import data_dependent_start
from cocola_lib.training.states import BEST, CHECKPOINT, FOLDER, LAST, WholeFiles, state_to_continue
from cocola_lib.training.training_data import TrainingData

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}  # -> Lightning's names


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves behind.

    Attributes:
        checkpoint: folder of the model with the best validation accuracy, calibrated on the validation pairs.
        last: folder of the model after the last step.
        history: see `history.History`.
    """

    checkpoint: Path
    last: Path
    history: pd.DataFrame


def train(
    recipe: Recipe,
    settings: TrainSettings,
    tracks: list[Track],
    run_dir: str | Path,
    resume: bool = False,
    progress: bool = True,
) -> TrainResult | None:
    """Train a model on the "train" tracks, watch the "valid" tracks, keep the best and the last.

    Args:
        recipe, settings: the model, its data sets and its pairs; the run.
        tracks: with their splits; those of MUSDB18-HQ are held out, as in the paper.
        run_dir: gets `checkpoint/`, `last/`, `history.csv`, and `lightning/` with the states to go on from.
        resume: go on from the last saved state, to the weights of a run that never stopped; else delete what is there.
        progress: show a bar.

    Returns:
        The result; None on ranks other than 0.

    Raises:
        ValueError: see `TrainingData`; a state of another run, or a run that is going on; a loss that is not finite.
        KeyboardInterrupt: with a message that says how to go on.
    """
    run_dir = Path(run_dir)
    check_logger(settings.logger)
    data = TrainingData(recipe, settings, tracks, run_dir)
    identity = _identity(recipe, settings, data)
    state, finished = state_to_continue(run_dir / FOLDER / f"{LAST}.ckpt", identity) if resume else (None, False)
    origin = provenance(tracks, settings.seed)
    model = untrained(recipe, settings, data.first_batch)
    if settings.world_size > 1:
        distributed.share_batch_norm(model)
    module = ContrastiveModule(model, settings, [spec.track_id for spec in data.valid_specs], identity)
    with quiet_lightning():
        trainer = make_trainer(settings, run_dir, progress)
        with _alone(run_dir) if trainer.is_global_zero else nullcontext():
            if not finished:
                _fit(trainer, module, data, run_dir, state)
            return _finish(module, data, run_dir, origin) if trainer.is_global_zero else None


def untrained(recipe: Recipe, settings: TrainSettings, batch: tuple[torch.Tensor, torch.Tensor]) -> Cocola:
    """The model that a run begins with, a function of the seed.

    Args:
        recipe, settings: of the run.
        batch: anchors and positives, (K, N) waveforms each; from the measured start they set up the model.
    """
    torch.manual_seed(settings.seed)
    config = recipe.model(settings.start)
    model = Cocola(config).to(memory_format=torch.channels_last)  # half the time per step on a CPU
    if settings.start == "measured":
        data_dependent_start(model, model.features(torch.cat(batch)))
    return model


def _identity(recipe: Recipe, settings: TrainSettings, data: TrainingData) -> dict:
    """What a saved state must agree with, see `states.state_to_continue`."""
    return {
        "recipe": recipe.name,
        "model": asdict(recipe.model(settings.start)),
        "settings": settings.decisive(),
        "data": data.fingerprint(),
        "n_steps": settings.n_steps,
    }


def _alone(run_dir: Path) -> AbstractContextManager:
    """One training at a time in a run folder."""
    return locked(run_dir / FOLDER / ".lock", f"{run_dir}: another training is going on there; give another run_dir")


def _fit(
    trainer: lightning.Trainer, module: ContrastiveModule, data: TrainingData, run_dir: Path, state: Path | None
) -> None:
    """Let Lightning train, from the beginning or from a state."""
    if trainer.is_global_zero:  # states of an earlier run are of no use to this one, halves of a killed one to nobody
        for old in (run_dir / FOLDER).glob("*.ckpt" if state is None else ".*.ckpt"):
            old.unlink()
    try:
        trainer.fit(module, data, ckpt_path=state, weights_only=True)
    except SystemExit as end:  # Lightning's answer to Ctrl-C
        if isinstance(end, SIGTERMException):
            raise
        raise KeyboardInterrupt(f"stopped at step {trainer.global_step}; resume goes on from {run_dir}") from None


def make_trainer(settings: TrainSettings, run_dir: Path, progress: bool = True, **options) -> lightning.Trainer:
    """Lightning's trainer for a run: blocks of `valid_every` steps as epochs, states written whole."""
    keep = {"dirpath": run_dir / FOLDER, "save_on_train_epoch_end": True, "enable_version_counter": False}
    callbacks = [History(run_dir / "history.csv")] + [ShowProgress()] * progress
    if settings.patience is not None:
        watch = {"monitor": "valid_accuracy", "mode": "max", "patience": settings.patience}
        callbacks.append(EarlyStopping(**watch, check_on_train_epoch_end=True, check_finite=False))
    best = ModelCheckpoint(filename=BEST, monitor="valid_accuracy", mode="max", **keep)
    callbacks += [best, ModelCheckpoint(filename=LAST, **keep)]  # in this order: the last state knows the best
    return lightning.Trainer(
        **{
            "max_steps": settings.n_steps,
            "max_epochs": -1,
            "reload_dataloaders_every_n_epochs": 1,
            "use_distributed_sampler": False,  # ours shares out each batch
            "devices": settings.devices,
            "num_nodes": settings.nodes,
            "strategy": "ddp" if settings.world_size > 1 else "auto",
            "precision": PRECISIONS[settings.precision],
            "callbacks": callbacks,
            "plugins": [WholeFiles()],
            "logger": _logger(settings.logger, run_dir),
            "log_every_n_steps": 1,
            "num_sanity_val_steps": 0,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }
        | options
    )


def check_logger(name: str | None) -> None:
    """Refuse a logger whose package is not installed."""
    if name is not None and find_spec(name) is None:
        raise ValueError(f"logger is {name!r}, but the package {name} is not installed: pip install {name}")


def _logger(name: str | None, run_dir: Path):
    from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

    if name == "tensorboard":
        return TensorBoardLogger(run_dir, name="tensorboard", version="")
    return WandbLogger(project="cocola", name=run_dir.name, save_dir=run_dir) if name == "wandb" else False


def _finish(module: ContrastiveModule, data: TrainingData, run_dir: Path, origin: dict) -> TrainResult:
    """Export the best and the last model, and teach the best one what its scores mean."""
    history = read_history(run_dir / "history.csv")
    training = asdict(module.settings) | {
        "recipe": module.identity["recipe"],
        "datasets": sorted({track.dataset for track in data.splits["train"]}),
        "n_train_tracks": len(data.splits["train"]),
        "n_valid_pairs": len(data.valid_specs),
        "minutes": history["minutes"].iloc[-1],
    }
    folders = {BEST: run_dir / CHECKPOINT, LAST: run_dir / "last"}
    prefix = "average.module." if module.average is not None else "model."
    model = Cocola(replace(module.model.config)).eval()
    for name in (LAST, BEST):
        state = torch.load(run_dir / FOLDER / f"{name}.ckpt", map_location="cpu", weights_only=True)
        weights = {key.removeprefix(prefix): w for key, w in state["state_dict"].items() if key.startswith(prefix)}
        model.load_state_dict(weights)
        steps = {"step": state["global_step"], f"{name}_step": state["global_step"]}
        checkpoints.save(folders[name], model, training=training | steps, provenance=origin)
    groups = [spec.track_id for spec in data.valid_specs]
    if len(groups) >= calibration.MIN_PAIRS and len(set(groups)) > 1:  # random pairs need another song
        sampler = data.samplers["valid"]
        pairs = [sampler.audio(spec) for spec in data.valid_specs]
        name = "+".join(sorted({track.dataset for track in data.splits["valid"]})) + " valid"
        scale = calibration.calibrate(Scorer.from_model(model, device="cpu"), pairs, name, groups)
        calibration.store(folders[BEST], scale)
    return TrainResult(folders[BEST], folders[LAST], history)
