"""What a listener's browser reaches: the page of the test and the widget of its own page, and nothing else."""

import asyncio
import json
import re
import sys
import urllib.error
import urllib.request

import pytest
from browser import free_port, own_jupyter, serve
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from listening_tools import music, small_study
from tornado.websocket import websocket_connect

from cocola_lib.listening import server
from cocola_lib.listening.room import Room
from cocola_lib.listening.session import Session
from cocola_lib.listening.store import Store


def message(kind, content=None, channel="shell", **header):
    """A message as JupyterLab's client sends it."""
    parts = {"header": {"msg_id": "1", "msg_type": kind, "session": "s", "username": "", "version": "5.2"} | header}
    parts |= {"parent_header": {}, "metadata": {}, "content": content or {}}
    return serialize_msg_to_ws_v1(parts, channel, pack=lambda part: json.dumps(part).encode())


def to_widget(method, comm_id="x"):
    return message("comm_msg", {"comm_id": comm_id, "data": {"method": method, "content": {"do": "begin"}}})


@pytest.mark.parametrize(
    "raw",
    [
        message("kernel_info_request"),
        message("comm_info_request"),
        message("comm_open", {"comm_id": "x", "target_name": "jupyter.widget.control", "data": {}}),
        to_widget("custom"),
        to_widget("request_state"),
        to_widget("request_states"),
    ],
)
def test_what_the_page_of_the_test_says_passes(raw):
    assert server.allowed(raw)


@pytest.mark.parametrize(
    "raw",
    [
        message("execute_request", {"code": "1"}),
        message("execute_request", {"code": "1"}, channel="control"),
        *(message(kind) for kind in ("complete_request", "inspect_request", "history_request", "is_complete_request")),
        *(message(kind, channel="control") for kind in ("shutdown_request", "interrupt_request", "debug_request")),
        message("input_reply", {"value": "1"}, channel="stdin"),
        message("comm_open", {"comm_id": "x", "target_name": "jupyter.widget", "data": {"state": {}}}),
        message("comm_close", {"comm_id": "x"}),
        to_widget("update"),
        message("comm_msg", {"comm_id": "x"}),
        message("comm_msg", {"comm_id": "x", "data": []}),
        b"",
        b"\xff" * 40,  # so many parts that counting them takes for ever
        "{}",
    ],
)
def test_whatever_else_is_sent_is_dropped(raw):
    assert not server.allowed(raw)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    return small_study(folder / "study", music(folder / "music"), n_anchors=0, n_attention=0, pages=1)


@pytest.fixture(scope="module")
def address(study, tmp_path_factory):
    port = free_port()
    command = [sys.executable, "-m", "cocola_lib", "listen", "serve", study.folder, "--port", port, "--no-browser"]
    with serve(command, f"http://127.0.0.1:{port}/voila/static/voila.js", own_jupyter(tmp_path_factory)):
        yield f"http://127.0.0.1:{port}"


def ask(url, method="GET"):
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


@pytest.mark.parametrize(
    "path",
    [
        *("study.json", "answers.sqlite", "Listening%20test.ipynb", "manifest.csv", "audio/"),
        *("..", "%2e%2e/%2e%2e/etc/passwd", "files/study.json"),
        *("voila/files/study.json", "voila/files/Listening%20test.ipynb", "voila/tree/", "voila/render/x.ipynb"),
        *("voila/static/../../../../etc/passwd", "voila/templates/lab/static/../../../../../etc/passwd"),
        *("api/contents", "api/kernels", "api/kernelspecs", "api/sessions", "api/terminals", "api/me", "api"),
        *("voila/labextensions/../../etc/passwd", "voila/labextensions/x", "voila/api/themes/../../../etc/passwd"),
        *("lab", "tree", "terminals/1", "nbconvert/html/x.ipynb", "login", "logout", "voila/api/contents/"),
    ],
)  # fmt: skip
def test_no_file_no_notebook_no_terminal_and_no_list_of_kernels_is_served(address, path):
    status, said = ask(f"{address}/{path}")
    assert status in (403, 404, 405) and f"<title>{status}" in said  # an answer, not a handler that has failed


def test_no_code_runs_and_no_kernel_ends_for_a_listener(address, study, tmp_path):
    status, page = ask(f"{address}/?template=base&theme=dark")
    assert status == 200 and "Room(" not in page
    kernel = re.search(r'"kernelId": *"([\w-]+)"', page)[1]
    done = tmp_path / "done"

    async def talk():
        url = f"{address.replace('http', 'ws')}/api/kernels/{kernel}/channels"
        socket = await websocket_connect(url, subprotocols=[server.PROTOCOL])
        code = {"code": f"open({str(done)!r}, 'w')", "silent": False, "store_history": False, "allow_stdin": False}
        for channel in ("shell", "control"):
            await socket.write_message(message("execute_request", code, channel, msg_id="run"), binary=True)
        await socket.write_message(message("shutdown_request", {"restart": False}, "control"), binary=True)
        await socket.write_message(message("kernel_info_request", msg_id="last"), binary=True)
        heard = []
        while not any("kernel_info_reply" in text and '"last"' in text for text in heard):
            heard.append((await asyncio.wait_for(socket.read_message(), 60)).decode(errors="replace"))
        socket.close()
        assert not any('"run"' in text for text in heard)  # nobody answered to what must not run

    asyncio.run(talk())
    assert not done.exists()
    assert ask(f"{address}/api/kernels/{kernel}", "DELETE")[0] == 405
    assert ask(f"{address}/api/kernels/{kernel}")[0] == 200, "the kernel has ended"
    assert ask(f"{address}/voila/api/shutdown/{kernel}", "POST")[0] == 204  # its own page may say goodbye
    assert ask(f"{address}/api/kernels/{kernel}")[0] == 404


def test_a_page_of_elsewhere_cannot_speak_through_a_listeners_browser(address):
    request = urllib.request.Request(address + "/")
    with urllib.request.urlopen(request, timeout=60) as answer:
        headers = dict(answer.headers)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


def test_a_name_that_is_taken_opens_with_its_own_token_only(study, tmp_path):
    store = Store(study, tmp_path / "answers.sqlite")
    mine, other = (Session(study, store, guarded=True) for _ in range(2))
    mine.do({"do": "name", "name": "quiet-oboe-1"})
    token = mine.token()
    assert len(token) > 20 and mine.screen()["view"] == "training"
    for name in ("quiet-oboe-1", " QUIET-oboe-1 "):
        other.do({"do": "name", "name": name, "token": "guessed"})
        assert "Somebody has this name" in other.screen()["problem"] and other.token() == ""
    other.do({"do": "resume", "token": "guessed"})
    assert other.screen()["view"] == "welcome"
    other.do({"do": "name", "name": "Quiet-Oboe-1", "token": token})
    assert other.listener == mine.listener
    anyone = Session(study, store)  # in a notebook, whose reader has the file anyway
    anyone.do({"do": "name", "name": "quiet-oboe-1"})
    assert anyone.listener == mine.listener


def test_a_reload_finds_the_same_listener_and_a_new_one_can_still_begin(study, tmp_path):
    store = Store(study, tmp_path / "answers.sqlite")
    before, after = (Session(study, store, guarded=True) for _ in range(2))
    before.do({"do": "name", "name": "quiet-oboe-1"})
    after.do({"do": "resume", "token": before.token()})
    assert after.screen()["heading"] == "Welcome back, quiet-oboe-1" and "the examples" in after.screen()["text"][0]
    after.do({"do": "begin"})
    assert after.screen()["view"] == "training" and after.token() == before.token()
    after.do({"do": "leave"})
    assert after.screen()["view"] == "welcome" and after.token() == ""
    assert store.find("quiet-oboe-1").slot == 0 and store.read("SELECT * FROM listeners").shape[0] == 1


def test_a_token_is_told_to_the_browser_and_is_no_part_of_what_a_notebook_saves(study, tmp_path, monkeypatch):
    room, sent = Room(study, tmp_path / "answers.sqlite"), []
    monkeypatch.setattr(room, "send", lambda content, buffers=None: sent.append(content))
    room._receive(room, {"do": "name", "name": "quiet-oboe-1", "id": "1"}, [])
    room._receive(room, {"do": "begin", "id": "2"}, [])
    token = room.session.token()
    assert sent == [{"done": "1", "token": token}, {"done": "2"}]
    assert token not in json.dumps(room.get_state(), default=str)
