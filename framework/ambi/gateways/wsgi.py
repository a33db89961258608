"""The WSGI gateway: read the request, run it, write the response. See: PEP 3333.

Facts (seen on the servers)
- `PATH_INFO` is the latin-1 reading of percent-decoded bytes; cheroot leaves `%2F` in it, others do not.
- Where a body may be read to its end is told differently by nearly every server: see `WSGIBody`.
- An iterable that is empty, `write()`, and a second `start_response` each break some server: none is used.
- `close()` may come from another thread, twice, or before the first item.
"""

from __future__ import annotations

import io
import weakref
from contextvars import copy_context
from functools import partial
from itertools import chain
from typing import TypeVar

from ..core.ending import CLIENT_CLOSED_REQUEST, release, run_after, tell_sent
from ..core.errors import REASONS, ClientDisconnected, ConnectionLost, HTTPError
from ..core.log import log_disconnect
from ..core.pipeline import respond
from ..core.recovery import late_error
from ..core.request import Request
from ..core.response import WITHOUT_BODY, Response, finalize
from ..core.sides import SYNC
from ..core.url import decode_path, decode_utf8_path, encode_raw_query, path_of_absolute_form, percent_decode
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
from .wsgi_connection import client_has_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
    from contextvars import Context
    from typing import Any, Literal, Protocol
    from wsgiref.types import StartResponse, WSGIEnvironment

    from ..core.headers import Pair
    from ..core.limits import Limits
    from ..core.plan import Plan
    from ..core.request import Application
    from ..core.sides import Side

    class ServedApplication(Application, Protocol):
        """What this gateway needs of an application."""

        lifespans: Any

        def plan_for(self, request: Request, refusal: HTTPError | None) -> Plan:
            """Find the plan of a request."""
            ...


T = TypeVar("T")

_STATUS_LINES = {status: f"{status} {REASONS.get(status, 'Unknown')}" for status in range(200, 600)}
_READ_BYTES = 65536


def serve(app: ServedApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request of a WSGI server."""
    if "HTTP_UPGRADE" in environ and environ["HTTP_UPGRADE"].lower() == "websocket":
        from .wsgi_websocket import is_handshake, serve_websocket

        if is_handshake(environ):
            return serve_websocket(app, environ, start_response)
    request, refusal = read_request(app, environ)
    context = request._context = copy_context()
    try:
        response = run(app, request, refusal, context)
    except BaseException:  # an exit, or a time-out of gevent's: the server gets nothing that it could close
        finish_at_exit(request)
        raise
    return write_response(request, response, start_response)


# --- read the request ---


def read_request(  # noqa: C901, PLR0915  # one pass over what every request has; each branch is one fact
    app: Application, environ: WSGIEnvironment
) -> tuple[Request, HTTPError | None]:
    """Make the request; an error comes beside it, to be answered through the layers of the application."""
    refusal: HTTPError | None = None
    prefix = ""
    if app.proxies is not None:
        from .forwarding import forwarded

        environ, prefix, refusal = forwarded(app.proxies, EDGE, environ)
    path = environ["PATH_INFO"] if "PATH_INFO" in environ else ""
    query = environ["QUERY_STRING"] if "QUERY_STRING" in environ else ""
    root_path = environ["SCRIPT_NAME"] if "SCRIPT_NAME" in environ else ""
    named = environ["HTTP_HOST"] if "HTTP_HOST" in environ else None
    host: str | None = None  # until it is known to be one
    has_body = False
    try:
        # `!a` is `ascii`, without a call: it shows what is no ASCII, or a control character, as something else.
        is_odd = root_path or path[:1] != "/" or "%" in path or f"{path!a}" != f"'{path}'"
        if is_odd:
            path, root_path = _read_path(environ, path, root_path)
        host = named if named in _hosts else _learn(named)
        if not host and app.allowed_hosts and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            raise no_host()
        if "HTTP_TRANSFER_ENCODING" in environ:
            has_body = True
            has_length = bool(environ.get("CONTENT_LENGTH"))
            check_coding(environ["HTTP_TRANSFER_ENCODING"], environ["SERVER_PROTOCOL"], has_length=has_length)
        elif "CONTENT_LENGTH" in environ and environ["CONTENT_LENGTH"]:
            has_body = parse_content_length(environ["CONTENT_LENGTH"]) > 0
        elif environ["SERVER_PROTOCOL"] > "HTTP/1.1":
            has_body = _has_end(environ)  # HTTP/2 may have a body without saying so
        limits = app.limits
        named = "RAW_URI" if "RAW_URI" in environ else "REQUEST_URI"
        target = f"{path}?{query}" if query else path
        if named in environ:
            if is_odd or environ[named] != target or "#" in target:
                _check_target(environ[named])
            target = environ[named]
        if target[limits.max_target_bytes :]:
            raise target_too_long(limits)
        # All text of the environ is more than all header fields; joining it is the cheapest way to weigh it.
        text = "".join([*environ, *[value for value in environ.values() if value.__class__ is str]])
        if text[limits.max_header_bytes :] or len(environ) > limits.max_header_lines:
            _check_fields(limits, environ)
    except HTTPError as exc:
        refusal = exc
    if query and not query.isascii():
        query = encode_raw_query(query)
    method, root_path = environ["REQUEST_METHOD"], prefix + root_path
    return Request(app, EDGE, environ, method, path, query, root_path, host, has_body), refusal


def _check_target(target: str) -> None:
    """Look for what a path has only encoded, where the target is told as it was sent.

    A server may hand on another path than a proxy before it has seen: waitress leaves out tabs.

    Raises:
        HTTPError: 400 for a "#", or a control byte in the path.
    """
    if "#" in target or any(c < " " or c == "\x7f" for c in target.partition("?")[0]):
        raise has_unencoded()


def _read_path(environ: WSGIEnvironment, path: str, root_path: str) -> tuple[str, str]:
    """Decode a path that is no plain ASCII, or has a prefix or another form. Raises: HTTPError 400."""
    if "%" in path:
        path = _without_kept_slashes(environ, path)
    raw = path.encode("latin-1")
    if raw[:1] != b"/" and raw not in (b"", b"*"):  # OPTIONS * asks about the whole server; RFC 9110 9.3.7
        raw = path_of_absolute_form(raw)
    path, root_path = decode_utf8_path(raw), decode_utf8_path(root_path.encode("latin-1"))
    if "\ufffd" in path:  # Werkzeug puts it where the bytes were no UTF-8; the raw target tells
        decode_path(_raw_target(environ) or raw)
    return path or "/", root_path


def _raw_target(environ: WSGIEnvironment) -> bytes:
    """Give the path of the target as it was received; b"" where the server does not tell."""
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    return target.partition("?")[0].encode("latin-1")


def _without_kept_slashes(environ: WSGIEnvironment, path: str) -> str:
    """Decode `%2F` where the server left it alone and decoded the rest, as the raw target tells."""
    if "%2f" not in path.lower():
        return path
    decoded = percent_decode(_raw_target(environ)).decode("latin-1")
    kept = path.replace("%2F", "/").replace("%2f", "/")
    return kept if decoded.endswith(kept) and not decoded.endswith(path) else path


_hosts: set[str | None] = {None}
"""Hosts found good before, a few hundred at most; and none, which HTTP/1.0 allows."""


def _learn(host: str | None) -> str:
    """Check a host and keep it. Raises: HTTPError 400."""
    host = (host or "").strip(OWS)
    check_host(host)
    if len(_hosts) >= 256:
        _hosts.clear()
        _hosts.add(None)
    _hosts.add(host)
    return host


def _check_fields(limits: Limits, environ: WSGIEnvironment) -> None:
    """Weigh the header fields alone, as they were sent. Raises: HTTPError 431."""
    pairs = EDGE.headers(environ)
    if len(pairs) > limits.max_header_lines or sum(map(len, chain.from_iterable(pairs))) > limits.max_header_bytes:
        raise headers_too_large(limits)


class _Keys(dict[str, str]):
    """Field name -> key of the environ. Filled by the names that code asks for, never by what clients send."""

    def __missing__(self, name: str) -> str:
        self[name] = key = "HTTP_" + name.upper().replace("-", "_")
        return key


_KEYS = _Keys({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"})


class _Edge:
    """What the core may ask of an environ."""

    name: Literal["wsgi"] = "wsgi"

    def header(self, environ: WSGIEnvironment, name: str, /) -> str | None:
        key = _KEYS[name]
        return environ[key].strip(OWS) or None if key in environ else None

    def field(self, request: Request, name: str, /) -> str | None:
        key, environ = _KEYS[name], request.native
        return environ[key].strip(OWS) or None if key in environ else None

    def headers(self, environ: WSGIEnvironment, /) -> list[Pair]:
        pairs = [
            (key[5:].replace("_", "-").lower(), value.strip(OWS))
            for key, value in environ.items()
            if key[:5] == "HTTP_" and key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
        ]
        for key, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")):
            if value := environ.get(key, "").strip(OWS):
                pairs.append((name, value))
        return pairs

    def scheme(self, environ: WSGIEnvironment, /) -> str:
        scheme: str = environ["wsgi.url_scheme"]
        return scheme

    def client(self, environ: WSGIEnvironment, /) -> tuple[str, int | None] | None:
        address, port = environ.get("REMOTE_ADDR"), str(environ.get("REMOTE_PORT", ""))
        return (address, int(port) if port.isdecimal() else None) if address else None

    def server(self, environ: WSGIEnvironment, /) -> str:
        name, port = environ.get("SERVER_NAME", ""), str(environ.get("SERVER_PORT", ""))
        return host_of_server(name, port, environ["wsgi.url_scheme"])

    def raw_path(self, environ: WSGIEnvironment, /) -> bytes:
        return _raw_target(environ)

    def lifespan_state(self, environ: WSGIEnvironment, /) -> None:
        return None

    def body_source(self, request: Request) -> WSGIBody:
        return WSGIBody(request)

    def is_disconnected(self, request: Request) -> bool:
        return client_has_left(request.native)

    async def travel(self, request: Request, coroutine: Coroutine[Any, Any, Response]) -> Response:
        from ..bridge.to_loop import travel  # loads asyncio; a request that comes here needs it

        return await travel(request, coroutine)

    async def awaited(self, awaitable: Awaitable[Any], /) -> Any:
        from ..bridge.interrupting import awaited  # loads asyncio; what is awaited is on a loop

        return await awaited(awaitable)


EDGE = _Edge()


def _has_end(environ: WSGIEnvironment) -> bool:
    """Tell whether the input ends where the body does, whatever the fields say."""
    return bool(environ.get("wsgi.input_terminated")) or isinstance(environ["wsgi.input"], io.BytesIO)


class WSGIBody:
    """The body of a request in `wsgi.input`, which has an end only where the server says so.

    a Content-Length, not coded        exactly that many bytes; fewer are a client that left
    else `wsgi.input_terminated`       read to the end
    else the input is a BytesIO        read to the end (hypercorn)
    else                               411: reading would hang, or eat the next request
    """

    side: Side = SYNC
    ahead: bytes | None = None

    def __init__(self, request: Request) -> None:
        environ = request.native
        self._request = weakref.ref(request)  # which holds the body: else both were there until garbage is collected
        self._read: Callable[[int], bytes] = environ["wsgi.input"].read
        self.declared: int | None = None
        self._is_ended = False
        self._fetched: list[bytes] = []
        length, is_coded = environ.get("CONTENT_LENGTH"), "HTTP_TRANSFER_ENCODING" in environ
        if length and not is_coded:
            self.declared = int(length)
        elif not _has_end(environ):
            # Not decoded by this server. With a length as well it may be a smuggled request: RFC 9112 6.1.
            raise HTTPError(400 if length else 411, "this server cannot take a body without a Content-Length alone")
        self._left = self.declared

    def read_blocking(self) -> bytes:
        """Give the next bytes, b"" at the end.

        Raises:
            ClientDisconnected: fewer bytes came than were declared, or the connection broke.
            HTTPError: 408 when the server gave up waiting, 400 when it refused the framing.
        """
        left = self._left
        if self._is_ended:
            return b""
        try:
            chunk = self._read(_READ_BYTES if left is None else min(left, _READ_BYTES))
        except TimeoutError:
            raise HTTPError(408, "the request body did not arrive in time") from None
        except OSError as exc:
            raise ConnectionLost("the connection broke while the request body was read") from exc
        except Exception as exc:  # gunicorn raises a plain Exception for a bad chunk, others their own
            raise HTTPError(400, "the framing of the request body is not valid") from exc
        if left is not None:
            if not chunk:
                raise ConnectionLost(f"the client left {left} bytes before the end of its body")
            self._left = left - len(chunk)
        self._is_ended = not chunk or self._left == 0
        return chunk

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        return self._is_ended and not self._fetched

    async def read(self) -> bytes:
        """As `read_blocking`; awaited on the sync side, where blocking is right."""
        return self.read_blocking()

    async def read_async(self) -> bytes:
        """As `read_blocking`, from the event loop: the server's thread reads.

        What it has read for one who was cancelled meanwhile, the next one gets: a time-out loses nothing.
        """
        from ..bridge.to_loop import call_in_thread

        request = self._request()
        if request is None:
            raise ConnectionLost("the request is over")
        while not self._fetched:  # also when another took it
            await call_in_thread(request, self._fetch)
        return self._fetched.pop(0)

    def _fetch(self) -> None:
        self._fetched.append(self.read_blocking())

    async def read_ahead(self) -> None:
        """Read nothing: the way is to the server's thread, where a body is read in any case."""

    async def run_io(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run file work here: this thread may block."""
        return function(*args)


# --- run ---


def run(app: ServedApplication, request: Request, refusal: HTTPError | None, context: Context) -> Response:
    """Run the pipeline: in this thread as far as it goes, over the loop thread where a piece is async."""
    try:
        if app.lifespans is not None and app.lifespans.pending:
            app.lifespans.start_in_process()
        plan = app.plan_for(request, refusal)
        coroutine = respond(request, plan, SYNC)
        if app.debug:
            coroutine = watched(coroutine, request, plan)
        try:
            context.run(coroutine.send, None)
        except StopIteration as stop:  # nothing of it was async: it ran to its end right here
            response: Response = stop.value
            return response
        has_left = partial(client_has_left, request.native) if plan.cancel_on_disconnect else None
        return _over_loop(request, coroutine, context, has_left)
    except ClientDisconnected:  # and its handler was cancelled
        log_disconnect(request)
        return Response(b"", CLIENT_CLOSED_REQUEST)
    except Exception as exc:  # a failed start-up, or a loop thread that was stopped; the pipeline itself raises none
        return context.run(late_error, request, exc, "the start of the application or the loop thread")


def drive(request: Request, coroutine: Coroutine[Any, Any, T], context: Context) -> T:
    """Drive a coroutine of the request that begins on the sync side; give what it returns."""
    try:
        context.run(coroutine.send, None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    return _over_loop(request, coroutine, context)


def _over_loop(
    request: Request,
    coroutine: Coroutine[Any, Any, T],
    context: Context,
    has_left: Callable[[], bool] | None = None,
) -> T:
    from ..bridge.to_loop import finish_over_loop  # it asked for the async side, so asyncio is needed

    return finish_over_loop(request, coroutine, context, has_left)


# --- write the response ---


def write_response(request: Request, response: Response, start_response: StartResponse) -> Iterable[bytes]:
    """Say how the response begins, and give the iterable of its body."""
    if request._dropped is not None:
        request.sends(response)
    pairs, body = finalize(request, response)
    chunks: Iterable[bytes]
    if type(body) is bytes:
        chunks = (body,)
    elif body is None:
        if response.body.__class__ is not bytes:
            _close_unsent(request, response)
        # A HEAD of a stream: servers that make a length of `len` say 0 here, others would send an empty last chunk.
        chunks = (b"",) if response.status not in WITHOUT_BODY else _nothing()
    else:
        try:
            chunks = _begin(request, response, pairs)
        except Exception as exc:  # before the first item: a clean 500 is still possible
            answer = request._context.run(late_error, request, exc, "the first item of a streamed body")
            return write_response(request, answer, start_response)
        except BaseException:  # as in `serve`
            FinishedBody((), request).close()
            raise
    if request._sent is not None:
        request._sent.status = response.status
    if request.has_end:
        finished = FinishedWhole if isinstance(chunks, tuple) else FinishedBody
        chunks = finished(chunks, request)
    try:
        start_response(_STATUS_LINES[response.status], pairs)
    except BaseException:  # a server that refuses a header field: it gets nothing that it could close
        getattr(chunks, "close", bool)()
        raise
    return chunks


def _close_unsent(request: Request, response: Response) -> None:
    from .wsgi_streams import close_body

    try:
        close_body(response, request._context)
    except BaseException:  # as in `serve`
        finish_at_exit(request)
        raise


def _begin(request: Request, response: Response, pairs: list[Pair]) -> Iterable[bytes]:
    """Begin a body that is a file or a stream, and give its iterable. Raises what failed before its first item."""
    from .file_sending import wrap_file  # loaded with the first of them
    from .wsgi_streams import StreamedBody

    wrapped = wrap_file(request, pairs, response.body)
    if wrapped is not None:
        return wrapped
    request.count_sent()
    stream = StreamedBody(request, response, pairs)
    if stream.has_items:
        return stream
    stream.close()
    return _nothing()


def _nothing() -> Iterator[bytes]:
    """Give the iterable of no body: one empty item, as some servers start the response with the first; and no `len`,
    from which others make a Content-Length.
    """
    return iter((b"",))


class FinishedBody:
    """A body whose end is the end of the request: functions to run after it, files to close."""

    def __init__(self, chunks: Iterable[bytes], request: Request) -> None:
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._request: Request | None = request
        self._sent = request._sent

    def __iter__(self) -> FinishedBody:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._iterator)
        except StopIteration:
            if self._sent is not None and self._request is not None:
                self._sent.is_complete = True
                self._request._context.run(tell_sent, self._request)
            if self._request is not None and self._request._after is None:
                self.close()  # some wrappers (Elastic's) never do; what runs after the response waits for the server
            raise
        if self._sent is not None:
            self._sent.body_bytes += len(chunk)
        return chunk

    def close(self) -> None:
        """Close the body, then finish the request. Idempotent."""
        request, self._request = self._request, None
        if request is None:
            return
        close: Callable[[], object] | None = getattr(self._chunks, "close", None)
        try:
            if close is not None:
                close()
        finally:
            request._context.run(tell_sent, request)
            self._finish(request)

    def _finish(self, request: Request) -> None:
        """Finish the request: here, but what runs after the response in a thread of its own, as the client waits."""
        if request._after is None:
            drive(request, release(request, SYNC), request._context)
            return
        from ..bridge.background import finish_in_thread

        finish_in_thread(request.app, f"what runs after {request!r}", partial(self._run_after, request))

    def _run_after(self, request: Request) -> None:
        """Run what comes after the response, then release what it could use."""
        try:
            coroutine = run_after(request, SYNC)
            drive(request, watched(coroutine, request) if request.app.debug else coroutine, request._context)
        finally:
            drive(request, release(request, SYNC), request._context)


class FinishedWhole(FinishedBody):
    """The same for a body that is one item: servers that ask for `len` see what they would see of a tuple."""

    def __len__(self) -> int:
        return 1


def finish_at_exit(request: Request) -> None:
    """Finish a request whose thread leaves it, by an exit or a time-out of gevent's."""
    if hasattr(request, "_loop_side"):
        request._context = request._context.copy()  # what runs on the loop may be in it still
    FinishedBody((), request).close()
