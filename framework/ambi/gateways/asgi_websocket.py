"""WebSockets of an ASGI server: connect, run the handler through the pipeline, deny or close. See: ASGI 3.0, WebSocket.

Facts (seen on the servers)
- Sending to a client that has left raises OSError, or RuntimeError, or does nothing at all: so the connection is read
  beside the handler, and a handler that only sends finds out too.
- What has come is kept for the handler within bounds; a client that sends more waits. While it does, its leaving is not
  seen before the handler takes a message.
- A denial that is a whole response needs the server's `websocket.http.response`; without it there is a plain 403.
- granian does not close a connection while its `receive` waits, cancelled or not, and its `send` never tells that the
  client has left: so there it is read when the handler waits for a message, or has sent many without doing so.
- daphne closes with 1000 or with 3000 and more, and raises for any other code.
- Pings, the size of a frame and the closing handshake are the server's affair.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context

import anyio
from anyio.lowlevel import checkpoint

from ..bridge.inbox import Inbox
from ..bridge.ticking import ticker_here
from ..core.log import log_disconnect, log_raised
from ..core.pipeline import respond
from ..core.sides import ASYNC
from ..core.websocket import WebSocket, WebSocketClosed, closing
from .asgi import _drive, _encode, _finish, _start, leave_place, read_request, write_response
from .entry import message_bytes, plan_websocket, watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from anyio.abc import TaskGroup

    from ..bridge.ticking import Ticker
    from ..core.headers import Pair
    from ..core.plan import Plan
    from ..core.request import Request
    from ..core.response import Response
    from .asgi import Receive, Scope, Send, ServedApplication

_CHECKPOINT_EVERY = 16
"""Messages between two turns of the event loop, where the server's `send` waits for nothing."""

_READ_AFTER = 16
"""Messages sent, with none awaited, after which it is read from granian all the same."""


async def serve_websocket(app: ServedApplication, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one WebSocket connection of an ASGI server."""
    connects = False
    with suppress(OSError):  # as a server may say that it has left
        connects = (await receive())["type"] == "websocket.connect"
    if not connects:
        return  # the client has left already
    request, refusal = read_request(app, {**scope, "method": "GET"}, receive)
    request._has_body, request._body_source = False, None
    request._context = copy_context()
    link = ASGILink(request, receive, send)
    request._receive = link.receive_leaving
    request._websocket = WebSocket(request, link)
    if app.lifespans is not None and app.lifespans.pending:
        refusal = await _start(app, request) or refusal
    plan = plan_websocket(app, request, refusal)
    try:
        failure = await _run(request, plan, link, send)
        if failure is not None:
            log_raised(request, failure)
            raise failure
    finally:
        failure = None
        if request._sent is not None:
            request._websocket.tell_end(request._sent)
        request._receive = None  # as in `serve`
        if request._body_source is not None:
            request._body_source.close()
        if request.has_end:
            await _finish(request)
        elif request._sync_side is not None:
            request._sync_side.release()


async def _run(request: Request, plan: Plan, link: ASGILink, send: Send) -> Exception | None:
    """Run the pipeline with a reader beside it; then deny, or close what is open. Give an exception of the server's."""
    ws = request._websocket
    is_cancelled = True
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        link.group = group
        try:
            coroutine = respond(request, plan, ASYNC)
            if request.app.debug:
                coroutine = watched(coroutine, request, plan)
            response: Response = await _drive(request, coroutine, request._context)
            is_cancelled = False
            if not ws.accepted and link.gone is None:
                link.is_denying = True
                await _deny(request, response, send)
            elif ws.accepted and not ws.closed:
                await link.close(*closing(ws, response))
        except Exception as exc:  # kept out of the group, which would wrap it
            failure = exc
        finally:
            link.leave()
        group.cancel_scope.cancel()
    if is_cancelled and failure is None:  # the server stops, and the handler took too long over that
        log_disconnect(request)
    return failure


async def _deny(request: Request, response: Response, send: Send) -> None:
    """Answer the handshake with a response: the whole of it where the server can, else its plain 403."""
    if request._sync_side is not None:
        leave_place(request, response)
    if "websocket.http.response" not in (request.native.get("extensions") or ()):
        with suppress(OSError, RuntimeError):  # the client has left
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        if request._sent is not None:
            request._sent.status, request._sent.is_complete = 403, True
        return

    async def send_denial(message: Any) -> None:
        await send({**message, "type": "websocket." + message["type"]})

    await write_response(request, response, send_denial)


class ASGILink:
    """A connection in messages of ASGI.

    Attributes:
        group: of the tasks beside the handler.
        is_denying: it was not accepted, and its answer is being sent.
        tick_every_s: see `bridge.ticking`.
    """

    group: TaskGroup
    tick_every_s = 1.0

    def __init__(self, request: Request, receive: Receive, send: Send) -> None:
        self.subprotocols: tuple[str, ...] = tuple(request.native.get("subprotocols") or ())
        self._receive = receive
        self._send = send
        self._inbox = Inbox(ahead=not type(getattr(receive, "__self__", None)).__module__.startswith("granian"))
        self._lock = anyio.Lock(fast_acquire=True)
        self._max_message_bytes = 0
        self._sent = 0
        self.is_denying = self._is_closed = False
        self._ticker: Ticker | None = None
        self._streams_stop_s = request.limits.streams_stop_s

    @property
    def gone(self) -> WebSocketClosed | None:
        """How the connection ended; None while it is open."""
        return self._inbox.gone

    async def accept(self, subprotocol: str | None, pairs: list[Pair], max_message_bytes: int) -> None:
        """Answer the handshake. Raises: WebSocketClosed."""
        self._max_message_bytes = max_message_bytes
        await self._transmit({"type": "websocket.accept", "subprotocol": subprotocol, "headers": _encode(pairs)})
        self.group.start_soon(self.read)
        self._ticker = ticker_here()
        self._ticker.add(self)

    async def receive(self) -> str | bytes:
        """Give the next message. Raises: WebSocketClosed when there will be none."""
        self._sent = 0
        return await self._inbox.take()

    async def send(self, message: str | bytes) -> None:
        """Send a message. Raises: WebSocketClosed."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self._transmit({"type": "websocket.send", kind: message})
        self._sent += 1
        if not self._sent % _CHECKPOINT_EVERY:
            await checkpoint()
        if not self._inbox.ahead and self._sent >= _READ_AFTER:
            self._inbox.read_ahead()

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, of which nobody takes any more messages; the closing handshake is the server's."""
        self._inbox.discard()
        await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        """Close the connection; what came before can still be taken."""
        message = {"type": "websocket.close", "code": code, "reason": reason}
        try:
            await self._transmit(message, last=True)
        except WebSocketClosed:  # the other side was faster
            pass
        except Exception:  # daphne's
            if code >= 3000:
                raise
            await self._send({**message, "code": code + 3000})
        self._inbox.end(WebSocketClosed(code, reason))

    async def receive_leaving(self) -> Any:
        """Be the `receive` of whoever asks the request whether its client has left."""
        if not self.is_denying:
            await self._inbox.ended()  # the messages of the connection are the reader's alone
        while self.is_denying and (await self._receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        """Be told the time no longer."""
        if self._ticker is not None:
            self._ticker.remove(self)
            self._ticker = None

    def tick(self, now: float, stopping_s: float | None) -> None:
        """Close when the server is about to stop; cancel a handler that goes on for too long."""
        if stopping_s is None or self._ticker is None:
            return
        if stopping_s > self._streams_stop_s:
            self.group.cancel_scope.cancel()
        elif not self._is_closed and self.gone is None:
            self._ticker.start_task(self._close, 1001, "the server stops")

    async def _transmit(self, message: Any, *, last: bool = False) -> None:
        async with self._lock:
            gone = self.gone
            if gone is not None or self._is_closed:
                raise WebSocketClosed() if gone is None else WebSocketClosed(gone.code, gone.reason)
            self._is_closed = last
            try:
                await self._send(message)
            except (OSError, RuntimeError) as exc:  # how servers say that the client has left
                self._inbox.end(WebSocketClosed())
                raise WebSocketClosed from exc

    async def read(self) -> None:
        """Read what comes, until the connection ends."""
        gone = WebSocketClosed()
        try:
            await self._inbox.room()
            while (message := await self._receive())["type"] == "websocket.receive":
                data = message.get("text")
                if data is None:
                    data = message["bytes"]
                if message_bytes(data) > self._max_message_bytes:
                    await self._close(1009, f"a message has {self._max_message_bytes} bytes at most")
                    return
                self._inbox.put(data)
                await self._inbox.room()
            gone = WebSocketClosed(message.get("code") or 1005, message.get("reason") or "")
        except (OSError, RuntimeError) as exc:
            gone.__cause__ = exc
        finally:
            self._inbox.end(gone)
