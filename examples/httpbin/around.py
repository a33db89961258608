"""What stands around the application, on the side of WSGI and on that of ASGI, and could stand around any other."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

CODING_AS_SENT = "coding-as-sent"
"""Where a request's Content-Encoding is put. A body that has one is refused with 415 unless its handler streams it;
here it is to be shown as it came."""
NAMES = {name.lower(): name for name in (
    "Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin", "Access-Control-Max-Age", "Allow", "Cache-Control", "Content-Encoding",
    "Content-Length", "Content-Range", "Content-Type", "ETag", "Last-Modified", "Location", "Proxy-Authenticate",
    "Set-Cookie", "Vary", "WWW-Authenticate", "X-Content-Type-Options",
)}  # fmt: skip
"""The fields that are set here, as their standards write them; what a client asks for stays in lower case."""


def around_wsgi(inner: WSGIApplication) -> WSGIApplication:
    """Put the coding away, and write an answer as Flask does.

    Some clients' tests look at its text: `HTTP/1.1 404 NOT FOUND`, `Content-Type: text/plain`. In ASGI the names of
    header fields are lower case, which is as good, and the reason is the server's.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_CONTENT_ENCODING" in environ:
            environ["HTTP_CODING_AS_SENT"] = environ.pop("HTTP_CONTENT_ENCODING")

        def start(status: str, fields: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            named = [(NAMES.get(name, name), value) for name, value in fields]
            return start_response(status.upper(), named, *exc_info)

        return inner(environ, start)

    return application


def around_asgi(inner: ASGIApplication) -> ASGIApplication:
    """Put the coding away."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            fields = [(CODING_AS_SENT.encode() if n == b"content-encoding" else n, v) for n, v in scope["headers"]]
            scope = {**scope, "headers": fields}
        await inner(scope, receive, send)

    return application
