"""Extensions: a function of the application and keywords; and what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_type

from ambi import App, Middleware, Request, Router
from ambi.features.sessions import MemoryStore
from ambi.features.templates import Templates


def setup(app: App, *, header: str = "server-timing") -> None:
    app.once("ambi-timing")

    @app.middleware
    def time(request: Request) -> Middleware:
        response = yield
        response.headers[header] = request.path

    @app.lifespan
    def start() -> Iterator[dict[str, int]]:
        yield {"n": 1}

    app.template_functions["n"] = lambda request: request.state.n
    app.state.header = header


def setup_router(app: Router, *, path: str) -> None:
    app.get(path)(lambda: "ok")


class Timed(App[dict[str, int]]):
    """A class of one's own is as good."""


setup(App())
setup(Timed(), header="x-time")
setup_router(App(), path="/a")
setup_router(Router(), path="/a")
setup_again: Callable[..., None] = setup

app = App()
app.request_ids()
app.access_log(json=True)
app.proxy(hops=1)
app.https(exempt=["/healthz"])
app.security(csp={"default-src": "self"})
app.cors(["https://app.example.com"], credentials=True)
app.compression()
app.etags(max_bytes=1000)
app.sessions(secret="s" * 32, store=MemoryStore())


def with_folders() -> None:
    app.static("/assets", "assets", immutable=r"-[0-9a-f]{8}\.")
    assert_type(app.templates("templates", filters={"upper": str.upper}), Templates)


def wrong() -> None:
    setup(App(), headers="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    setup(App(), "a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    setup(Router())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.https(hsts="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.security(frames="deny")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.sessions(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
