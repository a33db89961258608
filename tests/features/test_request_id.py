"""The id of a request is on its response, in its log records and in what it sends on, in every cell."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, Middleware, Request, Stream, WebSocket
from ambi.core.tracing import current_trace
from ambi.features.request_id import RequestIDFilter, outgoing_headers
from ambi.testing import Client
from tests.cells import CELLS, GATEWAYS, Cell
from tests.conftest import MakeClient

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Records(logging.Handler):
    """Keeps the ids of what is logged, by message."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}
        self.addFilter(RequestIDFilter())

    def emit(self, record: logging.LogRecord) -> None:
        fields: Any = record
        self.ids[record.getMessage()] = fields.request_id


@pytest.fixture
def ids() -> Iterator[dict[str, str]]:
    """Give the id of each message logged on `tests.ids` and on the loggers of ambi."""
    handler, loggers = Records(), [logging.getLogger("tests.ids"), logging.getLogger("ambi")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield handler.ids
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def say(what: str) -> None:
    logging.getLogger("tests.ids").info(what)


def test_the_id_of_a_client_comes_back(app: App, client: Client, cell: Cell) -> None:
    app.request_ids()
    app.get("/")(cell.handler(lambda request: request.id))
    answer = client.get("/", headers={"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == answer.text == "abc-1"


@pytest.mark.parametrize("text", ["a b", "a" * 129, "", "a,b", "<script>", "ä".encode().decode("latin-1")])
def test_an_id_that_is_not_well_formed_is_replaced(app: App, client: Client, cell: Cell, text: str) -> None:
    app.request_ids()
    app.get("/")(cell.handler(lambda request: request.id))
    answer = client.get("/", headers={"x-request-id": text})
    assert answer.headers["x-request-id"] == answer.text
    assert len(answer.text) == 32


def test_two_ids_are_none(app: App, client: Client, cell: Cell) -> None:
    app.request_ids()
    app.get("/")(cell.handler(lambda: "x"))
    assert len(client.get("/", headers=[("x-request-id", "a"), ("x-request-id", "b")]).headers["x-request-id"]) == 32


def test_a_request_has_an_id_without_the_feature(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda request: [request.id, request.id, request.trace.trace_id]))
    answer = client.get("/", headers={"x-request-id": "abc", "traceparent": PARENT})
    assert answer.json() == ["abc", "abc", TRACE]
    assert "x-request-id" not in answer.headers


@pytest.mark.parametrize("path", ["/missing", "/refused", "/crash"])
def test_an_error_has_its_id(app: App, client: Client, cell: Cell, ids: dict[str, str], path: str) -> None:
    @app.get("/{what}")
    @cell.handler
    def fail(what: str) -> None:
        raise ValueError if what == "crash" else HTTPError(404 if what == "missing" else 403)

    app.request_ids()
    answer = client.get(path, headers={"x-request-id": "abc"})
    assert (answer.status_code, answer.headers["x-request-id"]) == ({"c": 500, "r": 403, "m": 404}[path[1]], "abc")
    assert set(ids.values()) == (set() if path == "/missing" else {"abc"})


def test_strangers_are_not_asked(app: App, client: Client, cell: Cell) -> None:
    app.request_ids(accept=False)
    app.get("/")(cell.handler(lambda request: request.trace.trace_id))
    answer = client.get("/", headers={"x-request-id": "abc", "traceparent": PARENT})
    assert answer.headers["x-request-id"] == answer.text != TRACE


def test_another_field_may_bring_the_id(app: App, client: Client, cell: Cell) -> None:
    app.request_ids("X-Correlation-ID")
    app.get("/")(cell.handler(lambda request: request.id))
    answer = client.get("/", headers={"x-correlation-id": "c-1", "x-request-id": "r-1"})
    assert (answer.text, answer.headers["x-correlation-id"], answer.headers.get("x-request-id")) == ("c-1", "c-1", None)


@pytest.mark.parametrize("name", ["", "a b", "connection", "a\r\nb"])
def test_a_field_that_cannot_be_sent_is_an_error(app: App, name: str) -> None:
    with pytest.raises(ConfigurationError, match="request_ids"):
        app.request_ids(name)


def test_all_that_a_request_logs_has_its_id(app: App, client: Client, cell: Cell, ids: dict[str, str]) -> None:
    app.request_ids()

    def items() -> Iterator[str]:
        say("first item")
        yield "a"
        say("second item")
        yield "b"

    @app.middleware
    def around(request: Request) -> Middleware:
        say("middleware")
        yield
        say("unwound")

    @app.middleware(blocking=True)
    def blocking(request: Request) -> Middleware:
        say("blocking")
        yield

    async def after_async(what: str) -> None:
        say(what)

    has_run = threading.Event()

    def say_spawned() -> None:
        say("spawned")
        has_run.set()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        say("handler")
        request.after(say, "after")
        request.after(after_async, "async after")
        request.on_sent(lambda sent: say("sent"))
        app.spawn(say_spawned)
        return Stream(cell.handler(items)())

    assert client.get("/", headers={"x-request-id": "abc"}).text == "ab"
    assert has_run.wait(5)
    said = ("middleware", "blocking", "handler", "unwound", "first item", "second item", "sent", "after", "async after")
    assert ids == dict.fromkeys((*said, "spawned"), "abc")
    ids.clear()
    say("outside")
    assert (ids, current_trace.get(), outgoing_headers()) == ({"outside": "-"}, None, {})


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_what_a_server_says_of_its_client_has_the_id(
    app: App, cell: Cell, ids: dict[str, str], make_client: MakeClient
) -> None:
    """ASGI alone: only there is a gateway told, outside of the request's context, that its client has left."""

    async def leaving(scope: Any, receive: Any, send: Any) -> None:
        async def gone(message: Any) -> None:
            raise OSError("the client left")

        await app(scope, receive, gone if scope["type"] == "http" else send)

    logging.getLogger("ambi").setLevel(logging.DEBUG)
    app.request_ids()
    app.get("/")(cell.handler(lambda: "x"))
    with pytest.raises(RuntimeError, match="without an answer"):
        make_client(leaving, judged=False).get("/", headers={"x-request-id": "abc"})
    assert ids == {"GET /: the client left": "abc"}


def test_what_is_sent_on_belongs_to_the_trace(app: App, client: Client, cell: Cell) -> None:
    app.request_ids()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> dict[str, Any]:
        return {"out": outgoing_headers(), "span": request.trace.span_id}

    told = client.get("/", headers={"traceparent": PARENT, "tracestate": "a=b", "x-request-id": "abc"}).json()
    expected = {"traceparent": f"00-{TRACE}-{told['span']}-01", "tracestate": "a=b", "x-request-id": "abc"}
    assert told["out"] == expected
    told = client.get("/", headers={"tracestate": "a=b"}).json()
    assert sorted(told["out"]) == ["traceparent", "x-request-id"]
    assert told["out"]["traceparent"].endswith("-00")


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
def test_a_websocket_has_an_id(app: App, cell: Cell) -> None:
    app.request_ids()

    @app.websocket("/ws")
    async def tell(ws: WebSocket) -> None:
        await ws.send(f"{ws.request.id} {outgoing_headers()['x-request-id']}")

    client = Client(app, gateway=cell.gateway, backend=cell.backend)  # the judges know HTTP alone
    with client.websocket("/ws", headers={"x-request-id": "abc"}) as ws:
        assert ws.receive_text() == "abc abc"
