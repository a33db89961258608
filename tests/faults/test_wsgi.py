"""WSGI servers whose `wsgi.input` or `start_response` fails, or that leave the answer: at every operation, of every kind.

Under WSGI alone; `test_asgi.py` is its pair.
"""

import socket
from pathlib import Path
from typing import Any

import pytest

from ambi import HTTPError
from ambi.bridge.background import settle_in_process
from tests.calls import environ_of
from tests.cells import CELLS, Cell
from tests.faults import name_of, places, shared
from tests.faults.app import KINDS, Book, Kind, make_app
from tests.faults.leftovers import Leftovers, no_collector
from tests.faults.wsgi_server import FAULTS, LEAVES, Server

WSGI = [cell for cell in CELLS if cell.gateway == "wsgi"]
HTTP = {name: kind for name, kind in KINDS.items() if not kind.is_websocket}
ANSWERS = {"read raises": 400, "read gives too little": 400, "read fails": 400, "read times out": 408}
"""What a client is told that may still be there to read it."""


def told(fault: str) -> list[str]:
    """Give the kinds of requests that notice a fault."""
    reads = FAULTS[fault][0] == "read"
    kinds = [name for name, kind in HTTP.items() if kind.body or not reads]
    if fault == "read closes":
        kinds.remove("asgi")  # an async guest cannot tell that from its own closing; no server raises it
    return kinds


class Scene:
    """An application of one process, which is asked for one kind again and again."""

    def __init__(self, cell: Cell, kind: Kind, folder: Path, caplog: Any) -> None:
        self.book = Book()
        self.kind = kind
        self.app = make_app(cell, self.book, folder)
        self.leftovers = Leftovers(self.app, self.book, caplog)
        self._visits = 0
        self._cookie = ""

    def warm_up(self) -> Server:
        """Serve what is to be disturbed undisturbed; the second time counts the places of faults."""
        first = self.server()
        first.run()
        self.leftovers.check(self.visit)
        self._cookie = dict(first.fields).get("set-cookie", "").partition(";")[0]
        counted = self.server()
        self.leftovers.begin()
        counted.run()
        self.leftovers.check(self.visit)
        assert self.kind.answers in counted.answer
        assert self.leftovers.errors() == []
        return counted

    @property
    def visit(self) -> str:
        """Who the client of the last request was."""
        return str(self._visits)

    def server(self, fault: str = "", at: int = 0, kind: Kind | None = None) -> Server:
        """Make the server of one more request."""
        self._visits += 1
        return Server(self.app, kind or self.kind, self.visit, fault, at, cookie=self._cookie)

    def stop(self) -> None:
        """Run the shutdown."""
        if self.app.lifespans is not None:
            self.app.lifespans.stop_in_process()

    def check_next(self) -> None:
        """Hold that the next request is served, on this thread and on the loop thread."""
        for kind in (KINDS["plain"], KINDS["crossing"]):
            following = self.server(kind=kind)
            following.run()
            assert following.answer == b"ok"


def fail_at(scene: Scene, fault: str, at: int) -> None:
    scene.leftovers.begin()
    server = scene.server(fault, at)
    raised: list[BaseException] = []
    try:
        server.run()
    except BaseException as exc:
        raised.append(exc)
    scene.leftovers.check(scene.visit)
    wanted = FAULTS[fault][1]
    if fault in LEAVES and wanted is not None:
        assert [type(exc) for exc in raised] == [type(wanted())]
    elif raised:  # by a stream that had begun, or by a mounted application: the server cuts the connection
        assert scene.kind.path.startswith(("/echo", "/wsgi"))
        assert isinstance(raised[0], (HTTPError, ConnectionResetError))
    elif fault in ANSWERS and not scene.kind.path.startswith("/asgi"):  # which had answered
        assert server.status == ANSWERS[fault]
    del raised
    assert scene.leftovers.errors() == []
    scene.check_next()


@pytest.mark.parametrize(
    ("fault", "kind", "cell"),
    [(fault, *pair) for fault in FAULTS for pair in shared(told(fault), WSGI, one_of=len(WSGI), seed=len(fault))],
    ids=name_of,
)
def test_a_server_that_fails_at_any_operation_finds_nothing_left(
    cell: Cell, fault: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, no_leaks: None
) -> None:
    scene = Scene(cell, KINDS[kind], tmp_path, caplog)
    with no_collector():
        count, at = scene.warm_up().counts[FAULTS[fault][0]], 0
        try:
            for at in places(count, seed=len(fault) + len(kind)):
                fail_at(scene, fault, at)
        except AssertionError as exc:
            exc.add_note(f"{fault}, at {at} of {count}")
            raise
        finally:
            scene.stop()
    assert scene.book.pools["made"] == scene.book.pools["ended"]


# --- WebSockets, on the socket that a server lends ---

HANDSHAKE = {
    "HTTP_CONNECTION": "Upgrade", "HTTP_UPGRADE": "websocket", "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==", "HTTP_HOST": "localhost", "CONTENT_LENGTH": None,
}  # fmt: skip
FRAMES = b"\x81\x85\0\0\0\0hello\x01\x83\0\0\0\0two\x80\x83\0\0\0\0ends\x88\x82\0\0\0\0\x03\xe8"[:-1]


@pytest.mark.parametrize("leaves", ["closes", "half-closes"])
def test_a_websocket_that_is_cut_after_any_byte_leaves_nothing(
    leaves: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, no_leaks: None
) -> None:
    [cell] = [cell for cell in WSGI if cell.is_async] or [WSGI[0]]
    scene = Scene(cell, KINDS["ws"], tmp_path, caplog)
    raised: list[BaseException] = []
    call_app: Any = scene.app
    for number, at in enumerate([0, *places(len(FRAMES) + 1)]):
        here, there = socket.socketpair()
        with here, there:
            here.sendall(FRAMES[:at])
            if leaves == "closes":
                here.close()
            else:
                here.shutdown(socket.SHUT_WR)
            visit = f"ws {number}"
            if number:  # the first one has started what stays
                scene.leftovers.begin()
            environ = environ_of("/ws", **{**HANDSHAKE, "HTTP_X_VISIT": visit, "gunicorn.socket": there})  # type: ignore[arg-type]
            try:
                list(call_app(environ, lambda status, fields, exc_info=None: None))
            except (OSError, SystemExit, StopIteration) as exc:  # how it is told not to answer here any more
                raised.append(exc)
            settle_in_process()
            scene.leftovers.check(visit)
        assert scene.leftovers.errors() == []
        scene.check_next()
    scene.stop()
