"""The servers of these tests, each with the application of `app.py`, and what its process holds."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.catalogue import Server, Start
from tests.servers.holding import LEVEL, await_nothing, more_than, trouble_in
from tests.servers.processes import Running, await_start, end, start, why_missing

ROOT = Path(__file__).parents[3]
APP = "tests.faults.sockets.app:app"
GUNICORN = f"gunicorn --bind 127.0.0.1:{{port}} --graceful-timeout 10 {{arguments}} {APP}"
UVICORN = f"uvicorn --port {{port}} --no-access-log --timeout-graceful-shutdown 10 --http {{arguments}} {APP}"
SERVERS = (
    Server("gunicorn sync", "wsgi", GUNICORN.replace("{arguments}", ""), ("gunicorn",)),
    Server("gunicorn gthread", "wsgi", GUNICORN.replace("{arguments}", "--threads 8"), ("gunicorn",)),
    Server("uvicorn h11", "asgi", UVICORN.replace("{arguments}", "h11"), ("uvicorn",)),
    Server("uvicorn httptools", "asgi", UVICORN.replace("{arguments}", "httptools"), ("uvicorn", "httptools")),
)
OURS = (*LEVEL, "locks", "jobs", "slots")
PATIENCE_S = 8.0


class Serving:
    """A server, and what its process holds."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running = running
        self.folder = folder

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.running.port

    @property
    def name(self) -> str:
        """The server's."""
        return self.running.server.name

    def kill(self) -> None:
        """Kill all its processes, which can do nothing about it."""
        os.killpg(self.running.process.pid, signal.SIGKILL)
        self.running.process.wait(5)

    def stats(self) -> dict[str, Any]:
        """Ask the process what it holds."""
        found: dict[str, Any] = json.loads(self.running.get("/stats").body)
        return found

    @contextlib.contextmanager
    def nothing_left(self) -> Iterator[None]:
        """Hold that what happens inside leaves nothing in the process, and no error in the log."""
        before, since = self.stats(), self.running.log_size()
        yield
        await_nothing(lambda: _more(before, self.stats()), PATIENCE_S)
        assert self.running.process.poll() is None
        assert trouble_in(self.running.log(since)) == []


def _more(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return more_than(before, after, OURS) | ({"open": after["open"]} if after["open"] else {})


@contextlib.contextmanager
def serving(server: Server, colour: str, folder: Path) -> Iterator[Serving]:
    """Start a server; skip where it is not installed."""
    if reason := why_missing(server):
        pytest.skip(reason)
    variables = {"AMBI_FAULTS_FOLDER": str(folder), "AMBI_FAULTS_COLOUR": colour, "TMPDIR": str(folder)}
    how = Start(variables=variables)
    started = start(server, how, folder, ROOT)
    try:
        await_start(started)
        yield Serving(started, folder)
    finally:
        end(started)
