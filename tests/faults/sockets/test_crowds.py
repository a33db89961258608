"""Many connections that say nothing, and a process that may have no more memory: it goes on for the others."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.sockets.serving import SERVERS, UVICORN, Serving, serving
from tests.faults.sockets.test_cuts import connect
from tests.servers.catalogue import Server

IDLE = 1000
A_CONNECTION_MAY_TAKE = 64 << 10
"""Of memory. Unit: byte."""
KEEPING = (
    Server(
        "gunicorn gthread", "wsgi", f"{SERVERS[1].command} --keep-alive 60 --worker-connections 2000", ("gunicorn",)
    ),
    *(
        Server(f"uvicorn {name}", "asgi", f"{UVICORN.replace('{arguments}', name)} --timeout-keep-alive 60", needs)
        for name, needs in (("h11", ("uvicorn",)), ("httptools", ("uvicorn", "httptools")))
    ),
)
"""Those that keep connections, told to keep them as long as the test takes."""
A_POOL = 8
"""Threads of a server that one after the other begins, as it needs them: for those that ask, whoever waits."""
ROOM = 256 << 20
"""How much more a process may take than it has. Unit: byte."""


@pytest.fixture(params=KEEPING, ids=lambda server: server.name)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """Give one server after the other, of those that keep connections."""
    with serving(request.param, "async", tmp_path) as made:
        yield made


@pytest.fixture(params=SERVERS, ids=lambda server: server.name)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """Give one server after the other."""
    with serving(request.param, "def", tmp_path) as made:
        yield made


def threads_of(pid: int) -> int:
    """Count the threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def idle_after_an_answer(port: int) -> socket.socket:
    """Ask for something and stay."""
    connection = connect(port)
    connection.sendall(b"GET /plain HTTP/1.1\r\nhost: localhost\r\n\r\n")
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b"connection: close" not in answer.lower()
    return connection


def test_connections_that_wait_hold_no_thread_and_little_memory(keeping: Serving) -> None:
    with ExitStack() as stack:
        for _ in range(20):  # what there is once is there
            stack.enter_context(idle_after_an_answer(keeping.port))
        before = keeping.stats()
        threads = threads_of(before["pid"])
        for _ in range(IDLE):
            stack.enter_context(idle_after_an_answer(keeping.port))
        after = keeping.stats()
        assert after["sockets"] - before["sockets"] >= IDLE, "they are still there"
        assert threads_of(after["pid"]) - threads <= A_POOL
        assert (after["resident"] - before["resident"]) / IDLE < A_CONNECTION_MAY_TAKE
        assert keeping.running.get("/plain").status == 200


def test_a_handler_that_gets_no_memory_fails_alone(served: Serving) -> None:
    """Asked often, since what it had must be given back each time."""
    pid = served.stats()["pid"]
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
    for _ in range(3):
        assert served.running.get("/greedy").status == 500
        assert served.running.get("/plain").status == 200
    assert served.stats()["pid"] == pid, "and the process is the same"
