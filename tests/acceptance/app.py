"""The application behind the acceptance suites: what an app looks like, once, for both gateways.

``app`` is the application; ``wsgi`` and ``asgi`` are the same object under the name that a suite asks for.
Handlers are ``def`` where they only compute and ``async def`` where they would wait in a real application;
which of the two must never be seen from outside.
"""

import base64
import binascii
import copy
import importlib.util
import io
import re
import sqlite3
import sys
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from ambi import (
    JSON,
    SSE,
    App,
    BodyStream,
    Event,
    File,
    HTTPError,
    Limits,
    Middleware,
    Request,
    Response,
    Router,
    Text,
    UploadFile,
    WebSocket,
)
from tests.acceptance.browsing import browsing

counts: Counter[str] = Counter()


async def lifespan() -> AsyncIterator[None]:
    counts["start-ups"] += 1
    yield


# One of the suites asks for targets of 9,000 bytes, and calls every refusal of a long one (414) a mistake.
app = App(lifespan=lifespan, limits=Limits(max_target_bytes=16 * 1024))
wsgi = asgi = app


def mounted(mounts: dict[str, tuple[Literal["wsgi", "asgi"], Any]]) -> tuple[App, App]:
    """Give the application, twice as `wsgi` and `asgi` above, with others mounted in it: prefix -> (interface, other)."""
    host = copy.deepcopy(copyable)
    for prefix, (interface, other) in mounts.items():
        host.mount(prefix, other, interface=interface)
    return host, host


@app.middleware
def report_errors(request: Request) -> Middleware:
    """Tell Sentry, where a suite has set it up, of what no handler took: its wrappers see a 500 and no exception.

    Unless it reads the log, where the error stands as well.
    """
    try:
        yield
    except Exception as exc:
        sentry = sys.modules.get("sentry_sdk")
        if sentry is not None and sentry.get_client().get_integration("logging") is None:
            sentry.capture_exception(exc)
        raise


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/json")
async def greeting() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/boom")
async def boom() -> None:
    raise RuntimeError("boom")


@app.get("/stream")
def stream() -> Iterator[str]:
    yield "a\n"
    yield "b\n"
    yield "c\n"


@app.get("/events")
async def events() -> SSE:
    async def ticks() -> AsyncIterator[Event]:
        for number in range(3):
            yield Event(number, event="tick", id=str(number))

    return SSE(ticks())


@app.get("/big")
def big() -> Response:
    return Text("x" * 20_000)


@app.get("/where", name="where")
def where(request: Request) -> dict[str, Any]:
    return {
        "scheme": request.scheme,
        "host": request.host,
        "client": request.client[0] if request.client else None,
        "root": request.root_path,
        "path": request.path,
        "url": f"{request.scheme}://{request.host}{request.url_for('where')}",
    }


@app.post("/echo")
async def echo(request: Request, stream: BodyStream) -> Response:
    # As a stream: what is a form would be taken apart as one otherwise.
    body = b"".join([chunk async for chunk in stream])
    return Response(body, content_type=request.headers.get("content-type"))


@app.post("/form")
def form(request: Request) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    files: dict[str, list[Any]] = {}
    for name, value in request.form.pairs():
        if isinstance(value, UploadFile):
            files[name] = [value.filename, value.content_type, value.size]
        else:
            fields.setdefault(name, []).append(value)
    return {"fields": fields, "files": files}


@app.get("/cookie")
def cookie(request: Request) -> Response:
    seen = request.cookies.get("seen", "0")
    # The client wrote it: int() alone would take other scripts' digits, and raise at 4,301 of them.
    count = int(seen) + 1 if re.fullmatch("[0-9]{1,9}", seen) else 1
    response = Text(str(count))
    response.set_cookie("seen", str(count))
    return response


@app.get("/native")
async def native(request: Request) -> list[str]:
    return list(request.native)


@app.get("/items/{id}")
async def item(id: int) -> dict[str, int]:
    return {"id": id}


@app.get("/state")
def state() -> Response:
    return JSON(counts["start-ups"])


# ------------------------------------------------------------------ what the framework reads out of a request

reading = Router(prefix="/c")


@reading.get("/file")
async def letters() -> Response:
    alphabet = io.BytesIO(b"abcdefghijklmnopqrstuvwxyz")
    changed = datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    return File(alphabet, content_type="text/plain", etag="v1", last_modified=changed)


@reading.get("/cookies")
async def cookies(request: Request) -> dict[str, str]:
    return dict(request.cookies)


@reading.get("/args")
def arguments(request: Request) -> list[tuple[str, str]]:
    return list(request.query.pairs())


@reading.post("/form-pairs")
async def form_pairs(request: Request) -> list[tuple[str, Any]]:
    return list(request.form.pairs())


@reading.get("/path/{rest:path}")
def rest_of_path(rest: str) -> Response:
    return JSON(rest)


@reading.post("/ctype")
def content_type(request: Request, stream: BodyStream) -> list[Any]:
    # Taken as a stream and left alone: the body need not be what the field says.
    return list(request.content_type)


def offered(request: Request) -> list[str]:
    return [offer for offer in request.query.get("offers", "").split(",") if offer]


@reading.get("/negotiate")
def negotiate(request: Request) -> tuple[str, int, dict[str, str]]:
    chosen = request.accepts(*offered(request))
    if chosen is None:
        raise HTTPError(406, "None of the offered media types is accepted.", headers={"vary": "accept"})
    return chosen, 200, {"vary": "accept"}


@reading.get("/encoding")
async def encoding(request: Request) -> tuple[str, int, dict[str, str]]:
    # RFC 9110 s.12.5.3: without an acceptable coding the answer goes out as it is.
    chosen = request.accepts_encoding(*offered(request)) or "identity"
    return chosen, 200, {"vary": "accept-encoding"}


@reading.get("/language")
async def language(request: Request) -> tuple[str, int, dict[str, str]]:
    chosen = request.accepts_language(*offered(request))
    if chosen is None:
        raise HTTPError(406, "None of the offered languages is accepted.", headers={"vary": "accept-language"})
    return chosen, 200, {"vary": "accept-language"}


@reading.get("/auth")
def auth(request: Request) -> list[str]:
    scheme, credentials = request.authorization or ("", "")
    user_and_password = basic_credentials(credentials) if scheme == "basic" else None
    if user_and_password is None:
        challenge = 'Basic realm="acceptance", charset="UTF-8"'
        raise HTTPError(401, "This needs a user name and a password.", headers={"www-authenticate": challenge})
    return list(user_and_password)


def basic_credentials(credentials: str) -> tuple[str, str] | None:
    """Decode the token of a Basic ``Authorization`` field to (user, password); None where it is not one.

    See: RFC 7617 s.2 (the user has no colon, neither part a control character), s.2.1 (UTF-8).
    """
    try:
        text = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    if not colon or any(unicodedata.category(character) == "Cc" for character in text):
        return None
    return user, password


app.include(reading)


# ------------------------------------------------------------------ a table of routes that compete for paths

app.cors(
    ["https://a.test"],
    methods=["GET", "PUT"], headers=["X-A"], expose=["X-B"], credentials=True, max_age_s=600, prefix="/c/cors",
)  # fmt: skip


@reading.get("/cors")
def shared() -> Response:
    return Text("shared", headers={"x-b": "b"})


@reading.put("/cors")
async def change_shared() -> Response:
    return Text("changed", headers={"x-b": "b"})


routing = Router(prefix="/r")


def matched(request: Request) -> dict[str, Any]:
    assert request.route is not None  # only a matched route has a handler
    return {"route": request.route.name, "params": dict(request.path_params)}


async def matched_async(request: Request) -> dict[str, Any]:
    return matched(request)


routing.route("/", methods=["GET"], name="root")(matched)
routing.route("/users", methods=["GET"], name="users")(matched_async)
routing.route("/users", methods=["POST"], name="users-new")(matched)
routing.route("/users/{id:int}", methods=["GET"], name="user")(matched_async)
routing.route("/users/{id:int}", methods=["DELETE"], name="user-del")(matched)
routing.route("/users/me", methods=["GET"], name="me")(matched_async)
routing.route("/users/{id:int}/posts/{slug}", methods=["GET"], name="post")(matched)
routing.route("/files/{rest:path}", methods=["GET"], name="file")(matched_async)
routing.route("/tags/{t}", methods=["GET"], name="tag")(matched)
routing.route("/tags/list", methods=["GET"], name="tag-list")(matched_async)
routing.route("/a/{x}/c", methods=["GET"], name="axc")(matched)
routing.route("/a/b/c", methods=["GET"], name="abc")(matched_async)
routing.route("/a/b/{y}", methods=["GET"], name="abd")(matched)

app.include(routing)


# ------------------------------------------------------------------ websockets


@app.websocket("/ws")
async def echo_messages(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.websocket("/b/ws", subprotocols=["chat"])
async def converse(ws: WebSocket) -> None:
    async for message in ws:
        if message == "bye":
            await ws.close(4001, "done")
        else:
            await ws.send(message)


# ------------------------------------------------------------------ what a browser is led through

app.include(browsing)

# ------------------------------------------------------------------ an API for pages of any site, with typed handlers

copyable = copy.deepcopy(app)
"""For `mounted`. An application that provides values is no longer one to copy."""

if importlib.util.find_spec("msgspec") is not None:  # not every suite is run where that is
    from examples.todo_backend import todos, transaction

    app.cors(["*"], prefix="/todos")
    app.provide(sqlite3.Connection, transaction)
    app.include(todos)
