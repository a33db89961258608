"""Clients of a WebSocket, on each way in, with one set of verbs: `Peer`.

They are the wires of the client for tests, with their inside turned out: what a server does wrongly can be said, and what
is on the wire be seen.
"""

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from anyio.from_thread import BlockingPortal, start_blocking_portal
from wsproto.extensions import PerMessageDeflate

from ambi import App, HTTPError, Middleware, Request, Response, Text, WebSocket, WebSocketClosed
from ambi.testing import Client
from ambi.testing import Response as Answered
from ambi.testing import WebSocketClosed as ClosedByPeer
from ambi.testing.websocket import handshake_options
from ambi.testing.websocket_asgi import Answer, MessageExchange, data_of
from ambi.testing.websocket_wsgi import SocketWire
from tests.cells import Cell

WAIT_S = 10.0


Closed = ClosedByPeer
"""The other side closed; `args` are code and reason."""


class Peer(Protocol):
    """The client of one WebSocket."""

    status: int
    headers: dict[str, str]
    body: bytes
    subprotocol: str | None

    def send(self, message: str | bytes) -> None: ...

    def receive(self) -> str | bytes:
        """Give the next message. Raises: Closed."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, and take the answer."""

    def vanish(self) -> None:
        """Break the connection."""

    def ended(self) -> None:
        """Wait until the application is through with it."""


Connect = Callable[..., Peer]


@contextlib.contextmanager
def connecting(cell: Cell) -> Iterator[Connect]:
    """Give what connects to an application in a cell; what is open at the end is broken off."""
    with contextlib.ExitStack() as stack:
        if cell.gateway == "wsgi":

            def connect(app: Any, path: str = "/", **options: Any) -> Peer:
                peer = SocketPeer(app, path, **options)
                stack.callback(peer.give_up)
                return peer
        else:
            portal = stack.enter_context(start_blocking_portal(cell.backend))

            def connect(app: Any, path: str = "/", **options: Any) -> Peer:
                peer = MessagePeer(portal, app, path, **options)
                stack.callback(peer.give_up)
                return peer

        yield connect


def left_while_answered(how: str) -> tuple[App, list[Any]]:
    """Make an application whose handler accepts a client that has left, and goes on in one way or another.

    Returns:
        The application; and what it saw: whether it was accepted and closed, the status that layers see, and what
        was sent.
    """
    app = App()
    events: list[Any] = []

    @app.middleware
    def layer(request: Request) -> Middleware:
        request.on_sent(lambda sent: events.append((sent.status, sent.is_complete)))
        response = yield
        events.append(response.status)

    @app.websocket("/")
    async def handler(ws: WebSocket) -> Response | None:
        try:
            await ws.accept()
        except WebSocketClosed:
            events.append((ws.accepted, ws.closed))
            if how == "passes":
                raise
        if how == "HTTPError":
            raise HTTPError(401)
        return Text("sorry", 503) if how == "answer" else None

    return app, events


LEFT_WHILE_ANSWERED = [("passes", 499), ("nothing", 499), ("answer", 503), ("HTTPError", 401)]
"""How such a handler goes on, and the status that layers see."""


# --- WSGI ---


class SocketPeer(SocketWire):
    """A client on a socket: that of the client for tests, with its inside turned out.

    Args:
        lend: the key under which the application's end is lent.
        offer_deflate: offer permessage-deflate.
        waits: False leaves the answer to the handshake to the test.
        environ: more keys, or None to leave one out.
    """

    def __init__(
        self,
        app: Any,
        path: str = "/",
        *,
        headers: dict[str, str] | None = None,
        subprotocols: list[str] | None = None,
        lend: str = "werkzeug.socket",
        offer_deflate: bool = False,
        waits: bool = True,
        environ: dict[str, Any] | None = None,
    ) -> None:
        client = Client(app, "wsgi", base_url="http://testserver")
        client._transport.settle = False
        options = handshake_options(subprotocols or (), None, headers, None)
        super().__init__(client._transport, client.build_request("GET", path, **options))  # type: ignore[arg-type]
        self.extensions = [PerMessageDeflate()] if offer_deflate else []
        self.socket, self.lent, self.connection = self._socket, self._lent, self._connection
        self.socket.settimeout(WAIT_S)
        self.lent.settimeout(WAIT_S)
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        self.subprotocol: str | None = None
        self._changes = {"gunicorn.socket": None, lend: self.lent, **(environ or {})}
        if waits:
            _note_answer(self, self.open())
        else:
            self._thread.start()

    def _environ(self) -> dict[str, Any]:
        environ = {**super()._environ(), **self._changes}
        return {key: value for key, value in environ.items() if value is not None}

    @property
    def raised(self) -> BaseException | None:
        """What left the application."""
        return self._ending

    def next_event(self) -> Any:
        """Give the next event of wsproto, None when the connection is over. Pings are answered."""
        return self._next_event(WAIT_S)

    def receive(self, timeout: float | None = WAIT_S) -> str | bytes:
        return super().receive(timeout)

    def close(self, code: int = 1000, reason: str = "") -> None:
        super().close(code, reason)

    def vanish(self) -> None:
        self.socket.close()

    def ended(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the application holds the server's thread"

    def give_up(self) -> None:
        """Break off what is left."""
        self.socket.close()
        self.ended()


def _note_answer(peer: Any, response: Answered) -> None:
    peer.status, peer.headers, peer.body = response.status_code, dict(response.headers), response.content
    peer.subprotocol = response.headers.get("sec-websocket-protocol")


# --- ASGI ---


class MessagePeer(MessageExchange):
    """A client behind an ASGI server of a few lines: that of the client for tests, with its inside turned out.

    Args:
        scope: more keys, or None to leave one out.
        after_close: what `send` does when the client has left: "OSError", "RuntimeError" or "silent".
    """

    def __init__(
        self,
        portal: BlockingPortal,
        app: Any,
        path: str = "/",
        *,
        headers: dict[str, str] | None = None,
        subprotocols: list[str] | None = None,
        scope: dict[str, Any] | None = None,
        after_close: str = "OSError",
    ) -> None:
        client = Client(app, base_url="http://testserver")
        request = client.build_request("GET", path, **handshake_options(subprotocols or (), None, headers, None))
        self._mailbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        super().__init__(request, client._transport._lifespan.scope, self._mailbox.put)  # type: ignore[attr-defined]
        self._scope = {key: value for key, value in {**self._scope, **(scope or {})}.items() if value is not None}
        self._portal = portal
        self._after_close = after_close
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        self.subprotocol: str | None = None
        self.violations: list[str] = []
        self.in_vain = 0
        self.done = portal.start_task_soon(self._serve, app)
        answer = Answer(self)
        with contextlib.suppress(RuntimeError):  # there is none
            while (response := answer.take(self._next())) is None:
                pass
            _note_answer(self, response)

    async def _serve(self, app: Any) -> None:
        await self.run(app)
        if self.failure is not None:
            raise self.failure

    async def _send(self, message: dict[str, Any]) -> None:
        """Send as servers do; note what breaks the order of messages."""
        if self._state == "gone":
            self.in_vain += 1
            if self._after_close == "silent":
                return
            raise OSError("the client has left") if self._after_close == "OSError" else RuntimeError("cannot send")
        if message["type"] == "websocket.send" and (message.get("text") is None) == (message.get("bytes") is None):
            self.violations.append("a message is text or bytes")
        try:
            await super()._send(message)
        except RuntimeError as exc:
            self.violations.append(str(exc))

    def _next(self) -> dict[str, Any]:
        return self._mailbox.get(timeout=WAIT_S)

    @property
    def unread(self) -> int:
        """How many messages of the client the application has not taken."""
        return len(self._incoming._items)

    def send(self, message: str | bytes) -> None:
        self._portal.call(self.give, message)

    def receive(self) -> str | bytes:
        return data_of(self._next(), self._mailbox.put)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._portal.call(self.part, code, reason)

    def vanish(self) -> None:
        self._portal.call(self.part, 1006, "")

    def ended(self) -> None:
        self.done.result(WAIT_S)

    def give_up(self) -> None:
        """Break off what is left; the application has kept to the order of messages."""
        self.vanish()
        with contextlib.suppress(Exception):
            self.ended()
        assert self.violations == []
