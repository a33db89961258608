"""The application behind the tests of streams: every way in which a stream may go, in both colours.

A way is written once, as a script of what to send and how long to wait. `play` and `play_async` are the generators
under test: they follow a script, and leave marks that are seen from outside even when the server hangs. For a request
with `?mark=NAME` these are, in the folder that `AMBI_MARKS` names:

    NAME.made    how many items were made so far, eight bytes, kept up to date
    NAME.end     written by the `finally`: how the generator ended
    NAME.go      read: its size is how many items the test has allowed to be made (by the script `asked`)
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio

from ambi import App, BodyStream, File, Limits, Middleware, Request, Response, Router, Stream, Text, WebSocket

MARKS = Path(os.environ.get("AMBI_MARKS", "/nonexistent"))
SECRETS = "a secret of the application"
KIB = b"x" * 1023 + b"\n"
WIDE = b"w" * 16 * 1024
HERE = b": here\n\n"
EVENT = b"event: tick\ndata: now\n\n"

app = App(
    limits=Limits(
        graceful_stop_s=float(os.environ.get("AMBI_GRACEFUL_STOP_S", "30")),
        max_body_bytes=2 << 30,
        stream_threads=1200,
    )
)


class Trace:
    """What one generator leaves behind."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._descriptor = os.open(MARKS / f"{name}.made", os.O_WRONLY | os.O_CREAT, 0o600)
        self._made = 0

    def made(self) -> None:
        self._made += 1
        os.pwrite(self._descriptor, self._made.to_bytes(8, "little"), 0)

    def ended(self, how: str) -> None:
        os.close(self._descriptor)
        leave_mark(self.name, how)


def leave_mark(name: str, how: str) -> None:
    """Write the mark at once and whole: a test that sees it sees all of it."""
    unfinished = MARKS / f"{name}.end.part"
    unfinished.write_text(how, "ascii")
    unfinished.rename(MARKS / f"{name}.end")


# ------------------------------------------------------------------ the ways: bytes are sent, numbers are seconds to wait

Script = Iterator[bytes | float]


def finite(name: str) -> Script:
    for number in range(5):
        yield b"piece %d\n" % number


def endless(name: str) -> Script:
    while True:
        yield KIB


def wide(name: str) -> Script:
    while True:
        yield WIDE


def ticking(name: str) -> Script:
    while True:
        yield b"tick\n"
        yield 0.02


def silent(name: str) -> Script:
    yield b"first\n"
    while True:
        yield 3600.0


def ending(name: str) -> Script:
    """Come to an end by itself, after a second or so."""
    for number in range(10):
        yield b"piece %d\n" % number
        yield 0.1


def asked(name: str) -> Script:
    """Make an item when the test asks for it, and write on it when that was."""
    for number in range(8):
        while allowed(name) <= number:
            yield 0.002
        yield b"%.6f\n" % time.monotonic()


def allowed(name: str) -> int:
    try:
        return (MARKS / f"{name}.go").stat().st_size
    except FileNotFoundError:
        return 0


def failing(name: str) -> Script:
    yield 0.01
    raise ValueError(SECRETS)


def failing_midway(name: str) -> Script:
    yield b"first\n"
    yield 0.01
    yield b"second\n"
    raise ValueError(SECRETS)


def events(name: str) -> Script:
    while True:
        yield EVENT
        yield 0.1


def waiting_events(name: str) -> Script:
    yield EVENT
    while True:
        yield 3600.0


WAYS = [finite, endless, wide, ticking, silent, ending, asked, failing, failing_midway]

# ------------------------------------------------------------------ the generators


def play(script: Script, name: str) -> Iterator[bytes]:
    trace, how = Trace(name), "end"
    try:
        for step in script:
            if isinstance(step, bytes):
                trace.made()
                yield step
            else:
                time.sleep(step)
    except BaseException as exc:
        how = type(exc).__name__
        raise
    finally:
        trace.ended(how)


async def play_async(script: Script, name: str) -> AsyncIterator[bytes]:
    trace, how = Trace(name), "end"
    try:
        for step in script:
            if isinstance(step, bytes):
                trace.made()
                yield step
            else:
                await anyio.sleep(step)
    except BaseException as exc:
        how = type(exc).__name__
        raise
    finally:
        trace.ended(how)


class Unstarted:
    """A source that must be closed without having been iterated; a generator would not come to its `finally`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError(SECRETS)

    def close(self) -> None:
        leave_mark(self.name, "close")


class UnstartedAsync:
    """The same in the other colour."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError(SECRETS)

    async def aclose(self) -> None:
        await anyio.sleep(0)
        leave_mark(self.name, "close")


class Events(Stream):
    """A feed: it starts at once, and ends when the server is about to stop."""

    __slots__ = ()
    opening = b": welcome\n\n"
    idle_s = 15
    idle_item = b": still here\n\n"

    def __init__(self, iterable: Any) -> None:
        super().__init__(iterable, "text/event-stream", headers={"cache-control": "no-cache"}, ends_at_stop=True)


# ------------------------------------------------------------------ the routes

blocking, awaiting = Router(prefix="/def"), Router(prefix="/async")


def add_way(way: Callable[[str], Script]) -> None:
    @blocking.get(f"/{way.__name__}")
    def stream(request: Request) -> Iterator[bytes]:
        return play(way(request.query["mark"]), request.query["mark"])

    @awaiting.get(f"/{way.__name__}")
    async def stream_async(request: Request) -> AsyncIterator[bytes]:
        return play_async(way(request.query["mark"]), request.query["mark"])


for each in WAYS:
    add_way(each)


def add_feed(way: Callable[[str], Script]) -> None:
    @blocking.get(f"/{way.__name__}")
    def feed(request: Request) -> Response:
        return Events(play(way(request.query["mark"]), request.query["mark"]))

    @awaiting.get(f"/{way.__name__}")
    async def feed_async(request: Request) -> Response:
        return Events(play_async(way(request.query["mark"]), request.query["mark"]))


add_feed(events)
add_feed(waiting_events)


@blocking.get("/unstarted")
def unstarted(request: Request) -> Response:
    return Stream(Unstarted(request.query["mark"]))


@awaiting.get("/unstarted")
async def unstarted_async(request: Request) -> Response:
    return Stream(UnstartedAsync(request.query["mark"]))


def replace(request: Request) -> Middleware:
    yield
    return Text("another")


blocking.get("/replaced", middleware=[replace])(unstarted)
awaiting.get("/replaced", middleware=[replace])(unstarted_async)


@blocking.get("/after")
def after(request: Request) -> str:
    request.after(run_after, request.query["mark"])
    return "answered"


def run_after(name: str) -> None:
    time.sleep(1)
    leave_mark(name, "ran")


@awaiting.get("/after")
async def after_async(request: Request) -> str:
    request.after(run_after_async, request.query["mark"])
    return "answered"


async def run_after_async(name: str) -> None:
    await anyio.sleep(1)
    leave_mark(name, "ran")


# ------------------------------------------------------------------ handlers that can learn that their client has left


@app.get("/def/polling")
def polling(request: Request) -> str:
    until = time.monotonic() + 2
    while not request.is_disconnected() and time.monotonic() < until:
        time.sleep(0.05)
    leave_mark(request.query["mark"], "gone" if request.is_disconnected() else "there")
    return "done"


@app.get("/async/polling")
async def polling_async(request: Request) -> str:
    until = time.monotonic() + 2
    while not request.is_disconnected() and time.monotonic() < until:
        await anyio.sleep(0.05)
    leave_mark(request.query["mark"], "gone" if request.is_disconnected() else "there")
    return "done"


@app.get("/async/cancelled", cancel_on_disconnect=True)
async def cancelled(request: Request) -> str:
    how = "there"
    try:
        await anyio.sleep(2)
    except anyio.get_cancelled_exc_class():
        how = "gone"
        raise
    finally:
        leave_mark(request.query["mark"], how)
    return "done"


@app.websocket("/websocket")
async def converse(ws: WebSocket) -> None:
    how = "end"
    try:
        async for message in ws:
            await ws.send(message)
    except BaseException as exc:
        how = type(exc).__name__
        raise
    finally:
        leave_mark(ws.query["mark"], how)


# ------------------------------------------------------------------ one feed for many clients


class Topic:
    """Events that are published on one event loop, and are seen by all who wait there."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.changed = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def publish(self, event: bytes) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._publish, event)

    def _publish(self, event: bytes) -> None:
        self.events.append(event)
        self.changed.set()
        self.changed = asyncio.Event()

    async def follow(self) -> AsyncIterator[bytes]:
        self.loop = asyncio.get_running_loop()
        seen = len(self.events)
        yield HERE
        while True:
            while seen < len(self.events):
                seen += 1
                yield self.events[seen - 1]
            await self.changed.wait()


class BlockingTopic:
    """The same for threads."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.changed = threading.Condition()

    def publish(self, event: bytes) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def follow(self) -> Iterator[bytes]:
        seen = len(self.events)
        yield HERE
        while True:
            with self.changed:
                while seen == len(self.events):
                    self.changed.wait()
            while seen < len(self.events):
                seen += 1
                yield self.events[seen - 1]


topic, blocking_topic = Topic(), BlockingTopic()


@blocking.get("/feed")
def follow() -> Response:
    return Events(blocking_topic.follow())


@awaiting.get("/feed")
async def follow_async() -> Response:
    return Events(topic.follow())


def publish_what_is_written(topics: Sequence[Topic | BlockingTopic]) -> None:
    """Publish each line of the file `feed` among the marks: no request is needed, for which there may be no thread."""
    published = 0
    while True:
        time.sleep(0.005)
        try:
            lines = (MARKS / "feed").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            continue
        for line in lines[published:]:
            for each in topics:
                each.publish(b"data: %b\n\n" % line)
        published = len(lines)


def start_publishing(*topics: Topic | BlockingTopic) -> None:
    if MARKS.is_dir():
        threading.Thread(target=publish_what_is_written, args=(topics,), name="publisher", daemon=True).start()


start_publishing(topic, blocking_topic)


# ------------------------------------------------------------------ large bodies

BLOCK = b"b" * 64 * 1024


@blocking.put("/upload")
def upload(request: Request, stream: BodyStream) -> str:
    size = 0
    with (MARKS / request.query["mark"]).open("wb") as file:
        for chunk in stream:
            size += file.write(chunk)
    return str(size)


@awaiting.put("/upload")
async def upload_async(request: Request, stream: BodyStream) -> str:
    size = 0
    async with await anyio.open_file(MARKS / request.query["mark"], "wb") as file:
        async for chunk in stream:
            size += await file.write(chunk)
    return str(size)


@blocking.get("/download/{mebibytes}")
def download(mebibytes: int) -> Response:
    size = mebibytes << 20
    return Stream((BLOCK for _ in range(size // len(BLOCK))), headers={"content-length": str(size)})


@awaiting.get("/download/{mebibytes}")
async def download_async(mebibytes: int) -> Response:
    async def blocks() -> AsyncIterator[bytes]:
        for _ in range((mebibytes << 20) // len(BLOCK)):
            yield BLOCK

    return Stream(blocks(), headers={"content-length": str(mebibytes << 20)})


@blocking.get("/file")
def file(request: Request) -> Response:
    return File(MARKS / request.query["mark"])


@awaiting.get("/file")
async def file_async(request: Request) -> Response:
    return File(MARKS / request.query["mark"])


app.include(blocking)
app.include(awaiting)


@app.get("/ping", blocking=False)
def ping() -> str:
    return "pong"


@app.get("/census", blocking=False)
def census() -> dict[str, int]:
    """Tell what this process holds: after all clients have left it must be what it was."""
    return {
        "pid": os.getpid(),
        "threads": threading.active_count(),
        "tasks": count_tasks(),
        "descriptors": descriptors(),
    }


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def count_tasks() -> int:
    """Count the tasks of this loop, where one runs, and those of the loop thread."""
    from tests.leaks import living_tasks

    try:
        return len(asyncio.all_tasks() | living_tasks())
    except RuntimeError:
        return len(living_tasks())
