"""A server on this machine that breaks off, knows ranges or not, and refuses, as a test asks for."""

import http.server
import re
import threading
from contextlib import contextmanager
from urllib.parse import unquote


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; breaks off after `break_after` bytes for the first `breaks` answers; knows ranges or not."""

    files, breaks, break_after, ranges, status, asked = {}, 0, 0, True, 200, []

    def do_GET(self):
        body, cls = self.files.get(unquote(self.path)), type(self)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted and self.ranges else 0
        cls.asked.append(first)
        if self.status != 200 or body is None:
            self.send_error(404 if body is None else self.status)
            return
        if first >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        part = body[first:]
        if cls.breaks:
            cls.breaks -= 1
            part = part[: self.break_after]
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    """A class derived from `Server` that is being served at its `url`."""
    handler = type("Handler", (Server,), {"files": {}, "asked": []})
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{httpd.server_port}"
    yield handler
    httpd.shutdown()
    httpd.server_close()
