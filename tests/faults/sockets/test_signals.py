"""A server that is told to stop twice, and one that is killed, while requests are served."""

import contextlib
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sockets.serving import SERVERS, Serving, serving
from tests.faults.sockets.test_cuts import FORM, connect

STOPS_WITHIN_S = 5.0


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


def begin(served: Serving, path: str) -> socket.socket:
    """Ask for an answer that has no end for now, and read what comes first."""
    connection = connect(served.port)
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-visit: 1\r\n\r\n".encode())
    assert connection.recv(15).startswith(b"HTTP/1.1 200")
    return connection


def events(served: Serving) -> list[str]:
    """Give what the lifespan has seen, without the pids."""
    return [line.split()[0] for line in (served.folder / "events").read_text("ascii").splitlines()]


def named_files(served: Serving) -> list[str]:
    """Give what is left in the folder but the files of the tests themselves."""
    return sorted({path.name for path in served.folder.iterdir()} - {"events", "log", "page.txt", "made"})


def port_is_free(port: int) -> bool:
    deadline = time.monotonic() + 2  # a worker whose master was killed with it takes its time to be buried
    while time.monotonic() < deadline:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
            probe.bind(("127.0.0.1", port))
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_signal_stops_at_once_or_keeps_to_the_first(served: Serving, second: signal.Signals) -> None:
    """uvicorn leaves at a second SIGINT what it waits for, gunicorn at SIGINT or SIGQUIT; none hangs, none leaves files."""
    with begin(served, "/slow"):
        served.running.terminate()
        time.sleep(0.3)
        started = time.monotonic()
        served.running.process.send_signal(second)
        assert served.running.ended_within(STOPS_WITHIN_S)
        assert time.monotonic() - started < STOPS_WITHIN_S
    assert named_files(served) == []
    assert port_is_free(served.port)


def test_a_process_that_is_killed_leaves_no_file_and_no_port(served: Serving) -> None:
    """During an upload that is on disk already, and while a file is sent."""
    served.stats()  # it listens before it has loaded the application
    before = _named_temporary_files()
    at = FORM.rindex(b"x") - 5
    with connect(served.port) as upload, contextlib.ExitStack() as stack:
        if served.name != "gunicorn sync":  # which serves one at a time
            stack.enter_context(begin(served, "/slow"))
        upload.sendall(FORM[:at])
        time.sleep(0.3)
        served.kill()
    assert named_files(served) == []
    assert _named_temporary_files() <= before
    assert port_is_free(served.port)
    assert events(served) == ["up"], "nothing was stopped in order"


def _named_temporary_files() -> set[Path]:
    return {path for path in Path(tempfile.gettempdir()).glob("tmp*") if path.is_file()}
