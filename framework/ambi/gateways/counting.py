"""Counting what is sent under ASGI, for those who asked to be told; `FinishedBody` counts under WSGI."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ..core.ending import Sent

    Send = Callable[[Any], Awaitable[None]]


class CountingSend:
    """A `send` that takes note of what the server has taken."""

    def __init__(self, sent: Sent, send: Send) -> None:
        self._sent = sent
        self._send = send
        self._declared = 0

    async def __call__(self, message: Any) -> None:
        """Send a message, and count the bytes of the body in it."""
        sent, kind = self._sent, message["type"]
        if kind == "http.response.start":
            sent.status = message["status"]
            self._declared = _length_of(message["headers"])
        await self._send(message)
        if kind == "http.response.body":
            sent.body_bytes += len(message.get("body", b""))
        elif kind == "http.response.pathsend":
            sent.body_bytes = self._declared
        elif kind == "http.response.zerocopysend":
            sent.body_bytes += message["count"]
        sent.is_complete = kind != "http.response.start" and not message.get("more_body", False)


def counted(sent: Sent, send: Send) -> Send:
    """Give a `send` that counts; the one that does so already as it is."""
    return send if isinstance(send, CountingSend) else CountingSend(sent, send)


def _length_of(fields: Any) -> int:
    """Give the Content-Length; 0 without one. A file that the server sends by itself has one."""
    return next((int(value) for name, value in fields if name == b"content-length" and value.isdigit()), 0)
