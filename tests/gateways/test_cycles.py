"""What a request holds is given back when it is over, not when the garbage collector comes by: bodies may be large."""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, ClientDisconnected, HTTPError, Middleware, Request
from ambi.testing import Client
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
