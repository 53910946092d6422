"""Players that work anywhere, level-matched and labelled.

A clip is one static `<audio controls src="data:...">`, which needs no kernel, no widget and no trust. (JupyterLab
strips `<source>` children from outputs of untrusted notebooks, so the sound sits in `src`.) Where scripts may run,
`player.js` turns the clips of one output into one player that switches between them at the same position without a gap.
"""

import base64
import html
import io
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from cocola_lib.data.audio import SAMPLE_RATE, match_levels
from cocola_lib.notebook.shown import PLAIN


def audio_tag(clip: np.ndarray, label: str, rate: int = SAMPLE_RATE, small: bool = False) -> str:
    """The player of one clip as HTML.

    Args:
        clip: (N,) float32, full scale = 1.
        label: read out by screen readers, and shown as the clip's name where scripts may run.
        rate: Hz.
        small: False keeps every sample (FLAC, 112 kB for 5 s), so that what is heard is what was computed; True is
            for pages with many clips (MP3, 23 kB, correlation with the samples 0.998).
    """
    buffer = io.BytesIO()
    kind, format, subtype = ("mpeg", "MP3", "MPEG_LAYER_III") if small else ("flac", "FLAC", "PCM_16")
    soundfile.write(buffer, np.clip(clip, -1, 1), rate, format=format, subtype=subtype)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<audio controls preload="auto" aria-label="{html.escape(label)}" data-rate="{rate}" '
        f'src="data:audio/{kind};base64,{data}"></audio>'
    )


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def one_player(body: str, label: str) -> str:
    """Make one player of HTML that holds several `audio_tag`s; it switches between them without a gap (`player.js`).

    Args:
        body: HTML; its clips start together, and shorter ones are silent after their end.
        label: of the whole player, for screen readers.
    """
    return (
        f'<div class="cocola-player {PLAIN}" role="group" aria-label="{html.escape(label)}">{body}</div>'
        f"<style>{_asset('player.css')}</style><script>{_asset('player.js')}</script>"
    )


class Players:
    """A small table of labelled, level-matched clips that play as one; shows itself at the end of a cell.

    Args:
        clips: label -> (N,) float32 at 16 kHz.
        notes: label -> text shown beside the clip, e.g. its score.
        title: a line above the clips.
        small: see `audio_tag`.
    """

    def __init__(
        self, clips: dict[str, np.ndarray], notes: dict[str, str] | None = None, title: str = "", small: bool = False
    ):
        self.clips, self.notes, self.title, self.small = clips, notes or {}, title, small

    def _repr_html_(self) -> str:
        matched = match_levels(list(self.clips.values()))
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(label)}</th>'
            f"<td>{audio_tag(clip, label, small=self.small)}</td>"
            f'<td style="text-align:left">{html.escape(self.notes.get(label, ""))}</td></tr>'
            for label, clip in zip(self.clips, matched, strict=True)
        )
        title = f"<caption style='text-align:left'><b>{html.escape(self.title)}</b></caption>" if self.title else ""
        return one_player(f"<table>{title}{rows}</table>", self.title or "players")

    def __repr__(self) -> str:
        return f"{self.title or 'players'}: {', '.join(self.clips)}"


def hear_pair(
    anchor: np.ndarray, accompaniment: np.ndarray, title: str, notes: dict[str, str] | None = None
) -> Players:
    """Players for a pair: anchor, accompaniment, and both together."""
    return Players(with_mix(anchor, accompaniment), notes, title)


def with_mix(anchor: np.ndarray, accompaniment: np.ndarray) -> dict[str, np.ndarray]:
    """A pair and its mix, in which both are equally loud: label -> (N,) float32."""
    a, b = match_levels([anchor, accompaniment])
    return {"anchor": a, "accompaniment": b, "together": a + b}
