"""What real guests showed of the mount, in small."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, Request
from tests.calls import call_asgi, scope_of
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.gateways.peers import connecting

PATIENCE_S = 5.0
only_gateways = pytest.mark.parametrize("cell", GATEWAYS, ids=str, indirect=True)
"""A guest has the colour of its interface, so there is one cell for each way in."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let nothing be closed by the collector of cycles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def begin(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})


def mounted(guest: Any) -> App:
    app = App()
    app.mount("/guest", guest)
    return app


@pytest.mark.parametrize("cell", [cell for cell in GATEWAYS if cell.backend == "asyncio"], ids=str, indirect=True)
def test_what_a_guest_has_open_is_closed_when_its_client_leaves_without_the_collector_of_cycles(
    cell: Cell, make_client: MakeClient, no_collector: None
) -> None:
    closed = threading.Event()

    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await anyio.sleep(0.01)
        finally:
            closed.set()

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await begin(send)
        source = ticks()  # a traceback that is kept keeps this, too
        async for tick in source:  # asyncio closes it when it is dropped
            await send({"type": "http.response.body", "body": tick, "more_body": True})

    client = make_client(mounted(guest))
    with client.stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    assert closed.wait(PATIENCE_S)


@only_gateways
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_guest_that_closes_a_websocket_before_it_accepts_is_a_bare_403(cell: Cell, goes_on: bool) -> None:
    """As the ASGI specification has it, and as servers do it; what an error page says would not be the guest's."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.close", "code": 4001})
        if goes_on:
            raise StarlettesClientDisconnect((await receive())["type"])

    app = mounted(guest)
    with connecting(cell) as connect:
        peer = connect(app, "/guest/")
        assert (peer.status, peer.body) == (403, b"")
    if cell.gateway == "wsgi":
        app.lifespans.stop_in_process()  # which the first request has started


def test_what_a_host_around_has_routed_is_not_the_guests() -> None:
    """Only ASGI hosts leave it, in the scope: Starlette would look for the guest's names in the host's router."""
    seen: list[Any] = []

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        seen.append(set(scope))
        await begin(send)
        await send({"type": "http.response.body", "body": b""})

    routed = ["app", "app_root_path", "endpoint", "path_params", "route", "router"]
    asked = scope_of("/guest/", user="Ada", **{key: {} for key in routed})
    anyio.run(call_asgi, mounted(guest), asked)
    assert seen[0].isdisjoint(routed)
    assert "user" in seen[0]  # what middlewares of the host have found out is of use


class StarlettesClientDisconnect(Exception):
    """As a framework says it that has heard `http.disconnect`."""


@pytest.mark.parametrize("how", ["returns", "raises", "answers and raises"])
@only_gateways
def test_a_guest_that_hears_of_the_leaving_before_its_answer_is_no_failure(
    cell: Cell, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """Django returns without an answer; FastAPI raises; Starlette tries to answer 500, and raises."""
    events: list[str] = []

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await receive()
        events.append((await receive())["type"])
        if how == "returns":
            return
        try:
            raise StarlettesClientDisconnect
        finally:
            if how == "answers and raises":
                await begin(send)
                await send({"type": "http.response.body", "body": b"failed"})

    monkeypatch.setattr(Request, "is_disconnected", lambda self: True)
    client = make_client(mounted(guest))
    client.get("/guest/")
    assert events == ["http.disconnect"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@only_gateways
def test_a_204_says_no_length(cell: Cell, make_client: MakeClient, interface: str) -> None:
    """Django gives one, and not every server takes it off. See: RFC 9110 8.6."""

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [("Content-Length", "0"), ("X-One", "1")])
        return [b""]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        fields = [(b"content-length", b"0"), (b"x-one", b"1")]
        await send({"type": "http.response.start", "status": 204, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    response = make_client(mounted(wsgi if interface == "wsgi" else asgi)).get("/guest/")
    assert response.status_code == 204
    assert response.header_lines == [("x-one", "1")]
