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

import errno
import time
from functools import partial
from itertools import chain

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
    """The iterable of a streamed body, begun: its first item is there, so the response may begin.

    Counts bytes against a Content-Length: what is too much is cut, what is missing raises, so that the server drops
    the connection.
    """

    def __init__(self, request: Request, response: Response, length: int | None, context: Context) -> None:
        self._request = request
        self._response = response
        self._context = context
        self._has_begun = self._is_left = False
        self._source = self._chunks_of(response, context)
        chunks = self._source if length is None else _counted(self._source, length)
        try:
            first: bytes = response.opening or next(chunks, b"")
        except BaseException:
            self.close()
            raise
        self.has_items = bool(first)
        self._iterator = chain((first,), chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._iterator

    def __next__(self) -> bytes:
        chunk: bytes = next(self._iterator)
        return chunk

    def _chunks_of(self, response: Response, context: Context) -> Any:
        body: Any = response.body
        if hasattr(body, "__aiter__"):
            from ..bridge.run_ahead import ThreadTaker
            from ..bridge.to_loop import LoopMaker

            return ThreadTaker(LoopMaker(body, response.encode_item, context), self._look, response.idle_s / 4 or 1.0)
        if response.idle_s:
            from ..bridge.run_ahead import ThreadMaker, ThreadTaker

            return ThreadTaker(ThreadMaker(body, response.encode_item, context), self._look, response.idle_s / 4)
        return self._inline(body, response.encode_item)

    def _inline(self, body: Any, encode: Callable[[Any], bytes]) -> Iterator[bytes]:
        """Make the chunks of a sync body in the thread that asks, each step in the request's context."""
        self._has_begun = True
        run, is_plain, now = self._context.run, encode is as_bytes, time.monotonic
        iterator: Any = None
        looked_s = now()
        try:
            iterator = run(iter, body)
            for item in iter(partial(run, next, iterator, _END), _END):
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
            for closable in (iterator, body) if iterator is not body else (body,):
                if hasattr(closable, "close"):
                    run(closable.close)

    def _look(self, quiet_s: float) -> bytes | None:
        """Look at the time: the stream may have to end, or to show that it is alive.

        Args:
            quiet_s: for how long nothing has been sent.

        Returns:
            What to send meanwhile, b"" for nothing; None for a stream that ends now.

        Raises:
            ConnectionResetError: the server stops, and the stream would not come to its own end: it is cut.
        """
        from ..bridge.stopping import stopping_for

        response, stopping_s = self._response, stopping_for()
        if stopping_s is not None and response.ends_at_stop:
            return None
        if stopping_s is not None and stopping_s > self._request.limits.streams_stop_s:
            log_cut(self._request)
            raise ConnectionResetError(errno.ECONNRESET, "the server stops")
        return response.idle_item if response.idle_s and quiet_s >= response.idle_s else b""

    def close(self) -> None:
        """Close the body where it was iterated. Idempotent, from any thread, and while an item is being made."""
        self._is_left = True
        source = self._source
        if not hasattr(source, "gi_frame"):
            source.close()
        elif not self._has_begun:
            self._has_begun = True
            source.close()
            close_body(self._response, self._context)
        else:
            try:
                source.close()
            except ValueError as exc:
                if str(exc) != "generator already executing":  # it ends when the item is made
                    raise


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


def close_body(response: Response, context: Context) -> None:
    """Close a body that is not sent."""
    body: Any = response.body
    if hasattr(body, "__aiter__"):
        from ..bridge.to_loop import LoopMaker

        LoopMaker(body, response.encode_item, context).drop()
    elif hasattr(body, "close"):
        context.run(body.close)
