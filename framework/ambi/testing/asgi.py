"""Calling an application as an ASGI server does: on an event loop in a thread, or on that of the test. See: ASGI 3.0.

One request is an `ASGIExchange` on the loop. What the application sends goes into a mailbox, of which the test takes
it: in a thread of its own (`ASGITransport`), or in a task of the same loop (`AsyncASGITransport`).
"""

from __future__ import annotations

import contextlib
import queue
from typing import cast

from ..bridge.background import settled_on_loop
from ..bridge.to_thread import spawn
from ..core.url import encode_path, percent_decode
from ..core.watching import crash_watcher
from .errors import BrokenAnswer
from .messages import Response, decoded_lines
from .watching import Watch
from .websocket import PATIENCE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, Self

    from anyio.from_thread import BlockingPortal

    from .messages import Request
    from .websocket_asgi import LoopWire, TaskWire

WANTED = {"type": "ambi.testing.wanted"}
"""In the mailbox: the application waits for the next chunk of the request."""

_AHEAD = 1 << 20
"""What may be in the mailbox before the application has to wait, as it has to for a slow client. Unit: byte."""

_OF_A_MESSAGE = 1 << 10
"""What a message counts for beside its body, so that empty ones are not without end. Unit: byte."""


def _weight(message: Any) -> int:
    body = cast("dict[str, object]", message).get("body") if isinstance(message, dict) else None
    return _OF_A_MESSAGE + (len(body) if isinstance(body, bytes) else 0)


class Lifespan:
    """The lifespan of an application, as a server runs it, and the scopes of its requests."""

    def __init__(self, app: Any, root_path: str) -> None:
        self._app = app
        self._root_path = root_path
        self._state: dict[str, Any] = {}
        self._talk: _LifespanTalk | None = None

    async def start(self) -> None:
        """Run the start-up. An application that raises or returns without a word has none.

        The rest runs in a task of its own on this loop, so that `stop` may be called from any other one, as the
        fixtures of pytest-asyncio do.

        Raises:
            Exception: it failed; a RuntimeError with the application's message where that is no `App`.
        """
        talk = self._talk = _LifespanTalk()
        spawn(talk.run, self._app, self._state)
        with talk.cancelled_with_this():
            await talk.answered.wait()
        if talk.has_failed:
            await self.stop()

    async def stop(self) -> None:
        """Run the shutdown.

        Raises:
            Exception: it failed, or the start-up, as for `start`; what left the application.
        """
        from anyio.lowlevel import checkpoint

        talk, self._talk = self._talk, None
        if talk is None:
            return
        talk.stops.set()
        with talk.cancelled_with_this():
            await talk.ended.wait()
            await checkpoint()  # that was its last word; now the task itself ends
        talk.raise_failure()

    def scope(self, request: Request, **more: Any) -> dict[str, Any]:
        """Make the scope of a request, as uvicorn has it."""
        path, _, query = request.target.partition("?")
        raw_path = (encode_path(self._root_path) + path).encode("latin-1")
        name, port = request.server
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "method": request.method, "scheme": request.scheme, "raw_path": raw_path,
            "path": percent_decode(raw_path).decode("utf-8", "replace"), "query_string": query.encode("latin-1"),
            "root_path": self._root_path, "client": ("127.0.0.1", 50000),
            "server": (name, int(port)),
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.header_lines],
            "state": dict(self._state), "extensions": {}, **more,
        }  # fmt: skip


class _LifespanTalk:
    """What a server and an application say to each other about a lifespan.

    Attributes:
        answered: the application has said that it is started, or that it is not, or nothing and never will.
        stops: the server stops.
        ended: the application has returned.
    """

    def __init__(self) -> None:
        import anyio

        self.answered, self.stops, self.ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._cancelling = anyio.CancelScope()
        self._asked = False
        self._said: list[Any] = []
        self._failure: Exception | None = None
        self._told: list[Exception] = []

    async def run(self, app: Any, state: dict[str, Any]) -> None:
        """Call the application."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        crash_watcher.set(self._told.append)  # in the context of this task
        try:
            with self._cancelling:
                await app(scope, self._receive, self._send)
        except Exception as exc:
            self._failure = exc if self._said else None  # without an answer it knows no lifespans; ASGI, "Lifespan"
        finally:
            self.answered.set()
            self.ended.set()

    @contextlib.contextmanager
    def cancelled_with_this(self) -> Iterator[None]:
        """Cancel the application when what waits for it in this block is cancelled."""
        try:
            yield
        except BaseException:
            self._cancelling.cancel()
            raise

    async def _receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self.stops.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Any) -> None:
        self._said.append(message)
        self.answered.set()

    @property
    def has_failed(self) -> bool:
        """Whether the start-up failed."""
        return bool(self._said) and self._said[0]["type"] == "lifespan.startup.failed"

    def raise_failure(self) -> None:
        """Raise what failed, what the application said of it, or what left the application, when all is over."""
        for phase, message in zip(("start-up", "shutdown"), self._said, strict=False):
            if message["type"].endswith(".failed"):
                if self._told:
                    raise self._told[0]
                raise RuntimeError(f"the {phase} failed: {message.get('message', '')}") from self._failure
        if self._failure is not None:
            raise self._failure


class ASGITransport:
    """Sends requests to an ASGI application on an event loop in a thread."""

    settle = True
    """Whether an exchange waits for what runs after it."""

    def __init__(self, app: Any, root_path: str, backend: str, *, raises: bool) -> None:
        self.app = app
        self.raises = raises
        self._backend = backend
        self._lifespan = Lifespan(app, root_path)
        self._portal: BlockingPortal | None = None
        self._closing = contextlib.ExitStack()

    def start(self) -> None:
        """Start the loop and run the start-up of the lifespan.

        Raises:
            Exception: the start-up failed, see `Lifespan.start`.
        """
        from anyio.from_thread import start_blocking_portal

        with contextlib.ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(self._backend))
            portal.call(self._lifespan.start)
            stack.callback(portal.call, self._lifespan.stop)
            self._closing, self._portal = stack.pop_all(), portal

    def stop(self) -> None:
        """Run the shutdown of the lifespan and stop the loop."""
        self._portal = None
        self._closing.close()

    @contextlib.contextmanager
    def portal(self) -> Iterator[BlockingPortal]:
        """Give the way to the loop; to one of its own, where the client was not entered."""
        from anyio.from_thread import start_blocking_portal

        if self._portal is not None:
            yield self._portal
            return
        with start_blocking_portal(self._backend) as portal:
            yield portal

    @contextlib.contextmanager
    def exchange(self, request: Request) -> Iterator[Response]:
        """Send one request; leaving before the end of the body is a disconnect.

        Raises:
            Exception: what became a 500, if that is wanted; what left the application; what the body of the request
                raised.
        """
        with self.portal() as portal:
            mailbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
            exchange = ASGIExchange(self._lifespan.scope(request), request.body, mailbox.put)
            future = portal.start_task_soon(exchange.run, self.app)
            reader = _BlockingReader(exchange, mailbox, portal, request.body)
            try:
                response = exchange.answer(reader.next_message(), reader.chunks())
                if self.raises:
                    exchange.watch.raise_crash()
                yield response
            finally:
                portal.call(exchange.leave, self.settle)
                future.result()
            exchange.raise_late(always=self.raises)  # but what the test itself raised comes first

    def websocket(self, request: Request) -> LoopWire:
        """Send the handshake of a WebSocket."""
        from .websocket_asgi import LoopWire

        return LoopWire(self, request, self._lifespan.scope)


class _BlockingReader:
    """Takes what an application sends out of its mailbox, in the thread of the test."""

    def __init__(self, exchange: ASGIExchange, mailbox: Any, portal: BlockingPortal, body: Any) -> None:
        self._exchange = exchange
        self._get: Callable[[], Any] = mailbox.get
        self._portal = portal
        self._body = None if isinstance(body, bytes) else iter(body)

    def next_message(self) -> Any:
        """Give the next message, None at the end; meanwhile send what is asked for of the request."""
        while (message := self._get()) is WANTED:
            chunk = next(self._body, None) if self._body is not None else None
            self._portal.call(self._exchange.feed, chunk)
        if self._exchange.take(message):
            self._portal.call(self._exchange.make_room)
        return self._exchange.checked(message)

    def chunks(self) -> Iterator[bytes]:
        """Give the body of the answer."""
        more = True
        while more:
            chunk, more = self._exchange.piece(self.next_message())
            if chunk:
                yield chunk


class ASGIExchange:
    """One request on the loop.

    Attributes:
        watch: what is seen of it.
    """

    def __init__(self, scope: dict[str, Any], body: Any, put: Callable[[Any], object]) -> None:
        self.watch = Watch()
        self._scope = scope
        self._whole: bytes | None = body if isinstance(body, bytes) else None
        self._is_chunked = self._whole is None
        self._put = put
        self._gone: Any = None
        self._ended: Any = None
        self._fed: Any = None
        self._room: Any = None
        self._cancelling: Any = None
        self._sent = self._taken = 0
        self._chunk: bytes | None = None
        self._is_complete = False
        self._failure: Exception | None = None

    async def run(self, app: Any) -> None:
        """Call the application; what it raises is in the mailbox, as the last message."""
        import anyio

        self._gone, self._ended = anyio.Event(), anyio.Event()
        self.watch.begin()
        try:
            with anyio.CancelScope() as self._cancelling:
                await app(self._scope, self._receive, self._send)
        except Exception as exc:
            self._failure = exc
        finally:
            self._put(self._failure)
            self._ended.set()

    async def _receive(self) -> Any:
        if self._whole is not None:
            whole, self._whole = self._whole, None
            return {"type": "http.request", "body": whole, "more_body": False}
        if self._is_chunked and not self._gone.is_set():
            self._put(WANTED)
            await self._wait_for_chunk()
            if not self._gone.is_set():
                self._is_chunked = self._chunk is not None
                return {"type": "http.request", "body": self._chunk or b"", "more_body": self._is_chunked}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _wait_for_chunk(self) -> None:
        """Wait until the test has given one, or has left."""
        import anyio

        self._fed = anyio.Event()
        await self._fed.wait()

    async def feed(self, chunk: bytes | None) -> None:
        """Take the next chunk of the request, None for its end."""
        self._chunk = chunk
        self._fed.set()

    async def _send(self, message: Any) -> None:
        self._put(message)
        self._sent += _weight(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._is_complete = True
            self._part()
        elif self._sent - self._taken >= _AHEAD:
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Wait until half of what is in the mailbox was taken, or the test has left."""
        import anyio

        self._room = anyio.Event()  # before it is asked once more: the other thread takes, and then looks for this
        if self._sent - self._taken >= _AHEAD and not self._gone.is_set():
            await self._room.wait()
        self._room = None

    async def make_room(self) -> None:
        """Let the application go on."""
        if self._room is not None:
            self._room.set()

    def _part(self) -> None:
        self._gone.set()
        for waited_for in (self._fed, self._room):
            if waited_for is not None:
                waited_for.set()

    async def leave(self, settle: bool) -> None:  # a call through a portal has no keywords
        """Let the client be gone, and wait until the application is through with it.

        One that has not answered is cancelled after a while, so that a test ends that was interrupted.
        """
        import anyio

        if self._gone is not None:
            self._part()
            with anyio.move_on_after(None if self._is_complete else PATIENCE_S) as waiting:
                await self._ended.wait()
            if waiting.cancelled_caught:
                self._cancelling.cancel()
                await self._ended.wait()
                self._failure = TimeoutError(
                    f"the application went on for {PATIENCE_S:g} seconds when the client had left its answer"
                )
        if settle:
            await settled_on_loop()

    # --- in the thread or the task of the test ---

    def take(self, message: Any) -> bool:
        """Note that this message was taken; tell whether the application waits for that."""
        self._taken += _weight(message)
        return self._room is not None and self._sent - self._taken <= _AHEAD // 2

    def checked(self, message: Any) -> Any:
        """Give a message. Raises: the failure that it is instead."""
        if isinstance(message, Exception):
            self._failure = None  # told now
            raise message
        return message

    def answer(self, start: Any, chunks: Any = None, achunks: Any = None) -> Response:
        """Make the response of its first message."""
        if start is None:
            raise RuntimeError("the application ended without an answer")
        if start["type"] != "http.response.start":
            raise BrokenAnswer(f"the application began its answer with {start!r:.200}, not http.response.start (ASGI)")
        response = Response(start["status"], decoded_lines(start.get("headers", ())), chunks, achunks)
        response._watch = self.watch
        return response

    def piece(self, message: Any) -> tuple[bytes, bool]:
        """Give what a message has of the body, and whether there is more. Raises: BrokenAnswer."""
        if message is None:
            raise BrokenAnswer("the application ended before its answer did: no last message came (ASGI, more_body)")
        is_bodiless = self._scope["method"] == "HEAD"  # servers strip it, so that a handler of GET may answer
        return b"" if is_bodiless else message.get("body", b""), message.get("more_body", False)

    def raise_late(self, *, always: bool) -> None:
        """Raise what left the application and was not told; with a complete answer only if that is wanted."""
        failure, self._failure = self._failure, None
        if failure is not None and (always or not self._is_complete):
            raise failure
        if always:
            self.watch.raise_crash()  # of what is mounted, and failed when it had answered


# --- on the loop of the test ---


class AsyncASGITransport:
    """Sends requests to an ASGI application on the event loop of the test."""

    settle = True
    """Whether an exchange waits for what runs after it."""

    def __init__(self, app: Any, root_path: str, *, raises: bool) -> None:
        self.app = app
        self.raises = raises
        self._lifespan = Lifespan(app, root_path)

    async def start(self) -> None:
        """Run the start-up of the lifespan. Raises: Exception, see `Lifespan.start`."""
        await self._lifespan.start()

    async def stop(self) -> None:
        """Run the shutdown of the lifespan. Raises: Exception, see `Lifespan.stop`."""
        await self._lifespan.stop()

    @contextlib.asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        """Send one request; leaving before the end of the body is a disconnect. Raises: as `ASGITransport`."""
        import anyio

        mailbox = Mailbox()
        exchange = ASGIExchange(self._lifespan.scope(request), request.body, mailbox.put)
        reader = _AwaitingReader(exchange, mailbox, request.body)
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(exchange.run, self.app)
            try:
                response = exchange.answer(await reader.next_message(), None, reader)
                if self.raises:
                    exchange.watch.raise_crash()
                yield response
            except Exception as exc:  # kept out of the group, which would wrap it
                failure = exc
            finally:
                await exchange.leave(self.settle)
        if failure is not None:
            raise failure
        exchange.raise_late(always=self.raises)

    def websocket(self, request: Request) -> TaskWire:
        """Send the handshake of a WebSocket."""
        from .websocket_asgi import TaskWire

        return TaskWire(self, request, self._lifespan.scope)


class Mailbox:
    """What came for a task of this loop and was not taken yet."""

    def __init__(self) -> None:
        import collections

        self._items: collections.deque[Any] = collections.deque()
        self._came: Any = None

    def put(self, item: Any) -> None:
        """Put something in; on the loop."""
        self._items.append(item)
        if self._came is not None:
            self._came.set()

    async def get(self) -> Any:
        """Take the first thing out, when there is one."""
        import anyio

        while not self._items:
            self._came = anyio.Event()
            await self._came.wait()
        return self._items.popleft()


class _AwaitingReader:
    """Takes what an application sends out of its mailbox, in the task of the test."""

    def __init__(self, exchange: ASGIExchange, mailbox: Mailbox, body: Any) -> None:
        self._exchange = exchange
        self._get = mailbox.get
        self._body = None if isinstance(body, bytes) else aiter_of(body)
        self._has_more = True

    async def next_message(self) -> Any:
        """Give the next message, None at the end; meanwhile send what is asked for of the request."""
        while (message := await self._get()) is WANTED:
            chunk = await anext(self._body, None) if self._body is not None else None
            await self._exchange.feed(chunk)
        if self._exchange.take(message):
            await self._exchange.make_room()
        return self._exchange.checked(message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Give the next item of the body. It is no generator: nobody has to close it where it is left."""
        while self._has_more:
            chunk, self._has_more = self._exchange.piece(await self.next_message())
            if chunk:
                return chunk
        raise StopAsyncIteration


def aiter_of(chunks: Any) -> AsyncIterator[bytes]:
    """Iterate chunks of either colour."""
    return aiter(chunks) if hasattr(chunks, "__aiter__") else _Awaited(iter(chunks))


class _Awaited:
    """An iterator that can be awaited."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration
