"""PHALAR: a phasor for every rhythm. A published rival of COCOLA, rebuilt here to read its weights.

    waveform -> constant-Q levels (1, 96, T) -> ten blocks, T halved by every second: (60, 96, T / 32), steps of 320 ms
    -> 80 numbers a step -> Fourier components 1 to 8 over time: how strong, and at which phase, something recurs
    -> complex layers -> 512 complex numbers of length one

The score is Re((W x)^H y) with a complex W: Eq. 2 in other words, since 512 complex numbers are 1,024 real ones. With
`symmetric`, as its authors score, it is the mean of both directions. Components are computed over the window alone:
at 5 s they are changes at 0.16 to 1.3 Hz, bars rather than beats.
"""

import copy
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cocola_lib.encoder import Bilinear
from cocola_lib.models.cqt import N_BINS, ConstantQ, kernel_lengths
from cocola_lib.models.formats import fit

CHANNELS = (8, 12, 18, 27, 40, 60)  # before each of the five stages, and after the last
N_PROJECTED, N_COMPONENTS = 80, 8  # numbers per step; Fourier components kept of each
MIN_STEPS = 2 * (N_COMPONENTS + 1) + 1  # shorter clips are padded with zeros at both ends
N_COMPLEX = 512  # of an embedding
DROPOUT = 0.1
TINY = 1e-6  # under every root and division
CHUNK = 16  # clips at once

PHALAR_STEM = "encoder.backbone.input_proj.weight"  # a published file is told by it
NAMES = {  # what published names begin with -> ours
    "encoder.backbone.": "backbone.",
    "encoder.pooling.0.project_in.1.": "projection.",
    "encoder.mlp.": "head.",
    "similarity.W.": "bilinear.",
}
KERNELS = "encoder.cqt_extractor.0."  # the front end's constants, which a file may hold
LENGTHS = f"{KERNELS}lenghts"  # nnAudio's spelling
STATED = {  # settings that leave no trace in the weights
    "comparison_method": "bilinear_similarity",
    "spec_pool_norm": "global",
    "spec_pool_center_padding": True,
}


@dataclass(frozen=True)
class PhalarConfig:
    """All that can differ between two of them; stored beside the weights."""

    symmetric: bool = True  # the mean of both directions, as published scores are; False: W on the conditioning
    stem_bias: bool = True  # of the first convolution: with it the weights are as many as published, 2,293,112

    to_dict = asdict


class Phalar(nn.Module, Bilinear):
    """PHALAR, with the interface of a `Cocola`: a single mode, embeddings of 1,024 real numbers.

    Args:
        config: PhalarConfig; None for the symmetric score.
    """

    def __init__(self, config: PhalarConfig | None = None):
        super().__init__()
        self.config = config or PhalarConfig()
        self.front_end = ConstantQ()
        self.modes, self.dim = self.front_end.modes, 2 * N_COMPLEX
        self.backbone = Backbone(self.config.stem_bias)
        self.projection = nn.Linear(N_BINS * CHANNELS[-1], N_PROJECTED, bias=False)
        self.head = nn.Sequential(
            ComplexLinear(N_PROJECTED * N_COMPONENTS, N_COMPLEX),
            ComplexRMSNorm(N_COMPLEX),
            ModReLU(N_COMPLEX),
            ComplexLinear(N_COMPLEX, N_COMPLEX),
        )
        self.bilinear = ComplexLinear(N_COMPLEX, N_COMPLEX)  # W

    def features(self, waveforms: Tensor) -> Tensor:
        """Front end, nothing learnt: (B, N) at 16 kHz -> (B, 1, 96, T), (dB + 80) / 80."""
        return self.front_end(waveforms)

    def embed(self, features: Tensor, mode: str = "both") -> Tensor:
        """Features -> embeddings: (B, 1, 96, T) -> (B, 1024), 512 real parts, then 512 imaginary ones, length one."""
        x = self.backbone(features).permute(0, 3, 2, 1).flatten(2)  # (B, T / 32, 96 * 60)
        z = self.head(complex_dropout(phasors(self.projection(x)).flatten(1), self.training))  # (B, 512) complex
        return torch.cat([z.real, z.imag], dim=1) / (squared(z).sum(dim=1, keepdim=True) + TINY).sqrt()

    def embed_modes(self, waveforms: Tensor, modes: tuple[str, ...]) -> Tensor:
        """(B, N) at 16 kHz -> (n_modes, B, D)."""
        h = torch.cat([self.embed(self.features(clips)) for clips in waveforms.split(CHUNK)])
        return h.expand(len(modes), *h.shape)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms -> embeddings: (B, N) -> (B, D)."""
        return self.embed(self.features(waveforms))

    def w(self) -> Tensor:
        """Eq. 2's W, (D, D) real: what x' W y needs to be Re((W x)^H y), or the mean of both directions."""
        real, imaginary = self.bilinear.W.weight.T.chunk(2, dim=1)
        w = torch.cat([torch.cat([real, imaginary], dim=1), torch.cat([-imaginary, real], dim=1)])
        return (w + w.T) / 2 if self.config.symmetric else w

    def project(self, h: Tensor) -> Tensor:
        """h' W: (K, D) -> (K, D)."""
        return h @ self.w()

    def frozen(
        self, device: str | torch.device = "cpu", precision: str = "auto", scale: float | None = None
    ) -> "Phalar":
        """A copy for scoring, in float32 whatever precision is asked for: its phases need it."""
        fast = copy.deepcopy(self).eval().requires_grad_(False).to(device)
        fast.report = {"device": str(device), "precision": "float32", "bfloat16_error": None}
        return fast


def load_phalar(path, state: dict[str, Tensor], hyper: dict) -> Phalar:
    """The model of a published PHALAR checkpoint.

    Args:
        path: for messages. state: its `state_dict`. hyper: its `hyper_parameters`, plain values.
    Raises:
        ValueError: one line: a variant that scores otherwise, another front end, or weights of another shape.
    """
    for name, value in STATED.items():
        if hyper.get(name, value) != value:
            raise ValueError(f"{path}: a variant of PHALAR with {name} {hyper[name]}; only {value} is read")
    lengths = kernel_lengths()
    if LENGTHS in state and not torch.equal(state[LENGTHS].flatten().long(), lengths):
        raise ValueError(f"{path}: its constant-Q kernels are not 12 an octave from {lengths[0]} samples; not read")
    ours = {}
    for name, tensor in state.items():
        begin = next((begin for begin in NAMES if name.startswith(begin)), "")
        if not name.startswith(KERNELS):
            ours[NAMES.get(begin, "") + name.removeprefix(begin)] = tensor
    return fit(Phalar(PhalarConfig(stem_bias="backbone.input_proj.bias" in ours)), ours, path)


class Backbone(nn.Module):
    """Ten blocks of separable convolutions, after a projection to 8 channels: (B, 1, 96, T) -> (B, 60, 96, T / 32)."""

    def __init__(self, stem_bias: bool = True):
        super().__init__()
        self.input_proj = nn.Conv2d(1, CHANNELS[0], 1, bias=stem_bias)
        stages = zip(CHANNELS, CHANNELS[1:], strict=False)
        self.layers = nn.Sequential(*(block for n, wider in stages for block in (Block(n, wider), Block(wider))))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.input_proj(x))


class Block(nn.Module):
    """What neighbours in frequency, neighbours in time and the channels of one cell add to it, one after the other.

    Args:
        n: channels. wider: channels to end with, at half the time resolution; None: all stays as it is.
    """

    def __init__(self, n: int, wider: int | None = None):
        super().__init__()
        self.freq_conv = _branch(n, n, (3, 1))
        self.time_conv = _branch(n, n, (1, 3))
        self.pointwise_op = _branch(n, 2 * n, (1, 1))
        halve = {"kernel_size": (1, 3), "stride": (1, 2), "padding": (0, 1), "bias": False}
        self.compression = nn.Conv2d(n, wider, **halve) if wider else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for branch in (self.freq_conv, self.time_conv, self.pointwise_op):
            x = x + branch(x)
        return self.compression(x)


def _branch(n: int, hidden: int, kernel: tuple[int, int]) -> nn.Sequential:
    """Every channel normalised over the clip, a convolution, SiLU, a mixture of channels, a scale that starts at 0."""
    return nn.Sequential(
        nn.GroupNorm(n, n),
        nn.Conv2d(n, hidden, kernel, padding="same"),
        nn.SiLU(),
        nn.Conv2d(hidden, n, 1, bias=False),
        Scale(n),
        nn.Dropout2d(DROPOUT),
    )


class Scale(nn.Module):
    """A learnt factor per channel, 0 at first: (B, C, F, T) -> the same."""

    def __init__(self, n: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


def phasors(x: Tensor) -> Tensor:
    """Slow change as complex numbers: (B, T, 80) -> (B, 80, 8), Fourier components 1 to 8, mean magnitude one."""
    missing = max(0, MIN_STEPS - x.shape[1])
    x = F.pad(x.float().transpose(1, 2), (missing // 2, missing - missing // 2))  # (B, 80, 19 or more)
    components = torch.fft.rfft(x, norm="ortho")[..., 1 : N_COMPONENTS + 1]
    return components / (components.abs().mean(dim=(1, 2), keepdim=True) + TINY)


def squared(z: Tensor) -> Tensor:
    """|z|^2, with a gradient at 0 too."""
    return z.real.square() + z.imag.square()


def complex_dropout(z: Tensor, training: bool) -> Tensor:
    """Dropout of whole complex numbers."""
    return z * F.dropout(torch.ones_like(z.real), DROPOUT, training)


class ComplexLinear(nn.Module):
    """z -> W z without bias; W = A + i B is kept as one real matrix: the rows of A, then those of B."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.W = nn.Linear(n_in, 2 * n_out, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return F.linear(z, torch.complex(*self.W.weight.chunk(2)))


class ComplexRMSNorm(nn.Module):
    """z over the root of its mean |z|^2, times a learnt factor per number."""

    def __init__(self, n: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, z: Tensor) -> Tensor:
        return z / (squared(z).mean(dim=1, keepdim=True) + TINY).sqrt() * self.weight


class ModReLU(nn.Module):
    """ReLU of the magnitude plus a bias; the phase stays."""

    def __init__(self, n: int):
        super().__init__()
        self.b = nn.Parameter(torch.full((n,), -0.01))

    def forward(self, z: Tensor) -> Tensor:
        magnitude = (squared(z) + TINY).sqrt()
        return z * ((magnitude + self.b).relu() / magnitude)
