# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING

GATEWAYS = ("asgi",)
WITHOUT: dict[str, str] = {}


class PassThrough:
    """The "pure ASGI" middleware, which is the fast one of the two documented forms."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def plain(request: Request) -> Response:
    return PlainTextResponse(GREETING)


def plain_sync(request: Request) -> Response:
    return PlainTextResponse(GREETING)


async def document(request: Request) -> Response:
    return JSONResponse(DOCUMENT)


async def post(request: Request) -> Response:
    return JSONResponse(request.path_params)


async def query(request: Request) -> Response:
    return JSONResponse({"a": request.query_params["a"], "b": request.query_params["b"]})


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return PlainTextResponse(str(fields["file"].size))


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    return StreamingResponse(chunks(), media_type="text/plain")


async def file(request: Request) -> Response:
    return FileResponse(FILE, media_type="application/octet-stream")


async def further(request: Request) -> Response:
    return PlainTextResponse(request.path_params["name"])


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    routes = [
        Route("/plain", plain),
        Route("/mw5", plain),
        Route("/plain-sync", plain_sync),
        Route("/json", document),
        Route("/users/{id:int}/posts/{slug}", post),
        Route("/query", query),
        Route("/echo-json", echo, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/stream", stream),
        Route("/file", file),
        *(Route(path, further, methods=[method]) for method, path in table),
    ]
    return Starlette(routes=routes, middleware=[Middleware(PassThrough)] * middlewares)
