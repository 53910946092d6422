"""Figures in a dark JupyterLab: the same picture with light ink on nothing takes the place of the light one.

A notebook shows its figures as PNG, which any reader can. Beside each stands a style with the dark picture; where the
theme is light, or styles are not trusted, it does nothing.
"""

import base64
import io
from contextlib import contextmanager

from IPython.display import HTML
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

INK, FAINT = "0.9", "0.35"
PLACE = (
    '[data-jp-theme-light="false"] .jp-OutputArea-child:has([data-dark="{}"]) '
    "~ .jp-OutputArea-child .jp-RenderedImage img"
)


def in_the_dark(figure: Figure, name: str, box: Bbox | str = "tight") -> HTML:
    """The style that shows a figure in light ink where JupyterLab is dark; shown in the cell, before the figure.

    Args:
        figure: as it is shown; left as it was.
        name: unique in the notebook.
        box: the part of it that is shown, in inches.
    """
    buffer, small = io.BytesIO(), io.BytesIO()
    with _light_ink(figure):
        figure.savefig(buffer, format="png", dpi="figure", bbox_inches=box, transparent=True)
    Image.open(buffer).quantize(128, method=Image.Quantize.FASTOCTREE).save(small, format="PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode("ascii")
    style = f"{PLACE.format(name)} {{ content: url(data:image/png;base64,{data}); }}"
    return HTML(f'<div data-dark="{name}"><style>{style}</style></div>')


@contextmanager
def _light_ink(figure: Figure):
    """Light words, faint lines and no paper; what shows data keeps its colours, and so does what is written on it."""
    undo = []

    def paint(artist, part: str, colour) -> None:
        undo.append((artist, part, getattr(artist, f"get_{part}")()))
        getattr(artist, f"set_{part}")(colour)

    on_data = {text for ax in figure.axes if ax.images or ax.findobj(QuadMesh) for text in ax.texts}
    for text in figure.findobj(Text):
        if text not in on_data and max(to_rgb(text.get_color())) < 0.6:
            paint(text, "color", INK)
    for ax in figure.axes:
        for line in (*ax.get_xgridlines(), *ax.get_ygridlines()):
            paint(line, "color", FAINT)
        for spine in ax.spines.values():
            paint(spine, "edgecolor", FAINT)
    for legend in (*figure.legends, *filter(None, (ax.get_legend() for ax in figure.axes))):
        paint(legend.get_frame(), "facecolor", "none")
    try:
        yield
    finally:
        for artist, part, colour in undo:
            getattr(artist, f"set_{part}")(colour)
