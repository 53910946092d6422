"""A real browser on a real JupyterLab: what the tests of widgets share.

conftest.py hands the fixtures to all tests, so that one server serves them; mark a module that uses them with
`pytestmark = browser.needed`. The server listens on 127.0.0.1 only, on a free port, with a token, and ends with the
session; it reads and writes nothing of the user's own Jupyter. Pictures go to the folder that the environment variable
COCOLA_SCREENSHOTS names, else to `outputs/browser/`.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest

from cocola_lib.files import REPO

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS = Path(os.environ.get("COCOLA_SCREENSHOTS") or REPO / "outputs" / "browser")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PANEL = "window.jupyterapp.shell.currentWidget"
START_S = 60  # s, the longest that a server may take to answer
WAIT_MS = 60_000  # ms, the longest that a page may take to do anything

needed = [pytest.mark.browser, pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for the whole session; it plays without being clicked at first, and reaches no network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BINARY,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """A JupyterLab on an empty folder; see `Lab`."""
    folder = tmp_path_factory.mktemp("lab")
    port, token = free_port(), secrets.token_hex(16)
    options = {"port": port, "port_retries": 0, "ip": "127.0.0.1", "root_dir": folder}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser", "--allow-root"]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    command += [f"--IdentityProvider.token={token}", "--LabApp.extension_manager=readonly"]
    with serve(command, f"http://127.0.0.1:{port}/api/status?token={token}", own_jupyter(tmp_path_factory)):
        yield Lab(f"http://127.0.0.1:{port}", token, folder, chromium)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_jupyter(tmp_path_factory) -> dict[str, str]:
    """An environment in which Jupyter and its kernels see nothing of the user's settings, and find our package."""
    home = tmp_path_factory.mktemp("jupyter")
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}', encoding="utf-8")
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    own = {f"JUPYTER_{name}": str(home / name.lower()) for name in names}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    paths = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")]))
    return os.environ | own | {"IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": paths}


@contextmanager
def serve(command: list[str], url: str, environment: dict[str, str]):
    """Run a server until the block ends; the block starts when `url` answers. Its kernels end with it."""
    log = Path(environment["IPYTHONDIR"]).with_name(f"{secrets.token_hex(4)}.log")
    with log.open("w", encoding="utf-8") as out:
        server = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=out, env=environment, start_new_session=True
        )
        try:
            _wait_for(url, server, log)
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # what is left of the group that this fixture started
            server.wait()


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not answer:\n{log.read_text(encoding='utf-8')[-3000:]}")


class Lab:
    """A running JupyterLab.

    Attributes:
        url, token: of the server.
        root: its folder; what is put there can be opened.
    """

    def __init__(self, url, token, root, browser):
        self.url, self.token, self.root, self.browser = url, token, Path(root), browser
        self._page = None

    def write(self, name: str, cells: list[str]) -> str:
        """Put a notebook of code cells into the server's folder; its name, for `open`."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        return name

    def copy(self, path: Path) -> str:
        """Put a copy of a notebook, executed or not, into the server's folder; its name, for `open`."""
        shutil.copy(path, self.root / path.name)
        return path.name

    def new_page(self):
        """A JupyterLab in a browser window of its own (seconds): a `Page`. Close its `page.context` after use."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 1000})
        context.set_default_timeout(WAIT_MS)
        page = Page(context.new_page())
        page.page.goto(f"{self.url}/lab/workspaces/w{secrets.token_hex(4)}?token={self.token}")
        page.page.wait_for_function("window.jupyterapp?.shell?.isAttached")
        page.page.evaluate("window.jupyterapp.restored.then(() => 1)")
        page.page.locator("#jupyterlab-splash").wait_for(state="detached")
        if page.page.locator("#jp-left-stack:visible").count():
            page.command("application:toggle-left-area")
        return page

    @contextmanager
    def open(self, name: str, theme: str = "light"):
        """Open a notebook of the folder in the session's one window: a `Page`; kernel and tab end with the block."""
        if self._page is None:
            self._page = self.new_page()
        self._page.set_theme(theme)
        self._page.open(name)
        try:
            yield self._page
        finally:
            self._page.close()


class Page:
    """JupyterLab as its reader sees it, with one notebook open. `page` is Playwright's page."""

    def __init__(self, page):
        self.page = page
        self.errors: list[str] = []  # what scripts of the page could not do, those of JupyterLab apart
        page.on("pageerror", self._keep)

    def open(self, name: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.errors.clear()
        self.command("docmanager:open", path=name)
        self.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        self.wait_idle()

    def close(self) -> None:
        """End the kernel and close the tab; unsaved changes are dropped."""
        self._panel("?.sessionContext.shutdown().then(() => 1)")
        self.page.evaluate(f"{{ const panel = {PANEL}; panel.context.model.dirty = false; panel.close(); }}")
        self.page.locator(".jp-NotebookPanel").wait_for(state="detached")

    def command(self, name: str, **arguments):
        """Execute one of JupyterLab's commands and wait until it is done."""
        script = "([n, a]) => window.jupyterapp.commands.execute(n, a).then(() => 1)"
        return self.page.evaluate(script, [name, arguments])

    def set_theme(self, theme: str) -> None:
        """Switch to "light" or "dark"."""
        self.command("apputils:change-theme", theme=THEMES[theme])
        light = str(theme == "light").lower()
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)

    def run_all(self) -> None:
        """Run all cells and wait for the last one; a cell that fails fails the test."""
        self.command("notebook:run-all-cells")
        self.wait_idle()
        failed = self.page.locator(".jp-OutputArea-output", has_text="Traceback (most recent call last)")
        assert failed.count() == 0, failed.first.inner_text()

    def wait_idle(self) -> None:
        """Wait until the kernel is there and has nothing to do."""
        self.page.wait_for_function(f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'")

    def kernel_id(self) -> str:
        """The id of the notebook's kernel, for the server's REST interface."""
        return self._panel(".sessionContext.session.kernel.id")

    def restart(self) -> None:
        """Restart the kernel without asking; outputs stay."""
        self._panel(".sessionContext.session.kernel.restart().then(() => 1)")
        self.wait_idle()

    def save(self) -> None:
        """Save the notebook."""
        self.command("docmanager:save")

    def screenshot(self, name: str, locator=None) -> Path:
        """Keep a picture of the page, or of one element of it, as SCREENSHOTS/<name>.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (locator or self.page).screenshot(path=path)
        return path

    def _keep(self, error):
        """Scripts of ours come from blobs. What JupyterLab and its widget manager do wrong among themselves, such as
        removing a node twice after a kernel died (like JupyterLab's issue 15415), is not for us to mend."""
        scripts = re.findall(r"(?:https?|blob):[^\s)]+", error.stack or "")
        if not scripts or any(not re.search("/static/lab/|/lab/extensions/", script) for script in scripts):
            self.errors.append(error.stack or str(error))

    def _panel(self, what: str):
        return self.page.evaluate(PANEL + what)
