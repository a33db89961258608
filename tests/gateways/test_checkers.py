"""The judges find what they are there to find: a test that was never red shows nothing."""

import time
from typing import Any

import pytest
from blockbuster import BlockingError

from ambi.testing import Client
from tests.cells import CELLS, Cell
from tests.checkers import CheckedASGI, CheckedWSGI, ProtocolViolation
from tests.leaks import nothing_left_behind

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"", "more_body": False}
MORE = {"type": "http.response.body", "body": b"x", "more_body": True}


def sending(*messages: dict[str, Any]) -> Any:
    """Make an ASGI application that sends these, whatever it is asked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


async def raising(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError


async def raising_late(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)
    raise ValueError


async def receiving(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(START)
    await send({**BODY, "body": b"x"})


async def leaving_a_task(scope: Any, receive: Any, send: Any) -> None:
    import asyncio

    left.append(asyncio.ensure_future(asyncio.sleep(60)))
    await send(START)
    await send(BODY)


left: list[Any] = []


def with_fields(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {**START, "headers": list(pairs)}


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (sending(), "returns when it has answered"),
        (sending(BODY), "start comes first"),
        (sending(START), "returns when it has answered"),
        (sending(START, START), "start is sent once"),
        (sending(START, MORE), "returns when it has answered"),
        (sending(START, BODY, BODY), "nothing follows the last part"),
        (sending(START, {"type": "http.response.trailers"}), "a known message"),
        (sending({**START, "status": 100}), "a final status"),
        (sending({**START, "status": 200.0}), "a final status"),
        (sending({**START, "reason": b"OK"}), "known keys"),
        (sending(START, {**BODY, "body": "text"}), "the body is bytes"),
        (sending(with_fields(("a", "b"))), "are bytes"),
        (sending(with_fields((b"A", b"b"))), "in lower case"),
        (sending(with_fields((b"a b", b"b"))), "are tokens"),
        (sending(with_fields((b"a", b"b\r\nc: d"))), "no CR, LF or NUL"),
        (sending(with_fields((b"a", b" b"))), "no white space around"),
        (sending(with_fields((b"transfer-encoding", b"chunked"))), "framing"),
        (sending(with_fields((b"content-length", b"x"))), "is a number"),
        (sending(with_fields((b"content-length", b"1")), BODY), "0 bytes were sent"),
        (sending(with_fields((b"content-length", b"0")), MORE), "no more bytes"),
        (sending(with_fields((b"content-length", b"0"), (b"content-length", b"0")), BODY), "one Content-Length"),
        (sending({**with_fields((b"content-length", b"0")), "status": 204}, BODY), "no Content-Length with status 204"),
        (sending({**START, "status": 304}, MORE, BODY), "no body in the answer"),
        (raising, "no exception leaves the application before"),
        (raising_late, "no exception leaves it when"),
        (receiving, "only for a body"),
        (leaving_a_task, "leaves no tasks behind"),
    ],
)
def test_a_broken_rule_of_asgi_is_found(app: Any, rule: str) -> None:
    checked = CheckedASGI(app)
    with pytest.raises((ProtocolViolation, BaseExceptionGroup)), Client(Served(checked)) as client:
        client.get("/")
    assert rule in str(checked.violations)


class Served:
    """Gives a bare application of one protocol message after the other a lifespan."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([{"type": "lifespan.startup.complete"}], "an event is answered once, after it came"),
        (["receive", {"type": "lifespan.shutdown.complete"}], "answers lifespan.startup"),
        (["receive", {"type": "lifespan.startup.failed", "message": 3}], "is text"),
        (["receive", "receive"], "asked for when the last one is answered"),
        (["receive"], "every lifespan event is answered"),
    ],
)
def test_a_broken_rule_of_the_lifespan_is_found(messages: list[Any], rule: str) -> None:
    import anyio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await (receive() if message == "receive" else send(message))

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        pass

    checked = CheckedASGI(app)
    with pytest.raises(ProtocolViolation):
        anyio.run(checked, {"type": "lifespan"}, receive, send)
    assert rule in str(checked.violations)


def wsgi(
    status: str = "200 OK", headers: Any = (("content-type", "text/plain"),), body: Any = (b"",), twice: bool = False
) -> Any:
    """Make a WSGI application that answers so."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers))
        if twice:
            start_response(status, list(headers), (None, None, None))
        return body

    return app


def reading(*read: Any) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(*read)
        start_response("200 OK", [("content-type", "text/plain")])
        return (b"",)

    return app


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (wsgi(body=[]), "one item at least"),
        (wsgi(twice=True), "start_response is called once"),
        (wsgi("200 "), "the status line has a reason"),
        (wsgi(headers=[("content-type", "a/b"), ("content-length", "1")]), "0 bytes were sent"),
        (wsgi("204 No Content", [], (b"x",)), "no body in the answer"),
        (wsgi("304 Not Modified", [("content-length", "0")]), "no Content-Length with status 304"),
        (lambda environ, start_response: (b"",), "before the application returns"),
        (reading(10), "a body that nobody sent is not read"),
        (reading(-1), "read with a bound"),
    ],
)  # fmt: skip
def test_a_broken_rule_of_wsgi_is_found(app: Any, rule: str) -> None:
    checked = CheckedWSGI(app)
    with pytest.raises(AssertionError):
        Client(Bare(checked), gateway="wsgi").get("/")
    assert rule in str(checked.violations)


class Bare:
    """An application without a lifespan."""

    lifespans = None

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, *args: Any) -> Any:
        return self._app(*args)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi" and cell.is_async], ids=str)
def test_a_call_that_blocks_a_loop_is_found(cell: Cell, no_blocking: None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(0.001)  # noqa: ASYNC251  # the mistake

    with pytest.raises(BlockingError, match=r"time\.sleep"), Client(Served(app), backend=cell.backend) as client:
        client.get("/")


def test_a_call_that_blocks_a_thread_is_none() -> None:
    time.sleep(0.001)


def test_descriptors_threads_and_tasks_left_behind_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import os

    from ambi.bridge.loop_thread import get_loop_thread
    from ambi.bridge.workers import give_back, take_worker

    monkeypatch.setattr("tests.leaks.PATIENCE_S", 0.02)
    loop = get_loop_thread().loop
    left: list[Any] = []
    with pytest.raises(AssertionError, match="left behind: .* -> pipe:"), nothing_left_behind():
        left.extend(os.pipe())
    with pytest.raises(AssertionError, match="busy worker threads"), nothing_left_behind():
        left.append(take_worker())
    with pytest.raises(AssertionError, match="sleep"), nothing_left_behind():
        left.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(60), loop))
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()  # the first one has begun
    os.close(left[0])
    os.close(left[1])
    give_back(left[2])
    left[3].cancel()
    with nothing_left_behind():
        pass
