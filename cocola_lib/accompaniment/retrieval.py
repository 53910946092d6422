"""Retrieval: which of many loops or stems fits a mix best?

Eq. 2 is h1' W h2, so with the queries q = W' h1 the search is inner products: a mix against an index of 100,000 clips
is one matrix product. A flat faiss index gives the same numbers and measured slower, so there is none here.

Where a clip goes: one at least half as long as the mix is a stem and starts with it; a shorter one is a loop, and is
tried at every window of the mix. A clip's score at one place is the mean over its windows, as in `Scorer.score`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cocola_lib.data.pair_files import audio_files
from cocola_lib.files import parse_json, whole

CLIP_HOP_S = 5.0  # s between the windows of a clip: none overlap, so that the index stays small
STRIDE = 2  # the mix has a window every 2.5 s, half of that
COLUMNS = ("rank", "name", "score", "percentile", "odds", "best_start_s", "best_score")


@dataclass
class Index:
    """Embeddings of a folder's clips.

    `names`: n paths relative to the folder; `stamps`: n strings that change when a file does; `counts`: (n,) windows
    of each; `embeddings`: (sum of counts, D) float32, the first windows of all clips, then all second ones, and so on,
    NaN where one is silent; `mode` and `model`: what they were made with (the model's hash); `failed`: name -> one
    line, clips that could not be read.
    """

    names: list[str]
    stamps: list[str]
    counts: np.ndarray
    embeddings: np.ndarray
    mode: str
    model: str
    failed: dict[str, str]

    @classmethod
    def of(cls, clips, stamps, mode, model, failed):
        """From name -> (n_windows, D) and name -> stamp."""
        names = sorted(clips)
        counts = np.array([len(clips[name]) for name in names])
        rows = [clips[names[i]][t] for t in range(counts.max()) for i in np.flatnonzero(counts > t)]
        return cls(names, [stamps[name] for name in names], counts, np.stack(rows), mode, model, failed)

    def windows(self):
        """Yield, per t, which clips have a window t, (n_t,), and its embeddings, (n_t, D)."""
        start = 0
        for t in range(int(self.counts.max())):
            has = np.flatnonzero(self.counts > t)
            yield has, self.embeddings[start : start + len(has)]
            start += len(has)

    def clips(self):
        """Name -> (n_windows, D)."""
        rows = {name: [] for name in self.names}
        for has, embeddings in self.windows():
            for i, row in zip(has, embeddings, strict=True):
                rows[self.names[i]].append(row)
        return {name: np.stack(row) for name, row in rows.items()}

    def save(self, path):
        """Write one safetensors file, the names in its metadata; temporary name, then rename."""
        lists = {"names": self.names, "stamps": self.stamps, "failed": self.failed}
        metadata = {"format": "cocola_lib index", "mode": self.mode, "model": self.model}
        arrays = {"embeddings": self.embeddings, "counts": self.counts}
        with whole(path) as temporary:
            temporary.write_bytes(save(arrays, metadata | {"lists": json.dumps(lists)}))

    @classmethod
    def load(cls, path):
        """Read an index; ValueError or FileNotFoundError where there is none."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such index")
        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") == "cocola_lib index":
                    arrays = {name: file.get_tensor(name) for name in ("counts", "embeddings")}
                    lists = parse_json(metadata["lists"])
                    found = cls(**arrays, mode=metadata["mode"], model=metadata["model"], **lists)
                    if not len(found.names) == len(found.stamps) == len(found.counts) == len(found.clips()):
                        raise ValueError("its lists differ in length")
                    return found
        except (SafetensorError, KeyError, OSError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a readable index ({error}); delete it and build it again") from None
        raise ValueError(f"{path}: not an index of cocola_lib; choose another name")


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
    clips, failed = {}, {}
    if known is not None:
        old = dict(zip(known.names, known.stamps, strict=True))
        clips = {name: h for name, h in known.clips().items() if stamps.get(name) == old[name]}
    new = [name for name in stamps if name not in clips]
    paths = (Path(folder) / name for name in new)
    embedded = scorer.embed_windows(paths, (mode,), hop_s=CLIP_HOP_S, errors="yield")
    for name, h in progress(zip(new, embedded, strict=True)):
        if isinstance(h, Exception):
            failed[name] = str(h)
        else:
            clips[name] = h[0]
    if not clips:
        first = next(iter(failed.values()))
        raise ValueError(f"{folder}: none of its {len(failed)} audio files can be read; the first: {first}")
    return Index.of(clips, stamps, mode, scorer.hash, failed)


def rank(scorer, mix, index, k=10, by="mean", rate=None):
    """The clips of an index that fit a mix best.

    Args:
        scorer: the `Scorer` that made the index.
        mix: path or samples, as in `Scorer.score`; the conditioning side of the pairs.
        index: `Index`.
        k: how many.
        by: "mean" ranks loops by the mean over all places in the mix, "best" by the best place; stems have one place.
        rate: Hz of an array.
    Returns:
        A frame of at most k rows, best first: rank, name, score, percentile and odds (NaN without a calibration;
        they belong to single windows), and where in the mix the clip fits best: best_start_s, best_score.
        Silent clips are never listed.
    Raises:
        ValueError: a silent mix, an index of another model.
    """
    if index.model != scorer.hash or index.embeddings.shape[1] != scorer.model.dim:
        raise ValueError(f"index: made with model {index.model}, this is {scorer.hash}; build it again")
    if by not in ("mean", "best"):
        raise ValueError(f"by: {by!r}; expected 'mean' or 'best'")
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k: {k!r}; expected 1 or more")
    (windows,) = scorer.embed_windows([mix], (index.mode,), rate, CLIP_HOP_S / STRIDE)
    if np.isnan(windows[0, :, 0]).all():
        raise ValueError(f"{mix if isinstance(mix, (str, Path)) else 'mix'}: silent, nothing fits it")
    places = search(scorer.project(windows[0]), index)  # (n, T)
    count = np.isfinite(places).sum(axis=1)
    best = np.where(count, np.where(np.isnan(places), -np.inf, places).max(axis=1), np.nan)
    scores = np.nansum(places, axis=1) / np.maximum(count, 1) if by == "mean" else best
    top = top_k(np.where(count, scores, np.nan), k)
    known = scorer.calibration.modes.get(index.mode) if scorer.calibration else None
    rows = [
        (i + 1, index.names[j], float(scores[j]))
        + ((known.percentile(float(scores[j])), known.odds(float(scores[j]))) if known else (np.nan, np.nan))
        + (float(np.nanargmax(places[j]) * CLIP_HOP_S / STRIDE), float(best[j]))
        for i, j in enumerate(top)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def search(queries, index):
    """Every clip at every place in the mix.

    Args:
        queries: (T, D), the mix's windows times W, one every 2.5 s; NaN where silent.
        index: `Index` of n clips.
    Returns:
        (n, T) float32: the mean over the clip's windows if it starts with window T of the mix; NaN where it may not
        start, or nothing sounds together.
    """
    n_queries = len(queries)
    total = np.zeros((len(index.names), n_queries), np.float32)
    count = np.zeros_like(total)
    for t, (has, embeddings) in enumerate(index.windows()):
        later = queries[STRIDE * t :]  # what window t of a clip meets, from the first place on
        if len(later) == 0:
            break
        scores = embeddings @ later.T  # (n_t, T - 2 t)
        sounds = np.isfinite(scores)
        total[has, : len(later)] += np.where(sounds, scores, 0)
        count[has, : len(later)] += sounds
    span = STRIDE * (index.counts - 1) + 1  # windows of the mix that a clip covers
    places = np.where(2 * span >= n_queries, 1, n_queries - span + 1)  # a stem starts with the mix
    count[np.arange(n_queries) >= places[:, None]] = 0
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def top_k(scores, k):
    """Positions of the k greatest scores, best first, ties in order, NaN left out."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    k = min(k, int((scores > -np.inf).sum()))
    if k == 0:
        return np.zeros(0, dtype=int)
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]
