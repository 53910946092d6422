"""Retrieval: which of many loops or stems fits a mix best?

Eq. 2 is h1' W h2, so with the query q = W' h1 the search is one inner product per clip: an index of 100,000 clips
is one matrix product. A flat faiss index gives the same numbers and measured no faster, so there is none here.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
COLUMNS = ("rank", "name", "score", "percentile", "odds", "best_start_s", "best_score")


@dataclass
class Index:
    """Embeddings of a folder's clips.

    `names`: n paths relative to the folder; `stamps`: n strings that change when a file does; `embeddings`: (n, D)
    float32, a row of NaN for a silent clip; `mode` and `model`: what they were made with (the model's hash);
    `failed`: name -> one line, clips that could not be read.
    """

    names: list[str]
    stamps: list[str]
    embeddings: np.ndarray
    mode: str
    model: str
    failed: dict[str, str]

    def save(self, path):
        """Write one safetensors file, the names in its metadata; temporary name, then rename."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lists = {"names": self.names, "stamps": self.stamps, "failed": self.failed}
        metadata = {"format": "cocola_lib index", "mode": self.mode, "model": self.model}
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            save_file({"embeddings": self.embeddings}, temporary, metadata | {"lists": json.dumps(lists)})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path):
        """Read an index; ValueError or FileNotFoundError where there is none."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such index")
        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != "cocola_lib index":
                    raise ValueError(f"{path}: not an index of cocola_lib; choose another name")
                lists = json.loads(metadata["lists"])
                embeddings = file.get_tensor("embeddings")
        except (SafetensorError, KeyError, OSError) as error:
            raise ValueError(f"{path}: not a readable index ({error}); delete it and build it again") from None
        return cls(embeddings=embeddings, mode=metadata["mode"], model=metadata["model"], **lists)


def build_index(scorer, folder, mode="both", known=None, progress=iter):
    """Embed every audio file under a folder; files that `known` holds unchanged are not read again.

    Args:
        scorer: `Scorer`.
        folder: searched with its subfolders for .wav, .flac, .ogg, .mp3 and .aiff; hidden files are left out.
        mode: "both", "harmonic" or "percussive".
        known: an earlier `Index` of the folder, or None.
        progress: wraps the iterable of files as they are embedded, such as `tqdm`.
    Returns:
        `Index`, names sorted.
    Raises:
        FileNotFoundError, ValueError: no such folder, no audio in it, an index of another model or mode.
    """
    stamps = audio_files(folder)
    if known is not None and (known.model, known.mode) != (scorer.hash, mode):
        raise ValueError(
            f"index: made with model {known.model} in mode {known.mode!r}, this is {scorer.hash} in {mode!r}; "
            "delete it, or name another file"
        )
    rows, failed = {}, {}
    if known is not None:
        kept = zip(known.names, known.stamps, known.embeddings, strict=True)
        rows = {name: row for name, stamp, row in kept if stamps.get(name) == stamp}
    new = [name for name in stamps if name not in rows]
    embedded = scorer.embed_each((Path(folder) / name for name in new), mode)
    for name, row in progress(zip(new, embedded, strict=True)):
        if isinstance(row, Exception):
            failed[name] = str(row)
        else:
            rows[name] = row
    names = sorted(rows)
    if not names:
        first = next(iter(failed.values()))
        raise ValueError(f"{folder}: none of its {len(failed)} audio files can be read; the first: {first}")
    embeddings = np.stack([rows[name] for name in names])
    return Index(names, [stamps[name] for name in names], embeddings, mode, scorer.hash, failed)


def audio_files(folder):
    """Audio files under a folder: relative path -> a string that changes when the file does."""
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise ValueError(f"{folder}: is a file; expected a folder of clips")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    if not files:
        raise ValueError(f"{folder}: holds no audio ({', '.join(SUFFIXES)})")
    stats = ((p.relative_to(folder).as_posix(), p.stat()) for p in files)
    return {name: f"{stat.st_size}-{stat.st_mtime_ns}" for name, stat in stats}


def rank(scorer, mix, index, k=10, by="mean", rate=None, hop_s=2.5):
    """The clips of an index that fit a mix best.

    Args:
        scorer: the `Scorer` that made the index.
        mix: path or samples, as in `Scorer.score`; the conditioning side of the pairs.
        index: `Index`.
        k: how many.
        by: "mean" ranks by the mean over the mix's sounding windows, "best" by the window that fits best.
    Returns:
        A frame of at most k rows, best first: rank, name, score, percentile and odds (NaN without a calibration;
        they belong to single windows), and where in the mix the clip fits best: best_start_s, best_score.
        Silent clips are never listed.
    Raises:
        ValueError: a silent mix, an index of another model.
    """
    import pandas as pd

    if index.model != scorer.hash or index.embeddings.shape[1] != scorer.embedder.dim:
        raise ValueError(f"index: made with model {index.model}, this is {scorer.hash}; build it again")
    if by not in ("mean", "best"):
        raise ValueError(f"by: {by!r}; expected 'mean' or 'best'")
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k: {k!r}; expected 1 or more")
    (windows,) = scorer.embed_windows([mix], (index.mode,), rate, hop_s)
    times = np.flatnonzero(np.isfinite(windows[0, :, 0]))
    if len(times) == 0:
        raise ValueError(f"{mix if isinstance(mix, (str, Path)) else 'mix'}: silent, nothing fits it")
    queries = scorer.embedder.project(windows[0, times])  # (n_windows, D): rows W' h1
    scores = search(queries.mean(axis=0, keepdims=True) if by == "mean" else queries, index.embeddings)
    top = top_k(scores, k)
    curves = queries @ index.embeddings[top].T  # (n_windows, k)
    best = curves.argmax(axis=0) if len(top) else []
    known = scorer.calibration.modes.get(index.mode) if scorer.calibration else None
    rows = [
        (i + 1, index.names[j], float(scores[j]))
        + ((known.percentile(float(scores[j])), known.odds(float(scores[j]))) if known else (np.nan, np.nan))
        + (float(times[best[i]] * hop_s), float(curves[best[i], i]))
        for i, j in enumerate(top)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def search(queries, embeddings, block=16_384):
    """The best inner product of each clip with any query: (Q, D), (n, D) -> (n,); NaN for silent clips."""
    if len(queries) == 1:
        return embeddings @ queries[0]
    blocks = (embeddings[i : i + block] @ queries.T for i in range(0, len(embeddings), block))
    return np.concatenate([scores.max(axis=1) for scores in blocks])


def top_k(scores, k):
    """Positions of the k greatest scores, best first, ties in order, NaN left out."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    k = min(k, int((scores > -np.inf).sum()))
    if k == 0:
        return np.zeros(0, dtype=int)
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]
