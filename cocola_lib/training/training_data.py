"""What a run listens to: batches shared out by rank, and frozen validation pairs from other songs."""

from pathlib import Path

import lightning
import pandas as pd
import torch
from torch.utils.data import DataLoader

from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import data_hash
from cocola_lib.files import write_csv
from cocola_lib.sampling import PairDataset, specs_to_frame
from cocola_lib.training import distributed
from cocola_lib.training.leaks import refuse_shared
from cocola_lib.training.recipes import Recipe
from cocola_lib.training.settings import TrainSettings

VALID_BATCH = 32


class TrainingData(lightning.LightningDataModule):
    """The tracks of a recipe as batches.

    Training goes in blocks of `valid_every` steps; each ends with a validation, after which the run is saved.

    Args:
        recipe: chooses the data sets and the kind of pairs.
        settings: the run.
        tracks: with their splits.
        folder: gets the list of a batch that breaks the run.

    Raises:
        ValueError: no train or valid tracks, a song in both, too few windows for K.
    """

    def __init__(self, recipe: Recipe, settings: TrainSettings, tracks: list[Track], folder: Path):
        super().__init__()
        self.settings, self.folder = settings, Path(folder)
        chosen = recipe.select(tracks)
        self.splits = {name: [track for track in chosen if track.split == name] for name in ("train", "valid")}
        for name, members in self.splits.items():
            if not members:
                raise ValueError(
                    f"no track in the {name} split ({len(chosen)} in all); training needs train and valid tracks: "
                    "folders without splits are split 80/10/10 from three tracks on"
                )
        refuse_shared(self.splits["train"], self.splits["valid"])
        self.samplers = {
            name: recipe.sampler(members, max_overlap=settings.max_overlap) for name, members in self.splits.items()
        }
        self.first_batch = self.train_set()[0]  # K that the tracks cannot fill is refused here
        self.valid_specs = self.samplers["valid"].batch(settings.n_valid_pairs, settings.seed, 0, at_most=True)
        if len(self.valid_specs) < 2:
            raise ValueError("the valid split holds one pair of windows; two are needed to measure anything")
        self._valid_batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    def train_set(self, rank: int = 0, world_size: int = 1) -> PairDataset:
        """The batches of a rank; item `step` is its share of the batch of that step."""
        s = self.settings
        return PairDataset(self.samplers["train"], s.k, s.n_steps, s.seed, rank=rank, world_size=world_size)

    def fingerprint(self) -> str:
        """Of the tracks that decide the weights and their choice."""
        return data_hash(self.splits["train"] + self.splits["valid"])

    def train_dataloader(self) -> DataLoader:
        first = self.trainer.global_step
        last = min(first - first % self.settings.valid_every + self.settings.valid_every, self.settings.n_steps)
        return DataLoader(
            self.train_set(*distributed.place()),
            batch_size=None,
            sampler=range(first, last),
            num_workers=self.settings.n_workers,
        )

    def val_dataloader(self) -> DataLoader:
        if not self._valid_batches:  # read once
            pairs = [tuple(map(torch.from_numpy, self.samplers["valid"].audio(spec))) for spec in self.valid_specs]
            blocks = [pairs[i : i + VALID_BATCH] for i in range(0, len(pairs), VALID_BATCH)]
            self._valid_batches = [tuple(map(torch.stack, zip(*block, strict=True))) for block in blocks]  # (32, N)
        return DataLoader(self._valid_batches, batch_size=None)

    def save_batch(self, step: int, modes: list[str]) -> Path:
        """List the pairs of a step with their masks: `broken_batch.csv` in the run folder."""
        table: pd.DataFrame = specs_to_frame(self.samplers["train"].batch(self.settings.k, self.settings.seed, step))
        path = self.folder / "broken_batch.csv"
        if distributed.place()[0] == 0:
            write_csv(path, table.assign(step=step + 1, seed=self.settings.seed, mask=modes))
        return path
