"""Hosts: applications of other frameworks with one of ours below a prefix, as their users put it there.

Each of `WSGI_HOSTS` and `ASGI_HOSTS` takes applications by prefix, and answers "/own" by itself. Around each stands what
sets `who`, a context variable of the host's.
"""

import contextvars
from collections.abc import Callable, Mapping
from typing import Any

Apps = Mapping[str, Any]
Host = Callable[[Apps], Any]

WSGI_HOSTS: dict[str, Host] = {}
ASGI_HOSTS: dict[str, Host] = {}

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def wsgi_host(name: str) -> Callable[[Host], Host]:
    """Note a host that speaks WSGI."""

    def note(make: Host) -> Host:
        def with_context(apps: Apps) -> Any:
            made = make(apps)

            def host(environ: Any, start_response: Any) -> Any:
                who.set(name)
                return made(environ, start_response)

            host.lifespans = getattr(made, "lifespans", None)  # type: ignore[attr-defined]  # for who has to stop it
            return host

        WSGI_HOSTS[name] = with_context
        return make

    return note


def asgi_host(name: str) -> Callable[[Host], Host]:
    """Note a host that speaks ASGI."""

    def note(make: Host) -> Host:
        def with_context(apps: Apps) -> Any:
            made = make(apps)

            async def host(scope: Any, receive: Any, send: Any) -> None:
                who.set(name)
                await made(scope, receive, send)

            return host

        ASGI_HOSTS[name] = with_context
        return make

    return note


# --- WSGI ---


@wsgi_host("flask")
def in_flask(apps: Apps) -> Any:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    host = Flask("host")
    host.add_url_rule("/own", view_func=lambda: "own")
    host.wsgi_app = DispatcherMiddleware(host.wsgi_app, dict(apps))  # type: ignore[method-assign]
    return host


@wsgi_host("django")
def in_django(apps: Apps) -> Any:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    configure_django()
    from django.core.wsgi import get_wsgi_application

    return DispatcherMiddleware(get_wsgi_application(), dict(apps))


@wsgi_host("falcon")
def in_falcon(apps: Apps) -> Any:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    return DispatcherMiddleware(falcon_app(), dict(apps))


@wsgi_host("falcon sink")
def in_falcon_sink(apps: Apps) -> Any:
    host = falcon_app()
    for prefix, app in apps.items():
        host.add_sink(sink_of(prefix, app), prefix)
    return host


def sink_of(prefix: str, app: Any) -> Any:
    """Make a sink of Falcon that passes requests on."""

    def sink(req: Any, resp: Any, **params: Any) -> None:
        def start_response(status: str, fields: Any, exc_info: Any = None) -> None:
            resp.status = status
            for name, value in fields:
                resp.append_header(name, value)

        path = req.env["PATH_INFO"].removeprefix(prefix)
        environ = {**req.env, "SCRIPT_NAME": req.env["SCRIPT_NAME"] + prefix, "PATH_INFO": path}
        resp.stream = app(environ, start_response)

    return sink


def falcon_app() -> Any:
    """Make a Falcon with a page of its own."""
    import falcon

    class Own:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.text = "own"

    host = falcon.App()
    host.add_route("/own", Own())
    return host


@wsgi_host("bottle")
def in_bottle(apps: Apps) -> Any:
    from bottle import Bottle

    host = Bottle()
    host.get("/own")(lambda: "own")
    for prefix, app in apps.items():
        host.mount(prefix + "/", app)
    return host


@wsgi_host("ambi")
def in_ambi(apps: Apps) -> Any:
    return ambi_app(apps)


# --- ASGI ---


@asgi_host("fastapi")
def in_fastapi(apps: Apps) -> Any:
    import contextlib
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    @contextlib.asynccontextmanager
    async def lifespan(host: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for app in dict.fromkeys(apps.values()):
                await stack.enter_async_context(app.running())
            yield

    host = FastAPI(lifespan=lifespan)
    host.get("/own")(lambda: PlainTextResponse("own"))
    for prefix, app in apps.items():
        host.mount(prefix, app)
    return host


@asgi_host("starlette")
def in_starlette(apps: Apps) -> Any:
    import contextlib
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    @contextlib.asynccontextmanager
    async def lifespan(host: Any) -> AsyncIterator[dict[str, str]]:
        yield {"hosts": "state"}

    async def own(request: Any) -> PlainTextResponse:
        assert request.state.hosts == "state"
        return PlainTextResponse("own")

    mounts = [Mount(prefix, app=app) for prefix, app in apps.items()]
    return Starlette(routes=[Route("/own", own), Mount("/deep", routes=mounts), *mounts], lifespan=lifespan)


@asgi_host("starlette, middlewares")
def in_starlette_with_middlewares(apps: Apps) -> Any:
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.middleware.gzip import GZipMiddleware

    async def dispatch(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    host = in_starlette(apps)
    host.user_middleware += [Middleware(GZipMiddleware), Middleware(BaseHTTPMiddleware, dispatch=dispatch)]
    return host


@asgi_host("django")
def in_django_asgi(apps: Apps) -> Any:
    configure_django()
    from django.core.asgi import get_asgi_application

    return in_front(get_asgi_application(), apps, holds_lifespan=next(iter(apps.values())))  # Django has none


@asgi_host("quart")
def in_quart(apps: Apps) -> Any:
    from quart import Quart

    host = Quart("host")

    @host.get("/own")
    async def own() -> str:
        return "own"

    return in_front(host, apps, holds_lifespan=host)


def in_front(host: Any, apps: Apps, *, holds_lifespan: Any) -> Any:
    """Lead what begins with a prefix to the application of it, and the rest to the host."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await holds_lifespan(scope, receive, send)
            return
        for prefix, app in apps.items():
            if scope["path"].startswith(prefix + "/"):
                await app({**scope, "root_path": scope["root_path"] + prefix}, receive, send)
                return
        await host(scope, receive, send)

    return application


@asgi_host("channels")
def in_channels(apps: Apps) -> Any:
    from channels.routing import ProtocolTypeRouter, URLRouter

    configure_django()
    from django.core.asgi import get_asgi_application
    from django.urls import path, re_path

    def below(prefix: str, app: Any) -> Any:
        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "root_path": scope["root_path"] + prefix}, receive, send)

        return mounted

    ours = [path(f"{prefix[1:]}/<path:rest>", below(prefix, app)) for prefix, app in apps.items()]
    return ProtocolTypeRouter({
        "http": URLRouter([*ours, re_path("", get_asgi_application())]),
        "websocket": URLRouter(ours),
        "lifespan": next(iter(apps.values())),
    })  # fmt: skip


@asgi_host("litestar")
def in_litestar(apps: Apps) -> Any:
    from urllib.parse import unquote

    from litestar import Litestar, MediaType, asgi, get
    from litestar.types import Receive, Scope, Send

    @get("/own", media_type=MediaType.TEXT, sync_to_thread=False)
    def own() -> str:
        return "own"

    def mounted(prefix: str, app: Any) -> Any:
        @asgi(prefix, is_mount=True, copy_scope=True)
        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            # Litestar takes the prefix off, puts a slash at the end, and does not say so.
            path = unquote(scope["raw_path"].decode())
            await app({**scope, "path": path, "root_path": prefix}, receive, send)

        return handler

    # Its logging would start a thread, which stays.
    return Litestar([own, *(mounted(prefix, app) for prefix, app in apps.items())], logging_config=None)


@asgi_host("ambi")
def in_ambi_asgi(apps: Apps) -> Any:
    return ambi_app(apps)


# --- what several need ---


def ambi_app(apps: Apps) -> Any:
    """Make one of ours as a host."""
    from ambi import App

    host = App()
    host.get("/own")(lambda: "own")
    for prefix, app in apps.items():
        host.mount(prefix, app)
    return host


def configure_django() -> None:
    """Set Django up, once a process."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(ROOT_URLCONF="tests.interop.django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)
        django.setup()
