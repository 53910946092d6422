"""Small things that several tests need: a tiny seeded model, clips of noise, files on disk."""

import numpy as np
import torch

from cocola_lib.data import audio
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models import checkpoints
from cocola_lib.scoring import Scorer


def tiny_model(features="hps", pooling="time", seed=0):
    """An untrained model that runs in milliseconds; different modes and clips get different scores."""
    config = ModelConfig(
        features=features, backbone="mobilenetv3_small_050", pooling=pooling, embedding_dim=64, time_steps=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Cocola(config).eval()


def tiny_scorer(features="hps", pooling="time", batch_size=8):
    return Scorer.from_model(tiny_model(features, pooling), device="cpu", batch_size=batch_size)


def tiny_checkpoint(folder, features="hps", seed=0):
    return checkpoints.save(folder, tiny_model(features, seed=seed))


def clip(seconds=5.0, seed=0, rate=16_000, channels=None):
    """Noise with a beat, so that windows differ; (N,) or (N, channels) float32."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    beat = np.sin(2 * np.pi * rng.uniform(0.5, 3) * np.arange(n) / rate) > 0
    x = 0.1 * rng.standard_normal((n, channels or 1)) * (0.1 + beat[:, None])
    return (x if channels else x[:, 0]).astype(np.float32)


def clip_file(path, seconds=5.0, seed=0, rate=16_000, channels=None):
    audio.write(path, clip(seconds, seed, rate, channels), rate)
    return str(path)
