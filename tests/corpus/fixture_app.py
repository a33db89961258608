"""The application that the corpus is sent to: something of everything, with the limits as they are by default.

    gunicorn tests.corpus.fixture_app:app
    uvicorn --no-proxy-headers tests.corpus.fixture_app:app

Every handler is registered through `handler`, which may give it the other colour. The site answers for `example.test`,
and below `/csrf` as if it had come by TLS, which a server of a test does not speak.
"""

import atexit
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from jinja2 import DictLoader

from ambi import App, BodyStream, File, Middleware, Request, Response, Router, Text, WebSocket, WebSocketClosed
from ambi.features.auth import Basic, Bearer, hash_password, safe_redirect, verify_password
from ambi.features.caching import CacheControl
from ambi.features.rate_limit import rate_limit
from tests.servers.holding import held, resident_bytes

F = TypeVar("F", bound=Callable[..., Any])
Colour = Callable[[F], F]

FILE_BYTES = 1 << 20
FLOOD_BYTES = 1 << 16
SECRET = "what only an administrator may read"
OUTSIDE = "what is outside of the root"
KEY = "a key of thirty-two bytes, for tests alone"
PAGE = """<!doctype html>
<form method="post"><input name="_csrf" value="{{ csrf_token() }}"></form>
<p>{{ request.cookies.get("_csrf", "") }}</p>
"""


def make_tree(folder: Path) -> None:
    """Make the files that cases of static files speak of, and what stands beside them and must not be served."""
    root = folder / "static"
    beside = folder / "static-secret"
    for directory in (root / "sub", beside, folder / "public"):
        directory.mkdir(parents=True)
    for file in (folder / "outside.txt", folder / "static1.txt", beside / "s.txt", root / ".env"):
        file.write_text(OUTSIDE)
    for name in ("a.txt", "sub/b.txt", "a.unknown", "a.js", "private.txt"):
        (root / name).write_text(f"the file {name}")
    (root / "private.txt").chmod(0)
    (folder / "public" / "a.txt").write_text("public")
    (root / "link-out").symlink_to(folder / "outside.txt")
    (root / "link-dir").symlink_to(beside)
    (root / "a.js.gz").symlink_to(folder / "outside.txt")
    os.mkfifo(root / "fifo")
    (folder / "file.bin").write_bytes(bytes(range(256)) * (FILE_BYTES // 256))


def make_app(folder: Path, handler: Colour = lambda function: function) -> App:
    """Make the application over the tree in `folder`; `handler` gives handlers their colour."""
    app = App(allowed_hosts=["example.test", "*.example.test", "[::1]"])
    app.cors(["https://example.test", "https://www.example.test"], methods=["GET", "PUT"], prefix="/api")
    app.csrf(secret=KEY, field="_csrf")
    app.sessions(KEY, cookie="sid")
    app.compression()
    app.etags()
    app.middleware(guard)
    app.static("/static", folder / "static")
    app.static("/public", folder / "public")
    _add_echoes(app, handler)
    _add_websockets(app, handler)
    _add_bodies(app, handler)
    _add_files(app, handler, folder)
    _add_people(app, handler)
    _add_caching(app, handler)
    _add_trouble(app, handler)
    _count_calls(app)
    return app


def guard(request: Request) -> Middleware:
    """Let nobody below /admin."""
    if request.path.startswith("/admin"):
        return Text("forbidden", 403)
    yield
    return None


# --- what a request says ---


def _add_echoes(app: App, handler: Colour) -> None:
    @app.route("/echo", methods=["GET", "POST", "PUT", "DELETE"], csrf=False)
    @handler
    def echo(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "path": request.path,
            "root_path": request.root_path,
            "scheme": request.scheme,
            "host": request.host,
            "client": request.client and request.client[0],
            "query": request.query.pairs(),
            "headers": sorted(request.headers.items()),
            "cookies": dict(request.cookies),
            "body": len(request.body),
        }

    @app.get("/items/{id:int}")
    @handler
    def item(id: int) -> dict[str, Any]:
        return {"id": id}

    @app.get("/items-str/{text}")
    @handler
    def text_item(request: Request, text: str) -> dict[str, Any]:
        return {"text": text, "query": request.query.pairs(), "url": str(request.url)}

    @app.get("/floats/{x:float}")
    @handler
    def floats(x: float) -> dict[str, Any]:
        return {"x": x}

    @app.get("/uuids/{id:uuid}")
    @handler
    def uuids(id: Any) -> dict[str, Any]:
        return {"id": str(id)}

    @app.get("/typed")
    @handler
    def typed(request: Request) -> Response | dict[str, Any]:
        text = request.query.get("n", "")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            return Text("n is a number", 400)
        return {"n": int(text)}


# --- WebSockets; their handlers have one colour ---


def _add_websockets(app: App, handler: Colour) -> None:
    told: list[Any] = []

    @app.websocket("/ws")
    async def messages(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @app.websocket("/ws-stubborn")
    async def receive_after_the_end(ws: WebSocket) -> None:
        told.clear()
        await ws.send("ready")
        for _ in range(3):
            try:
                await ws.receive()
            except WebSocketClosed as exc:
                told.append(exc.code)

    @app.websocket("/ws-insist")
    async def choose_what_nobody_offered(ws: WebSocket) -> None:
        told.clear()
        try:
            await ws.accept(subprotocol="x")
        except ValueError as exc:
            told.append(str(exc))
        await ws.send("ready")

    @app.websocket("/ws-flood")
    async def send_without_end(ws: WebSocket) -> None:
        told.clear()
        piece, sent = bytes(FLOOD_BYTES), 0
        try:
            while sent < 1 << 30:
                await ws.send(piece)
                sent += len(piece)
        finally:
            told.append(sent)

    @app.get("/ws-told")
    @handler
    def what_they_saw() -> list[Any]:
        return told


class View:
    """A class whose methods are named as HTTP's are."""

    def get(self) -> str:
        return "a view"

    def _helper(self) -> str:
        return "the helper ran"


# --- bodies ---


def fields_of(request: Request) -> list[Any]:
    """Give the fields of a form; of a file its name, and how much of it came."""
    return [
        [name, value if isinstance(value, str) else {"filename": value.filename, "size": value.size}]
        for name, value in request.form.pairs()
    ]


def _add_bodies(app: App, handler: Colour) -> None:
    post = partial(app.post, csrf=False)

    @post("/form")
    @handler
    def form(request: Request) -> list[Any]:
        return fields_of(request)

    @post("/form-twice")
    @handler
    def form_twice(request: Request) -> list[Any]:
        first, body, second = fields_of(request), request.text, fields_of(request)
        return [first, body, second]

    @post("/json")
    @handler
    def as_json(request: Request) -> dict[str, Any]:
        return {"value": request.json()}

    @post("/upload", max_body_bytes=32 << 20)
    @handler
    def upload(request: Request) -> dict[str, Any] | list[Any]:
        if request.content_type[0] == "multipart/form-data":
            return fields_of(request)
        return {"bytes": len(request.body)}

    @post("/upload-little", max_body_bytes=10)
    @handler
    def upload_little(request: Request) -> dict[str, Any]:
        return {"bytes": len(request.body)}

    _add_streams(app)


def _add_streams(app: App) -> None:
    """Add what takes a body as it comes. The colour of a stream is that of its handler, so these have one of their own."""
    post = partial(app.post, csrf=False)

    @post("/stream-in")
    def stream_in(stream: BodyStream) -> dict[str, Any]:
        return {"bytes": sum(map(len, stream))}

    @post("/stream-then-form")
    def stream_then_form(request: Request, stream: BodyStream) -> Response | dict[str, Any]:
        count = sum(map(len, stream))
        try:
            return {"bytes": count, "form": fields_of(request)}
        except RuntimeError as exc:
            return Text(str(exc), 400)

    @post("/ignore-body")
    async def ignore_body(stream: BodyStream) -> str:
        return "I did not look"


# --- files and long answers ---


def _add_files(app: App, handler: Colour, folder: Path) -> None:
    path = folder / "file.bin"
    app.resource("/cbv", View())

    @app.get("/file")
    @handler
    def file() -> Response:
        return File(path, headers={"cache-control": "no-cache", "vary": "x-tenant"})

    @app.get("/file-404")
    @handler
    def file_404() -> Response:
        response = File(path)
        response.status = 404
        return response

    @app.get("/big")
    @handler
    def big() -> Response:
        return Text("x" * 100_000)

    @app.put("/res", csrf=False)
    @handler
    def resource(request: Request) -> Response | None:
        return request.check_conditions(etag="v1") or Text("changed")


# --- who asks ---


def _add_people(app: App, handler: Colour) -> None:
    password = hash_password("p")

    def find_user(name: str, given: str) -> str | None:
        return name if verify_password(given, password if name == "u" else None) else None

    basic, bearer = Basic(find_user), Bearer({"a-long-random-token": "ci"})
    templates = app.templates(DictLoader({"page.html": PAGE}))
    router = Router()

    @router.get("/admin/secret")
    @handler
    def secret() -> str:
        return SECRET

    @router.get("/auth")
    @handler
    def auth(user: Annotated[str, basic]) -> str:
        return user

    @router.get("/auth-bearer")
    @handler
    def auth_bearer(user: Annotated[str, bearer]) -> str:
        return user

    @router.get("/login")
    @handler
    def login(request: Request) -> Response:
        return safe_redirect(request, request.query.get("next"), fallback="/echo")

    @router.get("/csrf")
    @handler
    def csrf_page(request: Request) -> Response:
        return templates.render("page.html", request)

    @router.post("/csrf")
    @handler
    def csrf_change() -> str:
        return "changed"

    @router.get("/session")
    @handler
    def session(request: Request) -> dict[str, Any]:
        return {**request.session, "id": None}

    @router.route("/api", methods=["GET", "PUT", "DELETE"])
    @handler
    def api() -> dict[str, Any]:
        return {"api": True}

    @router.get("/limited", middleware=[rate_limit("1000/minute")])
    @handler
    def limited() -> str:
        return "not too often"

    app.include(router)


# --- what may be kept ---


def _add_caching(app: App, handler: Colour) -> None:
    counted: Counter[str] = Counter()

    def cached(path: str, headers: dict[str, str]) -> None:
        @app.get(path, name=path)
        @handler
        def answer(request: Request) -> tuple[Any, int, dict[str, str]]:
            counted[path] += 1
            return {"tenant": request.headers.get("x-tenant")}, 200, headers

    cached("/cached", {"cache-control": CacheControl(max_age=timedelta(minutes=1))})
    cached("/cached-vary", {"cache-control": "max-age=60", "vary": "X-Tenant"})
    cached("/cached-vary-star", {"cache-control": "max-age=60", "vary": " * "})
    cached("/cached-private", {"cache-control": "Private, max-age=60"})

    @app.get("/counted")
    @handler
    def how_often() -> dict[str, Any]:
        return dict(counted)


# --- trouble ---


def _add_trouble(app: App, handler: Colour) -> None:
    @app.get("/raise")
    @handler
    def fail() -> None:
        raise ValueError("secret-123")

    @app.get("/slow")
    @handler
    def slow(request: Request) -> str:
        text = request.query.get("s", "0")
        if text.isascii() and text.isdigit() and 0 < int(text[:2]) < 5:
            time.sleep(int(text[:2]))
        return "done"


def _count_calls(app: App) -> None:
    """Count what reaches the application on either gateway, and say below /csrf that it came by TLS.

    /held tells of the count and of what the process holds; that is no call of the application.
    """
    wsgi, asgi, calls = app.wsgi, app.asgi, 0

    def standing() -> bytes:
        return json.dumps({**held(), "calls": calls, "resident": resident_bytes()}).encode()

    def counting_wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal calls
        if environ["PATH_INFO"] == "/held":
            body = standing()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        calls += 1
        if environ["PATH_INFO"] == "/csrf":
            environ["wsgi.url_scheme"] = "https"
        return wsgi(environ, start_response)

    async def counting_asgi(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        nonlocal calls
        if scope["type"] == "lifespan":
            await asgi(scope, receive, send)
            return
        if scope["path"] == "/held":
            body = standing()
            fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": body})
            return
        calls += 1
        if scope["path"] == "/csrf":
            scope = {**scope, "scheme": "https"}
        await asgi(scope, receive, send)

    app.wsgi, app.asgi = counting_wsgi, counting_asgi


def _find_tree() -> Path:
    """Give the tree that AMBI_CORPUS_FILES names; else make one, which goes when the process that made it ends."""
    if "AMBI_CORPUS_FILES" in os.environ:
        return Path(os.environ["AMBI_CORPUS_FILES"])
    folder, owner = Path(tempfile.mkdtemp(prefix="ambi-corpus-")), os.getpid()
    make_tree(folder)
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


app = make_app(_find_tree())
