"""A figure in a dark theme has light words, keeps its colours, and is left as it was."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from cocola_lib.notebook import plots, runs
from cocola_lib.notebook.plots.dark import in_the_dark


def drawn(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def test_the_dark_copy_has_light_words_on_nothing_and_the_same_data():
    with plt.rc_context():
        plots.use_theme()
        figure, (line, image) = plt.subplots(1, 2, layout="constrained")
        line.plot([0, 1], label="loss")
        line.set_title("a title")
        line.legend()
        image.imshow(np.ones((2, 2)), cmap="gray", vmin=0, vmax=1)
        image.text(0, 0, "on white", color="black")
        drawn(figure)  # the layout settles
        before = drawn(figure)
        shown = in_the_dark(figure, "a_figure").data
        assert drawn(figure) == before, "the light figure has changed"
        plt.close(figure)
    assert '[data-jp-theme-light="false"]' in shown and shown.count("a_figure") == 2
    data = base64.b64decode(shown.split("base64,")[1].split(")")[0])
    dark = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    light = np.asarray(Image.open(io.BytesIO(before)).convert("RGB"))
    assert dark.shape[:2] == light.shape[:2] and dark[0, 0, 3] == 0
    words, on_image = (slice(0, 30), slice(0, dark.shape[1] // 2)), (slice(60, -40), slice(-150, -20))
    inked = dark[..., 3] > 128
    assert light[words].min() < 60 and dark[words][inked[words]][:, :3].max() > 200
    assert dark[on_image][inked[on_image]][:, :3].min() < 60, "what is written on the image is not black any more"


def test_a_cell_shows_the_picture_that_is_kept_once_after_its_dark_copy(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(runs, "get_ipython", object)
    monkeypatch.setattr(runs, "display", lambda *what: shown.extend(what))
    figure, ax = plt.subplots(layout="constrained")
    ax.set_ylabel("a label")
    laid_out = figure.get_layout_engine()
    runs.Run(tmp_path, "00").figure(figure, "a_figure")
    style, picture = shown
    kept = (tmp_path / "figures" / "a_figure.png").read_bytes()
    assert picture.data == kept and "a_figure" in style.data
    assert not plt.fignum_exists(figure.number), "the notebook draws it once more"
    assert figure.get_layout_engine() is laid_out and drawn(figure) == kept
