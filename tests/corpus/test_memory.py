"""What stays of requests when they are answered: nothing, whatever became of them.

In process, called as a server calls: the client for tests keeps more than a server does. `AMBI_FAULTS=all` sends as many
as the cases say.
"""

import gc
import io
import logging
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from ambi import App, HTTPError, Redirect, Request, Response, Text
from tests.calls import environ_of, scope_of, sending_body
from tests.cells import CELLS, Cell
from tests.corpus.test_calls import covers
from tests.faults import ALL

ENDS = (
    ("GET", "/text", 200),
    ("GET", "/crash", 500),
    ("GET", "/refused", 403),
    ("GET", "/away", 303),
    ("GET", "/stream", 200),
    ("GET", "/a/b", 404),
    ("POST", "/text", 405),
    ("POST", "/upload", 413),
)
"""How requests end: success, a crash, a redirect, a stream, and what clients do wrong."""
FAILURES = tuple(end for end in ENDS if end[2] >= 400)
SOON_S = 5.0
HERE = [cell for cell in CELLS if cell.backend == "asyncio" or ALL]
TOO_LONG = 20 << 20


def answering(cell: Cell) -> App:
    app = App(csrf=False)

    @app.get("/{kind}")
    @cell.handler
    def answer(kind: str) -> Any:
        if kind == "crash":
            raise ValueError(kind)
        if kind == "refused":
            raise HTTPError(403)
        if kind == "away":
            return Redirect("/text")
        return (kind for _ in range(3)) if kind == "stream" else Text(kind)

    @app.post("/upload")
    @cell.handler
    def upload(request: Request) -> str:
        return str(len(request.body))

    return app


def ask_wsgi(app: App, method: str, path: str) -> int:
    """Call it; give the status."""
    length = str(TOO_LONG) if path == "/upload" else "0"
    environ = environ_of(path, REQUEST_METHOD=method, CONTENT_LENGTH=length)
    started: list[str] = []
    iterable: Any = app(environ, lambda status, fields, exc_info=None: started.append(status) or io.BytesIO().write)
    b"".join(iterable)
    if hasattr(iterable, "close"):
        iterable.close()
    return int(started[0][:3])


async def ask_asgi(app: App, method: str, path: str) -> int:
    started: list[int] = []
    headers = [(b"content-length", str(TOO_LONG).encode())] if path == "/upload" else []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.append(message["status"])

    await app(scope_of(path, method=method, headers=headers), sending_body(b""), send)
    return started[0]


def ask_many(app: App, cell: Cell, count: int, ends: tuple[tuple[str, str, int], ...]) -> None:
    """Send so many requests, of each kind in turn."""
    if cell.gateway == "wsgi":
        for number in range(count):
            method, path, status = ends[number % len(ends)]
            assert ask_wsgi(app, method, path) == status
        return

    async def ask_all() -> None:
        for number in range(count):
            method, path, status = ends[number % len(ends)]
            assert await ask_asgi(app, method, path) == status

    anyio.run(ask_all, backend=cell.backend)


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off, and the log, whose records hold what failed."""
    logging.disable()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def alive() -> Counter[str]:
    """Count the requests and responses that there are."""
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, (Request, Response)))


def await_none(left: Callable[[], Any]) -> None:
    """Wait: a thread may just be about to let go of the last one. Raises: AssertionError."""
    deadline = time.monotonic() + SOON_S
    while found := left():
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


@covers("gc/no-cycles")
@pytest.mark.parametrize("cell", HERE, ids=str, indirect=True)
def test_requests_and_responses_go_without_the_collector(cell: Cell) -> None:
    """By reference counting alone: what has to wait for the collector is what grows under load."""
    app, seen = answering(cell), list[weakref.ref[Request]]()

    @app.middleware
    def mark(request: Request) -> Any:
        seen.append(weakref.ref(request))
        yield

    count = 10_000 if ALL else 480
    ask_many(app, cell, len(ENDS), ENDS)
    seen.clear()
    with uncollected():
        before = alive()
        ask_many(app, cell, count, ENDS)
        await_none(lambda: [reference for reference in seen if reference() is not None])
        await_none(lambda: alive() - before)
        assert len(seen) == count


@covers("memory/errors-soak")
@pytest.mark.parametrize("cell", HERE, ids=str, indirect=True)
def test_failing_requests_leave_memory_where_it_was(cell: Cell) -> None:
    app = answering(cell)
    count = 50_000 if ALL else 400

    def blocks_after(asked: int) -> int:
        ask_many(app, cell, asked, FAILURES)
        gc.collect()
        return sys.getallocatedblocks()

    logging.disable()
    try:
        full = blocks_after(count // 2)
        grown = min(blocks_after(count) - full for _ in range(2))
    finally:
        logging.disable(logging.NOTSET)
    assert grown < count // 16, "not a block stays of each, of whatever kind"
