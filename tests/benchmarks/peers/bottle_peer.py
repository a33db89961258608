# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
import os
from collections.abc import Callable
from typing import Any

from bottle import Bottle, request, response, static_file

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING

GATEWAYS = ("wsgi",)
WITHOUT = {"crossed": "it has no async def handlers"}

TEXT = "text/plain; charset=utf-8"


class PassThrough:
    """A plugin: Bottle's middleware wraps the callback."""

    api = 2

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return callback(*args, **kwargs)

        return wrapper


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    app = Bottle()
    for number in range(middlewares):
        app.install(PassThrough(f"layer {number}"))

    @app.get("/plain")
    @app.get("/mw5")
    def plain() -> str:
        response.content_type = TEXT
        return GREETING

    @app.get("/json")
    def document() -> dict[str, str]:
        return DOCUMENT

    @app.get("/users/<id:int>/posts/<slug>")
    def post(id: int, slug: str) -> dict[str, Any]:
        return {"id": id, "slug": slug}

    @app.get("/query")
    def query() -> dict[str, str]:
        return {"a": request.query["a"], "b": request.query["b"]}

    @app.post("/echo-json")
    def echo() -> Any:
        return request.json

    @app.post("/form")
    def form() -> str:
        response.content_type = TEXT
        return str(request.files["file"].file.seek(0, os.SEEK_END))

    @app.get("/stream")
    def stream() -> Any:
        response.content_type = TEXT
        return (CHUNK for _ in range(CHUNKS))

    @app.get("/file")
    def file() -> Any:
        return static_file(FILE.name, str(FILE.parent), mimetype="application/octet-stream")

    def further(name: str) -> str:
        return name

    for method, path in table:
        app.route(path.replace("{", "<").replace("}", ">"), method, further)
    return app
