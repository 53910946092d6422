"""Which ideas teach most in the same minutes? `python -m cocola_lib.workshop.efficiency` makes the table.

Every idea is the plain recipe with one thing changed. All train for the same minutes on the same pairs of miniature
songs, features computed beforehand, and are asked the same pairs of songs that none of them heard. A few minutes
each: the table says what helps early, not what wins in the end.
"""

import copy
import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
import typer

from cocola_lib.data import miniatures
from cocola_lib.encoder import POOLINGS, Cocola, ModelConfig
from cocola_lib.evaluation import accuracy_table
from cocola_lib.files import read_json, write_csv, write_json
from cocola_lib.masking import draw_modes, loss_of_pairs, mask_pairs, other_masks
from cocola_lib.models.backbones import COLUMNS, STRIDE_8, mixed_precision, tap
from cocola_lib.models.control import N_CHROMA, chroma_segments, onset_curve
from cocola_lib.models.provenance import provenance
from cocola_lib.training.recipes import get_recipe
from cocola_lib.training.small_runs import LEARNING_RATE, InThree, Pool, steps_within
from cocola_lib.training.start import data_dependent_start
from cocola_lib.workshop.families.losses import imitation_loss
from cocola_lib.workshop.families.train import follow

KS = (2, 16, 64)
POOL_BATCHES, POOL_K = 60, 64  # 3,840 pairs to learn from
TEST_K = 128
EMA_DECAY = 0.99
EASY = "mini-cocochorales"  # its songs are told apart soonest
TABLE = Path(__file__).with_name("efficiency.csv")
TABLE_COLUMNS = ["variant", "dataset", "k", "accuracy", "low", "high", "minutes", "steps"]


@dataclass(frozen=True)
class Idea:
    """What is tried.

    Attributes:
        name: for the table.
        config: of the model.
        k: K.
        measured_start: does the first batch set projection or whitening (`data_dependent_start`)?
        both_ways: must positives find their anchors, too?
        average: is a moving average of the weights what is asked in the end?
        halved: share of the time that is spent on features of half the time resolution.
        easy: share of the time that is spent on chorales alone.
        teacher: a model that is taught for half of the time; for the rest its similarities are targets, too.
        warm: share of the time in which what the control computes is the only target.
        stride: of the features that a head which keeps time reads, in frames of 10 ms.
        sub_mixes: disjoint ones of each window, every two of them positives; 3: windows with three stems.
    """

    name: str
    config: ModelConfig
    k: int = 32
    measured_start: bool = True
    both_ways: bool = False
    average: bool = False
    halved: float = 0.0
    easy: float = 0.0
    teacher: ModelConfig | None = None
    warm: float = 0.0
    stride: int = STRIDE_8
    sub_mixes: int = 2


def ideas() -> list[Idea]:
    """The paper's model as it is, and what may make it learn sooner."""
    paper = ModelConfig(initial_w="normal", input_offset_db=0.0, input_scale_db=1.0)
    b0, time_32, small = ModelConfig(), ModelConfig(pooling="time"), "mobilenetv3_small_050"
    mobile, columns = replace(time_32, backbone=small), replace(time_32, backbone=COLUMNS)
    return [
        Idea("B0, average, the paper's start", paper, measured_start=False),
        Idea("B0, average, measured start", b0),
        Idea("B0 at 320 ms, 16 steps x 32", replace(time_32, time_steps=16), stride=32),
        Idea("B0 at 160 ms, 32 steps x 16", time_32, stride=16),
        Idea("B0 at 80 ms, 16 steps x 32", replace(time_32, time_steps=16)),
        Idea("B0 at 80 ms, 32 steps x 16", time_32),
        Idea("B0 at 80 ms, 64 steps x 8", replace(time_32, time_steps=64)),
        Idea("the same (32 x 16), loss in both directions", time_32, both_ways=True),
        Idea("the same, K = 64", time_32, k=64),
        Idea("the same, moving average of the weights", time_32, average=True),
        Idea("the same, half the time resolution first", time_32, halved=0.5),
        Idea("the same, chorales first, band music later", time_32, easy=0.5),
        Idea("the same, MobileNetV3-small as teacher", time_32, teacher=mobile),
        Idea("the same, three sub-mixes per window", time_32, sub_mixes=3),
        Idea("the same, the control as first target", time_32, warm=0.25),
        Idea("MobileNetV3-small at 80 ms, 32 x 16", mobile),
        Idea("columns, 32 x 16", columns),
        Idea("columns, 32 x 16, input not whitened", columns, measured_start=False),
        Idea("columns, rhythm | harmony | key", replace(columns, pooling="musical", time_steps=64)),
    ]


def teach(idea: Idea, pool: Pool, minutes: float, seed: int = 0) -> tuple[Cocola, int]:
    """Train for so many minutes by the clock, learning rate falling to nothing.

    Returns:
        (model in evaluation mode, steps).
    """
    teacher = None
    if idea.teacher:
        minutes = minutes / 2
        teacher, _ = teach(Idea("teacher", idea.teacher, idea.k), pool, minutes, seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = _build(idea, pool)
    average = copy.deepcopy(model) if idea.average else model
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    everything, chorales = np.arange(len(pool.features)), np.flatnonzero(pool.datasets == EASY)
    for step, share in steps_within(optimiser, minutes, time.monotonic):
        heard = chorales if share < idea.easy else everything
        k = min(idea.k, len(heard))
        chosen = torch.from_numpy(rng.choice(heard, k, replace=False))
        _loss(idea, model, teacher, pool, chosen, draw_modes("group", k, seed, step), share).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if idea.average:
            follow(average, model, min(EMA_DECAY, step / (step + 10)))
    return average.eval(), step


def _build(idea, pool):
    """The model of an idea, ready to be trained."""
    model = Cocola(idea.config)
    if idea.stride != STRIDE_8:
        model.backbone, width = tap(idea.config, model.front_end.n_channels, idea.stride)
        model.head = POOLINGS[idea.config.pooling][1](width, idea.config)
    if idea.measured_start:
        data_dependent_start(model, pool.features[:POOL_K].flatten(0, 1))
    return model.to(memory_format=torch.channels_last).train()


def _loss(idea, model, teacher, pool, chosen, modes, share):
    """What an idea asks of a model when a share of the time is over; chosen: the pairs' numbers in the pool."""
    batch = pool.inputs(chosen)
    if share < idea.halved:
        batch = F.avg_pool2d(batch, (1, 2))
    masked = mask_pairs(batch, modes)
    losses, similarities = _meet(model, masked, modes, idea.both_ways)
    loss = sum(losses) / len(losses)
    if share < idea.warm:
        targets = _control(pool.described[chosen], modes).masked_fill(other_masks(modes), -torch.inf)
        loss = imitation_loss(similarities[0], targets)
    if teacher:
        with torch.no_grad():
            targets = _meet(teacher, masked, modes)[1][0]
        loss = loss + imitation_loss(similarities[0], targets)
    return loss


def _meet(model, features, modes, both_ways=False):
    """(s K, C, M, T), one side after the other -> losses and (K, K) of every two sides; only pairs of one mask meet."""
    with mixed_precision(model.config):
        h = model.embed(features)
    sides = h.float().split(len(modes))
    pairs = itertools.combinations(sides, 2)
    met = [loss_of_pairs(model, a, b, other_masks(modes), both_ways) for a, b in pairs]
    return tuple(zip(*met, strict=True))


def describe(clip: np.ndarray) -> np.ndarray:
    """What the control computes of a clip: chroma of its segments, then its onset curve, each of length 1."""
    chroma = chroma_segments(clip)
    return np.concatenate([chroma / max(np.linalg.norm(chroma), 1e-6), onset_curve(clip)])


def _control(described, modes, scale=8.0):
    """(K, 2, n) -> (K, K): the control's similarities in the mode of each row, on a scale like that of a model."""
    parts = described.split((N_CHROMA, described.shape[2] - N_CHROMA), dim=2)
    harmonic, percussive = (part[:, 0] @ part[:, 1].T for part in parts)
    heard = torch.tensor([[mode != "percussive", mode != "harmonic"] for mode in modes])
    return scale * (heard[:, :1] * harmonic + heard[:, 1:] * percussive)


def ask(model: Cocola, pool: Pool) -> pd.DataFrame:
    """How often the partner is found among K (Eq. 4), for K up to the pool's size: see `accuracy_table`."""
    return accuracy_table(pool.similarities(model), KS, pool.groups)


def main(
    minutes: Annotated[float, typer.Option(help="Of training, each idea.")] = 3,
    out: Annotated[Path, typer.Option(help="The table, CSV; its provenance goes beside it.")] = TABLE,
    size: Annotated[str, typer.Option(help="Of the miniatures.")] = "small",
    seed: Annotated[int, typer.Option()] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="Ideas with this in their name, or this; rows of the others stay.")
    ] = None,
):
    """Train every idea for the same minutes and write what each found; rows are written as they come."""
    chosen = [idea for idea in ideas() if not only or any(text in idea.name for text in only)]
    if not chosen:
        there = "; ".join(idea.name for idea in ideas())
        raise typer.BadParameter(f"no idea has {' or '.join(only)} in its name; there are: {there}")
    tracks = miniatures.open_tracks(None, size)
    pools = _pools(chosen, [t for t in get_recipe("hps-all").select(tracks) if t.split == "train"], seed)
    asked = {name: [t for t in tracks if (t.dataset, t.split) == (name, "test")] for name in (EASY, "mini-slakh2100")}
    tests = {name: Pool(songs, TEST_K, 1, seed=1, noise_sigma=0.0) for name, songs in asked.items()}
    about = provenance(tracks, seed) | {"minutes": minutes}
    origin = out.with_suffix(".json")
    origins = read_json(origin) if only and origin.exists() else {}
    found = dict(list(pd.read_csv(out).groupby("variant"))) if only and out.exists() else {}
    for idea in chosen:
        model, steps = teach(idea, pools[idea.sub_mixes], minutes, seed)
        answers = [ask(model, test).assign(dataset=name) for name, test in tests.items()]
        found[idea.name] = pd.concat(answers).assign(variant=idea.name, minutes=minutes, steps=steps)
        origins[idea.name] = about | {"windows": len(pools[idea.sub_mixes].groups)}
        typer.echo(f"{idea.name}: {steps} steps, " + ", ".join(f"{rows.accuracy[0]:.1%}" for rows in answers))
        ordered = [i.name for i in ideas() if i.name in found]
        write_csv(out, pd.concat(found[name] for name in ordered)[TABLE_COLUMNS])
        write_json(origin, {name: origins[name] for name in ordered})


def _pools(chosen, tracks, seed):
    """What is learnt from, by the number of sub-mixes per window: no more clips, however many of a window."""
    pools = {}
    for n in {idea.sub_mixes for idea in chosen}:
        kind, n_batches = (Pool, POOL_BATCHES) if n == 2 else (InThree, POOL_BATCHES * 2 // 3)
        also = describe if n == 2 and any(idea.warm for idea in chosen) else None
        pools[n] = kind(tracks, POOL_K, n_batches, seed=seed, describe=also)
    return pools


if __name__ == "__main__":
    typer.run(main)
