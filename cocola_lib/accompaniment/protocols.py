"""The protocols by which accompaniment is judged, each a table of constants: `--protocol NAME`, `--describe`.

`export` takes from it what is asked, `evaluate` what is measured. What a protocol does not state is `OURS`, and the
description says so. Sources: the papers, and stream-music-gen's and PHALAR's published code.
"""

from dataclasses import dataclass, fields

import pandas as pd

from cocola_lib.accompaniment.fad_embedders import HUB_CLAP, NAMES
from cocola_lib.data.audio import PEAK

EMBEDDERS = tuple(name for name in NAMES if name != HUB_CLAP)  # one CLAP is enough, unless the other one is asked for


@dataclass(frozen=True)
class Protocol:
    """The constants of one protocol; `describe` prints them under these names' titles (`TITLES`).

    `published`: (system, metric, value) that were published under it, from `source`.
    """

    name: str
    source: str
    data: str
    split: str = "test"
    n: int = 48
    chunk_s: float = 10.0
    rate_hz: int = 16_000
    conditioning: str = "subset"
    exclude: tuple[str, ...] = ("vocals", "other")
    level_lufs: float | None = None
    peak: float = PEAK
    cut_s: float | None = None
    hop_s: float = 2.5
    pad_last: bool = False
    random: str = "track"
    embedders: tuple[str, ...] = EMBEDDERS
    fad_of: str = "mixes"
    seed: int = 0
    unstated: str = ""
    published: tuple[tuple[str, str, float], ...] = ()


TITLES = {
    "data": "data set",
    "split": "split (MUSDB18-HQ's train split, which Table I was measured on: --split train,valid)",
    "n": "questions",
    "chunk_s": "length of a conditioning, s",
    "rate_hz": "sample rate of what a generator gets, Hz",
    "conditioning": "what it hears (subset: some sounding stems; rest: all other sounding stems)",
    "exclude": "classes that are never asked for",
    "level_lufs": "level of conditioning and stem, LUFS",
    "peak": "largest peak, full scale",
    "cut_s": "answers are cut to, s",
    "hop_s": "from one window of 5 s to the next, s",
    "pad_last": "the last window is zero padded",
    "random": "Random answers with",
    "embedders": "embeddings of the distances",
    "fad_of": "FAD is of",
    "seed": "seed",
    "unstated": "not stated there, and ours here",
}
RANDOM = {  # what Random answers with, see `baselines.strangers`
    "track": "the stem of the next question of another track",
    "class": "a stem of the same class, each once, in an order drawn with the seed",
    "chunk": "the stem of another question, drawn with the seed",
}
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ours", "this project", "any folder of stems; miniatures without one"),
        Protocol(
            "paper",
            "COCOLA, Table III, arXiv 2404.16969",
            "MoisesDB test (168 chunks) or MUSDB18-HQ test (236)",
            n=236,
            chunk_s=47.55,
            rate_hz=44_100,
            cut_s=9.58,
            random="chunk",
            embedders=("CLAP", "EnCodec", "VGGish"),
            unstated="hop of the windows, seed",
        ),
        Protocol(
            "streamgen",
            "stream-music-gen, github.com/lukewys/stream-music-gen",
            "Slakh2100 test",
            n=1024,
            rate_hz=32_000,
            exclude=(),
            level_lufs=-18.0,
            cut_s=10.0,
            pad_last=True,
            random="class",
            embedders=("VGGish",),
            fad_of="stems",
            seed=42,
            published=(
                ("a later user of the protocol", "Beat F1 (beat-this)", 0.184),
                ("a later user of the protocol", "COCOLA P+H", 54.28),
                ("a later user of the protocol", "FAD of stems, VGGish", 3.64),
            ),
        ),
        Protocol(
            "apa",
            "accompaniment prompt adherence, arXiv 2503.06346",
            "any folder of stems",
            rate_hz=48_000,
            hop_s=5.0,
            embedders=("CLAP",),
            unstated="data set, number and length of questions",
        ),
        Protocol(
            "multitrack",
            "multitrack generation: each stem against the rest",
            "any folder of stems",
            conditioning="rest",
            exclude=(),
            random="track",
            unstated="number and length of questions",
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """Look a protocol up by name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"protocol is {name!r}; use {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def describe(protocol: Protocol) -> pd.DataFrame:
    """The constants of a protocol as a table: constant, value."""

    def said(name: str) -> str:
        value = getattr(protocol, name)
        if name == "random":
            return RANDOM[value]
        if value is None:
            return "the shortest clip" if name == "cut_s" else "as it comes"
        return (", ".join(value) or "none") if isinstance(value, tuple) else str(value)

    rows = [("protocol", protocol.name), ("source", protocol.source)]
    rows += [(TITLES[f.name], said(f.name)) for f in fields(protocol) if f.name in TITLES]
    return pd.DataFrame(rows, columns=["constant", "value"])
