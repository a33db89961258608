"""Sending a streamed body under WSGI: item by item, whichever colour it has, until the server closes it.

    sync body                      iterated by the server's own thread, in the request's context
    sync body with an idle item    one worker thread iterates it and runs ahead; the server's thread can show life
    async body                     one task on the loop thread iterates it and runs ahead

Facts
- The response starts with its first item, so that a failure before is a clean 500; one with an `opening` at once.
- That the client left is seen when the server writes: it then calls `close`. So an idle item finds it out.
- `close` may come from another thread, even while an item is being made; twice; and before the first item.
- An OSError that says ECONNRESET is what servers take for a client that left: it cuts the connection, and no server
  logs it as an error.
"""

from __future__ import annotations

import _thread
import errno
import time

from ..core.log import log_cut
from ..core.response import as_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context
    from typing import Any

    from ..core.request import Request
    from ..core.response import Response

_LOOK_EVERY_S = 0.5
_END = object()


class StreamedBody:
    """The iterator of a streamed body, begun: its first item is there, so the response may begin.

    Counts bytes against a Content-Length: what is too much is cut, what is missing raises, so that the server drops
    the connection.
    """

    def __init__(self, request: Request, response: Response, length: int | None, context: Context) -> None:
        self._request = request
        self._response = response
        self._left = length
        self._sent_s = self._looked_s = time.monotonic()
        self._chunks = self._iterate(response, context)
        self._is_over = False
        self._first: bytes | None = None
        try:
            self._first = response.opening or next(self, b"")
        except BaseException:
            self.close()
            raise
        self.has_items = bool(self._first)

    def _iterate(self, response: Response, context: Context) -> Any:
        body: Any = response.body
        if hasattr(body, "__aiter__"):
            from ..bridge.run_ahead import ThreadTaker
            from ..bridge.to_loop import LoopMaker

            return ThreadTaker(LoopMaker(body, response.encode_item, context), self._waited)
        if response.idle_s:
            from ..bridge.run_ahead import ThreadMaker, ThreadTaker

            return ThreadTaker(ThreadMaker(body, response.encode_item, context), self._waited)
        return InlineChunks(body, response.encode_item, context)

    def __iter__(self) -> StreamedBody:
        return self

    def __next__(self) -> bytes:
        chunk, self._first = self._first, None
        if chunk is None:
            chunk = b"" if self._is_over else next(self._chunks, b"")
            self._sent_s = now_s = time.monotonic()
            if now_s - self._looked_s > _LOOK_EVERY_S:
                self._looked_s = now_s
                if self._must_stop():
                    raise StopIteration
            if chunk and self._left is not None:
                chunk = self._count(chunk)
        if chunk:
            return chunk
        if self._left and not self._is_over:
            raise RuntimeError(f"the streamed body ended {self._left} bytes before its Content-Length")
        raise StopIteration

    def _count(self, chunk: bytes) -> bytes:
        """Cut what is more than the Content-Length; raise StopIteration when nothing is left of the item."""
        left = self._left or 0
        self._left = left - min(left, len(chunk))
        if not left:
            raise StopIteration
        return chunk[:left]

    def _must_stop(self) -> bool:
        """Tell whether the stream ends as the server stops.

        Raises:
            ConnectionResetError: it has an end of its own, which it will not reach: it is cut.
        """
        from ..bridge.stopping import stopping_for

        stopping_s = stopping_for()
        if stopping_s is None or self._is_over:
            return self._is_over
        if self._response.ends_at_stop:
            self._is_over = True
        elif stopping_s > self._request.limits.streams_stop_s:
            self._is_over = True
            log_cut(self._request)
            raise ConnectionResetError(errno.ECONNRESET, "the server stops")
        return self._is_over

    def _waited(self) -> bytes:
        """Look at the time while no item comes; give what shows the client that the stream is alive."""
        response = self._response
        if self._must_stop():
            raise StopIteration
        if response.idle_s and time.monotonic() - self._sent_s >= response.idle_s:
            return response.idle_item
        return b""

    def close(self) -> None:
        """Close the body where it was iterated. Idempotent, from any thread."""
        self._chunks.close()


class InlineChunks:
    """The chunks of a sync body, made by the thread that asks, each step in the request's context."""

    __slots__ = ("_body", "_encode", "_is_closed", "_is_left", "_is_plain", "_iterator", "_lock", "_run")

    def __init__(self, body: Any, encode: Callable[[Any], bytes], context: Context) -> None:
        self._body = body
        self._encode = encode
        self._is_plain = encode is as_bytes
        self._run = context.run
        self._lock = _thread.allocate_lock()
        self._is_left = self._is_closed = False
        self._iterator: Iterator[Any] | None = None

    def __next__(self) -> bytes:
        with self._lock:
            chunk = b"" if self._is_closed else self._make()
        if self._is_left:  # while it was made
            self.close()
            chunk = b""
        if chunk:
            return chunk
        raise StopIteration

    def _make(self) -> bytes:
        """Give the next chunk that is not empty, b"" at the end."""
        run = self._run
        if self._iterator is None:
            self._iterator = run(iter, self._body)
        while (item := run(next, self._iterator, _END)) is not _END:
            chunk: bytes = item if self._is_plain and item.__class__ is bytes else run(self._encode, item)
            if chunk:
                return chunk
        return b""

    def close(self) -> None:
        """Close what was iterated; where another thread is making an item, that one does it when it is made."""
        self._is_left = True
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self._is_closed:
                self._is_closed = True
                self._close()
        finally:
            self._lock.release()

    def _close(self) -> None:
        for closable in (self._iterator, self._body) if self._iterator is not self._body else (self._body,):
            close: Any = getattr(closable, "close", None)
            if close is not None:
                self._run(close)


def close_body(response: Response, context: Context) -> None:
    """Close a body that is not sent."""
    body: Any = response.body
    if hasattr(body, "__aiter__"):
        from ..bridge.to_loop import LoopMaker

        LoopMaker(body, response.encode_item, context).drop()
    elif hasattr(body, "close"):
        context.run(body.close)
