"""Sending a streamed body under ASGI: item by item, whichever colour it has, until the client leaves.

    async body     iterated by the server's own task, in the request's context
    sync body      one worker thread iterates it and runs ahead; the server's task sends what there is

Facts
- The response starts with its first item, so that a failure before is a clean 500; one with an `opening` at once.
- After a disconnect `send` is silent and does not suspend on five servers. So the loop gets a turn after 16 items or a
  millisecond, and a task beside the stream waits for `http.disconnect`. An OSError of `send` says the same.
- A short stream that never waits needs no such task: it is made when the stream first suspends.
"""

from __future__ import annotations

import time

from ..bridge.stopping import stopping_for
from ..core.ending import close_iterated
from ..core.errors import ClientDisconnected
from ..core.log import log_cut, log_disconnect, log_failure, log_left_behind
from ..core.recovery import late_error
from ..core.response import as_bytes, declared_length, take_body
from ..core.sides import on_sync_side
from .asgi_connection import connection_of
from .entry import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
    from typing import Any

    from ..bridge.interrupting import Interrupt
    from ..bridge.run_ahead import LoopBell, RunAhead
    from ..bridge.ticking import Ticker
    from ..core.headers import Pair
    from ..core.request import Request
    from ..core.response import Response

    Send = Callable[[Any], Awaitable[None]]

_TURN_EVERY = 16
_TURN_EVERY_S = 0.001
"""How many items, and for how long, the loop may get no turn where neither the body nor `send` waits for anything."""


class ClientGone(Exception):
    """The client left, as `http.disconnect` says, or an OSError of `send`."""


async def send_stream(
    request: Request, response: Response, start: dict[str, Any], pairs: list[Pair], send: Send
) -> Response | None:
    """Send a response whose body is an iterable.

    Args:
        start: the message that begins the response.

    Returns:
        The response to send instead, where the body failed before its first item: a 500, or an `HTTPError`'s own.

    Raises:
        Exception: what the body raised after its first item; the server then cuts the connection.
    """
    request.has_begun = True
    sender = StreamSender(request, response, start, send)
    try:
        sender.left = declared_length(pairs)
    except ValueError as exc:
        await close_body(request, response.body)
        return await _instead(request, exc, "the Content-Length of a streamed body")
    try:
        await sender.run(take_body(response))
    except ClientGone:
        log_disconnect(request)
    except Exception as exc:
        if sender.start is None and isinstance(exc, ClientDisconnected):  # the stream has read the body
            log_disconnect(request)
            return None
        if sender.start is None:
            raise
        return await _instead(request, exc, "the first item of a streamed body")
    return None


async def _instead(request: Request, error: Exception, where: str) -> Response:
    """Make what is sent instead; to show it in debug means to read sources, which is for a thread."""
    context = request._context
    if not request.app.debug:
        return context.run(late_error, request, error, where)
    from ..bridge.to_thread import Trip

    response: Response = await Trip(request, on_sync_side(late_error, request, error, where), context, context)
    return response


class StreamSender:
    """A streamed body on its way to one client.

    Attributes:
        start: the message that begins the response; None once it is sent.
        left: bytes that a Content-Length still allows; None without one.
        tick_every_s: see `bridge.ticking`.
    """

    __slots__ = (
        "_interrupt", "_is_closing", "_is_over", "_is_stopped", "_last_s", "_lock", "_request", "_response", "_send",
        "_ticker", "left", "start", "tick_every_s",
    )  # fmt: skip

    def __init__(self, request: Request, response: Response, start: dict[str, Any], send: Send) -> None:
        self._request = request
        self._response = response
        self._send = send
        self._lock = _lock() if response.idle_s else None
        self._last_s = 0.0
        self._is_closing = self._is_over = self._is_stopped = False
        self._interrupt: Interrupt | None = None
        self._ticker: Ticker | None = None
        self.start: dict[str, Any] | None = start
        self.left: int | None = None
        self.tick_every_s = response.idle_s / 4 or 1.0

    async def run(self, body: Any) -> None:
        """Send the body to its end, or until something ends it.

        Raises:
            ClientGone: the server says so.
            Exception: what the body raised.
        """
        try:
            if await self._run_items(body) and not await self._unless_left(self._send_part(b"", more=False)):
                log_cut(self._request)
        finally:
            if self._ticker is not None:
                self._ticker.remove(self)

    async def _run_items(self, body: Any) -> bool:
        """Send the items; tell whether the stream then has to be ended."""
        from ..bridge.to_thread import Trip

        if hasattr(body, "__aiter__"):
            context, items = self._request._context, self.send_items(body, self._response.encode_item)
            if self._request.app.debug:
                items = watched(items, self._request)
            work: Awaitable[None] = Trip(self._request, items, context, context)
        else:
            work = self.send_ahead(body)
        try:
            is_whole = await self._unless_left(work)
        finally:
            self._is_over, self._is_closing, self._interrupt = True, False, None
        if is_whole and self.left:
            raise RuntimeError(f"the streamed body ended {self.left} bytes before its Content-Length")
        if not (is_whole or self._response.ends_at_stop):
            log_cut(self._request)
            return False
        return True

    async def _unless_left(self, work: Awaitable[None]) -> bool:
        """Await what sends; tell whether it came to its end before that of the server. Raises: ClientGone."""
        from ..bridge.interrupting import Interrupted, unless

        self._is_stopped = False
        try:
            await unless(work, self.watch)
        except Interrupted:
            if not self._is_stopped:
                raise ClientGone from None
            return False
        return True

    # --- the items ---

    async def send_items(self, body: AsyncIterable[Any], encode: Callable[[Any], bytes] = as_bytes) -> None:
        """Send the items of an async body as far as a Content-Length allows, and close it."""
        from anyio.lowlevel import checkpoint

        send, is_plain, count, now = self._send, encode is as_bytes, 0, time.monotonic
        iterator: Any = body
        try:
            iterator = aiter(body)
            if self._response.opening or self._response.starts_at_once:
                await self._send_part(self._response.opening)
                self._last_s = now()
            turn_s = now() + _TURN_EVERY_S
            async for item in iterator:
                chunk: bytes = item if is_plain and item.__class__ is bytes else encode(item)
                if self.left is not None:
                    chunk = self._count(chunk)
                if chunk:
                    if self.start is None and self._lock is None:
                        try:
                            await send({"type": "http.response.body", "body": chunk, "more_body": True})
                        except OSError as exc:
                            raise ClientGone from exc
                    else:
                        await self._send_part(chunk)
                    count += 1
                    self._last_s = now_s = now()
                    if count == _TURN_EVERY or now_s > turn_s:
                        await checkpoint()
                        count, turn_s = 0, now() + _TURN_EVERY_S
                if self.left == 0:
                    break
        finally:
            self._is_closing, self._interrupt = True, None  # what is closed is not to be interrupted
            await close_shielded(iterator, body)

    async def send_ahead(self, body: Any) -> None:
        """Send the items of a sync body, which one worker thread makes, from the first step to the closing."""
        from anyio import Event

        from ..bridge.run_ahead import LoopBell, RunAhead, ThreadBell, make_in_thread
        from ..bridge.to_thread import sync_side_of

        side = sync_side_of(self._request)
        try:
            side.become("stream_threads")
            await side.engage()
        except BaseException:  # cancelled, or kept waiting for a thread, of which it needs another kind to close
            side.become("threads")
            await close_body(self._request, body)
            raise
        room, news = ThreadBell(), LoopBell(side.soon, Event)
        ahead = RunAhead(maker=room, taker=news)
        context, encode = self._request._context, self._response.encode_item
        making = side.start(make_in_thread, ahead, room, body, encode, context)
        try:
            await self.send_items(_taken(ahead, news))
        finally:
            ahead.close()
            await making.ended(self._gives_up)
            if not making.has_ended:
                side.leave_behind()
                self._request._context = context.copy()  # that thread is in it, and may stay there
                log_left_behind(f"a thread that waits for the next item of {body!r}")
            elif ahead.failure is not None and not isinstance(ahead.failure, ClientDisconnected):
                log_failure(f"a stream that was left did not close: {body!r}", ahead.failure)

    def _gives_up(self) -> bool:
        """Tell whether a thread that does not come to its next item would keep a server from stopping in time."""
        stopping_s = stopping_for()
        return stopping_s is not None and stopping_s > self._request.limits.streams_stop_s

    def _count(self, chunk: bytes) -> bytes:
        left = self.left or 0
        self.left = left - min(left, len(chunk))
        return chunk[:left]

    async def _send_part(self, part: bytes, *, more: bool = True) -> None:
        """Send a part of the body, behind the start of the response where that is not sent. Raises: ClientGone."""
        message = {"type": "http.response.body", "body": part, "more_body": more}
        try:
            if self.start is not None:
                start, self.start = self.start, None
                await self._send(start)
                if self._request._has_body:
                    connection_of(self._request).answered()
            if self._lock is None:
                await self._send(message)
            else:
                async with self._lock:
                    await self._send(message)
        except OSError as exc:
            raise ClientGone from exc

    # --- what may come between ---

    async def watch(self, interrupt: Interrupt) -> None:
        """Interrupt the stream when the client leaves, or when the server has stopped for long enough."""
        from ..bridge.ticking import ticker_here

        if not self._is_closing:  # which may be the first that it waits for, and so what starts this
            self._interrupt = interrupt
        self._ticker = ticker_here()
        self._ticker.add(self)
        await connection_of(self._request).gone()
        if self._interrupt is not None:
            interrupt()

    def tick(self, now: float, stopping_s: float | None) -> None:
        """Look at the time: the stream may have to end, or to show that it is alive."""
        response = self._response
        if stopping_s is not None and self._interrupt is not None:
            if (response.ends_at_stop and not self._is_over) or stopping_s > self._request.limits.streams_stop_s:
                self._is_stopped = True
                self._interrupt()
        elif self._lock is not None and now - self._last_s >= response.idle_s and self.start is None:
            self._last_s = now
            if self._ticker is not None and not self._lock.locked():
                self._ticker.start_task(self._send_idle, self._lock)

    async def _send_idle(self, lock: Any) -> None:
        try:
            async with lock:
                if not self._is_over:  # nothing may follow the last part
                    message = {"type": "http.response.body", "body": self._response.idle_item, "more_body": True}
                    await self._send(message)
        except Exception:  # however this server says that nobody is there; the stream itself will learn of it
            log_disconnect(self._request)


def _lock() -> Any:
    """Make what keeps two tasks from sending at once: the stream's own, and the one of an idle item."""
    from anyio import Lock

    return Lock(fast_acquire=True)  # the loop gets its turns as with any stream


async def _taken(ahead: RunAhead, news: LoopBell) -> AsyncIterator[bytes]:
    """Give the chunks that a maker in a thread has made."""
    while (chunks := ahead.take()) is not None:
        for chunk in chunks:
            yield chunk
        if not chunks:
            await news.wait()


async def close_shielded(iterator: Any, body: Any) -> None:
    """Close an async iterator and what it came from, in the task that iterated it, be that cancelled or not."""
    from anyio import CancelScope

    from ..bridge.interrupting import aclose_iterated

    with CancelScope(shield=True):
        await aclose_iterated(iterator, body)


async def close_body(request: Request, body: Any) -> None:
    """Close a body that was not iterated, on its own side and in the request's context."""
    from anyio import CancelScope

    from ..bridge.to_thread import Trip, sync_side_of

    context = request._context
    sync_side_of(request).be_patient()
    with CancelScope(shield=True):
        await Trip(request, _close(body), context, context)


async def _close(body: Any) -> None:
    if hasattr(body, "aclose"):
        from ..bridge.interrupting import aclose_iterated

        await aclose_iterated(body, body)
    elif hasattr(body, "close"):
        await on_sync_side(close_iterated, body, body)
