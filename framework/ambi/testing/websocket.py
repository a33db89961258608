"""The client's side of a WebSocket, whichever gateway it goes through: `WebSocketSession` and `AsyncWebSocketSession`.

A session says what a test may do; a wire carries it: messages of ASGI (`websocket_asgi.py`) or frames on a socket
(`websocket_wsgi.py`). See: RFC 6455.
"""

from __future__ import annotations

import json as json_module

from ..core.websocket import WebSocketClosed
from .errors import WebSocketRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, Self

    from .encoding import BuildOptions, HeaderPairs
    from .messages import Fields, Request, Response
    from .watching import Watch

    Message = str | bytes
    Keep = Callable[[Response], object]

    class Wire(Protocol):
        """What carries a session of a `Client`."""

        watch: Watch
        raises: bool

        def open(self) -> Response:
            """Wait for the answer to the handshake; 101 for one that was accepted."""
            ...

        def send(self, message: Message) -> None:
            """Send a message. Raises: WebSocketClosed."""
            ...

        def receive(self, timeout: float | None) -> Message:
            """Give the next message. Raises: WebSocketClosed, TimeoutError."""
            ...

        def close(self, code: int, reason: str) -> None:
            """Send a close frame, and wait for the other side's."""
            ...

        def end(self) -> None:
            """Wait until the application is through with it. Raises: TimeoutError."""
            ...

    class AsyncWire(Protocol):
        """The same for an `AsyncClient`."""

        watch: Watch
        raises: bool

        async def open(self) -> Response:
            """Wait for the answer to the handshake; 101 for one that was accepted."""
            ...

        async def send(self, message: Message) -> None:
            """Send a message. Raises: WebSocketClosed."""
            ...

        async def receive(self, timeout: float | None) -> Message:  # noqa: ASYNC109  # as httpx has it
            """Give the next message. Raises: WebSocketClosed, TimeoutError."""
            ...

        async def close(self, code: int, reason: str) -> None:
            """Send a close frame, and wait for the other side's."""
            ...

        async def end(self) -> None:
            """Wait until the application is through with it. Raises: TimeoutError."""
            ...


PATIENCE_S = 10.0
"""How long a test waits for a message, and for the end of a handler, before it fails."""

NONCE = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3


def handshake_options(
    subprotocols: Sequence[str], params: Any, headers: HeaderPairs | None, cookies: Mapping[str, str] | None
) -> BuildOptions:
    """Give the options of the request that is a handshake. See: RFC 6455 4.1."""
    from .encoding import over_defaults

    lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", NONCE),
    ]
    if subprotocols:
        lines.append(("sec-websocket-protocol", ", ".join(subprotocols)))
    return {"params": params, "cookies": cookies, "headers": over_defaults(lines, headers)}


class _Session:
    """What both kinds of session know.

    Attributes:
        response: the answer to the handshake.
        close_code: how the connection ended, by whichever side; None while it is open.
        close_reason: likewise; "" for none.
    """

    response: Response

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._has_told = False
        self.close_code: int | None = None
        self.close_reason = ""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was chosen; None for none."""
        return self.response.headers.get("sec-websocket-protocol")

    @property
    def headers(self) -> Fields:
        """The header fields of the answer to the handshake."""
        return self.response.headers

    def _opened(self, response: Response) -> None:
        self._keep(response)
        self.response = response

    def _check_accepted(self, wire: Wire | AsyncWire) -> None:
        """Raise where the handshake was refused, or its handler crashed."""
        response = self.response
        if response.status_code == 101:
            return
        if wire.raises:
            wire.watch.raise_crash()
        raise WebSocketRefused(
            f"the WebSocket {response.url} was refused with {response.status_code} {response.reason_phrase}:"
            f" {response.content[:200].decode('utf-8', 'replace')}",
            response,
        )

    def _check_open(self) -> None:
        """Raise where it is known to be closed, by either side. Raises: WebSocketClosed."""
        if self.close_code is not None:
            raise WebSocketClosed(self.close_code, self.close_reason)

    def _note_closed(self, wire: Wire | AsyncWire, code: int, reason: str) -> None:
        """Take note of how it ended. Raises: what crashed the handler, once."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
        if wire.raises and not self._has_told:
            self._has_told = True
            wire.watch.raise_crash()


def no_answer() -> TimeoutError:
    """Make what is raised where a handshake is not answered."""
    return TimeoutError(f"the handshake of the WebSocket was not answered within {PATIENCE_S:g} seconds")


def no_message(timeout: float | None) -> TimeoutError:
    """Make what is raised where no message comes."""
    return TimeoutError(f"no message came within {timeout:g} seconds")


def no_end() -> TimeoutError:
    """Make what is raised where a handler does not end."""
    return TimeoutError(f"the handler of the WebSocket went on for {PATIENCE_S:g} seconds when the client had left")


def offered_subprotocols(request: Request) -> list[str]:
    """Give the subprotocols that a handshake offers. See: RFC 6455 11.3.4."""
    offered = request.headers.get("sec-websocket-protocol", "")
    return [word.strip(" \t") for word in offered.split(",") if word.strip(" \t")]


def _sendable(message: Any) -> Message:
    if not isinstance(message, (str, bytes)):
        raise TypeError(f"text or bytes can be sent, not {message!r:.80}; any other value goes to send_json")
    if isinstance(message, str):
        message.encode()  # no client can send a lone surrogate
    return message


def _check(message: Message, kind: type, name: str) -> Any:
    if not isinstance(message, kind):
        raise TypeError(f"a {name} message was expected, not {message!r:.80}")
    return message


class WebSocketSession(_Session):
    """An open WebSocket of a `Client`. Iterate it for the messages until it is closed.

    Attributes:
        response: the answer to the handshake.
        close_code: how the connection ended, by whichever side; None while it is open.
        close_reason: likewise; "" for none.
    """

    def __init__(self, wire: Wire, keep: Keep) -> None:
        super().__init__(keep)
        self._wire = wire

    def __enter__(self) -> Self:
        try:
            self._opened(self._wire.open())
            self._check_accepted(self._wire)
        except BaseException:
            self._wire.end()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            if self.close_code is None:
                self._close(1000, "")
        finally:
            self._wire.end()
        if exc_info[0] is None:
            self._note_closed(self._wire, self.close_code or 1000, self.close_reason)

    def send(self, message: Message) -> None:
        """Send text, or bytes. Raises: WebSocketClosed."""
        self._check_open()
        self._wire.send(_sendable(message))

    def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        self.send(json_module.dumps(value))

    def receive(self, timeout: float | None = PATIENCE_S) -> Message:
        """Give the next message.

        Args:
            timeout: seconds to wait for it; None is for ever.

        Raises:
            TimeoutError: none came.
            WebSocketClosed: there will be none; it has `code` and `reason`.
        """
        self._check_open()
        try:
            return self._wire.receive(timeout)
        except WebSocketClosed as exc:
            self._note_closed(self._wire, exc.code, exc.reason)
            raise

    def receive_text(self, timeout: float | None = PATIENCE_S) -> str:
        """Give the next message, which is text. Raises: TypeError, and as `receive`."""
        text: str = _check(self.receive(timeout), str, "text")
        return text

    def receive_bytes(self, timeout: float | None = PATIENCE_S) -> bytes:
        """Give the next message, which is bytes. Raises: TypeError, and as `receive`."""
        data: bytes = _check(self.receive(timeout), bytes, "binary")
        return data

    def receive_json(self, timeout: float | None = PATIENCE_S) -> Any:
        """Give the next message, read as JSON."""
        return json_module.loads(self.receive(timeout))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        try:
            return self.receive()
        except WebSocketClosed:
            raise StopIteration from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection with a code and a reason; what the other side sent before is dropped."""
        if self.close_code is None:
            self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        reason.encode()  # as of a message
        self.close_code, self.close_reason = code, reason
        self._wire.close(code, reason)


class AsyncWebSocketSession(_Session):
    """An open WebSocket of an `AsyncClient`: as `WebSocketSession`, awaited."""

    def __init__(self, wire: AsyncWire, keep: Keep) -> None:
        super().__init__(keep)
        self._wire = wire

    async def __aenter__(self) -> Self:
        try:
            self._opened(await self._wire.open())
            self._check_accepted(self._wire)
        except BaseException:
            await self._wire.end()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            if self.close_code is None:
                await self._close(1000, "")
        finally:
            await self._wire.end()
        if exc_info[0] is None:
            self._note_closed(self._wire, self.close_code or 1000, self.close_reason)

    async def send(self, message: Message) -> None:
        """Send text, or bytes. Raises: WebSocketClosed."""
        self._check_open()
        await self._wire.send(_sendable(message))

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send(json_module.dumps(value))

    async def receive(self, timeout: float | None = PATIENCE_S) -> Message:  # noqa: ASYNC109  # as httpx has it
        """Give the next message. Raises: as `WebSocketSession.receive`."""
        self._check_open()
        try:
            return await self._wire.receive(timeout)
        except WebSocketClosed as exc:
            self._note_closed(self._wire, exc.code, exc.reason)
            raise

    async def receive_text(self, timeout: float | None = PATIENCE_S) -> str:  # noqa: ASYNC109
        """Give the next message, which is text. Raises: TypeError, and as `receive`."""
        text: str = _check(await self.receive(timeout), str, "text")
        return text

    async def receive_bytes(self, timeout: float | None = PATIENCE_S) -> bytes:  # noqa: ASYNC109
        """Give the next message, which is bytes. Raises: TypeError, and as `receive`."""
        data: bytes = _check(await self.receive(timeout), bytes, "binary")
        return data

    async def receive_json(self, timeout: float | None = PATIENCE_S) -> Any:  # noqa: ASYNC109
        """Give the next message, read as JSON."""
        return json_module.loads(await self.receive(timeout))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except WebSocketClosed:
            raise StopAsyncIteration from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection with a code and a reason; what the other side sent before is dropped."""
        if self.close_code is None:
            await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        reason.encode()  # as of a message
        self.close_code, self.close_reason = code, reason
        await self._wire.close(code, reason)
