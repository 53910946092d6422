"""What a FAD hears with: embedders behind one small interface. Used by notebook 04 and `cocola accompany`.

An embedder has a `name`, a `rate` (Hz), an `identity` (a name for exactly these weights) and `embed(clip)`: (N,)
float32 mono at that rate -> (rows, D) float32. `open_embedder` finds the weights: a path that is given, the user's
cache, or the hub if a download is asked for. It never waits for a network otherwise, and `Unavailable` says in one
line how to get what is missing.
"""

import hashlib
import importlib.util
from pathlib import Path

import librosa
import numpy as np
import torch

from cocola_lib.accompaniment import clap, vggish
from cocola_lib.accompaniment.clap import Clap, LaionClap
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.files import cached, data_dir, keep
from cocola_lib.models.formats import weights_hash
from cocola_lib.scoring import Scorer

HUB_CLAP = "larger_clap_music"  # another model than the CLAP of the literature, and so under its own name
NAMES = ("log-mel", "COCOLA", "CLAP", HUB_CLAP, "EnCodec", "VGGish")
REPOSITORIES = {"CLAP": clap.REPOSITORY, HUB_CLAP: f"laion/{HUB_CLAP}", "EnCodec": "facebook/encodec_24khz"}
VGGISH_FILE = "vggish-10086976.pth"
VGGISH_URL = f"https://github.com/harritaylor/torchvggish/releases/download/v0.1/{VGGISH_FILE}"
FETCH = "cocola accompany evaluate FOLDERS"  # the command that downloads


class Unavailable(ValueError):  # noqa: N818 - reads as what happened
    """An embedder whose weights or package are not here; the message says how to get them."""


class LogMel:
    """Means and deviations of a log-mel spectrogram over blocks of 1 s: no weights, nothing to download.

    64 numbers: 32 bands (60-7800 Hz, dB relative to full scale, floor -100), mean and standard deviation over time.
    It hears loudness, timbre and density, but no notes.
    """

    name, rate, identity = "log-mel", SAMPLE_RATE, "log-mel-1"
    BANDS, HOP, BLOCK = 32, 160, 100  # frames of 10 ms

    def embed(self, clip):
        power = librosa.feature.melspectrogram(
            y=np.asarray(clip, np.float32),
            sr=self.rate,
            n_fft=1024,
            hop_length=self.HOP,
            n_mels=self.BANDS,
            fmin=60,
            fmax=7800,
            norm=None,
        )
        db = 10 * np.log10(np.maximum(power, 1e-10))  # (32, T)
        n = max(1, db.shape[1] // self.BLOCK)
        blocks = np.array_split(db[:, : max(n * self.BLOCK, 1)], n, axis=1)
        return np.stack([np.concatenate([b.mean(axis=1), b.std(axis=1)]) for b in blocks]).astype(np.float32)


class Ours:
    """COCOLA's own embeddings of 5 s windows, every 2.5 s. A silent window gives no row.

    Args:
        scorer: `Scorer`.
    """

    name, rate = "COCOLA", SAMPLE_RATE

    def __init__(self, scorer):
        self.scorer, self.identity = scorer, f"cocola-{scorer.hash}"

    def embed(self, clip):
        (h,) = self.scorer.embed_windows([clip], ("both",))
        return h[0][np.isfinite(h[0, :, 0])]


class EnCodec:
    """EnCodec's continuous latents before quantisation, 128 numbers, 75 rows per second (24 kHz, mono).

    Args: as `Clap`.
    """

    rate = 24_000

    def __init__(self, source, local_files_only=True, name="EnCodec"):
        from transformers import EncodecModel

        self.name = name
        self.model = EncodecModel.from_pretrained(source, local_files_only=local_files_only).eval()
        if (found := self.model.config.sampling_rate) != self.rate:
            raise Unavailable(f"FAD-EnCodec: {source} is for {found} Hz; the model for {self.rate} Hz is needed")
        self.identity = f"encodec-{weights_hash(self.model)}"

    @torch.inference_mode()
    def embed(self, clip):
        latents = self.model.encoder(torch.from_numpy(np.asarray(clip, np.float32))[None, None])  # (1, 128, T)
        return latents[0].T.float().numpy()


class VggishEmbedder:
    """VGGish, 128 numbers per 0.96 s (16 kHz).

    Args:
        path: the published weights, a local file.
    """

    name, rate = "VGGish", vggish.RATE

    def __init__(self, path):
        self.model = vggish.load(path)
        self.identity = f"vggish-{weights_hash(self.model)}"

    @torch.inference_mode()
    def embed(self, clip):
        x = np.asarray(clip, np.float32)
        shortest = vggish.WINDOW + (vggish.FRAMES - 1) * vggish.HOP
        examples = vggish.examples(np.pad(x, (0, max(0, shortest - len(x)))))
        return self.model(torch.from_numpy(examples)).numpy()


class Cached:
    """An embedder that remembers, by content: the same samples and weights are never embedded twice.

    Args:
        embedder: any of the above.
        folder: where rows are kept, one file per clip; None: the user's cache.
    """

    def __init__(self, embedder, folder=None):
        self.embedder, self.name, self.rate = embedder, embedder.name, embedder.rate
        self.identity = embedder.identity
        self.folder = Path(folder or data_dir() / "embeddings") / self.identity

    def embed(self, clip):
        x = np.ascontiguousarray(clip, dtype=np.float32)
        key = hashlib.sha256(x.tobytes()).hexdigest()[:32]
        path = self.folder / key[:2] / f"{key}.npy"
        rows = cached(path, np.load)
        if rows is None:
            rows = self.embedder.embed(x)
            keep(path, rows, np.save)
        return rows


def open_embedder(name, source=None, scorer=None, download=False):
    """An embedder by name.

    Args:
        name: one of `NAMES`.
        source: folder (as `save_pretrained` writes it) or file (CLAP, VGGish: as published) with the weights; None:
            the user's cache.
        scorer: of "COCOLA"; None is the bundled model's.
        download: fetch weights that are not here.
    Raises:
        Unavailable: one line: what is missing, and how to get it.
        ValueError: an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"embedder is {name!r}; use {', '.join(NAMES)}")
    if name == "log-mel":
        return LogMel()
    if name == "COCOLA":
        return Ours(scorer or Scorer())
    if name == "VGGish":
        return VggishEmbedder(_vggish_file(source, download))
    if importlib.util.find_spec("transformers") is None:
        raise Unavailable(f"FAD-{name}: needs the package transformers; pip install 'cocola-lib[fad]'")
    try:
        return _transformers(name, source, download)
    except Unavailable:
        raise
    except Exception as error:  # a broken or foreign file, no network: whatever it is, the cell stays empty
        reason = " ".join(str(error).split())[:200]
        raise Unavailable(f"FAD-{name}: {source or REPOSITORIES[name]} cannot be loaded ({reason})") from None


def _transformers(name, source, download):
    """CLAP or EnCodec: from a file or folder that is given, the hub's cache, or the hub."""
    if source is not None:
        if name == "CLAP" and Path(source).is_file():
            return LaionClap(source)
        if not (Path(source) / "config.json").is_file():
            published = f", or {clap.FILE}" if name == "CLAP" else ""
            raise Unavailable(
                f"FAD-{name}: {source} holds no config.json; give a folder as save_pretrained writes it{published}"
            )
    elif not download and not _in_cache(REPOSITORIES[name], clap.FILE if name == "CLAP" else "config.json"):
        what, kind = (clap.FILE, "FILE") if name == "CLAP" else ("the weights", "FOLDER")
        raise Unavailable(
            f"FAD-{name}: {what} of {REPOSITORIES[name]} are not in this machine's cache; {FETCH} --download fetches "
            f"them, --weights {name}={kind} reads a local copy"
        )
    if source is None and name == "CLAP":
        return LaionClap(clap.fetch(local_files_only=not download))
    kind = EnCodec if name == "EnCodec" else Clap
    return kind(source or REPOSITORIES[name], local_files_only=source is not None or not download, name=name)


def _in_cache(repository, file):
    """Whether the hub's cache holds a file of a repository; a look at the disk, never at the network."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, file), str)


def _vggish_file(source, download):
    """Where the weights of VGGish lie: as given, or in torch hub's cache."""
    path = Path(source) if source is not None else Path(torch.hub.get_dir()) / "checkpoints" / VGGISH_FILE
    if source is None and not path.is_file() and download:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(VGGISH_URL, str(path), hash_prefix="10086976", progress=False)
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"FAD-VGGish: {VGGISH_FILE} could not be downloaded ({error})") from None
    if not path.is_file():
        raise Unavailable(
            f"FAD-VGGish: {path.name if source is None else path} is not here; {FETCH} --download fetches it, "
            f"--weights VGGish=FILE reads a local copy (release v0.1 of harritaylor/torchvggish)"
        )
    return path
