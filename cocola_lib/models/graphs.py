"""Models for programs without Python, such as plug-ins: the encoder and Eq. 2 as two ONNX graphs.

`encoder.onnx` holds the whole way from samples to embeddings, median filters included: waveforms (1, 80000), 16 kHz,
mono, in +-1, to embeddings (n_modes, 1, D). `similarity.onnx` is Eq. 2 for pairs: h1 (B, D) and h2 (B, D), of one mode,
to scores (B). `onnx.json` beside them names the modes in order, and the calibration, by which scores can be read.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cocola_lib.clips import WINDOW
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.encoder import Cocola
from cocola_lib.extras import need
from cocola_lib.fast.inference import probe_clips
from cocola_lib.files import whole_folder, write_json
from cocola_lib.models import checkpoints
from cocola_lib.models.formats import checkpoint_hash

ENCODER, SIMILARITY, ABOUT = "encoder.onnx", "similarity.onnx", "onnx.json"
OPSET = 20
TOLERANCE = 1e-4  # between PyTorch and ONNX Runtime, for embeddings in -1..1


class Encoder(nn.Module):
    """A model's way from samples to embeddings, as one graph."""

    def __init__(self, model: Cocola):
        super().__init__()
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.model.front_end.path = "torch"  # numba is no graph

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """(1, N) -> (n_modes, 1, D)."""
        return self.model.embed_modes(waveforms, self.model.modes)


class Similarity(nn.Module):
    """Eq. 2 for pairs of embeddings."""

    def __init__(self, model: Cocola):
        super().__init__()
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    def forward(self, h1: torch.Tensor, h2: torch.Tensor) -> torch.Tensor:
        """(B, D), (B, D) -> (B,)."""
        return self.model.similarity_of_pairs(h1, h2)


def export(checkpoint: str | Path, folder: Path) -> float:
    """Write a model as ONNX, and compare it with PyTorch on a clip before it takes its name.

    Args:
        checkpoint: what `checkpoints.load` reads.
        folder: gets the two graphs and `onnx.json`; an older export there is replaced.

    Returns:
        The largest difference between the embeddings of ONNX Runtime and those of PyTorch.

    Raises:
        ExtraMissing: without the extra "onnx".
        ValueError: no network alone, a folder that holds something else, or graphs that compute something else.
    """
    need("onnx", "onnx", "onnxscript", "onnxruntime")
    if folder.exists() and not (folder / ENCODER).is_file():
        raise ValueError(f"{folder}: exists and is no export of ours; choose another folder")
    model, config = checkpoints.load(checkpoint)
    if not isinstance(model, Cocola):
        raise ValueError(f"{checkpoint}: measures features outside of the network; export hps-all-time, or your own")
    clip, h1, h2 = probe_clips(1), torch.zeros(2, model.dim), torch.zeros(2, model.dim)  # one tensor would be one input
    expected = Encoder(model)(clip)  # first: what is kept for later calls is made by this one, not by the tracing
    with whole_folder(folder) as target:
        _write(Encoder(model), {"waveforms": clip}, "embeddings", target / ENCODER)
        _write(Similarity(model), {"h1": h1, "h2": h2}, "scores", target / SIMILARITY, torch.export.Dim("B"))
        about = {"modes": model.modes, "rate_hz": SAMPLE_RATE, "samples": WINDOW, "dimensions": model.dim}
        origin = {"checkpoint": checkpoint_hash(checkpoint), "calibration": config.get("calibration")}
        write_json(target / ABOUT, about | origin)
        difference = float(np.abs(_run(target / ENCODER, clip) - expected.numpy()).max())
        if difference > TOLERANCE:
            raise ValueError(f"{folder}: the graph's embeddings differ from the model's by {difference:.2g}")
    return difference


def _write(network: nn.Module, inputs: dict[str, torch.Tensor], output: str, file: Path, size=None) -> None:
    """One graph; `size`, if given, is that of every input's first axis."""
    shapes = {name: {0: size} for name in inputs} if size else None
    program = torch.onnx.export(
        network.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=[output],
        opset_version=OPSET,
        dynamic_shapes=shapes,
        dynamo=True,
        optimize=False,  # minutes for the network of medians; whoever runs the graph optimises it anyway
        verbose=False,
    )
    program.save(file)


def _run(file: Path, waveforms: torch.Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"waveforms": waveforms.numpy()})[0]
