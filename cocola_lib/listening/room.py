"""The listening room: the test in a browser, in JupyterLab or through voila. Notebook 06 shows it."""

import os
from pathlib import Path

import anywidget
import traitlets

from cocola_lib.listening.folder import Study
from cocola_lib.listening.session import Session
from cocola_lib.listening.store import Store

HERE = Path(__file__).parent


class Room(anywidget.AnyWidget):
    """The test of one study for one listener at a time; shows itself at the end of a cell.

    The browser draws `screen` and sends messages; each is carried out, its outcome written to disk, and then
    acknowledged. The browser fetches the sounds of a screen as bytes: they are not part of the saved notebook.

    Args:
        study: from `prepare` or `Study(folder)`.
        path: of the answers; None: `answers.sqlite` in the study's folder.
    """

    _esm = HERE / "room.js"
    _css = HERE / "room.css"
    screen = traitlets.Dict().tag(sync=True)
    alone = traitlets.Bool(help="fill the window: voila, where a listener sees the test and nothing else").tag(
        sync=True
    )

    def __init__(self, study: Study, path: str | Path | None = None):
        alone = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
        self.session = Session(study, Store(study, path), guarded=alone)
        super().__init__(screen=self.session.screen(), alone=alone)
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        return "The listening room; it needs a running kernel: run this cell in JupyterLab, or use cocola listen serve"

    def _receive(self, _, message: dict, buffers) -> None:
        """One message of the browser: sounds are sent, everything else is done, shown, and then acknowledged."""
        if message.get("do") == "sounds":
            clips = self.session.clips()
            sounds = [(self.session.study.folder / self.session.study.by_id[c]["mix"]).read_bytes() for c in clips]
            self.send({"sounds": self.screen["view"], "done": message["id"]}, sounds)
            return
        self.session.do(message)
        self.screen = self.session.screen()
        reply = {"done": message["id"]}
        if message.get("do") in ("name", "resume", "leave"):  # never part of the screen, which notebooks save
            reply["token"] = self.session.token()
        self.send(reply)
