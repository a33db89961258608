"""A WebSocket over a socket pair, of which the application gets one end as gunicorn lends it. See: RFC 6455.

wsproto is at the test's end. The application is called in a thread, as a server's worker would be: it holds that until
the connection is over.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading

from ..bridge.background import settle_in_process
from ..core.chance import given_chance
from ..core.websocket import WebSocketClosed
from .messages import Response, decoded_lines
from .watching import Watch
from .websocket import PATIENCE_S, no_answer, no_end, no_message, offered_subprotocols
from .wsgi import Start

try:
    from wsproto import ConnectionType, WSConnection
    from wsproto.connection import ConnectionState
    from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
    from wsproto.events import Request as Handshake
    from wsproto.utilities import LocalProtocolError, RemoteProtocolError
except ImportError as exc:
    raise ImportError("WebSockets through the WSGI gateway need wsproto: pip install 'ambi[websocket]'") from exc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wsproto.extensions import Extension

    from ..core.chance import Chance
    from .messages import Request
    from .websocket import Message
    from .wsgi import WSGITransport


class SocketWire:
    """A connection on a socket pair.

    Attributes:
        extensions: offered in the handshake.
    """

    extensions: Sequence[Extension] = ()

    def __init__(self, transport: WSGITransport, request: Request) -> None:
        self.raises = transport.raises
        self.watch = Watch()
        self._transport = transport
        self._request = request
        self._socket, self._lent = socket.socketpair()
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Any] = []
        self._parts: list[Any] = []
        self._closed: WebSocketClosed | None = None
        self._answer: Response | None = None
        self._ending: BaseException | None = None
        self._chance: Chance | None = None
        self._thread = threading.Thread(target=self._serve, name="ambi-testing-server", daemon=True)

    # --- the server ---

    def _environ(self) -> dict[str, Any]:
        """Make the environ of the handshake, with what wsproto offers and checks the answer against."""
        handshake = Handshake(
            host=self._request.host,
            target=self._request.target,
            subprotocols=offered_subprotocols(self._request),
            extensions=self.extensions,
        )
        environ = self._transport.environ(self._request, io.BytesIO())
        for line in self._connection.send(handshake).decode("latin-1").split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() in ("sec-websocket-key", "sec-websocket-extensions"):
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        environ["gunicorn.socket"] = self._lent
        return environ

    def _serve(self) -> None:
        """Be the server: take the answer, or let go of the socket where the call raises StopIteration."""
        start = Start()
        given_chance.set(self._chance)  # in this thread, which has a context of its own
        try:
            iterable = self.watch.call(self._transport.app, self._environ(), start)
            try:
                body = b"".join(iterable)
            finally:
                if hasattr(iterable, "close"):
                    iterable.close()
            self._answer = start.response(iter([*start.written, body]))
        except BaseException as exc:  # a StopIteration where the application has done it all
            self._ending = exc
        finally:
            self._lent.close()

    # --- the client ---

    def open(self) -> Response:
        """Wait for the answer to the handshake. Raises: what left the application."""
        self._chance = given_chance.get()
        self._thread.start()
        try:
            event = self._next_event(PATIENCE_S)
        except TimeoutError:
            raise no_answer() from None
        if event is None:
            self._thread.join()
            response = self._answer
            if response is None:
                self._raise_failure()
                raise RuntimeError("the application ended without an answer to the handshake")
        else:
            lines = decoded_lines(event.extra_headers)
            if event.subprotocol is not None:
                lines.append(("sec-websocket-protocol", event.subprotocol))
            response = Response(101, lines, iter(()))
        response.request = self._request
        return response

    def _next_event(self, timeout: float | None) -> Any:
        """Give the next event of the connection, None when it is over; pings are answered. Raises: TimeoutError."""
        self._socket.settimeout(timeout)
        while not self._events:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            try:
                self._connection.receive_data(data)
            except RemoteProtocolError as exc:
                raise AssertionError(f"the application broke the protocol of WebSockets: {exc}") from exc
            self._events += self._connection.events()
        event = self._events.pop(0)
        if isinstance(event, Ping):
            self._write(event.response())
        return event

    def _write(self, event: Any) -> None:
        """Send an event. Raises: WebSocketClosed."""
        self._socket.settimeout(PATIENCE_S)
        try:
            self._socket.sendall(self._connection.send(event))
        except (ConnectionError, LocalProtocolError) as exc:
            raise self._closed or WebSocketClosed from exc

    def send(self, message: Message) -> None:
        """Send a message. Raises: WebSocketClosed."""
        self._write(TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message))

    def receive(self, timeout: float | None) -> Message:
        """Give the next message. Raises: WebSocketClosed, TimeoutError."""
        while self._closed is None:
            try:
                event = self._next_event(timeout)
            except TimeoutError:
                raise no_message(timeout) from None
            if event is None:
                self._closed = WebSocketClosed()
            elif isinstance(event, CloseConnection):
                self._closed = WebSocketClosed(int(event.code), event.reason or "")
                if self._connection.state is ConnectionState.REMOTE_CLOSING:
                    with contextlib.suppress(WebSocketClosed):
                        self._write(event.response())
            elif isinstance(event, (TextMessage, BytesMessage)):
                self._parts.append(event.data)
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    # wsproto gives parts of bytes as `bytearray` before its version 1.3.
                    return "".join(parts) if isinstance(parts[0], str) else b"".join(parts)
        raise WebSocketClosed(self._closed.code, self._closed.reason)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and wait for the other side's."""
        with contextlib.suppress(WebSocketClosed, TimeoutError):
            self._write(CloseConnection(code=code, reason=reason))
            while True:
                self.receive(PATIENCE_S)

    def end(self) -> None:
        """Break off what is left, and wait for the application. Raises: TimeoutError; what left the application."""
        self._socket.close()
        if self._thread.ident is None:
            self._lent.close()
            return
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise no_end()
        if self._transport.settle:
            settle_in_process()
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise what left the application, once, but the exception by which it lets go of the socket."""
        ending, self._ending = self._ending, None
        if ending is not None and not isinstance(ending, StopIteration):
            raise ending
