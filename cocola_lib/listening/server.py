"""The web server of the listening test: voila, with every door shut that the test does not need.

What a listener's browser reaches: the page of the test (each opening starts a kernel of its own), the scripts and
styles that draw it, and the kernel of its own page, whose id is secret. Through that kernel's socket pass the messages
of the test's widget and nothing else. There is no way to run code, to read files, notebooks or other kernels' state, to
open a terminal, or to end a kernel but that of one's own page. A name that is taken opens with the token that its
listener's browser keeps. Whoever can open the address can take the test: `--ip 0.0.0.0` lets the whole network in,
unencrypted.

Run by `cocola listen serve`: python -m cocola_lib.listening.server PAGE [options of voila].
"""

import logging
import os

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from cocola_lib.files import parse_json

PROTOCOL = "v1.kernel.websocket.jupyter.org"
ASKED_FOR = ("custom", "request_state", "request_states")  # what a widget's page may say to its widget
IDLE_S = 600  # s, after which a kernel that no page is connected to ends
# voila's page asks a server on the internet for icons; with this, browsers refuse to ask any server but ours
HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def allowed(message: bytes) -> bool:
    """Does the test's own page send such a message to its kernel? (`message` as it comes through the socket.)"""
    try:
        if int.from_bytes(message[:8], "little") > len(message) // 8:  # parts that are not there, counted for ever
            return False
        channel, parts = deserialize_msg_from_ws_v1(message)
        kind, content = parse_json(parts[0])["msg_type"], parse_json(parts[3])
        if channel != "shell":
            return False
        if kind == "comm_open":
            return content["target_name"] == "jupyter.widget.control"
        if kind == "comm_msg":
            return content["data"]["method"] in ASKED_FOR
        return kind in ("kernel_info_request", "comm_info_request")
    except (ValueError, KeyError, IndexError, TypeError):
        return False


class Wire(ZMQChannelsWebsocketConnection):
    """The socket between a page and its kernel; what is not `allowed` is dropped."""

    def handle_incoming_message(self, incoming_msg: bytes) -> None:
        if self.subprotocol == PROTOCOL and allowed(incoming_msg):
            super().handle_incoming_message(incoming_msg)
        else:
            self.log.debug("dropped: %r", incoming_msg)


class Kernel(KernelHandler):
    """Says that a kernel is there; does not end it."""

    SUPPORTED_METHODS = ("GET",)


class Goodbye(VoilaShutdownKernelHandler):
    """Ends the kernel of a page that is left; whoever knows its id has the page."""

    def check_xsrf_cookie(self) -> None:
        """A page that is being left can send no header; voila refuses it, and the kernel stays."""


class Assets(TemplateStaticFileHandler):
    """Styles and scripts of voila's templates; a path that leaves them is not found, where voila has a traceback."""

    def parse_url_path(self, url_path: str) -> str:
        parts = url_path.split("/")
        if len(parts) < 3 or parts[1] != "static" or ".." in parts:
            raise HTTPError(404)
        return super().parse_url_path(url_path)


def in_a_line(handler: type[RequestHandler]) -> type[RequestHandler]:
    """A handler whose errors are one line; Jupyter's page for them fails in voila, with a traceback on the console."""
    return type(handler.__name__, (handler,), {"write_error": RequestHandler.write_error})


class Server(Voila):
    """Voila with one page, and with the handlers that this page needs."""

    def init_handlers(self) -> list:
        needed, handlers = {VoilaKernelWebsocketHandler, MultiStaticFileHandler}, []
        ours = {KernelHandler: Kernel, VoilaShutdownKernelHandler: Goodbye, TemplateStaticFileHandler: Assets}
        for pattern, handler, *options in super().init_handlers():
            if handler in ours:
                handlers.append((pattern, ours[handler]))
            elif handler is TornadoVoilaHandler:
                handlers.append((url_path_join(self.server_url, "/"), handler, *options))
            elif handler in needed or "/voila/labextensions/" in pattern or "/voila/api/themes/" in pattern:
                handlers.append((pattern, in_a_line(handler), *options))
        return handlers


def settings() -> Config:
    """What does not depend on the study."""
    config = Config()
    config.Voila.kernel_websocket_connection_class = Wire
    config.Voila.tornado_settings = {"headers": HEADERS}
    config.Voila.port_retries = 0
    config.Voila.log_level = "ERROR"
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.file_allowlist = []
    if os.name == "posix":
        config.ConnectionFileMixin.transport = "ipc"  # files of this user instead of ports that others can try
    config.MappingKernelManager.cull_idle_timeout = IDLE_S
    config.MappingKernelManager.cull_interval = IDLE_S // 10
    return config


if __name__ == "__main__":
    logging.getLogger("tornado").setLevel(logging.ERROR)  # nothing that who runs the test could act upon
    Server.launch_instance(config=settings())
