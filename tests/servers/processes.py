"""A server's life: started as a user starts it, its log kept, stopped by its pid.

Each server leads a session of its own, so that what it leaves behind can be ended without touching anything else.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import ambi
from tests.servers.catalogue import PLAIN, Server, Start
from tests.servers.wire import WAIT_S, Answer, Connection, Field

HERE = Path(__file__).parent
START_S, STOP_S = 20.0, 8.0
LOG_LINES_SHOWN = 30

# What the shell of whoever runs this may say to a server; the command line alone is under test.
SETTINGS_OF_SERVERS = (
    "GRANIAN_",
    "GUNICORN_",
    "HYPERCORN_",
    "SCRIPT_NAME",
    "UVICORN_",
    "UWSGI_",
    "WEB_CONCURRENCY",
)


class StartError(Exception):
    """A server did not come up; the message ends with its log."""


def why_missing(server: Server) -> str | None:
    """Return why a server cannot be started here, or None where it can."""
    for package in server.packages:
        if find_spec(package) is None:
            return f"the package {package} is not installed"
    if program_path(server) is None:
        return f"there is no program {server.program} beside this Python, {sys.executable}"
    return None


def program_path(server: Server) -> str | None:
    """Find the program of the environment that runs the tests, whether or not that environment is activated."""
    if server.program == "python":
        return sys.executable
    return shutil.which(server.program, path=str(Path(sys.executable).parent))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@cache
def options_of_gunicorn() -> str:
    """Say that there shall be no control socket, to a version that has one.

    It stands at one place for the whole machine: two servers at once would share it.
    """
    if find_spec("gunicorn") is None:
        return ""
    from gunicorn.config import KNOWN_SETTINGS

    has_one = any(setting.name == "control_socket_disable" for setting in KNOWN_SETTINGS)
    return "--no-control-socket" if has_one else ""


def environment(events: Path, more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_SERVERS)}
    importable = [str(HERE), str(Path(ambi.__file__).parents[1]), kept.get("PYTHONPATH", "")]
    return {
        **kept,
        "AMBI_EVENTS": str(events),
        "GUNICORN_CMD_ARGS": options_of_gunicorn(),
        "PYTHONPATH": os.pathsep.join(filter(None, importable)),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


class Running:
    """A server that accepts connections."""

    def __init__(self, server: Server, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.server = server
        self.port = port
        self.process = process
        self.folder = folder

    def connect(self, wait_s: float = WAIT_S) -> Connection:
        return Connection(self.port, wait_s)

    def ask(
        self,
        method: str,
        target: str,
        fields: Iterable[Field] = (),
        body: bytes = b"",
        *,
        wait_s: float = WAIT_S,
    ) -> Answer:
        """Put one request on a connection of its own and read the answer."""
        with self.connect(wait_s) as connection:
            connection.ask(method, target, [*fields, ("Connection", "close")], body)
            return connection.read_answer(method)

    def get(self, target: str, *fields: Field) -> Answer:
        return self.ask("GET", target, fields)

    def events(self) -> list[tuple[str, int]]:
        """Return what the application's lifespan has seen: (event, pid) in order."""
        try:
            lines = (self.folder / "events").read_text("ascii").splitlines()
        except FileNotFoundError:
            return []
        return [(event, int(pid)) for event, pid in map(str.split, lines)]

    def log(self, since: int = 0) -> str:
        """Return what the server has written from a byte on, the last lines of it."""
        lines = (self.folder / "log").read_bytes()[since:].decode(errors="replace").splitlines()
        return "\n".join(f"    | {line}" for line in lines[-LOG_LINES_SHOWN:])

    def log_size(self) -> int:
        return (self.folder / "log").stat().st_size

    def terminate(self) -> None:
        """Ask the server to end, as a supervisor does."""
        self.process.terminate()

    def interrupt(self) -> None:
        """Press Ctrl-C: a terminal sends SIGINT to all processes of the server."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def accepts(self) -> bool:
        try:
            self.connect(1).__exit__()
        except OSError:
            return False
        return True


def start(server: Server, how: Start, folder: Path, home: Path = HERE, *, port: int | None = None) -> Running:
    """Start a server in the folder of its `app.py`, `home`; what it writes is kept in `folder`."""
    port = free_port() if port is None else port
    program, *rest = shlex.split(server.command.format(port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program_path(server) or program, *shlex.split(how.arguments), *rest],
            cwd=home,
            env=environment(folder / "events", how.variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(server, port, process, folder)


def await_start(started: Running) -> None:
    deadline = time.monotonic() + START_S
    while not started.accepts():
        status = started.process.poll()
        if status is not None or time.monotonic() > deadline:
            how = f"exited with {status}" if status is not None else f"did not accept within {START_S:.0f} s"
            raise StartError(f"{started.server.name} {how}; its log ends:\n{started.log()}")
        time.sleep(0.05)


def end(started: Running) -> None:
    """End a server and all that it started: asked first, then killed."""
    if started.process.poll() is None:
        started.terminate()
        started.ended_within(2)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait(STOP_S)


@contextlib.contextmanager
def running(server: Server, how: Start = PLAIN, home: Path = HERE) -> Iterator[Running]:
    """Start a server, wait until it accepts, and end it whatever happens."""
    with tempfile.TemporaryDirectory(prefix="ambi-server-") as folder:
        started = start(server, how, Path(folder), home)
        try:
            await_start(started)
            yield started
        finally:
            end(started)
