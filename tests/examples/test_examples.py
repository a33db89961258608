"""Every route of every example answers, and answers alike through both gateways."""

from __future__ import annotations

import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ambi import App, Middleware, Request
from ambi.testing import Client
from tests.examples.exchanges import EXCHANGES, Exchange

ROOT = Path(__file__).parents[2]
NEEDS = {"mcp_anywhere": "mcp"}
"""What an example needs besides; where that is not installed, the example is not tried."""
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("[!_]*.py"))
CASES = [(name, exchange) for name, exchanges in EXCHANGES.items() for exchange in exchanges]


def fresh_app(example: str) -> App:
    """Run an example's file and return its app, which no other test has seen."""
    if example in NEEDS:
        pytest.importorskip(NEEDS[example])
    app = runpy.run_path(str(ROOT / "examples" / f"{example}.py"))["app"]
    assert isinstance(app, App)
    return app


def send(client: Client, exchange: Exchange) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send a request; give status, header fields and body, but of an endless body no more than that it begins."""
    with client.stream(exchange.method, exchange.target, headers=exchange.headers, content=exchange.body) as response:
        body = b"" if exchange.endless and next(response.iter_bytes()) else response.content
        return response.status_code, response.header_lines, body


def test_every_example_has_requests_to_be_tried_with():
    assert sorted(EXCHANGES) == EXAMPLES


@pytest.mark.parametrize(("example", "exchange"), CASES, ids=[f"{name}: {case}" for name, case in CASES])
def test_an_answer_is_the_same_through_both_gateways(example: str, exchange: Exchange):
    with Client(partial(fresh_app, example), "both") as client:
        assert send(client, exchange)[0] == exchange.status


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_route_of_an_example_is_requested(example: str):
    app = fresh_app(example)
    reached: set[str] = set()

    @app.middleware
    def note(request: Request) -> Middleware:
        if request.route is not None:
            reached.add(request.route.path)
        yield

    with Client(app) as client:
        for exchange in EXCHANGES[example]:
            send(client, exchange)
    assert not {route.path for route in app.routes} - reached


@contextmanager
def on_the_standard_library(example: str) -> Iterator[tuple[str, int]]:
    """Serve an example by `wsgiref`, as `python example.py` does; interrupt it, and see that it ended in peace."""
    # Both servers are hidden from the process: the example must not need them. Where the tests run in the background
    # of a shell, SIGINT is ignored and children inherit that; a person at a terminal has it.
    hide = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    hide += "import runpy, sys; sys.modules.update(gunicorn=None, uvicorn=None); sys.argv[:] = sys.argv[1:]"
    run = f"{hide}; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-u", "-W", "error", "-c", run, f"examples/{example}.py", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://([\d.]+):(\d+)/", server.stdout.readline())
            assert address is not None
            yield address[1], int(address[2])
        finally:
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("example", ["hello", "upload", "feed"])
def test_an_example_runs_on_the_standard_library_alone(example: str):
    with on_the_standard_library(example) as address:
        for exchange in EXCHANGES[example]:
            connection = HTTPConnection(*address, timeout=20)
            connection.request(exchange.method, exchange.target, exchange.body or None, dict(exchange.headers))
            response = connection.getresponse()
            response.read(1 if exchange.endless else None)
            response.close()
            connection.close()
            assert (str(exchange), response.status) == (str(exchange), exchange.status)


@pytest.mark.parametrize("leaves_s", [None, 0.2])
def test_a_process_that_ends_cuts_its_streams_without_a_traceback(leaves_s: float | None):
    # wsgiref waits for no thread of its own: the streams are still open when the interpreter ends.
    with ExitStack() as open_streams, on_the_standard_library("feed") as address:
        for _ in range(6):
            connection = HTTPConnection(*address, timeout=20)
            connection.request("GET", "/events")
            response = connection.getresponse()
            assert response.read(1)
            open_streams.callback(connection.close)
            open_streams.callback(response.close)
        time.sleep(0.3)  # they wait for what comes next
        if leaves_s is not None:
            open_streams.close()
            time.sleep(leaves_s)


@pytest.mark.parametrize("example", EXAMPLES)
def test_without_the_package_an_example_says_what_to_do(example: str):
    # -I and -S: no PYTHONPATH and no site-packages, and so no ambi.
    command = [sys.executable, "-I", "-S", f"examples/{example}.py"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "No module named 'ambi'. In a clone, `pip install -e .` comes first.\n"


@pytest.mark.parametrize("example", NEEDS)
def test_without_what_it_needs_besides_an_example_says_so(example: str):
    run = f"import runpy, sys; sys.modules[{NEEDS[example]!r}] = None; runpy.run_path(sys.argv[1])"
    command = [sys.executable, "-c", run, f"examples/{example}.py"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert "`pip install" in ended.stderr
    assert "Traceback" not in ended.stderr
