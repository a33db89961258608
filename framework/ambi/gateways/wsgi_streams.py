"""Sending a streamed body under WSGI: item by item, whichever colour it has, until the server closes it.

    sync body                      iterated by the server's own thread, in the request's context
    the same, that has to be       one worker thread iterates it and runs ahead; the server's thread can show life
    shown alive, or to be ended    and see a stop
    one that can be waited for     iterated by the server's own thread, which looks at the time itself
    async body                     one task on the loop thread iterates it and runs ahead

Facts
- The response starts with its first item, so that a failure before is a clean 500; one with an `opening` at once.
- That the client left is seen when the server writes: it then calls `close`. So an idle item finds it out.
- `close` may come from another thread, even while an item is being made; twice; and before the first item.
- An OSError that says ECONNRESET is what servers take for a client that left: it cuts the connection, and no server
  but granian logs it as an error.
"""

from __future__ import annotations

import errno
import time
from functools import partial

from ..core.ending import close_iterated
from ..core.errors import ClientDisconnected, ConnectionLost
from ..core.log import log_cut, log_disconnect, log_raised
from ..core.response import as_bytes, declared_length, take_body
from .entry import watched
from .wsgi_connection import client_has_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context
    from typing import Any

    from ..core.headers import Pair
    from ..core.request import Request
    from ..core.response import Response

_LOOK_EVERY_S = 0.5


class StreamCut(ConnectionResetError):
    """The server stops, and the stream would not come to its own end."""


_END = object()


class StreamedBody:
    """The iterable of a streamed body, begun: its first item is there, so the response may begin.

    Counts bytes against a Content-Length: what is too much is cut, what is missing raises, so that the server drops
    the connection.

    Raises:
        Exception: what the body raised before its first item, or for a length that is no number. The body is closed.
    """

    def __init__(self, request: Request, response: Response, pairs: list[Pair]) -> None:
        request.has_begun = True
        self._request = request
        self._response = response
        self._context = request._context
        self._has_begun = self._is_left = False
        self._look = partial(_look, request, response)  # no method: those who call it are held by this object
        self._source = self._chunks_of(response, self._context)
        try:
            length = declared_length(pairs)
            chunks = self._source if length is None else _counted(self._source, length)
            first: bytes = response.opening or (b"" if response.starts_at_once else next(chunks, b""))
        except BaseException:
            self.close()
            raise
        self.has_items = bool(first) or response.starts_at_once
        self._iterator = _begun(request, first, chunks, self._source)

    def __iter__(self) -> Iterator[bytes]:
        return self._iterator

    def __next__(self) -> bytes:
        chunk: bytes = next(self._iterator)
        return chunk

    def _chunks_of(self, response: Response, context: Context) -> Any:
        body = self._body = take_body(response)
        if is_async_only(body):
            from ..bridge.run_ahead import ThreadTaker
            from ..bridge.to_loop import LoopMaker

            maker = self._request._loop_side = LoopMaker(body, response.encode_item, context)
            if self._request.app.debug:
                maker.drive = partial(watched, request=self._request)
            return ThreadTaker(maker, self._look, response.idle_s / 4 or 1.0)
        if response.idle_s or response.ends_at_stop:
            look_every_s = response.idle_s / 4 or 1.0
            if hasattr(body, "next_within"):
                return PolledChunks(body, response.encode_item, context, self._look, look_every_s)
            from ..bridge.run_ahead import ThreadMaker, ThreadTaker

            return ThreadTaker(ThreadMaker(body, response.encode_item, context), self._look, look_every_s)
        return self._inline(body, response.encode_item)

    def _inline(self, body: Any, encode: Callable[[Any], bytes]) -> Iterator[bytes]:
        """Make the chunks of a sync body in the thread that asks, each step in the request's context."""
        self._has_begun = True
        run: Callable[..., Any] = self._context.run
        is_plain, now = encode is as_bytes, time.monotonic
        iterator: Any = None
        item: Any
        looked_s = now()
        try:
            iterator = run(iter, body)
            while (item := run(next, iterator, _END)) is not _END:
                chunk: bytes = item if is_plain and item.__class__ is bytes else run(encode, item)
                if self._is_left:  # closed by another thread while this one made the item
                    return
                if now() - looked_s > _LOOK_EVERY_S:
                    looked_s = now()
                    if self._look(0.0) is None:
                        return
                if chunk:
                    yield chunk
        finally:
            run(close_iterated, iterator, body)

    def close(self) -> bool:
        """Close the body where it was iterated. Idempotent, from any thread, and while an item is being made.

        Returns:
            Whether it is closed; False while another thread makes an item, in the request's context.
        """
        self._is_left = True
        source = self._source
        if not hasattr(source, "gi_frame"):
            return _close_ahead(self._request, source)
        if not self._has_begun:
            self._has_begun = True
            source.close()
            self._context.run(close_iterated, self._body, self._body)
        else:
            try:
                source.close()
            except ValueError as exc:
                if str(exc) != "generator already executing":  # it ends when the item is made
                    raise
                _leave_context(self._request)
                return False
        return True


def _begun(request: Request, first: bytes, chunks: Any, source: Any) -> Iterator[bytes]:
    """Give the first chunk and the others: as a generator, since some wrappers close nothing but what they iterate."""
    try:
        try:
            yield first
            yield from chunks
        finally:
            if hasattr(source, "gi_frame"):
                source.close()
            else:
                _close_ahead(request, source)
    except Exception as exc:
        log_unless_cut(request, exc)
        raise


def _close_ahead(request: Request, source: Any) -> bool:
    """Close chunks that are made elsewhere; tell whether they are closed, or their maker still works."""
    is_closed: bool = source.close(_time_to_close_s(request))
    if not is_closed:
        _leave_context(request)
    return is_closed


def _leave_context(request: Request) -> None:
    """Let the request go on in a copy of its context: another thread is in that, and may stay there for a while."""
    request._context = request._context.copy()


def log_unless_cut(request: Request, error: Exception) -> None:
    """Log what a stream raises to the server, unless there is nothing to say of it."""
    if not is_cut(error):
        log_raised(request, error)


def is_cut(error: BaseException) -> bool:
    """Tell whether what a stream raises to the server is how we cut it, or how a client that left is told."""
    from ..bridge.run_ahead import LoopStopped

    return isinstance(error, (ClientDisconnected, StreamCut, LoopStopped))


def _time_to_close_s(request: Request) -> float:
    """Give how long to wait for a thread that does not come to its next item: less when the server stops."""
    from ..bridge.run_ahead import CLOSE_S
    from ..bridge.stopping import stopping_for

    stopping_s = stopping_for()
    if stopping_s is None:
        return CLOSE_S
    return min(CLOSE_S, max(_LOOK_EVERY_S, request.limits.streams_stop_s - stopping_s))


def _look(request: Request, response: Response, quiet_s: float) -> bytes | None:
    """Look at the time: the stream may have to end, or to show that it is alive.

    Args:
        quiet_s: for how long nothing has been sent.

    Returns:
        What to send meanwhile, b"" for nothing; None for a stream that ends now.

    Raises:
        ConnectionLost: the client left; where it closed its sending half alone, it must not take a part for the whole.
        StreamCut: the server stops, and the stream would not come to its own end.
    """
    from ..bridge.stopping import stopping_for

    stopping_s = stopping_for()
    if stopping_s is not None and response.ends_at_stop:
        return None
    if response.ends_when_left and quiet_s and client_has_left(request.native):
        log_disconnect(request)
        raise ConnectionLost("the client left before its answer was complete")
    if stopping_s is not None and stopping_s > request.limits.streams_stop_s:
        log_cut(request)
        raise StreamCut(errno.ECONNRESET, "the server stops")
    return response.idle_item if response.idle_s and quiet_s >= response.idle_s else b""


class PolledChunks:
    """The chunks of a body that can be waited for with a time-out: so the server's own thread looks at the time.

    Args:
        body: has `next_within(timeout_s)`, which raises TimeoutError, and `close`, which any thread may call.
        look: as for `bridge.run_ahead.ThreadTaker`.
        look_every_s: how often at least, and about twice a second otherwise.
    """

    __slots__ = ("_body", "_encode", "_is_waiting", "_look", "_look_every_s", "_looked_s", "_run", "_sent_s")

    def __init__(
        self,
        body: Any,
        encode: Callable[[Any], bytes],
        context: Context,
        look: Callable[[float], bytes | None],
        look_every_s: float,
    ) -> None:
        self._body = body
        self._encode = encode
        self._run = context.run
        self._look = look
        self._look_every_s = min(look_every_s, _LOOK_EVERY_S)
        self._is_waiting = False
        self._sent_s = self._looked_s = time.monotonic()

    def __iter__(self) -> PolledChunks:
        return self

    def __next__(self) -> bytes:
        chunk: bytes | None = b""
        while not chunk:
            now = time.monotonic()
            if now - self._looked_s >= self._look_every_s:
                self._looked_s = now
                chunk = self._look(now - self._sent_s)
                if chunk is None:
                    raise StopIteration
            if not chunk:
                chunk = self._make()
        self._sent_s = time.monotonic()
        return chunk

    def _make(self) -> bytes:
        """Give the next chunk, b"" when none came in time. Raises: StopIteration at the end."""
        self._is_waiting = True
        try:
            item = self._run(self._body.next_within, self._look_every_s)
            return self._run(self._encode, item)
        except TimeoutError:
            return b""
        finally:
            self._is_waiting = False

    def close(self, within_s: float = 0.0) -> bool:
        """Close the body; who waits for its next item gets no more. Tell whether nobody does."""
        self._body.close()
        return not self._is_waiting


def _counted(chunks: Iterator[bytes], left: int) -> Iterator[bytes]:
    """Give so many bytes. Raises: RuntimeError when there are fewer."""
    for chunk in chunks:
        if left:
            yield chunk[:left]
        left -= min(left, len(chunk))
        if not left:
            return
    if left:
        raise RuntimeError(f"the streamed body ended {left} bytes before its Content-Length")


def is_async_only(body: Any) -> bool:
    """Tell whether a body needs an event loop; one of both colours is iterated here as any other."""
    return hasattr(body, "__aiter__") and not hasattr(body, "__iter__")


def close_body(response: Response, context: Context) -> None:
    """Close a body that is not sent."""
    body = take_body(response)
    if is_async_only(body):
        from ..bridge.to_loop import LoopMaker

        LoopMaker(body, response.encode_item, context).drop()
    else:
        context.run(close_iterated, body, body)
