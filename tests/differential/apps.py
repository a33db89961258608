"""One application of each framework, written as its documentation says; all read the same things, and say what they read.

/query, /cookies, /form     what is read, as JSON
/file                       ten bytes with a fixed tag and date
/static/...                 a directory
/to?to=                     a redirect
/slash/                     a route that ends with a slash
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ambi import App, File, Redirect, Request, UploadFile

CONTENT = b"0123456789"
ETAG = "v1"
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
TREE = {
    "a.txt": "the file a", "sub/b.txt": "the file b", "sub/index.html": "<p>index", "empty/c.txt": "c", "ü.txt": "the file ü",
    ".env": "SECRET=1", "a b.txt": "with a space", "archive.tar.gz": "packed",
}  # fmt: skip


def make_tree(folder: Path) -> Path:
    """Make the directory, a file beside it, and links out of it and within."""
    root = folder / "static"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "file.bin").write_bytes(CONTENT)
    (folder / "outside.txt").write_text("outside")
    (root / "link-out").symlink_to(folder / "outside.txt")
    (root / "link-in").symlink_to(root / "a.txt")
    for path in root.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (MODIFIED.timestamp(), MODIFIED.timestamp()))
    return root


def told(fields: Iterable[Any], files: Iterable[Any] = ()) -> dict[str, Any]:
    """Say what was read: the values of a name are together, and fields apart from files, as Werkzeug keeps them."""
    return {"fields": _by_name(fields), "files": _by_name(files)}


def _by_name(items: Iterable[Any]) -> list[list[Any]]:
    found: dict[str, list[list[Any]]] = {}
    for name, *rest in items:
        found.setdefault(name, []).append([name, *rest])
    return [item for group in found.values() for item in group]


def make_ours(root: Path) -> App:
    """Make ambi's."""
    app = App(allowed_hosts=["example.test"])

    @app.get("/query")
    def query(request: Request) -> dict[str, Any]:
        return told(request.query.pairs())

    @app.get("/cookies")
    def cookies(request: Request) -> dict[str, Any]:
        return told(request.cookies.items())

    @app.post("/form")
    def form(request: Request) -> dict[str, Any]:
        pairs = request.form.pairs()
        return told(
            [pair for pair in pairs if isinstance(pair[1], str)],
            [(name, f.filename, f.read().decode("latin-1")) for name, f in pairs if isinstance(f, UploadFile)],
        )

    @app.get("/file")
    def file() -> File:
        return File(io.BytesIO(CONTENT), etag=ETAG, last_modified=MODIFIED, content_type="text/plain")

    app.static("/static", root, index="index.html")

    @app.get("/to")
    def to(request: Request) -> Redirect:
        return Redirect(request.query["to"], 302)

    @app.get("/slash/")
    def slash() -> str:
        return "slash"

    return app


def make_werkzeug(root: Path) -> Any:
    """Make Werkzeug's."""
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import Map, Rule
    from werkzeug.utils import redirect, send_file, send_from_directory
    from werkzeug.wrappers import Request as WerkzeugRequest
    from werkzeug.wrappers import Response as WerkzeugResponse

    rules = [
        Rule(path, endpoint=name)
        for path, name in [
            ("/query", "query"), ("/cookies", "cookies"), ("/form", "form"), ("/file", "file"), ("/static/<path:path>", "static"),
            ("/to", "to"), ("/slash/", "slash"),
        ]
    ]  # fmt: skip
    urls = Map(rules)

    def answer(request: Any, endpoint: str, arguments: Any) -> Any:
        if endpoint == "query":
            return as_json(told(request.args.items(multi=True)))
        if endpoint == "cookies":
            return as_json(told(request.cookies.items()))
        if endpoint == "form":
            files = [(name, f.filename, f.read().decode("latin-1")) for name, f in request.files.items(multi=True)]
            return as_json(told(request.form.items(multi=True), files))
        if endpoint == "file":
            return send_file(
                io.BytesIO(CONTENT),
                request.environ,
                mimetype="text/plain",
                etag=ETAG,
                last_modified=MODIFIED,
                conditional=True,
            )
        if endpoint == "static":
            return send_from_directory(root, arguments["path"], request.environ)
        if endpoint == "to":
            return redirect(request.args["to"])
        return WerkzeugResponse("slash")

    def as_json(value: Any) -> Any:
        return WerkzeugResponse(json.dumps(value), mimetype="application/json")

    @WerkzeugRequest.application
    def application(request: Any) -> Any:
        try:
            endpoint, arguments = urls.bind_to_environ(request.environ).match()
            return answer(request, endpoint, arguments)
        except HTTPException as error:
            return error

    return application


def make_starlette(root: Path) -> Any:
    """Make Starlette's."""
    from starlette.applications import Starlette
    from starlette.datastructures import UploadFile as StarletteFile
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import NotModifiedResponse, StaticFiles

    async def query(request: Any) -> Any:
        return JSONResponse(told(request.query_params.multi_items()))

    async def cookies(request: Any) -> Any:
        return JSONResponse(told(request.cookies.items()))

    async def form(request: Any) -> Any:
        async with request.form() as parts:
            items = parts.multi_items()
            files = [
                (name, f.filename, (await f.read()).decode("latin-1"))
                for name, f in items
                if isinstance(f, StarletteFile)
            ]
            return JSONResponse(told([pair for pair in items if isinstance(pair[1], str)], files))

    statics = StaticFiles(directory=root, html=True)

    async def file(request: Any) -> Any:
        fields = {"etag": f'"{ETAG}"', "last-modified": THEN}
        path = root / "file.bin"
        response = FileResponse(path, headers=fields, stat_result=path.stat(), media_type="text/plain")
        unchanged = statics.is_not_modified(response.headers, request.headers)
        return NotModifiedResponse(response.headers) if unchanged else response

    async def to(request: Any) -> Any:
        return RedirectResponse(request.query_params["to"], 302)

    async def slash(request: Any) -> Any:
        return PlainTextResponse("slash")

    routes = [
        Route("/query", query), Route("/cookies", cookies), Route("/form", form, methods=["POST"]), Route("/file", file),
        Mount("/static", statics), Route("/to", to), Route("/slash/", slash),
    ]  # fmt: skip
    return Starlette(routes=routes)
