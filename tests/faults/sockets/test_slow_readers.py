"""Clients that read next to nothing of an answer without end: who makes it waits, and memory stays where it was."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sockets.serving import SERVERS, Serving, serving
from tests.faults.sockets.test_cuts import connect, leave

READERS = 20
MAKES_BYTES = 16 * 1024
GROWS_BYTES = 1 << 20
"""By how much the process may grow for each of them."""


@pytest.fixture(params=["def", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    """Give the colour of the handlers."""
    found: str = request.param
    return found


@pytest.fixture(params=SERVERS, ids=lambda server: server.name)
def served(request: pytest.FixtureRequest, colour: str, tmp_path: Path) -> Iterator[Serving]:
    """Give one server after the other."""
    with serving(request.param, colour, tmp_path) as made:
        yield made


def made_bytes(served: Serving) -> int:
    """Give how much was made of all answers."""
    return (served.folder / "made").stat().st_size * MAKES_BYTES


def standstill(served: Serving) -> int:
    """Wait until nothing more is made; give how much it was."""
    deadline, made = time.monotonic() + 10, -1
    while made != (made := made_bytes(served)):
        assert time.monotonic() < deadline, "it is made though nobody reads"
        time.sleep(0.5)
    return made


def test_who_makes_an_answer_waits_for_those_who_read_slowly(served: Serving) -> None:
    """gunicorn's sync worker serves one at a time, and its gthread eight, of which one stays free to be asked."""
    readers = {"gunicorn sync": 0, "gunicorn gthread": 7}.get(served.name, READERS)
    if not readers:
        pytest.skip("a worker that serves one at a time has nobody left to ask what it holds")
    before, since = served.stats(), served.running.log_size()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(served.port, 4096)) for _ in range(readers)]
        for number, connection in enumerate(connections):
            connection.sendall(f"GET /endless HTTP/1.1\r\nhost: localhost\r\nx-visit: {number}\r\n\r\n".encode())
        made = standstill(served)
        for _ in range(10):  # a byte a second, ten times as fast
            for connection in connections:
                assert connection.recv(1)
            time.sleep(0.1)
        assert standstill(served) - made <= readers * MAKES_BYTES * 16, "no more is made than was read, by chunks"
        assert served.stats()["resident"] - before["resident"] < readers * GROWS_BYTES + (8 << 20)
        for number, connection in enumerate(connections):
            leave(connection, ("FIN", "RST")[number % 2])
    deadline = time.monotonic() + 10
    while served.stats()["open"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    after = served.stats()
    assert (after["slots"], after["jobs"], after["sockets"] <= before["sockets"]) == (0, 0, True)
    assert "Traceback" not in served.running.log(since)
