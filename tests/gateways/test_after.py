"""What runs after the response is sent, in every cell."""

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, HTTPError, Middleware, Request, Stream, UploadFile
from ambi.bridge import to_loop
from ambi.bridge.background import settle_in_process
from ambi.testing import Client
from tests.calls import call_wsgi, environ_of
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient
from tests.gateways.taps import ResponseTap


def test_it_runs_after_the_response_is_sent(make_client: MakeClient, cell: Cell, late: Any) -> None:
    events: list[str] = []
    app = App()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(late(lambda *args: events.append(f"after {args}")), 1, "two")
        return "sent"

    assert make_client(ResponseTap(app, events)).get("/").text == "sent"
    assert sorted(events) == ["after (1, 'two')", "end", "sent", "start"]
    assert events.index("sent") < events.index("after (1, 'two')")


def test_it_runs_after_a_stream_has_ended(make_client: MakeClient, cell: Cell, late: Any) -> None:
    events: list[str] = []
    app = App()

    def items() -> Any:
        try:
            yield "a"
            yield "b"
        finally:
            events.append("closed")

    async def items_async() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            events.append("closed")

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.after(late(lambda: events.append("after")))
        return Stream(items_async() if cell.is_async else items())

    assert make_client(ResponseTap(app, events)).get("/").text == "ab"
    assert [event for event in events if event not in ("end", "closed")] == ["start", "a", "b", "after"]
    assert events[-1] == "after"
    assert "closed" in events


def test_functions_run_in_order_though_one_fails(
    app: App, client: Client, cell: Cell, late: Any, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Any] = []

    def fail() -> None:
        raise ValueError("of the second")

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(events.append, 1)
        request.after(late(fail))
        request.after(late(events.append), 3)
        request.after(events.append, 4)
        return "sent"

    response = client.get("/")
    assert (response.status_code, response.text, events) == (200, "sent", [1, 3, 4])
    assert "of the second" in caplog.text
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["ambi.error"]


async def await_what_was_cancelled() -> None:
    """Be left by a cancellation, as what ends a task of its own and waits for it; asyncio alone has such."""
    task = asyncio.ensure_future(asyncio.sleep(5))
    task.cancel()
    await task


on_asyncio = pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.backend == "asyncio"], indirect=True, ids=str
)


@on_asyncio
def test_functions_run_though_one_awaited_something_that_was_cancelled(
    app: App, client: Client, cell: Cell, late: Any, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(await_what_was_cancelled)
        request.after(late(events.append), "second")
        return "sent"

    assert (client.get("/").text, events) == ("sent", ["second"])
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["ambi.error"]
    assert "await_what_was_cancelled" in caplog.text


@on_asyncio
def test_streams_and_files_are_closed_though_a_stream_awaits_something_that_was_cancelled(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[int] = []
    files: list[UploadFile] = []

    class Body:
        def __init__(self, number: int) -> None:
            self.number = number

        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

        async def aclose(self) -> None:
            events.append(self.number)
            await await_what_was_cancelled()

    def replacing(body: Any) -> Any:
        def layer(request: Request) -> Middleware:
            yield
            return Stream(body)

        return layer

    @app.post("/", middleware=[replacing(["sent"]), replacing(Body(2))])
    @cell.handler
    def handler(request: Request) -> Stream:
        files.append(request.form.file("f"))
        return Stream(Body(1))

    assert client.post("/", files={"f": b"content"}).text == "sent"
    assert (sorted(events), files[0].file.closed) == ([1, 2], True)
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["ambi.error"] * 2


@on_asyncio
def test_a_stream_that_is_not_begun_and_awaits_something_that_was_cancelled_is_answered(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []

    class Body:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

        async def aclose(self) -> None:
            await await_what_was_cancelled()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.after(events.append, "after")
        return Stream(Body())

    assert (client.head("/").status_code, events) == (200, ["after"])
    assert "a stream did not close" in caplog.text


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "wsgi"], indirect=True, ids=str)
def test_a_stream_that_is_not_begun_and_takes_long_to_close_is_answered(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Under WSGI, where the server's thread waits for the loop: it may not be kept for ever."""
    monkeypatch.setattr(to_loop, "_DROP_S", 0.05)
    events: list[str] = []
    closed = threading.Event()

    class Body:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

        async def aclose(self) -> None:
            await asyncio.sleep(0.2)
            closed.set()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.on_sent(lambda sent: events.append(f"sent {sent.status}"))
        request.after(events.append, "after")
        return Stream(Body())

    assert (client.head("/").status_code, events) == (200, ["sent 200", "after"])
    assert "did not close in time" in caplog.text
    assert closed.wait(5)


@pytest.mark.parametrize("where", ["handler", "middleware", "error handler"])
def test_it_may_be_asked_for_anywhere(app: App, client: Client, cell: Cell, late: Any, where: str) -> None:
    events: list[str] = []

    def ask(request: Request, here: str) -> None:
        if where == here:
            request.after(late(events.append), "ran")

    @app.middleware
    def middleware(request: Request) -> Middleware:
        yield
        ask(request, "middleware")

    @app.error(404)
    @cell.handler
    def missing(request: Request, error: HTTPError) -> str:
        ask(request, "error handler")
        return "missing"

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> None:
        ask(request, "handler")
        raise HTTPError(404)

    assert client.get("/").status_code == 404
    assert events == ["ran"]


@pytest.mark.parametrize("how", ["crash", "stream error", "leaving"])
def test_it_runs_whatever_became_of_the_response(app: App, client: Client, cell: Cell, late: Any, how: str) -> None:
    events: list[str] = []

    def items() -> Any:
        yield "a"
        if how == "stream error":
            raise ValueError("mid-stream")
        yield from "b" * 100_000

    async def items_async() -> AsyncIterator[str]:
        for item in items():
            await anyio.sleep(0)
            yield item

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.after(late(events.append), "ran")
        if how == "crash":
            raise ValueError
        return Stream(items_async() if cell.is_async else items())

    if how == "crash":
        assert client.get("/").status_code == 500
    elif how == "leaving":
        with client.stream("GET", "/") as response:
            next(response.iter_bytes())
    else:
        with pytest.raises(ValueError, match="mid-stream"):
            client.get("/")
    assert events == ["ran"]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "wsgi"], indirect=True, ids=str)
@pytest.mark.parametrize("where", ["handler", "first item"])
def test_it_runs_when_the_request_ends_in_an_exit(app: App, cell: Cell, late: Any, where: str) -> None:
    """Under WSGI, whose servers go on serving in other threads, or take it for a time-out; an event loop ends."""
    events: list[str] = []

    def items() -> Iterator[bytes]:
        try:
            sys.exit(3)
            yield b""
        finally:
            events.append("closed")

    async def items_async() -> AsyncIterator[bytes]:
        for item in items():
            yield item

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.on_sent(lambda sent: events.append(f"sent {sent.status}"))
        request.after(late(events.append), "ran")
        if where == "handler":
            sys.exit(3)
        return Stream(items_async() if cell.is_async else items())

    with pytest.raises(SystemExit):
        call_wsgi(app)
    settle_in_process()
    assert events == ["closed"] * (where == "first item") + ["sent None", "ran"]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "wsgi"], indirect=True, ids=str)
def test_it_runs_when_the_closing_of_what_is_not_sent_ends_in_an_exit(app: App, cell: Cell, late: Any) -> None:
    """Under WSGI, as above: of a stream that a HEAD asks for."""
    events: list[str] = []

    class Items:
        def __iter__(self) -> Iterator[bytes]:
            raise NotImplementedError

        def close(self) -> None:
            sys.exit(3)

    class ItemsAsync:
        def __aiter__(self) -> AsyncIterator[bytes]:
            raise NotImplementedError

        async def aclose(self) -> None:
            sys.exit(3)

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        request.on_sent(lambda sent: events.append(f"sent {sent.status}"))
        request.after(late(events.append), "ran")
        return Stream(ItemsAsync() if cell.is_async else Items())

    with pytest.raises(SystemExit):
        call_wsgi(app, environ_of(REQUEST_METHOD="HEAD"))
    settle_in_process()
    assert events == ["sent None", "ran"]


@pytest.mark.parametrize("cell", [Cell("wsgi", "asyncio", "async")], indirect=True, ids=str)
def test_it_runs_when_the_servers_thread_exits_while_the_loop_is_busy(app: App, cell: Cell, late: Any) -> None:
    """Under WSGI, where that is a time-out of gunicorn's; the exit is what the server gets, nothing else."""
    events: list[str] = []
    is_asked = threading.Event()

    def exit_here() -> bool:
        is_asked.set()
        sys.exit(3)

    @app.get("/", cancel_on_disconnect=True)
    async def handler(request: Request) -> str:
        request.on_sent(lambda sent: events.append(f"sent {sent.status}"))
        request.after(late(events.append), "ran")
        until = time.monotonic() + 5
        while not is_asked.is_set() and time.monotonic() < until:
            pass
        until = time.monotonic() + 0.1
        while time.monotonic() < until:  # in the context of the request
            pass
        return ""

    with pytest.raises(SystemExit):
        call_wsgi(app, environ_of(**{"waitress.client_disconnected": exit_here}))
    settle_in_process()
    assert events == ["sent None", "ran"]


@pytest.mark.parametrize("how", ["all of it", "leaving", "stream error"])
@pytest.mark.parametrize("at", [0, 1], ids=["first item", "second item"])
def test_it_may_be_asked_for_while_the_response_is_streamed(
    app: App, client: Client, cell: Cell, late: Any, how: str, at: int
) -> None:
    events: list[Any] = []

    def items(request: Request) -> Any:
        for number in range(10_000 if how == "leaving" else 3):
            if number == at:
                request.on_sent(lambda sent: events.append((sent.status, sent.body_bytes, sent.is_complete)))
                request.after(late(events.append), "ran")
            yield b"x" * 10
            if how == "stream error" and number == 1:
                raise ValueError("mid-stream")

    async def items_async(request: Request) -> AsyncIterator[bytes]:
        for item in items(request):
            await anyio.sleep(0)
            yield item

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Stream:
        return Stream(items_async(request) if cell.is_async else items(request), status=203)

    if how == "leaving":
        with client.stream("GET", "/") as response:
            chunks = response.iter_bytes()
            for _ in range(2):
                next(chunks)
    elif how == "stream error":
        with pytest.raises(ValueError, match="mid-stream"):
            client.get("/")
    else:
        assert client.get("/").content == b"x" * 30
    (status, size, is_complete), ran = events
    assert (status, is_complete, ran) == (203, how == "all of it", "ran")
    assert size >= 20 if how == "leaving" else size == {"all of it": 30, "stream error": 20}[how]


def test_files_of_a_form_are_open_until_it_has_run(app: App, client: Client, cell: Cell, late: Any) -> None:
    seen: list[bytes] = []
    files: list[UploadFile] = []

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> str:
        files.append(request.form.file("f"))
        request.after(late(lambda: seen.append(files[0].read())))
        return "sent"

    client.post("/", files={"f": b"content"})
    assert (seen, files[0].file.closed) == ([b"content"], True)


def test_it_runs_in_the_context_of_the_request(app: App, client: Client, cell: Cell, late: Any) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen: list[str] = []

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        user.set("alice")
        request.after(late(lambda: seen.append(user.get())))
        return "sent"

    client.get("/")
    assert (seen, user.get()) == (["alice"], "nobody")


def test_a_def_that_runs_after_may_block(app: App, client: Client, cell: Cell) -> None:
    threads = []

    def wait() -> None:
        import time

        time.sleep(0.001)
        threads.append(threading.current_thread().name)

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(wait)
        return "sent"

    client.get("/")
    assert threads == ["ambi-worker"]


def test_it_may_ask_for_more(app: App, client: Client, cell: Cell, late: Any) -> None:
    events: list[str] = []

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(late(lambda: request.after(late(events.append), "second")))
        return "sent"

    client.get("/")
    assert events == ["second"]


class Kept:
    """Something a request holds, whose end can be seen."""


@pytest.mark.parametrize("how", ["answered", "refused", "crashed", "streamed", "handled", "left"])
def test_nothing_of_a_request_outlives_it(
    app: App, client: Client, cell: Cell, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a thread nor a task nor an exception holds on to it."""
    monkeypatch.setattr(logging.getLogger("ambi.error"), "disabled", True)  # pytest keeps what is logged
    ends: list[weakref.ref[Kept]] = []

    def items() -> Iterator[str]:
        for _ in range(1000):
            yield "x"

    async def items_async() -> AsyncIterator[str]:
        for _ in range(1000):
            await anyio.sleep(0)
            yield "x"

    @app.middleware(blocking=True)
    def hold(request: Request) -> Middleware:
        kept = Kept()
        ends.append(weakref.ref(kept))
        request.state.kept = kept
        yield

    app.error(KeyError)(cell.handler(lambda request, error: f"{request.state.kept} {error}"))

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        if how == "refused":
            raise HTTPError(403)
        if how in ("crashed", "handled"):
            raise (ValueError if how == "crashed" else KeyError)(request.state.kept)
        return "answered" if how == "answered" else Stream(items_async() if cell.is_async else items())

    for _ in range(3):
        if how == "left":
            with client.stream("GET", "/") as response:
                next(response.iter_bytes())
        else:
            client.get("/")
    for _ in range(200):  # the task on the loop thread goes a moment after its answer
        gc.collect()
        if not any(end() for end in ends):
            break
        time.sleep(0.005)
    assert [end() for end in ends] == [None] * 3
