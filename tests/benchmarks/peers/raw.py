"""No framework: the least that is correct, which no framework can undercut."""

import json
from typing import Any
from urllib.parse import parse_qsl

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING, MEBIBYTE

GATEWAYS = ("wsgi", "asgi")
WITHOUT = {"crossed": "a bare callable has one colour"}

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    return wsgi if gateway == "wsgi" else asgi


def answer(method: str, path: str, query: str, content_type: str, body: bytes) -> tuple[bytes, str] | None:
    """Answer everything but what is sent in pieces: (body, media type), or None where nothing is there."""
    if path in ("/plain", "/mw5"):
        return GREETING.encode(), TEXT
    if path == "/json":
        return json.dumps(DOCUMENT).encode(), JSON
    if path == "/query":
        return json.dumps(dict(parse_qsl(query))).encode(), JSON
    if path == "/echo-json" and method == "POST":
        return json.dumps(json.loads(body)).encode(), JSON
    if path == "/form" and method == "POST":
        return str(uploaded_size(body, content_type)).encode(), TEXT
    parts = path.split("/")
    if len(parts) == 5 and parts[1] == "users" and parts[3] == "posts":
        return json.dumps({"id": int(parts[2]), "slug": parts[4]}).encode(), JSON
    return None


def uploaded_size(body: bytes, content_type: str) -> int:
    limit = b"--" + content_type.partition("boundary=")[2].encode()
    start = body.index(b"\r\n\r\n", body.index(limit)) + 4
    return body.index(b"\r\n" + limit, start) - start


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", TEXT)])
        return (CHUNK for _ in range(CHUNKS))
    if path == "/file":
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(MEBIBYTE))])
        return environ["wsgi.file_wrapper"](FILE.open("rb"))
    body = b""
    if "CONTENT_LENGTH" in environ:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    found = answer(environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], environ.get("CONTENT_TYPE", ""), body)
    status, (content, media_type) = ("200 OK", found) if found else ("404 Not Found", (b"Not Found", TEXT))
    start_response(status, [("Content-Type", media_type), ("Content-Length", str(len(content)))])
    return [content]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    path = scope["path"]
    if path == "/stream":
        headers = [(b"content-type", TEXT.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(CHUNKS):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if path == "/file":
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % MEBIBYTE)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with FILE.open("rb") as opened:
            while chunk := opened.read(65536):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    content_type, body = "", b""
    if scope["method"] == "POST":
        content_type, body = dict(scope["headers"])[b"content-type"].decode(), await receive_all(receive)
    found = answer(scope["method"], path, scope["query_string"].decode(), content_type, body)
    status, (content, media_type) = (200, found) if found else (404, (b"Not Found", TEXT))
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def receive_all(receive: Any) -> bytes:
    message = await receive()
    parts = [message["body"]]
    while message["more_body"]:
        message = await receive()
        parts.append(message["body"])
    return b"".join(parts)
