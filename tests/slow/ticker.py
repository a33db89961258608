"""How late an event loop is: a task that sleeps for 5 ms, over and over, and notes how much longer it took.

By itself, `python -m tests.slow.ticker`, it is a loop that does nothing else, until its input ends: what it measures is
how late the machine is, and not the application.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array

TICK_S = 0.005


class Ticker:
    """The measurement, with all its values: 200 a second.

    Attributes:
        lags: how late, in seconds, whatever was the reason.
        busy: how long of that the thread of the loop was at work, in seconds: that is no other process's doing.
    """

    def __init__(self) -> None:
        self.lags = array("d")
        self.busy = array("d")

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            late = time.perf_counter() - began - TICK_S
            self.lags.append(late)
            self.busy.append(min(late, time.thread_time() - worked))

    def summary(self) -> dict[str, float]:
        """Give how many values there are, and milliseconds: median, 99 and 99.9 of 100, the worst; and 99.9 of work."""
        lags, busy = sorted(self.lags) or [0.0], sorted(self.busy) or [0.0]

        def at(values: list[float], share: float) -> float:
            return round(values[min(int(len(values) * share), len(values) - 1)] * 1000, 2)

        found = {"p50": at(lags, 0.5), "p99": at(lags, 0.99), "p99.9": at(lags, 0.999), "worst": at(lags, 1)}
        return {"n": len(self.lags), **found, "p99.9 at work": at(busy, 0.999)}


async def _beside() -> dict[str, float]:
    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()
    return ticker.summary()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_beside())))
