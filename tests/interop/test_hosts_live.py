"""The application inside hosts, over sockets: streams come item by item, WebSockets are spoken, a stop is a stop."""

import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.interop.passing import FORM, FORM_TYPE
from tests.servers.catalogue import Server
from tests.servers.processes import Running, running

GTHREAD = "gunicorn --bind 127.0.0.1:{{port}} -k gthread --threads 4 tests.interop.live:wsgi_{host}"
UVICORN = "uvicorn --port {{port}} tests.interop.live:asgi_{host}"
SERVED = {
    **{f"{host} on gunicorn gthread": GTHREAD.format(host=host) for host in ("flask", "django", "falcon")},
    **{f"{host} on uvicorn": UVICORN.format(host=host) for host in ("fastapi", "starlette", "django")},
}


@pytest.fixture(scope="module", params=SERVED)
def name(request: pytest.FixtureRequest) -> str:
    """Give one server with its host after the other."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def server(name: str, pytestconfig: pytest.Config) -> Iterator[Running]:
    """Give the running server."""
    with running(Server(name, "wsgi", SERVED[name]), home=pytestconfig.rootpath) as server:
        yield server


def test_it_answers_below_its_prefix(server: Running, name: str) -> None:
    assert server.get("/own").body == b"own"
    where = json.loads(server.get("/in/where/%C3%A4%2Fb").body)
    assert (where["root"], where["path"], where["whose"]) == ("/in", "/where/ä/b", "ours")
    assert server.get("/in/context").body.decode() == name.partition(" ")[0]
    upload = server.ask("POST", "/in/upload", [("Content-Type", FORM_TYPE)], FORM)
    assert json.loads(upload.body) == ["A", "f.txt", "text/plain", 100_000]
    assert [server.get(f"/in/{page}").status for page in ("boom", "teapot", "nowhere")] == [500, 418, 404]


@pytest.mark.parametrize(
    ("page", "first", "last"),
    [("stream", b"a\n", b"b\n"), ("stream-async", b"a\n", b"b\n"), ("events", b"one", b"two")],
)
def test_a_stream_comes_item_by_item(server: Running, page: str, first: bytes, last: bytes) -> None:
    server.ask("DELETE", "/in/gate")
    with server.connect() as connection:
        connection.ask("GET", f"/in/{page}", [("Connection", "close")])
        pieces = connection.read_body(connection.read_head())
        came = b""
        while first not in came:
            came += next(pieces)
        assert last not in came
        server.ask("POST", "/in/gate")
        assert last in b"".join(pieces)


def test_a_websocket_is_spoken_through_the_host(server: Running) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/in/ws", subprotocols=["chat"], open_timeout=5, close_timeout=5) as ws:  # type: ignore[list-item]
        assert ws.subprotocol == "chat"
        assert ws.recv(5) == "/in|/ws|ours"
        ws.send(b"bytes")
        assert ws.recv(5) == b"bytes"


def test_its_lifespan_starts_once_and_stops_with_the_server(server: Running, name: str) -> None:
    """The last test of each server, which it ends.

    Starlette sends none, and uvicorn ends at a signal without waiting for its loop: only a host that holds the lifespan
    in its own (`App.running`, as the FastAPI here) sees it stop.
    """
    server.terminate()
    assert server.ended_within(8)
    whole = ["start", "stop"]
    assert [event for event, _ in server.events()] == (whole[:1] if name == "starlette on uvicorn" else whole)
