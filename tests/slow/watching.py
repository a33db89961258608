"""What is watched while scenarios go on: another client, what the server holds, and how late its loop is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.servers.wire import request_bytes
from tests.slow.app import PAGE
from tests.slow.clients import COLOURS, Cut, Pace, peer
from tests.streaming.load import status_kib

LEVEL_S = 8.0
"""How long a server has to come to rest: gunicorn notices some ends only when it writes, or after its own 5 s."""
MORE_DESCRIPTORS, MORE_TASKS = 2, 1
MORE_THREADS = 8
"""Pools keep threads, and how many were needed at a time differs; clients are several hundred."""
MORE_KIB = 8 * 1024
LAG_MS, ENOUGH_S = 50.0, 15.0
LONGEST_MS = 4000.0
"""For another client to wait: a page takes some milliseconds. A machine that had far more to do than it can once made it
two seconds, in which the server had no processor."""
ROOT = Path(__file__).parents[2]


class Census(NamedTuple):
    """What a server holds; memory is in KiB, `busy` are the threads of ours that are at work."""

    threads: int
    busy: int
    tasks: int
    descriptors: int
    kib: int

    def above(self, before: Census) -> list[str]:
        """Tell what is more than it was, beyond what comes and goes by itself."""
        more = (MORE_THREADS, 0, MORE_TASKS, MORE_DESCRIPTORS, MORE_KIB)
        return [
            f"{name}: {now}, {was} before"
            for name, now, was, allowed in zip(self._fields, self, before, more, strict=True)
            if now > was + allowed
        ]

    def idle(self, before: Census) -> Census:
        """Take the connections and tasks of an earlier one: in this one a front may have kept some open."""
        return self._replace(busy=before.busy, tasks=before.tasks, descriptors=before.descriptors)


async def ask(port: int, target: str) -> bytes:
    """Ask a server in order. Raises: AssertionError for any answer but 200."""
    async with peer(port, Pace(patience_s=5)) as client:
        await client.send(request_bytes("GET", target, [("Connection", "close")]))
        status, body = await client.answer()
        assert status == 200, (status, body)
        return body


async def census(port: int) -> Census:
    told = json.loads(await ask(port, "/census"))
    kib = status_kib(told["pid"], "VmRSS")
    return Census(told["threads"], told["busy"], told["tasks"], told["descriptors"], kib)


async def came_to_rest(port: int, before: Census) -> list[str]:
    """Wait until a server holds no more than before; give what it still does when its time is over."""
    deadline = time.monotonic() + LEVEL_S
    while above := (await census(port)).above(before):
        if time.monotonic() > deadline:
            return above
        await asyncio.sleep(0.1)
    return []


@dataclass
class Others:
    """Another client, who asks for a page twenty times a second, and what became of that."""

    port: int
    waits: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def run(self) -> None:
        for number in range(sys.maxsize):
            began = time.monotonic()
            try:
                body = await ask(self.port, f"/{COLOURS[number % 2]}/page")
                assert body == PAGE.encode(), body
            except (AssertionError, Cut, OSError, TimeoutError) as failure:
                self.faults.append(f"another client: {failure!r}")
            self.waits.append(time.monotonic() - began)
            await asyncio.sleep(0.05)

    @property
    def longest_ms(self) -> float:
        return max(self.waits, default=0.0) * 1000

    def found(self) -> list[str]:
        """Tell what went wrong, the first few times, and whether it took too long."""
        late = self.longest_ms > LONGEST_MS
        return self.faults[:3] + ([f"another client waited for {self.longest_ms:.0f} ms"] if late else [])


@contextlib.asynccontextmanager
async def others(port: int) -> AsyncIterator[Others]:
    watched = Others(port)
    task = asyncio.create_task(watched.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Beside:
    """A loop that does nothing, measured at the same time: how late the machine is by itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.summary: dict[str, float] = {}

    def end(self) -> None:
        told, _ = self._process.communicate(timeout=10)
        self.summary = json.loads(told)


@contextlib.contextmanager
def loop_beside() -> Iterator[Beside]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.slow.ticker"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    beside = Beside(process)
    try:
        yield beside
        beside.end()
    finally:
        process.kill()
        process.wait(5)


def can_be_judged(lag: dict[str, float]) -> bool:
    """Tell whether it was measured for long enough: in a short time the worst value would decide.

    Not whether there are many values, as a loop that is blocked gives few.
    """
    return lag["s"] >= ENOUGH_S


def too_late(lag: dict[str, float]) -> list[str]:
    """Judge how late a loop was: under 50 ms, 99.9 of 100 times, not counting what other processes took.

    It is the server's loop under ASGI, and under WSGI the one on which `async def` handlers of all threads run.
    """
    is_late = can_be_judged(lag) and lag["own p99.9"] > LAG_MS
    return [f"the loop was {lag['own p99.9']} ms late"] if is_late else []
