"""The application that is soaked; `app` can be served by one process, and then tells what that holds: /held.

Handlers that the two colours share are `def` and `async def` in turn.
"""

import itertools
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from ambi import SSE, App, BodyStream, Event, HTTPError, Request, WebSocket
from ambi.features.rate_limit import rate_limit
from ambi.features.sessions import MemoryStore
from ambi.features.typed import Body, Form, Header, Provide, Query
from tests.cells import Cell
from tests.corpus.fixture_app import make_app as make_corpus_app
from tests.corpus.fixture_app import make_tree
from tests.soak.measuring import describe, prepare, sample

F = TypeVar("F", bound=Callable[..., Any])
KEY = "a key of thirty-two bytes, for tests alone"
MOST_SESSIONS = 50
"""Few, so that a store is full before the warm-up is over."""


def in_turn() -> Callable[[F], F]:
    """Give what makes each second function an `async def`."""
    count = itertools.count()
    return lambda function: Cell("asgi", "asyncio", "async" if next(count) % 2 else "def").handler(function)


def make_app(folder: Path) -> App:
    """Make the application over the tree in `folder`."""
    app = make_corpus_app(folder, in_turn())
    app.security()
    app.request_ids()
    _add_typed(app)
    _add_streams(app)
    _add_work(app)
    _add_guests(app)
    return app


# --- values of types ---


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)


@dataclass
class Filters:
    limit: int = 10
    tags: list[str] = field(default_factory=list)


def _clock() -> Iterator[float]:
    yield time.monotonic()


async def _async_clock() -> AsyncIterator[float]:
    yield time.monotonic()


def _add_typed(app: App) -> None:
    @app.get("/soak/items/{id}")
    def show(id: int, fields: list[str] = []) -> Item:  # noqa: B006  # a default of a typed handler is copied
        return Item(f"item {id}", 1.5, fields)

    @app.get("/soak/search")
    async def search(
        q: str,
        filters: Annotated[Filters, Query()],
        began: Annotated[float, Provide(_clock)],
        agent: Annotated[str | None, Header("user-agent")] = None,
    ) -> dict[str, Any]:
        return {"q": q, "limit": filters.limit, "began": began > 0, "agent": agent}

    @app.post("/soak/items", csrf=False)
    async def create(item: Item) -> Item:
        return item

    @app.post("/soak/mixed", csrf=False)
    def mixed(item: Annotated[Item, Body(), Form()], began: Annotated[float, Provide(_async_clock)]) -> dict[str, Any]:
        return {"name": item.name, "began": began > 0}

    @app.get("/soak/rows")
    def rows(count: int = 3) -> Iterator[Item]:
        for number in range(count):
            yield Item(str(number), 0.5)


# --- streams ---


def _add_streams(app: App) -> None:
    @app.get("/soak/lines")
    def lines() -> Iterator[str]:
        for number in range(20):
            yield f"line {number}\n"

    @app.get("/soak/async-lines")
    async def async_lines() -> AsyncIterator[bytes]:
        for number in range(20):
            yield b"line %d\n" % number

    @app.get("/soak/broken")
    def broken() -> Iterator[str]:
        yield "the first"
        raise RuntimeError("in the middle")

    @app.get("/soak/events")
    async def events() -> SSE:
        async def ticks() -> AsyncIterator[Event]:
            for number in range(5):
                yield Event({"n": number}, id=str(number))

        return SSE(ticks())

    @app.post("/soak/stream", csrf=False)
    async def take(stream: BodyStream) -> dict[str, int]:
        return {"bytes": sum([len(piece) async for piece in stream])}

    @app.websocket("/soak/ws")
    async def talk(ws: WebSocket) -> None:
        async for message in ws:
            if message == "fail":
                raise RuntimeError("a handler of a WebSocket")
            await ws.send(message)


# --- work, errors ---


def _add_work(app: App) -> None:
    handler, done = in_turn(), itertools.count()

    def note(amount: int) -> None:
        next(done)

    async def note_async(amount: int) -> None:
        next(done)

    @app.get("/soak/after")
    @handler
    def after(request: Request) -> str:
        request.after(note, 1)
        request.after(note_async, 1)
        return "later"

    @app.get("/soak/spawn")
    @handler
    def spawn() -> str:
        app.spawn(note_async, 1)
        app.spawn(note, 1)
        return "beside"

    @app.get("/soak/refused")
    @handler
    def refused() -> None:
        raise HTTPError(409, "There is one already.")

    def who(request: Request) -> str:
        return request.headers.get("x-who", "")

    @app.get("/soak/limited", middleware=[rate_limit("3/second", by=who)])
    @handler
    def limited() -> str:
        return "not too often"

    @app.get("/soak/held")
    async def held() -> dict[str, Any]:
        return describe(sample())


# --- applications within it ---


def hello_wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer over WSGI, with what it was sent."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body) + 5))])
    return [b"wsgi:", body]


async def hello_asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer over ASGI, with what it was sent."""
    if scope["type"] != "http":
        raise RuntimeError("HTTP only")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(body) + 5).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"asgi:" + body})


def _add_guests(app: App) -> None:
    app.mount("/soak/wsgi", hello_wsgi, interface="wsgi")
    app.mount("/soak/asgi", hello_asgi, interface="asgi")
    inner, handler = App(), in_turn()
    inner.sessions(KEY, cookie="kept", secure=False, store=MemoryStore(max_sessions=MOST_SESSIONS))

    @inner.post("/count", csrf=False)
    @handler
    def count(request: Request) -> dict[str, int]:
        request.session["n"] = request.session.get("n", 0) + 1
        return {"n": request.session["n"]}

    @inner.post("/forget", csrf=False)
    @handler
    def forget(request: Request) -> str:
        request.session.clear()
        return "forgotten"

    app.mount("/soak/inner", inner)


def quiet() -> None:
    """Let log records be made whole and kept by nobody, and prepare to be measured."""
    handler = logging.StreamHandler(Path(os.devnull).open("w"))  # noqa: SIM115  # as long as the process lives
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    for name in ("ambi", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    prepare()


def new_tree() -> Path:
    """Make the files that are served."""
    folder = Path(tempfile.mkdtemp(prefix="ambi-soak-"))
    make_tree(folder)
    return folder


if "AMBI_SOAK_FILES" in os.environ:  # served
    quiet()
    app = make_app(Path(os.environ["AMBI_SOAK_FILES"]))
