"""Panels: controls that need a kernel, around a document that does not.

The document is HTML with static players. It is shown inside the widget, where the kernel changes it and a reloaded page
finds it again, and once more beside the widget: that copy is what remains of an output that nobody trusts, or that is
opened without its kernel. Where the widget lives, `player.js` hides the copy.
"""

import html
import uuid
from collections.abc import Sequence

import ipywidgets
from IPython.display import HTML, display

NO_CONTROLS = "(Controls are here when the notebook is trusted and its cells have been run. The rest plays without.)"


class Panel:
    """Controls above, a document, controls below. Subclasses call `show` with the document's HTML.

    Attributes:
        html: the document as it is shown now.
    """

    def __init__(self, above: Sequence[ipywidgets.Widget] = (), below: Sequence[ipywidgets.Widget] = ()):
        self.html = ""
        self._id, self._copy = uuid.uuid4().hex[:12], None
        self._output = ipywidgets.Output()
        self.box = ipywidgets.VBox([*above, self._output, *below])

    def show(self, document: str) -> None:
        """Put another document in the place of the last one, in the widget and in its copy."""
        self.html = document
        data = {"text/html": self._as("live"), "text/plain": repr(self)}
        self._output.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)
        if self._copy is not None:
            self._copy.update(HTML(self._as("static")))

    def complain(self, message: str) -> None:
        """Say in place of the document what was wrong and what to do."""
        self.show(f'<p role="alert"><b>{html.escape(message)}</b></p>')

    def _as(self, what: str) -> str:
        return f'<div class="cocola-document cocola-{what}" data-of="{self._id}">{self.html}</div>'

    def _ipython_display_(self) -> None:
        display(self.box._repr_mimebundle_() | {"text/plain": NO_CONTROLS}, raw=True)
        self._copy = display(HTML(self._as("static")), display_id=True)
