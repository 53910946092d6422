"""Small folders: a run asks for no more windows at a time than its tracks hold."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from cocola_lib.data.stems import Track
from cocola_lib.masking import Masking
from cocola_lib.training.recipes import Recipe
from cocola_lib.training.settings import TrainSettings

LEAST_FOR_GROUPS = 6  # windows per batch: three masks, and two windows that share one
BATCHES = 500  # that are drawn at most to see what the tracks hold


def masks_of(k: int) -> tuple[Masking, int]:
    """How batches of K windows are masked, (masking, candidates of an anchor): in three groups where K allows."""
    return ("group", k // 3) if k >= LEAST_FOR_GROUPS else ("batch", k)


def training_tracks(tracks: Sequence[Track]) -> list[Track]:
    """The tracks of the training split.

    Raises:
        ValueError: there are none.
    """
    if not (train := [track for track in tracks if track.split == "train"]):
        raise ValueError(
            f"none of {len(tracks)} tracks is to train on; folders without splits are split 80/10/10 from three on"
        )
    return train


def fitted(recipe: Recipe, settings: TrainSettings, tracks: list[Track]) -> tuple[TrainSettings, str]:
    """The settings of a run with a K that its training tracks can fill in every batch.

    Args:
        recipe, settings: of the run.
        tracks: with their splits.

    Returns:
        The settings, and a sentence about what has become smaller. Where K fits, or where the tracks cannot even fill
        two windows, the settings are as they were, and the sentence is empty.
    """
    train = [track for track in recipe.select(tracks) if track.split == "train"]
    if not 0 < len(train) < settings.k:  # a window of each track is enough
        return settings, ""
    sampler, k = recipe.sampler(train, max_overlap=settings.max_overlap), settings.k
    for step in range(min(settings.n_steps, BATCHES)):
        k = min(k, sum(1 for _ in islice(sampler.draw(k, settings.seed, step), k)))
    k -= k % settings.world_size
    if not 2 <= k < settings.k:
        return settings, ""
    said = f"The training tracks hold only {k} windows at a time, so K is {k} instead of {settings.k}"
    changed = replace(settings, k=k)
    if settings.masking == "group" and k < LEAST_FOR_GROUPS:
        changed = replace(changed, masking=masks_of(k)[0])
        said += f", and a batch has one mask: three groups need K = {LEAST_FOR_GROUPS}"
    return changed, said + "."
