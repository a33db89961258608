"""How late an event loop is: a task that sleeps for 5 ms, over and over, and notes how much longer it took.

On a machine that has more to do than it can, every loop is late. So what the kernel says is taken off: for how long the
thread could have run, and something else had the processor (the second number of schedstat). What is left is the doing
of this process: work on the loop, calls that block it, and waiting for the interpreter's lock.

By itself, `python -m tests.slow.ticker`, it is a loop that does nothing else, until its input ends: what it measures is
how late the machine is, and not the application.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from array import array
from io import FileIO
from pathlib import Path

TICK_S = 0.005
SCHEDULE = Path("/proc/thread-self/schedstat")
"""Opened, it stays that of the thread that opened it."""


class Ticker:
    """The measurement, with all its values: 200 a second.

    Attributes:
        lags: how late, in seconds, whatever was the reason.
        own: how late without the time in which something else had the processor; Linux only, else the same.
    """

    def __init__(self) -> None:
        self.lags = array("d")
        self.own = array("d")

    async def run(self) -> None:
        """Measure until cancelled."""
        with _open_schedule() as schedule:
            while True:
                began, waited = time.perf_counter(), _waited_s(schedule)
                await asyncio.sleep(TICK_S)
                late = time.perf_counter() - began - TICK_S
                self.lags.append(late)
                self.own.append(max(late - (_waited_s(schedule) - waited), 0.0))

    def summary(self) -> dict[str, float]:
        """Give how many values there are, in how many seconds, and milliseconds: median, 99 and 99.9 of 100, the worst;
        and of `own`.
        """
        lags, own = sorted(self.lags) or [0.0], sorted(self.own) or [0.0]

        def at(values: list[float], share: float) -> float:
            return round(values[min(int(len(values) * share), len(values) - 1)] * 1000, 2)

        found = {"p50": at(lags, 0.5), "p99": at(lags, 0.99), "p99.9": at(lags, 0.999), "worst": at(lags, 1)}
        took = round(sum(self.lags) + len(self.lags) * TICK_S, 1)
        return {"n": len(self.lags), "s": took, **found, "own p99.9": at(own, 0.999), "own worst": at(own, 1)}


def _open_schedule() -> contextlib.AbstractContextManager[FileIO | None]:
    return SCHEDULE.open("rb", buffering=0) if SCHEDULE.exists() else contextlib.nullcontext()


def _waited_s(schedule: FileIO | None) -> float:
    """Read for how long a thread has waited for a processor so far."""
    if schedule is None:
        return 0.0
    return int(os.pread(schedule.fileno(), 100, 0).split()[1]) / 1e9


async def _beside() -> dict[str, float]:
    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()
    return ticker.summary()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_beside())))
