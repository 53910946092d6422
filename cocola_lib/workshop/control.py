"""The constants of the control without learning, measured: `python -m cocola_lib.workshop.control`.

Its two scores are added after dividing each by its spread over random pairs of the miniatures' validation songs. The
spreads, a calibration and where both come from are its checkpoint, `models/weights/control/config.json`.
"""

import numpy as np

from cocola_lib.data import miniatures
from cocola_lib.files import write_json
from cocola_lib.models import calibration
from cocola_lib.models.control import ChromaOnsets
from cocola_lib.models.formats import CONFIG, FORMAT, VERSION
from cocola_lib.models.provenance import provenance
from cocola_lib.sampling import WindowSampler
from cocola_lib.scoring import CONTROL, Scorer

N_PAIRS, SEED = 256, 0
NAME = "miniatures valid"


def validation_pairs(size="small", n=N_PAIRS, seed=SEED):
    """True pairs of all miniatures' validation songs: (tracks, [(anchor, positive)], track ids)."""
    tracks = [track for track in miniatures.open_tracks(None, size) if track.split == "valid"]
    sampler = WindowSampler(tracks)
    specs = sampler.batch(n, seed, 0, at_most=True)
    return tracks, [sampler.audio(spec) for spec in specs], [spec.track_id for spec in specs]


def spreads(pairs, groups):
    """Standard deviation of each single mode's score over random pairs: anchors with positives of other songs."""
    scorer = Scorer.from_model(ChromaOnsets({"harmonic": 1.0, "percussive": 1.0}), device="cpu")
    sides = ([pair[side] for pair in pairs] for side in (0, 1))
    found = scorer.matrices(*sides, ("harmonic", "percussive"))
    return {mode: float(np.std(list(calibration.split(m, np.array(groups)))[1])) for mode, m in found.items()}


def write_calibrated(folder, model, settings, drawn, checkpoint=None):
    """Calibrate a model that has no weights of its own, and write its checkpoint: a config.json.

    Args:
        folder: of the checkpoint.
        model: what is calibrated.
        settings: the part of the config that says how to build it.
        drawn: from `validation_pairs`.
        checkpoint: of the model that it is built on, for the provenance.

    Returns:
        The calibration.
    """
    tracks, pairs, groups = drawn
    known = calibration.calibrate(Scorer.from_model(model, device="cpu"), pairs, NAME, groups)
    config = {"format": FORMAT, "version": VERSION, "model": settings, "training": None}
    config |= {"calibration": {NAME: known.to_dict()}, "provenance": provenance(tracks, SEED, checkpoint)}
    write_json(folder / CONFIG, config)
    return known


def main():
    """Measure, and write the control's checkpoint."""
    _, pairs, groups = drawn = validation_pairs()
    spread = {mode: round(value, 4) for mode, value in spreads(pairs, groups).items()}
    known = write_calibrated(CONTROL, ChromaOnsets(spread), {"spread": spread}, drawn)
    print(f"{CONTROL}: spread {spread}, {len(pairs)} pairs; AUC of both {known.modes['both'].auc:.3f}")


if __name__ == "__main__":
    main()
