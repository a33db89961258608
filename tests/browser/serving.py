"""The examples under two servers, by the command lines that stand in them, and a Redis between workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from tempfile import TemporaryDirectory

import ambi
from tests.servers.catalogue import Server, Start
from tests.servers.processes import HERE, Running, free_port, running

ROOT = Path(__file__).parents[2]
START_S, STOP_S, ATTEMPTS = 20.0, 6.0, 40
# What is open is to end by itself: the servers would wait longer than the test does. gunicorn waits for idle connections
# too, and a browser keeps its own open.
COMMANDS = {
    "gunicorn": "gunicorn --bind 127.0.0.1:{{port}} -k gthread --threads 16 --keep-alive 1 --graceful-timeout 8 {app}",
    "uvicorn": "uvicorn --port {{port}} --timeout-graceful-shutdown 8 {app}",
}
SERVERS = tuple(COMMANDS)
ERRORS = ("Traceback", "ERROR", "CRITICAL", "WARNING")


@contextmanager
def serving(server: str, app: str, *, workers: int = 1, home: Path = HERE, **variables: str) -> Iterator[Running]:
    """Serve an app, and have a look at the server's log when it has ended.

    Args:
        home: the folder to start the server in.

    Raises:
        AssertionError: the server had something to complain about, or did not end when asked.
    """
    gateway = "asgi" if server == "uvicorn" else "wsgi"
    importable = os.pathsep.join([str(ROOT), str(Path(ambi.__file__).parents[1])])
    how = Start(f"--workers {workers}", {"PYTHONPATH": importable, **variables})
    with running(Server(server, gateway, COMMANDS[server].format(app=app)), how, home) as started:
        yield started
        started.terminate()
        ended = started.ended_within(STOP_S)
        log = started.log()
    assert ended, f"{server} did not end within {STOP_S:.0f} s of SIGTERM:\n{log}"
    assert not any(word in log for word in ERRORS), f"{server} complained:\n{log}"


def address(started: Running, path: str = "/") -> str:
    return f"http://127.0.0.1:{started.port}{path}"


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a Redis of our own, which keeps nothing; give its URL."""
    port = free_port()
    with TemporaryDirectory(prefix="ambi-redis-") as folder:
        command = [str(shutil.which("redis-server")), "--bind", "127.0.0.1", "--port", str(port)]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--dir", folder, "--save", "", "--appendonly", "no"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            await_redis(process, port, Path(folder, "log"))
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(STOP_S)


def await_redis(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                assert connection.recv(16) == b"+PONG\r\n"
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"redis-server did not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.05)


def on_different_workers(*connections: Callable[[], str]) -> list[str]:
    """Connect until each connection is on a worker of its own; give the workers' pids.

    Args:
        connections: each connects anew when called, and gives the pid of the worker that it reached.
    """
    pids = [connect() for connect in connections]
    for _ in range(ATTEMPTS):
        if len(set(pids)) == len(pids):
            return pids
        pids[-1] = connections[-1]()
    raise AssertionError(f"all connections were on one worker, {pids[0]}, {ATTEMPTS} times")
