"""A client that leaves while a part of its request body is unread. ASGI alone: only there is the leaving received."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import count
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, ClientDisconnected, HTTPError, Stream
from ambi.gateways import asgi_connection
from ambi.gateways.asgi_connection import AHEAD_BYTES
from tests.calls import scope_of
from tests.cells import CELLS, Cell

EXPECTING = [(b"content-length", b"9"), (b"expect", b"100-continue")]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let those who may read have a moment only."""
    monkeypatch.setattr(asgi_connection, "_READER_FIRST_S", 0.05)


@pytest.fixture(params=[cell for cell in CELLS if cell.gateway == "asgi"], ids=str)
def cell(request: pytest.FixtureRequest, no_leaks: None) -> Cell:
    """Give the cells of ASGI."""
    found: Cell = request.param
    return found


class Visit:
    """One request with a body in parts; the client leaves when it is told to.

    Attributes:
        received: messages that the application has taken.
        most: tasks that received at the same time.
        sent: messages of the response.
    """

    def __init__(self, app: App, cell: Cell, parts: list[bytes], *, more: bool = False) -> None:
        self._app = app
        self._cell = cell
        self._messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if parts:
            self._messages[-1]["more_body"] = more
        self._gone = threading.Event()
        self.received = self.most = self._receiving = 0
        self.sent: list[Any] = []
        self.leave = self._gone.set

    def run(self, **changes: Any) -> None:
        """Serve the request to its end."""
        changes.setdefault("headers", [(b"transfer-encoding", b"chunked")])
        anyio.run(self._run, scope_of(body=b"x", **changes), backend=self._cell.backend)

    async def _run(self, scope: Any) -> None:
        with anyio.fail_after(3):
            await self._app(scope, self._receive, self._send)
            await anyio.sleep(0.01)  # for the task that has been cancelled with it
        assert (self._receiving, self.most <= 1) == (0, True)

    async def _receive(self) -> Any:
        self._receiving += 1
        self.most = max(self.most, self._receiving)
        try:
            await anyio.sleep(0)
            while not self._messages and not self._gone.is_set():
                await anyio.sleep(0.002)
            self.received += 1
            return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}
        finally:
            self._receiving -= 1

    async def _send(self, message: Any) -> None:
        await anyio.sleep(0)
        self.sent.append(message)


class Endless:
    """Items of the cell's colour that end only when they are closed."""

    def __init__(self, cell: Cell, then: Callable[[], None]) -> None:
        self._cell = cell
        self._then = then  # called before the tenth
        self.closed = False

    def __call__(self) -> Any:
        return self._items_async() if self._cell.is_async else self._items()

    def _items(self) -> Iterator[bytes]:
        try:
            for number in count():
                if number == 10:
                    self._then()
                yield b"x"
                time.sleep(0.002)
        finally:
            self.closed = True

    async def _items_async(self) -> AsyncIterator[bytes]:
        try:
            for number in count():
                if number == 10:
                    self._then()
                yield b"x"
                await anyio.sleep(0.002)
        finally:
            self.closed = True


# --- streams ---


@pytest.mark.parametrize(
    ("parts", "more"),
    [([b"abc"], False), ([b"abc", b"def", b""], False), ([b"abc"], True), ([], False), ([b"x" * AHEAD_BYTES], False)],
    ids=["one part", "parts", "not all of it", "nothing", "a large part"],
)
def test_a_stream_learns_that_its_client_has_left(app: App, cell: Cell, parts: list[bytes], more: bool) -> None:
    visit = Visit(app, cell, parts, more=more)
    items = Endless(cell, visit.leave)

    @app.post("/")
    @cell.handler
    def handler(stream: BodyStream) -> Stream:
        return Stream(items())

    visit.run()
    assert items.closed


def test_a_stream_learns_it_where_a_body_was_only_possible(app: App, cell: Cell) -> None:
    """Over HTTP/2 a GET may have a body without saying so."""
    visit = Visit(app, cell, [b""])
    items = Endless(cell, visit.leave)
    app.get("/")(cell.handler(lambda: Stream(items())))
    visit.run(method="GET", http_version="2", headers=[])
    assert items.closed


def test_a_stream_may_read_the_body_late(app: App, cell: Cell) -> None:
    """What has come meanwhile is kept, up to a bound, and in its order."""
    parts = [bytes([65 + number]) * 16_384 for number in range(20)]
    visit = Visit(app, cell, parts.copy())
    before: list[int] = []

    def items(stream: BodyStream) -> Iterator[bytes]:
        yield b"begun"
        time.sleep(0.1)
        before.append(visit.received)
        yield from stream

    async def items_async(stream: BodyStream) -> AsyncIterator[bytes]:
        yield b"begun"
        await anyio.sleep(0.1)
        before.append(visit.received)
        async for chunk in stream:
            yield chunk

    make = cell.pick(items, items_async)

    @app.post("/", max_body_bytes=1_000_000)
    @cell.handler
    def handler(stream: BodyStream) -> Stream:
        return Stream(make(stream))

    visit.run()
    assert b"".join(message.get("body", b"") for message in visit.sent) == b"begun" + b"".join(parts)
    assert before == [AHEAD_BYTES // 16_384]


def test_a_client_that_waits_to_be_asked_is_not_asked_before_the_response_begins(app: App, cell: Cell) -> None:
    """On several servers receiving asks for the body; once the response has begun, it does so no longer."""
    visit = Visit(app, cell, [])
    items = Endless(cell, visit.leave)
    before: list[int] = []

    def late() -> Iterator[bytes]:
        time.sleep(0.1)
        before.append(visit.received + visit.most)
        with closing(items()) as made:
            yield from made

    async def late_async() -> AsyncIterator[bytes]:
        await anyio.sleep(0.1)
        before.append(visit.received + visit.most)
        async with aclosing(items()) as made:
            async for item in made:
                yield item

    make = cell.pick(late, late_async)

    @app.post("/")
    @cell.handler
    def handler(stream: BodyStream) -> Stream:
        return Stream(make())

    visit.run(headers=EXPECTING)
    assert before == [0]
    assert visit.received == 1


# --- cancel_on_disconnect, which is for an `async def` alone ---

ASYNC = pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if str(cell) in ("asyncio-async", "trio-async")], ids=str
)


@ASYNC
def test_a_handler_that_does_not_read_is_cancelled(app: App, cell: Cell) -> None:
    visit = Visit(app, cell, [b"abc", b"def"])

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> str:
        visit.leave()
        await anyio.sleep(30)
        return "never"

    visit.run()
    assert visit.sent == []


@ASYNC
@pytest.mark.parametrize("pause_s", [0, 0.005])
def test_a_handler_that_reads_has_all_of_the_body(app: App, cell: Cell, pause_s: float) -> None:
    parts = [bytes([65 + number]) * 10 for number in range(20)]
    visit = Visit(app, cell, parts.copy())

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> bytes:
        body = b""
        async for chunk in stream:
            body += chunk
            await anyio.sleep(pause_s)
        return body

    visit.run()
    assert visit.sent[1]["body"] == b"".join(parts)


@ASYNC
def test_a_handler_that_waits_for_more_is_told_that_there_is_none(app: App, cell: Cell) -> None:
    visit = Visit(app, cell, [b"abc"], more=True)
    read: list[Any] = []

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> str:
        try:
            async for chunk in stream:
                read.append(chunk)
                await anyio.sleep(0.02)
                visit.leave()
        except ClientDisconnected:
            read.append("left")
        await anyio.sleep(30)
        return "never"

    visit.run()
    assert (read, visit.sent) == ([b"abc", "left"], [])


@ASYNC
def test_a_handler_is_cancelled_only_once_its_client_was_asked_for_the_body(app: App, cell: Cell) -> None:
    visit = Visit(app, cell, [b"abc", b"def"])
    events: list[Any] = []

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> str:
        await anyio.sleep(0.05)
        events.append(visit.received + visit.most)
        events.append(await anext(aiter(stream)))
        visit.leave()
        await anyio.sleep(30)
        return "never"

    visit.run(headers=EXPECTING)
    assert (events, visit.sent) == ([0, b"abc"], [])


@ASYNC
def test_a_refusal_does_not_ask_for_the_body(app: App, cell: Cell) -> None:
    visit = Visit(app, cell, [b"abc"])

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> str:
        await anyio.sleep(0.02)
        raise HTTPError(403)

    visit.run(headers=EXPECTING)
    assert (visit.sent[0]["status"], visit.most) == (403, 0)


@ASYNC
@pytest.mark.parametrize("turns", [1, 2, 5])
def test_what_a_handler_left_unread_is_taken_in_by_turns(app: App, cell: Cell, turns: int) -> None:
    """Who waits for the leaving may begin to receive when the handler has answered already."""
    visit = Visit(app, cell, [b"ab", b"cd"])

    @app.post("/", cancel_on_disconnect=True)
    async def handler(stream: BodyStream) -> str:
        for _ in range(turns):
            await anyio.sleep(0)
        return "not read"

    visit.run(headers=[(b"content-length", b"4")])
    assert [message.get("body") for message in visit.sent] == [None, b"not read"]
