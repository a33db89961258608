"""An application that is put together wrongly says so at once: what, where, and what to do.

Nothing is served here, so there is no cell. Where a function of the user's is at fault, its file and line are named.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ambi import App, BodyStream, CallNext, ConfigurationError, Layer, Limits, Middleware, Request, Response, Router

Register = Callable[[App, Any], Any]


def handler() -> str:
    """Stand for any handler."""
    return "ok"


def at(function: Any) -> str:
    """Give the file and line that a message about the function has to name."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def expect(problem: str, function: Any, register: Callable[[], Any]) -> None:
    """Hold a registration to the error that it must raise, naming the function's place."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        register()
    assert at(function) in str(caught.value)


# --- parameters ---


def unknown(user) -> None: ...
def unknown_default(page=1) -> None: ...
def unknown_beside(id: int, page) -> None: ...
def arguments(*args: Any) -> None: ...
def keywords(id: int, **kwargs: Any) -> None: ...
def unresolved(request: "NoSuchName") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_converter(id: list[int]) -> None: ...
async def unknown_async(user) -> None: ...


class Handlers:
    def method(self, id: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (unknown, "nothing can be given for the parameter 'user'.* others are annotated Request or BodyStream"),
        (unknown_default, "nothing can be given for the parameter 'page'"),
        (unknown_beside, "parameters of the path are 'id'"),
        (unknown_async, "nothing can be given for the parameter 'user'"),
        (arguments, r"the parameter \*args: Any takes anything"),
        (keywords, r"the parameter \*\*kwargs: Any takes anything"),
        (unresolved, "the annotation 'NoSuchName' of 'request' cannot be resolved"),
        (no_converter, r"the path parameter 'id' is annotated list\[int\], which no converter makes"),
        (Handlers.method, "it takes 'self': register the bound method, or a whole object with app.resource()"),
    ],
)
def test_a_parameter_that_nothing_can_be_given_for(function: Any, problem: str) -> None:
    expect(problem, function, lambda: App().get("/{id}")(function))


def test_a_body_cannot_be_streamed_twice() -> None:
    def twice(first: BodyStream, second: BodyStream) -> None: ...

    expect("BodyStream", twice, lambda: App().post("/")(twice))


def test_a_handler_is_a_function() -> None:
    with pytest.raises(ConfigurationError, match="the handler of '/x' must be a function, not 'text'"):
        App().get("/x")("text")  # type: ignore[type-var]
    with pytest.raises(ConfigurationError, match="its signature cannot be read"):
        odd: Any = type("Odd", (), {"__call__": None, "__signature__": 3})()
        App().get("/x")(odd)


def test_a_registration_that_failed_leaves_nothing_behind() -> None:
    app = App()
    with pytest.raises(ConfigurationError):
        app.get("/x")(unknown)
    app.get("/x")(handler)
    assert [route.handler for route in app.routes] == [handler]


# --- paths ---


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("x", "must begin with a slash"),
        ("/{", "is wrong at '{'"),
        ("/}", "is wrong at '}'"),
        ("/{}", "is wrong at '{}'"),
        ("/{a b}", "is wrong at"),
        ("/{1}", "is wrong at"),
        ("/{a}{b}", "is wrong at"),
        ("/{a}/{a}", "names a parameter twice"),
        ("/{a:nothing}", "names an unknown converter 'nothing'; there are date, decimal, float, int, path, str, uuid"),
        ("/{a:}", "unknown converter ''"),
        ("/{a:path}/x", "a path parameter must be the last segment"),
        ("/x{a:path}", "a path parameter must be the last segment, alone"),
    ],
)
def test_a_path_that_is_none(path: str, problem: str) -> None:
    def anything() -> str:
        return "ok"

    expect(problem, anything, lambda: App().get(path)(anything))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"), ("/{a}", "/{b}"), ("/{a:int}/x", "/{b:int}/x"), ("/{a:path}", "/{b:path}"), ("/x-{a}", "/x-{b}"),
        ("/{a}/{b:int}", "/{c}/{d:int}"),
    ],
)  # fmt: skip
def test_routes_that_could_never_be_told_apart(first: str, second: str) -> None:
    app = App()
    app.get(first)(handler)

    def another() -> str:
        return "ok"

    with pytest.raises(ConfigurationError, match="could never be told apart") as caught:
        app.route(second, methods=["POST", "GET"])(another)
    assert at(handler) in str(caught.value)
    assert at(another) in str(caught.value)


def test_routes_of_two_hosts_are_told_apart() -> None:
    app = App()
    for host in (None, "a.example", "{x}.example"):
        router = Router(host=host)
        router.get("/")(lambda: "ok") if host != "{x}.example" else router.get("/")(lambda x: "ok")
        app.include(router)
    assert len(app.routes) == 3


@pytest.mark.parametrize(
    ("methods", "problem"),
    [(["get"], "methods are upper case, as 'GET', not 'get'"), ([], "has no methods"), (["MÜLL"], "upper case")],
)
def test_methods_that_are_none(methods: list[str], problem: str) -> None:
    expect(problem, handler, lambda: App().route("/", methods=methods)(handler))


def test_two_routes_of_one_explicit_name() -> None:
    app = App()
    app.get("/a", name="same")(handler)
    expect("there is a route named 'same' already", handler, lambda: app.get("/b", name="same")(handler))


@pytest.mark.parametrize("limit", [0, -1, "10", True])
def test_a_body_limit_that_is_none(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_body_bytes must be a positive int"):
        App().post("/", max_body_bytes=limit)(handler)


def test_an_option_that_is_none() -> None:
    with pytest.raises((ConfigurationError, TypeError), match="nmae"):
        App().get("/", nmae="x")(handler)  # type: ignore[call-arg]


# --- middlewares ---


def plain_function(request: Request) -> Response:
    return Response()


def no_parameters() -> Middleware:
    yield


def too_many(request: Request, call_next: CallNext) -> Middleware:
    yield


async def async_alone(request: Request) -> Response:
    return Response()


async def async_generator(request: Request) -> AsyncIterator[None]:
    yield


def starred(*args: Any) -> Middleware:
    yield


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (plain_function, "it is neither"),
        (no_parameters, "it takes 0 parameters, not 1"),
        (too_many, "it takes 2 parameters, not 1"),
        (async_alone, "it takes 1 parameters?, not 2"),
        (async_generator, "it is an async generator"),
        (starred, "takes anything"),
    ],
)
@pytest.mark.parametrize(
    "register",
    [
        lambda app, function: app.middleware(function),
        lambda app, function: app.middleware(body=True)(function),
        lambda app, function: app.get("/", middleware=[function])(handler),
        lambda app, function: Router(middleware=[function]),
        lambda app, function: App(middleware=[function]),
        lambda app, function: Layer(function),
    ],
    ids=["decorator", "decorator with options", "route", "router", "app", "Layer"],
)  # fmt: skip
def test_a_middleware_that_is_none_of_the_three_forms(register: Register, function: Any, problem: str) -> None:
    expect(problem, function, lambda: register(App(), function))


def test_an_async_middleware_cannot_be_blocking() -> None:
    async def waiting(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    expect("cannot be blocking=True; it may await", waiting, lambda: App().middleware(blocking=True)(waiting))


def test_a_layer_shows_its_function() -> None:
    assert repr(Layer(good)) == "<Layer good>"


def good(request: Request) -> Middleware:
    yield


# --- error handlers ---


@pytest.mark.parametrize("key", [200, 600, 0, "404", BaseException, KeyboardInterrupt, int, ValueError("x"), None])
def test_an_error_handler_is_for_a_status_or_a_class_of_exceptions(key: Any) -> None:
    def handle(request: Request, error: Exception) -> str:
        return "handled"

    expect("takes a status from 400 to 599 or a class of exceptions", handle, lambda: App().error(key)(handle))


@pytest.mark.parametrize("key", [404, ValueError])
def test_a_second_error_handler_for_one_thing(key: Any) -> None:
    def handle(request: Request, error: Exception) -> str:
        return "handled"

    app = App()
    app.error(key)(handle)
    expect("there is a handler for .* already", handle, lambda: app.error(key)(handle))


def test_an_error_handler_takes_two_parameters_at_most() -> None:
    def handle(request: Request, error: Exception, more: int) -> str:
        return "handled"

    expect(r"takes \(request, error\), or only one of them", handle, lambda: App().error(404)(handle))


# --- routers, mounts, resources ---


@pytest.mark.parametrize("prefix", ["x", "/x/", "/"])
def test_a_prefix_that_is_none(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with a slash and not end with one"):
        Router(prefix=prefix)


def test_a_router_that_holds_itself() -> None:
    outer, inner = Router(prefix="/a"), Router(prefix="/b")
    outer.include(inner)
    for parent, child in ((outer, outer), (outer, inner), (inner, outer)):
        with pytest.raises(ConfigurationError, match="cannot be included"):
            parent.include(child)


def test_an_app_is_mounted_and_not_included() -> None:
    with pytest.raises(ConfigurationError, match="app.mount"):
        App().include(App())


def test_two_hosts_on_the_way_to_one_route() -> None:
    app, outer, inner = App(), Router(host="a.example"), Router(host="b.example")
    outer.include(inner)
    app.include(outer)
    expect("only one of its routers may have a host", handler, lambda: inner.get("/")(handler))


@pytest.mark.parametrize("path", ["x", "/x/", "//", "", "/{a}"])
def test_a_mount_path_that_is_none(path: str) -> None:
    with pytest.raises(ConfigurationError, match="the mount path"):
        App().mount(path, App())


def test_what_cannot_be_mounted() -> None:
    app = App()
    with pytest.raises(ConfigurationError, match="cannot be mounted in itself"):
        app.mount("/x", app)
    for other in ("text", None, Router()):
        with pytest.raises(ConfigurationError, match="takes an App, a WSGI or an ASGI application"):
            app.mount("/x", other)
    app.mount("/x", App())
    with pytest.raises(ConfigurationError, match="mounted at '/x' already"):
        app.mount("/x", App())


def test_two_applications_mounted_in_each_other() -> None:
    first, second = App(), App()
    first.mount("/second", second)
    with pytest.raises(ConfigurationError, match="mount"):
        second.mount("/first", first)


@pytest.mark.parametrize("resource", [object(), Handlers(), Handlers, handler])
def test_a_resource_without_methods(resource: object) -> None:
    with pytest.raises(ConfigurationError, match="takes an object with methods named get, post"):
        App().resource("/x", resource)


def test_a_resource_whose_method_is_wrong() -> None:
    class Items:
        def get(self, page) -> str:
            return "ok"

    expect("nothing can be given for the parameter 'page'", Items.get, lambda: App().resource("/x", Items()))


# --- lifespans ---


def lifespan_function() -> None: ...
async def lifespan_coroutine() -> None: ...


def lifespan_of_two(app: App, more: int) -> Iterator[None]:
    yield


@pytest.mark.parametrize("function", [lifespan_function, lifespan_coroutine, lifespan_of_two])
def test_a_lifespan_that_is_none(function: Any) -> None:
    expect("a lifespan is a generator function", function, lambda: App(lifespan=function))


def test_what_is_set_on_limits() -> None:
    with pytest.raises(ConfigurationError, match="no 'bodies'; there are max_body_bytes"):
        Limits(bodies=1)
