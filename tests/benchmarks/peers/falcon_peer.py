# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
from collections.abc import AsyncIterator
from typing import Any

import falcon
import falcon.asgi
from anyio import open_file

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING, MEBIBYTE

GATEWAYS = ("wsgi", "asgi")
WITHOUT = {"crossed": "falcon.App takes def only, falcon.asgi.App async def only"}


class PassThrough:
    def process_request(self, req: Any, resp: Any) -> None:
        pass

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        pass

    async def process_request_async(self, req: Any, resp: Any) -> None:
        pass

    async def process_response_async(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        pass


class Plain:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = GREETING


class PlainAsync:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = GREETING


class Document:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = DOCUMENT


class DocumentAsync:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.media = DOCUMENT


class Post:
    def on_get(self, req: Any, resp: Any, id: int, slug: str) -> None:
        resp.media = {"id": id, "slug": slug}


class PostAsync:
    async def on_get(self, req: Any, resp: Any, id: int, slug: str) -> None:
        resp.media = {"id": id, "slug": slug}


class Query:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"a": req.get_param("a"), "b": req.get_param("b")}


class QueryAsync:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"a": req.get_param("a"), "b": req.get_param("b")}


class Echo:
    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = req.get_media()


class EchoAsync:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.media = await req.get_media()


class Form:
    def on_post(self, req: Any, resp: Any) -> None:
        size = 0
        for part in req.get_media():
            while data := part.stream.read(65536):
                size += len(data)
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = str(size)


class FormAsync:
    async def on_post(self, req: Any, resp: Any) -> None:
        size = 0
        async for part in await req.get_media():
            while data := await part.stream.read(65536):
                size += len(data)
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = str(size)


class Stream:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = (CHUNK for _ in range(CHUNKS))


class StreamAsync:
    async def on_get(self, req: Any, resp: Any) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(CHUNKS):
                yield CHUNK

        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = chunks()


class File:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = "application/octet-stream"
        resp.set_stream(FILE.open("rb"), MEBIBYTE)


class FileAsync:
    async def on_get(self, req: Any, resp: Any) -> None:
        async def blocks() -> AsyncIterator[bytes]:
            async with await open_file(FILE, "rb") as opened:
                while block := await opened.read(65536):
                    yield block

        resp.content_type = "application/octet-stream"
        resp.set_stream(blocks(), MEBIBYTE)


class Further:
    def on_get(self, req: Any, resp: Any, name: str) -> None:
        resp.text = name

    on_post = on_delete = on_get


class FurtherAsync:
    async def on_get(self, req: Any, resp: Any, name: str) -> None:
        resp.text = name

    on_post = on_delete = on_get


RESOURCES = [
    ("/plain", Plain, PlainAsync),
    ("/mw5", Plain, PlainAsync),
    ("/json", Document, DocumentAsync),
    ("/users/{id:int}/posts/{slug}", Post, PostAsync),
    ("/query", Query, QueryAsync),
    ("/echo-json", Echo, EchoAsync),
    ("/form", Form, FormAsync),
    ("/stream", Stream, StreamAsync),
    ("/file", File, FileAsync),
]


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    layers = [PassThrough() for _ in range(middlewares)]
    is_async = gateway == "asgi"
    app = falcon.asgi.App(middleware=layers) if is_async else falcon.App(middleware=layers)
    for path, resource, async_resource in RESOURCES:
        app.add_route(path, async_resource() if is_async else resource())
    for path in dict.fromkeys(path for _, path in table):
        app.add_route(path, FurtherAsync() if is_async else Further())
    return app
