"""A random equaliser on the features themselves: it changes the sound of a clip and not its coherence."""

import numpy as np
import torch
import torch.nn.functional as F

from cocola_lib.features import TOP_DB


def equalised(features, rng, share=0.7, deviation_db=5.0):
    """A smooth random equaliser on the picture itself, for a share of the clips; each again relative to its peak.

    Args:
        features: (B, C, M, T) dB.
        rng: numpy Generator.
        share: of the clips that it changes, 0 to 1.
        deviation_db: of its gains, at six points over the bands.

    Returns:
        (B, C, M, T) dB.
    """
    knots = torch.from_numpy(rng.normal(0, deviation_db, (len(features), 1, 6)).astype(np.float32))
    curve = F.interpolate(knots, size=features.shape[2], mode="linear", align_corners=True)  # (B, 1, M)
    changed = features + curve.unsqueeze(-1)
    changed = (changed - changed.amax((-2, -1), keepdim=True)).clamp(min=-TOP_DB)
    chosen = torch.from_numpy(rng.random(len(features)) < share)[:, None, None, None]
    return torch.where(chosen, changed, features)
