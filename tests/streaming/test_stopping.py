"""A server that is told to stop while something of the application still runs: it ends, in time and cleanly.

    a stream that ends by itself    arrives whole
    a feed (`ends_at_stop`)         ends at once, with its framing complete
    a stream without end            is cut when the time is over
    a function to run after         runs to its end

Servers that do not tell that they stop are listed below, with what can be expected of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.servers.wire import Connection, Ending, Head, NoAnswerError
from tests.streaming.serving import COLOURS, Served, chosen, served

GRACE_S = 2.0
MARGIN_S = 3.0
"""What a server may take for itself: some look every second whether they are to stop, and gunicorn's threaded worker
now and then waits two seconds more for a connection that is closed already.
"""

# These tell nobody that they stop, and end what is open by themselves when their own time is over; given as long here.
# granian kills the process, so that nothing runs.
BY_THEMSELVES = {
    "granian asgi": f"--workers-kill-timeout {GRACE_S:.0f}",
    "granian wsgi": f"--workers-kill-timeout {GRACE_S:.0f}",
}

# What an ASGI server says of an answer that was cut, in whatever way: it knows no other than to let it be incomplete.
SAID_OF_A_CUT = ("ASGI callable returned without completing response", "ASGI application returned without completing")
SERVERS = [
    "gunicorn gthread",
    "gunicorn sync",
    "gunicorn asgi",
    "uvicorn h11",
    "hypercorn asyncio",
    "granian asgi",
    "granian wsgi",
]
QUICK = ("gunicorn gthread", "gunicorn sync", "uvicorn h11")
ONE_AT_A_TIME = {"gunicorn sync"}
USUAL_STATUS = {"uvicorn h11": {0, -15}}
"""Exit statuses; uvicorn raises the signal again once it has stopped. The rest exit with 0."""


HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


@dataclass
class Stop:
    """What was seen of a stop: how long the server took, its status, its complaints, and what the clients got."""

    took_s: float
    status: int | None
    trouble: list[str]
    bodies: list[tuple[bytes, Ending]]
    ends: list[str | None]


@contextmanager
def patiently_served(name: str) -> Iterator[Served]:
    with served(name, BY_THEMSELVES.get(name, ""), AMBI_GRACEFUL_STOP_S=str(GRACE_S)) as server:
        yield server


def stop_during(server: Served, way: str, colours: tuple[str, ...]) -> Stop:
    """Ask for a way in some colours, tell the server to stop when all have begun, and see what comes of it."""
    with ExitStack() as stack:
        marks = [server.marks.new() for _ in colours]
        connections = [
            stack.enter_context(server.open(f"/{colour}/{way}", mark))
            for colour, mark in zip(colours, marks, strict=True)
        ]
        begun = [begin(connection) for connection in connections]
        size = server.process.log_size()
        time.sleep(0.2)  # some servers have a thread or a loop that looks for signals, and which must have started
        told = time.monotonic()
        server.process.terminate()
        deadline = told + GRACE_S + MARGIN_S + 1
        bodies = [finish(connection, head, deadline) for connection, head in begun]
        ended = server.process.ended_within(max(0.1, deadline - time.monotonic()))
        took_s = time.monotonic() - told
        status = server.process.process.returncode if ended else None
        return Stop(took_s, status, server.trouble_since(size), bodies, [server.marks.end(mark) for mark in marks])


def begin(connection: Connection) -> tuple[Connection, Head]:
    """Wait until the stream has begun; leave all of its body to be read."""
    return connection, connection.read_head()


def finish(connection: Connection, head: Head, deadline: float) -> tuple[bytes, Ending]:
    """Read the rest of an answer and close, but not beyond the deadline: what still comes then is "open".

    gunicorn waits some seconds for a client to close, so a client that keeps its connection is none to measure with.
    """
    received, body = b"", connection.read_body(head)
    connection.wait_at_most(max(0.1, deadline - time.monotonic()))
    while time.monotonic() < deadline:
        try:
            received += next(body)
        except StopIteration as end:
            connection.socket.close()
            return received, end.value
    return received, "open"


CASES = [
    pytest.param(name, colours, id=f"{name}-{'+'.join(colours)}")
    for name in chosen(SERVERS, QUICK)
    for colours in ([(colour,) for colour in COLOURS] if name in ONE_AT_A_TIME else [COLOURS])
]


def must_have_ended_well(name: str, way: str, stop: Stop, within_s: float) -> None:
    print(f"{name}, {way}: ended after {stop.took_s:.2f} s with {stop.status}; {stop.ends}")
    assert stop.status is not None, "the server did not end"
    assert stop.took_s < within_s
    assert stop.trouble == []
    assert stop.status in USUAL_STATUS.get(name, {0})
    assert None not in stop.ends, "a `finally` did not run"


@pytest.mark.parametrize(("name", "colours"), CASES)
def test_a_stream_that_ends_by_itself_arrives_whole(name: str, colours: tuple[str, ...]) -> None:
    with patiently_served(name) as server:
        stop = stop_during(server, "ending", colours)
    must_have_ended_well(name, "a stream that ends", stop, GRACE_S + MARGIN_S)
    whole = b"".join(b"piece %d\n" % number for number in range(10))
    assert stop.bodies == [(whole, "complete")] * len(colours)
    assert stop.ends == ["end"] * len(colours)


@pytest.mark.parametrize(("name", "colours"), CASES)
def test_a_feed_ends_at_once(name: str, colours: tuple[str, ...]) -> None:
    with patiently_served(name) as server:
        stop = stop_during(server, "events", colours)
    if name in BY_THEMSELVES:
        must_have_been_ended(name, "a feed", stop)
        return
    must_have_ended_well(name, "a feed", stop, MARGIN_S)
    assert [ending for _, ending in stop.bodies] == ["complete"] * len(colours)


@pytest.mark.parametrize("name", [name for name in chosen(SERVERS, QUICK) if name not in BY_THEMSELVES])
def test_a_feed_that_waits_ends_at_once(name: str) -> None:
    """Async alone."""
    with patiently_served(name) as server:
        stop = stop_during(server, "waiting_events", ("async",))
    must_have_ended_well(name, "a feed that waits", stop, MARGIN_S)
    assert [ending for _, ending in stop.bodies] == ["complete"]
    assert stop.ends == ["CancelledError"]


@pytest.mark.parametrize("name", [name for name in chosen(SERVERS, QUICK) if name not in BY_THEMSELVES])
def test_a_thread_that_waits_for_the_next_item_of_a_feed_holds_up_no_stop(name: str) -> None:
    """A `def` cannot be interrupted, so its `finally` may never run; the server ends in time all the same."""
    with patiently_served(name) as server:
        stop = stop_during(server, "waiting_events", ("def",))
    print(f"{name}, a thread that waits: ended after {stop.took_s:.2f} s with {stop.status}; {stop.bodies}")
    assert stop.status is not None, "the server did not end"
    assert stop.took_s < GRACE_S + MARGIN_S


@pytest.mark.parametrize("name", [name for name in chosen(SERVERS, QUICK) if name != "granian wsgi"])
def test_a_websocket_is_closed_at_once(name: str) -> None:
    """With 1001, going away, or 1012, service restart. granian lends no socket to a WSGI application."""
    with patiently_served(name) as server:
        mark, size = server.marks.new(), server.process.log_size()
        with server.process.connect() as connection:
            connection.ask("GET", f"/websocket?mark={mark}", HANDSHAKE)
            assert connection.read_head().status == 101
            time.sleep(0.2)
            told = time.monotonic()
            server.process.terminate()
            connection.wait_at_most(GRACE_S + MARGIN_S)
            while len(connection.arrived) < 4 and connection.receive():
                pass
            frame, closed_s = connection.arrived[:4], time.monotonic() - told
            # A close is answered by a close (RFC 6455 s.5.5.1); this one is masked with zeros.
            connection.send(b"\x88\x82\0\0\0\0" + frame[2:])
        assert server.process.ended_within(GRACE_S + MARGIN_S + 3)
        took_s = time.monotonic() - told
        print(f"{name}, a websocket: {frame!r} after {closed_s:.2f} s, ended after {took_s:.2f} s")
        if name in BY_THEMSELVES:
            return
        assert frame[:1] == b"\x88"
        assert int.from_bytes(frame[2:], "big") in {1001, 1012}
        assert took_s < MARGIN_S
        assert server.marks.end(mark) is not None
        assert server.trouble_since(size) == []


@pytest.mark.parametrize(("name", "colours"), CASES)
def test_a_stream_without_end_is_cut_when_the_time_is_over(name: str, colours: tuple[str, ...]) -> None:
    with patiently_served(name) as server:
        stop = stop_during(server, "ticking", colours)
    if name in BY_THEMSELVES:
        must_have_been_ended(name, "an endless stream", stop)
        return
    stop.trouble = [line for line in stop.trouble if not any(said in line for said in SAID_OF_A_CUT)]
    must_have_ended_well(name, "an endless stream", stop, GRACE_S + MARGIN_S)
    assert [ending for _, ending in stop.bodies] == ["cut"] * len(colours)


def must_have_been_ended(name: str, way: str, stop: Stop) -> None:
    """Expect what can be expected of a server that ends streams by itself."""
    print(f"{name}, {way}: ended after {stop.took_s:.2f} s with {stop.status}; {stop.ends}")
    assert stop.status == 0, "the server did not end"
    assert stop.took_s < GRACE_S + MARGIN_S


@pytest.mark.parametrize(("name", "colours"), CASES)
def test_what_runs_after_the_response_runs_to_its_end(name: str, colours: tuple[str, ...]) -> None:
    with patiently_served(name) as server:
        stop = stop_during(server, "after", colours)
    must_have_ended_well(name, "a function after the response", stop, GRACE_S + MARGIN_S)
    assert stop.bodies == [(b"answered", "complete")] * len(colours)
    assert stop.ends == ["ran"] * len(colours)


@pytest.mark.parametrize("name", chosen(SERVERS, QUICK))
def test_a_server_with_nothing_to_do_stops_at_once(name: str) -> None:
    """What the others are to be compared with."""
    with patiently_served(name) as server:
        server.process.get("/ping")
        size, told = server.process.log_size(), time.monotonic()
        server.process.terminate()
        assert server.process.ended_within(MARGIN_S)
        print(f"{name}, idle: ended after {time.monotonic() - told:.2f} s with {server.process.process.returncode}")
        assert server.trouble_since(size) == []
        assert server.process.process.returncode in USUAL_STATUS.get(name, {0})
        with pytest.raises((NoAnswerError, OSError)):
            server.process.get("/ping")
