# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Body, FastAPI, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING
from tests.benchmarks.peers.starlette_peer import PassThrough

GATEWAYS = ("asgi",)
WITHOUT: dict[str, str] = {}


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    app = FastAPI()
    for _ in range(middlewares):
        app.add_middleware(PassThrough)

    @app.get("/plain")
    @app.get("/mw5")
    async def plain() -> Response:
        return PlainTextResponse(GREETING)

    @app.get("/plain-sync")
    def plain_sync() -> Response:
        return PlainTextResponse(GREETING)

    @app.get("/json")
    async def document() -> Any:
        return DOCUMENT

    @app.get("/users/{id}/posts/{slug}")
    async def post(id: int, slug: str) -> Any:
        return {"id": id, "slug": slug}

    @app.get("/query")
    async def query(a: str, b: str) -> Any:
        return {"a": a, "b": b}

    @app.post("/echo-json")
    async def echo(item: Annotated[dict[str, Any], Body()]) -> Any:
        return item

    @app.post("/form")
    async def form(file: UploadFile) -> Response:
        return PlainTextResponse(str(file.size))

    @app.get("/stream")
    async def stream() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(CHUNKS):
                yield CHUNK

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/file")
    async def file() -> Response:
        return FileResponse(FILE, media_type="application/octet-stream")

    async def further(name: str) -> Response:
        return PlainTextResponse(name)

    for method, path in table:
        app.add_api_route(path, further, methods=[method])
    return app
