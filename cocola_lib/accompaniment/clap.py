"""CLAP as an embedder: the model of the literature from its published file, and any model in `transformers`' format.

APA, fadtk and PHALAR embed with `music_audioset_epoch_15_esc_90.14.pt` of LAION-CLAP (Wu et al., 2023, arXiv
2211.06687), which is not the hub's `laion/larger_clap_music`. The file is a pickle of a training run: only its tensors
are taken, and only the audio tower's.
"""

from pathlib import Path

import numpy as np
import torch

from cocola_lib.models.formats import fit, weights_hash
from cocola_lib.models.official import read_lightning

REPOSITORY, FILE = "lukewys/laion_clap", "music_audioset_epoch_15_esc_90.14.pt"  # where its authors publish it
HTSAT_BASE = {"depths": [2, 2, 12, 2], "patch_embeds_hidden_size": 128, "hidden_size": 1024}
NAMES = {  # LAION's names of modules -> those of `transformers`
    "audio_branch.": "audio_model.audio_encoder.",
    "bn0.": "batch_norm.",
    ".attn.proj.": ".attention.output.dense.",
    ".attn.": ".attention.self.",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
    "audio_projection.0.": "audio_projection.linear1.",
    "audio_projection.2.": "audio_projection.linear2.",
}


class Clap:
    """CLAP's audio embedding, 512 numbers per 10 s, every second (48 kHz). Shorter clips are repeated to 10 s.

    Args:
        source: folder in the format of `save_pretrained`, or a repository in the user's cache.
        name: of the column.
    """

    rate, window_s = 48_000, 10

    def __init__(self, source, local_files_only=True, name="CLAP"):
        from transformers import ClapFeatureExtractor, ClapModel

        extractor = ClapFeatureExtractor.from_pretrained(source, local_files_only=local_files_only)
        self._set(ClapModel.from_pretrained(source, local_files_only=local_files_only), extractor, name)

    def _set(self, model, extractor, name):
        self.model, self.extractor, self.name = model.eval(), extractor, name
        self.identity = f"clap-{weights_hash(self.model)}"

    @torch.inference_mode()
    def embed(self, clip):
        window = self.window_s * self.rate
        starts = range(0, max(1, len(clip) - window + 1), self.rate)
        windows = [np.asarray(clip[start : start + window], np.float32) for start in starts]
        inputs = self.extractor(windows, sampling_rate=self.rate, return_tensors="pt")
        found = self.model.get_audio_features(**inputs)
        return getattr(found, "pooler_output", found).float().numpy()  # a plain tensor before transformers 5


class LaionClap(Clap):
    """The same from LAION's own file, by default the CLAP of the literature.

    Args:
        path: the published .pt file.
        audio_config: of another size than HTSAT-base, see `transformers.ClapAudioConfig`.
    Raises:
        ValueError: one line: the file is damaged, or holds other weights.
    """

    def __init__(self, path, audio_config=None):
        from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

        # no text is embedded: its tower is as small as it can be
        text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        config = ClapConfig(audio_config=audio_config or HTSAT_BASE, text_config=text | {"vocab_size": 3})
        model = ClapModel(config)
        fit_audio(model, read_lightning(Path(path))["state_dict"], path)
        self._set(model, ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad"), "CLAP")


def fit_audio(model, state, name):
    """Load LAION's tensors of the audio tower into `transformers`' model."""
    kept = {key.removeprefix("module."): value for key, value in state.items()}
    kept = {k: v for k, v in kept.items() if k.startswith(("audio_branch.", "audio_projection."))}
    # the front end, and heads that classify sounds: not of the embedding
    unused = ("spectrogram_extractor", "logmel_extractor", "tscam_conv", "audio_branch.head.", "attn_mask")
    found = {}
    for key, tensor in kept.items():
        if any(part in key for part in unused):
            continue
        for theirs, ours in NAMES.items():
            key = key.replace(theirs, ours)
        if ".qkv." in key:
            thirds = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            found |= {key.replace("qkv", part): third for part, third in thirds}
        else:
            found[key] = tensor
    towers = torch.nn.ModuleDict({"audio_model": model.audio_model, "audio_projection": model.audio_projection})
    fit(towers, found, name)


def fetch(local_files_only=True):
    """Where the published file lies in the hub's cache; with False, it is fetched there first."""
    from huggingface_hub import hf_hub_download

    return hf_hub_download(REPOSITORY, FILE, local_files_only=local_files_only)
