"""A small data set on disk that trains in seconds, and settings for it."""

from tiny import clip

from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.encoder import ModelConfig
from cocola_lib.training.recipes import Recipe
from cocola_lib.training.settings import TrainSettings

SMALL = ModelConfig(backbone="mobilenetv3_small_050", pooling="time", embedding_dim=64, time_steps=16)
TINY = Recipe("tiny", SMALL)
SHORT = TrainSettings(k=6, n_steps=4, valid_every=2, n_valid_pairs=8)


def write_songs(root, n=20, seconds=20.0):
    """Songs of two stems: of 20, two are for validation and two for the test."""
    for song in range(n):
        (root / f"song{song}").mkdir(parents=True)
        for stem in range(2):
            audio.write(root / f"song{song}" / f"stem{stem}.wav", clip(seconds, seed=10 * song + stem))
    return load_tracks(root)


def write_bands(root, n=4, seconds=12.0):
    """Songs of bass, drums and keys, in which every window can be heard."""
    for song in range(n):
        for i, stem in enumerate(("bass", "drums", "keys")):
            audio.write(root / f"song {song}" / f"{stem}.wav", clip(seconds, seed=10 * song + i))
    return load_tracks(root)
