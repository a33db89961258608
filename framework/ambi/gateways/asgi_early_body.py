"""What comes of a body that nobody reads, while one waits for the client to leave. Loaded with the first such wait."""

from __future__ import annotations

from collections import deque

import anyio

from .asgi_connection import AHEAD_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .asgi_connection import Receive


class EarlyBody:
    """What comes of a body while one waits for its client to leave: whoever receives takes turns.

    Attributes:
        has_come: all of the body has.
        is_over: the request, so that nothing is received for it.
        turn: to receive.
    """

    def __init__(self, receive: Receive, *, may_ask: bool, is_taken: bool) -> None:
        self._receive = receive
        self._messages: deque[Any] = deque()
        self._bytes = 0
        self._may_ask = may_ask
        self._leaving: Any = None  # the message that says so
        self._news = anyio.Event()
        self.has_come = self.is_over = False
        self.turn = anyio.Semaphore(0 if is_taken else 1, fast_acquire=True)

    async def next(self) -> Any:
        """Give the next message, to one who reads the body."""
        self.ask()
        if not self._messages:
            async with self.turn:
                if not self._messages:
                    return await self._take()
        message = self._messages.popleft()
        self._bytes -= len(message.get("body", b""))
        self._news.set()
        return message

    def ask(self) -> None:
        """Let the client be asked for its body."""
        self._may_ask = True
        self._news.set()

    async def take_in(self) -> None:
        """Receive what nobody reads, until the client has left."""
        while not self._has_ended:
            if not self._may_ask or (self._bytes >= AHEAD_BYTES and not self.has_come):
                self._news = anyio.Event()
                await self._news.wait()
                continue
            async with self.turn:
                if not self._has_ended:
                    await self._keep()

    @property
    def _has_ended(self) -> bool:
        return self.is_over or self._leaving is not None

    async def _keep(self) -> None:
        is_body = not self.has_come
        try:
            message = await self._take()
        except Exception:  # whatever a server raises here: nobody is there to receive from any more
            self._leaving = message = {"type": "http.disconnect"}
        if is_body and self._leaving is None:
            self._messages.append(message)
            self._bytes += len(message.get("body", b""))

    async def _take(self) -> Any:
        """Receive a message, by the one whose turn it is."""
        if self._leaving is not None:
            return self._leaving
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._leaving = message
        elif not message.get("more_body", False):
            self.has_come = True
        return message
