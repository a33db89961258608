# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
from collections.abc import AsyncIterator
from typing import Any

from blacksheep import Application, Request, Response, StreamedContent, file, json, text
from blacksheep.server.routing import Router

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING

GATEWAYS = ("asgi",)
WITHOUT = {"crossed": "it calls a def handler on the event loop, where blocking stops every other request"}


async def pass_through(request: Any, handler: Any) -> Any:
    return await handler(request)


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    app = Application(router=Router())
    app.middlewares.extend([pass_through] * middlewares)
    router: Any = app.router

    @router.get("/plain")
    async def plain() -> Response:
        return text(GREETING)

    router.get("/mw5")(plain)

    @router.get("/json")
    async def document() -> Response:
        return json(DOCUMENT)

    @router.get("/users/{int:id}/posts/{slug}")
    async def post(id: int, slug: str) -> Response:
        return json({"id": id, "slug": slug})

    @router.get("/query")
    async def query(request: Request) -> Response:
        return json({"a": request.query["a"][0], "b": request.query["b"][0]})

    @router.post("/echo-json")
    async def echo(request: Request) -> Response:
        return json(await request.json())

    @router.post("/form")
    async def form(request: Request) -> Response:
        uploads: Any = await request.files("file")
        return text(str(uploads[0].size))

    @router.get("/stream")
    async def stream() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(CHUNKS):
                yield CHUNK

        return Response(200, content=StreamedContent(b"text/plain", chunks))

    @router.get("/file")
    async def send_file() -> Response:
        return file(str(FILE), "application/octet-stream")

    async def further(name: str) -> Response:
        return text(name)

    for method, path in table:
        router.add(method, path, further)
    return app
