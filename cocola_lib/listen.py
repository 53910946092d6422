"""Listening: players that work anywhere, level-matched and labelled.

A player is one static `<audio controls src="data:...">`: it needs no kernel, no widget and no trust. (JupyterLab strips
`<source>` children from outputs of untrusted notebooks, so the sound sits in `src`.)
"""

import base64
import html
import io

import numpy as np
import soundfile

from cocola_lib.audio import SAMPLE_RATE, rms_dbfs

TARGET_DBFS = -20.0  # dBFS RMS that clips are brought to, so that louder does not pass for better
PEAK = 0.99  # full scale = 1: above this the gain is reduced for all clips alike


def match_levels(clips: list[np.ndarray]) -> list[np.ndarray]:
    """Bring clips to the same RMS level, low enough that none of them clips. Silent clips stay silent."""
    gains = [10 ** ((TARGET_DBFS - rms_dbfs(x)) / 20) if np.any(x) else 1.0 for x in clips]
    peak = max((np.abs(gain * x).max() for gain, x in zip(gains, clips, strict=True)), default=0.0)
    common = min(1.0, PEAK / peak) if peak > 0 else 1.0
    return [(common * gain * x).astype(np.float32) for gain, x in zip(gains, clips, strict=True)]


def audio_tag(clip: np.ndarray, label: str, rate: int = SAMPLE_RATE) -> str:
    """The player of one clip as HTML; FLAC inside, so that what is heard is what was computed.

    Args:
        clip: (N,) float32, full scale = 1.
        label: read out by screen readers.
        rate: Hz.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(clip, -1, 1), rate, format="FLAC", subtype="PCM_16")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<audio controls preload="auto" aria-label="{html.escape(label)}" src="data:audio/flac;base64,{data}"></audio>'
    )


class Players:
    """A small table of labelled, level-matched players; shows itself at the end of a cell.

    Args:
        clips: label -> (N,) float32 at 16 kHz.
        notes: label -> text shown beside the player, e.g. its score.
        title: a line above.
    """

    def __init__(self, clips: dict[str, np.ndarray], notes: dict[str, str] | None = None, title: str = ""):
        self.clips, self.notes, self.title = clips, notes or {}, title

    def _repr_html_(self) -> str:
        matched = match_levels(list(self.clips.values()))
        rows = "".join(
            f'<tr><td style="text-align:left">{html.escape(label)}</td><td>{audio_tag(clip, label)}</td>'
            f'<td style="text-align:left">{html.escape(self.notes.get(label, ""))}</td></tr>'
            for label, clip in zip(self.clips, matched, strict=True)
        )
        title = f"<caption style='text-align:left'><b>{html.escape(self.title)}</b></caption>" if self.title else ""
        return f"<table>{title}{rows}</table>"

    def __repr__(self) -> str:
        return f"{self.title or 'players'}: {', '.join(self.clips)}"


def hear_pair(
    anchor: np.ndarray, accompaniment: np.ndarray, title: str, notes: dict[str, str] | None = None
) -> Players:
    """Players for a pair: anchor, accompaniment, and both together."""
    a, b = match_levels([anchor, accompaniment])
    return Players({"anchor": a, "accompaniment": b, "together": a + b}, notes, title)
