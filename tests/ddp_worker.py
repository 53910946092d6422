"""One of two CPU processes that share a batch; `test_distributed.py` starts it, and Lightning starts the other."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback
from songs import SHORT, SMALL, TINY

from cocola_lib.data.tracks import load_tracks
from cocola_lib.training import run as training

STEADY = replace(TINY, config=replace(SMALL, dropout=0.0))  # every process draws dropout for itself


class Watch(Callback):
    """Keep the loss and the gradients of each step, and the running averages at the end."""

    def __init__(self, path):
        self.path, self.steps = path, []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        gradients = {name: p.grad.clone() for name, p in module.model.named_parameters() if p.grad is not None}
        self.steps.append({"gradients": gradients})

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.steps[-1]["loss"] = trainer.callback_metrics["loss"].clone()

    def on_train_end(self, trainer, module):
        averages = {name: b.clone() for name, b in module.model.named_buffers() if "running" in name}
        torch.save({"steps": self.steps, "averages": averages}, f"{self.path}.{trainer.global_rank}")


def run(songs, folder, devices):
    """Two steps that move nothing; leave `<folder>/<devices>.<rank>` and the run."""
    settings = replace(SHORT, n_steps=2, learning_rate=1e-12, devices=devices)
    make = training.make_trainer

    def watched(*args, **kwargs):
        trainer = make(*args, **kwargs, accelerator="cpu")
        trainer.callbacks.insert(0, Watch(folder / str(devices)))
        return trainer

    training.make_trainer = watched
    try:
        training.train(STEADY, settings, load_tracks(songs), folder / f"run{devices}", progress=False)
    finally:
        training.make_trainer = make


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), 2)
