"""What a request holds is given back when it is over, not when the garbage collector comes by: bodies may be large."""

import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import anyio
import pytest

from ambi import App, BodyStream, ClientDisconnected, HTTPError, Middleware, Request, Stream
from ambi.testing import Client
from tests.calls import call_asgi, scope_of, sending_body
from tests.cells import Cell
from tests.conftest import MakeClient

SECONDS = 5.0


@contextmanager
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off for a while."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def is_gone(reference: Callable[[], object]) -> bool:
    """Tell whether an object is gone soon: another thread may just be about to let go of it."""
    deadline = time.monotonic() + SECONDS
    while reference() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    return reference() is None


@dataclass
class Item:
    name: str


def whole(request: Request) -> Any:
    return str(len(request.body))


def form(request: Request) -> Any:
    return str(len(request.form))


def refuse(request: Request) -> Any:
    raise HTTPError(409, f"{len(request.body)} bytes")


@pytest.mark.parametrize("function", [whole, form, refuse])
def test_a_request_is_gone_when_it_has_been_answered(
    app: App, cell: Cell, make_client: MakeClient, function: Callable[[Request], Any]
) -> None:
    seen: list[weakref.ref[Request]] = []

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> Any:
        seen.append(weakref.ref(request))
        return function(request)

    client = make_client(app, judged=False)
    with no_collector():
        for _ in range(2):
            client.post("/", data={"a": "b"})
        assert len(seen) == 2
        assert all(map(is_gone, seen))


def test_a_request_is_gone_when_features_have_looked_at_it(app: App, cell: Cell, make_client: MakeClient) -> None:
    """Each asks to be shown the response, or keeps values of the request beside it."""
    app.sessions("a key of thirty-two bytes, for tests alone")
    app.cors(["https://example.test"])
    app.request_ids()
    app.security()
    app.etags()
    test_a_request_is_gone_when_it_has_been_answered(
        app, cell, make_client, lambda request: request.session.get("a", "none")
    )


def test_a_typed_body_that_does_not_fit_is_gone_as_soon_as_it_is_refused(
    app: App, cell: Cell, make_client: MakeClient
) -> None:
    seen: list[weakref.ref[Request]] = []

    @app.middleware
    def look(request: Request) -> Middleware:
        seen.append(weakref.ref(request))
        yield

    @app.post("/")
    @cell.handler
    def handler(item: Item) -> str:
        return item.name

    client = make_client(app, judged=False)
    with no_collector():
        for _ in range(2):
            assert client.post("/", json={"name": 1}).status_code == 422
        assert len(seen) == 2
        assert all(map(is_gone, seen))


@pytest.mark.parametrize("body", ["def", "async"])
def test_a_request_is_gone_when_its_stream_took_its_time(
    app: App, cell: Cell, make_client: MakeClient, body: str
) -> None:
    """Long enough that something looks meanwhile whether its client leaves, and can interrupt it."""
    seen: list[weakref.ref[Request]] = []

    def items() -> Iterator[str]:
        for _ in range(3):
            time.sleep(0.02)
            yield "item"

    async def items_async() -> AsyncIterator[str]:
        for _ in range(3):
            await anyio.sleep(0.02)
            yield "item"

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        seen.append(weakref.ref(request))
        return items() if body == "def" else items_async()

    client = make_client(app, judged=False)
    with no_collector():
        for _ in range(2):
            assert client.get("/").text == "item" * 3
        assert len(seen) == 2
        assert all(map(is_gone, seen))


def test_a_request_is_gone_when_its_client_was_watched(app: App, cell: Cell, make_client: MakeClient) -> None:
    seen: list[weakref.ref[Request]] = []

    async def slow(request: Request) -> str:
        seen.append(weakref.ref(request))
        await anyio.sleep(0.02)
        return "done"

    app.get("/", cancel_on_disconnect=True)(slow)
    client = make_client(app, judged=False)
    with no_collector():
        for _ in range(2):
            assert client.get("/").text == "done"
        assert len(seen) == 2
        assert all(map(is_gone, seen))


def test_a_body_cannot_be_read_when_its_request_is_gone(app: App) -> None:
    """Under WSGI alone: there the thread of the request reads, which is somebody else's by then."""
    kept: list[BodyStream] = []

    @app.post("/")
    def handler(stream: BodyStream) -> str:
        kept.append(stream)
        return "not read"

    with Client(app, "wsgi") as client:
        client.post("/", content=b"abc")
    gc.collect()

    async def read() -> bytes:
        return b"".join([piece async for piece in kept[0]])

    with pytest.raises(ClientDisconnected, match="the request is over"):
        anyio.run(read)


class Ending:
    """A body all of which is there at once, and whose closing takes a while."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self.steps:
            raise StopAsyncIteration
        self.steps.append("item")
        return "item"

    async def aclose(self) -> None:
        self.steps.append("closing")
        await anyio.sleep(0.02)
        self.steps.append("closed")


@pytest.mark.parametrize("leaves", [False, True])
def test_a_stream_that_waits_first_when_it_is_closed_is_not_interrupted_nor_kept(leaves: bool) -> None:
    """Under ASGI alone. What looks for the client's leaving starts when a stream waits for the first time."""
    app, ending, seen = App(), Ending(), list[weakref.ref[Request]]()

    @app.get("/")
    async def handler(request: Request) -> Any:
        seen.append(weakref.ref(request))
        return Stream(ending)

    with no_collector():
        receive = sending_body(b"", leaves=leaves)
        anyio.run(call_asgi, app, scope_of(), receive)
        assert ending.steps == ["item", "closing", "closed"]
        assert all(map(is_gone, seen))
