"""Measured onsets and chroma, alone or beside an encoder: they need no training, and what learns has less to do.

`fused.py` adds the three with weights that were fitted once; here the weights are learnt with the encoder.
"""

import torch
from torch import Tensor, nn

from cocola_lib.encoder import Bilinear, Cocola, ModelConfig
from cocola_lib.features import MODES
from cocola_lib.models.measured import SIZES, chroma, onsets

FIRST_WEIGHTS = (8.0, 4.0)  # of onsets and chroma: as steep as a learnt head at first
FIRST_GATE = 0.1  # of what is learnt, beside them: it knows nothing yet, and should not drown what is known


def measure(waveforms: Tensor) -> Tensor:
    """Onsets, then chroma of clips: (B, 80000) at 16 kHz -> (B, 370)."""
    return torch.cat([onsets(waveforms), chroma(waveforms)], dim=1)


class Alone(nn.Module, Bilinear):
    """Eq. 2 on measured numbers: two weights are all that it learns. It shows what an encoder has to beat.

    Its features are a pair, like those of `Beside`; only the second of it is heard.
    """

    modes, dim = MODES[:1], sum(SIZES)

    def __init__(self) -> None:
        super().__init__()
        self.log_weights = nn.Parameter(torch.tensor(FIRST_WEIGHTS).log())

    def features(self, waveforms: Tensor) -> tuple[None, Tensor]:
        """(B, 80000) at 16 kHz -> nothing, and (B, 370)."""
        return None, measure(waveforms)

    def embed(self, features: tuple[Tensor | None, Tensor], mode: str = "both") -> Tensor:
        """What is measured, as it is: (B, 370)."""
        return features[1]

    def project(self, h: Tensor) -> Tensor:
        """h' W, W diagonal: (K, 370) -> (K, 370)."""
        return h * self.log_weights.exp().repeat_interleave(torch.tensor(SIZES))


class Beside(Cocola):
    """A `Cocola` whose embedding goes on with measured numbers, and whose W has a learnt weight for each kind.

    Its features are a pair: those of the encoder, and `measure`'s.

    Args:
        config: of the part that learns.
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.measured, self.n_learnt = Alone(), self.dim
        self.log_gate = nn.Parameter(torch.tensor(FIRST_GATE).log())
        self.dim += self.measured.dim

    def features(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 80000) at 16 kHz -> (B, C, M, T) dB, and (B, 370)."""
        return super().features(waveforms), measure(waveforms)

    def embed(self, features: tuple[Tensor, Tensor], mode: str = "both") -> Tensor:
        """What `features` gives -> (B, D): learnt, onsets, chroma; both channels are heard."""
        return torch.cat([super().embed(features[0]), self.measured.embed(features)], dim=1)

    def project(self, h: Tensor) -> Tensor:
        """h' W, block by block: (K, D) -> (K, D)."""
        learnt, measured = h.tensor_split([self.n_learnt], dim=1)
        return torch.cat([self.log_gate.exp() * super().project(learnt), self.measured.project(measured)], dim=1)
