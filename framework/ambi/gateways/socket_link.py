"""One WebSocket on a lent socket: wsproto between the handler and the bytes. All of it runs on the loop thread.

Facts
- One task reads. It answers pings and close frames itself, and keeps messages for the handler within bounds; while
  there is no room it does not read, so that the client waits (and is not pinged: its answer could not be read).
- One frame is written at a time. A control frame that falls due meanwhile goes out behind it; of several pongs only the
  last, as RFC 6455 5.5.3 allows.
- A frame that has been made is written to its end, also where its sender is cancelled: the compressor has seen it, and
  the client perhaps its beginning. One that waits behind it has not been made yet, so nothing piles up.
- A connection that failed by the client's doing is closed with the code that says why, and not read any more
  (RFC 6455 7.1.7); what the client still sends is thrown away for a moment, since closing a socket with unread bytes
  would tear the close frame out of the client's hands.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha1

import anyio
from anyio.lowlevel import checkpoint
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from ..bridge.inbox import Inbox
from ..bridge.lent_socket import LentSocket
from ..bridge.ticking import ticker_here
from ..core.errors import HTTPError
from ..core.websocket import WebSocketClosed
from .deflate import agree
from .entry import message_bytes, offered_subprotocols

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from wsgiref.types import WSGIEnvironment

    from wsproto.events import Event

    from ..core.headers import Pair
    from ..core.limits import Limits

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LINGER_S = 1.0
_TURN_EVERY = 16
"""Frames written between two turns of the event loop, where the socket takes all at once."""
_FIELDS = ("HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_PROTOCOL", "HTTP_SEC_WEBSOCKET_EXTENSIONS")


def check_handshake(environ: WSGIEnvironment) -> None:
    """Check what the client says of the handshake. Raises: HTTPError 400, 426. See: RFC 6455 4.2.1 and 4.4."""
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise HTTPError(426, "version 13 of WebSocket was expected", headers={"sec-websocket-version": "13"})
    try:
        key = b64decode(environ.get(_FIELDS[0], ""), validate=True)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise HTTPError(400, "the Sec-WebSocket-Key is not 16 bytes in base64")


class SocketLink:
    """A connection on a socket that a WSGI server lends.

    Attributes:
        accepted: the handshake has been answered, so nothing can be in HTTP any more.
        is_abandoned: the server stops, and the handler took too long over that.
        tick_every_s: see `bridge.ticking`.
    """

    tick_every_s = 1.0

    def __init__(self, environ: WSGIEnvironment, lent: socket.socket, limits: Limits) -> None:
        self._key, protocols, self._extensions = (environ.get(name, "") for name in _FIELDS)
        self.subprotocols = offered_subprotocols(protocols)
        self.accepted = self.is_abandoned = False
        self._limits = limits
        self._socket = LentSocket(lent)
        self._inbox = Inbox()
        self._over = anyio.Event()
        self._lock = anyio.Lock(fast_acquire=True)
        self._urgent: dict[str, bytes] = {}
        self._kept = bytearray()
        self._size = 0
        self._closing: WebSocketClosed | None = None
        self._is_clean = False
        self._pinged_at: float | None = None
        self._written = 0

    @property
    def gone(self) -> WebSocketClosed | None:
        """How the connection ended; None while it is open."""
        return self._inbox.gone

    # --- for the handler ---

    async def accept(self, subprotocol: str | None, pairs: list[Pair], max_message_bytes: int) -> None:
        """Answer the handshake. Raises: WebSocketClosed. See: RFC 6455 4.2.2."""
        self._max_message_bytes = max_message_bytes
        agreed = agree(self._extensions, max_message_bytes)
        accept = b64encode(sha1(self._key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode("ascii")
        fields = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accept), *pairs]
        if subprotocol is not None:
            fields.append(("sec-websocket-protocol", subprotocol))
        if agreed is not None:
            fields.append(("sec-websocket-extensions", agreed[1]))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        self._connection = Connection(ConnectionType.SERVER, [] if agreed is None else [agreed[0]])
        self.accepted = True
        self._heard_at = self._message_at = self._socket.loop.time()
        self._socket.borrow()
        async with self._lock:
            await self._write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode("latin-1"))
        self._socket.start(self._read())
        ticker_here().add(self)

    async def receive(self) -> str | bytes:
        """Give the next message. Raises: WebSocketClosed when there will be none."""
        return await self._inbox.take()

    async def send(self, message: str | bytes) -> None:
        """Send a message; returns when the socket has taken it. Raises: WebSocketClosed."""
        event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        await self._transmit(event)
        self._message_at = self._socket.loop.time()

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, of which nobody takes any more messages."""
        self._inbox.discard()
        await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        """Send a close frame, and wait a while for the client's. See: RFC 6455 7.1.2."""
        if self._closing is None:
            self._closing = WebSocketClosed(code, reason)
            with suppress(WebSocketClosed), anyio.move_on_after(self._limits.websocket_pong_s):
                await self._transmit(CloseConnection(code=code, reason=reason))
        with anyio.move_on_after(self._limits.websocket_close_s):
            await self._over.wait()
        self._end(self._closing)

    # --- for the gateway ---

    async def leave(self) -> None:
        """Stop reading, and end the connection."""
        ticker_here().remove(self)
        await self._socket.stop_tasks()
        if not self._is_clean:
            self._socket.shut_down_writing()
            with suppress(OSError), anyio.move_on_after(_LINGER_S):
                while await self._socket.read(_LINGER_S):
                    pass
        self._socket.shut_down()

    def release(self) -> None:
        """Give the socket back; whatever happened to the loop thread."""
        if self.accepted:
            self._socket.shut_down()
            self._socket.give_back()

    def tick(self, now: float, stopping_s: float | None) -> None:
        """Close when the server is about to stop; abandon a handler that goes on for too long."""
        if stopping_s is None:
            return
        self.is_abandoned = stopping_s > self._limits.streams_stop_s
        if self._closing is None and self.gone is None:
            self._socket.start(self._close(1001, "the server stops"))

    # --- writing ---

    async def _transmit(self, event: Event) -> None:
        async with self._lock:
            if self._socket.unsent:  # of one who was cancelled
                await self._flush()
            try:
                data = self._connection.send(event)
            except LocalProtocolError:  # it was closed while this waited for its turn
                gone = self.gone or self._closing or WebSocketClosed()
                raise WebSocketClosed(gone.code, gone.reason) from None
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        """Write a frame, then what fell due meanwhile. Under the lock. Raises: WebSocketClosed."""
        self._socket.put(data)
        self._written += 1
        try:
            if not self._written % _TURN_EVERY:
                await checkpoint()
            await self._flush()
        except anyio.get_cancelled_exc_class():
            self._socket.start(self._finish())
            raise

    async def _flush(self) -> None:
        """Write what there is, and what falls due meanwhile. Under the lock. Raises: WebSocketClosed."""
        try:
            await self._socket.flush(self._limits.websocket_pong_s)
            while self._urgent:
                self._socket.put(self._urgent.pop(next(iter(self._urgent))))
                await self._socket.flush(self._limits.websocket_pong_s)
        except OSError as exc:
            self._end(WebSocketClosed())
            raise WebSocketClosed from exc

    async def _finish(self) -> None:
        """Write the rest of a frame for one who was cancelled."""
        with suppress(WebSocketClosed):
            async with self._lock:
                await self._flush()

    async def _control(self, event: Event) -> None:
        """Send a control frame, now or behind the frame that is being written."""
        data = self._connection.send(event)
        if self._lock.locked():
            self._urgent[type(event).__name__] = data
            return
        async with self._lock:
            await self._write(data)

    # --- reading ---

    async def _read(self) -> None:
        """Read until the connection ends."""
        gone = WebSocketClosed()
        try:
            while (ended := await self._read_some()) is None:
                pass
            gone = ended
        except (OSError, WebSocketClosed) as exc:
            gone.__cause__ = exc
        finally:
            self._over.set()
            self._end(self._closing or gone)

    async def _read_some(self) -> WebSocketClosed | None:
        """Read what there is and deal with it; give how the connection ended when it did."""
        data = await self._socket.read(self._patience_s())
        if data is None:
            return await self._be_impatient()
        if not data:
            return WebSocketClosed()
        self._heard_at, self._pinged_at = self._socket.loop.time(), None
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                if not await self._take_part(event):
                    return await self._fail(1009, f"a message has {self._max_message_bytes} bytes at most")
            elif isinstance(event, Ping):
                if self._connection.state is ConnectionState.OPEN:
                    await self._control(event.response())
            elif isinstance(event, CloseConnection):
                return await self._be_closed(event)
        return None

    async def _take_part(self, event: TextMessage | BytesMessage) -> bool:
        """Take a part of a message, or the last of it; False when it is too large."""
        part = event.data if isinstance(event.data, str) else bytes(event.data)
        self._size += message_bytes(part)
        if self._size > self._max_message_bytes:
            return False
        if self._kept or not event.message_finished:  # as bytes: in a list, small parts would take more than they count
            self._kept += part.encode() if isinstance(part, str) else part
        if event.message_finished:
            if self._kept:
                part = self._kept.decode() if isinstance(part, str) else bytes(self._kept)
                self._kept = bytearray()
            self._size = 0
            self._message_at = self._socket.loop.time()
            await self._inbox.room()
            self._inbox.put(part)
            self._heard_at = self._socket.loop.time()  # nothing could be heard while there was no room
        return True

    async def _be_closed(self, event: CloseConnection) -> WebSocketClosed:
        """Answer a close frame; or a violation of the protocol, which wsproto shows as one."""
        state = self._connection.state
        if state is ConnectionState.REMOTE_CLOSING:
            self._is_clean = True
            await self._control(event.response())
        elif state is ConnectionState.CLOSED:  # the answer to ours
            self._is_clean = True
        else:
            return await self._fail(int(event.code), event.reason or "")
        return WebSocketClosed(int(event.code), event.reason or "")

    async def _fail(self, code: int, reason: str) -> WebSocketClosed:
        """Fail the connection. See: RFC 6455 7.1.7."""
        with suppress(WebSocketClosed, LocalProtocolError):  # it may be closing already
            await self._control(CloseConnection(code=code, reason=reason))
        return WebSocketClosed(code, reason)

    def _end(self, gone: WebSocketClosed) -> None:
        self._inbox.end(gone)

    # --- waiting ---

    def _patience_s(self) -> float:
        """Tell how long to wait for the next bytes before something has to be done."""
        limits = self._limits
        quiet_until = (
            self._heard_at + limits.websocket_ping_s
            if self._pinged_at is None
            else self._pinged_at + limits.websocket_pong_s
        )
        due = min(quiet_until, self._message_at + limits.websocket_idle_s)
        return max(0.0, due - self._socket.loop.time())

    async def _be_impatient(self) -> WebSocketClosed | None:
        """Ping a silent client, or give up one that does not answer or says nothing."""
        now = self._socket.loop.time()
        if self._closing is not None:
            self._heard_at = self._message_at = now  # `close` watches the time
            return None
        if now >= self._message_at + self._limits.websocket_idle_s:
            self._message_at = now
            self._socket.start(self._close(1001, "no message for a long time"))
        elif self._pinged_at is None:
            self._pinged_at = now
            await self._control(Ping())
        elif now >= self._pinged_at + self._limits.websocket_pong_s:
            return await self._fail(1011, "no answer to a ping")
        return None
