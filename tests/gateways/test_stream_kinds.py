"""How a kind of response says that its stream is sent: encoder, opening, idle item, and an end when the server stops."""

import contextvars
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import islice
from typing import Any

import anyio
import pytest

from ambi import App, Limits, Request, Response, Stream
from ambi.bridge import run_ahead, stopping, ticking
from ambi.bridge.background import settle_in_process
from ambi.gateways import wsgi_streams
from ambi.testing import BrokenAnswer, Client
from tests.calls import call_wsgi, nothing_comes, scope_of
from tests.cells import CELLS, Cell
from tests.checkers import CheckedASGI
from tests.conftest import MakeClient

user = contextvars.ContextVar("user", default="nobody")


class Lines(Stream):
    """Each item as one line of JSON; says `open` first, and `idle` when nothing came for 20 ms."""

    __slots__ = ("_codec",)

    opening = b"open\n"
    idle_s = 0.02
    idle_item = b"idle\n"

    def encode(self, codec: Any) -> None:
        self._codec = codec

    def encode_item(self, item: Any) -> bytes:  # type: ignore[override]  # a method is a function of the item here
        return bytes(self._codec.dumps(item)) + b"\n"


@pytest.fixture
def begin(app: App, cell: Cell) -> Callable[..., None]:
    """Give what registers a stream at "/" whose source is picked by the colour of the cell."""

    def register(sync: Callable[[], Any], asynchronous: Callable[[], Any], kind: Any = Lines, **options: Any) -> None:
        app.get("/")(cell.handler(lambda: kind(asynchronous() if cell.is_async else sync(), **options)))

    return register


def test_items_are_encoded_by_the_kind_of_response(begin: Any, client: Client) -> None:
    async def items() -> AsyncIterator[Any]:
        yield {"a": 1}
        yield None

    begin(lambda: iter([{"a": 1}, None]), items)
    assert client.get("/").text.replace("idle\n", "") == 'open\n{"a":1}\nnull\n'


class Numbers(Lines):
    """One line for each item, whatever it is."""

    __slots__ = ()

    def encode_item(self, item: Any) -> bytes:  # type: ignore[override]
        return b"a number\n"


class Watched(Stream):
    """A stream that is to be shown alive, which takes its time."""

    __slots__ = ()

    idle_s = 5.0


class Undecided:
    """Compares as arrays do, of which nobody can say whether they are equal."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Any:
        raise ValueError("the truth of it is ambiguous")


class Alike(Undecided):
    """Equals whatever there is."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Any:
        return True


@pytest.mark.parametrize("item", [Undecided(), Alike()], ids=["undecided", "alike"])
@pytest.mark.parametrize("idle_s", [0.0, 5.0], ids=["shows no life", "shows life"])
def test_items_are_compared_with_nothing(begin: Any, client: Client, item: Any, idle_s: float) -> None:
    async def items() -> AsyncIterator[Any]:
        yield item
        yield item

    kind = type("Kind", (Numbers,), {"idle_s": idle_s, "opening": b"", "__slots__": ()})
    begin(lambda: iter([item, item]), items, kind)
    assert client.get("/").text == "a number\na number\n"


def test_an_item_that_cannot_be_encoded_cuts_the_stream(begin: Any, client: Client) -> None:
    async def items() -> AsyncIterator[Any]:
        yield 1
        yield object()

    begin(lambda: iter([1, object()]), items)
    received = b""
    with pytest.raises(TypeError, match="JSON"), client.stream("GET", "/") as response:
        for chunk in response.iter_bytes():
            received += chunk
    assert received.replace(b"idle\n", b"").startswith(b"open\n")


def test_an_opening_is_sent_before_there_is_an_item(begin: Any, client: Client, cell: Cell) -> None:
    opened = threading.Event()

    def items() -> Iterator[int]:
        assert opened.wait(5)
        yield 1

    async def items_async() -> AsyncIterator[int]:
        with anyio.fail_after(5):
            while not opened.is_set():
                await anyio.sleep(0.001)
        yield 1

    begin(items, items_async)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"open\n"
        opened.set()
        assert b"".join(chunks).endswith(b"1\n")


def test_something_is_sent_while_nothing_comes(begin: Any, client: Client) -> None:
    def items() -> Iterator[int]:
        yield 1
        time.sleep(0.2)
        yield 2

    async def items_async() -> AsyncIterator[int]:
        yield 1
        await anyio.sleep(0.2)
        yield 2

    begin(items, items_async)
    text = client.get("/").text
    assert text.replace("idle\n", "") == "open\n1\n2\n"
    assert 3 <= text.count("idle\n") <= 10


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_a_stream_does_not_end_while_something_is_sent_for_it(begin: Any, app: App, cell: Cell) -> None:
    """ASGI alone: there a task of its own sends it. The judge of the cell sees two that send at once."""

    def items() -> Iterator[int]:
        time.sleep(0.1)
        yield from ()

    async def items_async() -> AsyncIterator[int]:
        await anyio.sleep(0.1)
        for number in ():
            yield number

    begin(items, items_async)

    checked = CheckedASGI(app)

    async def judged(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return

        async def send_slowly(message: Any) -> None:
            if message.get("body") == b"idle\n":
                await anyio.sleep(0.2)
            await send(message)

        await checked(scope, receive, send_slowly)

    with Client(judged, backend=cell.backend) as client:
        assert client.get("/").text == "open\nidle\n"
    assert checked.violations == []


def test_what_comes_often_enough_needs_no_idle_item(begin: Any, client: Client) -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(100):
            yield number

    begin(lambda: iter(range(100)), items)
    assert client.get("/").text == "open\n" + "".join(f"{n}\n" for n in range(100))


def test_a_stream_that_is_never_iterated_is_not_opened(begin: Any, client: Client) -> None:
    closed = []

    class Source:
        def __iter__(self) -> Any:
            pytest.fail("it was iterated")

        __aiter__ = __iter__

        def close(self) -> None:
            closed.append("close")

        async def aclose(self) -> None:
            closed.append("aclose")

    class SyncSource:
        __iter__ = Source.__iter__
        close = Source.close

    begin(SyncSource, Source)
    response = client.head("/")
    assert (response.status_code, response.content, len(closed)) == (200, b"", 1)


# --- a server that stops ---


@pytest.fixture
def stop() -> Iterator[Callable[[], None]]:
    """Give what makes the server look as if it had been asked to stop."""
    yield stopping.tell_stopping
    stopping.forget_stopping()


def endless() -> tuple[Callable[[], Any], Callable[[], Any], list[str]]:
    closed: list[str] = []

    def items() -> Iterator[str]:
        try:
            while True:
                yield "x"
                time.sleep(0.01)
        finally:
            closed.append("closed")

    async def items_async() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                await anyio.sleep(0.01)
        finally:
            closed.append("closed")

    return items, items_async, closed


def test_a_stream_without_end_ends_well_when_the_server_stops(
    begin: Any, client: Client, stop: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    items, items_async, closed = endless()
    begin(items, items_async, Stream, ends_at_stop=True)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"x"
        stop()
        assert set(chunks) <= {b"x"}
    assert closed == ["closed"]
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_a_stream_that_has_an_end_is_waited_for(begin: Any, client: Client, stop: Callable[[], None]) -> None:
    def items() -> Iterator[str]:
        for _ in range(80):
            yield "x"
            time.sleep(0.01)

    async def items_async() -> AsyncIterator[str]:
        for _ in range(80):
            yield "x"
            await anyio.sleep(0.01)

    begin(items, items_async, Stream)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        next(chunks)
        stop()
        assert len(b"".join(chunks)) == 79


def test_a_stream_that_takes_too_long_to_stop_is_cut(
    make_client: MakeClient, cell: Cell, stop: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Cut, not ended: a client must not take a part for the whole."""
    items, items_async, closed = endless()
    app = App(limits=Limits(graceful_stop_s=0.3))
    app.get("/")(cell.handler(lambda: Stream(items_async() if cell.is_async else items())))
    client = make_client(app, judged=False)

    def read() -> None:
        with client.stream("GET", "/") as response:
            chunks = response.iter_bytes()
            next(chunks)
            stop()
            for _ in chunks:
                pass

    # Under ASGI the end is missing; a server would make a cut of that.
    with pytest.raises(ConnectionResetError if cell.gateway == "wsgi" else BrokenAnswer):
        read()
    assert closed == ["closed"]
    assert "the stream was cut" in caplog.text


@pytest.mark.parametrize("cell", [Cell("wsgi", "asyncio", "def")], indirect=True, ids=str)
@pytest.mark.parametrize(
    ("count", "ends_at_stop", "answers"), [(0, True, [200]), (1, True, [200]), (0, False, [200, 500])]
)
def test_a_request_ends_well_though_a_thread_stays_in_its_stream_when_the_server_stops(
    cell: Cell,
    stop: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    ends_at_stop: bool,
    answers: list[int],
) -> None:
    """That thread is in the context of the request, in which its end is told. WSGI alone has a thread that gives up."""
    monkeypatch.setattr(run_ahead, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(wsgi_streams, "_LOOK_EVERY_S", 0.02)
    is_over, told = threading.Event(), []
    app = App(limits=Limits(graceful_stop_s=0.1))

    def items() -> Iterator[str]:
        yield from "x" * count
        is_over.wait(10)

    @app.get("/")
    def handler(request: Request) -> Stream:
        user.set("somebody")
        request.on_response(lambda response: told.append(f"{response.status} for {user.get()}"))
        request.on_sent(lambda sent: told.append(f"sent {sent.status} for {user.get()}"))
        request.after(lambda: told.append(f"after for {user.get()}"))
        return Watched(items(), ends_at_stop=ends_at_stop)

    stop()
    try:
        assert call_wsgi(app)[0] == answers[-1]
        settle_in_process()
    finally:
        is_over.set()
    seen = [f"{status} for somebody" for status in answers]
    assert told == [*seen, f"sent {seen[-1]}", "after for somebody"]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
@pytest.mark.parametrize("sends", [2, 3], ids=["in the middle", "at the last part"])
@pytest.mark.parametrize("ends_at_stop", [True, False])
def test_a_client_that_does_not_read_keeps_no_server_from_stopping(
    cell: Cell,
    stop: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    sends: int,
    ends_at_stop: bool,
) -> None:
    """ASGI alone: under WSGI it is the server that waits for it."""
    monkeypatch.setattr(ticking, "LOOK_EVERY_S", 0.02)
    app = App(limits=Limits(graceful_stop_s=0.3))
    items, items_async, closed = endless()

    def two() -> Iterator[str]:
        with closing(items()) as made:
            yield from islice(made, 2)

    async def two_async() -> AsyncIterator[str]:
        async with aclosing(items_async()) as made:
            yield await anext(made)
            yield await anext(made)

    make = cell.pick(two, two_async)
    app.get("/")(cell.handler(lambda: Stream(make(), ends_at_stop=ends_at_stop)))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        await anyio.sleep(0)
        sent.append(message)
        if len(sent) > sends:
            await anyio.sleep_forever()

    async def main() -> None:
        with anyio.fail_after(3):
            async with anyio.create_task_group() as group:
                group.start_soon(app, scope_of(), nothing_comes, send)
                await anyio.sleep(0.1)
                stop()

    anyio.run(main, backend=cell.backend)
    assert closed == ["closed"]
    assert "the stream was cut" in caplog.text


# --- a response that opens something ---


class Opened(Response):
    """Opens on the sync side what it sends."""

    __slots__ = ("is_open", "threads")

    def __init__(self, threads: list[str], error: Exception | None = None) -> None:
        super().__init__(iter(()))
        self.is_open = False
        self.threads = threads
        self.body = error or b""  # type: ignore[assignment]
        if error is None:
            self.body = iter(())

    def open(self, request: Request) -> Response:
        self.threads.append(threading.current_thread().name)
        error, self.body = self.body, b"opened"
        self.is_open = True
        if isinstance(error, Exception):
            raise error
        return self


def test_a_response_is_opened_on_the_sync_side_before_layers_see_it(app: App, client: Client, cell: Cell) -> None:
    threads: list[str] = []
    seen: list[bytes] = []

    @app.middleware
    def layer(request: Request) -> Any:
        response = yield
        seen.append(response.body)

    app.get("/")(cell.handler(lambda: Opened(threads)))
    assert client.get("/").content == b"opened"
    assert seen == [b"opened"]
    assert threads == ["MainThread" if cell.gateway == "wsgi" else "ambi-worker"]


def test_what_fails_to_open_has_its_error_handler(app: App, client: Client, cell: Cell) -> None:
    @app.error(KeyError)
    def handle(error: KeyError) -> Any:
        return str(error), 418

    app.get("/")(cell.handler(lambda: Opened([], KeyError("gone"))))
    assert (client.get("/").status_code, client.get("/").text) == (418, "'gone'")


@pytest.mark.parametrize("error", [None, KeyError("gone")])
def test_a_response_of_a_layer_is_opened_as_well(app: App, client: Client, cell: Cell, error: Any) -> None:
    @app.middleware
    def layer(request: Request) -> Any:
        yield
        return Opened([], error)

    @app.error(KeyError)
    def handle(error: KeyError) -> Any:
        return "handled", 418

    app.get("/")(cell.handler(lambda: "ok"))
    response = client.get("/")
    assert (response.status_code, response.text) == ((200, "opened") if error is None else (418, "handled"))


def test_json_is_written_as_before(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: [1]))
    assert json.loads(client.get("/").text) == [1]


# --- where a stream is made ---


@pytest.mark.parametrize("ends_at_stop", [False, True])
def test_only_a_stream_that_must_be_ended_is_made_beside_the_thread_of_a_wsgi_server(
    begin: Any, client: Client, cell: Cell, ends_at_stop: bool
) -> None:
    """That thread has to look for the stop meanwhile."""
    threads: list[str] = []

    def items() -> Iterator[str]:
        threads.append(threading.current_thread().name)
        yield "item"

    async def items_async() -> AsyncIterator[str]:
        threads.append(threading.current_thread().name)
        yield "item"

    begin(items, items_async, Stream, ends_at_stop=ends_at_stop)
    assert client.get("/").text == "item"
    (thread,) = threads
    if cell.is_async:
        assert thread not in ("MainThread", "ambi-worker")
    else:
        assert thread == ("MainThread" if cell.gateway == "wsgi" and not ends_at_stop else "ambi-worker")
