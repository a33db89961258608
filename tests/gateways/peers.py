"""Clients of a WebSocket, on each way in, with one set of verbs: `Peer`.

Under WSGI it is a socket pair, of which the application gets one end as Werkzeug lends it, and wsproto at the other; under
ASGI it is a server of a few lines that passes messages on and judges their order.
"""

import contextlib
import io
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from ambi.bridge.stopping import forget_stopping
from tests.cells import Cell

WAIT_S = 10.0


class Closed(Exception):
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
    forget_stopping()  # of a server that another test has stopped in this process
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


# --- WSGI ---


class SocketPeer:
    """A client on a socket.

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
        self.socket, self.lent = socket.socketpair()
        self.socket.settimeout(WAIT_S)
        self.lent.settimeout(WAIT_S)
        self.raised: BaseException | None = None
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        self.subprotocol: str | None = None
        self.connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Any] = []
        extensions = [PerMessageDeflate()] if offer_deflate else []
        request = Request(host="testserver", target=path, subprotocols=subprotocols or [], extensions=extensions)
        head = self.connection.send(request)
        self._app = app
        self._environ = {**_environ_of(head, headers or {}), lend: self.lent, **(environ or {})}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        if waits:
            self._await_answer()

    def _serve(self) -> None:
        """Be the server: answer in HTTP, or let go of the socket when the call raises."""
        started: list[Any] = []
        try:
            chunks = self._app(self._environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
            try:
                body = b"".join(chunks)
            finally:
                getattr(chunks, "close", lambda: None)()
            fields = "".join(f"{name}: {value}\r\n" for name, value in started[1])
            self.lent.sendall(f"HTTP/1.1 {started[0]}\r\n{fields}\r\n".encode() + body)
        except BaseException as exc:
            self.raised = exc
        finally:
            self.lent.close()

    def _await_answer(self) -> None:
        event = self.next_event()
        if isinstance(event, AcceptConnection):
            self.status, self.subprotocol = 101, event.subprotocol
            self.headers = {name.decode(): value.decode() for name, value in event.extra_headers}
            return
        assert isinstance(event, RejectConnection)
        self.status = event.status_code
        self.headers = {name.decode().lower(): value.decode() for name, value in event.headers}
        while isinstance(event := self.next_event(), RejectData):
            self.body += event.data
            if event.body_finished:
                break

    def next_event(self) -> Any:
        """Give the next event of wsproto, None when the connection is over. Pings are answered."""
        while not self._events:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.connection.receive_data(data)
            self._events += self.connection.events()
        event = self._events.pop(0)
        if isinstance(event, Ping):
            self.socket.sendall(self.connection.send(event.response()))
        return event

    def send(self, message: str | bytes) -> None:
        event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        self.socket.sendall(self.connection.send(event))

    def receive(self) -> str | bytes:
        parts: list[Any] = []
        while True:
            event = self.next_event()
            if event is None:
                raise Closed(1006, "")
            if isinstance(event, CloseConnection):
                if self.connection.state.name == "REMOTE_CLOSING":
                    with contextlib.suppress(OSError):  # it may be gone, where it answered a frame of the test's own
                        self.socket.sendall(self.connection.send(event.response()))
                raise Closed(int(event.code), event.reason or "")
            if isinstance(event, (TextMessage, BytesMessage)):
                parts.append(event.data)
                if event.message_finished:
                    return type(parts[0])().join(parts)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.socket.sendall(self.connection.send(CloseConnection(code=code, reason=reason)))
        with contextlib.suppress(Closed):
            while True:
                self.receive()

    def vanish(self) -> None:
        self.socket.close()

    def ended(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the application holds the server's thread"

    def give_up(self) -> None:
        """Break off what is left."""
        self.socket.close()
        self.ended()


def _environ_of(head: bytes, headers: dict[str, str]) -> dict[str, Any]:
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    path, _, query = request_line.split(" ")[1].partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "testserver",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in [*(line.split(": ", 1) for line in lines), *headers.items()]:
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


# --- ASGI ---


class MessagePeer:
    """A client behind an ASGI server of a few lines."""

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
        self._portal = portal
        self._after_close = after_close
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        self.subprotocol: str | None = None
        self.violations: list[str] = []
        self.in_vain = 0
        self._state = "connecting"
        self._sent: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._incoming, self._outgoing = portal.call(self._streams)
        target, _, query = path.partition("?")
        given = {name.lower(): value for name, value in (headers or {}).items()}
        fields = {"host": "testserver", "sec-websocket-version": "13", **given}
        made = {
            "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "scheme": "ws",
            "path": target, "raw_path": target.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "subprotocols": subprotocols or [], "extensions": {"websocket.http.response": {}}, "server": ("testserver", 80),
            **(scope or {}),
        }  # fmt: skip
        self._give({"type": "websocket.connect"})
        self.done = portal.start_task_soon(self._serve, app, {k: v for k, v in made.items() if v is not None})
        self._await_answer()

    async def _streams(self) -> Any:
        sending, receiving = anyio.create_memory_object_stream[dict[str, Any]](1000)
        return sending, receiving

    def _give(self, message: dict[str, Any]) -> None:
        self._portal.call(self._incoming.send_nowait, message)

    async def _serve(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._outgoing.receive, self._send)
        finally:
            self._sent.put({"type": "left"})
            self._outgoing.close()
            self._incoming.close()

    async def _send(self, message: dict[str, Any]) -> None:
        """Judge the order of messages as the specification has it. The client that has left is told as servers do."""
        kind = message["type"]
        allowed = {
            "connecting": ("websocket.accept", "websocket.close", "websocket.http.response.start"),
            "open": ("websocket.send", "websocket.close"),
            "denying": ("websocket.http.response.body",),
        }
        if self._state == "gone":
            self.in_vain += 1
            if self._after_close == "silent":
                return
            raise OSError("the client has left") if self._after_close == "OSError" else RuntimeError("cannot send")
        if kind not in allowed.get(self._state, ()):
            self.violations.append(f"{kind} while {self._state}")
        if kind == "websocket.send" and (message.get("text") is None) == (message.get("bytes") is None):
            self.violations.append("a message is text or bytes")
        self._state = {
            "websocket.accept": "open", "websocket.close": "closed", "websocket.send": "open",
            "websocket.http.response.start": "denying",
        }.get(kind, self._state)  # fmt: skip
        if kind == "websocket.http.response.body" and not message.get("more_body"):
            self._state = "closed"
        self._sent.put(message)
        if self._state == "closed":
            with contextlib.suppress(anyio.BrokenResourceError):
                self._incoming.send_nowait({"type": "websocket.disconnect", "code": message.get("code", 1006)})

    def _next(self) -> dict[str, Any]:
        return self._sent.get(timeout=WAIT_S)

    def _await_answer(self) -> None:
        first = self._next()
        if first["type"] == "websocket.accept":
            self.status, self.subprotocol = 101, first.get("subprotocol")
            self.headers = {name.decode(): value.decode() for name, value in first.get("headers", ())}
        elif first["type"] == "websocket.http.response.start":
            self.status = first["status"]
            self.headers = {name.decode(): value.decode() for name, value in first["headers"]}
            more = True
            while more:
                message = self._next()
                self.body += message.get("body", b"")
                more = message.get("more_body", False)
        elif first["type"] == "websocket.close":
            self.status = 403

    def send(self, message: str | bytes) -> None:
        text = isinstance(message, str)
        self._give({"type": "websocket.receive", "text": message if text else None, "bytes": None if text else message})

    def receive(self) -> str | bytes:
        message = self._next()
        if message["type"] == "websocket.close":
            raise Closed(message.get("code", 1000), message.get("reason") or "")
        if message["type"] == "left":
            raise Closed(1006, "")
        return message["text"] if message.get("text") is not None else message["bytes"]

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._leave({"type": "websocket.disconnect", "code": code, "reason": reason})

    def vanish(self) -> None:
        self._leave({"type": "websocket.disconnect", "code": 1006})

    def _leave(self, message: dict[str, Any]) -> None:
        self._state = "gone"
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._give(message)

    def ended(self) -> None:
        self.done.result(WAIT_S)

    def give_up(self) -> None:
        """Break off what is left; the application has kept to the order of messages."""
        self.vanish()
        with contextlib.suppress(Exception):
            self.ended()
        assert self.violations == []
