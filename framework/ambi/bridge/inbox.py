"""Messages of a WebSocket that have come and are not taken yet: bounded, so that a client cannot run ahead for ever.

Who reads from the connection waits for room, reads, and puts; the handler takes. While there is no room nothing is
read, and so the client waits. It works on asyncio and on trio, within one event loop.
"""

from __future__ import annotations

from collections import deque

import anyio

from ..core.websocket import WebSocketClosed

MAX_MESSAGES = 16
MAX_BYTES = 1 << 20


class Inbox:
    """A queue of messages with an end.

    Attributes:
        ahead: False: there is room only while the handler waits for a message.
        gone: how the connection ended; None while messages may come.
    """

    __slots__ = ("_bytes", "_changed", "_discards", "_messages", "_takers", "ahead", "gone")

    def __init__(self, *, ahead: bool = True) -> None:
        self.ahead = ahead
        self.gone: WebSocketClosed | None = None
        self._takers = 0
        self._messages: deque[str | bytes] = deque()
        self._bytes = 0
        self._discards = False
        self._changed: anyio.Event | None = None

    async def room(self) -> None:
        """Wait until there is room for a message."""
        while (
            len(self._messages) >= MAX_MESSAGES
            or self._bytes >= MAX_BYTES
            or not (self.ahead or self._takers > len(self._messages))
        ):
            await self._change()

    def put(self, message: str | bytes) -> None:
        """Add a message, unless nobody is going to take it."""
        if not self._discards:
            self._messages.append(message)
            self._bytes += len(message)
            self._notify()

    async def take(self) -> str | bytes:
        """Give the next message. Raises: WebSocketClosed when there will be none."""
        self._takers += 1
        self._notify()
        try:
            while not self._messages:
                if self.gone is not None:
                    raise WebSocketClosed(self.gone.code, self.gone.reason)
                await self._change()
        finally:
            self._takers -= 1
        message = self._messages.popleft()
        self._bytes -= len(message)
        self._notify()
        return message

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        while self.gone is None:
            await self._change()

    def end(self, gone: WebSocketClosed) -> None:
        """Say that no more messages come; the first to say so tells how it ended. What is there can still be taken."""
        if self.gone is None:
            self.gone = gone
        self._notify()

    def discard(self) -> None:
        """Drop what is there and what comes: nobody is going to take it."""
        self._discards = True
        self._messages.clear()
        self._bytes = 0
        self._notify()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def read_ahead(self) -> None:
        """Read whether or not the handler waits, from now on."""
        self.ahead = True
        self._notify()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
