"""Table I's models, small: each in seconds, on the training tracks of its own data sets (Sec. V-A).

MoisesDB, Slakh2100, CocoChorales and All hear plain log-mel, HPS All both channels, as in the paper. The rest is ours:
a small backbone that keeps time. All hear the same number of pairs. They show what a model learns from which music, and
what the two channels add, not how good a model can get. Notebook 03 compares them.
"""

from dataclasses import replace
from pathlib import Path

from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import data_hash
from cocola_lib.models import checkpoints
from cocola_lib.training import small_runs
from cocola_lib.training.profiles import Profile
from cocola_lib.training.recipes import Recipe, get_recipe

NAMES = ("moisesdb", "slakh2100", "cocochorales", "all", "hps-all")  # the rows of Table I
PREFIX = "small-"  # of the folders in a run's `models/`
K = 24
N_BATCHES = 10  # of a pool, at most


def ensure(run_dir: str | Path, tracks: list[Track], size: Profile, seed: int = 0) -> dict[str, str]:
    """Train the small models that a run does not have yet.

    Args:
        run_dir: gets `models/small-<name>/checkpoint`; one from the same data, seed and number of pairs is kept.
        tracks: with their splits; only "train" is heard, and never MUSDB18-HQ.
        size: tells how many pairs each hears.
        seed: of weights and draws.

    Returns:
        name -> why it cannot be trained, for those that cannot: their data set is not here.
    """
    missing = {}
    for name in NAMES:
        recipe = get_recipe(name)
        try:
            heard = [t for t in recipe.select(tracks) if t.split == "train"]
        except ValueError as error:
            missing[name] = str(error)
            continue
        if not heard:
            missing[name] = f"recipe {name}: no track of its data sets is in the train split"
            continue
        folder = Path(run_dir) / "models" / f"{PREFIX}{name}" / "checkpoint"
        wanted = {"recipe": PREFIX + name, "n_pairs": size.small_pairs, "seed": seed, "data": data_hash(heard)}
        if not _is_there(folder, wanted):
            checkpoints.save(folder, _train(recipe, heard, size.small_pairs, seed), training=wanted)
    return missing


def _is_there(folder: Path, wanted: dict) -> bool:
    try:
        return checkpoints.read_config(folder)["training"] == wanted
    except (FileNotFoundError, ValueError):
        return False


def _train(recipe: Recipe, tracks: list[Track], n_pairs: int, seed: int):
    config = replace(recipe.config, backbone=small_runs.BACKBONE, pooling="time")
    n_batches = max(1, min(N_BATCHES, n_pairs // K))
    pool = small_runs.Pool(tracks, K, n_batches, seed=seed, kind=config.features)
    masking = "group" if config.features == "hps" else "none"
    return small_runs.fit(config, masking, K, pool, n_pairs, seed)
