"""Over real servers: who waits too long for a worker thread gets a 503, and the others what they asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.streaming.serving import Served, chosen, served

SERVERS = chosen(["uvicorn h11", "hypercorn asyncio", "hypercorn trio", "gunicorn asgi"], ["uvicorn h11"])


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param, app="queue_app:app") as found:
        yield found


@pytest.mark.parametrize("target", ["/handler", "/stream"])
def test_who_waits_too_long_for_a_thread_is_told_to_come_again(server: Served, target: str) -> None:
    """Two threads, held for a second and a half each; five requests, which wait for half a second at most."""
    size, started = server.process.log_size(), time.monotonic()
    connections = [server.open(target, "none") for _ in range(5)]
    answers = [connection.read_answer() for connection in connections]
    took_s = time.monotonic() - started
    for connection in connections:
        connection.socket.close()
    assert sorted(answer.status for answer in answers) == [200, 200, 503, 503, 503]
    refused = [answer for answer in answers if answer.status == 503]
    assert all(answer.head.get("retry-after") == "1" for answer in refused)
    assert took_s < 2.5
    assert server.trouble_since(size) == []


def test_what_needs_no_thread_is_answered_at_once(server: Served) -> None:
    busy = [server.open("/handler", "none") for _ in range(2)]
    with server.open("/loop", "none") as connection:
        started = time.monotonic()
        assert connection.read_answer().status == 200
        assert time.monotonic() - started < 1
    for connection in busy:
        assert connection.read_answer().status == 200
        connection.socket.close()
