"""Batches of families -> weights of the bundled models, `hps-all-time` and `hps-all`.

The loss is Eq. 3 in both directions, over the windows that share a mask, plus one that asks the encoder for the pitch
classes that sound (known: clips are rendered from notes); `hps-all` is asked for them early in the training only, when
it hears half the time resolution and may imitate a teacher. AdamW, cosine decay over the time given, a moving average
of the weights. It stops after `minutes`, saves every few of them, and goes on from there.
"""

import copy
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.files import read_json, whole, write_json
from cocola_lib.models import checkpoints
from cocola_lib.models.backbones import COLUMNS
from cocola_lib.models.formats import checkpoint_hash
from cocola_lib.training.start import data_dependent_start
from cocola_lib.workshop.families.draw import SETS, Batches
from cocola_lib.workshop.families.losses import Losses, Plan

MUSICAL = ModelConfig(pooling="musical", time_steps=64)
PLANS = {
    "hps-all-time": Plan(replace(MUSICAL, backbone=COLUMNS), (5, 4, 3), SETS, 4.0, 0.0, 4.0, 2),
    "hps-all": Plan(ModelConfig(), (16, 8, 6), 1, 15.0, 0.75, 0.0, 2),
    # B0 up to its steps of 80 ms: what `hps-all` begins from
    "hps-all-stem": Plan(MUSICAL, (3, 2, 1), SETS, 4.0, 1.0, 0.0, 5),
}
STATE, LOG, MATERIAL = "last.pt", "log.jsonl", "material.json"
COUNTS = ("step", "spent", "early")  # in the state: steps, seconds in all, and those of the plan's early part
LEARNING_RATE = 2e-3
WARM_UP = 100  # steps
MAX_NORM = 5.0  # of the gradient
VALID_BATCHES = 4
EMA_DECAY = 0.998


@dataclass(frozen=True)
class Origin:
    """What a training begins from.

    Attributes:
        seed: of weights and draws; a restart draws on from another place.
        start: a checkpoint, or the folder of another training, that lends every weight that both models have;
            None: from nothing.
        teacher: a checkpoint whose similarities are targets, too, in the plan's early part; None: nobody's.
    """

    seed: int = 0
    start: Path | str | None = None
    teacher: Path | str | None = None


def train(folder, families, minutes, name="hps-all-time", n=None, origin=None, save_every=200):
    """Train, or go on where the folder's last state left off; returns the folder.

    Args:
        folder: gets `last.pt`, `log.jsonl`, and `material.json`: what was heard.
        families: folder made by `render.make`.
        minutes: of training in all, over every restart; the learning rate falls to 2 % by then.
        name: of the model, see `PLANS`.
        n: families per batch of each mask; None: the plan's. K = sets * sum(n) windows.
        origin: `Origin`.
        save_every: steps.
    """
    folder, origin = Path(folder), origin or Origin()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(origin.seed)
    plan = PLANS[name] if n is None else replace(PLANS[name], n=n)
    model = Cocola(plan.config)
    known = _take(model, origin.start) if origin.start else {}
    teacher = checkpoints.load(origin.teacher)[0].eval() if origin.teacher else None
    state = torch.load(folder / STATE, weights_only=True) if (folder / STATE).exists() else None
    drawn = Batches(families, plan.n, plan.sets, origin.seed + (state["step"] if state else 0), heard=plan.heard)
    _note(folder / MATERIAL, drawn, name, origin)
    held_back = Batches(families, plan.n, plan.sets, valid=True, most=VALID_BATCHES)  # ends by itself, not in mid-work
    valid = list(_load(held_back)) if held_back.files else []
    batches = _load(drawn)
    if not state and not _is_whole(known, model):
        data_dependent_start(model, next(batches)[0].float())
        model.load_state_dict(known, strict=False)  # what it had learnt stays, its whitening too
    training = Training(folder, model, plan, known, state)
    while (share := training.spent / (60 * minutes)) < 1:
        values = training.step(next(batches), share, teacher)
        ends = training.spent >= 60 * minutes
        if training.n_steps % 20 == 0 or ends:
            training.log("train", values)
        if training.n_steps % save_every == 0 or ends:
            training.save()
            if valid:
                training.log("valid", training.validate(valid))
    return folder


class Training:
    """A training in memory: the model, its moving average, its losses and optimiser, and how far it has got.

    Args:
        folder: of its state and its log.
        model: Cocola; plan: what is trained.
        known: weights that the model was lent; those of a model of another kind are kept as they are, early.
        state: of an earlier part, to go on from, or None.
    """

    def __init__(self, folder, model, plan, known, state=None):
        self.folder, self.plan = folder, plan
        self.model = model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.losses = Losses(model, plan)
        self.optimiser = _optimiser([*model.parameters(), *self.losses.parameters()])
        self.n_steps, self.spent, self.early = (state[key] for key in COUNTS) if state else (0, 0.0, 0.0)
        for name, part in self._parts().items() if state else ():
            part.load_state_dict(state[name])
        lent = known if not _is_whole(known, model) else ()
        self.kept = [parameter for name, parameter in model.named_parameters() if name in lent]
        self.last = time.monotonic()

    def _parts(self):
        return {"model": self.model, "average": self.average, "losses": self.losses, "optimiser": self.optimiser}

    def step(self, batch, share, teacher):
        """Learn from a batch; share: of the time that is over. Returns the numbers to log."""
        self.losses.early = share < self.plan.early
        for parameter in self.kept:
            parameter.requires_grad_(not self.losses.early)
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * _schedule(self.n_steps, share)
        loss, values = self.losses(self.model.train(), *batch, teacher)
        if not math.isfinite(values["loss"]):
            where = self.folder / STATE
            raise FloatingPointError(f"step {self.n_steps}: the loss is {values['loss']}; {where} is the last state")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.n_steps += 1
        follow(self.average, self.model, min(EMA_DECAY, (self.n_steps + 1) / (self.n_steps + 20)))
        took, self.last = time.monotonic() - self.last, time.monotonic()
        self.spent, self.early = self.spent + took, self.early + took * self.losses.early
        return values

    @torch.no_grad()
    def validate(self, batches):
        """The mean of every number to log over batches that no training hears, for the moving average."""
        found = [self.losses(self.average, *batch)[1] for batch in batches]
        return {name: round(sum(values[name] for values in found) / len(found), 4) for name in found[0]}

    def save(self):
        """Write the state that the training goes on from."""
        counts = zip(COUNTS, (self.n_steps, self.spent, self.early), strict=True)
        with whole(self.folder / STATE) as temporary:
            torch.save({name: part.state_dict() for name, part in self._parts().items()} | dict(counts), temporary)

    def log(self, split, values):
        """Add a line to the log."""
        row = {"step": self.n_steps, "minutes": round(self.spent / 60, 2), "split": split} | values
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _is_whole(known, model):
    """Were all weights lent, by a model of the same kind?"""
    return len(known) == len(model.state_dict())


def _take(model, start):
    """Let a model begin from another's weights, where names and shapes agree; those weights."""
    file, own = Path(start) / STATE, model.state_dict()
    theirs = (
        torch.load(file, weights_only=True)["average"] if file.exists() else checkpoints.load(start)[0].state_dict()
    )
    same = {k: v for k, v in theirs.items() if k in own and v.shape == own[k].shape}
    model.load_state_dict(own | same)
    return same


def _load(batches):
    """Batches from a process of their own. Spawned: a forked one may wait for ever for threads that only its parent
    had; and not here: numba's threads beside torch's make a step ten times slower."""
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=3, multiprocessing_context="spawn")
    return iter(loader)


def _optimiser(parameters):
    shrunk = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": shrunk, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.99))


def _schedule(step, share):
    """Warm-up, then a cosine from 1 to 0.02."""
    return min(1.0, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, share))) / 2)


@torch.no_grad()
def follow(average, model, decay):
    """Let the average of a model's weights, and of its batch norm's statistics, come a step nearer to it."""
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        slow.lerp_(fast, 1 - decay) if slow.dtype.is_floating_point else slow.copy_(fast)


def _note(file, batches, name, origin):
    """What a training hears, what it began from, who taught it, and in how many parts it ran."""
    before = read_json(file) if file.exists() else {"parts": 0}
    sources = Counter(path.name.split("-")[0] for path in batches.files)
    about = {"model": name, "seed": origin.seed, "k": batches.sets * sum(batches.n), "families": len(batches.files)}
    about |= {"sources": sources, "start": _hash(origin.start) if origin.start else None}
    about |= {"teacher": checkpoint_hash(origin.teacher) if origin.teacher else None}
    write_json(file, about | {"parts": before["parts"] + 1}, indent=None)


def _hash(start):
    file = Path(start) / STATE
    return checkpoint_hash(file if file.exists() else start)
