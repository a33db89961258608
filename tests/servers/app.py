"""The application that every server serves: written once, half `def` and half `async def`, for both gateways.

What must be the same in both colours stands twice, below `/def` and below `/async`. What the application sees of its
own life (start, stop) it writes to the file that `AMBI_EVENTS` names, since that must be seen from outside of a
process that is about to end; all else it tells when asked.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from guests import asgi_guest, endings, wsgi_guest  # beside this file, where servers are started

from ambi import (
    JSON,
    App,
    BodyStream,
    CallNext,
    File,
    HTTPError,
    Layer,
    Middleware,
    Redirect,
    Request,
    Response,
    Router,
    Stream,
    Text,
    UploadFile,
)

PIECE = b"0123456789abcdef" * 4096  # 64 KiB
PAUSE_S = 0.02


def record(event: str) -> None:
    """Append a line to the file of events: one write, so that workers do not tear each other's lines."""
    if path := os.environ.get("AMBI_EVENTS"):
        with Path(path).open("a", encoding="ascii") as events:
            events.write(f"{event} {os.getpid()}\n")


# What an application may do, and a library must not, where the server leaves SIGTERM alone.
if os.environ.get("AMBI_EXIT_ON_TERM"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())


async def lifespan() -> AsyncIterator[dict[str, Any]]:
    await anyio.sleep(0.01)  # a start that suspends: a pool would open its connections here
    record("start")
    yield {"shared": "made at the start", "loop": anyio.lowlevel.current_token()}
    await anyio.sleep(0.01)
    record("stop")


app = App(lifespan=lifespan)


app.static("/assets", Path(__file__).parent)


@app.middleware
def stamp(request: Request) -> Middleware:
    response = yield
    response.headers["x-layer"] = "app"


# ------------------------------------------------------------------ the same in both colours

blocking = Router(prefix="/def")
awaiting = Router(prefix="/async")


@blocking.get("/hello")
def hello() -> str:
    return "hello"


@awaiting.get("/hello")
async def hello_async() -> str:
    return "hello"


@blocking.get("/json")
def greeting() -> dict[str, str]:
    return {"greeting": "Grüße"}


@awaiting.get("/json")
async def greeting_async() -> dict[str, str]:
    return {"greeting": "Grüße"}


@blocking.get("/nothing")
def nothing() -> None:
    return None


@awaiting.get("/nothing")
async def nothing_async() -> None:
    return None


@blocking.get("/sleep/{milliseconds}")
def sleep(milliseconds: int) -> str:
    time.sleep(milliseconds / 1000)
    return str(os.getpid())


@awaiting.get("/sleep/{milliseconds}")
async def sleep_async(milliseconds: int) -> str:
    await anyio.sleep(milliseconds / 1000)
    return str(os.getpid())


@blocking.get("/slow-pieces")
def slow_pieces() -> Iterator[str]:
    for piece in ("first", "second", "third"):
        yield piece
        time.sleep(0.15)


@awaiting.get("/slow-pieces")
async def slow_pieces_async() -> AsyncIterator[str]:
    for piece in ("first", "second", "third"):
        yield piece
        await anyio.sleep(0.15)


@blocking.get("/large-stream")
def large_stream() -> Iterator[bytes]:
    for _ in range(64):
        yield PIECE


@awaiting.get("/large-stream")
async def large_stream_async() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield PIECE


# Whoever asks has put it beside the file of events.
FILES = Path(os.environ.get("AMBI_EVENTS", "events")).parent


@blocking.get("/file/{name}")
def file(name: str) -> Response:
    return File(FILES / name)


@awaiting.get("/file/{name}")
async def file_async(name: str) -> Response:
    return File(FILES / name)


@blocking.get("/boom")
def boom() -> str:
    raise RuntimeError("the secret of the handler")


@awaiting.get("/boom")
async def boom_async() -> str:
    raise RuntimeError("the secret of the handler")


@blocking.get("/boom-at-once")
def boom_at_once() -> Iterator[str]:
    raise RuntimeError("the secret of the stream")
    yield "never"  # makes this a generator: the error is one of the first piece


@awaiting.get("/boom-at-once")
async def boom_at_once_async() -> AsyncIterator[str]:
    raise RuntimeError("the secret of the stream")
    yield "never"


@blocking.get("/boom-midway")
def boom_midway() -> Iterator[bytes]:
    yield PIECE
    time.sleep(0.1)  # the first piece is on its way before the error
    raise RuntimeError("the secret of the stream")


@awaiting.get("/boom-midway")
async def boom_midway_async() -> AsyncIterator[bytes]:
    yield PIECE
    await anyio.sleep(0.1)
    raise RuntimeError("the secret of the stream")


@blocking.get("/boom-midway-of-a-known-length")
def boom_midway_of_a_known_length() -> Response:
    return Stream(boom_midway(), headers={"content-length": str(2 * len(PIECE))})


@awaiting.get("/boom-midway-of-a-known-length")
async def boom_midway_of_a_known_length_async() -> Response:
    return Stream(boom_midway_async(), headers={"content-length": str(2 * len(PIECE))})


@blocking.get("/too-short")
def too_short() -> Response:
    return Stream(iter([b"12345"]), headers={"content-length": "10"})


@awaiting.get("/too-short")
async def too_short_async() -> Response:
    return Stream(iter([b"12345"]), headers={"content-length": "10"})


@blocking.get("/too-long")
def too_long() -> Response:
    return Stream(iter([b"12345", b"67890", b"excess"]), headers={"content-length": "10"})


@awaiting.get("/too-long")
async def too_long_async() -> Response:
    return Stream(iter([b"12345", b"67890", b"excess"]), headers={"content-length": "10"})


@blocking.get("/no-items")
def no_items() -> Iterator[str]:
    yield from ()


@awaiting.get("/no-items")
async def no_items_async() -> AsyncIterator[str]:
    for nothing_at_all in ():
        yield nothing_at_all


@blocking.get("/empty-items")
def empty_items() -> Iterator[bytes]:
    yield from (b"", b"first", b"", b"", b"second", b"")


@awaiting.get("/empty-items")
async def empty_items_async() -> AsyncIterator[bytes]:
    for item in (b"", b"first", b"", b"", b"second", b""):
        yield item


# The moments, by a clock that all processes of a machine share, at which each unread stream made its items.
made: dict[str, list[float]] = {}


@blocking.get("/torrent/{word}")
def torrent(word: str) -> Iterator[bytes]:
    moments = made[word] = []
    for _ in range(3000):
        moments.append(time.monotonic())
        yield PIECE


@awaiting.get("/torrent/{word}")
async def torrent_async(word: str) -> AsyncIterator[bytes]:
    moments = made[word] = []
    for _ in range(3000):
        moments.append(time.monotonic())
        yield PIECE


# How each endless stream ended, by the word in its path.
ends: dict[str, str] = {}


@blocking.get("/endless/{word}")
def endless(word: str) -> Iterator[bytes]:
    ends[word] = "ran on"
    try:
        for _ in range(500):  # ten seconds: a server that never closes it must not keep its thread for ever
            yield b"x" * 1024
            time.sleep(PAUSE_S)
    except GeneratorExit:
        ends[word] = "closed"
        raise


@awaiting.get("/endless/{word}")
async def endless_async(word: str) -> AsyncGenerator[bytes, None]:
    ends[word] = "ran on"
    try:
        for _ in range(500):
            yield b"x" * 1024
            await anyio.sleep(PAUSE_S)
    except (GeneratorExit, anyio.get_cancelled_exc_class()):
        ends[word] = "closed"
        raise


@blocking.get("/late/{word}")
def late(word: str) -> Iterator[bytes]:
    time.sleep(0.25)
    yield from endless(word)


@awaiting.get("/late/{word}")
async def late_async(word: str) -> AsyncIterator[bytes]:
    await anyio.sleep(0.25)
    async with aclosing(endless_async(word)) as items:
        async for item in items:
            yield item


@blocking.post("/measure")
def measure(request: Request) -> dict[str, Any]:
    return {"size": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}


@awaiting.post("/measure")
async def measure_async(request: Request) -> dict[str, Any]:
    return {"size": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}


@blocking.post("/measure-stream")
def measure_stream(stream: BodyStream) -> dict[str, Any]:
    size, digest = 0, hashlib.sha256()
    for chunk in stream:
        size += len(chunk)
        digest.update(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@awaiting.post("/measure-stream")
async def measure_stream_async(stream: BodyStream) -> dict[str, Any]:
    size, digest = 0, hashlib.sha256()
    async for chunk in stream:
        size += len(chunk)
        digest.update(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@blocking.post("/ignore")
def ignore(stream: BodyStream) -> str:
    return "ignored"


@awaiting.post("/ignore")
async def ignore_async(stream: BodyStream) -> str:
    return "ignored"


# The words in the paths of requests whose handler ran.
handled: set[str] = set()


@blocking.post("/take/{word}")
def take(word: str, request: Request) -> str:
    handled.add(word)
    return str(len(request.body))


@awaiting.post("/take/{word}")
async def take_async(word: str, request: Request) -> str:
    handled.add(word)
    return str(len(request.body))


# ------------------------------------------------------------------ context: three forms of middleware, two colours

told: ContextVar[str] = ContextVar("told", default="nothing")


def context_by_generator(request: Request) -> Middleware:
    before, _ = told.get(), told.set("by the middleware")
    response = yield
    response.headers["x-context"] = f"before: {before}; after: {told.get()}"


async def context_by_call(request: Request, call_next: CallNext) -> Response:
    before, _ = told.get(), told.set("by the middleware")
    response = await call_next(request)
    response.headers["x-context"] = f"before: {before}; after: {told.get()}"
    return response


def one_thread(request: Request) -> Middleware:
    """A blocking middleware: its two steps and a `def` handler between them share a thread."""
    opened = threading.get_ident()
    response = yield
    same = opened == threading.get_ident() == request.state.thread
    response.headers["x-thread"] = "one" if same else "several"


def hear(request: Request) -> str:
    request.state.thread = threading.get_ident()
    heard = told.get()
    told.set("by the handler")
    return heard


async def hear_async(request: Request) -> str:
    return hear(request)


blocking.get("/context/generator", middleware=[context_by_generator])(hear)
blocking.get("/context/call", middleware=[context_by_call])(hear)
blocking.get("/context/blocking", middleware=[Layer(context_by_generator, blocking=True)])(hear)
awaiting.get("/context/generator", middleware=[context_by_generator])(hear_async)
awaiting.get("/context/blocking", middleware=[Layer(context_by_generator, blocking=True)])(hear_async)
awaiting.get("/context/call", middleware=[context_by_call])(hear_async)
blocking.get("/thread", middleware=[Layer(one_thread, blocking=True)])(hear)


app.include(blocking)
app.include(awaiting)


# ------------------------------------------------------------------ what the application tells of itself


@app.get("/gateway")
async def gateway(request: Request) -> str:
    return request.gateway


@app.get("/ends/{word}")
def end_of_stream(word: str) -> str:
    return ends.get(word, "never ran")


@app.get("/made/{word}/before/{milliseconds}")
def how_many_items(word: str, milliseconds: int) -> str:
    return str(sum(moment < milliseconds / 1000 for moment in made[word]))


@app.get("/handled/{word}")
async def was_handled(word: str) -> Response:
    return JSON(word in handled)


@app.get("/state")
def state(request: Request) -> str:
    return request.state.shared


@app.get("/loop")
async def loop(request: Request) -> Response:
    """Tell whether handlers run on the loop on which the lifespan ran: what it opened belongs to that loop."""
    return JSON(request.state.loop == anyio.lowlevel.current_token())


# The moments at which a function ran after a response.
ran_after: list[float] = []


def run_after() -> None:
    time.sleep(0.5)  # longer than the answer takes
    ran_after.append(time.monotonic())


@app.post("/after")
async def after(request: Request) -> str:
    request.after(run_after)
    return str(len(ran_after))


@app.get("/stream-and-after")
async def stream_and_after(request: Request) -> Response:
    request.after(lambda: None)
    return Stream(iter(["a stream, and something to do after it"]))


@app.get("/after")
def after_how_many() -> str:
    return str(len(ran_after))


# ------------------------------------------------------------------ what is read out of a request


@app.get("/query")
def query(request: Request) -> list[tuple[str, str]]:
    return list(request.query.pairs())


@app.get("/path/{rest:path}")
async def path(rest: str) -> Response:
    return JSON(rest)


@app.get("/where", name="where")
def where(request: Request) -> dict[str, Any]:
    return {
        "scheme": request.scheme,
        "host": request.host,
        "client": request.client[0] if request.client else None,
        "root": request.root_path,
        "path": request.path,
        "link": request.url_for("where"),
        "url": str(request.url),
    }


@app.get("/fields/{name}")
async def field(name: str, request: Request) -> Response:
    return JSON(request.headers.get(name))


@app.get("/cookies")
def cookies(request: Request) -> dict[str, str]:
    return dict(request.cookies)


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(request.body, content_type=request.headers.get("content-type"))


@app.post("/form")
def form(request: Request) -> dict[str, Any]:
    fields, files = [], []
    for name, value in request.form.pairs():
        if isinstance(value, UploadFile):
            content = value.read()
            files.append([name, value.filename, value.content_type, len(content), hashlib.sha256(content).hexdigest()])
        else:
            fields.append([name, value])
    return {"fields": fields, "files": files}


@app.post("/small", max_body_bytes=64 * 1024)
async def small(request: Request) -> str:
    return str(len(request.body))


def refuse(request: Request) -> Middleware:
    """A guard: it answers before the body is wanted."""
    return Text("not you", status=403)
    yield


@app.post("/guarded", middleware=[refuse])
def guarded(request: Request) -> str:
    return str(len(request.body))


# ------------------------------------------------------------------ what is said in a response


@app.get("/set-cookies")
async def set_cookies() -> Response:
    response = Text("two cookies")
    response.set_cookie("first", "1")
    response.set_cookie("second", "2")
    return response


@app.get("/empty")
def empty() -> str:
    return ""


@app.get("/not-modified")
async def not_modified() -> Response:
    return Response(status=304, headers={"etag": '"v1"'})


@app.get("/elsewhere")
def elsewhere() -> Response:
    return Redirect("/def/hello")


@app.get("/teapot")
async def teapot() -> str:
    raise HTTPError(418, "I'm a teapot.", headers={"x-brew": "tea"})


@app.get("/large")
async def large() -> bytes:
    return PIECE * 64


def note_the_outcome(request: Request) -> Middleware:
    request.on_response(note)
    yield


def note(response: Response) -> None:
    response.headers["x-noted"] = "yes"


@app.get("/boom-noted", middleware=[note_the_outcome])
def boom_noted() -> str:
    raise RuntimeError("the secret of the handler")


# ------------------------------------------------------------------ what is mounted


inner = App()


@inner.get("/here", name="here")
async def here(request: Request) -> str:
    return request.url_for("here")


app.mount("/inner", inner)
app.mount("/wsgi-guest", wsgi_guest)
app.mount("/asgi-guest", asgi_guest)


@app.get("/told/{word}")
async def what_was_told(word: str) -> str:
    return endings.get(word, "nothing")
