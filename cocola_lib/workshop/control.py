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


def main():
    """Measure, and write the control's checkpoint."""
    tracks, pairs, groups = validation_pairs()
    spread = {mode: round(value, 4) for mode, value in spreads(pairs, groups).items()}
    scorer = Scorer.from_model(ChromaOnsets(spread), device="cpu")
    known = calibration.calibrate(scorer, pairs, NAME, groups)
    config = {"format": FORMAT, "version": VERSION, "model": {"spread": spread}, "training": None}
    config |= {"calibration": {NAME: known.to_dict()}, "provenance": provenance(tracks, SEED)}
    write_json(CONTROL / CONFIG, config)
    print(f"{CONTROL}: spread {spread}, {len(pairs)} pairs; AUC of both {known.modes['both'].auc:.3f}")


if __name__ == "__main__":
    main()
