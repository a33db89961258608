"""An exception that nobody handles is logged once, with the route and the id of its request, in every cell.

Also where it goes on to the server: the server's own logger then passes over it.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ambi import App, Middleware, Request, Response, Stream, WebSocket
from ambi.core.log import SERVER_LOGGERS, is_logged, log_raised
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.core.fakes import make_request
from tests.gateways.peers import Closed, connecting


class Broken(Exception):
    """What is raised here."""


def crashes(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.exc_info and isinstance(record.exc_info[1], Broken)]


def waited_for(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """Give the crashes when there is one: what runs after a response may do so a little later."""
    deadline = time.monotonic() + 5
    while not crashes(caplog) and time.monotonic() < deadline:
        time.sleep(0.005)
    return crashes(caplog)


def in_handler(app: App, cell: Cell) -> None:
    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str) -> None:
        raise Broken


def in_middleware(app: App, cell: Cell) -> None:
    @app.middleware
    def layer(request: Request) -> Middleware:
        yield
        raise Broken

    app.get("/orders/{id}", name="order")(cell.handler(lambda id: ""))


def in_first_item(app: App, cell: Cell) -> None:
    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str) -> Iterator[str]:
        raise Broken
        yield ""


def in_later_item(app: App, cell: Cell) -> None:
    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str) -> Iterator[str]:
        yield "a"
        raise Broken


def in_item_of_the_other_colour(app: App, cell: Cell) -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise Broken

    async def items_async() -> AsyncIterator[str]:
        yield "a"
        raise Broken

    app.get("/orders/{id}", name="order")(cell.handler(lambda id: Stream((items if cell.is_async else items_async)())))


def after_response(app: App, cell: Cell) -> None:
    def later() -> None:
        raise Broken

    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str, request: Request) -> str:
        request.after(cell.handler(later))
        return ""


def on_response(app: App, cell: Cell) -> None:
    def fail(response: Response) -> None:
        raise Broken

    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str, request: Request) -> str:
        request.on_response(fail)
        return ""


def on_sent(app: App, cell: Cell) -> None:
    def fail(sent: Any) -> None:
        raise Broken

    @app.get("/orders/{id}", name="order")
    @cell.handler
    def handler(id: str, request: Request) -> str:
        request.on_sent(fail)
        return ""


PLACES = [
    in_handler, in_middleware, in_first_item, in_later_item, in_item_of_the_other_colour, after_response, on_response,
    on_sent,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_crash_is_one_line_with_its_route_and_id(
    app: App, client: Client, cell: Cell, place: Callable[[App, Cell], None], caplog: pytest.LogCaptureFixture
) -> None:
    place(app, cell)
    try:
        client.get("/orders/7?secret=x", headers={"x-request-id": "abc-1"})
    except Broken:  # the server's to see, as the response has begun
        assert "item" in place.__name__
    (record,) = waited_for(caplog)
    assert (record.name, record.levelname) == ("ambi.error", "ERROR")
    said = record.getMessage()
    assert said.startswith("GET /orders/7 crashed in ")
    assert said.endswith(" route=/orders/{id} name=order id=abc-1")
    assert said.count("test_crash_lines.py:") == 1 + (place is after_response)  # the handler, and what runs later
    fields = (record.request_id, record.method, record.path, record.route, record.route_name)
    assert fields == ("abc-1", "GET", "/orders/7", "/orders/{id}", "order")
    assert "test_crash_lines.py:" in record.handler
    assert len(record.trace_id) == 32


def test_no_client_can_forge_a_field_of_the_line(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    in_handler(app, cell)
    client.get("/orders/7%20crashed%20in%20x%20route=admin%20id=forged", headers={"x-request-id": "true"})
    (record,) = crashes(caplog)
    said = record.getMessage()
    assert said.startswith(r"GET /orders/7\x20crashed\x20in\x20x\x20route=admin\x20id=forged crashed in in_handler.")
    assert [word for word in said.split(" ") if "=" in word[:6]] == ["route=/orders/{id}", "name=order", "id=true"]
    assert record.path == "/orders/7 crashed in x route=admin id=forged", "a field of its own needs no more"


def test_a_crash_without_a_route_has_none(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    @app.middleware
    def layer(request: Request) -> Middleware:
        raise Broken
        yield

    client.get("/missing")
    (record,) = crashes(caplog)
    assert (record.route, record.route_name, record.handler) == (None, None, None)
    assert record.getMessage().endswith(f" id={record.request_id}")
    assert "route=" not in record.getMessage()


def test_a_websocket_that_crashes_is_one_line(app: App, cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/", name="chat")
    async def chat(ws: WebSocket) -> None:
        await ws.accept()
        raise Broken

    with connecting(cell) as connect:
        peer = connect(app)
        with pytest.raises(Closed):
            peer.receive()
        peer.ended()
    (record,) = crashes(caplog)
    assert " route=/ name=chat id=" in record.getMessage()
    assert record.route == "/"


def test_a_start_up_that_fails_is_one_line(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Where no server says when to start; where one does, it is told, and stops."""

    def lifespan() -> Iterator[None]:
        raise Broken
        yield

    app = App(lifespan=lifespan)
    app.get("/", name="home")(lambda: "")
    assert make_client(app, lifespan=False).get("/").status_code == 500
    (record,) = crashes(caplog)
    assert record.name == "ambi.error"


@pytest.fixture
def server_logger() -> Iterator[logging.Logger]:
    """Give a logger as uvicorn has it, for the time of the test."""
    logger = logging.getLogger("uvicorn.error")
    yield logger
    logger.filters.clear()


def test_a_server_passes_over_what_is_logged_already(
    server_logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    error, other = Broken("logged"), Broken("its own")
    log_raised(make_request(), error)
    log_raised(make_request(), error)  # the filter is there once
    caplog.clear()
    server_logger.error("Exception in ASGI application\n", exc_info=error)
    server_logger.error("Exception in ASGI application\n", exc_info=other)
    server_logger.error("no exception at all")
    assert [record.exc_info and record.exc_info[1] for record in caplog.records] == [other, None]
    assert len(server_logger.filters) == 1


def test_no_logger_is_made_of_a_server_that_is_not_there() -> None:
    known = logging.root.manager.loggerDict
    absent = [name for name in SERVER_LOGGERS if name not in known]
    log_raised(make_request(), Broken())
    assert not set(absent) & set(known)


@dataclass(frozen=True)
class Frozen(Exception):
    """One that takes no attribute, and has every one."""

    code: int = 5

    def __getattr__(self, name: str) -> str:
        return name


def test_an_exception_that_takes_no_attributes_is_marked_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    error = Frozen()
    assert not is_logged(error)
    log_raised(make_request(), error)
    assert is_logged(error)
    assert not is_logged(None)
