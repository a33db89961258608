"""A client that leaves: asked for by the handler, or cancelling it where the route says so."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, ClientDisconnected, ConfigurationError, Layer, Limits, Middleware, Request, Stream
from ambi.bridge import to_loop
from ambi.bridge.background import settled_on_loop
from ambi.bridge.loop_thread import get_loop_thread
from tests.calls import environ_of, scope_of, sending_body
from tests.cells import CELLS, Cell

ASGI = [cell for cell in CELLS if cell.gateway == "asgi"]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a server's socket and its client's."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


class Visit:
    """One request whose client can leave while it is served, in any cell."""

    def __init__(self, app: App, cell: Cell, pair: tuple[socket.socket, socket.socket]) -> None:
        self._app = app
        self._cell = cell
        self._ours, self._theirs = pair
        self.sent: list[Any] = []
        self._gone = threading.Event()

    def leave(self) -> None:
        self._gone.set()
        self._theirs.close()

    def run(self, path: str = "/", **changes: Any) -> None:
        """Serve the request to its end."""
        if self._cell.gateway == "wsgi":
            environ = environ_of(path, **{"gunicorn.socket": self._ours, **changes})
            chunks = self._app(environ, lambda status, headers, exc_info=None: self.sent.append(int(status[:3])))
            self.sent.append(b"".join(chunks))
            return
        anyio.run(self._serve, path, backend=self._cell.backend)

    async def _serve(self, path: str) -> None:
        async def receive() -> Any:
            while not self._gone.is_set():
                await anyio.sleep(0.002)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await anyio.sleep(0)
            self.sent.append(message.get("status", message.get("body")))

        await self._app(scope_of(path, method="GET"), receive, send)


@pytest.fixture
def visit(app: App, cell: Cell, pair: tuple[socket.socket, socket.socket]) -> Visit:
    return Visit(app, cell, pair)


def polling(visit: Visit, found: list[Any], leave_at: int | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Give a handler of each colour that asks twenty times; the client leaves before one of them."""

    def handler(request: Request) -> str:
        for number in range(20):
            if number == leave_at:
                visit.leave()
            time.sleep(0.005)
            if request.is_disconnected():
                found.append(number)
                return "left"
        return "there"

    async def handler_async(request: Request) -> str:
        for number in range(20):
            if number == leave_at:
                visit.leave()
            await anyio.sleep(0.005)
            if request.is_disconnected():
                found.append(number)
                return "left"
        return "there"

    return handler, handler_async


def test_a_client_that_stays_is_not_disconnected(visit: Visit, app: App, cell: Cell) -> None:
    found: list[int] = []
    app.get("/")(cell.pick(*polling(visit, found, None)))
    visit.run()
    assert (found, visit.sent[0]) == ([], 200)


def test_a_handler_learns_that_its_client_has_left(visit: Visit, app: App, cell: Cell) -> None:
    found: list[int] = []
    app.get("/")(cell.pick(*polling(visit, found, 5)))
    visit.run()
    assert len(found) == 1
    assert 5 <= found[0] <= 8


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_a_stream_after_the_question_learns_it_too(visit: Visit, app: App, cell: Cell) -> None:
    """ASGI alone: one reader serves the question and the stream."""
    closed: list[bool] = []

    async def items() -> Any:
        try:
            while True:
                await anyio.sleep(0.005)
                yield "x"
        finally:
            closed.append(True)

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        assert not request.is_disconnected()
        threading.Timer(0.05, visit.leave).start()
        return items()

    visit.run()
    assert closed == [True]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "wsgi"], indirect=True, ids=str)
class TestWSGI:
    """What a WSGI server lends to look at the connection."""

    def ask(self, app: App, cell: Cell, environ: dict[str, Any]) -> bool:
        found: list[bool] = []

        @app.get("/")
        @cell.handler
        def handler(request: Request) -> str:
            found.append(request.is_disconnected())
            return "ok"

        list(app(environ, lambda status, headers, exc_info=None: None))
        return found[0]

    def test_without_a_socket_nothing_is_known(self, app: App, cell: Cell) -> None:
        assert self.ask(app, cell, environ_of()) is False

    @pytest.mark.parametrize("tells", [True, False])
    def test_waitress_tells(self, app: App, cell: Cell, tells: bool) -> None:
        assert self.ask(app, cell, environ_of(**{"waitress.client_disconnected": lambda: tells})) is tells

    def test_bytes_that_wait_are_left_alone(self, app: App, cell: Cell, pair: Any) -> None:
        pair[1].sendall(b"GET /next")
        assert self.ask(app, cell, environ_of(**{"werkzeug.socket": pair[0]})) is False
        assert pair[0].recv(100) == b"GET /next"

    def test_a_socket_that_is_closed_is_of_a_client_that_left(self, app: App, cell: Cell, pair: Any) -> None:
        pair[0].close()
        assert self.ask(app, cell, environ_of(**{"gunicorn.socket": pair[0]})) is True

    def test_a_reset_is_a_client_that_left(self, app: App, cell: Cell) -> None:
        import struct

        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        time.sleep(0.02)
        with ours:
            assert self.ask(app, cell, environ_of(**{"gunicorn.socket": ours})) is True


# --- cancel_on_disconnect ---


def test_an_answer_that_a_client_did_not_wait_for_is_told_as_499(visit: Visit, app: App, cell: Cell) -> None:
    told: list[int | None] = []

    @app.get("/", cancel_on_disconnect=True)
    async def handler(request: Request) -> str:
        request.on_sent(lambda sent: told.append(sent.status))
        visit.leave()
        await anyio.sleep(30)
        return "never"

    visit.run()
    assert told == [499]


def test_a_handler_is_cancelled_when_its_client_leaves(
    visit: Visit, app: App, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Any] = []

    @app.middleware
    def layer(request: Request) -> Middleware:
        try:
            yield
        finally:
            events.append("layer closed")

    @app.get("/", cancel_on_disconnect=True)
    async def handler(request: Request) -> str:
        request.after(events.append, "after")
        try:
            threading.Timer(0.05, visit.leave).start()
            await anyio.sleep(30)
        finally:
            events.append("handler ended")
        return "never"

    started = time.monotonic()
    visit.run()
    assert time.monotonic() - started < 5
    deadline = time.monotonic() + 2
    while len(events) < 3 and time.monotonic() < deadline and cell.gateway == "wsgi":
        time.sleep(0.005)
    assert events[:2] == ["handler ended", "layer closed"]
    assert visit.sent == ([499, b""] if cell.gateway == "wsgi" else [])
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


def test_a_handler_whose_client_stays_is_answered(visit: Visit, app: App, cell: Cell) -> None:
    @app.get("/", cancel_on_disconnect=True)
    async def handler() -> str:
        await anyio.sleep(0.01)
        return "there"

    visit.run()
    assert visit.sent[:2] == [200, b"there"]


def test_a_handler_that_fails_is_a_500_as_ever(visit: Visit, app: App, cell: Cell) -> None:
    @app.get("/", cancel_on_disconnect=True)
    async def handler() -> str:
        await anyio.sleep(0.01)
        raise KeyError("of the handler")

    visit.run()
    assert visit.sent[0] == 500


def test_blocking_layers_around_it_are_left_in_order(visit: Visit, app: App, cell: Cell) -> None:
    events: list[str] = []

    def blocking(request: Request) -> Middleware:
        try:
            yield
        finally:
            events.append(threading.current_thread().name)

    @app.get("/", cancel_on_disconnect=True, middleware=[Layer(blocking, blocking=True)])
    async def handler() -> str:
        visit.leave()
        await anyio.sleep(30)
        return "never"

    visit.run()
    assert events == ["MainThread" if cell.gateway == "wsgi" else "ambi-worker"]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if str(cell) == "wsgi-async"], indirect=True, ids=str)
def test_a_handler_is_cancelled_though_its_loop_was_busy_when_its_client_left(
    visit: Visit, app: App, cell: Cell, no_leaks: None
) -> None:
    """WSGI alone: the server's thread learns of it before the loop thread has begun."""

    @app.get("/", cancel_on_disconnect=True)
    async def handler() -> str:
        await anyio.sleep(5)
        return "never"

    def hold(until: float) -> None:
        while time.monotonic() < until:
            pass

    get_loop_thread().loop.call_soon_threadsafe(hold, time.monotonic() + 0.6)
    visit.leave()
    started = time.monotonic()
    visit.run()
    assert (visit.sent, time.monotonic() - started < 3) == ([499, b""], True)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if str(cell) == "wsgi-async"], indirect=True, ids=str)
def test_a_handler_is_cancelled_though_the_request_was_on_its_way_elsewhere_when_its_client_left(
    visit: Visit, app: App, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSGI alone: under ASGI nothing is noticed while something holds the loop."""
    monkeypatch.setattr(to_loop, "_LOOK_AT_CLIENT_S", 0.02)
    events: list[str] = []

    async def guard(request: Request) -> None:
        visit.leave()
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass

    def blocking(request: Request) -> Middleware:
        events.append("opened")
        yield

    @app.get("/", cancel_on_disconnect=True, middleware=[Layer(guard, step=True), Layer(blocking, blocking=True)])
    async def handler() -> str:
        try:
            await anyio.sleep(5)
        finally:
            events.append("left")
        return "never"

    started = time.monotonic()
    visit.run()
    assert (visit.sent, events, time.monotonic() - started < 3) == ([499, b""], ["opened", "left"], True)


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_one_reader_serves_a_cancellation_and_the_question(app: App, cell: Cell) -> None:
    """ASGI alone: on servers with a queue, two that receive would take the news from each other."""
    most = waiting = 0

    async def receive() -> Any:
        nonlocal most, waiting
        waiting += 1
        most = max(most, waiting)
        try:
            await anyio.sleep(30)
        finally:
            waiting -= 1

    async def send(message: Any) -> None:
        pass

    @app.get("/", cancel_on_disconnect=True)
    async def handler(request: Request) -> str:
        await anyio.sleep(0.005)  # the one who would cancel it receives by now
        for _ in range(5):
            assert not request.is_disconnected()
            await anyio.sleep(0.005)
        return "there"

    async def main() -> None:
        await app(scope_of(method="GET"), receive, send)
        await anyio.sleep(0.01)

    anyio.run(main, backend=cell.backend)
    assert (most, waiting) == (1, 0)


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_a_client_may_leave_while_its_stream_waits_for_a_thread(cell: Cell) -> None:
    """ASGI alone: there the streams of `def` generators share a number of threads."""
    app, go_on, closed = App(limits=Limits(stream_threads=1)), threading.Event(), []

    class Items:
        def __iter__(self) -> Iterator[str]:
            yield "x"
            go_on.wait(10)

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    app.get("/")(cell.handler(lambda: Stream(Items())))

    async def visit(stays_s: float) -> None:
        async def receive() -> Any:
            await anyio.sleep(stays_s)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await anyio.sleep(0)

        await app(scope_of(method="GET"), receive, send)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(visit, 30)
            await anyio.sleep(0.1)
            try:
                with anyio.fail_after(3):
                    await visit(0.05)
                assert closed == ["ambi-worker"]
            finally:
                go_on.set()

    anyio.run(main, backend=cell.backend)
    assert len(closed) == 2


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_a_stream_after_a_broken_body_knows_that_its_client_has_left(
    app: App, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ASGI alone: nothing else tells it there, since sending to a client that left raises nothing."""
    monkeypatch.setattr("ambi.gateways.asgi_connection._READER_FIRST_S", 0.05)
    closed: list[bool] = []

    async def items() -> Any:
        try:
            while True:
                yield "x"
                await anyio.sleep(0.005)
        finally:
            closed.append(True)

    def read(stream: BodyStream) -> Stream:
        with pytest.raises(ClientDisconnected):
            list(stream)
        return Stream(items())

    async def read_async(stream: BodyStream) -> Stream:
        with pytest.raises(ClientDisconnected):
            [chunk async for chunk in stream]
        return Stream(items())

    app.post("/")(cell.pick(read, read_async))

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await anyio.sleep(0)

    async def main() -> None:
        with anyio.fail_after(5):
            await app(scope_of(body=b"abc"), receive, send)

    anyio.run(main, backend=cell.backend)
    assert closed == [True]


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_the_question_after_the_response_receives_nothing(app: App, cell: Cell) -> None:
    """ASGI alone: the connection may be another request's by then."""
    answers: list[Any] = []

    async def receive() -> Any:
        answers.append("received")
        await anyio.sleep(30)

    async def send(message: Any) -> None:
        pass

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        async def late() -> None:
            await anyio.sleep(0.01)
            answers.append(request.is_disconnected())
            await anyio.sleep(0.01)
            answers.append(request.is_disconnected())

        request.after(late)
        return "there"

    async def main() -> None:
        await app(scope_of(method="GET"), receive, send)
        await settled_on_loop()

    anyio.run(main, backend=cell.backend)
    assert answers == [False, False]


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
@pytest.mark.parametrize("body", [b"", b"abc"])
@pytest.mark.parametrize("who", ["spawned", "on_sent"])
def test_who_asks_first_when_the_request_is_over_begins_nothing(app: App, cell: Cell, who: str, body: bytes) -> None:
    """ASGI alone, as above: what began to wait then would do so for ever."""
    received: list[str] = []
    answers: list[bool] = []
    sends = sending_body(body)

    async def receive() -> Any:
        received.append("received")
        return await sends()

    async def send(message: Any) -> None:
        pass

    def ask(request: Request) -> None:
        answers.append(request.is_disconnected())

    async def late(request: Request) -> None:
        await anyio.sleep(0.01)
        ask(request)

    @app.route("/", methods=["GET", "POST"])
    @cell.handler
    def handler(request: Request) -> str:
        if who == "spawned":
            app.spawn(late, request)
        else:
            request.on_sent(lambda sent: ask(request))
        return "there"

    async def main() -> None:
        await app(scope_of(body=body), receive, send)
        received.clear()
        await settled_on_loop()
        await anyio.sleep(0.02)

    anyio.run(main, backend=cell.backend)
    assert (answers, received) == ([False], [])


def test_a_def_cannot_be_cancelled(app: App) -> None:
    with pytest.raises(ConfigurationError, match=r"test_disconnects.py:\d+.*cannot be cancelled"):
        app.get("/", cancel_on_disconnect=True)(lambda: "ok")
