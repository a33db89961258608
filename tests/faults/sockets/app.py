"""The application of `tests/faults/app.py` on a real server, and a route that tells what the process holds."""

import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import anyio

from ambi import App, Limits, Request, Stream
from ambi.bridge import background
from ambi.bridge.to_thread import limiter_of
from tests.cells import Cell, Colour
from tests.faults.app import Book, Ledger, make_app
from tests.faults.leftovers import KINDS_OF_THREADS
from tests.servers.holding import held, resident_bytes

FOLDER = Path(os.environ.get("AMBI_FAULTS_FOLDER") or tempfile.mkdtemp())
COLOUR = cast("Colour", os.environ.get("AMBI_FAULTS_COLOUR", "async"))
CHUNK = b"." * 1023 + b"\n"
CHUNKS = 400

for _name in ("events", "made"):
    (FOLDER / _name).touch()
cell = Cell("asgi", "asyncio", COLOUR)  # of which the colour alone means anything here
book = Book()
app: App = make_app(cell, book, FOLDER, Limits(spool_bytes=16, threads=16, stream_threads=64, graceful_stop_s=20))


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Note that this process started, and that it stopped in order."""
    with (FOLDER / "events").open("a", encoding="ascii") as events:
        events.write(f"up {os.getpid()}\n")
        events.flush()
        yield
        events.write(f"down {os.getpid()}\n")


@app.lifespan
def lifespan() -> Iterator[None]:
    with running():
        yield


def long_of(ledger: Ledger, name: str) -> Iterator[bytes]:
    with ledger.held(name):
        for _ in range(CHUNKS):
            yield CHUNK


async def long_of_async(ledger: Ledger, name: str) -> AsyncIterator[bytes]:
    with ledger.held(name):
        for _ in range(CHUNKS):
            yield CHUNK
            await anyio.sleep(0)


def endless(request: Request) -> Iterator[bytes]:
    with book.of(request).held("endless"), (FOLDER / "made").open("ab", buffering=0) as made:
        while True:
            made.write(b".")
            yield CHUNK * 16


async def endless_async(request: Request) -> AsyncIterator[bytes]:
    for chunk in endless(request):
        yield chunk
        await anyio.sleep(0)


app.get("/long")(cell.pick(lambda request: Stream(long_of(book.of(request), "long")),
                           cell.handler(lambda request: Stream(long_of_async(book.of(request), "long")))))  # fmt: skip
app.get("/endless")(cell.handler(lambda request: Stream((endless_async if cell.is_async else endless)(request))))


@app.get("/slow")
@cell.handler
def slow(request: Request) -> Any:
    """Wait for a second, in a file that is open."""

    def waiting() -> Iterator[bytes]:
        with tempfile.TemporaryFile(dir=FOLDER) as file, book.of(request).held("slow"):
            for _ in range(20):
                file.write(b".")
                time.sleep(0.05)
                yield b"."

    return Stream(waiting())


@app.get("/greedy")
@cell.handler
def greedy() -> str:
    """Take memory until there is no more: 4 GiB at most, where nobody limits it."""
    return str(len([bytearray(1 << 20) for _ in range(4096)]))


@app.get("/stats")
async def stats() -> dict[str, Any]:
    """Tell what this process holds, in numbers that are level when nothing is going on."""
    return {
        **held(),
        "pid": os.getpid(),
        "open": book.open,
        "locks": len(book.store.locked),
        "jobs": len(background._jobs),
        "slots": sum(limiter_of(app, kind).borrowed_tokens for kind in KINDS_OF_THREADS),
        "resident": resident_bytes(),
    }
