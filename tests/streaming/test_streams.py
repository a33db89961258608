"""Every way in which a stream may go, over real servers: what the client got, and that the `finally` ran."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.servers.wire import Connection, collect
from tests.streaming.app import EVENT, KIB, SECRETS, WIDE
from tests.streaming.serving import COLOURS, Served, served

MIB = 1 << 20


@pytest.fixture(scope="module", params=["gunicorn sync", "gunicorn gthread", "uvicorn h11", "uvicorn httptools"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as found:
        yield found


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def mark(server: Served) -> str:
    return server.marks.new()


@pytest.fixture
def quiet_log(server: Served) -> Iterator[None]:
    """Fail the test when the server logs an error."""
    size = server.process.log_size()
    yield
    assert server.trouble_since(size) == []


def read_items(connection: Connection, bytes_wanted: int) -> None:
    """Read the head and so many bytes of the body, as they come."""
    head = connection.read_head()
    assert head.status == 200
    size = 0
    for piece in connection.read_body(head):
        size += len(piece)
        if size >= bytes_wanted:
            return
    raise AssertionError(f"the body ended after {size} bytes")


@pytest.mark.usefixtures("quiet_log")
def test_a_finite_stream_arrives_whole_and_ends(server: Served, colour: str, mark: str) -> None:
    with server.open(f"/{colour}/finite", mark) as connection:
        answer = connection.read_answer()
        assert (answer.status, answer.ending) == (200, "complete")
        assert answer.head.get("transfer-encoding") == "chunked"
        assert answer.body == b"".join(b"piece %d\n" % number for number in range(5))
        assert server.marks.await_end(mark) == "end"
        if not answer.is_the_last:  # the connection is good for another
            connection.ask("GET", f"/{colour}/finite?mark={server.marks.new()}")
            assert connection.read_answer().body == answer.body


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
def test_an_endless_stream_ends_when_its_client_has_gone(server: Served, colour: str, mark: str, rudely: bool) -> None:
    with server.open(f"/{colour}/endless", mark) as connection:
        read_items(connection, 100 * len(KIB))
        leave(connection, rudely)
    assert server.marks.await_end(mark) in {"GeneratorExit", "CancelledError"}
    assert server.process.get("/ping").body == b"pong"


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
def test_a_ticking_stream_ends_when_its_client_has_gone(server: Served, colour: str, mark: str, rudely: bool) -> None:
    with server.open(f"/{colour}/ticking", mark) as connection:
        read_items(connection, 15)
        leave(connection, rudely)
    made = server.marks.made(mark)
    assert server.marks.await_end(mark) in {"GeneratorExit", "CancelledError"}
    assert server.marks.made(mark) - made < 100  # servers notice when a write fails, and not the first one does


def leave(connection: Connection, rudely: bool) -> None:
    if rudely:
        connection.leave_rudely()
    else:
        connection.socket.close()


@pytest.mark.usefixtures("quiet_log")
def test_a_feed_starts_at_once_and_ends_when_its_client_has_gone(server: Served, colour: str, mark: str) -> None:
    with server.open(f"/{colour}/events", mark) as connection:
        head = connection.read_head()
        assert head.get("content-type") == "text/event-stream"
        body = connection.read_body(head)
        arrived = b""
        while EVENT not in arrived:
            arrived += next(body)
        assert arrived.startswith(b": welcome\n\n")
    assert server.marks.await_end(mark) in {"GeneratorExit", "CancelledError"}


@pytest.mark.usefixtures("quiet_log")
def test_a_stream_that_waits_ends_when_its_client_has_gone(server: Served, mark: str) -> None:
    """Async under ASGI alone: a thread cannot be interrupted, and a WSGI server that writes nothing notices nothing."""
    if server.is_wsgi:
        pytest.skip("a WSGI server that writes nothing notices nothing")
    with server.open("/async/silent", mark) as connection:
        read_items(connection, len(b"first\n"))
    assert server.marks.await_end(mark, within_s=2) == "CancelledError"


@pytest.mark.usefixtures("quiet_log")
def test_a_ready_item_is_never_withheld(server: Served, colour: str, mark: str) -> None:
    """An item is made when the one before has been seen, so holding one back would be a standstill."""
    delays = []
    with server.open(f"/{colour}/asked", mark) as connection:
        server.marks.allow_one_more(mark)
        head = connection.read_head()
        for number, item in enumerate(connection.read_body(head)):
            delays.append(time.monotonic() - float(item))
            assert server.marks.made(mark) == number + 1
            server.marks.allow_one_more(mark)
    assert len(delays) == 8
    assert median(delays) < 0.1
    assert server.marks.await_end(mark) == "end"


@pytest.mark.usefixtures("quiet_log")
def test_a_stream_waits_for_a_client_that_stops_reading(server: Served, colour: str, mark: str) -> None:
    with server.open(f"/{colour}/wide", mark) as connection:
        connection.read_head()
        made = server.marks.await_standstill(mark)
        assert made is not None, f"{server.marks.made(mark)} items were made for a client that takes none"
        assert made * len(WIDE) <= MIB + in_socket_buffers()
        # It goes on when the client does.
        size = connection.socket.recv(MIB)
        deadline = time.monotonic() + 5
        while server.marks.made(mark) == made and size and time.monotonic() < deadline:
            size = connection.socket.recv(MIB)
        assert server.marks.made(mark) > made
    assert server.marks.await_end(mark) in {"GeneratorExit", "CancelledError"}


def in_socket_buffers() -> int:
    """Tell how many bytes may be on their way in the kernel and in a server's own buffer of 64 KiB or so."""
    largest = [int(Path(f"/proc/sys/net/ipv4/tcp_{kind}mem").read_text("ascii").split()[2]) for kind in "wr"]
    return sum(largest) + 256 * 1024


def test_an_error_before_the_first_item_is_a_clean_500(server: Served, colour: str, mark: str) -> None:
    size = server.process.log_size()
    with server.open(f"/{colour}/failing", mark) as connection:
        answer = connection.read_answer()
    assert (answer.status, answer.ending) == (500, "complete")
    assert answer.head.get("content-type") == "application/problem+json"
    assert SECRETS.encode() not in answer.body
    assert server.marks.await_end(mark) == "ValueError"
    assert server.trouble_since(size)


def test_an_error_midway_is_seen_by_the_client(server: Served, colour: str, mark: str) -> None:
    size = server.process.log_size()
    with server.open(f"/{colour}/failing_midway", mark) as connection:
        head = connection.read_head()
        pieces, ending = collect(connection.read_body(head))
    assert (head.status, ending) == (200, "cut")
    assert b"".join(piece for piece, _ in pieces) == b"first\nsecond\n"
    assert server.marks.await_end(mark) == "ValueError"
    assert server.trouble_since(size)


@pytest.mark.usefixtures("quiet_log")
def test_the_stream_of_a_head_is_closed_and_not_started(server: Served, colour: str, mark: str) -> None:
    with server.open(f"/{colour}/unstarted", mark, "HEAD") as connection:
        answer = connection.read_answer("HEAD")
        assert (answer.status, answer.body, connection.left_over()) == (200, b"", b"")
    assert server.marks.await_end(mark) == "close"


@pytest.mark.usefixtures("quiet_log")
def test_a_stream_that_a_layer_replaces_is_closed_and_not_started(server: Served, colour: str, mark: str) -> None:
    with server.open(f"/{colour}/replaced", mark) as connection:
        answer = connection.read_answer()
    assert (answer.status, answer.body, answer.ending) == (200, b"another", "complete")
    assert server.marks.await_end(mark) == "close"
