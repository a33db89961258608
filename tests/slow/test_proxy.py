"""The faulty proxy does to the byte what it is asked for, and the measurement of a loop notices what blocks it.

What it is used for takes minutes: `nox -s slow`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.slow.proxy import BUFFER_BYTES, FaultProxy, Faults, fault_proxy
from tests.slow.ticker import Ticker
from tests.slow.watching import Census, too_late

SENT = bytes(range(256)) * 8
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, FaultProxy], Awaitable[None]]


@contextlib.asynccontextmanager
async def echo_server(arrived: list[bytes]) -> AsyncIterator[int]:
    """Answer what has arrived when the client has ended, and note the pieces in which it came."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(BUFFER_BYTES):
                arrived.append(piece)
            writer.write(b"".join(arrived))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def exchange(faults: Faults) -> tuple[bytes, list[bytes], list[int]]:
    """Send everything through a proxy; give what came back, what arrived, and what the proxy says it carried."""
    arrived: list[bytes] = []

    async def run() -> tuple[bytes, list[int]]:
        async with asyncio.timeout(5), echo_server(arrived) as upstream, fault_proxy(upstream, faults) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            received = b""
            with contextlib.suppress(ConnectionError):
                writer.write(SENT)
                await writer.drain()
                if faults.half_close_up_after is None:
                    writer.write_eof()
                while piece := await reader.read(BUFFER_BYTES):
                    received += piece
            writer.close()
            return received, proxy.carried

    received, carried = asyncio.run(run())
    return received, arrived, carried


def test_without_faults_everything_comes_through() -> None:
    received, arrived, carried = exchange(Faults())
    assert (received, b"".join(arrived), carried) == (SENT, SENT, [len(SENT)] * 2)


def test_it_slices() -> None:
    received, arrived, _ = exchange(Faults(slice_bytes=7, latency_s=0.0002))
    assert received == SENT
    assert len(arrived) > 100


@pytest.mark.parametrize(
    ("faults", "least_s"),
    [(Faults(latency_s=0.1), 0.2), (Faults(slice_bytes=256, bytes_a_second=20_000), 2 * len(SENT) / 20_000)],
    ids=["latency", "bandwidth"],
)
def test_it_takes_its_time(faults: Faults, least_s: float) -> None:
    began = time.monotonic()
    received, _, _ = exchange(faults)
    assert received == SENT
    assert least_s <= time.monotonic() - began < least_s + 2


@pytest.mark.parametrize("at", [1, 700, len(SENT)])
def test_it_cuts_on_the_way_there(at: int) -> None:
    received, _, carried = exchange(Faults(cut_up_after=at))
    assert (received, carried) == (b"", [at, 0])


@pytest.mark.parametrize("at", [1, 700])
def test_it_cuts_on_the_way_back(at: int) -> None:
    received, arrived, carried = exchange(Faults(cut_down_after=at))
    assert b"".join(arrived) == SENT
    assert carried == [len(SENT), at]
    assert SENT.startswith(received)
    assert len(received) <= at  # a reset may overtake the rest


@pytest.mark.parametrize("at", [1, 700])
def test_it_half_closes_and_brings_the_answer_back(at: int) -> None:
    received, arrived, _ = exchange(Faults(half_close_up_after=at))
    assert received == b"".join(arrived) == SENT[:at]


def test_a_loop_that_is_blocked_is_late() -> None:
    async def run() -> Ticker:
        ticker = Ticker()
        task = asyncio.create_task(ticker.run())
        for _ in range(3):
            await asyncio.sleep(0.02)
            time.sleep(0.08)  # noqa: ASYNC251  # what must be noticed
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return ticker

    summary = asyncio.run(run()).summary()
    assert summary["own p99.9"] > 60
    assert not too_late(summary), "a short time was judged"
    assert too_late({**summary, "s": 25.0})
    assert not too_late({**summary, "s": 25.0, "own p99.9": 1.0})


def test_what_is_held_on_to_is_noticed() -> None:
    before = Census(threads=10, busy=0, tasks=3, descriptors=12, kib=40_000)
    assert before.above(before) == []
    held = before._replace(busy=1, descriptors=15)
    assert held.above(before) == ["busy: 1, 0 before", "descriptors: 15, 12 before"]
