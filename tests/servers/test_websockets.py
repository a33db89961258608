"""WebSockets over real servers, with a client that others wrote: the same conversation everywhere.

`AMBI_SERVERS=all` asks every server; else those below `QUICK`.
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.catalogue import Server, script
from tests.servers.processes import Running, running, why_missing

websockets = pytest.importorskip("websockets", reason="websockets, the client, is not installed")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import connect as connect_client  # noqa: E402

BIND = "127.0.0.1:{port}"
APP = "websocket_app:app"


def gunicorn(worker: str, *packages: str, arguments: str = "") -> Server:
    gateway: Any = "asgi" if worker == "asgi" else "wsgi"
    return Server(
        f"gunicorn {worker}", gateway, f"gunicorn --bind {BIND} -k {worker} {arguments} {APP}", ("gunicorn", *packages)
    )


SERVERS = (
    gunicorn("gthread", arguments="--threads 8"),
    gunicorn("sync"),
    gunicorn("gevent", "gevent"),
    script(
        "Werkzeug", "werkzeug",
        "from websocket_app import app",
        "from werkzeug.serving import run_simple",
        'run_simple("127.0.0.1", {port}, app, threaded=True)',
    ),
    Server("uvicorn wsproto", "asgi", f"uvicorn --port {{port}} --ws wsproto {APP}", ("uvicorn", "wsproto")),
    Server("uvicorn websockets", "asgi", f"uvicorn --port {{port}} --ws websockets-sansio {APP}", ("uvicorn",)),
    Server("hypercorn asyncio", "asgi", f"hypercorn --bind {BIND} {APP}", ("hypercorn",)),
    Server("hypercorn trio", "asgi", f"hypercorn --bind {BIND} -k trio {APP}", ("hypercorn", "trio")),
    Server("daphne", "asgi", f"daphne --port {{port}} {APP}", ("daphne",)),
    Server("granian asgi", "asgi", f"granian --port {{port}} --interface asgi {APP}", ("granian",)),
    gunicorn("asgi"),
)  # fmt: skip
QUICK = ("gunicorn gthread", "uvicorn wsproto")

NO_DENIAL = ("daphne", "gunicorn asgi")
ALONE = ("gunicorn sync",)  # it serves nobody else while there is a connection


def chosen() -> list[Server]:
    everything = os.environ.get("AMBI_SERVERS") == "all"
    return [server for server in SERVERS if everything or server.name in QUICK]


@pytest.fixture(scope="module", params=chosen(), ids=lambda server: server.name)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    if why := why_missing(request.param):
        pytest.skip(f"{request.param.name}: {why}")
    with running(request.param) as started:
        yield started
        log = (started.folder / "log").read_text(errors="replace")
    complaints = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]
    assert [line for line in complaints if "crashed" not in line and "Traceback" not in line] == []
    assert log.count("Traceback") == log.count("crashed in"), log


def connect(server: Running, path: str, **options: Any) -> Any:
    return connect_client(f"ws://127.0.0.1:{server.port}{path}", proxy=None, open_timeout=10, **options)


def closed(client: Any) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    assert caught.value.rcvd is not None
    return int(caught.value.rcvd.code), caught.value.rcvd.reason


def events(server: Running, wanted: str) -> list[str]:
    """Give what handlers wrote down, when `wanted` is among it or the time is up."""
    deadline = time.monotonic() + 5
    while True:
        path = server.folder / "events"
        lines = Path(path).read_text().splitlines() if path.exists() else []
        if wanted in lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.02)


def test_messages_come_back(server: Running) -> None:
    with connect(server, "/echo") as client:
        empty = () if server.server.name == "daphne" else ("", b"")  # it sends none
        for message in ("hello", b"\0\xff", *empty, "ü" * 1000, bytes(900_000)):
            client.send(message)
            assert client.recv(timeout=10) == message


def test_fragments_are_one_message(server: Running) -> None:
    with connect(server, "/echo", compression=None) as client:
        client.send(["a", "b", "c"])
        assert client.recv(timeout=10) == "abc"


def test_pings_are_answered(server: Running) -> None:
    with connect(server, "/echo") as client:
        assert client.ping().wait(10)


def test_a_subprotocol_is_agreed_on(server: Running) -> None:
    with connect(server, "/chat", subprotocols=["other", "chat"]) as client:
        assert client.subprotocol == "chat"


def test_the_handler_closes_with_its_code(server: Running) -> None:
    with connect(server, "/echo") as client:
        client.send("bye")
        assert closed(client) == (4001, "" if server.server.name == "daphne" else "done")


def test_a_crash_closes_with_1011(server: Running) -> None:
    with connect(server, "/echo") as client:
        client.send("crash")
        assert closed(client)[0] == (4011 if server.server.name == "daphne" else 1011)


def test_the_client_closes_with_its_code(server: Running) -> None:
    with connect(server, "/echo?name=closer") as client:
        client.send("x")
        assert client.recv(timeout=10) == "x"
        client.close(4002, "mine")
    told = 1006 if server.server.name.startswith("hypercorn") else 4002
    assert f"closer {told}" in events(server, f"closer {told}")


def test_a_client_that_vanishes_ends_the_handler(server: Running) -> None:
    client = connect(server, "/echo?name=vanisher").__enter__()
    client.send("x")
    assert client.recv(timeout=10) == "x"
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.shutdown(socket.SHUT_RDWR)
    client.recv_events_thread.join(10)  # which closes it; one closed under its hands would be waited for without end
    assert any(
        line.startswith("vanisher 100") for line in [*events(server, "vanisher 1006"), *events(server, "vanisher 1005")]
    )


def test_a_handler_that_only_sends_finds_out_that_the_client_left(server: Running) -> None:
    client = connect(server, "/feed?name=feed").__enter__()
    client.recv(timeout=10)
    client.socket.shutdown(socket.SHUT_RDWR)
    client.recv_events_thread.join(10)
    assert "feed ended" in events(server, "feed ended")


def test_a_denial_is_a_response(server: Running) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(server, "/denied"):
        pass
    response = caught.value.response
    if server.server.name in NO_DENIAL:
        assert response.status_code == 403
    else:
        assert (response.status_code, bytes(response.body or b"")) == (418, b"no tea here")


def test_a_page_of_another_origin_is_refused(server: Running) -> None:
    with connect(server, "/echo", origin=f"http://127.0.0.1:{server.port}"):
        pass
    with pytest.raises(InvalidStatus) as caught, connect(server, "/echo", origin="http://evil.example"):
        pass
    assert caught.value.response.status_code == 403


def test_an_ordinary_request_is_told_to_upgrade(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/echo")
    answer = connection.getresponse()
    assert answer.status == 426
    if server.server.gateway == "asgi":
        assert answer.headers["upgrade"] == "websocket"
    connection.close()


def test_several_are_served_at_once(server: Running) -> None:
    if server.server.name in ALONE:
        pytest.skip("it serves one connection at a time")
    with connect(server, "/echo") as one, connect(server, "/echo") as other:
        other.send("a")
        one.send("b")
        assert (one.recv(timeout=10), other.recv(timeout=10)) == ("b", "a")


def test_a_stop_closes_what_is_open() -> None:
    """On gunicorn, where nobody but us tells the client."""
    with running(SERVERS[0]) as server, connect(server, "/echo?name=last") as client:
        client.send("x")
        assert client.recv(timeout=10) == "x"
        began = time.monotonic()
        server.terminate()
        assert closed(client) == (1001, "the server stops")
        assert server.ended_within(15)
        assert time.monotonic() - began < 10
        assert "ERROR" not in (log := (server.folder / "log").read_text(errors="replace")), log
        assert "Traceback" not in log
