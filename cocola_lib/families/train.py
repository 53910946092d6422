"""Batches of families -> weights of the bundled models, `hps-all-time` and `hps-all`.

The loss is Eq. 3 in both directions, over the windows that share a mask; for `hps-all-time` plus one that asks the
encoder for the pitch classes that sound (known: clips are rendered from notes). AdamW, cosine decay over the time
given, a moving average of the weights. It stops after `minutes`, saves every few of them, and goes on from there.
"""

import copy
import json
import math
import os
import time
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from cocola_lib import checkpoints
from cocola_lib.encoder import Cocola, ModelConfig, data_dependent_start
from cocola_lib.families.draw import SETS, TRANSPOSED, Batches
from cocola_lib.features import MODES
from cocola_lib.loss import contrastive_loss

CONFIGS = {"hps-all-time": ModelConfig(backbone="columns", pooling="musical", time_steps=64), "hps-all": ModelConfig()}
STATE, LOG, MATERIAL = "last.pt", "log.jsonl", "material.json"
MASKS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])  # of each of MODES: channels that stay
WARM_UP = 100  # steps
MAX_NORM = 5.0  # of the gradient
VALID_BATCHES = 4
EMA_DECAY = 0.998


def train(
    folder,
    families,
    minutes,
    name="hps-all-time",
    n=(6, 4, 2),
    learning_rate=2e-3,
    pitch_weight=4.0,
    seed=0,
    save_every=200,
    start=None,
):
    """Train, or go on where the folder's last state left off.

    Args:
        folder: gets `last.pt`, `log.jsonl`, and `material.json`: what was heard.
        families: folder made by `render.make`.
        minutes: of training in all, over every restart; the learning rate falls to 2 % by then.
        name: of the model, see `CONFIGS`.
        n: families per batch of each mask; K = SETS * sum(n) windows.
        pitch_weight: of the loss on pitch classes, where the model has a reading of them. It must count: at 0.5 it
            is drowned by Eq. 3's gradient, and after 700 steps the encoder knows no pitch at all.
        seed: of weights and draws; a restart draws on from another place.
        save_every: steps.
        start: a checkpoint to begin from, such as the bundled one; None: from nothing.
    Returns:
        The folder.
    """
    torch.manual_seed(seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoints.load(start)[0] if start else Cocola(CONFIGS[name])
    state = torch.load(folder / STATE, weights_only=True) if (folder / STATE).exists() else None
    step, spent = (state["step"], state["spent"]) if state else (0, 0.0)
    drawn = Batches(families, n, seed + step)
    _note(folder / MATERIAL, drawn, name, seed, start)
    held_back = Batches(families, n, valid=True, most=VALID_BATCHES)  # a loader that ends by itself, not in mid-work
    valid = list(_load(held_back)) if held_back.files else []
    batches = _load(drawn)
    if not state and not start:
        data_dependent_start(model, next(batches)[0].float())
    model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimiser = _optimiser(model, learning_rate)
    if state:
        model.load_state_dict(state["model"]), average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
    losses, last = Losses(n, pitch_weight), time.monotonic()
    while spent < 60 * minutes:
        rate = learning_rate * _schedule(step, spent / (60 * minutes))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, values = losses(model.train(), *next(batches))
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(f"step {step}: the loss is {values['loss']}; {folder / STATE} is the last state")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        follow(average, model, min(EMA_DECAY, (step + 1) / (step + 20)))
        spent, last = spent + time.monotonic() - last, time.monotonic()
        at = {"step": step, "minutes": round(spent / 60, 2)}
        if step % 20 == 0 or spent >= 60 * minutes:
            _write(folder / LOG, at | {"split": "train"} | values)
        if step % save_every == 0 or spent >= 60 * minutes:
            states = {"model": model, "average": average, "optimiser": optimiser}
            _save(folder, {k: v.state_dict() for k, v in states.items()} | {"step": step, "spent": spent})
            if valid:
                _write(folder / LOG, at | {"split": "valid"} | _validate(losses, average, valid))
    return folder


class Losses:
    """The two losses of a batch.

    Args:
        n: families of each mask, as `Batches` draws them.
        pitch_weight: of the second.
    """

    def __init__(self, n, pitch_weight):
        mask = torch.arange(3).repeat_interleave(torch.tensor(n))  # (families,)
        self.mask = mask.repeat_interleave(SETS)  # (K,)
        self.family = torch.arange(len(mask)).repeat_interleave(SETS)
        self.transposed = torch.arange(SETS).repeat(len(mask)) == TRANSPOSED
        self.pitch_weight = pitch_weight

    def __call__(self, model, features, rolls, pitched):
        """Features (2 K, C, M, T) dB, rolls (2 K, 12, 63), pitched (families, 2) -> (scalar, numbers to log)."""
        mask = torch.cat([self.mask, self.mask])
        masked = features.float() * MASKS[mask][:, :, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            pooled = model.pooled(masked)
            h, logits = model.head.read(pooled) if hasattr(model.head, "read") else (model.head(pooled), None)
        h1, h2 = h.float().chunk(2)
        similarities = model.similarity(h1, h2).masked_fill(self.excluded(pitched), -torch.inf)
        total = loss = contrastive_loss(similarities, both_ways=True)
        found = (similarities.argmax(dim=1) == torch.arange(len(similarities))).float()
        values = {"loss": loss, "accuracy": found}
        values |= {f"accuracy {mode}": found[self.mask == i] for i, mode in enumerate(MODES)}
        if logits is not None:
            heard = (mask != 2) & pitched.T.repeat_interleave(SETS, dim=1).flatten()  # sides whose notes can be heard
            values["pitch loss"] = F.binary_cross_entropy_with_logits(logits[heard].float(), rolls[heard].float())
            total = loss + self.pitch_weight * values["pitch loss"]
        return total, {name: round(float(value.detach().mean()), 4) for name, value in values.items()}

    def excluded(self, pitched):
        """(K, K) bool: pairs that are neither true nor false. Those of other masks; and a window against its own
        transposed twin where pitch cannot be heard: in the percussive channel, or without notes on both sides."""
        deaf = (~pitched.all(dim=1))[self.family] | (self.mask == 2)
        twins = (self.family[:, None] == self.family) & (self.transposed[:, None] != self.transposed)
        return (self.mask[:, None] != self.mask) | (twins & deaf[:, None])


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


def _optimiser(model, learning_rate):
    shrunk = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
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


def _note(file, batches, name, seed, start):
    """What a training hears, what it began from, and in how many parts it ran."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"parts": 0}
    sources = Counter(path.name.split("-")[0] for path in batches.files)
    about = {"model": name, "seed": seed, "k": SETS * sum(batches.n), "families": len(batches.files)}
    about |= {"sources": sources, "start": checkpoints.checkpoint_hash(start) if start else None}
    file.write_text(json.dumps(about | {"parts": before["parts"] + 1}) + "\n", encoding="utf-8")


def _save(folder, state):
    temporary = folder / f".{STATE}"
    torch.save(state, temporary)
    os.replace(temporary, folder / STATE)
