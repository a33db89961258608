"""Two applications that `app.py` mounts, as little more than the protocols ask for: one of WSGI, one of ASGI.

Both answer the same paths. What is only natural for one of them (a quiet stream that waits for the leaving, work after
the answer) only that one has.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import anyio

PIECE = b"0123456789abcdef" * 4096  # 64 KiB

endings: dict[str, str] = {}
"""How a quiet stream of the ASGI guest ended, by the word in its query."""


def describe(prefix: str, path: str, query: str, size: int, digest: str) -> bytes:
    said = {"prefix": prefix, "path": path, "query": query, "size": size, "sha256": digest}
    return json.dumps(said).encode()


# ------------------------------------------------------------------ WSGI


def wsgi_guest(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    fields = [("Content-Type", "text/plain"), ("X-Guest", "wsgi"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    if path == "/pieces":
        start_response("200 OK", fields)
        return slow_pieces()
    if path == "/large":
        start_response("200 OK", fields)
        return (PIECE for _ in range(64))
    digest, size = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(65536):
        digest.update(chunk)
        size += len(chunk)
    prefix = environ["SCRIPT_NAME"].encode("latin-1").decode()
    told_of = path.encode("latin-1").decode()
    body = describe(prefix, told_of, environ["QUERY_STRING"], size, digest.hexdigest())
    start_response("203 Guest", [*fields, ("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def slow_pieces() -> Iterator[bytes]:
    for piece in (b"first", b"second", b"third"):
        yield piece
        time.sleep(0.15)


# ------------------------------------------------------------------ ASGI


async def asgi_guest(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise ValueError("neither a lifespan nor WebSockets are served")
    path = scope["path"].removeprefix(scope["root_path"])
    fields = [
        (b"content-type", b"text/plain"), (b"x-guest", b"asgi"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"),
    ]  # fmt: skip
    start = {"type": "http.response.start", "status": 200, "headers": fields}
    if path in STREAMS:
        await send(start)
        await STREAMS[path](scope["query_string"].decode(), receive, send)
        return
    digest, size, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        digest.update(message["body"])
        size += len(message["body"])
        more = message["more_body"]
    body = describe(scope["root_path"], path, scope["query_string"].decode(), size, digest.hexdigest())
    fields.append((b"content-length", str(len(body)).encode()))
    await send({**start, "status": 203})
    await send({"type": "http.response.body", "body": body})


async def pieces(word: str, receive: Any, send: Any) -> None:
    for piece in (b"first", b"second", b"third"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await anyio.sleep(0.15)
    await send({"type": "http.response.body"})


async def large(word: str, receive: Any, send: Any) -> None:
    for _ in range(64):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body"})


async def late(word: str, receive: Any, send: Any) -> None:
    """The header fields are sent; the first item comes much later."""
    await anyio.sleep(1.0)
    await send({"type": "http.response.body", "body": b"late"})


async def quiet(word: str, receive: Any, send: Any) -> None:
    """One item, and then nothing: who waits for the leaving is told."""
    endings[word] = "waits"
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await receive()
    endings[word] = (await receive())["type"]


async def behind(word: str, receive: Any, send: Any) -> None:
    """The answer is complete; the work goes on."""
    await send({"type": "http.response.body", "body": b"answered"})
    await anyio.sleep(1.0)
    endings[word] = "done"


STREAMS = {"/pieces": pieces, "/large": large, "/late": late, "/quiet": quiet, "/behind": behind}
