"""A WebSocket in messages of ASGI. See: ASGI 3.0, WebSocket.

One connection is a `MessageExchange` on the loop, which is what a server is to the application; `LoopWire` reaches it
from the thread of the test, `TaskWire` from a task of the same loop.
"""

from __future__ import annotations

import contextlib
import queue

from ..bridge.background import settled_on_loop
from ..core.url import WEBSOCKET_SCHEMES
from ..core.websocket import WebSocketClosed
from .asgi import Mailbox
from .messages import Response, decoded_lines
from .watching import Watch
from .websocket import PATIENCE_S, no_answer, no_end, no_message, offered_subprotocols

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from anyio.abc import TaskGroup
    from anyio.from_thread import BlockingPortal

    from .asgi import ASGITransport, AsyncASGITransport
    from .messages import Request
    from .websocket import Message

_ALLOWED = {
    "connecting": ("websocket.accept", "websocket.close", "websocket.http.response.start"),
    "open": ("websocket.send", "websocket.close"),
    "denying": ("websocket.http.response.body",),
}
"""What an application may send, and when."""

_LEFT = {"type": "left"}


class MessageExchange:
    """One connection on the loop.

    Attributes:
        watch: what is seen of it.
        failure: what left the application.
    """

    def __init__(
        self, request: Request, make_scope: Callable[..., dict[str, Any]], put: Callable[[Any], object]
    ) -> None:
        self._scope = make_scope(
            request,
            type="websocket",
            scheme=WEBSOCKET_SCHEMES[request.scheme],
            subprotocols=offered_subprotocols(request),
            extensions={"websocket.http.response": {}},
        )
        del self._scope["method"]
        self.watch = Watch()
        self.failure: Exception | None = None
        self._put = put
        self._incoming = Mailbox()
        self._state = "connecting"
        self._ended: Any = None
        self._scopes: Any = None

    async def run(self, app: Any) -> None:
        """Call the application."""
        import anyio

        self._ended = anyio.Event()
        self.watch.begin()
        self._incoming.put({"type": "websocket.connect"})
        try:
            with anyio.CancelScope() as self._scopes:
                await app(self._scope, self._incoming.get, self._send)
        except Exception as exc:
            self.failure = exc
        finally:
            if self._state != "closed":  # that is the last that the client sees
                self._put(_LEFT)
            self._ended.set()

    async def _send(self, message: Any) -> None:
        kind = message["type"]
        if self._state == "gone":
            raise OSError("the client has left")
        if kind not in _ALLOWED.get(self._state, ()):
            raise RuntimeError(f"{kind!r} was sent while the connection was {self._state}")
        for text in (message.get("text"), message.get("reason")):
            (text or "").encode()  # a lone surrogate fails, as every server fails of it
        if kind == "websocket.accept":
            self._state = "open"
        elif kind == "websocket.http.response.start":
            self._state = "denying"
        elif kind == "websocket.close" or (self._state == "denying" and not message.get("more_body", False)):
            self._state = "closed"
            code = message.get("code", 1000) if kind == "websocket.close" else 1006
            self._incoming.put({"type": "websocket.disconnect", "code": code, "reason": message.get("reason") or ""})
        self._put(message)

    async def give(self, message: Message) -> None:
        """Let the application receive a message of the client. Raises: WebSocketClosed."""
        if self._state != "open":
            raise WebSocketClosed
        kind, other = ("text", "bytes") if isinstance(message, str) else ("bytes", "text")
        self._incoming.put({"type": "websocket.receive", kind: message, other: None})

    async def part(self, code: int, reason: str) -> None:
        """Let the client close."""
        if self._state != "closed":
            self._state = "gone"
            self._incoming.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def end(self, settle: bool) -> bool:  # a call through a portal has no keywords
        """Wait for the end of the application; cancel what goes on for too long. Tell whether it ended by itself."""
        import anyio

        if self._ended is None:
            return True
        waiting = anyio.CancelScope()
        with anyio.CancelScope(shield=True):
            await self.part(1006, "")
            waiting.deadline = anyio.current_time() + PATIENCE_S
            with waiting:
                await self._ended.wait()
            if waiting.cancelled_caught:
                self._scopes.cancel()
                await self._ended.wait()
            if settle:
                await settled_on_loop()
        return not waiting.cancelled_caught


class Answer:
    """The answer to a handshake, which may come in several messages."""

    def __init__(self, exchange: MessageExchange) -> None:
        self._exchange = exchange
        self._status = 0
        self._lines: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    def take(self, message: Any) -> Response | None:
        """Take a message; give the response when it is complete. Raises: what left the application."""
        kind = message["type"]
        if message is _LEFT:
            failure, self._exchange.failure = self._exchange.failure, None
            raise failure or RuntimeError("the application ended without an answer to the handshake")
        if kind == "websocket.close":
            return Response(403, [], iter(()))
        if kind == "websocket.http.response.body":
            self._body.append(message.get("body", b""))
            return None if message.get("more_body", False) else Response(self._status, self._lines, iter(self._body))
        self._lines = decoded_lines(message.get("headers") or ())
        self._status = message.get("status", 101)
        if kind == "websocket.http.response.start":
            return None
        if message.get("subprotocol") is not None:
            self._lines.append(("sec-websocket-protocol", message["subprotocol"]))
        return Response(101, self._lines, iter(()))


def data_of(message: Any, put_back: Callable[[Any], object]) -> Message:
    """Give the data of a message; put one that says how it ended back, for who asks again. Raises: WebSocketClosed."""
    if message is _LEFT:
        put_back(message)
        raise WebSocketClosed
    if message["type"] == "websocket.close":
        put_back(message)
        raise WebSocketClosed(message.get("code", 1000), message.get("reason") or "")
    text: str | None = message.get("text")
    data: Message = text if text is not None else message["bytes"]
    return data


class LoopWire:
    """A connection from the thread of the test."""

    def __init__(self, transport: ASGITransport, request: Request, make_scope: Callable[..., dict[str, Any]]) -> None:
        self.raises = transport.raises
        self._transport = transport
        self._request = request
        self._mailbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._exchange = MessageExchange(request, make_scope, self._mailbox.put)
        self.watch = self._exchange.watch
        self._closing = contextlib.ExitStack()
        self._portal: BlockingPortal | None = None

    def open(self) -> Response:
        """Wait for the answer to the handshake. Raises: what left the application."""
        self._portal = self._closing.enter_context(self._transport.portal())
        self._portal.start_task_soon(self._exchange.run, self._transport.app)
        answer = Answer(self._exchange)
        while (response := answer.take(self._next_of_answer())) is None:
            pass
        response.request = self._request
        return response

    def _next_of_answer(self) -> Any:
        try:
            return self._mailbox.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise no_answer() from None

    def send(self, message: Message) -> None:
        """Send a message. Raises: WebSocketClosed."""
        self._of_loop().call(self._exchange.give, message)

    def _of_loop(self) -> BlockingPortal:
        if self._portal is None:
            raise RuntimeError("the WebSocket is not open: use it in its `with` block")
        return self._portal

    def receive(self, timeout: float | None) -> Message:
        """Give the next message. Raises: WebSocketClosed, TimeoutError."""
        try:
            message = self._mailbox.get(timeout=timeout)
        except queue.Empty:
            raise no_message(timeout) from None
        return data_of(message, self._mailbox.put)

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self._of_loop().call(self._exchange.part, code, reason)

    def end(self) -> None:
        """Wait until the application is through with it. Raises: TimeoutError; what left the application."""
        if self._portal is None:
            return
        with self._closing:
            has_ended = self._portal.call(self._exchange.end, self._transport.settle)
        self._portal = None
        if not has_ended:
            raise no_end()
        if self._exchange.failure is not None:
            raise self._exchange.failure


class TaskWire:
    """A connection from a task of the same loop."""

    def __init__(
        self, transport: AsyncASGITransport, request: Request, make_scope: Callable[..., dict[str, Any]]
    ) -> None:
        self.raises = transport.raises
        self._transport = transport
        self._request = request
        self._mailbox = Mailbox()
        self._exchange = MessageExchange(request, make_scope, self._mailbox.put)
        self.watch = self._exchange.watch
        self._group: TaskGroup | None = None

    async def open(self) -> Response:
        """Wait for the answer to the handshake. Raises: what left the application."""
        import anyio

        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self._exchange.run, self._transport.app)
        answer = Answer(self._exchange)
        response: Response | None = None
        with anyio.move_on_after(PATIENCE_S):
            while (response := answer.take(await self._mailbox.get())) is None:
                pass
        if response is None:
            raise no_answer()
        response.request = self._request
        return response

    async def send(self, message: Message) -> None:
        """Send a message. Raises: WebSocketClosed."""
        await self._exchange.give(message)

    async def receive(self, timeout: float | None) -> Message:  # noqa: ASYNC109  # as httpx has it
        """Give the next message. Raises: WebSocketClosed, TimeoutError."""
        import anyio

        with anyio.move_on_after(timeout):
            message = await self._mailbox.get()
            return data_of(message, self._mailbox.put)
        raise no_message(timeout)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        await self._exchange.part(code, reason)

    async def end(self) -> None:
        """Wait until the application is through with it. Raises: TimeoutError; what left the application."""
        if self._group is None:
            return
        group, self._group = self._group, None
        has_ended = await self._exchange.end(self._transport.settle)
        await group.__aexit__(None, None, None)
        if not has_ended:
            raise no_end()
        if self._exchange.failure is not None:
            raise self._exchange.failure
