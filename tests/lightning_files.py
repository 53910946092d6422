"""Lightning checkpoints as other people's code bases write them: Enum members of a module that no reader has."""

import enum
import sys
import types

import torch

INPUT_TYPES = {"hps": "double_channel_harmonic_percussive", "mel_htk": "single_channel_mel_spectrogram"}
MEMBERS = {
    "ModelInputType": (*INPUT_TYPES.values(), "single_channel_harmonic"),
    "EmbeddingMode": ("random",),
    "ModelComparisonMethod": ("bilinear_similarity", "psd_bilinear_similarity", "cocola_similarity"),
}


def constants():
    """The module `contrastive_model.constants`, which exists while files are written and is gone afterwards."""
    module = types.ModuleType("contrastive_model.constants")
    for name, values in MEMBERS.items():
        setattr(module, name, enum.Enum(name, {v.upper(): v for v in values}, module=module.__name__))
    return module


def write(path, state, enums, **hyper):
    """Save a state dict with hyper-parameters; returns the path."""
    sys.modules |= {"contrastive_model": types.ModuleType("contrastive_model"), enums.__name__: enums}
    try:
        torch.save(
            {
                "epoch": 3,
                "pytorch-lightning_version": "2.6.6",
                "state_dict": state,
                "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
                "hyper_parameters": {"learning_rate": 1e-3, "embedding_dim": 512, "dropout_p": 0.1} | hyper,
            },
            path,
        )
    finally:
        del sys.modules["contrastive_model"], sys.modules[enums.__name__]
    return path
