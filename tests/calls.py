"""Calls of an application as a server makes them, with no more in them than the protocols ask for."""

import io
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from ambi.bridge import lifespan
from ambi.bridge.stopping import forget_stopping

Receive = Callable[[], Awaitable[Any]]


def environ_of(path: str = "/", body: bytes = b"", **changes: Any) -> dict[str, Any]:
    """Make an environ; a change to None leaves a key out."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if body else "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "inside", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    made.update(changes)
    return {key: value for key, value in made.items() if value is not None}


def call_wsgi(app: Any, environ: dict[str, Any] | str = "/") -> tuple[int, dict[str, str], bytes]:
    """Call the application; give status, header fields and body."""
    started: list[Any] = []
    if isinstance(environ, str):
        environ = environ_of(environ)
    chunks = app(environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return int(started[0][:3]), dict(started[1]), body


def scope_of(path: str = "/", body: bytes = b"", **changes: Any) -> dict[str, Any]:
    """Make a scope; a change to None leaves a key out."""
    made: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST" if body else "GET", "path": path,
        "query_string": b"", "headers": [(b"content-length", str(len(body)).encode())] if body else [],
    }  # fmt: skip
    made.update(changes)
    return {key: value for key, value in made.items() if value is not None}


def sending_body(body: bytes, *, leaves: bool = False) -> Receive:
    """Make the `receive` of a client that sends a body, and stays or leaves."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        if leaves:
            return {"type": "http.disconnect"}
        return await anyio.sleep_forever()

    return receive


async def nothing_comes() -> Any:
    """Be the `receive` of a client without a body, which stays."""
    await anyio.sleep_forever()


async def call_asgi(
    app: Any, scope: dict[str, Any] | str = "/", receive: Receive = nothing_comes
) -> tuple[int, dict[str, str], bytes]:
    """Call the application; give status, header fields and body."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of(scope) if isinstance(scope, str) else scope, receive, send)
    headers = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def stop_lifespans() -> None:
    """Stop the lifespans that requests over WSGI have started, as the end of a process does."""
    for lifespans in list(lifespan._all):
        lifespans.stop_in_process()
    forget_stopping()
