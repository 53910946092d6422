"""ONNX Runtime computes what PyTorch does, from samples to scores."""

import json

import numpy as np
import pytest
import torch

from cocola_lib import Scorer
from cocola_lib.fast.inference import probe_clips
from cocola_lib.models import graphs

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "bundled"
    assert graphs.export("hps-all-time", folder) <= graphs.TOLERANCE
    return folder


def run(file, *inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, inputs, strict=True)))
    return found


def test_scores_from_samples_are_those_of_the_scorer(exported):
    scorer, clips = Scorer("hps-all-time", precision="float32"), probe_clips(4).numpy()
    h = np.concatenate([run(exported / graphs.ENCODER, clip[None]) for clip in clips], axis=1)  # (modes, 4, D)
    about = json.loads((exported / graphs.ABOUT).read_text(encoding="utf-8"))
    assert tuple(about["modes"]) == scorer.modes and about["checkpoint"] == scorer.hash
    for mode, embeddings in zip(about["modes"], h, strict=True):
        expected = scorer.embed(clips, mode)
        np.testing.assert_allclose(embeddings, expected, rtol=0, atol=1e-4)
        scores = run(exported / graphs.SIMILARITY, embeddings[:2], embeddings[2:])
        pairs = [scorer.score(a, b, 16_000, modes=mode) for a, b in zip(clips[:2], clips[2:], strict=True)]
        np.testing.assert_allclose(scores, [getattr(pair, mode) for pair in pairs], rtol=1e-4, atol=1e-3)


def test_silence_is_no_error_in_a_graph(exported):
    silence = np.zeros((1, 80_000), np.float32)
    expected = graphs.Encoder(Scorer("hps-all-time").model)(torch.from_numpy(silence)).numpy()
    np.testing.assert_allclose(run(exported / graphs.ENCODER, silence), expected, rtol=0, atol=1e-4)


def test_what_is_no_network_or_would_overwrite_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="measures features outside of the network"):
        graphs.export("control", tmp_path / "new")
    (tmp_path / "kept.txt").touch()
    with pytest.raises(ValueError, match="is no export of ours"):
        graphs.export("hps-all-time", tmp_path)
    assert not (tmp_path / "new").exists() and (tmp_path / "kept.txt").exists()
