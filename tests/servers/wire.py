"""HTTP/1.1 by hand over a socket: the bytes as written, and the answer as it came.

A client library would refuse to write half of what is asked here, and would mend half of what comes back: that is
why there is none. Nothing in this file waits without a bound.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Literal, Self

Field = tuple[str, str]

# How a body ended. "complete": its framing says so. "closed": it has no framing but the end of the connection.
# "cut": the connection ended before the framing did. "open": neither ended while we waited.
Ending = Literal["complete", "closed", "cut", "open"]

# What servers add on their own account, each in its own way; all other fields are the framework's.
OF_THE_SERVER = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding", "via"})

WAIT_S = 5.0


class NoAnswerError(Exception):
    """No head of an answer came: the connection was closed, or stayed silent for too long."""


@dataclass(frozen=True)
class Head:
    """A status line and its fields, names in lower case."""

    version: str
    status: int
    fields: tuple[Field, ...]

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


@dataclass(frozen=True)
class Answer:
    """A whole answer: its head, the decoded body, and how the body ended."""

    head: Head
    body: bytes
    ending: Ending

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def is_the_last(self) -> bool:
        """Whether the server said that no further answer comes on this connection (RFC 9112 s.9.3)."""
        said = {option.strip().lower() for value in self.head.all("connection") for option in value.split(",")}
        return "close" in said or (self.head.version == "1.0" and "keep-alive" not in said)

    @property
    def fields_of_ambi(self) -> list[Field]:
        return sorted(field for field in self.head.fields if field[0] not in OF_THE_SERVER)


def request_bytes(
    method: str,
    target: str,
    fields: Iterable[Field] = (),
    body: bytes = b"",
    *,
    host: str = "127.0.0.1",
    version: str = "1.1",
) -> bytes:
    """Write a request; Content-Length is added where there is a body and no field frames it already."""
    fields = list(fields)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    """Frame pieces of a body as chunks (RFC 9112 s.7.1)."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + (b"0\r\n\r\n" if end else b"")


def parse_head(text: bytes) -> Head:
    """Read a status line and its fields, strictly: what is malformed here would be mended elsewhere."""
    status_line, *lines = text.decode("latin-1").split("\r\n")
    version, status, *_ = status_line.split(" ", 2)
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError(f"malformed field line {line!r}")
        fields.append((name.lower(), value.strip(" \t")))
    return Head(version.removeprefix("HTTP/"), int(status), tuple(fields))


class Connection:
    """One connection to a server on the loopback."""

    def __init__(self, port: int, wait_s: float = WAIT_S) -> None:
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), wait_s)
        self.arrived = b""
        self.silent = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def wait_at_most(self, seconds: float) -> None:
        self.socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        """Write all of `data`; a server that refused already may have closed, and its answer is still to be read."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def ask(self, method: str, target: str, fields: Iterable[Field] = (), body: bytes = b"") -> None:
        self.send(request_bytes(method, target, fields, body, host=self.host))

    def leave_rudely(self) -> None:
        """Close with a reset, as a client does that crashed or was killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_head(self) -> Head:
        """Read the next head, that of an interim answer (1xx) included.

        Raises:
            NoAnswerError: the connection ended or stayed silent before the head was whole.
        """
        while b"\r\n\r\n" not in self.arrived:
            if not self.receive():
                why = "the server is silent" if self.silent else "the connection is closed"
                raise NoAnswerError(f"{why} after {self.arrived[:60]!r}" if self.arrived else why)
        head, _, self.arrived = self.arrived.partition(b"\r\n\r\n")
        return parse_head(head)

    def read_answer(self, method: str = "GET") -> Answer:
        """Read the next final answer, past interim ones."""
        head = self.read_head()
        while head.status < 200:
            head = self.read_head()
        pieces, ending = collect(self.read_body(head, method))
        return Answer(head, b"".join(piece for piece, _ in pieces), ending)

    def read_body(self, head: Head, method: str = "GET") -> Generator[bytes, None, Ending]:
        """Yield the body's pieces as they arrive, and return how it ended (RFC 9112 s.6.3)."""
        if method == "HEAD" or head.status in {204, 304}:
            return "complete"
        if "chunked" in (head.get("transfer-encoding") or ""):
            return (yield from self.read_chunks())
        if (length := head.get("content-length")) is not None:
            return (yield from self.read_exactly(int(length)))
        return (yield from self.read_to_the_end())

    def read_chunks(self) -> Generator[bytes, None, Ending]:
        while (line := self.read_line()) is not None:
            size = int(line.partition(b";")[0], 16)
            ending = yield from self.read_exactly(size)
            if ending != "complete" or self.read_line() is None:
                break
            if size == 0:
                return "complete"
        return self.early_end()

    def read_exactly(self, length: int) -> Generator[bytes, None, Ending]:
        while length:
            if not self.arrived and not self.receive():
                return self.early_end()
            piece, self.arrived = self.arrived[:length], self.arrived[length:]
            length -= len(piece)
            yield piece
        return "complete"

    def read_to_the_end(self) -> Generator[bytes, None, Ending]:
        while self.arrived or self.receive():
            piece, self.arrived = self.arrived, b""
            yield piece
        return "open" if self.silent else "closed"

    def read_line(self) -> bytes | None:
        while b"\r\n" not in self.arrived:
            if not self.receive():
                return None
        line, _, self.arrived = self.arrived.partition(b"\r\n")
        return line

    def early_end(self) -> Ending:
        return "open" if self.silent else "cut"

    def receive(self) -> bool:
        """Take in what arrives next; False when the connection ended or stayed silent for too long."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            self.silent = True
            return False
        except ConnectionError:
            return False
        self.arrived += data
        return bool(data)

    def left_over(self, wait_s: float = 0.3) -> bytes:
        """Read what still comes after an answer that is complete: nothing should."""
        self.wait_at_most(wait_s)
        while self.receive():
            pass
        return self.arrived


def collect(body: Generator[bytes, None, Ending]) -> tuple[list[tuple[bytes, float]], Ending]:
    """Read a body to its end: every piece with the moment at which it came, and how the body ended."""
    pieces: list[tuple[bytes, float]] = []
    while True:
        try:
            piece = next(body)
        except StopIteration as end:
            return pieces, end.value
        pieces.append((piece, time.monotonic()))
