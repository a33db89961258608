"""One WebSocket of an ASGI guest: its messages in terms of ours, so that a guest has it wherever a handler has one.

The guest runs in the handler's own place, as it is through when the connection is.
"""

from __future__ import annotations

import anyio

from ...core.errors import ClientDisconnected, ConnectionLost
from ...core.websocket import WebSocketClosed
from .answers import GuestResponse
from .exchange import Bell, decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...core.websocket import WebSocket

_LOOK_EVERY_S = 0.5


class Conversation:
    """The messages of one WebSocket.

    Attributes:
        denial: the answer that the guest gave to the handshake instead; None for none.
        is_told: the guest knows that the client has left.
    """

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        self._is_connected = self.is_told = False
        self._changed = Bell()
        self._denying: dict[str, Any] | None = None
        self._denied: list[bytes] = []
        self.denial: GuestResponse | None = None

    async def receive(self) -> dict[str, Any]:
        """Give the guest its next message: the handshake, those of the client, and that it has left."""
        ws = self._ws
        if not self._is_connected:
            self._is_connected = True
            return {"type": "websocket.connect"}
        while not ws.accepted and not ws.closed and not ws.request.is_disconnected():
            with anyio.move_on_after(_LOOK_EVERY_S):
                await self._changed.wait()
        if not ws.accepted:
            self.is_told = True
            return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        try:
            message = await ws.receive()
        except WebSocketClosed as exc:
            self.is_told = True
            return {"type": "websocket.disconnect", "code": exc.code, "reason": exc.reason}
        kind = "text" if isinstance(message, str) else "bytes"
        return {"type": "websocket.receive", kind: message}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a message of the guest.

        Raises:
            ConnectionLost: the client has left; an OSError, as ASGI 2.4 has it.
            RuntimeError: a message that cannot come now.
        """
        kind = message["type"]
        try:
            if kind == "websocket.send":
                text = message.get("text")
                await self._ws.send(message["bytes"] if text is None else text)
            elif kind == "websocket.accept":
                await self._ws.accept(message.get("subprotocol"), decoded(message.get("headers") or ()))
            elif kind == "websocket.close":
                await self._ws.close(message.get("code") or 1000, message.get("reason") or "")
            elif kind in ("websocket.http.response.start", "websocket.http.response.body"):
                self._deny(kind, message)
            else:
                raise RuntimeError(f"the mounted application sent {kind!r}, which is no message of a WebSocket")
        except ClientDisconnected as exc:
            self.is_told = True
            raise ConnectionLost("the client has left") from exc
        self._changed.ring()

    def _deny(self, kind: str, message: dict[str, Any]) -> None:
        if self._ws.accepted or (self._denying is None) is (kind == "websocket.http.response.body"):
            raise RuntimeError(f"the mounted application sent {kind!r}, which cannot come now")
        if self._denying is None:
            self._denying = message
            return
        self._denied.append(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            start = self._denying
            self.denial = GuestResponse(b"".join(self._denied), start["status"], decoded(start.get("headers", ())))
