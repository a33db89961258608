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
from tests.slow.clients import COLOURS, PAGE, Cut, Pace, peer
from tests.streaming.load import status_kib

LEVEL_S = 8.0
"""How long a server has to come to rest: gunicorn notices some ends only when it writes, or after its own 5 s."""
MORE_DESCRIPTORS, MORE_TASKS = 2, 1
MORE_KIB = 8 * 1024
LAG_MS = 50.0
ROOT = Path(__file__).parents[2]


class Census(NamedTuple):
    """What a server holds; memory is in KiB."""

    threads: int
    tasks: int
    descriptors: int
    kib: int

    def above(self, before: Census) -> list[str]:
        """Tell what is more than it was, beyond what comes and goes by itself."""
        return [
            *([f"{self.tasks} tasks, {before.tasks} before"] if self.tasks > before.tasks + MORE_TASKS else []),
            *(
                [f"{self.descriptors} descriptors, {before.descriptors} before"]
                if self.descriptors > before.descriptors + MORE_DESCRIPTORS
                else []
            ),
            *([f"{self.threads} threads, {before.threads} before"] if self.threads > before.threads else []),
            *([f"{self.kib} KiB, {before.kib} before"] if self.kib > before.kib + MORE_KIB else []),
        ]


async def ask(port: int, target: str) -> bytes:
    """Ask a server in order. Raises: AssertionError for any answer but 200."""
    async with peer(port, Pace(patience_s=5)) as client:
        await client.send(request_bytes("GET", target, [("Connection", "close")]))
        status, body = await client.answer()
        assert status == 200, (status, body)
        return body


async def census(port: int) -> Census:
    told = json.loads(await ask(port, "/census"))
    return Census(told["threads"], told["tasks"], told["descriptors"], status_kib(told["pid"], "VmRSS"))


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


def too_late(lag: dict[str, float], beside: dict[str, float]) -> list[str]:
    """Judge how late a loop was, 99.9 of 100 times: 50 ms by its own work, and 50 ms more than the one beside it."""
    allowed = LAG_MS + beside["p99.9"]
    return [
        *([f"p99.9 at work is {lag['p99.9 at work']} ms"] if lag["p99.9 at work"] > LAG_MS else []),
        *([f"p99.9 is {lag['p99.9']} ms, over {allowed:.0f}"] if lag["p99.9"] > allowed else []),
    ]
