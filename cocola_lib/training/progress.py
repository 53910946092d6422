"""What a training run shows while it runs: one bar over all its steps, and no advertisements."""

import logging
import sys
import warnings
from contextlib import contextmanager

from lightning.pytorch.callbacks import Callback
from tqdm import tqdm


class ShowProgress(Callback):
    """A bar with the loss and the last validation. (Lightning's own begins anew after each validation.)"""

    def on_train_start(self, trainer, module):
        live = sys.stdout.isatty() or "ipykernel" in sys.modules
        self.bar = tqdm(
            desc="training",
            total=trainer.max_steps,
            initial=trainer.global_step,
            unit="step",
            file=sys.stdout,
            mininterval=0.5 if live else 30,  # seconds; a log file gets a line only now and then
            disable=not trainer.is_global_zero,
        )

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self._tell(trainer.callback_metrics)
        self.bar.update()

    def on_validation_end(self, trainer, module):
        self._tell(trainer.callback_metrics)

    def on_train_end(self, trainer, module):
        self.bar.close()

    def _tell(self, metrics):
        line = f"loss {metrics['loss']:.2f}"
        if "valid_accuracy" in metrics:
            line += f", validation accuracy {metrics['valid_accuracy']:.2f} (K = {metrics['valid_k']:.0f})"
        self.bar.set_postfix_str(line, refresh=False)


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
