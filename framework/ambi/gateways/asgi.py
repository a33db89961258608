"""The ASGI gateway: read the request, run it, write the response; and the lifespan protocol. See: ASGI 3.0.

Facts (seen on the servers)
- Keys may be absent (`root_path`, `raw_path`, `client`, `extensions`, `state`): the scope is asked, never indexed.
- `raw_path` is preferred to `path`, which some servers decode not at all or wrongly; but a path that a middleware
  rewrote is taken as rewritten.
- Where there is no `raw_path`, `path` is decoded (Mangum, a2wsgi); where it is empty, all but `%2F` is (fastpysgi), and
  nobody knows whether that was `%252F`, which is rare.
- `receive()` is called only when the body is wanted: on several servers that call answers `Expect: 100-continue`.
- After a disconnect `send` is silent and does not suspend on five servers: a stream checkpoints after each item.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from itertools import chain

from ..core.ending import CLIENT_CLOSED_REQUEST, release, run_after, tell_sent
from ..core.errors import ConnectionLost, HTTPError
from ..core.log import log_crash, log_disconnect, log_failure, log_raised
from ..core.pipeline import respond
from ..core.request import Request
from ..core.response import finalize, take_body
from ..core.sides import ASYNC
from ..core.url import (
    HTTP_SCHEMES,
    decode_path,
    decode_utf8_path,
    encode_raw_query,
    no_utf8,
    path_of_absolute_form,
    percent_decode,
    strip_root,
)
from ..core.watching import tell_of_crash
from .asgi_connection import AHEAD_BYTES, Connection, connection_of
from .counting import counted
from .entry import (
    OWS,
    check_coding,
    check_host,
    has_unencoded,
    headers_too_large,
    host_of_server,
    no_host,
    parse_content_length,
    target_too_long,
    watched,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Callable,
        Coroutine,
        Mapping,
    )
    from contextvars import Context
    from typing import Any, Literal, Protocol

    from ..bridge.to_thread import SyncSide
    from ..core.headers import Pair
    from ..core.limits import Limits
    from ..core.plan import Plan
    from ..core.request import Application
    from ..core.response import Response

    Scope = Any
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]

    class ServedApplication(Application, Protocol):
        """What this gateway needs of an application."""

        lifespans: Any

        def plan_for(self, request: Request, refusal: HTTPError | None) -> Plan:
            """Find the plan of a request."""
            ...


async def serve(  # noqa: C901, PLR0912, PLR0915  # each branch is for a kind of request, and a call less for the others
    app: ServedApplication, scope: Scope, receive: Receive, send: Send
) -> None:
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
        plan = app.plan_for(request, refusal)
        coroutine = respond(request, plan, ASYNC)
        if app.debug:
            coroutine = watched(coroutine, request, plan)
        if plan.cancel_on_disconnect:
            response = await _run_while_connected(request, coroutine, context)
        else:
            try:
                wanted = context.run(coroutine.send, None)
            except StopIteration as stop:  # nothing of it had to wait: it ran to its end in one go
                response = stop.value
            else:
                response = await _go_on(request, coroutine, context, wanted)
        if response is None:
            return
        if request._sync_side is not None:
            leave_place(request, response)
        if response.body.__class__ is bytes and response.status not in _CLOSING and has_unread_body(request):
            await request._body_source.drain()  # a stream may read the rest of it by itself
        await write_response(request, response, send)
    except Exception as exc:
        if not _is_closed(exc):
            log_raised(request, exc)
            raise
        log_disconnect(request)
    finally:
        request._receive = None  # it is over, also for a connection that nobody has asked for yet
        if request._body_source is not None:
            request._body_source.close()
        if request.has_end:
            await _finish(request)
        elif request._sync_side is not None:
            request._sync_side.release()


def _is_closed(error: Exception) -> bool:
    """Tell whether the connection is closed that an answer should have gone to.

    It is of a client that has left without waiting for what it has asked for. uvloop says so by a RuntimeError, which
    uvicorn lets pass: a client should not fill the log of errors.
    """
    return error.__class__ is RuntimeError and str(error).endswith("; the handler is closed")


def leave_place(request: Request, response: Response) -> None:
    """Leave the place among the busy workers to others: a client may take as long as it likes over its response.

    The worker is kept where it may be needed again: for the items of a `def` generator, which may use what the handler
    has made, and for what runs after the response.
    """
    side: SyncSide = request._sync_side
    if request.has_end or not (response.body.__class__ is bytes or hasattr(response.body, "__aiter__")):
        side.step_out()
    else:
        side.rest()


async def _finish(request: Request) -> None:
    """Finish the request: here, but what runs after the response in a task of its own, as the client waits."""
    if request._sent is not None:
        request._context.run(tell_sent, request)
    if request._after is not None:
        from ..bridge.background import finish_on_loop

        connection_of(request).close()  # also where nobody has asked yet
        finish_on_loop(request.app, f"what runs after {request!r}", partial(_run_after, request))
    elif request._form is not None or request._dropped is not None:
        await _release(request)
    elif request._sync_side is not None:
        request._sync_side.release()


async def _run_after(request: Request) -> None:
    """Run what comes after the response, which a stop may cancel; then release what it could use."""
    from ..bridge.to_thread import sync_side_of

    side = sync_side_of(request)
    side.become("background")
    side.be_patient()
    try:
        coroutine = run_after(request, ASYNC)
        await _drive(request, watched(coroutine, request) if request.app.debug else coroutine, request._context)
    finally:
        side.become("threads")  # work without end may hold all those of the background
        request._context = request._context.copy()  # in which a thread may be that a stop has left behind
        await _release(request)


async def _release(request: Request) -> None:
    """Release what the request holds, be it cancelled or not."""
    from anyio import CancelScope

    from ..bridge.to_thread import sync_side_of

    sync_side_of(request).be_patient()
    try:
        with CancelScope(shield=True):
            await _drive(request, release(request, ASYNC), request._context)
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
    refusal: HTTPError | None = None
    prefix = ""
    if app.proxies is not None:
        from .forwarding import forwarded

        scope, prefix, refusal = forwarded(app.proxies, EDGE, scope)
    path = scope["path"]
    query = scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    root_path = scope["root_path"] if "root_path" in scope else ""
    limits = app.limits
    host: str | None = None
    raw_host = length = coding = None
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
                has_body, coding = True, value if coding is None else b"twice"
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
        if not host and app.allowed_hosts and "http_version" in scope and scope["http_version"] == "1.1":
            raise no_host()
        if coding is not None:
            scope["headers"] = list(scope["headers"])  # uvicorn adds trailer fields to its own: RFC 9110 6.5.1
            check_coding(coding.decode("latin-1"), f"HTTP/{scope.get('http_version')}", has_length=length is not None)
        elif length is not None:
            has_body = parse_content_length(length.decode("latin-1")) > 0
        elif scope["method"] in _WITH_BODY or ("http_version" in scope and scope["http_version"] > "1.1"):
            has_body = True  # without saying so, as HTTP/2 may, and what is no server: Mangum, test clients
        if "#" in query:
            raise has_unencoded()
        target = raw_path or path.encode()
        if (target + b"?" + scope["query_string"] if query else target)[limits.max_target_bytes :]:
            raise target_too_long(limits)
        if is_large or len(scope["headers"]) > limits.max_header_lines:
            _check_fields(limits, scope["headers"])
    except HTTPError as exc:
        refusal = exc
    except UnicodeEncodeError:  # half of a character, which a server or what rewrites a path has decoded of bad bytes
        refusal, path = no_utf8(), path.encode("utf-8", "replace").decode()
    if query and not query.isascii():
        query = encode_raw_query(query)
    request = Request(app, EDGE, scope, scope["method"], path, query, prefix + root_path, host, has_body)
    request._receive = receive
    if has_body:
        request._body_source = Connection(request, receive, length if coding is None else None, has_body=True)
    return request, refusal


_WITH_BODY = frozenset(("POST", "PUT", "PATCH", "QUERY"))
"""Methods that give a body a meaning: where it is empty, clients say so (RFC 9110 8.6), so few are asked in vain."""

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
        if raw == b"":
            path = path.replace("%2F", "/").replace("%2f", "/")
        data = path.encode("utf-8", "surrogateescape")
        path = decode_utf8_path(data if path[:1] == "/" else path_of_absolute_form(data))
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
        host = raw.decode("latin-1").strip(OWS)
        check_host(host)
        if len(self) >= 256:
            self.clear()
        self[raw] = host
        return host


_hosts = _Hosts()


class _Keys(dict[str, bytes]):
    """Names of header fields as a scope has them: those that are asked for, which are few."""

    def __missing__(self, name: str) -> bytes:
        key = name.encode()
        if len(self) < 256:
            self[name] = key
        return key


_KEYS = _Keys()

_EMPTY_IS_NONE = frozenset((b"content-type", b"content-length"))  # as WSGI has it


class _Edge:
    """What the core may ask of a scope."""

    name: Literal["asgi"] = "asgi"

    def header(self, scope: Scope, name: str, /) -> str | None:
        key = name.encode()
        found: bytes | None = None
        for field, value in scope["headers"]:
            if field == key:
                if found is not None:
                    return self._joined(scope, key)
                found = value
        return found.decode("latin-1").strip(OWS) or None if found else None

    def field(self, request: Request, name: str, /) -> str | None:
        lines = request._lines
        if lines is None:
            given = request.native["headers"]
            lines = request._lines = dict(given)
            if len(lines) != len(given):  # some are repeated
                lines.update((key, self._joined(request.native, key).encode("latin-1")) for key in lines)
        found = lines.get(_KEYS[name])
        return found.decode("latin-1").strip(OWS) or None if found else None

    def _joined(self, scope: Scope, key: bytes) -> str:
        """Give the lines of a repeated field as one."""
        values = [value for field, value in scope["headers"] if field == key]
        lines = [value.decode("latin-1").strip(OWS) for value in values]
        return ("; " if key == b"cookie" else ",").join(lines).strip(OWS)

    def headers(self, scope: Scope, /) -> list[Pair]:
        return [
            (name.decode("latin-1").lower(), value.decode("latin-1").strip(OWS))
            for name, value in scope["headers"]
            if b"_" not in name and (value or name not in _EMPTY_IS_NONE)
        ]

    def scheme(self, scope: Scope, /) -> str:
        scheme = str(scope.get("scheme", "http"))
        return HTTP_SCHEMES.get(scheme, scheme)

    def client(self, scope: Scope, /) -> tuple[str, int | None] | None:
        return _address(scope.get("client"))

    def server(self, scope: Scope, /) -> str:
        name, port = _address(scope.get("server")) or ("", None)
        return host_of_server(name, str(port or ""), self.scheme(scope))

    def raw_path(self, scope: Scope, /) -> bytes:
        raw: bytes = scope.get("raw_path") or b""
        return raw.partition(b"?")[0]

    def lifespan_state(self, scope: Scope, /) -> Mapping[str, Any] | None:
        state: Mapping[str, Any] | None = scope.get("state")
        return state

    def body_source(self, request: Request) -> Connection:
        return connection_of(request)

    def is_disconnected(self, request: Request) -> bool:
        from ..bridge.to_thread import call_on_loop, is_in_worker

        connection = connection_of(request)
        if is_in_worker():
            return call_on_loop(request, connection.look_now, keeps_place=True)
        return connection.look()

    async def travel(self, request: Request, coroutine: Coroutine[Any, Any, Response]) -> Response:
        from ..bridge.to_thread import travel  # loads anyio; the user's code on the loop may not

        return await travel(request, coroutine)


EDGE = _Edge()


def _address(value: Any) -> tuple[str, int | None] | None:
    """Normalise what servers say of an address: a tuple or list, the port a number, text or None."""
    if not value or not value[0]:
        return None
    port = str(value[1]) if len(value) > 1 else ""
    return str(value[0]), int(port) or None if port.isdecimal() else None  # 0 is none: so servers say it behind a proxy


def has_unread_body(request: Request) -> bool:
    """Tell whether a small body was left that the client is sending anyway: it was not asked to wait.

    Some servers (hypercorn) close the connection of an answer that comes before such a body is there, and the client
    fails while it sends.
    """
    if not request._has_body or request._body_source.ended:
        return False
    declared = request._body_source.declared
    return declared is not None and declared <= AHEAD_BYTES and EDGE.header(request.native, "expect") is None


# --- run ---


async def _start(app: ServedApplication, request: Request) -> HTTPError | None:
    """Start the application where the server sends no lifespan events; a failure is the answer to the request."""
    try:
        await app.lifespans.start_on_this_loop()
    except Exception as exc:
        log_crash(request, exc, "the start of the application")
        tell_of_crash(exc)
        return HTTPError(500)
    return None


async def _run_while_connected(
    request: Request, coroutine: Coroutine[Any, Any, Response], context: Context
) -> Response | None:
    """Run the pipeline, and cancel it when the client leaves, which gives None."""
    from ..bridge.interrupting import Interrupted, unless
    from ..bridge.to_thread import Trip

    async def watch(interrupt: Callable[[], None]) -> None:
        await connection_of(request).gone()
        interrupt()

    try:
        response: Response = await unless(Trip(request, coroutine, context, context), watch)
    except Interrupted:
        log_disconnect(request)
        if request._sent is not None:
            request._sent.status = CLIENT_CLOSED_REQUEST
        return None
    return response


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


async def write_response(request: Request, response: Response, send: Send) -> None:
    """Send the response; streams item by item."""
    if request._dropped is not None:
        request.sends(response)
    if request._sent is not None:
        send = counted(request._sent, send)
    if request._has_body and request._body_source.declared is None:
        send = partial(_send_unless_refused, request, send)
    pairs, body = finalize(request, response)
    try:
        headers = [_encoded[pair] for pair in pairs]
    except KeyError:
        headers = _encode(pairs)
    if response.status in _PERHAPS_CLOSING:
        headers += _connection_fields(request, response)
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    if type(body) is not bytes and response.body.__class__ is not bytes:
        await _write_stream(request, response, start, pairs, send, is_sent=body is not None)
        if body is not None:
            return
    try:
        await send(start)
        await send({"type": "http.response.body", "body": body or b""})
    except OSError:  # some servers say so that the client left
        log_disconnect(request)


async def _write_stream(
    request: Request, response: Response, start: dict[str, Any], pairs: list[Pair], send: Send, *, is_sent: bool
) -> None:
    """Send a body that is a file or a stream; or close it, where none is sent."""
    from .asgi_streams import close_body, send_stream  # loaded with the first of them
    from .file_sending import file_messages, send_file

    if not is_sent:
        await close_body(request, take_body(response))
        return
    messages = file_messages(request.native, pairs, response.body)
    if messages is not None:
        await send_file(request, response.body, [start, *messages], send)
        return
    instead = await send_stream(request, response, start, pairs, counted(request.count_sent(), send))
    if instead is not None:
        await write_response(request, instead, send)


async def _send_unless_refused(request: Request, send: Send, message: Any) -> None:
    """Send a message of an answer to a request whose body comes in chunks.

    Where the chunks are malformed, uvicorn with h11 has answered by itself, and fails when it is given an answer.

    Raises:
        ConnectionLost: so it is; which is no crash of the application's.
    """
    try:
        await send(message)
    except OSError:
        raise
    except Exception as exc:
        connection = connection_of(request)
        await connection.drain()
        if connection.is_gone:
            raise ConnectionLost("the server has refused the framing of the request body") from exc
        raise


_CLOSING = frozenset((408, 413, 426))
_PERHAPS_CLOSING = _CLOSING | {400, 501}


def _connection_fields(request: Request, response: Response) -> list[tuple[bytes, bytes]]:
    """Ask the server to close the connection: what is left of a refused body is not worth reading.

    Nor is what follows one whose Transfer-Encoding was refused: that may be a part of it (RFC 9112 6.1). A 426 names
    the protocol that is wanted instead. WSGI forbids both fields. See: RFC 9110 7.8 and 15.5.22.
    """
    if request.native.get("http_version", "1.1") > "1.1":
        return []
    if response.status not in _CLOSING and EDGE.header(request.native, "transfer-encoding") is None:
        return []
    return [(b"connection", b"upgrade"), (b"upgrade", b"websocket")] if response.status == 426 else _CLOSE


_CLOSE = [(b"connection", b"close")]


# --- lifespan ---


async def serve_lifespan(app: ServedApplication, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop the application as the server says. A failure is told to the server, which then does not serve."""
    from ..bridge.background import drain_on_loop
    from ..bridge.stopping import forget_stopping, tell_stopping

    phase = "startup"

    async def started() -> None:
        nonlocal phase
        if "state" in scope:
            scope["state"].update(app.lifespan_state)
        await send({"type": "lifespan.startup.complete"})
        phase = "shutdown"

    async def stopping() -> None:
        await receive()
        tell_stopping()
        await drain_on_loop()

    await receive()
    forget_stopping()
    try:
        if app.lifespans is None:
            await started()
            await stopping()
        else:
            await app.lifespans.run(started, stopping)
    except Exception as exc:
        log_failure(f"the {phase} of the application failed", exc)
        tell_of_crash(exc)
        await send({"type": f"lifespan.{phase}.failed", "message": f"{type(exc).__name__}: {exc}"})
    else:
        await send({"type": "lifespan.shutdown.complete"})
