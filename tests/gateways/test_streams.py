"""A streamed body is sent item by item, closed on every exit, and honest about its errors, in every cell."""

import asyncio
import errno
import gc
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, CallNext, HTTPError, Middleware, Request, Response, Stream, Text
from ambi.testing import BrokenAnswer, Client
from tests.calls import call_asgi, call_wsgi, environ_of, scope_of, sending_body
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient
from tests.gateways.taps import BodyTap, ResponseTap


class Items:
    """A source of items in the cell's colour that notes what happens to it.

    Args:
        items: given one after the other; an exception is raised instead.
        events: gets "open", "make x" and "closed".
    """

    def __init__(self, items: Any, events: list[str]) -> None:
        self._items = items
        self._events = events

    def sync(self) -> Iterator[Any]:
        self._events.append("open")
        try:
            for item in self._items:
                if isinstance(item, BaseException):
                    raise item
                self._events.append(f"make {item}")
                yield item
        finally:
            self._events.append("closed")

    async def asynchronous(self) -> AsyncIterator[Any]:
        self._events.append("open")
        try:
            for item in self._items:
                await anyio.sleep(0)
                if isinstance(item, BaseException):
                    raise item
                self._events.append(f"make {item}")
                yield item
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0)
            self._events.append("closed")


Streamed = Callable[..., list[str]]


@pytest.fixture(params=["generator handler", "Stream", "Stream made by the other colour"])
def streamed(request: pytest.FixtureRequest, app: App, cell: Cell) -> Streamed:
    """Give what registers a stream at "/"; the events of its source come back."""

    def register(*items: Any, **options: Any) -> list[str]:
        events: list[str] = []
        source = Items(items, events)
        make = source.asynchronous if cell.is_async else source.sync
        if request.param == "generator handler" and not options:
            app.get("/")(make)
        elif request.param == "Stream":
            app.get("/")(cell.handler(lambda: Stream(make(), **options)))
        else:  # an `async def` that returns a generator, and a `def` that returns an async one
            other = Cell(cell.gateway, cell.backend, "def" if cell.is_async else "async")
            app.get("/")(other.handler(lambda: Stream(make(), **options)))
        return events

    return register


# --- item by item ---


def test_items_are_bytes_or_text(streamed: Streamed, client: Client) -> None:
    streamed("ü", b"\xff", bytearray(b"a"), memoryview(b"b"), "")
    response = client.get("/")
    assert (response.status_code, response.content) == (200, b"\xc3\xbc\xffab")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "content-length" not in response.headers


def test_a_stream_without_items_is_an_empty_answer(streamed: Streamed, client: Client) -> None:
    events = streamed()
    response = client.get("/")
    assert (response.status_code, response.content, events) == (200, b"", ["open", "closed"])


def test_items_are_sent_as_they_are_made(streamed: Streamed, make_client: MakeClient, app: App, cell: Cell) -> None:
    events = streamed("a", "", "b", "c")
    assert make_client(ResponseTap(app, events)).get("/").text == "abc"
    seen = [event for event in events if event not in ("open", "make ", "closed")]
    if cell.matches:
        assert seen == ["make a", "start", "a", "make b", "b", "make c", "c", "end"]
    else:  # one side runs ahead of the other
        assert [event for event in seen if "make" not in event] == ["start", "a", "b", "c", "end"]
        assert all(seen.index(f"make {item}") < seen.index(item) for item in "abc")


def test_an_item_is_not_held_back_for_the_next(app: App, client: Client, cell: Cell) -> None:
    """The next item is made only when the client has the last one."""
    received = 0

    def items() -> Iterator[str]:
        for number in range(5):
            yield str(number)
            for _ in range(2000):
                if received > number:
                    break
                time.sleep(0.001)
            else:
                pytest.fail(f"item {number} was held back")

    async def items_async() -> AsyncIterator[str]:
        for number in range(5):
            yield str(number)
            with anyio.fail_after(2):
                while received <= number:
                    await anyio.sleep(0.001)

    app.get("/")(cell.pick(items, items_async))
    if cell.gateway == "wsgi" and not cell.is_async:  # this very thread makes the items, so each comes when asked for
        received = 5
    with client.stream("GET", "/") as response:
        for number, chunk in enumerate(response.iter_bytes()):
            assert chunk == str(number).encode()
            received = max(received, number + 1)
    assert received == 5


def test_little_is_made_ahead_of_the_server(app: App, client: Client, cell: Cell) -> None:
    """Of a server that takes no more: WSGI alone, as the client of the ASGI gateway always takes."""
    made = 0

    def items() -> Iterator[bytes]:
        nonlocal made
        for made in range(1, 1000):  # noqa: B007
            yield b"x"

    app.get("/")(cell.handler(items))
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"x"
        time.sleep(0.05)
        if cell.gateway == "wsgi":
            assert made <= (2 if cell.matches else 64)
        assert sum(map(len, chunks)) == 998


def test_large_items_are_not_made_ahead_in_numbers(app: App, client: Client, cell: Cell) -> None:
    made = 0

    def items() -> Iterator[bytes]:
        nonlocal made
        for made in range(1, 10):  # noqa: B007
            yield b"x" * (600 * 1024)

    app.get("/")(cell.handler(items))
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        next(chunks)
        time.sleep(0.05)
        if cell.gateway == "wsgi":
            assert made <= 3
        assert sum(map(len, chunks)) == 8 * 600 * 1024


def test_a_stream_has_header_fields_and_a_status(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Stream(["a"], "text/csv", 203, {"x-a": "b"})))
    response = client.get("/")
    assert (response.status_code, response.headers["content-type"], response.headers["x-a"]) == (203, "text/csv", "b")


@pytest.mark.parametrize(
    "make", [lambda: ["a", b"b"], lambda: ("a", "b"), lambda: iter(["ab"]), lambda: map(str, "ab")]
)
def test_any_iterable_is_a_body(app: App, client: Client, cell: Cell, make: Callable[[], Any]) -> None:
    app.get("/stream")(cell.handler(lambda: Stream(make())))
    app.get("/body")(cell.handler(lambda: Response(make())))
    assert (client.get("/stream").text, client.get("/body").text) == ("ab", "ab")


def test_any_async_iterable_is_a_body(app: App, client: Client, cell: Cell) -> None:
    class Ticks:
        def __aiter__(self) -> Any:
            self.left = 3
            return self

        async def __anext__(self) -> str:
            await anyio.sleep(0)
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return "tick "

    app.get("/")(cell.handler(lambda: Stream(Ticks())))
    assert client.get("/").text == "tick tick tick "


@pytest.mark.parametrize("value", ["text", b"bytes", 3, None])
def test_a_stream_of_what_cannot_be_iterated_item_by_item_is_refused(value: Any) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(TypeError, match="iterable"):
        Stream(value)


def test_many_items_are_all_sent(streamed: Streamed, client: Client) -> None:
    streamed(*[b"x" * 1000] * 300)
    assert len(client.get("/").content) == 300_000


def test_a_stream_is_made_on_its_own_side(app: App, client: Client, cell: Cell) -> None:
    threads = set()

    def items() -> Iterator[str]:
        threads.add(threading.current_thread().name)
        yield "a"
        threads.add(threading.current_thread().name)
        yield "b"

    async def items_async() -> AsyncIterator[str]:
        threads.add(threading.current_thread().name)
        yield "a"
        await anyio.sleep(0)
        threads.add(threading.current_thread().name)
        yield "b"

    app.get("/")(cell.pick(items, items_async))
    assert client.get("/").text == "ab"
    (name,) = threads
    expected = {
        ("wsgi", "def"): "MainThread", ("wsgi", "async"): "ambi-loop", ("asgi", "def"): "ambi-worker",
        ("asgi", "async"): name,  # the server's own
    }  # fmt: skip
    assert name == expected[cell.gateway, cell.colour]
    assert (name == "ambi-worker") == (cell.gateway == "asgi" and not cell.is_async)


# --- Content-Length ---


def test_a_stream_may_say_its_length(streamed: Streamed, client: Client) -> None:
    streamed("abc", "de", headers={"content-length": "5"})
    response = client.get("/")
    assert (response.headers["content-length"], response.text) == ("5", "abcde")


@pytest.mark.parametrize("length", ["0", "1", "3", "4"])
def test_what_is_too_much_is_cut(streamed: Streamed, client: Client, length: str) -> None:
    events = streamed("abc", "de", headers={"content-length": length})
    response = client.get("/")
    assert (response.headers["content-length"], response.text) == (length, "abcde"[: int(length)])
    assert events[-1] == "closed"


def test_a_stream_without_end_is_cut_at_its_length(app: App, client: Client, cell: Cell) -> None:
    async def forever() -> AsyncIterator[str]:
        for _ in range(10_000):
            yield "ab"
            await anyio.sleep(0)
        pytest.fail("it went on and on")

    def forever_sync() -> Iterator[str]:
        return itertools.chain(itertools.repeat("ab", 10_000), iter(lambda: pytest.fail("it went on and on"), None))

    make = forever if cell.is_async else forever_sync
    app.get("/")(cell.handler(lambda: Stream(make(), headers={"content-length": "5"})))
    assert client.get("/").text == "ababa"


def test_what_is_too_little_is_raised_to_the_server(streamed: Streamed, client: Client) -> None:
    events = streamed("abc", headers={"content-length": "5"})
    received: list[bytes] = []
    with pytest.raises(RuntimeError, match="2 bytes before its Content-Length"), client.stream("GET", "/") as response:
        received.extend(response.iter_bytes())
    assert (received, events[-1]) == ([b"abc"], "closed")


def test_a_length_that_is_no_number_is_a_500(streamed: Streamed, client: Client) -> None:
    events = streamed("abc", headers={"content-length": "many"})
    assert client.get("/").status_code == 500
    assert "closed" in events or events == []


# --- closed on every exit ---


def test_a_stream_is_closed_at_its_end(streamed: Streamed, client: Client) -> None:
    events = streamed("a", "b")
    client.get("/")
    assert events == ["open", "make a", "make b", "closed"]


@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_stream_is_closed_when_the_client_leaves(streamed: Streamed, client: Client, read: int) -> None:
    events = streamed(*(str(n) for n in range(100_000)))
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        for _ in range(read):
            next(chunks)
    assert (events[0], events[-1]) == ("open", "closed")
    assert events.count("closed") == 1
    assert len(events) < 100_000


def test_a_waiting_stream_is_closed_when_the_client_leaves(app: App, client: Client, cell: Cell) -> None:
    """Async alone: nobody can interrupt a thread, so a `def` that waits is closed when its item has come."""
    events = []

    async def items() -> AsyncIterator[str]:
        try:
            yield "first"
            await anyio.sleep(60)
        finally:
            events.append("closed")

    app.get("/")(items)
    with client.stream("GET", "/") as response:
        assert next(response.iter_bytes()) == b"first"
    assert events == ["closed"]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_a_stream_is_closed_when_a_connection_breaks(
    streamed: Streamed, make_client: MakeClient, app: App, cell: Cell
) -> None:
    """ASGI alone: a WSGI server learns of it when it writes, and calls `close`, as above."""
    events = streamed(*"abcdef")
    judged = make_client(ResponseTap(app, [], fail_after=2), judged=False)
    with judged.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert (next(chunks), next(chunks)) == (b"a", b"b")
    assert events[-1] == "closed"


def never_started_head(app: App, cell: Cell, make: Callable[[], Any]) -> str:
    app.get("/")(cell.handler(lambda: Stream(make())))
    return "HEAD"


def never_started_status(app: App, cell: Cell, make: Callable[[], Any]) -> str:
    app.get("/")(cell.handler(lambda: Stream(make(), status=204)))
    return "GET"


@pytest.mark.parametrize("arrange", [never_started_head, never_started_status])
def test_a_stream_that_is_never_started_is_closed(app: App, client: Client, cell: Cell, arrange: Any) -> None:
    closed = []

    class Source:
        def __iter__(self) -> Iterator[str]:
            pytest.fail("it was iterated")

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    class AsyncSource:
        def __aiter__(self) -> AsyncIterator[str]:
            pytest.fail("it was iterated")

        async def aclose(self) -> None:
            await anyio.sleep(0)
            closed.append(threading.current_thread().name)

    method = arrange(app, cell, AsyncSource if cell.is_async else Source)
    assert client.request(method, "/").content == b""
    assert len(closed) == 1


@pytest.mark.parametrize("how", ["replaced", "crashed", "on_response"])
def test_a_stream_that_a_middleware_drops_is_closed(app: App, client: Client, cell: Cell, how: str) -> None:
    """An answer that is replaced is never sent: what it holds is released all the same."""
    closed = []

    class Source:
        def __iter__(self) -> Iterator[str]:
            return iter(())

        def close(self) -> None:
            closed.append("closed")

    class AsyncSource:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

        async def aclose(self) -> None:
            closed.append("closed")

    @app.middleware
    def drop(request: Request) -> Middleware:
        yield
        if how == "crashed":
            raise RuntimeError("after the handler")
        if how == "replaced":
            return Text("another")
        request.on_response(lambda response: setattr(response, "body", b"another"))
        return None

    app.get("/")(cell.handler(lambda: Stream(AsyncSource() if cell.is_async else Source())))
    client.get("/")
    assert closed == ["closed"]


@pytest.mark.parametrize("where", ["handler", "layer", "async layer", "failed layer", "error handler", "typed"])
@pytest.mark.parametrize(
    "beside", [(999,), (200, {"x-name": "line\nbreak"}), ("200",)], ids=["status", "field", "no status"]
)
def test_a_stream_beside_what_cannot_be_sent_is_closed(
    app: App, client: Client, cell: Cell, where: str, beside: tuple[Any, ...]
) -> None:
    closed = []

    class Source:
        def __iter__(self) -> Iterator[str]:
            pytest.fail("it was iterated")

        def close(self) -> None:
            closed.append("closed")

    class AsyncSource:
        def __aiter__(self) -> AsyncIterator[str]:
            pytest.fail("it was iterated")

        async def aclose(self) -> None:
            closed.append("closed")

    def answer() -> Any:
        return Stream(AsyncSource() if cell.is_async else Source()), *beside

    def handler() -> Any:
        if "error" in where or "failed" in where:
            raise KeyError
        return answer() if where in ("handler", "typed") else "x"

    @app.middleware
    def instead(request: Request) -> Any:
        try:
            yield
        except KeyError:
            return answer() if where == "failed layer" else None
        return answer() if where == "layer" else None

    @app.middleware
    async def around(request: Request, call_next: CallNext) -> Any:
        return answer() if where == "async layer" else await call_next(request)

    if where == "error handler":
        app.error(KeyError)(cell.handler(lambda request, error: answer()))
    if where == "typed":
        handler.__annotations__["return"] = dict[str, str]
    app.get("/")(cell.handler(handler))
    assert client.get("/").status_code == 500
    assert closed == ["closed"]


def test_a_dropped_stream_that_fails_to_close_is_logged(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    class Source:
        def __iter__(self) -> Iterator[str]:
            return iter(())

        def close(self) -> None:
            raise RuntimeError("in close")

    class AsyncSource:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

        async def aclose(self) -> None:
            raise RuntimeError("in close")

    @app.middleware
    def drop(request: Request) -> Middleware:
        yield
        return Text("another")

    app.get("/")(cell.handler(lambda: Stream(AsyncSource() if cell.is_async else Source())))
    assert client.get("/").text == "another"
    assert "in close" in caplog.text


def test_a_close_that_fails_is_raised_to_the_server(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[str]:
        try:
            yield "a"
        finally:
            raise RuntimeError("in finally")

    async def items_async() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            raise RuntimeError("in finally")

    app.get("/")(cell.pick(items, items_async))
    with pytest.raises(RuntimeError, match="in finally"):
        client.get("/")


class Broken:
    """A body that fails before its first item, and notes when it is closed."""

    def __init__(self, fails_at: str, closed: list[bool]) -> None:
        self._fails_at = fails_at
        self._closed = closed

    def begin(self) -> Any:
        if self._fails_at == "opening":
            raise RuntimeError("no iterator")
        return self

    def next(self) -> bytes:
        raise RuntimeError("no item")

    def note_closed(self) -> None:
        self._closed.append(True)


class BrokenSync(Broken):
    def __iter__(self) -> Any:
        return self.begin()

    def __next__(self) -> bytes:
        return self.next()

    def close(self) -> None:
        self.note_closed()


class BrokenAsync(Broken):
    def __aiter__(self) -> Any:
        return self.begin()

    async def __anext__(self) -> bytes:
        return self.next()

    async def aclose(self) -> None:
        self.note_closed()


@pytest.mark.parametrize("fails_at", ["opening", "the first item", "its length"])
def test_a_body_that_cannot_begin_is_closed_once(app: App, client: Client, cell: Cell, fails_at: str) -> None:
    closed: list[bool] = []
    headers = {"content-length": "many"} if fails_at == "its length" else {}
    kind = BrokenAsync if cell.is_async else BrokenSync
    app.get("/")(cell.handler(lambda: Stream(kind(fails_at, closed), headers=headers)))
    assert (client.get("/").status_code, closed) == (500, [True])


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.backend == "asyncio"], indirect=True, ids=str)
@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_leaves_nothing_for_the_collector(app: App, cell: Cell, fails: bool) -> None:
    """What is in no circle is freed at once. Not on trio, whose own tasks are in circles."""
    logging.getLogger("ambi.error").disabled = True  # pytest keeps what is logged

    def items(stream: BodyStream) -> Iterator[bytes]:
        if fails:
            raise ValueError
        yield from stream

    async def items_async(stream: BodyStream) -> AsyncIterator[bytes]:
        await asyncio.sleep(0)
        if fails:
            raise ValueError
        async for chunk in stream:
            yield chunk

    app.post("/")(cell.pick(items, items_async))

    async def serve() -> None:
        await call_asgi(app, scope_of(body=b"abc"), sending_body(b"abc"))
        for _ in range(3):
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    try:
        for count in (5, 20):  # the first fill what is kept for good
            gc.collect()
            gc.disable()
            for _ in range(count):
                if cell.gateway == "wsgi":
                    call_wsgi(app, environ_of(body=b"abc"))
                else:
                    loop.run_until_complete(serve())
            if cell.gateway == "wsgi":
                time.sleep(0.05)  # the loop thread is a step behind
            found = gc.collect()
        assert found < 20
    finally:
        gc.enable()
        loop.close()
        logging.getLogger("ambi.error").disabled = False


def test_a_dropped_stream_of_both_colours_is_closed_where_the_request_is(app: App, client: Client, cell: Cell) -> None:
    closed: list[str] = []

    class Both:
        def __iter__(self) -> Any:
            pytest.fail("it was iterated")

        __aiter__ = __iter__

        def close(self) -> None:
            closed.append("close")

        async def aclose(self) -> None:
            closed.append("aclose")

    @app.middleware
    def layer(request: Request) -> Middleware:
        yield
        return "instead"

    app.get("/")(cell.handler(lambda: Stream(Both())))
    assert client.get("/").text == "instead"
    assert closed == ["close" if cell.gateway == "wsgi" else "aclose"]


@pytest.mark.parametrize("length", [None, "1"])
def test_a_close_that_fails_when_all_is_sent_breaks_no_answer(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture, length: str | None
) -> None:
    class Source:
        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def close(self) -> None:
            raise RuntimeError("in close")

    class AsyncSource:
        async def __aiter__(self) -> AsyncIterator[str]:
            yield "a"

        async def aclose(self) -> None:
            raise RuntimeError("in close")

    headers = {"content-length": length} if length else {}
    app.get("/")(cell.handler(lambda: Stream(AsyncSource() if cell.is_async else Source(), headers=headers)))
    response = client.get("/")
    assert (response.status_code, response.text) == (200, "a")
    (record,) = caplog.records
    assert "did not close" in record.getMessage()


def test_a_stream_of_an_iterator_is_sent_once(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    source = Items(["a", "b"], [])
    kept = Stream(source.asynchronous() if cell.is_async else source.sync())
    app.get("/")(cell.handler(lambda: kept))
    assert client.get("/").text == "ab"
    assert not caplog.records
    assert client.get("/").status_code == 500
    assert "a stream of an iterator is sent once" in caplog.text
    assert client.head("/").status_code == 200


def test_a_head_takes_the_iterator_as_well(app: App, client: Client, cell: Cell) -> None:
    source = Items(["a", "b"], events := [])
    kept = Stream(source.asynchronous() if cell.is_async else source.sync())
    app.get("/")(cell.handler(lambda: kept))
    assert [client.head("/").status_code, client.get("/").status_code, events] == [200, 500, []]


def test_a_stream_of_what_can_be_iterated_again_may_be_kept(app: App, client: Client, cell: Cell) -> None:
    class AsyncSource:
        async def __aiter__(self) -> AsyncIterator[str]:
            yield "a"
            yield "b"

    kept = Stream(AsyncSource() if cell.is_async else ["a", "b"])
    app.get("/")(cell.handler(lambda: kept))
    assert [client.get("/").text for _ in range(3)] == ["ab", "ab", "ab"]


# --- errors ---

ERRORS = [ValueError("a secret"), FileNotFoundError("a secret"), KeyError("a secret")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_before_the_first_item_is_a_clean_500(
    streamed: Streamed, client: Client, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    events = streamed("", error, "b", status=201)
    response = client.get("/")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert "secret" in caplog.text
    assert events[-1] == "closed"


def test_on_response_sees_the_500_of_a_stream_after_the_stream_and_on_sent_that_alone(
    app: App, client: Client, cell: Cell
) -> None:
    seen: list[int] = []
    sent: list[int | None] = []

    def allow(response: Response) -> None:
        seen.append(response.status)
        response.headers["access-control-allow-origin"] = "*"

    @app.middleware
    def cors(request: Request) -> Middleware:
        request.on_response(allow)
        request.on_sent(lambda told: sent.append(told.status))
        yield

    source = Items([ValueError()], [])
    make = source.asynchronous if cell.is_async else source.sync
    app.get("/")(cell.handler(lambda: Stream(make())))
    response = client.get("/")
    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (500, "*")
    assert (seen, sent) == ([200, 500], [500])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_after_the_first_item_is_raised_to_the_server(
    streamed: Streamed, client: Client, error: Exception
) -> None:
    """Nothing better exists: the server then cuts the connection, and the client sees that something is missing."""
    events = streamed("a", "b", error)
    received: list[bytes] = []
    with pytest.raises(type(error)), client.stream("GET", "/") as response:
        assert response.status_code == 200
        received.extend(response.iter_bytes())
    assert b"".join(received) == b"ab"
    assert events[-1] == "closed"


def test_the_log_of_a_failed_stream_shows_nothing_but_its_failure(
    streamed: Streamed, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    streamed(ValueError("of the stream"))
    assert client.get("/").status_code == 500
    assert "During handling" not in caplog.text


@pytest.mark.parametrize("item", [3, object(), {"a": 1}, ["a"]], ids=repr)
def test_an_item_that_is_neither_bytes_nor_text_is_an_error(streamed: Streamed, client: Client, item: Any) -> None:
    streamed(item)
    assert client.get("/").status_code == 500


def test_an_item_of_none_is_an_error(streamed: Streamed, client: Client) -> None:
    """It must not be taken for the end."""
    streamed(None, "a")
    assert client.get("/").status_code == 500


@pytest.mark.parametrize("status", [404, 503])
def test_an_http_error_before_the_first_item_is_the_answer(
    streamed: Streamed, client: Client, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    events = streamed(HTTPError(status), "b")
    response = client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    assert events[-1] == "closed"


# --- that read the body of the request ---


@pytest.fixture(params=["generator handler", "Stream"])
def echo(request: pytest.FixtureRequest, app: App, cell: Cell) -> list[str]:
    """Send the body back while it is read."""
    events: list[str] = []

    def items(stream: BodyStream) -> Iterator[bytes]:
        try:
            yield from stream
        finally:
            events.append("closed")

    async def items_async(stream: BodyStream) -> AsyncIterator[bytes]:
        try:
            async for chunk in stream:
                yield chunk
        finally:
            events.append("closed")

    make: Any = cell.pick(items, items_async)

    def handler(stream: BodyStream) -> Stream:
        return Stream(make(stream))

    app.post("/")(make if request.param == "generator handler" else cell.handler(handler))
    return events


@pytest.mark.parametrize(
    "content", [b"hello", [b"abc", b"def"], b"", [b"x" * 70_000] * 30], ids=["short", "chunks", "none", "large"]
)
def test_a_stream_may_read_the_body_while_it_is_sent(echo: list[str], client: Client, content: Any) -> None:
    response = client.post("/", content=content)
    assert (response.status_code, response.content) == (
        200,
        content if isinstance(content, bytes) else b"".join(content),
    )
    assert echo == ["closed"]


def quiet(caplog: pytest.LogCaptureFixture) -> bool:
    return not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_body_that_breaks_off_before_the_first_item_is_a_400(
    echo: list[str], make_client: MakeClient, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    response = make_client(BodyTap(app, [None])).post("/", content=b"x" * 9)
    assert (response.status_code, echo, quiet(caplog)) == (400, ["closed"], True)


def test_a_body_that_breaks_off_later_is_no_error(
    echo: list[str], make_client: MakeClient, app: App, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """A WSGI server is told in the way that it knows: it cuts the connection, and logs nothing."""
    client = make_client(BodyTap(app, [b"abc", None]), judged=False)
    kind = ConnectionResetError if cell.gateway == "wsgi" else BrokenAnswer
    received: list[bytes] = []
    with pytest.raises(kind) as caught, client.stream("POST", "/", content=b"x" * 9) as response:
        received.extend(response.iter_bytes())
    assert b"".join(received) == b"abc"
    assert cell.gateway == "asgi" or getattr(caught.value, "errno", None) == errno.ECONNRESET
    assert (echo, quiet(caplog)) == (["closed"], True)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if str(cell) == "wsgi-async"], indirect=True, ids=str)
def test_a_read_that_nobody_is_there_for_is_refused(
    echo: list[str], app: App, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """WSGI with an `async def` alone: there the server's thread reads, when it asks for the next chunk."""
    environ = environ_of(body=b"x" * 9)
    environ["wsgi.input"].read = lambda size: b"x"
    start: Any = lambda status, headers, exc_info=None: None  # noqa: E731
    chunks: Any = app(environ, start)
    assert next(iter(chunks)) == b"x"
    time.sleep(0.05)  # it asks for the next piece by now
    begun = time.monotonic()
    chunks.close()
    assert (echo, time.monotonic() - begun < 1, quiet(caplog)) == (["closed"], True, True)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_a_stream_that_was_left_while_it_read_the_body_is_no_error(
    echo: list[str], app: App, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI alone: there sending and receiving fail independently of each other."""
    pieces = [{"type": "http.request", "body": b"abc", "more_body": True}]

    async def receive() -> Any:
        if pieces:
            return pieces.pop()
        await anyio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the connection is gone")

    anyio.run(app, scope_of(body=b"abcdef"), receive, send, backend=cell.backend)
    assert (echo, quiet(caplog)) == (["closed"], True)


# --- with middlewares ---


def test_a_middleware_wraps_a_stream(app: App, client: Client, cell: Cell) -> None:
    def upper(items: Iterator[str]) -> Iterator[str]:
        for item in items:
            yield item.upper()

    async def upper_async(items: AsyncIterator[str]) -> AsyncIterator[str]:
        async for item in items:
            yield item.upper()

    @app.middleware
    def shout(request: Request) -> Middleware:
        response = yield
        body: Any = response.body
        response.body = upper_async(body) if cell.is_async else upper(body)

    source = Items(["a", "b"], events := [])
    app.get("/")(source.asynchronous if cell.is_async else source.sync)
    assert client.get("/").text == "AB"
    assert events[-1] == "closed"


def test_a_stream_runs_in_the_context_of_its_request(app: App, client: Client, cell: Cell) -> None:
    import contextvars

    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    @app.middleware
    def login(request: Request) -> Middleware:
        token = user.set(request.query["user"])
        yield
        user.reset(token)
        user.set("after")

    @app.get("/")
    @cell.handler
    def items() -> Any:
        yield user.get()
        user.set("set by the stream")
        yield " " + user.get()

    assert client.get("/?user=alice").text == "after set by the stream"
    assert user.get() == "nobody"
