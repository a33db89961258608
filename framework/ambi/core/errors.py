"""What can go wrong, as exceptions.

    AmbiError
    ├── ConfigurationError    the application is put together wrongly; raised at registration or start-up
    ├── HTTPError             an answer that is not a success; raised by handlers, middlewares and the framework
    │   └── Overloaded        no worker thread came free in time; 503
    ├── Unavailable           what a request needs is away or full, a store for example; a crash that later may be none
    └── ClientDisconnected    the client left before its request was complete
        ├── ConnectionLost    the same, for a WSGI server to see
        └── WebSocketClosed   a WebSocket is closed, by whichever side (in `websocket.py`)

A `ConfigurationError` names the file and line of the user's function. An `HTTPError` is shown to clients, so its
detail never holds what only the operator may know.
"""

from __future__ import annotations

import errno
import sys
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_PACKAGE = __name__.partition(".")[0]

REASONS: dict[int, str] = {
    100: "Continue", 101: "Switching Protocols", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
    205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
    414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    418: "I'm a Teapot", 421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked",
    424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
    507: "Insufficient Storage", 508: "Loop Detected", 510: "Not Extended", 511: "Network Authentication Required",
}  # fmt: skip
"""Status code -> reason phrase. See: RFC 9110 section 15, and the IANA registry."""


class AmbiError(Exception):
    """The root of every exception that ambi raises on purpose."""


class ConfigurationError(AmbiError):
    """Say that the application is put together wrongly, where, and how to mend it.

    Raised while routes, middlewares and the like are registered, never while a request is served.
    """

    @classmethod
    def at(cls, function: Callable[..., Any], problem: str) -> ConfigurationError:
        """Make the error for a user's function: the message starts with its name, file and line."""
        return cls(f"{describe(function)}: {problem}")


class ClientDisconnected(AmbiError):
    """Say that the client left before its request was complete. Logged at debug level, never as an error."""


class ConnectionLost(ClientDisconnected, ConnectionResetError):
    """Say so to a WSGI server as well, where a stream raises it that reads the body: in the one way servers know."""

    errno = errno.ECONNRESET


class HTTPError(AmbiError):
    """Answer the request with an error status.

    Args:
        status: 400 to 599.
        detail: one sentence for the client about this occurrence; it is sent, so nothing secret.
        headers: further header fields of the answer, for example `{"retry-after": "30"}`.
        type: URI reference that names the kind of problem; `about:blank` means "no more than the status says".
        title: short text of the kind of problem; the status's reason phrase when not given.
        extensions: further members of the problem document, JSON-able.

    Raises:
        ValueError: status is no error status.

    Example:
        >>> raise HTTPError(404, "no such user")
        Traceback (most recent call last):
        ...
        ambi.core.errors.HTTPError: 404 Not Found: no such user

    See: RFC 9457 (problem details), RFC 9110 section 15.5 and 15.6.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        type: str = "about:blank",
        title: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"HTTPError takes a status from 400 to 599, not {status!r}; return a Response instead")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.type = type
        self.title = title or (REASONS[status] if status in REASONS else "Error")
        self.extensions = extensions

    def __str__(self) -> str:
        return f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")


class Overloaded(HTTPError):
    """Say that a request has waited for a worker thread for as long as it may.

    See: RFC 9110 15.6.4.
    """

    def __init__(self, waited_s: float) -> None:
        retry_after = {"retry-after": str(max(1, round(waited_s)))}
        super().__init__(503, "the server is busy; come again later", headers=retry_after)


class Unavailable(AmbiError):
    """Say that what a request needs is away, or full: a store that does not answer, for example.

    Unlike an `HTTPError` it is a crash, which is logged with its traceback and goes through the layers as an exception;
    its text is for the log alone.

    Args:
        text: what is away, for the log.
        status: of the answer where no error handler makes another one: 503, or 507 for what is full.
    """

    def __init__(self, text: str, status: int = 503) -> None:
        super().__init__(text)
        self.status = status


def describe(function: object) -> str:
    """Name a user's function for a message: qualified name, file and line."""
    name, file, line = locate(function)
    return f"{name} ({file}:{line})" if file else name


def locate(function: object) -> tuple[str, str, int]:
    """Give a user's function's qualified name, file and line, behind wrappers; file "" where there is no code."""
    inner = innermost(function)
    name = getattr(inner, "__qualname__", None) or _repr_of(function)
    code = getattr(inner, "__code__", None) or getattr(getattr(inner, "__call__", None), "__code__", None)
    return (name, code.co_filename, code.co_firstlineno) if code is not None else (name, "", 0)


def place_of_caller() -> str:
    """Give file and line of who called the function that asks, past calls in this package: of who set something up."""
    frame = sys._getframe(3)  # behind this one, who asks here, and who asks there
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _repr_of(value: object) -> str:
    """Give the repr of a value without the address in it, which tells nobody anything."""
    text, address, _ = repr(value).partition(" at 0x")
    return f"{text}>" if address else text


def innermost(function: object) -> Any:
    """Give what a user wrote, behind all wrappers and partials."""
    inner: Any = function
    while (wrapped := _inside(inner)) is not None:
        inner = wrapped
    return inner


def _inside(function: Any) -> Any:
    """Give what a wrapper or a partial wraps; None for a function itself."""
    return getattr(function, "func" if isinstance(function, partial) else "__wrapped__", None)


def near_to(name: str, known: Iterable[str]) -> str:
    """Say what may have been meant, for the end of a message; "" where nothing that is known is like it."""
    from difflib import get_close_matches

    near = get_close_matches(name, [word for word in known if not word.startswith("_")], 3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def quote_for_log(text: object, limit: int = 1024) -> str:
    """Make client text safe for one log line: control and bidi characters escaped, cut at `limit` characters."""
    shown = str(text)[: limit + 1]
    cut = len(shown) > limit
    shown = shown[:limit]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return shown + "…" if cut else shown


def escape_controls(text: str) -> str:
    """Escape what could move the cursor of a terminal, or the eye of a reader; lines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)
