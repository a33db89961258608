"""An application with one route of every kind. Each request says in a field of its own who it is: `x-visit`.

What a request opens it enters in the ledger under that name, and takes out when it is closed: layers, providers, streams,
in the reverse of the order they were opened in. What is made once a request counts how often it was ended.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import anyio

from ambi import SSE, App, BodyStream, CallNext, File, Layer, Limits, Middleware, Request, Response, Stream, WebSocket
from ambi.features.sessions import MemoryStore
from ambi.features.typed import Provide, Query
from tests.cells import Cell

BOUNDARY = b"cut-here"
FORM = (
    b'--cut-here\r\ncontent-disposition: form-data; name="title"\r\n\r\nof a book\r\n'
    b'--cut-here\r\ncontent-disposition: form-data; name="f"; filename="f.bin"\r\n\r\n' + b"x" * 3000 + b"\r\n"
    b"--cut-here--\r\n"
)
LIMITS = Limits(threads=2, stream_threads=2, io_threads=2, spool_bytes=1000)
SECRET = "of these tests, and of nobody else" * 2
PAGE_BYTES = 150_000


class Kind(NamedTuple):
    """One kind of request.

    Attributes:
        path: where it is served.
        body: what is sent, in three pieces.
        type: its media type.
        answers: what begins the answer.
    """

    path: str
    body: bytes = b""
    type: str = ""
    answers: bytes = b"ok"
    is_websocket: bool = False


KINDS = {
    kind.path[1:].partition("/")[0].partition("?")[0]: kind
    for kind in (
        Kind("/plain"),
        Kind("/body", b"a body of three pieces", answers=b"22"),
        Kind("/form", FORM, "multipart/form-data; boundary=cut-here", b"3000"),
        Kind("/upload", b"a stream of three pieces", answers=b"24"),
        Kind("/stream", answers=b"item"),
        Kind("/events", answers=b": "),
        Kind("/file", answers=b"page"),
        Kind("/echo", b"there and back again", answers=b"there"),
        Kind("/wsgi/guest", b"for a guest", answers=b"guest"),
        Kind("/asgi/guest", b"for a guest", answers=b"guest"),
        Kind("/typed?n=3", answers=b"{"),
        Kind("/layers", b"seen by all"),
        Kind("/crossing", b"seen by all"),
        Kind("/after"),
        Kind("/spawn"),
        Kind("/session", b"kept"),
        Kind("/ws", is_websocket=True),
    )
}


class Ledger:
    """What one visit holds, and what it has held.

    Attributes:
        open: what is open, in the order it was opened in.
        opened, closed: how often each was.
        wrong: what was closed out of turn.
    """

    def __init__(self) -> None:
        self.open: list[str] = []
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.wrong: list[str] = []

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold something while a block runs."""
        self.opened[name] += 1
        self.open.append(name)
        try:
            yield
        finally:
            if self.open[-1:] != [name]:
                self.wrong.append(f"{name} was closed before {self.open}")
            if name in self.open:
                self.open.remove(name)
            self.closed[name] += 1


class Book:
    """The ledgers of all visits, and the locks of the session store."""

    def __init__(self) -> None:
        self._ledgers: dict[str, Ledger] = {}
        self.store = NotedStore()
        self.pools: Counter[str] = Counter()

    def of(self, request: Any) -> Ledger:
        """Give the ledger of a request, or of a guest's environ or scope."""
        return self.named(request.headers.get("x-visit", ""))

    @property
    def open(self) -> list[str]:
        """What is open of all visits."""
        return [name for ledger in self._ledgers.values() for name in (*ledger.open, *ledger.wrong)]

    def named(self, visit: str) -> Ledger:
        """Give the ledger of a visit."""
        return self._ledgers.setdefault(visit, Ledger())


class NotedStore(MemoryStore):
    """Sessions whose locks are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.locked: list[str] = []

    def lock(self, name: str, token: str, lease_s: float) -> bool:
        """As that of a `SessionStore`."""
        taken = super().lock(name, token, lease_s)
        if taken:
            self.locked.append(token)
        return taken

    def unlock(self, name: str, token: str) -> None:
        """As that of a `SessionStore`."""
        super().unlock(name, token)
        self.locked.remove(token)


def make_app(cell: Cell, book: Book, folder: Path, limits: Limits = LIMITS) -> App:
    """Make the application with handlers of the cell's colour."""
    page = folder / "page.txt"
    page.write_bytes(b"page" + b"." * PAGE_BYTES)
    app = App(limits=limits, csrf=False)
    app.sessions(secret=SECRET, store=book.store)
    for register in (plain, bodies, streams, mounts, typed, layered, ends, websockets):
        register(app, cell, book)
    app.get("/file")(cell.handler(lambda: File(page)))
    return app


# --- the kinds ---


def plain(app: App, cell: Cell, book: Book) -> None:
    app.get("/plain")(cell.handler(lambda: "ok"))


def bodies(app: App, cell: Cell, book: Book) -> None:
    def upload(request: Request, stream: BodyStream) -> str:
        with book.of(request).held("upload"):
            return str(sum(map(len, stream)))

    async def upload_async(request: Request, stream: BodyStream) -> str:
        with book.of(request).held("upload"):
            return str(sum([len(chunk) async for chunk in stream]))

    def form(request: Request) -> str:
        return str(request.form.file("f").size)

    app.post("/body")(cell.handler(lambda request: str(len(request.body))))
    app.post("/form")(cell.handler(form))
    app.post("/upload")(cell.pick(upload, upload_async))


def streams(app: App, cell: Cell, book: Book) -> None:
    def items(ledger: Ledger, name: str = "stream") -> Iterator[str]:
        with ledger.held(name):
            for number in range(4):
                yield f"item {number}"

    async def items_async(ledger: Ledger, name: str = "stream") -> AsyncIterator[str]:
        with ledger.held(name):
            for number in range(4):
                yield f"item {number}"
                await anyio.sleep(0)

    def echo(request: Request, stream: BodyStream) -> Any:
        with book.of(request).held("echo"):
            yield from stream

    async def echo_async(request: Request, stream: BodyStream) -> Any:
        with book.of(request).held("echo"):
            async for chunk in stream:
                yield chunk

    def make(request: Request) -> Any:
        return items_async(book.of(request)) if cell.is_async else items(book.of(request))

    app.get("/stream")(cell.handler(lambda request: Stream(make(request))))
    app.get("/events")(cell.handler(lambda request: SSE(make(request))))
    app.post("/echo")(cell.pick(echo, echo_async))


def mounts(app: App, cell: Cell, book: Book) -> None:
    def wsgi_guest(environ: Any, start_response: Any) -> Any:
        ledger = book.named(environ.get("HTTP_X_VISIT", ""))

        def items() -> Iterator[bytes]:
            with ledger.held("wsgi guest"):
                yield b"guest "
                yield environ["wsgi.input"].read(4)
                yield b" of it"

        start_response("200 OK", [("content-type", "text/plain")])
        return items()

    async def asgi_guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        ledger = book.named(dict(scope["headers"]).get(b"x-visit", b"").decode())
        with ledger.held("asgi guest"):
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            for number in range(3):
                await send({"type": "http.response.body", "body": b"guest", "more_body": number < 2})

    app.mount("/wsgi", wsgi_guest, interface="wsgi")
    app.mount("/asgi", asgi_guest, interface="asgi")


def typed(app: App, cell: Cell, book: Book) -> None:
    def pool() -> Iterator[str]:
        book.pools["made"] += 1
        yield "pool"
        book.pools["ended"] += 1

    def connection(request: Request, pool: Annotated[str, Provide(pool, scope="app")]) -> Iterator[str]:
        with book.of(request).held("connection"):
            yield f"connection of {pool}"

    async def user(request: Request, connection: Annotated[str, Provide(connection)]) -> AsyncIterator[str]:
        with book.of(request).held("user"):
            await anyio.sleep(0)
            yield f"user by {connection}"

    def lease(request: Request) -> Iterator[str]:
        with book.of(request).held("lease"):
            yield "lease"

    def handler(
        n: Annotated[int, Query()],
        lease: Annotated[str, Provide(lease, until="sent")],  # opened first, as it is closed last
        user: Annotated[str, Provide(user)],
    ) -> dict[str, object]:
        return {"n": n, "user": user, "lease": lease}

    app.get("/typed")(cell.handler(handler))


def every_layer(book: Book, order: str) -> list[Layer]:
    """Make layers: "g" a generator, "b" one that blocks, "a" an async one."""

    def generator(name: str) -> Any:
        def layer(request: Request) -> Middleware:
            with book.of(request).held(name):
                yield

        return layer

    def asynchronous(name: str) -> Any:
        async def layer(request: Request, call_next: CallNext) -> Response:
            with book.of(request).held(name):
                await anyio.sleep(0)
                response = await call_next(request)
                await anyio.sleep(0)
                return response

        return layer

    make: dict[str, Callable[[str], Layer]] = {
        "g": lambda name: Layer(generator(name)),
        "b": lambda name: Layer(generator(name), blocking=True),
        "a": lambda name: Layer(asynchronous(name)),
    }
    return [make[letter](f"{letter}{number}") for number, letter in enumerate(order)]


def layered(app: App, cell: Cell, book: Book) -> None:
    def handler(request: Request) -> Any:
        assert request.body
        return "ok"

    app.post("/layers", middleware=every_layer(book, "gbg"))(cell.handler(handler))
    app.post("/crossing", middleware=every_layer(book, "gabgba"))(cell.handler(handler))


def ends(app: App, cell: Cell, book: Book) -> None:
    async def later(ledger: Ledger) -> None:
        with ledger.held("after"):
            await anyio.sleep(0)

    def soon(ledger: Ledger, name: str = "after") -> None:
        with ledger.held(name):
            pass

    @app.get("/after", middleware=every_layer(book, "g"))
    @cell.handler
    def after(request: Request) -> str:
        ledger = book.of(request)
        request.after(soon, ledger)
        request.after(later, ledger)
        request.after(soon, ledger)
        request.on_sent(lambda sent: soon(ledger, "sent"))
        request.on_response(lambda response: soon(ledger, "response"))
        return "ok"

    @app.get("/spawn")
    @cell.handler
    def spawn(request: Request) -> str:
        app.spawn(soon, book.of(request), "spawned")
        return "ok"

    @app.post("/session")
    @cell.handler
    def session(request: Request) -> str:
        with book.of(request).held("session"):
            request.session["seen"] = request.session.get("seen", 0) + 1
        return "ok"


def websockets(app: App, cell: Cell, book: Book) -> None:
    @app.websocket("/ws", middleware=every_layer(book, "g"))
    async def talk(ws: WebSocket) -> None:
        with book.of(ws.request).held("talk"):
            async for message in ws:
                await ws.send(message)
