"""WebSockets under ASGI: habits of servers, which WSGI does not have."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, Stream, Text, WebSocket, WebSocketClosed
from ambi.bridge.inbox import MAX_MESSAGES
from tests.cells import GATEWAYS, Cell
from tests.gateways.peers import LEFT_WHILE_ANSWERED, Closed, Connect, connecting, left_while_answered


@pytest.fixture(params=[cell for cell in GATEWAYS if cell.gateway == "asgi"], ids=lambda cell: cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the event loops of ASGI."""
    found: Cell = request.param
    return found


@pytest.fixture
def connect(cell: Cell) -> Iterator[Connect]:
    """Give what connects a client."""
    with connecting(cell) as connect:
        yield connect


@pytest.mark.parametrize("extensions", [{}, None])
def test_a_server_that_cannot_deny_with_a_response_denies_with_403(app: App, connect: Connect, extensions: Any) -> None:
    told: list[int | None] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> Any:
        ws.request.on_sent(lambda sent: told.append(sent.status))
        return Text("not sent", 418)

    peer = connect(app, scope={"extensions": extensions})
    peer.ended()
    assert (peer.status, peer.body, told) == (403, b"", [403])


@pytest.mark.parametrize("changes", [{"http_version": "2"}, {"headers": [(b"content-length", b"3")]}], ids=str)
def test_a_handler_learns_that_its_client_left_whatever_the_handshake_says_of_a_body(
    app: App, connect: Connect, changes: Any
) -> None:
    """Over HTTP/2 any request may have one; the handshake of a WebSocket has none."""
    found: list[Any] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send("ready")
        deadline = time.monotonic() + 2
        while not ws.request.is_disconnected() and time.monotonic() < deadline:
            await anyio.sleep(0.005)
        found.append(ws.request.is_disconnected())

    peer = connect(app, scope=changes)
    assert peer.receive() == "ready"
    peer.vanish()
    peer.ended()
    assert found == [True]


@pytest.mark.parametrize("after_close", ["OSError", "RuntimeError", "silent"])
def test_a_handler_that_only_sends_finds_out_that_the_client_left(app: App, connect: Connect, after_close: str) -> None:
    ended: list[bool] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                await ws.send("x")
        except WebSocketClosed:
            ended.append(ws.closed)
            raise

    peer: Any = connect(app, after_close=after_close)
    assert peer.receive() == "x"
    peer.vanish()
    peer.ended()
    assert ended == [True]
    assert peer.in_vain <= 100


def test_a_client_that_runs_ahead_waits(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        while await ws.receive() != "last":
            await anyio.sleep(0.001)
        await ws.send("done")

    peer = connect(app)
    for number in range(100):
        peer.send(str(number))
    left = peer.unread  # type: ignore[attr-defined]
    assert left >= 100 - 2 * MAX_MESSAGES - 40
    peer.send("last")
    assert peer.receive() == "done"


class Granian:
    """A server whose `receive` is looked at: it is read only when the handler waits."""

    def __init__(self, receive: Any) -> None:
        self.waiting = 0
        self._receive = receive

    async def receive(self) -> Any:
        self.waiting += 1
        try:
            return await self._receive()
        finally:
            self.waiting -= 1


Granian.__module__ = "granian._granian"


def test_granian_is_read_only_when_the_handler_waits(app: App, connect: Connect) -> None:
    servers: list[Granian] = []
    seen: list[int] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await anyio.sleep(0.02)
        seen.append(servers[0].waiting)
        assert await ws.receive() == "a"
        await anyio.sleep(0.02)
        seen.append(servers[0].waiting)
        for _ in range(20):
            await ws.send("x")
        await anyio.sleep(0.02)
        seen.append(servers[0].waiting)

    async def as_granian(scope: Any, receive: Any, send: Any) -> None:
        servers.append(Granian(receive))
        await app(scope, servers[0].receive, send)

    peer = connect(as_granian)
    peer.send("a")
    peer.send("b")
    with pytest.raises(Closed, match="1000"):
        while True:
            peer.receive()
    assert seen == [0, 0, 1]


def test_a_code_that_daphne_does_not_send_is_sent_as_a_private_one(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(1011)

    async def as_daphne(scope: Any, receive: Any, send: Any) -> None:
        async def checked(message: Any) -> None:
            if message["type"] == "websocket.close" and message["code"] not in (1000, *range(3000, 5000)):
                raise Exception(f"invalid close code {message['code']}")
            await send(message)

        await app(scope, receive, checked)

    with pytest.raises(Closed, match="4011"):
        connect(as_daphne).receive()


def test_an_error_of_the_server_is_raised_as_it_is(app: App, connect: Connect) -> None:
    """It is not wrapped into the group of tasks in which the connection is read."""

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        async def failing(message: Any) -> None:
            if message["type"] == "websocket.close":
                raise LookupError("of the server")
            await send(message)

        await app(scope, receive, failing)

    with pytest.raises(LookupError, match="of the server"):
        connect(broken).ended()


def test_a_server_whose_receive_fails_has_lost_the_client(app: App, connect: Connect) -> None:
    ended: list[int | None] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        ended.append(ws.close_code)

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        connected = False

        async def failing() -> Any:
            nonlocal connected
            if connected:
                raise RuntimeError("the connection is gone")
            connected = True
            return await receive()

        await app(scope, failing, send)

    connect(broken).ended()
    assert ended == [1006]


def test_a_client_that_left_before_it_was_answered(app: App, connect: Connect) -> None:
    seen: list[str] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        try:
            await ws.accept()
        except WebSocketClosed:
            seen.append("gone")
            raise

    async def left(scope: Any, receive: Any, send: Any) -> None:
        async def refused(message: Any) -> None:
            raise OSError("the client has left")

        await app(scope, receive, refused)

    async def never_there(scope: Any, receive: Any, send: Any) -> None:
        async def disconnected() -> Any:
            return {"type": "websocket.disconnect", "code": 1006}

        await app(scope, disconnected, send)

    connect(left).ended()
    connect(never_there).ended()
    assert seen == ["gone"]


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}], ids=["plain", "denials"])
@pytest.mark.parametrize(("how", "status"), LEFT_WHILE_ANSWERED)
def test_what_was_not_answered_was_not_accepted(connect: Connect, how: str, status: int, extensions: Any) -> None:
    app, events = left_while_answered(how)
    tried: list[str] = []

    async def left(scope: Any, receive: Any, send: Any) -> None:
        async def refused(message: Any) -> None:
            tried.append(message["type"])
            raise OSError("the client has left")

        await app({**scope, "extensions": extensions}, receive, refused)

    connect(left).ended()
    assert (events, tried) == ([(False, True), status, (499, False)], ["websocket.accept"])


def test_http_2_has_no_body_here(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send(ws.request.body)

    assert connect(app, scope={"http_version": "2"}).receive() == b""


def test_a_denial_that_is_a_stream_ends_when_the_client_leaves(app: App, connect: Connect) -> None:
    ended: list[str] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> Any:
        async def items() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x"
                    await anyio.sleep(0.01)
            finally:
                ended.append("closed")

        return Stream(items(), status=403)

    async def short_of_patience(scope: Any, receive: Any, send: Any) -> None:
        count = 0

        async def counted() -> Any:
            nonlocal count
            count += 1
            if count > 1:
                await anyio.sleep(0.1)
                return {"type": "websocket.disconnect", "code": 1006}
            return await receive()

        async def dropped(message: Any) -> None:
            if message["type"] == "websocket.http.response.start":
                await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
                await send({"type": "websocket.http.response.body", "body": b""})

        await app(scope, counted, dropped)

    connect(short_of_patience).ended()
    assert ended == ["closed"]
