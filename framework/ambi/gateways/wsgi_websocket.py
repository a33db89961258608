"""WebSockets of a WSGI server: our own implementation, on the socket that some servers lend. See: RFC 6455.

The server's thread runs the pipeline as for any request; the handler runs on the loop thread, and so does all reading
and writing of the socket, while the server's thread waits. wsproto makes frames of bytes and bytes of frames.

Facts (seen on the servers)
- gunicorn (sync, gthread, gevent) and Werkzeug put the socket into the environ; no other server does.
- At the end gunicorn closes the connection without a word when StopIteration leaves the call of the application;
  Werkzeug when a ConnectionError does, but its socket stays open unless it is shut down.
- Bytes that come in one packet with the handshake stay in the server's parser and are lost. A client may not send any
  before it has the answer. See: RFC 6455 4.1.
- Each connection holds a thread of the server, and under the sync worker the worker itself.
"""

from __future__ import annotations

from contextvars import copy_context

from ..core.errors import ClientDisconnected, HTTPError
from ..core.log import log_disconnect
from ..core.pipeline import respond
from ..core.recovery import late_error
from ..core.response import Switched
from ..core.sides import ASYNC, SYNC
from ..core.websocket import WebSocket, closing
from .entry import plan_websocket, watched
from .wsgi import FinishedBody, _over_loop, drive, finish_at_exit, read_request, write_response
from .wsgi_connection import lent_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any
    from wsgiref.types import StartResponse, WSGIEnvironment

    from ..core.plan import Plan
    from ..core.request import Request
    from ..core.response import Response
    from .socket_link import SocketLink
    from .wsgi import ServedApplication

_ENDINGS: dict[str, type[Exception]] = {"gunicorn.socket": StopIteration, "werkzeug.socket": ConnectionError}
"""Where a server lends its socket, and the exception by which it lets go of the connection without a word."""

_SWITCHED = 101
"""The status of a connection that is over; no layer can give it, so a mounted application took the socket itself."""

_open: set[SocketLink] = set()
"""The connections of this process. Adding and discarding is one step of the interpreter each."""


def is_handshake(environ: WSGIEnvironment) -> bool:
    """Tell whether a request with `Upgrade: websocket` is a handshake; else it is an ordinary one. RFC 6455 4.2.1."""
    tokens = [token.strip(" \t").lower() for token in environ.get("HTTP_CONNECTION", "").split(",")]
    return "upgrade" in tokens and environ["REQUEST_METHOD"] == "GET" and environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def serve_websocket(app: ServedApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the handshake of a WebSocket; when it was accepted, return only when the connection is over.

    Raises:
        Exception: the one by which the server lets go of the connection.
    """
    request, refusal = read_request(app, environ)
    request._context = copy_context()
    link: SocketLink | None = None
    try:
        try:
            if app.lifespans is not None and app.lifespans.pending:
                app.lifespans.start_in_process()
            plan, link = _plan(app, request, refusal)
            response = _run(request, plan, link)
        except Exception as exc:
            where = "the start of the application or the loop thread"
            response = request._context.run(late_error, request, exc, where)
        except BaseException:
            _leave(link, request, None)
            raise
        _leave(link, request, response)
    except BaseException:  # an exit, or a time-out of gevent's: nothing is answered, but the request is over
        _tell_end(request, link)
        finish_at_exit(request)
        raise
    if (link is None or not link.accepted) and response.status != _SWITCHED:
        return write_response(request, response, start_response)
    if link is None and request._sent is not None:
        request._sent.status, request._sent.is_complete = _SWITCHED, True
    _tell_end(request, link)
    if request.has_end:
        FinishedBody((), request).close()
    raise next(ending for key, ending in _ENDINGS.items() if key in environ)


def _plan(app: ServedApplication, request: Request, refusal: HTTPError | None) -> tuple[Plan, SocketLink | None]:
    """Find the plan and make the connection; where it cannot be had, the plan is that of the refusal."""
    plan = plan_websocket(app, request, refusal)
    if not plan.is_websocket:
        return plan, None
    try:
        link = _link(request)
    except HTTPError as exc:
        return app.plan_for(request, exc), None
    request._websocket = WebSocket(request, link)
    return plan, link


def _link(request: Request) -> SocketLink:
    """Make the connection of a handshake. Raises: HTTPError 400, 426, 501, 503."""
    environ = request.native
    lent: Any = lent_socket(environ)
    if lent is None:
        raise HTTPError(501, "this server lends no socket for WebSockets; gunicorn, Werkzeug and all ASGI servers can")
    if hasattr(lent, "unwrap"):  # an SSLSocket: an event loop cannot read what TLS holds back
        raise HTTPError(501, "WebSockets over the TLS of a WSGI server are not served; let a proxy speak TLS")
    try:
        from .socket_link import SocketLink, check_handshake
    except ImportError as exc:
        if (exc.name or "").partition(".")[0] != "wsproto":
            raise
        raise HTTPError(501, "WebSockets under WSGI need wsproto: pip install 'ambi[websocket]'") from exc
    check_handshake(environ)
    link = SocketLink(environ, lent, request.limits)
    _open.add(link)
    if len(_open) > request.limits.max_websockets:
        _open.discard(link)
        raise HTTPError(503, "there are too many WebSockets", headers={"retry-after": "5"})
    return link


def _run(request: Request, plan: Plan, link: SocketLink | None) -> Response:
    """Run the pipeline, and cancel it where it goes on for too long when the server stops."""
    context, coroutine = request._context, respond(request, plan, SYNC)
    if request.app.debug:
        coroutine = watched(coroutine, request, plan)
    try:
        context.run(coroutine.send, None)
    except StopIteration as stop:  # it was denied by what runs in this thread
        response: Response = stop.value
        return response
    try:
        return _over_loop(request, coroutine, context, None if link is None else lambda: link.is_abandoned)
    except ClientDisconnected:
        log_disconnect(request)
        return Switched(request._websocket)


def _leave(link: SocketLink | None, request: Request, response: Response | None) -> None:
    """Close and leave a connection that was accepted, and give the socket back; whatever happened."""
    if link is None:
        return
    context = request._context.copy()  # the handler may be in it still, at an exit of the server's thread
    try:
        if link.accepted:
            drive(request, _close(link, request, response), context)
    except Exception as exc:
        context.run(late_error, request, exc, "the loop thread")
    finally:
        _open.discard(link)
        link.release()


async def _close(link: SocketLink, request: Request, response: Response | None) -> None:
    """Close what is still open, as the response says, and leave the socket; at an exit, without one, at once."""
    await ASYNC
    try:
        if response is not None and not request._websocket.closed:
            await link.close(*closing(request._websocket, response))
    finally:
        await link.leave()


def _tell_end(request: Request, link: SocketLink | None) -> None:
    """Tell those who asked for it what was sent."""
    if request._sent is not None and link is not None:
        request._websocket.tell_end(request._sent)
