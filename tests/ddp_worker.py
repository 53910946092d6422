"""One of two CPU processes that share a batch; `test_distributed.py` starts it, and Lightning starts the other.

Step 1 runs with batch normalisation frozen, step 2 as in training; the learning rate moves nothing in between.
"""

import sys

import torch
from lightning.pytorch.callbacks import Callback
from songs import SHORT, TINY

from cocola_lib import training
from cocola_lib.tracks import load_tracks


class Watch(Callback):
    """Keep the loss and the gradients of each step."""

    def __init__(self, path):
        self.path, self.steps = path, []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        module.model.train(trainer.global_step > 0)

    def on_before_optimizer_step(self, trainer, module, optimizer):
        gradients = {name: p.grad.clone() for name, p in module.model.named_parameters() if p.grad is not None}
        self.steps.append({"loss": trainer.callback_metrics["loss"].clone(), "gradients": gradients})

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.steps[-1]["loss"] = trainer.callback_metrics["loss"].clone()

    def on_train_end(self, trainer, module):
        torch.save(self.steps, f"{self.path}.{trainer.global_rank}")


def run(tracks, folder, settings, name):
    """Train and leave `<folder>/<name>.<rank>`."""
    make = training.make_trainer

    def watched(*args, **kwargs):
        trainer = make(*args, **kwargs, accelerator="cpu")
        trainer.callbacks.insert(0, Watch(folder / name))
        return trainer

    training.make_trainer = watched
    try:
        training.train(TINY_STEADY, settings, tracks, folder / f"run-{name}", progress=False)
    finally:
        training.make_trainer = make


def steady(recipe):
    """Without dropout, which every process draws for itself."""
    from dataclasses import replace

    return replace(recipe, config=replace(recipe.config, dropout=0.0))


def settings_for(devices, masking):
    """Two steps that move nothing."""
    from dataclasses import replace

    return replace(SHORT, n_steps=2, learning_rate=1e-12, devices=devices, masking=masking)


TINY_STEADY = steady(TINY)

if __name__ == "__main__":
    from pathlib import Path

    songs, out, mode = sys.argv[1:]
    run(load_tracks(songs), Path(out), settings_for(2, mode), mode)
