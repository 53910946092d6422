"""The models by name: what each is, what it is trained on, and what its positive pairs are (Sec. V, Table I).

`cocola train NAME` and notebook 02 make them, on real data or on the miniatures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cocola_lib.data.paper import HELD_OUT, MINIATURE_OF
from cocola_lib.data.stems import Track
from cocola_lib.encoder import ModelConfig
from cocola_lib.models.backbones import COLUMNS
from cocola_lib.sampling import WindowSampler
from cocola_lib.training.mixtures import MixtureSampler
from cocola_lib.training.settings import Start


@dataclass(frozen=True)
class Recipe:
    """A model of the paper, or ours.

    Attributes:
        name: as on the command line.
        config: the model, from a start that learns within minutes.
        datasets: display names of what it is trained on, miniatures included; empty: everything but the test set
            that is held out.
        sampler: draws its pairs: `WindowSampler` (sub-mixes of one window) or `MixtureSampler` (two windows).
        random_ensemble_only: of CocoChorales only the random ensembles, the paper's balance between data sets.
    """

    name: str
    config: ModelConfig = field(default_factory=ModelConfig)
    datasets: tuple[str, ...] = ()
    sampler: type[WindowSampler] = WindowSampler
    random_ensemble_only: bool = False

    def model(self, start: Start = "measured") -> ModelConfig:
        """The model's configuration, from the start that learns fast or from the paper's (raw dB, W ~ N(0, 0.05)).

        A model that keeps time is not the paper's: its configuration is the same from either.
        """
        if start == "measured" or self.config.pooling != "average":
            return self.config
        return replace(self.config, initial_w="normal", input_offset_db=0.0, input_scale_db=1.0)

    def select(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks that this model may see: its data sets, never MUSDB18-HQ.

        Raises:
            ValueError: none of them is there; names what is.
        """
        chosen = [t for t in tracks if t.dataset not in HELD_OUT and (not self.datasets or t.dataset in self.datasets)]
        if self.random_ensemble_only:
            chosen = [t for t in chosen if t.dataset != "CocoChorales" or Path(t.id).name.startswith("random")]
        if not chosen:
            have = ", ".join(sorted({t.dataset for t in tracks})) or "nothing"
            wanted = " or ".join(self.datasets) or "any data set but MUSDB18-HQ, which is held out"
            raise ValueError(f"recipe {self.name} trains on {wanted}; found {have}")
        return chosen


def _only(dataset: str) -> tuple[str, str]:
    return dataset, MINIATURE_OF[dataset]


_MEL, _HPS = ModelConfig(features="mel"), ModelConfig()

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("moisesdb", _MEL, _only("MoisesDB")),
        Recipe("slakh2100", _MEL, _only("Slakh2100")),
        Recipe("cocochorales", _MEL, _only("CocoChorales")),
        Recipe("all", _MEL, random_ensemble_only=True),
        Recipe("hps-all", _HPS, random_ensemble_only=True),
        # ours, on the same features: the paper's backbone tapped where a step is 80 ms, and the bundled model's form
        Recipe("b0-time", ModelConfig(pooling="time")),
        Recipe("hps-all-time", ModelConfig(backbone=COLUMNS, pooling="musical", time_steps=64)),
        Recipe("cola", _MEL, sampler=MixtureSampler, random_ensemble_only=True),  # the baseline that COCOLA extends
    )
}


def get_recipe(name: str) -> Recipe:
    """Look a model up by name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe is {name!r}; use {', '.join(RECIPES)}")
    return RECIPES[name]
