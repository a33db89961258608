"""The application is what every server takes."""

from __future__ import annotations

import wsgiref.simple_server
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, assert_type
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import uvicorn
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from ambi import App

app = App()
assert_type(app, App[Any])

as_wsgi: WSGIApplication = app
as_asgi: Callable[[Any, Any, Any], Awaitable[None]] = app
as_asgi_of_starlette: ASGIApp = app
sides: tuple[WSGIApplication, ASGIApp] = (app.wsgi, app.asgi)


def served_by_hypercorn() -> ASGIFramework:
    return app


def served_by_uvicorn() -> None:
    uvicorn.run(app)
    uvicorn.run("shop:app")


def served_by_the_standard_library() -> None:
    wsgiref.simple_server.make_server("", 0, app).serve_forever()


def mounted_elsewhere() -> Starlette:
    return Starlette(routes=[Mount("/shop", app)])


def asgi_middleware(inner: ASGIApp) -> ASGIApp:
    async def call(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    return call


app.wsgi = validator(app.wsgi)
app.asgi = asgi_middleware(app.asgi)


def called(environ: dict[str, Any], start_response: Any) -> None:
    assert_type(app(environ, start_response), Iterable[bytes])


async def awaited(scope: Any, receive: Any, send: Any) -> None:
    assert_type(await app(scope, receive, send), None)


def wrong() -> None:
    App(debugging=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    App(lifespan={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    app.wsgi = 1  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    app.allowed_host  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
