"""An async generator that never waits cannot starve the loop: it stops soon after its client, and others are served.

On most ASGI servers `send` neither suspends nor fails once the client has gone, so that a loop of `yield` alone would
run on for ever and nothing else would (see docs/parity.md); the gateway has to give way and to look for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.servers.wire import Connection, NoAnswerError
from tests.streaming.app import KIB
from tests.streaming.serving import Served, served

SERVERS = [
    "uvicorn h11",
    "uvicorn httptools",
    "hypercorn asyncio",
    "hypercorn trio",
    "granian asgi",
    "daphne",
    "gunicorn asgi",
    "gunicorn uvicorn-worker",
]
AT_MOST = 100
"""Items that may still be made once the client has gone."""

# granian's connections live in threads of its own, which need a moment to notice, and the interpreter's lock to tell:
# on a busy machine some milliseconds, in which a tight stream makes hundreds of items, each followed by a turn or not.
TOLD_LATE_S = {"granian asgi": 0.1}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as found:
        yield found


def read(connection: Connection, size: int) -> None:
    while size > 0:
        data = connection.socket.recv(65536)
        assert data, "the stream ended"
        size -= len(data)


@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
def test_a_tight_stream_stops_soon_after_its_client_has_gone(server: Served, rudely: bool) -> None:
    mark, size = server.marks.new(), server.process.log_size()
    with server.open("/async/endless", mark) as connection:
        read(connection, 200 * len(KIB))
        if rudely:
            connection.leave_rudely()
        else:
            connection.socket.close()
    made, left = server.marks.made(mark), time.time()
    how = server.marks.await_end(mark)
    more, took_s = server.marks.made(mark) - made, server.marks.ended_at(mark) - left
    print(f"{server.name}: {more} more items and {took_s * 1000:.1f} ms after the client had gone, then {how}")
    assert more <= AT_MOST or took_s < TOLD_LATE_S.get(server.name, 0)
    assert how in {"GeneratorExit", "CancelledError", "Cancelled"}  # the last is trio's
    assert server.trouble_since(size) == []


def test_others_are_served_while_a_client_takes_a_tight_stream(server: Served) -> None:
    mark = server.marks.new()
    with server.open("/async/endless", mark) as connection:
        delays = []
        for _ in range(5):
            read(connection, 64 * len(KIB))
            delays.append(served_after(server))
    server.marks.await_end(mark)
    print(f"{server.name}: another was served within {max(delays) * 1000:.0f} ms")
    assert max(delays) < 2


def test_others_are_served_when_many_clients_of_tight_streams_have_gone(server: Served) -> None:
    marks = [server.marks.new() for _ in range(8)]
    connections = [server.open("/async/endless", mark) for mark in marks]
    for connection in connections:
        read(connection, 64 * len(KIB))
    for connection in connections:
        connection.socket.close()
    assert served_after(server) < 2
    for mark in marks:
        server.marks.await_end(mark)


def served_after(server: Served) -> float:
    asked = time.monotonic()
    try:
        answer = server.process.get("/ping")
    except (NoAnswerError, OSError) as exc:
        raise AssertionError(f"another request got no answer: {exc}") from exc
    assert (answer.status, answer.body) == (200, b"pong")
    return time.monotonic() - asked
