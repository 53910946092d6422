"""What a training run shows while it runs: a bar with pairs per second, and no advertisements."""

import logging
import sys
import time
import warnings
from contextlib import contextmanager

from lightning.pytorch.callbacks import Callback


class ShowProgress(Callback):
    """A bar that updates in place in a notebook and in a terminal; a line every ten steps in a file."""

    WIDTH = 24  # characters

    def __init__(self):
        self.handle, self.printed = None, 0

    def on_train_start(self, trainer, module):
        from IPython import get_ipython
        from IPython.display import display

        self.started, self.first_step = time.monotonic(), trainer.global_step
        if get_ipython() is not None and trainer.is_global_zero:
            self.handle = display({"text/plain": "training"}, raw=True, display_id=True)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self._show(trainer, module)

    def on_validation_end(self, trainer, module):
        self._show(trainer, module)

    def on_train_end(self, trainer, module):
        if trainer.is_global_zero and self.handle is None and sys.stdout.isatty():
            print()

    def _show(self, trainer, module):
        if not trainer.is_global_zero:
            return
        step, metrics = trainer.global_step, trainer.callback_metrics
        rate = (step - self.first_step) * module.settings.k / (time.monotonic() - self.started)
        done = round(self.WIDTH * step / trainer.max_steps)
        line = f"{'█' * done}{'░' * (self.WIDTH - done)} step {step}/{trainer.max_steps}  "
        line += f"loss {metrics['loss']:.2f}  {rate:.0f} pairs/s"
        if "valid_accuracy" in metrics:
            line += f"  validation accuracy {metrics['valid_accuracy']:.2f} (K = {metrics['valid_k']:.0f})"
        if self.handle is not None:
            self.handle.update({"text/plain": line}, raw=True)
        elif sys.stdout.isatty():
            print(f"\r{line}", end="", flush=True)
        elif step % 10 == 0 and step != self.printed:
            print(line, flush=True)
            self.printed = step


@contextmanager
def quiet_lightning():
    """Keep Lightning's advertisements out of notebooks; warnings that concern the music stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*(num_workers|Checkpoint directory|LeafSpec|pkg_resources).*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
