"""Guests written by hand, of both interfaces from one description: a WSGI one in `def` cells, an ASGI one in the others."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tests.cells import Cell


class Seen(NamedTuple):
    """A request as a guest of either interface was told of it."""

    method: str
    prefix: str
    path: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: bytes
    native: dict[str, Any]


class Answer(NamedTuple):
    """What a guest is to answer."""

    status: int = 200
    headers: Iterable[tuple[str, str]] = (("content-type", "text/plain"),)
    items: Iterable[bytes] = (b"guest",)


def guest(cell: Cell, answer: Callable[[Seen], Answer]) -> Any:
    """Make a guest that reads its body, and sends its items one by one."""
    return _asgi(answer) if cell.is_async else _wsgi(answer)


def _wsgi(answer: Callable[[Seen], Answer]) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {
            key.removeprefix("HTTP_").lower().replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }
        seen = Seen(
            environ["REQUEST_METHOD"], *(environ[key].encode("latin-1").decode() for key in ("SCRIPT_NAME", "PATH_INFO")),
            environ.get("RAW_URI", "").partition("?")[0], environ["QUERY_STRING"], headers,
            b"".join(iter(lambda: environ["wsgi.input"].read(65536), b"")), environ,
        )  # fmt: skip
        status, fields, items = answer(seen)
        start_response(f"{status} As it is", list(fields))
        return iter(items)

    return application


def _asgi(answer: Callable[[Seen], Answer]) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError("only http is served")
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        seen = Seen(
            scope["method"], scope["root_path"], scope["path"].removeprefix(scope["root_path"]),
            scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii"), headers, body, scope,
        )  # fmt: skip
        status, fields, items = answer(seen)
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        with contextlib.ExitStack() as stack:
            stack.callback(getattr(items, "close", bool))
            for item in items:
                await send({"type": "http.response.body", "body": item, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return application
