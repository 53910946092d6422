"""A finished training -> the checkpoint in the package: float16 weights, calibration, log and model card."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cocola_lib.data import miniatures
from cocola_lib.encoder import Cocola
from cocola_lib.files import read_json, write_csv, write_text
from cocola_lib.models import calibration, checkpoints, true_pairs
from cocola_lib.models.formats import IN_PACKAGE, WEIGHTS, checkpoint_hash
from cocola_lib.scoring import Scorer
from cocola_lib.workshop.families.draw import SETS
from cocola_lib.workshop.families.losses import SOFTENED
from cocola_lib.workshop.families.train import LOG, MATERIAL, PLANS, STATE, follow

CARD, TABLE = "README.md", "log.csv"
CALIBRATION_PAIRS = 96  # per miniature, of its validation split

ABOUT = {
    "hps-all-time": """The paper's features (HPS, two channels of 64 mel bands), with a backbone and a head of ours,
  `columns` and `musical` (`cocola_lib/models/backbones.py`, `cocola_lib/models/heads.py`): 512 numbers, of which 320
  keep rhythm, 180 harmony and 12 the key. It is the learnt part of `hps-all-measured`, which `Scorer()`
  uses. Beside Eq. 3, it was taught to name the pitch classes that sound.""",
    "hps-all": """The paper's: HPS features, EfficientNet-B0 with average pooling, 512 numbers, a free W. The
  first batch set its projection (mean 0, deviation 1 in every dimension), and W began as 0.01 I. Its first stages come
  from a B0 that was tapped at steps of 80 ms (`hps-all-stem`). For {early:.0f} of its minutes they were kept fixed,
  the model heard half the time resolution, and it was taught to name the pitch classes that sound{taught}.
  For the rest it was taught with Eq. 3 alone.""",
}
TAUGHT = " and to give\n  the similarities that the checkpoint {} gives, divided by {:g}"
BROKEN = """Each was
  rendered as it is, transposed, and sometimes at another tempo; windows were also delayed by part of a beat or by 70 to
  180 ms. To the true partner these are negatives in which one thing is wrong: it had to beat them by a margin of
  {margin:g} more than it had to beat strangers. """
BLENDED = "These weights are the mean of the training's and of those of the checkpoint {blend}."
FRONT_MATTER = """---
license: mit
library_name: cocola-lib
pipeline_tag: feature-extraction
tags: [audio, music, contrastive-learning, music-information-retrieval, arxiv:2404.16969]
---

"""  # what the Hugging Face hub reads of a card
CARD_TEXT = """# {model}

Scores whether two sub-mixes belong together. {parameters:.1f} million parameters, {size:.1f} MB in float16.

- **Model.** {about}
- **Training.** {steps:,} steps of {k} windows, {minutes:.0f} minutes on two CPU cores, in {parts} session(s), with
  Eq. 3 in both directions over the windows that share a channel mask. `python -m cocola_lib.workshop.families` makes
  the excerpts and the model.{note}
- **What it heard.** {families:,} excerpts of 13 s ({sources}), rendered from notes with the soundfonts
  TimGM6mb and FluidR3 GM: the project's own band (styles of the training split), Bach chorales (training split), works
  by other composers from music21's corpus, and accompaniments by MMA. {broken}Sub-mixes
  were up to 20 ms early or late; speed, gain, equaliser, drive, room and noise were drawn at random.
- **What it cannot know.** It has heard no recording of a person, no voice, no lyrics and no electronic production:
  all of it was General MIDI at 16 kHz. It hears whether pitches and onsets fit, not whether a part is well played or
  fits in style. Scores of this checkpoint cannot be compared with those of another; use the calibrated reading.
- **Calibration.** {calibration}.
- **Licence.** MIT, as the code. The soundfonts are free software; MMA (GPL) was only run as a program; the works are
  in the public domain.
- **Seed** {seed}; weights {hash}.
"""


def export(run, folder=None, note="", blend=None):
    """Write the moving average of a training as a checkpoint.

    Args:
        run: folder of a training (see train).
        folder: of the checkpoint, an older one is replaced; None: the model's own in the package.
        note: a sentence for the card.
        blend: a checkpoint that the training began from; the mean of its weights and the training's is written,
            which may be better than either (WiSE-FT, Wortsman et al. 2022).
    Returns:
        The folder, a Path.
    Raises:
        ValueError: a training of something that is no model of the package.
    """
    run = Path(run)
    state = torch.load(run / STATE, weights_only=True)
    log = pd.DataFrame(json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines())
    material = read_json(run / MATERIAL)
    if material["model"] not in ABOUT:
        raise ValueError(f"{run}: a training of {material['model']}; exported are {', '.join(ABOUT)}")
    folder = Path(folder or IN_PACKAGE / material["model"])
    model = Cocola(PLANS[material["model"]].config)
    model.load_state_dict(state["average"])
    if blend:
        follow(model, checkpoints.load(blend)[0], decay=0.5)
    training = {"steps": state["step"], "minutes": round(state["spent"] / 60, 1)}
    training |= {"seed": material["seed"], "k": material["k"]}
    training |= {"command": "python -m cocola_lib.workshop.families train", "material": material}
    training |= {"blend": checkpoint_hash(blend)} if blend else {}
    checkpoints.save(folder, copy.deepcopy(model).half(), training, provenance={"note": note})
    name, pairs, groups = validation_pairs()
    calibration.store(folder, calibration.calibrate(Scorer(folder), pairs, name, groups))
    write_csv(folder / TABLE, log)
    write_text(folder / CARD, _card(folder, model, state, training, (name, note)))
    return folder


def _card(folder, model, state, training, texts):
    """The model card; texts: the calibration's name, and a note."""
    material, (calibrated_on, note) = training["material"], texts
    plan = PLANS[material["model"]]
    taught = TAUGHT.format(material["teacher"], SOFTENED) if material.get("teacher") else ""
    blended = BLENDED.format(**training) if "blend" in training else ""
    return FRONT_MATTER + CARD_TEXT.format(
        model=material["model"],
        about=ABOUT[material["model"]].format(early=state["early"] / 60, taught=taught),
        broken=BROKEN.format(margin=plan.margin) if plan.sets == SETS else "",
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        size=(folder / WEIGHTS).stat().st_size / 1e6,
        steps=state["step"],
        k=material["k"],
        minutes=state["spent"] / 60,
        parts=material["parts"],
        families=material["families"],
        sources=", ".join(f"{n} {source}" for source, n in material["sources"].items()),
        calibration=calibrated_on,
        seed=material["seed"],
        hash=checkpoint_hash(folder),
        note="".join(f"\n  {text}" for text in (note, blended) if text),
    )


def validation_pairs():
    """True pairs of every miniature's validation split: (name, pairs, groups)."""
    drawn = []
    for name in miniatures.MODULES:
        try:
            drawn.append(true_pairs.draw_pairs(miniatures.ensure(name), split="valid", n=CALIBRATION_PAIRS))
        except ValueError:  # MUSDB18-HQ has no such split here
            continue
    pairs = [pair for _, pairs, _ in drawn for pair in pairs]
    groups = np.array([group for _, _, groups in drawn for group in groups])
    return f"{len(pairs)} pairs of {', '.join(name for name, _, _ in drawn)}", pairs, groups
