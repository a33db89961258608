# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
import os
from typing import Any

from flask import Flask, jsonify, request, send_file

from tests.benchmarks.cases import CHUNK, CHUNKS, DOCUMENT, FILE, GREETING

GATEWAYS = ("wsgi",)
WITHOUT: dict[str, str] = {}

TEXT = {"content-type": "text/plain; charset=utf-8"}


def make(gateway: str, table: list[tuple[str, str]], middlewares: int) -> Any:
    app = Flask("benchmark")
    for _ in range(middlewares):

        @app.before_request
        def before() -> None:
            return None

        @app.after_request
        def after(response: Any) -> Any:
            return response

    @app.get("/plain")
    @app.get("/mw5")
    def plain() -> Any:
        return GREETING, TEXT

    @app.get("/plain-async")
    async def plain_async() -> Any:
        return GREETING, TEXT

    @app.get("/json")
    def document() -> Any:
        return DOCUMENT

    @app.get("/users/<int:id>/posts/<slug>")
    def post(id: int, slug: str) -> Any:
        return {"id": id, "slug": slug}

    @app.get("/query")
    def query() -> Any:
        return {"a": request.args["a"], "b": request.args["b"]}

    @app.post("/echo-json")
    def echo() -> Any:
        return jsonify(request.get_json())

    @app.post("/form")
    def form() -> Any:
        return str(request.files["file"].seek(0, os.SEEK_END)), TEXT

    @app.get("/stream")
    def stream() -> Any:
        return (CHUNK for _ in range(CHUNKS)), TEXT

    @app.get("/file")
    def file() -> Any:
        return send_file(FILE, mimetype="application/octet-stream")

    def further(name: str) -> Any:
        return name, TEXT

    for number, (method, path) in enumerate(table):
        rule = path.replace("{", "<").replace("}", ">")
        app.add_url_rule(rule, f"further{number}", further, methods=[method])
    return app
