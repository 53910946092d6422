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
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from cocola_lib.encoder import Cocola, ModelConfig, data_dependent_start
from cocola_lib.files import whole
from cocola_lib.models import checkpoints
from cocola_lib.models.backbones import COLUMNS
from cocola_lib.models.formats import checkpoint_hash
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
WARM_UP = 100  # steps
MAX_NORM = 5.0  # of the gradient
VALID_BATCHES = 4
EMA_DECAY = 0.998


def train(
    folder,
    families,
    minutes,
    name="hps-all-time",
    n=None,
    learning_rate=2e-3,
    seed=0,
    save_every=200,
    start=None,
    teacher=None,
):
    """Train, or go on where the folder's last state left off.

    Args:
        folder: gets `last.pt`, `log.jsonl`, and `material.json`: what was heard.
        families: folder made by `render.make`.
        minutes: of training in all, over every restart; the learning rate falls to 2 % by then.
        name: of the model, see `PLANS`.
        n: families per batch of each mask; None: the plan's. K = sets * sum(n) windows.
        seed: of weights and draws; a restart draws on from another place.
        save_every: steps.
        start: a checkpoint, or the folder of another training, to begin from: every weight that both models have;
            None: from nothing.
        teacher: a checkpoint whose similarities are targets, too, in the plan's early part; None: nobody's.
    Returns:
        The folder.
    """
    torch.manual_seed(seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan = PLANS[name] if n is None else replace(PLANS[name], n=n)
    model = Cocola(plan.config)
    known = _take(model, start) if start else {}
    shown = checkpoints.load(teacher)[0].eval() if teacher else None
    begun = len(known) == len(model.state_dict())  # from one of its own kind
    state = torch.load(folder / STATE, weights_only=True) if (folder / STATE).exists() else None
    step, spent, early = (state["step"], state["spent"], state["early"]) if state else (0, 0.0, 0.0)
    drawn = Batches(families, plan.n, plan.sets, seed + step, heard=plan.heard)
    _note(folder / MATERIAL, drawn, name, seed, start, teacher)
    held_back = Batches(families, plan.n, plan.sets, valid=True, most=VALID_BATCHES)  # ends by itself, not in mid-work
    valid = list(_load(held_back)) if held_back.files else []
    batches = _load(drawn)
    if not state and not begun:
        data_dependent_start(model, next(batches)[0].float())
        model.load_state_dict(known, strict=False)  # what it had learnt stays, its whitening too
    model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    losses = Losses(model, plan)
    optimiser = _optimiser([*model.parameters(), *losses.parameters()], learning_rate)
    parts = {"model": model, "average": average, "losses": losses, "optimiser": optimiser}
    for part in parts if state else ():
        parts[part].load_state_dict(state[part])
    kept = [parameter for name, parameter in model.named_parameters() if name in known and not begun]
    last = time.monotonic()
    while spent < 60 * minutes:
        share = spent / (60 * minutes)
        losses.early, rate = share < plan.early, learning_rate * _schedule(step, share)
        for parameter in kept:
            parameter.requires_grad_(not losses.early)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, values = losses(model.train(), *next(batches), shown)
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(f"step {step}: the loss is {values['loss']}; {folder / STATE} is the last state")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        follow(average, model, min(EMA_DECAY, (step + 1) / (step + 20)))
        took, last = time.monotonic() - last, time.monotonic()
        spent, early = spent + took, early + took * losses.early
        at = {"step": step, "minutes": round(spent / 60, 2)}
        if step % 20 == 0 or spent >= 60 * minutes:
            _write(folder / LOG, at | {"split": "train"} | values)
        if step % save_every == 0 or spent >= 60 * minutes:
            at_work = {k: part.state_dict() for k, part in parts.items()}
            _save(folder, at_work | {"step": step, "spent": spent, "early": early})
            if valid:
                _write(folder / LOG, at | {"split": "valid"} | _validate(losses, average, valid))
    return folder


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


@torch.no_grad()
def _validate(losses, average, valid):
    found = [losses(average, *batch)[1] for batch in valid]
    return {name: round(sum(values[name] for values in found) / len(found), 4) for name in found[0]}


def _write(log, row):
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _optimiser(parameters, learning_rate):
    shrunk = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": shrunk, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99))


def _schedule(step, share):
    """Warm-up, then a cosine from 1 to 0.02."""
    return min(1.0, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, share))) / 2)


@torch.no_grad()
def follow(average, model, decay):
    """Let the average of a model's weights, and of its batch norm's statistics, come a step nearer to it."""
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        slow.lerp_(fast, 1 - decay) if slow.dtype.is_floating_point else slow.copy_(fast)


def _note(file, batches, name, seed, start, teacher):
    """What a training hears, what it began from, who taught it, and in how many parts it ran."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"parts": 0}
    sources = Counter(path.name.split("-")[0] for path in batches.files)
    about = {"model": name, "seed": seed, "k": batches.sets * sum(batches.n), "families": len(batches.files)}
    about |= {"sources": sources, "start": _hash(start) if start else None}
    about |= {"teacher": checkpoint_hash(teacher) if teacher else None}
    file.write_text(json.dumps(about | {"parts": before["parts"] + 1}) + "\n", encoding="utf-8")


def _hash(start):
    file = Path(start) / STATE
    return checkpoint_hash(file if file.exists() else start)


def _save(folder, state):
    with whole(folder / STATE) as temporary:
        torch.save(state, temporary)
