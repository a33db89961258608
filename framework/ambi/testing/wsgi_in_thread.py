"""A WSGI application for an `AsyncClient`: it is called in a thread, one for each exchange, while the loop goes on."""

from __future__ import annotations

import contextlib
from contextvars import Context

from ..bridge.to_thread import soon_of
from ..bridge.workers import give_back, take_worker
from ..core.chance import given_chance
from .asgi import aiter_of
from .messages import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, Self

    from .messages import Request
    from .websocket import Message
    from .websocket_wsgi import SocketWire
    from .wsgi import WSGITransport


class AsyncWSGITransport:
    """Sends requests to a WSGI application from an event loop."""

    def __init__(self, inner: WSGITransport) -> None:
        self._inner = inner
        self.app = inner.app

    async def start(self) -> None:
        """Run the start-up of the lifespan."""
        await _call(self._inner.start)

    async def stop(self) -> None:
        """Run the shutdown of the lifespan."""
        await _call(self._inner.stop)

    @contextlib.asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        """Send one request; leaving closes the body as a server does. Raises: as `WSGITransport`.

        A call of the application that has begun is waited for, whatever is cancelled: nothing can end a thread. While
        an item of a stream is waited for, the body is closed by another thread, as it is by some servers.
        """
        import anyio

        thread = _Thread()
        inner = self._inner.exchange(_with_blocking_body(request))
        response: Any = None
        try:
            with anyio.CancelScope(shield=True):
                response = await thread.call(inner.__enter__)
            outer = Response(response.status_code, response.header_lines, None, _Chunks(thread, response))
            outer._watch = response._watch
            try:
                yield outer
            finally:
                with anyio.CancelScope(shield=True):
                    await thread.call(inner.__exit__, None, None, None)
        finally:
            thread.release()

    def websocket(self, request: Request) -> ThreadedWire:
        """Send the handshake of a WebSocket. Raises: ImportError without the extra."""
        return ThreadedWire(self._inner.websocket(request))


class _Chunks:
    """The body of an answer, each item made in the thread of the exchange."""

    def __init__(self, thread: _Thread, response: Response) -> None:
        self._thread = thread
        self._chunks = response.iter_bytes()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes = await self._thread.call(next, self._chunks, b"")
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _with_blocking_body(request: Request) -> Request:
    """Give a request whose body can be iterated by the thread that calls the application."""
    if isinstance(request.body, bytes) or not hasattr(request.body, "__aiter__"):
        return request
    from anyio.lowlevel import current_token

    return request.with_body(_iterate_on_loop(aiter_of(request.body), current_token()))


def _iterate_on_loop(chunks: AsyncIterator[bytes], token: Any) -> Iterator[bytes]:
    from anyio import from_thread

    async def take() -> bytes | None:
        return await anext(chunks, None)

    while (chunk := from_thread.run(take, token=token)) is not None:
        yield chunk


class _Thread:
    """A thread that an exchange has for itself, as long as it is not waiting in it."""

    def __init__(self) -> None:
        self._worker = take_worker()
        self._is_busy = False
        self._chance = given_chance.get()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function there; where it is busy, which is after a cancellation, in another one."""
        import anyio
        from anyio.lowlevel import current_token

        if self._is_busy:
            self.release()
            self._worker = take_worker()
        done, outcome = anyio.Event(), _Outcome()
        soon = soon_of(current_token().native_token)

        def run() -> None:
            try:
                context = Context()  # nothing there knows of an event loop
                context.run(given_chance.set, self._chance)
                outcome.value = context.run(function, *args)
            except BaseException as exc:
                outcome.failure = exc
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                soon(done.set)

        self._is_busy = True
        self._worker.submit(run)
        await done.wait()
        self._is_busy = False
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.value

    def release(self) -> None:
        """Let somebody else have the thread, when what runs there has ended."""
        if self._is_busy:
            self._worker.submit(give_back, self._worker)
        else:
            give_back(self._worker)


class _Outcome:
    """How a function ended."""

    value: Any = None
    failure: BaseException | None = None


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a thread and wait for its end, whatever is cancelled."""
    import anyio

    thread = _Thread()
    with anyio.CancelScope(shield=True):
        try:
            return await thread.call(function, *args)
        finally:
            thread.release()


class ThreadedWire:
    """A connection on a socket pair, from an event loop."""

    def __init__(self, inner: SocketWire) -> None:
        self._inner = inner
        self.watch = inner.watch
        self.raises = inner.raises

    async def open(self) -> Response:
        """Wait for the answer to the handshake. Raises: what left the application."""
        response: Response = await _call(self._inner.open)
        return response

    async def send(self, message: Message) -> None:
        """Send a message. Raises: WebSocketClosed."""
        await _call(self._inner.send, message)

    async def receive(self, timeout: float | None) -> Message:  # noqa: ASYNC109  # as httpx has it
        """Give the next message. Raises: WebSocketClosed, TimeoutError."""
        from anyio import to_thread

        message: Message = await to_thread.run_sync(self._inner.receive, timeout, abandon_on_cancel=True)
        return message

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, and wait for the other side's."""
        await _call(self._inner.close, code, reason)

    async def end(self) -> None:
        """Wait until the application is through with it. Raises: TimeoutError; what left the application."""
        await _call(self._inner.end)
