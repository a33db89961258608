"""The WebSocket that a handler holds: what may happen to it when, and none of the I/O.

A gateway gives it a `Link`, which sends and receives; everything that a handler can get wrong is decided here, the
same on both gateways.

Facts
- A connection is CONNECTING until it is accepted or refused; what it may do in each state is the table below.
- Before it is accepted, an answer is an ordinary HTTP response; afterwards there are only messages and a close code.
- A close code is from 1000 to 4999, and most of the low ones are no application's to send. See: RFC 6455 7.4.
- A close reason has at most 123 bytes of UTF-8: a control frame has 125, and the code takes two. See: RFC 6455 5.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .arguments import check_texts
from .ending import CLIENT_CLOSED_REQUEST
from .errors import ClientDisconnected, ConfigurationError, HTTPError
from .headers import ResponseHeaders, is_token
from .json import read_json
from .limits import check_limit
from .log import log_disconnect
from .origins import OriginCheck
from .response import Response, Switched
from .state import Generic, StateT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from .ending import Sent
    from .headers import Headers, Pair
    from .multidict import MultiDict
    from .request import Request

    Message = str | bytes

WEBSOCKET = "web socket"
"""What stands for the method in the table of routes. It holds a space, so that no request line can name it."""

MAX_REASON_BYTES = 123

# --- states ---

CONNECTING, OPEN, REFUSED, CLOSED = "connecting", "open", "refused", "closed"
ACCEPT, CLOSE, LEAVE = "accept", "close", "leave"

TRANSITIONS: dict[tuple[str, str], str] = {
    (CONNECTING, ACCEPT): OPEN,
    (CONNECTING, CLOSE): REFUSED,
    (CONNECTING, LEAVE): CLOSED,
    (OPEN, CLOSE): CLOSED,
    (OPEN, LEAVE): CLOSED,
    (REFUSED, CLOSE): REFUSED,
    (CLOSED, CLOSE): CLOSED,
    (CLOSED, LEAVE): CLOSED,
}
"""(state, what happens) -> state. What is missing is an error of the handler."""


class WebSocketClosed(ClientDisconnected):
    """Say that a WebSocket is closed, by whichever side. Nothing is logged when a handler lets it pass.

    Attributes:
        code: of the close frame; 1005 when there was none in it, 1006 when the connection broke. See: RFC 6455 7.4.1.
        reason: of the close frame, "" for none.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the WebSocket is closed: {self.code}" + (f" {self.reason}" if self.reason else "")


class Link(Protocol):
    """What a gateway does for one WebSocket. All of it is awaited on the async side.

    Attributes:
        subprotocols: those that the client offers.
    """

    subprotocols: tuple[str, ...]

    @property
    def gone(self) -> WebSocketClosed | None:
        """How the connection ended: closed by the client, or broken; None while it is open."""
        ...

    async def accept(self, subprotocol: str | None, pairs: list[Pair], max_message_bytes: int) -> None:
        """Answer the handshake. Raises: WebSocketClosed."""

    async def receive(self) -> Message:
        """Give the next message. Raises: WebSocketClosed when there will be none."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message; returns when there is room for another. Raises: WebSocketClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Close an open connection. Raises nothing when it is closed already."""


class WebSocketRules:
    """What a route says of its WebSockets; the options of `Router.websocket`.

    Raises:
        ConfigurationError: an origin, a limit or a subprotocol that cannot be one.
    """

    __slots__ = ("max_message_bytes", "origins", "subprotocols")

    def __init__(
        self, *, origins: Iterable[str] = (), max_message_bytes: int | None = None, subprotocols: Iterable[str] = ()
    ) -> None:
        self.origins = OriginCheck(origins)
        self.subprotocols = check_texts("subprotocols", subprotocols)
        if max_message_bytes is not None:
            check_limit("max_message_bytes", max_message_bytes)
        self.max_message_bytes = max_message_bytes
        for name in self.subprotocols:
            if not is_token(name):
                raise ConfigurationError(f"a subprotocol is a token, as 'chat' or 'mqtt', not {name!r}")


class WebSocket(Generic[StateT]):
    """One WebSocket connection. A handler takes it as a parameter annotated `WebSocket`, or `WebSocket[ShopState]`.

    The first message that is sent or awaited accepts it, and it is closed when the handler returns. Once it is over,
    `receive` and `send` raise `WebSocketClosed`, which may pass, and `async for` ends. A handler that does neither is
    not told that the client has left.

    Used by one handler; several tasks of it may send at the same time, each message goes out whole. A message has at
    most `Limits.max_message_bytes`, 16 MiB.

    Attributes:
        request: the request of the handshake; its headers, cookies, query and state.
        subprotocols: those that the client offers, in its order of preference.
        subprotocol: the one agreed on, None for none.
        accepted: whether the handshake was answered with a connection, be that still open or not.

    Example:
        @app.websocket("/echo")
        async def echo(ws: WebSocket):
            async for message in ws:
                await ws.send(message)

    See: RFC 6455.
    """

    __slots__ = (
        "_failure", "_gone", "_link", "_rules", "_state", "accepted", "request", "subprotocol", "subprotocols",
    )  # fmt: skip

    def __init__(self, request: Request[StateT], link: Link) -> None:
        self.request = request
        self.subprotocols = link.subprotocols
        self.subprotocol: str | None = None
        self.accepted = False
        self._link = link
        self._rules = _NO_RULES
        self._state = CONNECTING
        self._gone: WebSocketClosed | None = None
        self._failure: HTTPError | None = None

    # --- what the handshake said ---

    @property
    def path_params(self) -> dict[str, Any]:
        """The converted values of the path's parameters, by name."""
        return self.request.path_params

    @property
    def headers(self) -> Headers:
        """The header fields of the handshake."""
        return self.request.headers

    @property
    def query(self) -> MultiDict[str]:
        """The arguments of the query string."""
        return self.request.query

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies of the handshake."""
        return self.request.cookies

    @property
    def state(self) -> StateT:
        """What lifespans yielded, and what middlewares left: `request.state`."""
        return self.request.state

    # --- how it stands ---

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more: it was refused, closed by either side, or broke."""
        if self._link.gone is not None:
            self._leave(self._link.gone)
        return self._state in (REFUSED, CLOSED)

    @property
    def close_code(self) -> int | None:
        """The code it was closed with, by whichever side; None while it is open."""
        return self._gone.code if self.closed and self._gone is not None else None

    @property
    def close_reason(self) -> str:
        """The reason it was closed with, by whichever side; "" for none."""
        return self._gone.reason if self.closed and self._gone is not None else ""

    # --- what a handler does with it ---

    async def accept(
        self, subprotocol: str | None = None, headers: Mapping[str, str] | Iterable[Pair] | None = None
    ) -> None:
        """Answer the handshake. The first message that is sent or awaited does so by itself.

        Args:
            subprotocol: one of `subprotocols`; without it the first of the route's that the client offers.
            headers: further header fields of the answer, as a mapping, or as pairs where one is repeated. Cookies go
                here too, as `set-cookie`.

        Raises:
            ValueError: the client did not offer the subprotocol, or a header field cannot be sent.
            RuntimeError: it was accepted or closed before.
            WebSocketClosed: the client has left.
        """
        if subprotocol is None:
            subprotocol = next((name for name in self._rules.subprotocols if name in self.subprotocols), None)
        elif subprotocol not in self.subprotocols:  # RFC 6455 4.2.2: one of those offered, or none
            offered = ", ".join(self.subprotocols) or "none"
            raise ValueError(f"the client did not offer the subprotocol {subprotocol!r}; it offered {offered}")
        pairs = _checked(headers or {})
        self._move(ACCEPT)
        self.subprotocol, self.accepted = subprotocol, True
        limit = self._rules.max_message_bytes or self.request.limits.max_message_bytes
        try:
            await self._link.accept(subprotocol, pairs, limit)
        except WebSocketClosed as exc:
            self.accepted = False
            raise self._leave(exc) from exc

    async def receive(self) -> str | bytes:
        """Wait for the next message: str for a text message, bytes for a binary one.

        Raises:
            WebSocketClosed: there will be none.
        """
        if self._state is CONNECTING:
            await self.accept()
        if self._state is REFUSED:
            raise self._closed()
        try:
            return await self._link.receive()  # what came before the end can still be taken
        except WebSocketClosed as exc:
            raise self._leave(exc) from None

    async def receive_text(self) -> str:
        """Wait for a text message. Raises: WebSocketClosed; a binary message closes with 1003."""
        message = await self.receive()
        if not isinstance(message, str):
            await self._reject(1003, "a text message was expected")
            raise self._closed()
        return message

    async def receive_bytes(self) -> bytes:
        """Wait for a binary message. Raises: WebSocketClosed; a text message closes with 1003."""
        message = await self.receive()
        if not isinstance(message, bytes):
            await self._reject(1003, "a binary message was expected")
            raise self._closed()
        return message

    async def receive_json(self) -> Any:
        """Wait for a message of either kind and read it as JSON.

        Raises:
            WebSocketClosed: no JSON closes with 1007; more than `Limits.max_json_bytes`, where the route has no
                `max_message_bytes` of its own, with 1009.
        """
        message = await self.receive()
        data, limit = message.encode() if isinstance(message, str) else message, self.request.limits.max_json_bytes
        if len(data) > limit and self._rules.max_message_bytes is None:
            await self._reject(1009, f"a message in JSON has {limit} bytes at most")
            raise self._closed()
        try:
            return read_json(self.request.app.json, data, self.request.limits.max_json_depth)
        except HTTPError:
            await self._reject(1007, "a message in JSON was expected")
            raise self._closed() from None

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> str | bytes:
        """Give the next message; the iteration ends when the connection does, however that ends."""
        try:
            return await self.receive()
        except WebSocketClosed:
            raise StopAsyncIteration from None

    async def send(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a message: text for str, else binary. Waits while the client does not keep up.

        A lone surrogate, which has no UTF-8, goes out as "?".

        Raises:
            TypeError: it is neither; `send_json` sends other values.
            WebSocketClosed: it is closed.
        """
        if isinstance(message, str):
            message = _encodable(message)
        elif isinstance(message, (bytearray, memoryview)):
            message = bytes(message)
        elif not isinstance(message, bytes):
            raise TypeError(
                f"a WebSocket sends str or bytes, not {type(message).__name__}; ws.send_json(value) sends other values"
            )
        if self._state is CONNECTING:
            await self.accept()
        if self.closed:
            raise self._closed()
        try:
            await self._link.send(message)
        except WebSocketClosed as exc:
            raise self._leave(exc) from exc.__cause__

    async def send_json(self, value: Any) -> None:
        """Send a value as a text message in JSON. Raises: as `send`, and what the codec raises."""
        data = self.request.app.json.dumps(value)
        await self.send(data if isinstance(data, str) else data.decode("utf-8"))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it. Before it is accepted that refuses it, with 403. Closing twice is no error.

        Args:
            code: 1000 is a normal end; 3000 to 4999 are free for applications.
            reason: for the client; at most 123 bytes as UTF-8.

        Raises:
            ValueError: a code that may not be sent, or a reason that is too long.
        """
        check_close(code, reason)
        await self._reject(code, _encodable(reason))

    # --- for the framework ---

    async def _reject(self, code: int, reason: str) -> None:
        was_open = self._state is OPEN and not self.closed
        self._move(CLOSE)
        if self._gone is None:
            self._gone = WebSocketClosed(code, reason)
        if was_open:
            await self._link.close(code, reason)

    def _move(self, event: str) -> None:
        """Change the state. Raises: RuntimeError for what cannot happen in it."""
        try:
            self._state = TRANSITIONS[self._state, event]
        except KeyError:
            raise RuntimeError(f"ws.{event}() was called on a WebSocket that is {self._state} already") from None

    def _leave(self, gone: WebSocketClosed) -> WebSocketClosed:
        """Take note that the connection is over; give an exception to raise, a new one each time."""
        if self._state is not REFUSED:
            self._move(LEAVE)
        if self._gone is None:
            self._gone = gone
        return self._closed()

    def tell_end(self, sent: Sent) -> None:
        """Say what was sent: a connection, or nothing where the client had left before it could be answered."""
        if self.accepted:
            sent.status, sent.is_complete = 101, True
        elif self._state is CLOSED:
            sent.status = CLIENT_CLOSED_REQUEST

    def _closed(self) -> WebSocketClosed:
        gone = self._gone or WebSocketClosed()
        return WebSocketClosed(gone.code, gone.reason)

    def __repr__(self) -> str:
        return f"<WebSocket {self._state} {self.request.path}>"


_NO_RULES = WebSocketRules()


def check_close(code: int, reason: str) -> None:
    """Check what a close frame is to say. Raises: ValueError. See: RFC 6455 7.4.1, 7.4.2, and the IANA registry."""
    if not isinstance(code, int) or isinstance(code, bool) or not (code in _CODES or 3000 <= code <= 4999):
        raise ValueError(f"a WebSocket cannot be closed with {code!r}; 1000 and 3000 to 4999 are for applications")
    size = len(reason.encode("utf-8", "replace"))
    if size > MAX_REASON_BYTES:
        raise ValueError(f"the close reason {reason[:40]!r}... has {size} bytes; {MAX_REASON_BYTES} are the most")


def _encodable(text: str) -> str:
    """Give a text as it is, or with "?" for what has no UTF-8: servers fail of it, each in its own way."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return text.encode("utf-8", "replace").decode()
    return text


_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))


def _checked(headers: Mapping[str, str] | Iterable[Pair]) -> list[Pair]:
    """Give header fields of the handshake's answer, checked. Raises: ValueError."""
    pairs: list[Pair] = []
    if isinstance(headers, Mapping):
        ResponseHeaders(pairs).update(headers)
    else:
        for name, value in headers:
            ResponseHeaders(pairs).append(name, value)
    for name, _ in pairs:
        if name.startswith("sec-websocket-"):
            raise ValueError(f"the header field {name!r} belongs to the handshake, which sets it itself")
    return pairs


# --- a route's handler ---


def serve_websocket(
    call: Callable[[Request], Awaitable[Any]], rules: WebSocketRules
) -> Callable[[Request], Awaitable[Any]]:
    """Make the call of a WebSocket route: check the origin, call the handler, and say how it ended.

    What the call gives is an answer to the handshake (a denial), or, after it was accepted, a response with status 101;
    with 499 where the client had left before it could be answered.
    """

    async def run(request: Request) -> Any:
        ws = request._websocket
        ws._rules = rules
        rules.origins.check(request)
        try:
            answer = await call(request)
        except WebSocketClosed:
            answer = None
            if ws._state is not REFUSED:
                log_disconnect(request)
        except HTTPError as exc:
            ws._failure = exc
            raise
        if not ws.accepted:
            if answer is None and ws._state is CLOSED:
                return Response(b"", CLIENT_CLOSED_REQUEST)
            if answer is None:
                raise HTTPError(403, "the WebSocket was refused")
            return answer
        if answer is not None:
            raise TypeError(
                f"a WebSocket handler returned {type(answer).__name__} after the connection was accepted; it can only"
                " be closed now, with ws.close(code, reason)"
            )
        return Switched(ws)

    return run


def closing(ws: WebSocket, response: Response) -> tuple[int, str]:
    """Tell how to close a connection that is open when its handler and layers are through.

    101                     1000
    an error from 400 to 499    4000 and the status, as 4403, with the detail of an HTTPError as reason
    any other error         1011: the server failed
    """
    status = response.status
    if status < 400:
        return 1000, ""
    if status >= 500:
        return 1011, ""
    detail = (ws._failure.detail or ws._failure.title) if ws._failure is not None else ""
    return 4000 + status, detail.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore")
