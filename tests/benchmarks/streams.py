"""Measure streams: ``python -m tests.benchmarks streams``, some minutes; name parts of it to run only those.

chunks     2,000 chunks of 1 KiB in process: what one costs, in the four cells
stopped    a client that stops reading: how far an endless stream runs ahead of it, and the memory it takes
feeds      1,000 clients of one feed on a uvicorn process, 100 on a gthread worker; Starlette beside it
bodies     1 GiB up to a file and 1 GiB down, on gunicorn and uvicorn: the highest memory
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ambi import App
from tests.benchmarks.cases import Case
from tests.benchmarks.gateways import ASGI, GATEWAYS, WSGI, Exchange, ignore_start

CHUNKS, CHUNK = 2000, b"x" * 1024
COLOURS = ("def", "async")
CELLS = [(gateway, colour) for gateway in GATEWAYS for colour in COLOURS]


# ------------------------------------------------------------------ in process


def make_app() -> App:
    app = App()

    @app.get("/def/chunks")
    def chunks() -> Iterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    @app.get("/async/chunks")
    async def chunks_async() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    return app


def chunk_case(colour: str) -> Case:
    return Case("chunks", f"/{colour}/chunks", CHUNK * CHUNKS)


def time_chunks(rounds: int) -> dict[tuple[str, str], list[float]]:
    """Time the four cells in turns; give microseconds a chunk, one figure a round."""
    found: dict[tuple[str, str], list[float]] = {cell: [] for cell in CELLS}
    app = make_app()
    for number in range(rounds + 1):
        for name, colour in CELLS:
            taken_s = GATEWAYS[name].run(time_one(GATEWAYS[name], app, colour))
            if number:  # the first one makes threads and loops
                found[name, colour].append(taken_s / CHUNKS * 1e6)
    return found


async def time_one(gateway: Any, app: App, colour: str) -> float:
    request = gateway.request(chunk_case(colour))
    await gateway.repeat(app, request, b"", 1)
    began = time.perf_counter()
    await gateway.repeat(app, request, b"", 1)
    return time.perf_counter() - began


# ------------------------------------------------------------------ a client that stops reading


@dataclass
class Ahead:
    """How far a stream ran ahead of a client that takes no more after its first item."""

    items: int
    peak_bytes: int


class Endless:
    """An endless stream of items that share no memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.made = 0
        self.closed = threading.Event()

    def sync(self) -> Iterator[bytes]:
        try:
            while True:
                self.made += 1
                yield bytes(self.size)
        finally:
            self.closed.set()

    async def asynchronous(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.made += 1
                yield bytes(self.size)
        finally:
            self.closed.set()


@contextlib.contextmanager
def traced(endless: Endless, into: list[Ahead]) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        into.append(Ahead(endless.made, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()


def run_ahead(gateway: str, colour: str, size: int, stopped_s: float = 0.3) -> Ahead:
    """Stop reading behind the first item, wait, leave; see how much was made. Raises: AssertionError if not closed."""
    endless, app, seen = Endless(size), App(), []
    app.get("/endless")(endless.sync if colour == "def" else endless.asynchronous)
    case = Case("endless", "/endless", None)
    stop: Callable[..., None] = stop_under_wsgi if gateway == "wsgi" else stop_under_asgi
    stop(app, case, lambda: traced(endless, seen), stopped_s)
    assert endless.closed.wait(5), "the stream was not closed"
    return seen[0]


def stop_under_wsgi(app: Any, case: Case, traced: Callable[[], Any], stopped_s: float) -> None:
    with traced():
        body = app(WSGI.request(case), ignore_start)
        next(iter(body))
        time.sleep(stopped_s)
    body.close()


def stop_under_asgi(app: App, case: Case, traced: Callable[[], Any], stopped_s: float) -> None:
    async def work() -> None:
        exchange, full = Exchange(b""), asyncio.Event()
        has_left = asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            if message.get("body"):
                full.set()
                await has_left.wait()  # as a server does whose buffer is full

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"} if exchange.ended else await exchange.receive()

        with traced():
            call = asyncio.ensure_future(app(ASGI.request(case) | {"state": {}}, receive, send))
            await full.wait()
            await asyncio.sleep(stopped_s)
        await exchange.send({"type": "http.response.body"})  # wakes `receive`: the client has left
        has_left.set()
        await asyncio.wait_for(call, 5)

    asyncio.run(work())


# ------------------------------------------------------------------ over real servers


def measure_feeds(rounds: int, sizes: dict[str, int], events: int) -> None:
    """Let crowds come to servers that are started anew each time; ours and Starlette's in turns."""
    from tests.streaming.load import watch_crowd
    from tests.streaming.serving import served

    rivals = [
        ("uvicorn httptools", "app:app", "async"),
        ("uvicorn httptools", "starlette_app:app", "async"),
        ("gunicorn gthread", "app:app", "def"),
        ("gunicorn gthread", "app:app", "async"),
    ]
    kib: dict[tuple[str, str, str], list[float]] = {rival: [] for rival in rivals}
    for _ in range(rounds):
        for name, app, colour in rivals:
            clients = sizes[name]
            arguments = f"--threads {clients}" if name == "gunicorn gthread" else "--log-level warning"
            with served(name, arguments, app) as server:
                first = watch_crowd(server, colour, clients, events)
                again = watch_crowd(server, colour, clients, events)
                kib[name, app, colour].append(first.kib_a_client)
                print(f"  {name}, {app}, {colour}\n    first {first}\n    again {again}", flush=True)
    for (name, app, colour), figures in kib.items():
        print(f"{name}, {app}, {colour}: {statistics.median(figures):.1f} KiB a client, of {len(figures)} rounds")


def measure_bodies(mebibytes: int) -> None:
    from tests.streaming.load import KIB_A_MIB, Peak, download, take_census, upload
    from tests.streaming.serving import served

    for name in ("gunicorn gthread", "uvicorn httptools"):
        with served(name) as server:
            for colour in COLOURS:
                pid, mark = take_census(server).pid, server.marks.new()
                with Peak(pid) as up:
                    began = time.monotonic()
                    told = upload(server, f"/{colour}/upload?mark={mark}", mebibytes)
                    up_s = time.monotonic() - began
                assert told.strip() == str(mebibytes << 20).encode()
                print(
                    f"{name}, {colour}, {mebibytes} MiB, MiB more at most: up {up.growth_kib / KIB_A_MIB:.1f} ({up_s:.1f} s)"
                )
                for target in (f"/{colour}/download/{mebibytes}", f"/{colour}/file?mark={mark}"):
                    with Peak(pid) as down:
                        began = time.monotonic()
                        assert download(server, target) == mebibytes << 20
                        down_s = time.monotonic() - began
                    print(f"    down {down.growth_kib / KIB_A_MIB:.1f} ({down_s:.1f} s) {target}", flush=True)
                (server.marks.folder / mark).unlink()


# ------------------------------------------------------------------ the command


def report_chunks(rounds: int) -> None:
    for (gateway, colour), figures in time_chunks(rounds).items():
        crossed = "crossed" if (gateway == "asgi") == (colour == "def") else "native"
        print(
            f"{gateway}, {colour} ({crossed}): {statistics.median(figures):.2f} us a chunk, {min(figures):.2f} at best"
        )


def report_stopped() -> None:
    for size in (1024, 64 * 1024, 1 << 20):
        for gateway, colour in CELLS:
            ahead = run_ahead(gateway, colour, size)
            print(
                f"{gateway}, {colour}, items of {size >> 10} KiB: {ahead.items} made, {ahead.peak_bytes >> 10} KiB at most"
            )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "chunks": lambda options: report_chunks(options.rounds),
    "stopped": lambda options: report_stopped(),
    "feeds": lambda options: measure_feeds(3, {"uvicorn httptools": 1000, "gunicorn gthread": 100}, 20),
    "bodies": lambda options: measure_bodies(1024),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks streams", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args(arguments)
    for part in options.parts or PARTS:
        print(f"--- {part}", flush=True)
        PARTS[part](options)


if __name__ == "__main__":
    main()
