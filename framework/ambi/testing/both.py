"""The same request through both gateways, one after the other, and what differs.

Compared are the status, the header fields, the body, the class of an exception behind a 500 or at the end of a stream,
and what each middleware did, in order; of a WebSocket, the answer to the handshake, the messages and how it was closed.

Normalised is:

- the order of fields with different names, which means nothing (RFC 9110 5.3); that of the lines of one field stays;
- `connection` and `upgrade`, which a WSGI application must not send (PEP 3333);
- how a body is cut into pieces: its bytes are compared. Of a stream that was left, as many as the test has read.

Nothing else is. What the framework makes at random is the same on both (`chance.py`). An answer that holds a time or a
random value of the application's own differs; let the test fix these.
"""

from __future__ import annotations

import contextlib
import difflib

from .asgi import aiter_of
from .chance import SameChance
from .errors import GatewaysDiffer
from .messages import Response
from .watching import Watch, watch_layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, Self

    from .messages import Lines, Request
    from .transports import AsyncTransport, Transport
    from .websocket import AsyncWire, Message, Wire

NOT_COMPARED = frozenset(("connection", "upgrade"))
"""Header fields that belong to the connection, and so to the gateway."""

_MOST_LINES = 40
_MOST_OF_ANOTHER = 65536


# --- comparing ---


def compare(request: Request, wsgi: Response, asgi: Response, bodies: tuple[bytes, bytes]) -> None:
    """Hold two answers against each other. Raises: GatewaysDiffer."""
    differences = _head_differences(wsgi, asgi)
    if bodies[0] != bodies[1]:
        differences.append(_body_difference(*bodies))
    differences += _watch_difference(wsgi._watch or Watch(), asgi._watch or Watch())
    _raise_difference(f"{request.method} {request.target}", differences)


def _head_differences(wsgi: Response, asgi: Response) -> list[str]:
    differences: list[str] = []
    if wsgi.status_code != asgi.status_code:
        differences.append(f"status: {wsgi.status_code} under WSGI, {asgi.status_code} under ASGI")
    return differences + _list_difference("header fields", _fields(wsgi.header_lines), _fields(asgi.header_lines))


def _raise_difference(what: str, differences: list[str]) -> None:
    if differences:
        raise GatewaysDiffer(f"{what} is not answered the same\n" + "\n".join(f"- {line}" for line in differences))


def _fields(lines: Lines) -> list[str]:
    compared = [line for line in lines if line[0] not in NOT_COMPARED]
    return [f"{name}: {value}" for name, value in sorted(compared, key=lambda line: line[0])]


def _watch_difference(wsgi: Watch, asgi: Watch) -> list[str]:
    crashes = [[type(error).__name__ for error, _ in watch.crashes] for watch in (wsgi, asgi)]
    return _list_difference("crashed", *crashes) + _list_difference("middlewares", wsgi.layers, asgi.layers)


def _list_difference(what: str, wsgi: list[str], asgi: list[str]) -> list[str]:
    if wsgi == asgi:
        return []
    return [f"{what}:\n" + _diff(wsgi, asgi)]


def _diff(wsgi: list[str], asgi: list[str]) -> str:
    lines = list(difflib.unified_diff(wsgi, asgi, "WSGI", "ASGI", n=2, lineterm=""))
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"... and {len(lines) - _MOST_LINES} lines more"]
    return "\n".join(f"    {line:.200}" for line in lines if not line.startswith("@@"))


def _body_difference(wsgi: bytes, asgi: bytes) -> str:
    try:
        lines = wsgi.decode().splitlines()
        others = asgi.decode().splitlines()
    except UnicodeDecodeError:
        lines = others = []
    if lines != others:
        return "body:\n" + _diff(lines, others)
    at = next((n for n, (a, b) in enumerate(zip(wsgi, asgi, strict=False)) if a != b), min(len(wsgi), len(asgi)))
    return (
        f"body: {len(wsgi)} bytes under WSGI, {len(asgi)} under ASGI, from byte {at} on"
        f" {wsgi[at : at + 20]!r} and {asgi[at : at + 20]!r}"
    )


def compare_ends(
    request: Request, wsgi: BaseException | None, asgi: BaseException | None, otherwise: str = "its own end"
) -> None:
    """Hold how two streams ended against each other; `otherwise` is what one comes to that did not fail.

    Raises:
        GatewaysDiffer: not alike.
        BaseException: of the class that both raised.
    """
    kinds = [type(end).__name__ if end is not None else otherwise for end in (wsgi, asgi)]
    if kinds[0] != kinds[1]:
        ends = f"the body comes to {kinds[0]} under WSGI, to {kinds[1]} under ASGI"
        raise GatewaysDiffer(f"{request.method} {request.target} is not answered the same\n- {ends}") from wsgi or asgi
    if wsgi is not None:
        raise wsgi


class _Bodies:
    """The bodies of two answers: one is given to the test, the other read as far."""

    def __init__(self, request: Request, wsgi: Response, asgi: Response) -> None:
        self.read = bytearray()
        self.other = bytearray()
        self.has_ended = False
        self._request = request
        self._answers = wsgi, asgi
        self._most = _MOST_OF_ANOTHER if _head_differences(wsgi, asgi) else None  # it may be a stream without end

    @property
    def is_behind(self) -> bool:
        """Whether the other one has to be read on."""
        if self._most is not None and len(self.other) >= self._most:
            return False
        return self.has_ended or len(self.other) < len(self.read)

    @contextlib.contextmanager
    def catching_up(self) -> Iterator[None]:
        """Read the other one in this block. Raises: GatewaysDiffer where that fails, since the first one has not."""
        try:
            yield
        except Exception as exc:
            compare_ends(self._request, None, exc, "its own end" if self.has_ended else "more")

    def compare(self) -> None:
        """Compare all that there is. Raises: GatewaysDiffer."""
        size = None if self.has_ended else len(self.read)
        compare(self._request, *self._answers, (bytes(self.read), bytes(self.other[:size])))


def _watch_layers(*sides: Any) -> None:
    for side in sides:
        watch_layers(side.app)


def _answer(wsgi: Response, chunks: Any, achunks: Any) -> Response:
    response = Response(wsgi.status_code, wsgi.header_lines, chunks, achunks)
    response._watch = wsgi._watch
    return response


def _raise_crash(response: Response, *, raises: bool) -> None:
    if raises and response._watch is not None:
        response._watch.raise_crash()


# --- a client that blocks ---


class BothTransport:
    """Sends each request through the WSGI gateway and then through the ASGI gateway."""

    def __init__(self, wsgi: Transport, asgi: Transport, *, raises: bool) -> None:
        self._wsgi: Any = wsgi
        self._asgi: Any = asgi
        self._raises = raises
        self._closing = contextlib.ExitStack()

    @property
    def settle(self) -> bool:
        """Whether an exchange waits for what runs after it."""
        return bool(self._wsgi.settle)

    @settle.setter
    def settle(self, settle: bool) -> None:
        self._wsgi.settle = self._asgi.settle = settle

    def start(self) -> None:
        """Run the start-up of both."""
        with contextlib.ExitStack() as stack:
            for side in (self._wsgi, self._asgi):
                side.start()
                stack.callback(side.stop)
            self._closing = stack.pop_all()

    def stop(self) -> None:
        """Run the shutdown of both, in reverse."""
        self._closing.close()

    @contextlib.contextmanager
    def exchange(self, request: Request) -> Iterator[Response]:
        """Send a request through both, and compare when the block is left. Raises: GatewaysDiffer."""
        _watch_layers(self._wsgi, self._asgi)
        if not isinstance(request.body, bytes):
            request = request.with_body(list(request.body))  # type: ignore[arg-type]  # checked by the client
        chances = SameChance.twice()
        with contextlib.ExitStack() as stack:
            with chances[0]:
                wsgi = stack.enter_context(self._wsgi.exchange(request))
            with chances[1]:
                asgi = stack.enter_context(self._asgi.exchange(request))
            bodies = _Bodies(request, wsgi, asgi)
            yield _answer(wsgi, self._chunks(request, bodies, wsgi, asgi), None)
            with contextlib.closing(asgi.iter_bytes()) as others, bodies.catching_up():
                while bodies.is_behind and (chunk := next(others, b"")):
                    bodies.other += chunk
        bodies.compare()
        _raise_crash(wsgi, raises=self._raises)

    def _chunks(self, request: Request, bodies: _Bodies, wsgi: Response, asgi: Response) -> Iterator[bytes]:
        try:
            for chunk in wsgi.iter_bytes():
                bodies.read += chunk
                yield chunk
        except Exception as exc:
            compare_ends(request, exc, _failure_of(asgi))
        bodies.has_ended = True

    def websocket(self, request: Request) -> BothWire:
        """Send the handshake of a WebSocket through both."""
        _watch_layers(self._wsgi, self._asgi)
        return BothWire(request, self._wsgi.websocket(request), self._asgi.websocket(request), raises=self._raises)


def _failure_of(response: Response) -> Exception | None:
    try:
        response.read()
    except Exception as exc:
        return exc
    return None


class BothWire:
    """A WebSocket on each gateway; what one does the other has to do as well."""

    def __init__(self, request: Request, wsgi: Wire, asgi: Wire, *, raises: bool) -> None:
        self.raises = raises
        self.watch = wsgi.watch
        self._request = request
        self._wires = wsgi, asgi
        self._is_open = False

    def open(self) -> Response:
        """Wait for both answers. Raises: GatewaysDiffer."""
        wsgi, asgi = (_opened(wire, chance) for wire, chance in zip(self._wires, SameChance.twice(), strict=True))
        compare(self._request, wsgi, asgi, (wsgi.content, asgi.content))
        self._is_open = True
        return wsgi

    def send(self, message: Message) -> None:
        """Send a message to both. Raises: WebSocketClosed."""
        for wire in self._wires:
            wire.send(message)

    def receive(self, timeout: float | None) -> Message:
        """Give the next message of both. Raises: WebSocketClosed, TimeoutError, GatewaysDiffer."""
        wsgi, asgi = (_received(wire, timeout) for wire in self._wires)
        return _same_message(self._request, wsgi, asgi)

    def close(self, code: int, reason: str) -> None:
        """Close both."""
        for wire in self._wires:
            wire.close(code, reason)

    def end(self) -> None:
        """Wait until both are through with it. Raises: GatewaysDiffer."""
        with contextlib.ExitStack() as stack:
            for wire in self._wires:
                stack.callback(wire.end)
        if self._is_open:
            _compare_watches(self._request, *self._wires)


def _opened(wire: Wire, chance: SameChance) -> Response:
    with chance:
        return wire.open()


def _received(wire: Wire, timeout: float | None) -> Message | Exception:
    try:
        return wire.receive(timeout)
    except Exception as exc:
        return exc


def _same_message(request: Request, wsgi: Message | Exception, asgi: Message | Exception) -> Message:
    """Give the message, or raise the exception, that both have. Raises: GatewaysDiffer."""
    if repr(wsgi) != repr(asgi):
        _raise_difference(
            f"WebSocket {request.target}", [f"received: {wsgi!r:.200} under WSGI, {asgi!r:.200} under ASGI"]
        )
    if isinstance(wsgi, Exception):
        raise wsgi
    return wsgi


def _compare_watches(request: Request, wsgi: Wire | AsyncWire, asgi: Wire | AsyncWire) -> None:
    _raise_difference(f"WebSocket {request.target}", _watch_difference(wsgi.watch, asgi.watch))


# --- a client that awaits ---


class AsyncBothTransport:
    """As `BothTransport`, awaited."""

    def __init__(self, wsgi: AsyncTransport, asgi: AsyncTransport, *, raises: bool) -> None:
        self._wsgi: Any = wsgi
        self._asgi: Any = asgi
        self._raises = raises
        self._closing = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Run the start-up of both."""
        async with contextlib.AsyncExitStack() as stack:
            for side in (self._wsgi, self._asgi):
                await side.start()
                stack.push_async_callback(side.stop)
            self._closing = stack.pop_all()

    async def stop(self) -> None:
        """Run the shutdown of both, in reverse."""
        await self._closing.aclose()

    @contextlib.asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        """Send a request through both, and compare when the block is left. Raises: GatewaysDiffer."""
        _watch_layers(self._wsgi, self._asgi)
        if not isinstance(request.body, bytes):
            request = request.with_body([chunk async for chunk in aiter_of(request.body)])
        chances = SameChance.twice()
        async with contextlib.AsyncExitStack() as stack:
            with chances[0]:
                wsgi = await stack.enter_async_context(self._wsgi.exchange(request))
            with chances[1]:
                asgi = await stack.enter_async_context(self._asgi.exchange(request))
            bodies = _Bodies(request, wsgi, asgi)
            yield _answer(wsgi, None, _AwaitedBody(request, bodies, wsgi, asgi))
            others = asgi.aiter_bytes()
            with bodies.catching_up():
                while bodies.is_behind and (chunk := await anext(others, b"")):
                    bodies.other += chunk
        bodies.compare()
        _raise_crash(wsgi, raises=self._raises)

    def websocket(self, request: Request) -> AsyncBothWire:
        """Send the handshake of a WebSocket through both."""
        _watch_layers(self._wsgi, self._asgi)
        wires = self._wsgi.websocket(request), self._asgi.websocket(request)
        return AsyncBothWire(request, *wires, raises=self._raises)


class _AwaitedBody:
    """The body that is given to the test, noted down."""

    def __init__(self, request: Request, bodies: _Bodies, wsgi: Response, asgi: Response) -> None:
        self._request = request
        self._bodies = bodies
        self._chunks = wsgi.aiter_bytes()
        self._other = asgi

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = b""
        try:
            chunk = await anext(self._chunks, b"")
        except Exception as exc:
            compare_ends(self._request, exc, await _afailure_of(self._other))
        if not chunk:
            self._bodies.has_ended = True
            raise StopAsyncIteration
        self._bodies.read += chunk
        return chunk


async def _afailure_of(response: Response) -> Exception | None:
    try:
        await response.aread()
    except Exception as exc:
        return exc
    return None


class AsyncBothWire:
    """As `BothWire`, awaited."""

    def __init__(self, request: Request, wsgi: AsyncWire, asgi: AsyncWire, *, raises: bool) -> None:
        self.raises = raises
        self.watch = wsgi.watch
        self._request = request
        self._wires = wsgi, asgi
        self._is_open = False

    async def open(self) -> Response:
        """Wait for both answers. Raises: GatewaysDiffer."""
        wsgi, asgi = [
            await _aopened(wire, chance) for wire, chance in zip(self._wires, SameChance.twice(), strict=True)
        ]
        compare(self._request, wsgi, asgi, (wsgi.content, asgi.content))
        self._is_open = True
        return wsgi

    async def send(self, message: Message) -> None:
        """Send a message to both. Raises: WebSocketClosed."""
        for wire in self._wires:
            await wire.send(message)

    async def receive(self, timeout: float | None) -> Message:  # noqa: ASYNC109  # as httpx has it
        """Give the next message of both. Raises: WebSocketClosed, TimeoutError, GatewaysDiffer."""
        wsgi, asgi = [await _areceived(wire, timeout) for wire in self._wires]
        return _same_message(self._request, wsgi, asgi)

    async def close(self, code: int, reason: str) -> None:
        """Close both."""
        for wire in self._wires:
            await wire.close(code, reason)

    async def end(self) -> None:
        """Wait until both are through with it. Raises: GatewaysDiffer."""
        async with contextlib.AsyncExitStack() as stack:
            for wire in self._wires:
                stack.push_async_callback(wire.end)
        if self._is_open:
            _compare_watches(self._request, *self._wires)


async def _aopened(wire: AsyncWire, chance: SameChance) -> Response:
    with chance:
        return await wire.open()


async def _areceived(wire: AsyncWire, timeout: float | None) -> Message | Exception:  # noqa: ASYNC109
    try:
        return await wire.receive(timeout)
    except Exception as exc:
        return exc
