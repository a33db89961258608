"""Two bare guests that take and give bodies of any size, within each of the adapters that are compared.

`AMBI_GUEST` is `wsgi` or `asgi`; `AMBI_ADAPTER` is `ambi`, `a2wsgi`, `starlette` or `none`. `app` is what is served.

    PUT  /guest/upload      reads the body in pieces; answers how many bytes it had
    GET  /guest/download/N  N MiB in pieces of 64 KiB
    GET  /guest/pid
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

BLOCK = b"b" * 64 * 1024
PREFIX = "/guest"


def new_block() -> bytes:
    """Make a block: one that is sent again and again would take its memory but once, wherever it is kept."""
    return bytes(bytearray(BLOCK))


def path_below(path: str) -> str:
    """Give the path below the prefix: adapters do not agree on whether it still stands there."""
    return path.removeprefix(PREFIX)


def guest_wsgi(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    path = path_below(environ["PATH_INFO"])
    if path == "/upload":
        size = 0
        while chunk := environ["wsgi.input"].read(len(BLOCK)):
            size += len(chunk)
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"%d" % size
    elif path.startswith("/download/"):
        size = int(path.rpartition("/")[2]) << 20
        start_response("200 OK", [("Content-Length", str(size))])
        for _ in range(size // len(BLOCK)):
            yield new_block()
    else:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"%d" % os.getpid()


async def guest_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = path_below(scope["path"])
    if path == "/upload":
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await answer(send, b"%d" % size)
    elif path.startswith("/download/"):
        size = int(path.rpartition("/")[2]) << 20
        fields = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        for _ in range(size // len(BLOCK)):
            await send({"type": "http.response.body", "body": new_block(), "more_body": True})
        await send({"type": "http.response.body"})
    else:
        await answer(send, b"%d" % os.getpid())


async def answer(send: Any, body: bytes) -> None:
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def adapted(guest: str, adapter: str) -> Any:
    """Give the guest within an adapter."""
    plain: Any = guest_wsgi if guest == "wsgi" else guest_asgi
    if adapter == "ambi":
        from ambi import App

        outer = App()
        outer.mount(PREFIX, plain, interface=guest, max_body_bytes=1 << 30)
        return outer
    if adapter == "a2wsgi":
        from a2wsgi import ASGIMiddleware, WSGIMiddleware

        return WSGIMiddleware(plain) if guest == "wsgi" else ASGIMiddleware(plain)
    if adapter == "starlette":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it is deprecated
            from starlette.middleware.wsgi import WSGIMiddleware as Starlettes

        return Starlettes(plain)
    return plain


app = adapted(os.environ.get("AMBI_GUEST", "wsgi"), os.environ.get("AMBI_ADAPTER", "none"))
