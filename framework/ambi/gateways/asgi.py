"""The ASGI gateway: read the request, run it, write the response; and the lifespan protocol. See: ASGI 3.0.

Facts (seen on the servers)
- Keys may be absent (`root_path`, `raw_path`, `client`, `extensions`, `state`): the scope is asked, never indexed.
- `raw_path` is preferred to `path`, which some servers decode not at all or wrongly; but a path that a middleware
  rewrote is taken as rewritten.
- `receive()` is called only when the body is wanted: on several servers that call answers `Expect: 100-continue`.
- After a disconnect `send` is silent and does not suspend on five servers: a stream checkpoints after each item.
"""

from __future__ import annotations

from contextvars import copy_context
from itertools import chain

from ..core.ending import finish
from ..core.errors import ClientDisconnected, HTTPError
from ..core.log import log_crash, log_disconnect, log_failure
from ..core.pipeline import respond
from ..core.recovery import late_error
from ..core.request import Request
from ..core.response import as_bytes, declared_length, finalize
from ..core.sides import ASYNC, on_sync_side
from ..core.url import decode_path, encode_raw_query, percent_decode, strip_root
from .entry import check_host, headers_too_large, parse_content_length, target_too_long

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Awaitable,
        Callable,
        Coroutine,
        Iterator,
        Mapping,
    )
    from contextvars import Context
    from typing import Any, Literal, Protocol

    from ..core.headers import Pair
    from ..core.limits import Limits
    from ..core.plan import Plan
    from ..core.request import Application
    from ..core.response import Response
    from ..core.sides import Side

    Scope = Any
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]

    class ServedApplication(Application, Protocol):
        """What this gateway needs of an application."""

        lifespans: Any

        def plan_for(self, request: Request, refusal: HTTPError | None) -> Plan:
            """Find the plan of a request."""
            ...


async def serve(app: ServedApplication, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one connection of an ASGI server.

    Raises:
        RuntimeError: the scope is of a type that is not served.
    """
    if scope["type"] != "http":
        await _serve_other(app, scope, receive, send)
        return
    request, refusal = read_request(app, scope, receive)
    context = request._context = copy_context()
    if app.lifespans is not None and app.lifespans.pending:
        refusal = await _start(app, request) or refusal
    try:
        coroutine = respond(request, app.plan_for(request, refusal), ASYNC)
        try:
            wanted = context.run(coroutine.send, None)
        except StopIteration as stop:  # nothing of it had to wait: it ran to its end in one go
            response = stop.value
        else:
            response = await _go_on(request, coroutine, context, wanted)
        if response.status not in _CLOSING and has_unread_body(request):
            await request._body_source.drain()
        await write_response(request, response, receive, send, context)
    finally:
        if request._after is not None or request._form is not None or request._dropped is not None:
            await _end(request, context)
        elif request._sync_side is not None:
            request._sync_side.release()


async def _end(request: Request, context: Context) -> None:
    """Do what is to be done after the response, be the request cancelled or not."""
    from anyio import CancelScope

    try:
        with CancelScope(shield=True):
            await _drive(request, finish(request, ASYNC), context)
    finally:
        if request._sync_side is not None:
            request._sync_side.release()


async def _serve_other(app: ServedApplication, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        from .asgi_websocket import serve_websocket  # loads anyio, which an application without one does not need

        await serve_websocket(app, scope, receive, send)
    elif scope["type"] == "lifespan":
        await serve_lifespan(app, scope, receive, send)
    else:
        kinds = "'http', 'websocket' and 'lifespan' are"
        raise RuntimeError(f"the ASGI scope type {scope['type']!r} is not served; {kinds}")


# --- read the request ---


def read_request(  # noqa: C901, PLR0912, PLR0915  # one pass over what every request has; each branch is one fact
    app: Application, scope: Scope, receive: Receive
) -> tuple[Request, HTTPError | None]:
    """Make the request; an error comes beside it, to be answered through the layers of the application."""
    path = scope["path"]
    query = scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    root_path = scope["root_path"] if "root_path" in scope else ""
    limits = app.limits
    host: str | None = None
    raw_host = length = None
    refusal: HTTPError | None = None
    has_body = is_large = False
    for name, value in scope["headers"]:
        # A slice that is not empty says "longer than" without a call, and this is asked of every line.
        if value[limits.harmless_value_bytes :] or name[limits.harmless_name_bytes :]:
            is_large = True
        if name in _ASKED_FOR:
            if name == b"host":
                is_large, raw_host = is_large or raw_host is not None, value
            elif name == b"content-length":
                length = value
            else:
                has_body = True
    try:
        raw_path = scope["raw_path"] if "raw_path" in scope else None
        if (
            raw_path != path.encode()
            or "%" in path
            or "#" in path
            or root_path
            or not path.isprintable()
            or path[:1] != "/"
        ):
            path = _read_path(raw_path, path, root_path)
        if raw_host is not None:
            host = _hosts[raw_host] if raw_host in _hosts else _hosts.learn(raw_host)
        if length is not None:
            has_body = parse_content_length(length.decode("latin-1")) > 0
        elif "http_version" in scope and scope["http_version"] > "1.1":
            has_body = True  # HTTP/2 may have a body without saying so
        target = raw_path or path.encode()
        if (target + b"?" + scope["query_string"] if query else target)[limits.max_target_bytes :]:
            raise target_too_long(limits)
        if is_large or len(scope["headers"]) > limits.max_header_lines:
            _check_fields(limits, scope["headers"])
    except HTTPError as exc:
        refusal = exc
    if query and not query.isascii():
        query = encode_raw_query(query)
    request = Request(app, EDGE, scope, scope["method"], path, query, root_path, host, has_body)
    if has_body:
        request._body_source = ASGIBody(request, receive, length)
    return request, refusal


_ASKED_FOR = frozenset((b"host", b"content-length", b"transfer-encoding"))


def _check_fields(limits: Limits, lines: Any) -> None:
    """Weigh header fields that are many or large, and refuse two Host lines (RFC 9112 3.2).

    Raises:
        HTTPError: 431, 400.
    """
    if len(lines) > limits.max_header_lines or sum(map(len, chain.from_iterable(lines))) > limits.max_header_bytes:
        raise headers_too_large(limits)
    if sum(name == b"host" for name, _ in lines) > 1:
        raise HTTPError(400, "the Host header is not a valid host")  # WSGI joins them, and says just this


def _read_path(raw: bytes | None, path: str, root_path: str) -> str:
    if raw and raw != b"*":
        if b"?" in raw:
            raw = raw.partition(b"?")[0]
        decoded = decode_path(raw)
        if decoded != path:
            path = _choose_path(path, decoded)
    elif path not in ("", "*"):
        path = decode_path(path.encode("utf-8", "surrogateescape"))
    return strip_root(path, root_path)


def _choose_path(path: str, decoded: str) -> str:
    """Tell a server's wrong decoding, which is mended, from a middleware's rewriting, which stands."""
    undecoded = percent_decode(path.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
    try:
        mojibake = path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        mojibake = ""
    absolute = path.partition("://")[1]
    return decoded if absolute or decoded in (undecoded, mojibake) else path


class _Hosts(dict[bytes, str]):
    """Hosts found good before, a few hundred at most."""

    def learn(self, raw: bytes) -> str:
        """Check a host and keep it. Raises: HTTPError 400."""
        host = raw.decode("latin-1")
        check_host(host)
        if len(self) >= 256:
            self.clear()
        self[raw] = host
        return host


_hosts = _Hosts()


_EMPTY_IS_NONE = frozenset((b"content-type", b"content-length"))  # as WSGI has it


_HTTP_SCHEMES = {"ws": "http", "wss": "https"}  # the handshake of a WebSocket is an HTTP request


class _Edge:
    """What the core may ask of a scope."""

    name: Literal["asgi"] = "asgi"

    def header(self, scope: Scope, name: str, /) -> str | None:
        key = name.encode("latin-1")
        values = [value for field, value in scope["headers"] if field == key]
        if len(values) > 1:
            return (b"; " if key == b"cookie" else b", ").join(values).decode("latin-1")
        return values[0].decode("latin-1") or None if values else None

    def headers(self, scope: Scope, /) -> list[Pair]:
        return [
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
            if b"_" not in name and (value or name not in _EMPTY_IS_NONE)
        ]

    def scheme(self, scope: Scope, /) -> str:
        scheme = str(scope.get("scheme", "http"))
        return _HTTP_SCHEMES.get(scheme, scheme)

    def client(self, scope: Scope, /) -> tuple[str, int | None] | None:
        return _address(scope.get("client"))

    def server(self, scope: Scope, /) -> str:
        address = _address(scope.get("server"))
        if address is None:
            return ""
        name, port = address
        return name if port in (None, 443 if self.scheme(scope) == "https" else 80) else f"{name}:{port}"

    def lifespan_state(self, scope: Scope, /) -> Mapping[str, Any] | None:
        state: Mapping[str, Any] | None = scope.get("state")
        return state

    def body_source(self, request: Request) -> ASGIBody:
        source: ASGIBody = request._body_source
        return source

    async def travel(self, request: Request, coroutine: Coroutine[Any, Any, Response]) -> Response:
        from ..bridge.to_thread import travel  # loads anyio; the user's code on the loop may not

        return await travel(request, coroutine)


EDGE = _Edge()


def _address(value: Any) -> tuple[str, int | None] | None:
    """Normalise what servers say of an address: a tuple or list, the port a number, text or None."""
    if not value or not value[0]:
        return None
    port = str(value[1]) if len(value) > 1 else ""
    return str(value[0]), int(port) if port.isdecimal() else None


_DRAIN_BYTES = 65536
_DRAIN_S = 1.0


def has_unread_body(request: Request) -> bool:
    """Tell whether a small body was left that the client is sending anyway: it was not asked to wait.

    Some servers (hypercorn) close the connection of an answer that comes before such a body is there, and the client
    fails while it sends.
    """
    if not request._has_body or request._body_source.ended:
        return False
    declared = request._body_source.declared
    return declared is not None and declared <= _DRAIN_BYTES and EDGE.header(request.native, "expect") is None


class ASGIBody:
    """The body of a request in `http.request` events."""

    side: Side = ASYNC

    def __init__(self, request: Request, receive: Receive, length: bytes | None) -> None:
        self._request = request
        self._receive = receive
        self.ended = False
        self.declared = int(length) if length is not None and length.isdigit() else None

    async def read(self) -> bytes:
        """Give the next bytes, b"" at the end.

        Raises:
            ClientDisconnected: the client left first.
            HTTPError: 408 without progress for `Limits.body_timeout_s`.
        """
        from ..bridge.timeouts import within  # a server of ASGI has loaded what this loads

        timeout_s = self._request.limits.body_timeout_s
        while not self.ended:
            try:
                message = await within(self._receive(), timeout_s)
            except TimeoutError:
                raise HTTPError(408, f"no byte of the body arrived for {timeout_s:g} seconds") from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the client left before the end of its body")
            self.ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        return b""

    read_async = read

    async def drain(self) -> None:
        """Take what is on its way, for a second at most; what it is does not matter, nor whether it comes."""
        from ..bridge.timeouts import within

        try:
            while not self.ended:
                message = await within(self._receive(), _DRAIN_S)
                self.ended = not message.get("more_body", False)
        except TimeoutError:
            self.ended = False

    def read_blocking(self) -> bytes:
        """As `read`, from a worker thread: the server's loop receives."""
        from ..bridge.to_thread import call_on_loop

        return call_on_loop(self._request, self.read)

    async def run_io(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run file work in a thread: the loop must not block."""
        from ..bridge.to_thread import run_io

        return await run_io(self._request.app, function, *args)


# --- run ---


async def _start(app: ServedApplication, request: Request) -> HTTPError | None:
    """Start the application where the server sends no lifespan events; a failure is the answer to the request."""
    try:
        await app.lifespans.start_on_this_loop()
    except Exception as exc:
        log_crash(request, exc, "the start of the application")
        return HTTPError(500)
    return None


async def _drive(request: Request, coroutine: Coroutine[Any, Any, Any], context: Context) -> Any:
    """Drive a coroutine of the request that begins on the async side; give what it returns."""
    try:
        wanted = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    return await _go_on(request, coroutine, context, wanted)


async def _go_on(request: Request, coroutine: Coroutine[Any, Any, Any], context: Context, wanted: object) -> Any:
    """Drive it on from where it waits for something: for the loop, or to be on the other side."""
    from ..bridge.to_thread import Trip  # loads anyio, which an application that never waits does not need

    return await Trip(request, coroutine, context, context, wanted)


# --- write the response ---


_SHARED = frozenset(("content-type", "content-length", "x-content-type-options", "vary", "cache-control", "allow"))
_encoded: dict[Pair, tuple[bytes, bytes]] = {}


def _encode(pairs: list[Pair]) -> list[tuple[bytes, bytes]]:
    """Give header pairs as the server wants them; those that many responses share are kept encoded."""
    headers: list[tuple[bytes, bytes]] = []
    for pair in pairs:
        if pair in _encoded:
            headers.append(_encoded[pair])
            continue
        encoded = pair[0].encode("latin-1"), pair[1].encode("latin-1")
        headers.append(encoded)
        if pair[0] in _SHARED and len(pair[1]) < 128:
            if len(_encoded) >= 4096:
                _encoded.clear()
            _encoded[pair] = encoded
    return headers


async def write_response(request: Request, response: Response, receive: Receive, send: Send, context: Context) -> None:
    """Send the response; streams item by item."""
    if request._dropped is not None:
        request.sends(response)
    pairs, body = finalize(request, response)
    if type(body) is not bytes and body is not None:
        await _drive(request, _send_stream(request, response, pairs, body, receive, send), context)
        return
    if body is None and response.body.__class__ is not bytes:
        await _drive(request, _close(response.body), context)
    try:
        headers = [_encoded[pair] for pair in pairs]
    except KeyError:
        headers = _encode(pairs)
    if response.status in _CLOSING:
        headers += _connection_fields(request, response)
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body or b""})
    except OSError:  # some servers say so that the client left
        log_disconnect(request)


_CLOSING = frozenset((408, 413, 426))


def _connection_fields(request: Request, response: Response) -> list[tuple[bytes, bytes]]:
    """Ask the server to close the connection: what is left of a refused body is not worth reading.

    A 426 names the protocol that is wanted instead. WSGI forbids both fields. See: RFC 9110 7.8 and 15.5.22.
    """
    if request.native.get("http_version", "1.1") > "1.1":
        return []
    return [(b"connection", b"upgrade"), (b"upgrade", b"websocket")] if response.status == 426 else _CLOSE


_CLOSE = [(b"connection", b"close")]


_CHECKPOINT_EVERY = 16
"""Items between two turns of the event loop, where neither the body nor `send` waits for anything."""


async def _send_stream(
    request: Request, response: Response, pairs: list[Pair], body: Any, receive: Receive, send: Send
) -> None:
    """Send a streamed body. The response starts with its first item, so that a failure before is a clean 500.

    Raises:
        Exception: what the body raised after its first item; the server then cuts the connection.
    """
    items = body if hasattr(body, "__aiter__") else _from_thread(request, body)
    headers = _encode(pairs)
    stream = _Sending(send, {"type": "http.response.start", "status": response.status, "headers": headers})
    try:
        stream.left = declared_length(pairs)
        if await _while_connected(request, receive, stream.send_items(items)):
            await stream.send_end()
    except _ClientGone:
        log_disconnect(request)
    except Exception as exc:
        if stream.start is None:
            raise
        answer = late_error(request, exc, "the first item of a streamed body")
        await write_response(request, answer, receive, send, request._context)
    finally:
        if items is not body:
            await items.aclose()
        await _close(body)


class _ClientGone(Exception):
    """The server says by an OSError of its `send` that the client left."""


class _Sending:
    """A streamed body on its way; `start` is the first message, None once it is sent."""

    __slots__ = ("_send", "left", "start")

    def __init__(self, send: Send, start: Any) -> None:
        self._send = send
        self.start = start
        self.left: int | None = None

    async def send_items(self, items: AsyncIterable[bytes | str]) -> None:
        """Send the items as far as a Content-Length allows."""
        from anyio.lowlevel import checkpoint

        send, count = self._send, 0
        async for item in items:
            chunk = item if isinstance(item, bytes) else as_bytes(item)
            if self.left is not None:
                chunk = chunk[: self.left]
                self.left -= len(chunk)
            if chunk:
                if self.start is not None:
                    await self._begin()
                try:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except OSError as exc:
                    raise _ClientGone from exc
                count += 1
                if not count % _CHECKPOINT_EVERY:
                    await checkpoint()
            if self.left == 0:
                return

    async def send_end(self) -> None:
        """Say that the body is over. Raises: RuntimeError if it is shorter than its Content-Length."""
        if self.left:
            raise RuntimeError(f"the streamed body ended {self.left} bytes before its Content-Length")
        if self.start is not None:
            await self._begin()
        try:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError as exc:
            raise _ClientGone from exc

    async def _begin(self) -> None:
        start, self.start = self.start, None
        try:
            await self._send(start)
        except OSError as exc:
            raise _ClientGone from exc


async def _while_connected(request: Request, receive: Receive, sending: Coroutine[Any, Any, None]) -> bool:
    """Await `sending`, and cancel it when the client leaves; tell whether it came to its end."""
    from anyio import create_task_group

    failure: Exception | None = None
    ended = False
    async with create_task_group() as group:
        if not request._has_body or request._body_source.ended:
            group.start_soon(_watch, receive, group.cancel_scope)
        try:
            await sending
            ended = True
        except Exception as exc:  # kept out of the group, which would wrap it
            failure = exc
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return ended


async def _watch(receive: Receive, scope: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


_END: Any = object()


async def _from_thread(request: Request, body: Any) -> AsyncGenerator[bytes | str]:
    """Give the items of a body that may block: one worker thread makes them all, one when asked."""
    from ..bridge.to_thread import sync_side_of

    await sync_side_of(request).become_stream()
    iterator: Iterator[Any] = await on_sync_side(iter, body)
    while True:
        item: Any = await on_sync_side(next, iterator, _END)
        if item is _END:
            return
        yield item


async def _close(body: Any) -> None:
    """Close a body on its own side; idempotent."""
    from anyio import CancelScope

    with CancelScope(shield=True):
        if hasattr(body, "aclose"):
            await body.aclose()
        elif hasattr(body, "close"):
            await on_sync_side(body.close)


# --- lifespan ---


async def serve_lifespan(app: ServedApplication, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop the application as the server says. A failure is told to the server, which then does not serve."""
    await receive()
    if app.lifespans is None:
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    phase = "startup"

    async def started() -> None:
        nonlocal phase
        if "state" in scope:
            scope["state"].update(app.lifespan_state)
        await send({"type": "lifespan.startup.complete"})
        phase = "shutdown"

    async def stopping() -> None:
        await receive()

    try:
        await app.lifespans.run(started, stopping)
    except Exception as exc:
        log_failure(f"the {phase} of the application failed", exc)
        await send({"type": f"lifespan.{phase}.failed", "message": f"{type(exc).__name__}: {exc}"})
    else:
        await send({"type": "lifespan.shutdown.complete"})
