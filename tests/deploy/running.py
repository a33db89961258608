"""Programs of this environment, for as long as a test needs them; ended by their process ids."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

import ambi

START_S, STOP_S = 20.0, 40.0
"""How long a server may take to start, and to stop. A signal that meets gunicorn's gthread worker while it hands a request
to its threads lets it wait for a lock that it holds itself (`handle_quit` in `submit`); after `graceful_timeout`, 30 s, it
is killed."""
SETTINGS = ("GRANIAN_", "GUNICORN_", "HYPERCORN_", "UVICORN_", "UWSGI_", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
"""What the shell of whoever runs this may say to a server."""

Address = str | tuple[str, int]

ALL = os.environ.get("AMBI_SERVERS") == "all"
slow = pytest.mark.skipif(not ALL, reason="one of its kind has run; AMBI_SERVERS=all runs every one")
"""Marks what is left out where time is short."""


class Answer(NamedTuple):
    """An answer of a server."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Program:
    """A running program; `log` is what it has written."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def terminate(self) -> None:
        self.process.terminate()

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Unix(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def path_of(program: str) -> str | None:
    """Find a program beside this Python, or else on PATH and where Debian has servers."""
    elsewhere = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program, path=elsewhere)


def need(*programs: str) -> None:
    """Skip where one of the programs is not there."""
    for program in programs:
        if path_of(program) is None:
            pytest.skip(f"{program} is not installed")


@contextlib.contextmanager
def run(
    command: str, folder: Path, *, env: Mapping[str, str] | None = None, keep: tuple[int, ...] = ()
) -> Iterator[Program]:
    """Run a command line in a folder, where its modules are, with open files to `keep`; end it and all it started."""
    program, *arguments = shlex.split(command)
    log = folder / f"{Path(program).name}-{time.monotonic_ns()}.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    importable = [str(folder), str(Path(ambi.__file__).parents[1])]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [path_of(program) or program, *arguments],
            cwd=folder,
            env={
                **kept,
                "GUNICORN_CMD_ARGS": "--no-control-socket",  # it stands at one place for the whole machine
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
                "PYTHONPATH": os.pathsep.join(importable),
                "PYTHONUNBUFFERED": "1",
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep,
        )
    running = Program(process, log)
    try:
        yield running
    finally:
        process.terminate()
        running.ended_within(1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S)


@contextlib.contextmanager
def serve(command: str, folder: Path, address: Address, *, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a server, and wait until it accepts connections."""
    with run(command, folder, env=env) as program:
        wait_for(lambda: accepts(address), program)
        yield program


def wait_for(done: Any, *programs: Program, seconds: float = START_S) -> None:
    """Wait until something is true. Raises: AssertionError with the logs of the programs when it does not become so."""
    deadline = time.monotonic() + seconds
    while not done():
        ended = [program for program in programs if program.process.poll() is not None]
        if ended or time.monotonic() > deadline:
            said = "\n".join(program.log for program in programs)
            raise AssertionError(f"{'it ended' if ended else 'it did not happen in time'}; what was said:\n{said}")
        time.sleep(0.03)


def accepts(address: Address) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


def connection_to(address: Address) -> http.client.HTTPConnection:
    return Unix(address) if isinstance(address, str) else http.client.HTTPConnection(*address, timeout=10)


def ask(
    address: Address,
    path: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Put one request on a connection of its own and read the answer."""
    with contextlib.closing(connection_to(address)) as connection:
        connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, fields, answer.read().decode())


class Events:
    """An event stream that is read line by line."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, last_id: str | None = None) -> None:
        self._connection = connection
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        connection.request("GET", path, headers=headers)
        self.answer = connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def next(self) -> dict[str, str]:
        """Read the next event, without comments. Raises: EOFError where the stream ended."""
        found: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise EOFError
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                found[name] = value
            elif line == "\n" and found:
                return found

    def close(self) -> None:
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
