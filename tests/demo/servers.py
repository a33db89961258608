"""Start and stop real servers on loopback ports, each with the plainest command that serves the app."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 30.0
STOP_S = 10.0
BIND_TRIES = 3


class ServerFailed(Exception):
    """The server did not start, or ended by itself; the message has the end of what it wrote."""


class Server:
    """One server process and its address."""

    def __init__(self, name: str, gateway: str, app: str, options: list[str]) -> None:
        self.name = name
        self.gateway = gateway
        self.release = version(name)
        self.command = f"{name} {app}"
        self._argv = [sys.executable, "-m", name, app, *options]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Launch the server and wait until it takes connections; if the port was lost, try another."""
        for left in reversed(range(BIND_TRIES)):
            self.port = free_port()
            argv = [word.format(port=self.port) for word in self._argv]
            # In a session of its own: Ctrl-C is for the demo, which then ends the servers in order.
            self._process = subprocess.Popen(
                argv, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT, text=True, start_new_session=True
            )
            try:
                self._wait_until_open()
            except ServerFailed as failure:
                self.stop()
                if left == 0 or "in use" not in str(failure).lower():
                    raise
            else:
                return

    def _wait_until_open(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.check()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise ServerFailed(f"{self.name} took no connection within {START_S:.0f} s:\n{self.log_end()}")

    def check(self) -> None:
        """Raise if the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise ServerFailed(f"{self.name} ended with status {self._process.returncode}:\n{self.log_end()}")

    def log_end(self) -> str:
        """Return the last lines that the server wrote."""
        self._log.seek(0)
        return "".join(f"    {line}" for line in self._log.readlines()[-25:])

    def stop(self) -> None:
        """Ask the server to end, and insist after a while."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(app: str) -> Iterator[tuple[Server, Server]]:
    """Run gunicorn and uvicorn with the app; both have ended when the block is left, in whatever way."""
    # Threads, since a browser opens connections in advance: one would hold up a worker of a single thread.
    gunicorn = Server("gunicorn", "WSGI", app, ["--bind", "127.0.0.1:{port}", "--threads", "4"])
    uvicorn = Server("uvicorn", "ASGI", app, ["--host", "127.0.0.1", "--port", "{port}"])
    try:
        for server in (gunicorn, uvicorn):
            server.start()
        yield gunicorn, uvicorn
    finally:
        # From here on Ctrl-C would only leave a server behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for server in (gunicorn, uvicorn):
            server.stop()
        signal.signal(signal.SIGINT, before)
