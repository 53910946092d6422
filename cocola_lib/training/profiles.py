"""Profiles: how much of the study runs. One table of numbers, in one place.

`smoke` proves that everything executes, `quick` is for a student's laptop, `full` is real data, a GPU and the
paper's settings: encoder, K, start, masks, and (estimated) number of steps.
"""

from dataclasses import dataclass, replace

from cocola_lib.training.settings import TrainSettings


@dataclass(frozen=True)
class Profile:
    """The numbers that change between profiles.

    Attributes:
        name: as on the command line.
        data_size: of the miniatures, where no data_root is given.
        recipe: the model that notebook 02 trains, see `recipes.RECIPES`.
        n_test_pairs: frozen test pairs per data set, at most.
        small_pairs: pairs that a small model hears (`small_models`, and the loops of notebook 02).
        training: the settings of a run.
        cell_minutes: after which a cell of a notebook counts as hung.
    """

    name: str
    data_size: str
    recipe: str
    n_test_pairs: int
    small_pairs: int
    training: TrainSettings
    cell_minutes: float

    def settings(self, **changes) -> TrainSettings:
        """The settings of a run with changes; a change of None keeps the profile's value."""
        return replace(self.training, **{name: value for name, value in changes.items() if value is not None})


_SMOKE = TrainSettings(k=12, n_steps=4, valid_every=2, n_valid_pairs=16)
_QUICK = TrainSettings(k=48, n_steps=72, valid_every=18)
_FULL = TrainSettings(
    k=32, n_steps=500_000, valid_every=5_000, n_valid_pairs=1024, n_workers=8, masking="pair", start="paper"
)
PROFILES = {
    p.name: p
    for p in (
        Profile("smoke", "tiny", "b0-time", n_test_pairs=12, small_pairs=24, training=_SMOKE, cell_minutes=20),
        Profile("quick", "small", "b0-time", n_test_pairs=128, small_pairs=480, training=_QUICK, cell_minutes=120),
        Profile("full", "large", "hps-all", n_test_pairs=2048, small_pairs=9600, training=_FULL, cell_minutes=20_160),
    )
}


def get_profile(name: str) -> Profile:
    """Look a profile up by name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if name not in PROFILES:
        raise ValueError(f"profile is {name!r}; use {', '.join(PROFILES)}")
    return PROFILES[name]
