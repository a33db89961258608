"""`ambi run` for tests: as a process of its own, or in this one with a client in a thread."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

from ambi.cli import main
from tests.children import environment

WAIT_S = 15.0
_URL = re.compile(r"http://(127\.0\.0\.1|\[::1\]):(\d+)")


class Log:
    """What is written to a terminal, line by line, by another thread or process."""

    def __init__(self) -> None:
        self._text = ""
        self._came = threading.Condition()

    def add(self, text: str) -> None:
        with self._came:
            self._text += text
            self._came.notify_all()

    @property
    def text(self) -> str:
        return self._text

    def wait_for(self, pattern: str, *, times: int = 1) -> list[str]:
        """Wait until a pattern was found so often; give what was found."""
        with self._came:
            found = self._came.wait_for(lambda: len(re.findall(pattern, self._text)) >= times, WAIT_S)
            assert found, f"{pattern!r} was not written {times} times in {WAIT_S:g} s, but:\n{self._text}"
            return [match.group() for match in re.finditer(pattern, self._text)]

    def port(self) -> int:
        self.wait_for(_URL.pattern)
        found = _URL.search(self._text)
        assert found is not None
        return int(found[2])


def ask(port: int, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Put one request on a connection of its own; give status and text."""
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def seconds_until(port: int, text: str, path: str = "/") -> float:
    """Ask again and again until the answer has this in it; give how long that took. A refusal is a failure."""
    began = time.monotonic()
    last: object = None
    while time.monotonic() - began < WAIT_S:
        try:
            last = ask(port, path)
        except (ConnectionResetError, HTTPException) as exc:  # it was closed as it was idle
            last = exc
        if isinstance(last, tuple) and text in last[1]:
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError(f"{text!r} was not answered in {WAIT_S:g} s, but {last}")


class Running:
    """A process of its own."""

    def __init__(self, folder: Path, *arguments: str, launcher: str = "", **variables: str) -> None:
        code = launcher or "import sys; from ambi.cli import main; sys.exit(main())"
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, "run", "--port", "0", *arguments],
            cwd=folder, env={**environment(), "PYTHONUNBUFFERED": "1", **variables}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.log = Log()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.add(line)

    @property
    def port(self) -> int:
        return self.log.port()

    def write(self, text: str, name: str = "shop.py") -> None:
        write(self.folder, text, name)

    def wait(self) -> int:
        status = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return status

    def interrupt(self) -> int:
        """Press Ctrl+C once; give the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # the parent ends its child
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()  # and a child ends with its parent
                self.process.wait(5)
        self._reader.join(WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()


def write(folder: Path, text: str, name: str = "shop.py") -> None:
    """Write a file as editors do: beside it, then renamed."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(textwrap.dedent(text), encoding="utf-8")
    beside.replace(path)


class _Stderr(io.StringIO):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def write(self, text: str) -> int:
        self._log.add(text)
        return len(text)


def run_here(client: Callable[[int], None] | None, *arguments: str) -> tuple[int, str]:
    """Run the command in this process, whose main thread this is; give its exit status and what it wrote.

    Args:
        client: called with the port in a thread of its own; when it is done, Ctrl+C is pressed. None where the command
            ends by itself.
        arguments: of the command.
    """
    log, raised = Log(), list[BaseException]()

    def use() -> None:
        if client is None:
            return
        try:
            client(log.port())
        except BaseException as exc:
            raised.append(exc)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=use, daemon=True)
    with _own_signals(), contextlib.redirect_stderr(_Stderr(log)):
        thread.start()
        status = main(["run", "--port", "0", *arguments])
        thread.join(WAIT_S)
    if raised:
        raise AssertionError(log.text) from raised[0]
    return status, log.text


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Let a Ctrl+C that comes too late, or too early, do nothing."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def talking(port: int, sent: bytes) -> Iterator[socket.socket]:
    """Give a connection on which something was sent."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        connection.sendall(sent)
        yield connection
