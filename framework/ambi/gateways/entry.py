"""What both gateways check when a request comes in, before it has a route."""

from __future__ import annotations

from typing import TypeVar, cast

from ..core.errors import HTTPError
from ..core.headers import is_token
from ..core.url import DEFAULT_PORTS, DIGITS, UNENCODED, split_host
from ..core.websocket import WEBSOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, Protocol

    from ..core.limits import Limits
    from ..core.plan import Plan
    from ..core.request import Request

    class Planner(Protocol):
        """What finds plans: an application."""

        def plan_for(self, request: Request, refusal: HTTPError | None) -> Plan:
            """Find the plan of a request."""
            ...


T = TypeVar("T")

OWS = " \t"
"""What may stand around a value and is no part of it. Some servers leave it there: uvicorn with httptools, Werkzeug's.

See: RFC 9110 5.5.
"""


def check_host(host: str) -> None:
    """Check a Host header; an empty one is as good as none. Raises: HTTPError 400."""
    if host:
        split_host(host)


def no_host() -> HTTPError:
    """Make the refusal of a request of HTTP/1.1 that names no host, where only some hosts are answered for.

    Servers leave that to us. See: RFC 9112 3.2, and RFC 9110 4.2.1 for a host that is empty.
    """
    return HTTPError(400, "a request of HTTP/1.1 names its host")


def has_unencoded() -> HTTPError:
    """Make the refusal of a target with a "#", or a control byte in its path.

    Servers cut it off there, or leave the byte out, proxies do not: what one of them forbids is then another path than
    the one that is served. See: RFC 9112 3.2, CVE-2023-45539.
    """
    return HTTPError(400, UNENCODED)


def check_coding(coding: str, protocol: str, *, has_length: bool) -> None:
    """Check the Transfer-Encoding of a body that the server has taken the chunks off.

    Raises:
        HTTPError: 400 where there is a Content-Length too, or in HTTP/1.0: of two who read the message each may find
            another end of it; 501 for a coding besides that of chunks, which nobody has undone.

    See: RFC 9112 6.1.
    """
    if has_length or protocol == "HTTP/1.0":
        raise HTTPError(400, "a request has a Content-Length or, from HTTP/1.1 on, a Transfer-Encoding; not both")
    if coding.strip(OWS).lower() != "chunked":
        raise HTTPError(501, "no transfer coding is understood but 'chunked'")


def host_of_server(name: str, port: str, scheme: str) -> str:
    """Give the host that a server says it is; "" where that is none, as a path. See: RFC 3986 3.2.2."""
    name = f"[{name}]" if ":" in name else name
    host = name if port in ("", str(DEFAULT_PORTS.get(scheme, 80))) else f"{name}:{port}"
    try:
        split_host(host)
    except HTTPError:
        return ""
    return host


def parse_content_length(text: str) -> int:
    """Read a Content-Length. Raises: HTTPError 400 for what is no number. See: RFC 9110 8.6."""
    if not text or not DIGITS.issuperset(text) or len(text) > 18:
        bare = text.strip(OWS)
        if bare != text:
            return parse_content_length(bare)
        raise HTTPError(413 if len(text) > 18 and DIGITS.issuperset(text) else 400, "the Content-Length is not valid")
    return int(text)


def target_too_long(limits: Limits) -> HTTPError:
    """Make the refusal of a request target. See: RFC 9110 15.5.15."""
    return HTTPError(414, f"the request target is longer than {limits.max_target_bytes} bytes")


def headers_too_large(limits: Limits) -> HTTPError:
    """Make the refusal of header fields. See: RFC 6585 5."""
    return HTTPError(
        431,
        f"the request has more than {limits.max_header_lines} header fields or {limits.max_header_bytes} bytes of them",
    )


def plan_websocket(app: Planner, request: Request, refusal: HTTPError | None) -> Plan:
    """Find the plan of a WebSocket's handshake, which is a GET to everybody but the table of routes.

    It is that of a refusal where a subprotocol is no token: some ASGI servers leave that to us. See: RFC 6455 4.2.1.
    """
    request.method = WEBSOCKET
    try:
        plan = app.plan_for(request, refusal)
    finally:
        request.method = "GET"
    header = request._edge.header(request.native, "sec-websocket-protocol")
    if plan.is_websocket and header is not None and not all(map(is_token, offered_subprotocols(header))):
        return app.plan_for(request, HTTPError(400, "each subprotocol in Sec-WebSocket-Protocol is a token"))
    return plan


def offered_subprotocols(header: str) -> tuple[str, ...]:
    """Give the subprotocols that a handshake offers, in its order. See: RFC 6455 11.3.4."""
    return tuple(name for part in header.split(",") if (name := part.strip(OWS)))


def message_bytes(message: str | bytes) -> int:
    """Count the bytes of a WebSocket message; those of text as UTF-8."""
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode("utf-8", "replace"))


def watched(coroutine: Coroutine[Any, Any, T], request: Request, plan: Plan | None = None) -> Coroutine[Any, Any, T]:
    """Give what drives a coroutine of a request in debug: it times each step, and tells which held an event loop."""
    from ..bridge.slow_steps import WatchedCoroutine

    return cast("Coroutine[Any, Any, T]", WatchedCoroutine(coroutine, request, plan))
