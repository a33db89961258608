"""One object that every server takes for its own: how it is called, looked at, copied. Both gateways in each test."""

import asyncio
import copy
import importlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, Limits, Middleware, Request, Router
from tests.calls import call_asgi, call_wsgi, environ_of, nothing_comes, scope_of


def hello(name: str) -> str:
    """Stand at module level, as pickle asks."""
    return f"hello {name}"


async def hello_async(request: Request) -> str:
    return "hello from async"


def mark(request: Request) -> Middleware:
    response = yield
    response.headers["x-mark"] = "seen"


def handle(request: Request, error: KeyError) -> str:
    return "handled"


def raising() -> None:
    raise KeyError


def lifespan() -> Iterator[dict[str, str]]:
    yield {"who": "state"}


def state(request: Request) -> str:
    return str(request.state.who)


def no_start(*args: Any) -> Any:
    """Be the `start_response` of a call that starts nothing."""


def make_app() -> App:
    """Make an application with some of everything, of functions that can be pickled."""
    app = App(limits=Limits(max_body_bytes=10), middleware=[mark], lifespan=lifespan)
    app.get("/hello/{name}")(hello)
    app.get("/async")(hello_async)
    app.get("/raise")(raising)
    app.get("/state")(state)
    app.error(KeyError)(handle)
    router = Router(prefix="/in", name="in")
    router.get("/{name}")(hello)
    app.include(router)
    return app


def answers(app: App) -> list[tuple[int, str | None, bytes]]:
    """Ask both gateways some questions."""
    paths = ("/hello/a", "/in/b", "/async", "/raise", "/state", "/missing")
    found = [call_wsgi(app, path) for path in paths]
    if app.lifespans is not None:
        app.lifespans.stop_in_process()

    async def main() -> list[tuple[int, dict[str, str], bytes]]:
        return [await call_asgi(app, path) for path in paths]

    assert [answer[::2] for answer in anyio.run(main)] == [answer[::2] for answer in found]
    return [(status, headers.get("x-mark"), body) for status, headers, body in found]


# --- called ---


def test_it_is_called_by_both_protocols() -> None:
    assert [answer[2] for answer in answers(make_app())[:5]] == [
        b"hello a",
        b"hello b",
        b"hello from async",
        b"handled",
        b"state",
    ]


def test_it_is_called_with_keywords() -> None:
    """As daphne does."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        await make_app()(scope=scope_of("/hello/a"), receive=nothing_comes, send=send)

    anyio.run(main)
    assert sent[1]["body"] == b"hello a"


@pytest.mark.parametrize("which", ["app", "app.asgi"])
def test_wrappers_take_it_for_asgi_3(which: str) -> None:
    """Sentry's looks at the `__call__` of what is no function; asgiref's and Starlette's at the object, too."""
    app = make_app()
    wrapped: Any = app if which == "app" else app.asgi
    assert inspect.iscoroutinefunction(wrapped.__call__)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        await wrapped.__call__(scope_of("/hello/a"), nothing_comes, send)
        app.asgi = no_start
        if which == "app.asgi":  # what stands around it does not come again
            await wrapped.__call__(scope_of("/hello/a"), nothing_comes, send)

    anyio.run(main)
    assert {message["body"] for message in sent[1::2]} == {b"hello a"}


def test_called_with_nothing_it_raises_a_type_error() -> None:
    """uvicorn calls `app()` to find out whether it is a factory."""
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        make_app()()  # type: ignore[call-overload]


@pytest.mark.parametrize("first", [object(), "text", None, 3])
def test_called_as_granian_calls_by_default_it_names_the_flag(first: Any) -> None:
    with pytest.raises(TypeError, match="--interface asgi or --interface wsgi"):
        make_app()(first, no_start)


def test_calls_go_through_what_was_assigned() -> None:
    app = make_app()
    wsgi, asgi = app.wsgi, app.asgi

    def wrapped_wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = "/hello/wsgi"
        return wsgi(environ, start_response)

    async def wrapped_asgi(scope: Any, receive: Any, send: Any) -> None:
        await asgi({**scope, "path": "/hello/asgi"}, receive, send)

    app.wsgi, app.asgi = wrapped_wsgi, wrapped_asgi
    assert call_wsgi(app, "/")[2] == b"hello wsgi"
    assert anyio.run(call_asgi, app, "/")[2] == b"hello asgi"
    assert anyio.run(call_asgi, app.__call__, "/")[2] == b"hello asgi"


def test_the_two_callables_are_callables_by_themselves() -> None:
    app = make_app()
    assert call_wsgi(app.wsgi, "/hello/a")[2] == b"hello a"
    assert anyio.run(call_asgi, app.asgi, "/hello/a")[2] == b"hello a"


def test_a_subclass_may_wrap_the_call() -> None:
    class Traced(App):
        seen: list[str] = []

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            self.seen.append("called")
            return super().__call__(*args, **kwargs)

    app = Traced()
    app.get("/hello/{name}")(hello)
    assert call_wsgi(app, "/hello/a")[2] == anyio.run(call_asgi, app, "/hello/a")[2] == b"hello a"
    assert app.seen == ["called"] * 2


# --- looked at ---


def uvicorn_interface(app: Any) -> str:
    """Say what uvicorn takes an application for."""
    if inspect.isclass(app):
        use_asgi_3 = hasattr(app, "__await__")
    elif inspect.isfunction(app):
        use_asgi_3 = inspect.iscoroutinefunction(app)
    else:
        use_asgi_3 = inspect.iscoroutinefunction(getattr(app, "__call__", None))  # the rule itself
    return "asgi3" if use_asgi_3 else "asgi2"


def hypercorn_interface(app: Any) -> str:
    """Say what hypercorn takes an application for."""
    is_asgi = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))
    return "asgi" if is_asgi else "wsgi"


def asgiref_double_callable(app: Any) -> bool:
    """Say whether asgiref (daphne, channels) takes an application for one of ASGI 2."""
    if getattr(app, "_asgi_single_callable", False):
        return False
    if inspect.isclass(app):
        return True
    if hasattr(app, "__call__") and inspect.iscoroutinefunction(app.__call__):  # the rule itself
        return False
    return not inspect.iscoroutinefunction(app)


def test_it_looks_like_an_asgi_application_to_those_who_look() -> None:
    app = make_app()
    assert (uvicorn_interface(app), hypercorn_interface(app), asgiref_double_callable(app)) == ("asgi3", "asgi", False)
    assert callable(app)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="deprecated since 3.14; uvicorn does not use it there")
def test_it_looks_so_to_asyncio_as_well() -> None:
    assert asyncio.iscoroutinefunction(make_app().__call__)  # type: ignore[deprecated]  # as older servers do


def by_uvicorn(module: Any, app: App) -> bool:
    config = module.Config(app)
    config.load()
    return bool(config.interface == "asgi3")


def by_hypercorn(module: Any, app: App) -> bool:
    return bool(module.is_asgi(app))


def by_asgiref(module: Any, app: App) -> bool:
    return not module.is_double_callable(app)


def by_starlette(module: Any, app: App) -> bool:
    return bool(module.is_async_callable(app))


@pytest.mark.parametrize(
    ("module", "judge"),
    [
        ("uvicorn.config", by_uvicorn), ("hypercorn.utils", by_hypercorn), ("asgiref.compatibility", by_asgiref),
        ("starlette._utils", by_starlette),
    ],
)  # fmt: skip
def test_a_server_that_is_installed_agrees(module: str, judge: Callable[[Any, App], bool]) -> None:
    pytest.importorskip(module.partition(".")[0], reason=f"{module} is not installed")
    assert judge(importlib.import_module(module), make_app())


# --- copied ---


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
@pytest.mark.parametrize("served", [False, True], ids=["fresh", "served"])
def test_a_copy_answers_as_the_original(how: Callable[[App], App], served: bool) -> None:
    app = make_app()
    if served:
        answers(app)
    assert answers(how(app)) == answers(app)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_is_called_itself(how: Callable[[App], App]) -> None:
    """What is assigned to the one is not called through the other."""
    app = make_app()
    other = how(app)
    other.wsgi = lambda environ, start_response: [b"other"]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"other"})

    other.asgi = asgi
    assert list(app(environ_of("/hello/a"), no_start)) == [b"hello a"]
    assert list(other(environ_of("/hello/a"), no_start)) == [b"other"]
    assert anyio.run(call_asgi, other.__call__)[2] == b"other"
    assert anyio.run(call_asgi, app.__call__, "/hello/a")[2] == b"hello a"
    assert uvicorn_interface(other) == "asgi3"


def test_a_deep_copy_has_routes_of_its_own() -> None:
    app = make_app()
    other = copy.deepcopy(app)
    other.get("/more")(lambda: "more")
    assert call_wsgi(other, "/more")[0] == 200
    assert call_wsgi(app, "/more")[0] == 404


@pytest.mark.parametrize("served", [False, True], ids=["fresh", "served"])
def test_a_pickled_application_answers_as_the_original(served: bool) -> None:
    """Servers that spawn (multiprocessing on macOS and Windows) send it so."""
    app = make_app()
    if served:
        answers(app)
    other = pickle.loads(pickle.dumps(app))
    assert answers(other) == answers(app)
    assert uvicorn_interface(other) == "asgi3"
