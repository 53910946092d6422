"""The log of a run: one row per step and per validation, written as it goes."""

import csv
import io
import time
from pathlib import Path

import pandas as pd
from lightning.pytorch.callbacks import Callback

from cocola_lib.files import write_csv, writing

COLUMNS = ("step", "minutes", "split", "loss", "accuracy", "low", "high", "k")


class History(Callback):
    """Write `history.csv`: step, minutes, split ("train" or "valid"), loss, accuracy, low, high, k.

    Steps count from 1: the row of a step is its loss before the update. A run that goes on drops the rows that were
    written after its last saved state, for it makes them again. (Lightning's `CSVLogger` has a column for each metric
    instead of rows by split, and begins its file anew when a run goes on.)
    """

    def __init__(self, path: Path):
        self.path = path

    def on_train_start(self, trainer, module):
        rows = pd.DataFrame(columns=COLUMNS)
        if trainer.global_step and self.path.exists():
            rows = read_history(self.path).query("step <= @trainer.global_step")
        self.started = time.monotonic() - (60 * rows["minutes"].iloc[-1] if len(rows) else 0.0)
        if trainer.is_global_zero:
            write_csv(self.path, rows)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        metrics = trainer.callback_metrics
        self._add(trainer, "train", [metrics["loss"], metrics["accuracy"], "", "", module.n_candidates])

    def on_validation_end(self, trainer, module):
        names = ("loss", "accuracy", "low", "high", "k")
        self._add(trainer, "valid", [trainer.callback_metrics[f"valid_{name}"] for name in names])

    def _add(self, trainer, split, values):
        if not trainer.is_global_zero:
            return
        minutes = round((time.monotonic() - self.started) / 60, 4)
        numbers = [value if isinstance(value, str) else float(value) for value in values]
        with writing(self.path), open(self.path, "a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow([trainer.global_step, minutes, split, *numbers])


def read_history(path: str | Path) -> pd.DataFrame:
    """A run's log as a tidy frame, see `History`; a last row that a kill or a full disk cut off is left out."""
    rows = Path(path).read_text(encoding="utf-8")
    return pd.read_csv(io.StringIO(rows[: rows.rfind("\n") + 1]))
