"""Load for one server: many clients of a feed, large bodies; and what its process holds meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.servers.wire import request_bytes
from tests.streaming.app import HERE
from tests.streaming.serving import Served

WAIT_S = 20.0
BLOCK = b"u" * (1 << 20)
KIB_A_MIB = 1024


# ------------------------------------------------------------------ what a process holds


@dataclass(frozen=True)
class Census:
    """What the process that serves holds; `resident_kib` is its memory, `tasks` -1 where it was not asked."""

    pid: int
    threads: int
    tasks: int
    descriptors: int
    resident_kib: int

    @property
    def countable(self) -> tuple[int, int, int]:
        """Threads, tasks and descriptors."""
        return self.threads, self.tasks, self.descriptors


def take_census(server: Served) -> Census:
    told = json.loads(server.process.get("/census").body)
    return Census(told["pid"], told["threads"], told["tasks"], told["descriptors"], status_kib(told["pid"], "VmRSS"))


def look_at(pid: int) -> Census:
    """Look at a process from outside."""
    return Census(pid, status_kib(pid, "Threads"), -1, len(os.listdir(f"/proc/{pid}/fd")), status_kib(pid, "VmRSS"))


def status_kib(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":"))


class Peak:
    """The highest memory of a process while something goes on, above what it had at the start."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.growth_kib = 0

    def __enter__(self) -> Self:
        Path(f"/proc/{self._pid}/clear_refs").write_text("5", "ascii")  # the peak begins anew: proc(5)
        self._before = status_kib(self._pid, "VmRSS")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.growth_kib = status_kib(self._pid, "VmHWM") - self._before


# ------------------------------------------------------------------ many clients of one feed


class Crowd:
    """Clients of one feed, each with a connection of its own; all are read by one selector."""

    def __init__(self, server: Served, target: str, size: int) -> None:
        self.server = server
        self.received: dict[socket.socket, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        request = request_bytes("GET", target)
        for _ in range(size):
            client = socket.create_connection(("127.0.0.1", server.process.port), WAIT_S)
            client.sendall(request)
            client.setblocking(False)
            self.received[client] = bytearray()
            self._selector.register(client, selectors.EVENT_READ)

    def await_all(self, wanted: bytes) -> None:
        """Read until every client has received this. Raises: AssertionError when some have not in time."""
        deadline = time.monotonic() + WAIT_S
        waiting = {client for client, data in self.received.items() if wanted not in data}
        while waiting:
            ready = self._selector.select(1)
            for key, _ in ready:
                client: socket.socket = key.fileobj  # type: ignore[assignment]
                data = client.recv(65536)
                self.received[client] += data
                if not data:
                    raise AssertionError(f"a client was sent away with {bytes(self.received[client][-200:])!r}")
                if wanted in self.received[client]:
                    waiting.discard(client)
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(waiting)} of {len(self.received)} clients lack {wanted!r}")

    def publish(self, first: int, count: int) -> None:
        with (self.server.marks.folder / "feed").open("ab", buffering=0) as feed:
            feed.write(b"".join(b"event %06d\n" % number for number in range(first, first + count)))

    def events_of_each(self) -> set[tuple[bytes, ...]]:
        """Give the events that clients received, as many lists as there are different ones: one, if all is well."""
        return {
            tuple(line for line in bytes(data).split(b"\n") if line.startswith(b"data: "))
            for data in self.received.values()
        }

    def leave(self) -> None:
        for client in self.received:
            self._selector.unregister(client)
            client.close()
        self._selector.close()


@dataclass(frozen=True)
class FeedSeen:
    """What was seen of a crowd: before it came, while it was there, after it left."""

    before: Census
    during: Census
    after: Census
    clients: int

    @property
    def kib_a_client(self) -> float:
        return (self.during.resident_kib - self.before.resident_kib) / self.clients

    def __str__(self) -> str:
        return (
            f"{self.clients} clients, {self.kib_a_client:.1f} KiB a client; threads, tasks, descriptors"
            f" {self.before.countable} before, {self.during.countable} during, {self.after.countable} after;"
            f" {(self.after.resident_kib - self.before.resident_kib) / KIB_A_MIB:+.1f} MiB after"
        )


def watch_crowd(server: Served, colour: str, clients: int, events: int) -> FeedSeen:
    """Let a crowd come, send it events, let it leave. Raises: AssertionError when a client lacks one."""
    before = take_census(server)
    crowd = Crowd(server, f"/{colour}/feed", clients)
    try:
        crowd.await_all(HERE)  # all have subscribed
        crowd.publish(0, events)
        crowd.await_all(b"data: event %06d\n\n" % (events - 1))
        wanted = tuple(b"data: event %06d" % number for number in range(events))
        assert crowd.events_of_each() == {wanted}
        during = look_at(before.pid)  # it may have no thread left that could answer
    finally:
        crowd.leave()
    return FeedSeen(before, during, await_departure(server, crowd, before), clients)


def await_departure(server: Served, crowd: Crowd, before: Census) -> Census:
    """Wait until the process holds what it held before, or for a second nothing changes any more.

    A WSGI server notices who has left when it writes for the second time, and may have no thread left before.
    """
    for _ in range(2):
        crowd.publish(999_000, 1)
        time.sleep(0.1)
    deadline, since = time.monotonic() + 15, time.monotonic()
    after = take_census(server)
    while after.countable != before.countable and time.monotonic() < min(deadline, since + 1):
        crowd.publish(999_000, 1)
        time.sleep(0.1)
        now = take_census(server)
        if now.countable != after.countable:
            since = time.monotonic()
        after = now
    return after


# ------------------------------------------------------------------ large bodies


def upload(server: Served, target: str, mebibytes: int) -> bytes:
    """Send a body of that size; give the answer's body."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.process.port), WAIT_S)) as client:
        size = mebibytes * len(BLOCK)
        client.sendall(request_bytes("PUT", target, [("Content-Length", str(size)), ("Connection", "close")]))
        for _ in range(mebibytes):
            client.sendall(BLOCK)
        return b"".join(blocks(client)).partition(b"\r\n\r\n")[2]


def download(server: Served, target: str) -> int:
    """Read an answer to its end; give how many bytes its body had."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.process.port), WAIT_S)) as client:
        client.sendall(request_bytes("GET", target, [("Connection", "close")]))
        received, size = b"", -1
        for block in blocks(client):
            if size < 0:
                received += block
                head, blank, rest = received.partition(b"\r\n\r\n")
                assert b" 200 " in head[:15]
                size = len(rest) if blank else -1
            else:
                size += len(block)
        return size


def blocks(client: socket.socket) -> Iterator[bytes]:
    while block := client.recv(1 << 20):
        yield block
