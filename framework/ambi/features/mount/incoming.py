"""The body of a request on its way to an ASGI guest, in messages.

Facts
- What a layer has loaded is one message. Else each message is what the server gives next, as the guest asks for it.
- Under WSGI the server's thread reads, when it serves the loop. A read that has begun there may not be cancelled: its
  bytes would be lost. One that has not may be.
- Several tasks of a guest may ask; one after the other is served.
"""

from __future__ import annotations

import sys

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from ...core.body import CountedSource
from ...core.sides import SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.request import Request


class Incoming:
    """The body of one request.

    Args:
        request: as the guest sees it.
        max_body_bytes: None leaves the limit to the guest.

    Attributes:
        lock: held by the task that reads.
        is_read: the guest has all of it.
        is_reading: a read is under way.
        reads_in_thread: the server's thread reads.

    Raises:
        HTTPError: 413 for a body that says it is larger; 411 where the server cannot tell where it ends.
    """

    def __init__(self, request: Request, max_body_bytes: int | None) -> None:
        self._request = request
        self._source: CountedSource | None = None
        self.lock = anyio.Lock()
        self.is_read = self.is_reading = self.reads_in_thread = False
        if request._has_body and not request.is_loaded:
            source = request._edge.body_source(request)
            self._source = CountedSource(source, sys.maxsize if max_body_bytes is None else max_body_bytes)
            self._has_ended: Callable[[], bool] = lambda: source.ended
            self.reads_in_thread = source.side is SYNC

    def at_hand(self) -> dict[str, Any] | None:
        """Give the one message of a body for which nothing has to be read; None of any other."""
        if self._source is not None:
            return None
        self.is_read = True
        body = self._request.body if self._request.is_loaded else b""
        return {"type": "http.request", "body": body, "more_body": False}

    async def next(self) -> dict[str, Any]:
        """Read the next message. The lock must be held, and the body not be read.

        Raises:
            HTTPError: 413 past the limit, 408 without progress, 400 for framing that the server refused.
            ClientDisconnected: the client left first.
        """
        if self.reads_in_thread:
            await checkpoint_if_cancelled()
        self.is_reading = True
        chunk = b""
        try:
            with anyio.CancelScope(shield=self.reads_in_thread):
                chunk = await self._source.read_async() if self._source is not None else b""
        finally:
            self.is_reading = False
        self.is_read = not chunk or self._has_ended()
        return {"type": "http.request", "body": chunk, "more_body": not self.is_read}
