"""A request, sent to a WSGI and to an ASGI application without a server between: each gets the same bytes."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

HOST = "example.test"


class Sent(NamedTuple):
    """A request; texts are the latin-1 reading of what is sent."""

    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    method: str = "GET"

    def get(self, name: str) -> str:
        """Give a field, "" where there is none."""
        return next((value for field, value in self.headers if field == name), "")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: dict[str, str]
    body: bytes


def ask_wsgi(app: Any, sent: Sent) -> Answer:
    """Ask as gunicorn does."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sent.method, "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(sent.path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": sent.query, "RAW_URI": sent.target, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": HOST, "SERVER_PORT": "80",
        "HTTP_HOST": HOST, "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(sent.body), "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    if sent.body:
        environ["CONTENT_LENGTH"] = str(len(sent.body))
    for name, value in sent.headers:
        environ["CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")] = value
    started: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [int(status[:3]), {name.lower(): value for name, value in fields}]
        return lambda data: None

    body = app(environ, start_response)
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    return Answer(started[0], started[1], content)


async def ask_asgi(app: Callable[..., Awaitable[None]], sent: Sent) -> Answer:
    """Ask as uvicorn does."""
    fields = [(b"host", HOST.encode())]
    if sent.body:
        fields.append((b"content-length", str(len(sent.body)).encode()))
    fields += [(name.encode(), value.encode("latin-1")) for name, value in sent.headers]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": sent.method, "scheme": "http",
        "path": unquote(sent.path), "raw_path": sent.path.encode("latin-1"), "query_string": sent.query.encode("latin-1"),
        "root_path": "", "headers": fields, "client": ("127.0.0.1", 1), "server": (HOST, 80),
    }  # fmt: skip
    messages = [{"type": "http.request", "body": sent.body, "more_body": False}]
    got: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        got.append(message)

    await app(scope, receive, send)
    named = {name.decode().lower(): value.decode("latin-1") for name, value in got[0]["headers"]}
    return Answer(got[0]["status"], named, b"".join(message.get("body", b"") for message in got[1:]))
