"""Panels: controls that need a kernel, around a document that does not.

The document is HTML with static players. It is shown inside the widget, where the kernel changes it and a reloaded page
finds it again, and a second time beside the widget: that copy is what remains when the output is not trusted, or is
opened without its kernel. Where the widget is alive, `player.js` hides the copy.
"""

import html
import uuid
from collections.abc import Sequence

import ipywidgets
from IPython.display import HTML, display

from cocola_lib.notebook.shown import PLAIN

NO_CONTROLS = "(Controls are here when the notebook is trusted and its cells have been run. Sounds play without them.)"


def named(name: str, control: ipywidgets.Widget, width: str = "90px") -> ipywidgets.HBox:
    """A control behind a name as it was typed; widgets read two dollar signs in their own descriptions as a formula."""
    shown = ipywidgets.HTML(f'<span class="{PLAIN}">{html.escape(name)}</span>', layout={"width": width})
    return ipywidgets.HBox([shown, control], layout={"width": "100%", "max_width": "560px"})


class Panel:
    """Controls above, a document, controls below it, an answer. Subclasses call `show` with the HTML of both.

    Attributes:
        html: the document and the answer as they are shown now.
    """

    def __init__(self, above: Sequence[ipywidgets.Widget] = (), below: Sequence[ipywidgets.Widget] = ()):
        self.html = ""
        self._id, self._copy = uuid.uuid4().hex[:12], None
        self._outputs, self._shown = (ipywidgets.Output(), ipywidgets.Output()), ["", ""]
        self.box = ipywidgets.VBox([*above, self._outputs[0], *below, self._outputs[1]]).add_class("cocola-panel")

    def show(self, document: str, answer: str = "") -> None:
        """Replace the document and the answer, in the widget and in its copy; what is the same keeps playing."""
        self.html = document + answer
        for i, part in enumerate((document, answer)):
            if part != self._shown[i]:
                data = {"text/html": self._as("live", part), "text/plain": repr(self)}
                self._outputs[i].outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)
                self._shown[i] = part
        if self._copy is not None:
            self._copy.update(HTML(self._as("static", self.html)))

    def complain(self, message: str) -> None:
        """Say in place of the document what is wrong and what to do."""
        self.show(f'<p role="alert"><b>{html.escape(message)}</b></p>')

    def _as(self, kind: str, part: str) -> str:
        return f'<div class="cocola-document cocola-{kind} {PLAIN}" data-of="{self._id}">{part}</div>'

    def _ipython_display_(self) -> None:
        display(self.box._repr_mimebundle_() | {"text/plain": NO_CONTROLS}, raw=True)
        self._copy = display(HTML(self._as("static", self.html)), display_id=True)
