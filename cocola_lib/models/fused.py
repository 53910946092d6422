"""What a model has learnt and what is measured, side by side in one vector: Eq. 2 with a W of three blocks.

    numbers   block    in mode "both"          "harmonic"              "percussive"
    0-511     learnt   its embedding in "both" its own in "harmonic"   its own in "percussive"
    512-761   onsets   measured                0                       measured
    762-881   chroma   measured                measured                0

W is block diagonal: the learnt model's own W times a weight, and a weight times the identity for each measured block.
"""

import torch
from torch import Tensor

from cocola_lib.encoder import Bilinear, Cocola
from cocola_lib.features import MODES
from cocola_lib.models.measured import SIZES, chroma, onsets

BLOCKS = ("learnt", "onsets", "chroma")  # in the order of the embedding


class Fused(Bilinear):
    """A learnt model with measured onsets and chroma beside it: a score is the weighted sum of three.

    Args:
        learnt: the model, a `Cocola`.
        weights: one of each of `BLOCKS`.

    Raises:
        ValueError: a block without a weight, or a weight without a block.
    """

    def __init__(self, learnt: Cocola, weights: dict[str, float]):
        if set(weights) != set(BLOCKS):
            raise ValueError(f"weights of {', '.join(weights) or 'nothing'}; expected {', '.join(BLOCKS)}")
        self.learnt, self.weights = learnt, {block: float(weights[block]) for block in BLOCKS}
        self.modes, self.sizes = learnt.modes, (learnt.dim, *SIZES)
        self.dim = sum(self.sizes)

    @property
    def report(self) -> dict:
        """How the learnt model computes, see `fast.inference.frozen`; the measured blocks are float32."""
        return self.learnt.report

    def state_dict(self) -> dict[str, Tensor]:
        """The learnt model's weights, and those of the blocks."""
        return self.learnt.state_dict() | {block: torch.tensor(weight) for block, weight in self.weights.items()}

    def frozen(
        self, device: str | torch.device = "cpu", precision: str = "auto", scale: float | None = None
    ) -> "Fused":
        """A copy whose learnt model computes faster; bfloat16 can change the learnt part of a score only."""
        learnt_scale = scale and scale / self.weights["learnt"]
        return Fused(self.learnt.frozen(device, precision, learnt_scale), self.weights)

    def embed_modes(self, waveforms: Tensor, modes: tuple[str, ...] = MODES) -> Tensor:
        """(B, 80000) at 16 kHz -> (n_modes, B, D); what a mode leaves out is 0, and all is measured once."""
        begins, sounds = onsets(waveforms), chroma(waveforms)  # (B, 250), (B, 120)
        learnt = self.learnt.embed_modes(waveforms, modes)  # (n_modes, B, 512)
        found = []
        for mode, h in zip(modes, learnt, strict=True):
            found.append(torch.cat([h, begins * (mode != "harmonic"), sounds * (mode != "percussive")], dim=1))
        return torch.stack(found)

    def project(self, h: Tensor) -> Tensor:
        """h' W, block by block: (K, D) -> (K, D)."""
        learnt, begins, sounds = h.split(self.sizes, dim=1)
        projected = {"learnt": self.learnt.project(learnt), "onsets": begins, "chroma": sounds}
        return torch.cat([weight * projected[block] for block, weight in self.weights.items()], dim=1)

    def w(self) -> Tensor:
        """Eq. 2's matrix W, (D, D)."""
        own = self.learnt.w()
        blocks = {"learnt": own, "onsets": torch.eye(SIZES[0]).to(own), "chroma": torch.eye(SIZES[1]).to(own)}
        return torch.block_diag(*(weight * blocks[block] for block, weight in self.weights.items()))
