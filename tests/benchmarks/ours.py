"""The application that a benchmark measures, written as the documentation shows it, with every check on.

The contract with whatever measures it (``python -m tests.benchmarks`` here, other drivers by the path of this
file, which is why nothing of this folder is imported): the names below and ``make``.
"""

import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import anyio

from ambi import App, File, Middleware, Request, Stream

NAME = "ours"
DISTS = ["ambi", "anyio", "multipart", "typing-extensions"]
IMPORTS = ["ambi"]
GATEWAYS = ["wsgi", "asgi"]
OTHER_KIND = "one event loop for all requests on WSGI, a worker thread on ASGI"

GREETING = "Hello, World!"
CHUNK = b"x" * 1024
CHUNKS = 100
MEBIBYTE = 1 << 20
UPLOAD_LIMIT = 1 << 30  # uploads of 100 MiB are measured too

file_to_send = tempfile.NamedTemporaryFile(prefix="benchmark-")  # noqa: SIM115 - lives as long as the process
file_to_send.write(b"f" * MEBIBYTE)
file_to_send.flush()


def make(gateway: str, table: Iterable[tuple[str, str]] | None = None, mw: int = 0) -> App:
    """Build the application.

    Args:
        gateway: "wsgi" gets ``def`` handlers, "asgi" gets ``async def`` ones. The app serves both either way.
        table: further routes, (method, path) with ``{name}`` for whole segments; each answers its last
            parameter. None: the table of the driver that loads this file, where it has one.
        mw: how many pass-through middlewares stand before every handler.
    """
    app = App()
    for _ in range(mw):
        app.middleware(pass_through())
    if gateway == "wsgi":
        add_def_handlers(app)
    else:
        add_async_handlers(app)
    add_crossed_handlers(app)
    for method, path in driver_table() if table is None else table:
        parameters = tuple(part.partition("}")[0] for part in path.split("{")[1:])
        app.route(path, methods=[method])(last_parameter(parameters, gateway))
    return app


def pass_through() -> Callable[[Request], Middleware]:
    def layer(request: Request) -> Middleware:
        yield

    return layer


def add_def_handlers(app: App) -> None:
    @app.get("/plain")
    def plain() -> str:
        return GREETING

    app.get("/mw5")(plain)

    @app.get("/json")
    def document() -> dict[str, str]:
        return {"message": GREETING}

    @app.get("/users/{id}/posts/{slug}")
    def post(id: int, slug: str) -> dict[str, Any]:
        return {"id": id, "slug": slug}

    @app.get("/query")
    def query(request: Request) -> dict[str, str]:
        return {"a": request.query["a"], "b": request.query["b"]}

    @app.post("/echo-json")
    def echo(request: Request) -> Any:
        return request.json()

    @app.post("/form", max_body_bytes=UPLOAD_LIMIT)
    def form(request: Request) -> str:
        return str(request.form.file("file").size)

    @app.get("/stream")
    def stream() -> Stream:
        return Stream((CHUNK for _ in range(CHUNKS)), content_type="text/plain")


def add_async_handlers(app: App) -> None:
    @app.get("/plain")
    async def plain() -> str:
        return GREETING

    app.get("/mw5")(plain)

    @app.get("/json")
    async def document() -> dict[str, str]:
        return {"message": GREETING}

    @app.get("/users/{id}/posts/{slug}")
    async def post(id: int, slug: str) -> dict[str, Any]:
        return {"id": id, "slug": slug}

    @app.get("/query")
    async def query(request: Request) -> dict[str, str]:
        return {"a": request.query["a"], "b": request.query["b"]}

    @app.post("/echo-json")
    async def echo(request: Request) -> Any:
        return request.json()

    @app.post("/form", max_body_bytes=UPLOAD_LIMIT)
    async def form(request: Request) -> str:
        return str(request.form.file("file").size)

    @app.get("/stream")
    async def stream() -> Stream:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(CHUNKS):
                yield CHUNK

        return Stream(chunks(), content_type="text/plain")

    @app.get("/slow")
    async def slow() -> Stream:
        async def one_event_then_silence() -> AsyncIterator[bytes]:
            yield b"data: hello\n\n"
            await anyio.sleep_forever()

        return Stream(one_event_then_silence(), content_type="text/event-stream")


def add_crossed_handlers(app: App) -> None:
    """Routes whose handler has the other colour on one of the gateways."""

    @app.get("/plain-async")
    async def plain_async() -> str:
        return GREETING

    @app.get("/plain-sync")
    def plain_sync() -> str:
        return GREETING

    @app.get("/file")
    def file() -> File:
        return File(file_to_send.name)


def driver_table() -> Iterable[tuple[str, str]]:
    try:
        from apps.routes import TABLE  # type: ignore[import-not-found]  # it need not be there
    except ImportError:
        return ()
    return list(TABLE)


@functools.cache
def last_parameter(parameters: tuple[str, ...], gateway: str) -> Callable[..., Any]:
    """Write a handler whose signature names these path parameters: the framework looks for them there."""
    signature = ", ".join(f"{name}: str" for name in parameters)
    colour = "async def" if gateway == "asgi" else "def"
    names: dict[str, Any] = {}
    exec(
        f"{colour} handler({signature}) -> str:\n    return {parameters[-1] if parameters else repr('ok')}",
        names,
    )
    handler: Callable[..., Any] = names["handler"]
    return handler
