"""What a training run shows while it runs: one updating line, and no advertisements."""

import logging
import time
import warnings
from contextlib import contextmanager

from lightning.pytorch.callbacks import Callback


class ShowProgress(Callback):
    """One line that updates in place in a notebook; a line every ten steps in a terminal."""

    def __init__(self):
        self.handle = None

    def on_train_start(self, trainer, module):
        from IPython import get_ipython
        from IPython.display import display

        self.started = time.time()
        if get_ipython() is not None:
            self.handle = display({"text/plain": "training"}, raw=True, display_id=True)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self._show(trainer, module)

    def on_validation_end(self, trainer, module):
        self._show(trainer, module)

    def _show(self, trainer, module):
        step, metrics = trainer.global_step, trainer.callback_metrics
        rate = step * module.settings.k / (time.time() - self.started)
        line = f"step {step}/{trainer.max_steps}  loss {metrics['loss']:.2f}  {rate:.0f} pairs/s"
        if "valid_accuracy" in metrics:
            line += f"  validation accuracy {metrics['valid_accuracy']:.2f} (K = {metrics['valid_k']:.0f})"
        if self.handle is not None:
            self.handle.update({"text/plain": line}, raw=True)
        elif step % 10 == 0 or step == trainer.max_steps:
            print(line, flush=True)


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
