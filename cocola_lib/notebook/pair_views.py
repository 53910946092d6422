"""Views of one pair as HTML: what the encoder sees of it, and what its scores mean."""

import base64
import html
import io

import numpy as np
import pandas as pd
import torch
from matplotlib import colormaps
from PIL import Image

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.features import MODE_LABELS, FrontEnd
from cocola_lib.notebook.shown import Table
from cocola_lib.scoring import Scorer


def read_scores(scorer: Scorer, anchor: np.ndarray, accompaniment: np.ndarray) -> str:
    """The scores of one pair in all modes as an HTML table, with their meaning if the scorer is calibrated.

    Args:
        scorer: gives the scores.
        anchor, accompaniment: (N,) float32 at 16 kHz.
    """
    rows, calibration = [], scorer.calibration
    for mode, matrix in scorer.matrices([anchor], [accompaniment]).items():
        score, known = float(matrix[0, 0]), calibration.modes.get(mode) if calibration else None
        row = {"mode": f"{MODE_LABELS[mode]} ({mode})", "score": f"{score:.2f}"}
        if known:
            row["random pairs it beats"] = f"{known.percentile(score):.0f} %"
            row["odds, true : random"] = known.odds_in_words(score) or "-"
        rows.append(row)
    note = "This scorer is not calibrated: all that can be said is that higher means more coherent."
    if calibration:
        note = f"Measured on true and random pairs ({calibration.dataset}); a coherent pair beats most random ones."
    return Table(pd.DataFrame(rows))._repr_html_() + f"<p>{html.escape(note)}</p>"


def pair_picture(anchor: np.ndarray, accompaniment: np.ndarray) -> str:
    """Waveform, harmonic and percussive spectrogram of both sides as a grid of images with HTML labels.

    A figure with axes takes half a second; this takes 20 ms, and its text has the colour of the theme.

    Args:
        anchor, accompaniment: (N,) float32 at 16 kHz.
    """
    features = FrontEnd("hps")(torch.from_numpy(np.stack([anchor, accompaniment]))).numpy()  # (2, C, M, T) dB
    seconds = len(anchor) / SAMPLE_RATE
    marks = " ".join(f"<span>{t}</span>" for t in range(int(seconds) + 1))
    sides = {"anchor": (anchor, features[0]), "accompaniment": (accompaniment, features[1])}
    rows = {
        "waveform": {name: _waveform(clip) for name, (clip, _) in sides.items()},
        "harmonic": {name: 1 + channels[0, ::-1] / 80 for name, (_, channels) in sides.items()},
        "percussive": {name: 1 + channels[1, ::-1] / 80 for name, (_, channels) in sides.items()},
    }
    axis = {"waveform": "", "harmonic": "<br><small>60 Hz to 7.8 kHz</small>"}
    body = "".join(
        f'<tr><th scope="row">{row}{axis.get(row, axis["harmonic"])}</th>'
        + "".join(f"<td>{_image(share, f'{row} of the {name}')}</td>" for name, share in images.items())
        + "</tr>"
        for row, images in rows.items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in sides)
    times = f'<td><div class="cocola-times">{marks}</div></td>'
    return (
        f'<table class="cocola-pictures"><thead><tr><td></td>{head}</tr></thead><tbody>{body}'
        f'<tr><th scope="row"><small>seconds</small></th>{times * len(sides)}</tr></tbody></table>'
    )


def _waveform(clip: np.ndarray, width: int = 500, height: int = 64) -> np.ndarray:
    """A clip's extent per column, relative to its peak, as an image of zeros and ones. (height, width)"""
    parts = np.array_split(clip / max(float(np.abs(clip).max()), 1e-9), width)
    low, high = (np.array([f(part) for part in parts]) for f in (np.min, np.max))
    level = np.linspace(1, -1, height)[:, None]
    return ((level <= high + 1 / height) & (level >= low - 1 / height)).astype(float)


def _image(share: np.ndarray, alt: str) -> str:
    """Values in [0, 1], top row first, as an <img> in the colours of `plots.spectrogram`."""
    levels = np.round(np.clip(share, 0, 1) * 40).astype(np.uint8)  # 2 dB: smaller files, and the eye sees no less
    image = Image.fromarray(levels, mode="P")
    image.putpalette((colormaps["magma"](np.linspace(0, 1, 41))[:, :3] * 255).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
