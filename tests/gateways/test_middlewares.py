"""Layers around a handler: three forms, one behaviour, in every cell."""

import contextlib
import copy
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import anyio
import pytest

from ambi import JSON, App, CallNext, HTTPError, Layer, Middleware, Request, Response, Router, Text
from ambi.core.middleware import Provider
from ambi.testing import Client
from tests.cells import Cell

FORMS = ("generator", "blocking", "async")


class Trouble(Exception):
    """What a handler of these tests raises."""


def layer(
    form: str,
    name: str,
    events: list[str],
    *,
    before: Callable[[Request], Any] = lambda request: None,
    after: Callable[[Request, Response], Any] = lambda request, response: None,
    failed: Callable[[Request, Exception], Any] | None = None,
) -> Layer:
    """Make a layer of one of the three forms that does the same in each.

    Args:
        form: one of `FORMS`.
        name: for the events.
        events: gets "name in", "name out 200" and "name failed Trouble".
        before, after: may give a response, or raise.
        failed: takes an exception of what lies inside; without it, that goes on outward.
    """

    def enter(request: Request) -> Any:
        events.append(f"{name} in")
        return before(request)

    def leave(request: Request, response: Response) -> Any:
        events.append(f"{name} out {response.status}")
        return after(request, response)

    def fail(request: Request, error: Exception) -> Any:
        events.append(f"{name} failed {type(error).__name__}")
        if failed is None:
            raise error
        return failed(request, error)

    def generator(request: Request) -> Middleware:
        answer = enter(request)
        if answer is not None:
            return answer
        try:
            response = yield
        except Exception as exc:
            return fail(request, exc)
        return leave(request, response)

    def blocking(request: Request) -> Middleware:
        time.sleep(0.0001)
        answer = yield from generator(request)
        time.sleep(0.0001)
        return answer

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        await anyio.sleep(0)
        answer = enter(request)
        if answer is not None:
            return answer
        try:
            response = await call_next(request)
        except Exception as exc:
            return fail(request, exc)
        await anyio.sleep(0)
        return leave(request, response) or response

    function: Any = {"generator": generator, "blocking": blocking, "async": asynchronous}[form]
    return Layer(function, blocking=form == "blocking")


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Give one form after the other."""
    form: str = request.param
    return form


# --- one layer ---


def test_a_layer_changes_the_response(app: App, client: Client, cell: Cell, form: str) -> None:
    mark = layer(form, "a", [], after=lambda request, response: response.headers.update({"x-a": request.path}))
    app.get("/x", middleware=[mark])(cell.handler(lambda: "ok"))
    response = client.get("/x")
    assert (response.text, response.headers["x-a"]) == ("ok", "/x")


@pytest.mark.parametrize("answer", [Text("other", 418), "plain", {"a": 1}, ("made", 201)], ids=repr)
def test_a_layer_answers_at_once(app: App, client: Client, cell: Cell, form: str, answer: Any) -> None:
    events: list[str] = []
    app.get("/", middleware=[layer(form, "a", events, before=lambda request: answer)])(
        cell.handler(lambda: pytest.fail("the handler ran"))
    )
    response = client.get("/")
    expected = {"plain": (200, "plain"), "{'a': 1}": (200, '{"a":1}'), "('made', 201)": (201, "made")}
    assert (response.status_code, response.text) == expected.get(str(answer), (418, "other"))
    assert events == ["a in"]


@pytest.mark.parametrize("answer", [Text("other", 418), {"a": 1}, JSON([1], 201)], ids=repr)
def test_a_layer_replaces_the_response(app: App, client: Client, cell: Cell, form: str, answer: Any) -> None:
    app.get("/", middleware=[layer(form, "a", [], after=lambda request, response: answer)])(cell.handler(lambda: "ok"))
    response = client.get("/")
    assert (response.status_code, response.text) == {
        "Text": (418, "other"), "dict": (200, '{"a":1}'), "JSON": (201, "[1]"),
    }[type(answer).__name__]  # fmt: skip


def test_what_an_inner_layer_made_of_a_json_body_stands(
    app: App, client: Client, cell: Cell, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the layer outside of it returns the response that it was given; and the value is written once."""
    dumps, written = app.json.dumps, []
    monkeypatch.setattr(app.json, "dumps", lambda value: written.append(value) or dumps(value))

    def sign(request: Request, response: Response) -> None:
        assert isinstance(response.body, bytes)
        response.body = b"signed " + response.body

    outer = layer(form, "outer", [], after=lambda request, response: response)
    layers = [outer, layer("generator", "inner", [], after=sign)]
    app.get("/dict", middleware=layers)(cell.handler(lambda: {"a": 1}))
    app.get("/json", middleware=layers)(cell.handler(lambda: JSON([1], 201)))
    answers = [client.get(path) for path in ("/dict", "/json")]
    assert [(a.status_code, a.text) for a in answers] == [(200, 'signed {"a":1}'), (201, "signed [1]")]
    assert written == [{"a": 1}, [1]]


def test_a_kept_json_is_written_anew_but_a_cached_answer_is_sent_as_it_was(
    app: App, client: Client, cell: Cell
) -> None:
    kept, cached = JSON([1]), list[Response]()

    @app.middleware
    def cache(request: Request) -> Middleware:
        if cached and request.path == "/cached":
            return cached[0]
        response = yield
        assert isinstance(response.body, bytes)
        response.body = b"made of " + response.body
        cached.append(copy.copy(response))

    app.get("/{path}")(cell.handler(lambda path: kept))
    first = client.get("/cached").text
    kept.value.append(2)
    assert [first, client.get("/cached").text, client.get("/new").text] == ["made of [1]"] * 2 + ["made of [1,2]"]


def test_a_layer_sees_the_exceptions_of_the_handler(app: App, client: Client, cell: Cell, form: str) -> None:
    events: list[str] = []

    @app.get("/", middleware=[layer(form, "a", events)])
    @cell.handler
    def handler() -> None:
        raise Trouble

    assert client.get("/").status_code == 500
    assert events == ["a in", "a failed Trouble"]


def test_a_layer_answers_for_an_exception(app: App, client: Client, cell: Cell, form: str) -> None:
    events: list[str] = []
    saved = layer(form, "a", events, failed=lambda request, error: Text(f"saved from {type(error).__name__}"))

    @app.get("/", middleware=[layer("generator", "outer", events), saved])
    @cell.handler
    def handler() -> None:
        raise Trouble

    assert client.get("/").text == "saved from Trouble"
    assert events == ["outer in", "a in", "a failed Trouble", "outer out 200"]


def test_a_layer_raises_another_exception(app: App, client: Client, cell: Cell, form: str) -> None:
    events: list[str] = []

    def fail(request: Request, error: Exception) -> None:
        raise LookupError from error

    outer = [layer(form, "outer", events), layer(form, "inner", events, failed=fail)]

    @app.get("/", middleware=outer)
    @cell.handler
    def handler() -> None:
        raise Trouble

    assert client.get("/").status_code == 500
    assert events == ["outer in", "inner in", "inner failed Trouble", "outer failed LookupError"]


@pytest.mark.parametrize("where", ["before", "after"])
def test_what_a_layer_raises_goes_outward(app: App, client: Client, cell: Cell, form: str, where: str) -> None:
    events: list[str] = []

    def trouble(*args: Any) -> None:
        raise Trouble

    layers = [layer(form, "outer", events), layer(form, "inner", events, **{where: trouble})]
    app.get("/", middleware=layers)(cell.handler(lambda: "ok"))
    assert client.get("/").status_code == 500
    passed = ["inner out 200"] if where == "after" else []
    assert events == ["outer in", "inner in", *passed, "outer failed Trouble"]


@pytest.mark.parametrize("where", ["handler", "before", "after"])
def test_an_http_error_is_a_response_to_the_layers_around_it(
    app: App, client: Client, cell: Cell, form: str, where: str
) -> None:
    events: list[str] = []

    def refuse(*args: Any) -> None:
        raise HTTPError(403)

    steps = {} if where == "handler" else {where: refuse}
    layers = [layer(form, "outer", events), layer(form, "inner", events, **steps)]
    app.get("/", middleware=layers)(cell.handler(lambda: refuse() if where == "handler" else "ok"))
    assert client.get("/").status_code == 403
    assert (
        events
        == {
            "handler": ["outer in", "inner in", "inner out 403", "outer out 403"],
            "before": ["outer in", "inner in", "outer out 403"],
            "after": ["outer in", "inner in", "inner out 200", "outer out 403"],
        }[where]
    )


def test_a_handled_exception_is_a_response_to_the_layers_around_it(
    app: App, client: Client, cell: Cell, form: str
) -> None:
    events: list[str] = []
    app.error(Trouble)(cell.handler(lambda request, error: ("handled", 418)))

    @app.get("/", middleware=[layer(form, "a", events)])
    @cell.handler
    def handler() -> None:
        raise Trouble

    assert client.get("/").status_code == 418
    assert events == ["a in", "a out 418"]


def test_a_layer_has_the_route(app: App, client: Client, cell: Cell, form: str) -> None:
    seen = []

    def note(request: Request) -> None:
        seen.append((request.route.path if request.route else None, request.path_params))

    app.get("/users/{id:int}", middleware=[layer(form, "a", [], before=note)])(cell.handler(lambda id: "ok"))
    client.get("/users/7")
    assert seen == [("/users/{id:int}", {"id": 7})]


def test_a_layer_that_is_entered_is_left(app: App, client: Client, cell: Cell, form: str) -> None:
    open_connections = []

    @contextlib.contextmanager
    def connection() -> Iterator[None]:
        open_connections.append(1)
        try:
            yield
        finally:
            open_connections.pop()

    def generator(request: Request) -> Middleware:
        with connection():
            yield

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        with connection():
            return await call_next(request)

    function: Any = asynchronous if form == "async" else generator
    layers = [Layer(function, blocking=form == "blocking")]

    def handler(request: Request) -> str:
        assert open_connections == [1]
        if "trouble" in request.query:
            raise Trouble
        return "ok"

    app.get("/", middleware=layers)(cell.handler(handler))
    for url in ("/", "/?trouble"):
        client.get(url)
        assert open_connections == []


# --- several layers ---


@pytest.mark.parametrize("outer", FORMS)
@pytest.mark.parametrize("inner", FORMS)
def test_layers_open_in_order_and_unwind_in_reverse(
    app: App, client: Client, cell: Cell, outer: str, inner: str
) -> None:
    events: list[str] = []

    @app.get("/", middleware=[layer(outer, "outer", events), layer(inner, "inner", events)])
    @cell.handler
    def handler() -> str:
        events.append("handler")
        return "ok"

    assert client.get("/").text == "ok"
    assert events == ["outer in", "inner in", "handler", "inner out 200", "outer out 200"]


@pytest.mark.parametrize("outer", FORMS)
@pytest.mark.parametrize("inner", FORMS)
def test_a_crash_passes_all_layers(app: App, client: Client, cell: Cell, outer: str, inner: str) -> None:
    events: list[str] = []

    @app.get("/", middleware=[layer(outer, "outer", events), layer(inner, "inner", events)])
    @cell.handler
    def handler() -> str:
        raise Trouble

    assert client.get("/").status_code == 500
    assert events == ["outer in", "inner in", "inner failed Trouble", "outer failed Trouble"]


def test_layers_of_app_router_and_route_nest(app: App, client: Client, cell: Cell) -> None:
    events: list[str] = []
    outer = Router(prefix="/o", middleware=[layer("blocking", "outer", events)])
    inner = Router(prefix="/i", middleware=[layer("async", "inner", events)])
    app.include(outer)
    outer.include(inner)
    inner.get("/x", middleware=[layer("generator", "route", events)])(cell.handler(lambda: "ok"))
    app.get("/x")(cell.handler(lambda: "ok"))

    @app.middleware
    def whole(request: Request) -> Middleware:
        events.append("app in")
        yield
        events.append("app out")

    client.get("/o/i/x")
    assert events == [
        "app in", "outer in", "inner in", "route in", "route out 200", "inner out 200", "outer out 200", "app out",
    ]  # fmt: skip
    events.clear()
    client.get("/x")
    assert events == ["app in", "app out"]


def test_layers_may_be_given_to_the_application(make_client: Any, cell: Cell) -> None:
    events: list[str] = []
    app = App(middleware=[layer("generator", "first", events)])
    app.middleware(layer("generator", "second", events).function)
    app.get("/")(cell.handler(lambda: "ok"))
    make_client(app).get("/")
    assert events == ["first in", "second in", "second out 200", "first out 200"]


def test_many_layers_of_all_forms_see_one_request(app: App, client: Client, cell: Cell) -> None:
    requests = []
    layers = [layer(FORMS[n % 3], str(n), [], before=lambda request: requests.append(id(request))) for n in range(12)]

    @app.get("/", middleware=layers)
    @cell.handler
    def handler(request: Request) -> str:
        requests.append(id(request))
        return "ok"

    assert client.get("/").text == "ok"
    assert len(requests) == 13
    assert len(set(requests)) == 1


def test_a_layer_registered_as_blocking_may_block(app: App, client: Client, cell: Cell) -> None:
    threads = []

    @app.middleware(blocking=True)
    def waiting(request: Request) -> Middleware:
        time.sleep(0.001)
        threads.append(threading.current_thread().name)
        yield
        time.sleep(0.001)
        threads.append(threading.current_thread().name)

    app.get("/")(cell.handler(lambda: "ok"))
    assert client.get("/").text == "ok"
    assert set(threads) == {"MainThread" if cell.gateway == "wsgi" else "ambi-worker"}


def test_a_plain_layer_may_not_block_a_loop(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """The rule itself, and the proof that the guard of these tests sees it broken, on asyncio and on trio."""

    @app.middleware
    def waiting(request: Request) -> Middleware:
        time.sleep(0.001)
        yield

    app.get("/")(cell.handler(lambda: "ok"))
    status = client.get("/").status_code
    assert (status, "BlockingError" in caplog.text) == ((200, False) if cell.gateway == "wsgi" else (500, True))


# --- mistakes ---


def test_a_layer_that_yields_twice_is_a_500_that_says_so(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    closed = []

    @app.middleware
    def twice(request: Request) -> Middleware:
        try:
            yield
            yield
        finally:
            closed.append("closed")

    app.get("/")(cell.handler(lambda: "ok"))
    assert client.get("/").status_code == 500
    assert "yielded twice" in caplog.text
    assert "twice" in caplog.text
    assert closed == ["closed"]


@pytest.mark.parametrize("how", ["swallow", "no yield", "nothing"])
def test_a_layer_without_a_response_is_a_500_that_says_so(
    app: App, client: Client, cell: Cell, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    def swallow(request: Request) -> Middleware:
        if how == "no yield":
            return None
        with contextlib.suppress(Trouble):
            yield
        return None

    async def nothing(request: Request, call_next: CallNext) -> Response:
        await call_next(request)
        return None  # type: ignore[return-value]

    def handler() -> str:
        if how == "swallow":
            raise Trouble
        return "ok"

    app.get("/", middleware=[nothing] if how == "nothing" else [])(cell.handler(handler))
    status = client.get("/").status_code
    if how == "nothing":
        assert status in (204, 500)  # None is a value that makes a response
    else:
        assert status == 500
        assert {"swallow": "swallowed Trouble", "no yield": "without a `yield` and without a response"}[
            how
        ] in caplog.text


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_wrong_value_of_a_layer_is_a_500_that_names_it(
    app: App, client: Client, cell: Cell, form: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    steps: dict[str, Any] = {where: lambda *args: object()}
    app.get("/", middleware=[layer(form, "a", [], **steps)])(cell.handler(lambda: "ok"))
    assert client.get("/").status_code == 500
    assert "returned object" in caplog.text
    assert __file__ in caplog.text


def test_call_next_may_be_called_again_after_a_failure(app: App, client: Client, cell: Cell) -> None:
    """What a retry does; each call runs what lies inside anew."""
    attempts = []

    @app.middleware
    async def retry(request: Request, call_next: CallNext) -> Response:
        try:
            return await call_next(request)
        except Trouble:
            return await call_next(request)

    @app.get("/")
    @cell.handler
    def handler() -> str:
        attempts.append(1)
        if len(attempts) < 2:
            raise Trouble
        return f"attempt {len(attempts)}"

    assert client.get("/").text == "attempt 2"


def test_call_next_that_is_never_awaited_leaves_nothing_open(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    async def forgetful(request: Request, call_next: CallNext) -> Response:
        call_next(request)  # the mistake
        return Text("answered")

    app.get("/")(cell.handler(lambda: pytest.fail("the handler ran")))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "never awaited", as Python says
        assert client.get("/").text == "answered"
        import gc

        gc.collect()


class Counting(Provider):
    """A layer that has a number for handlers: how many requests it has seen."""

    def __init__(self, *, blocking: bool = False) -> None:
        self.seen = 0
        super().__init__(self.count, blocking=blocking)

    def count(self, request: Request) -> Middleware:
        self.seen += 1
        request.state.count = self.seen
        yield

    def value_of(self, request: Request) -> int:
        return int(request.state.count)


def test_a_provider_that_is_around_a_route_already_is_not_put_around_it_again(
    app: App, client: Client, cell: Cell
) -> None:
    counting = Counting()
    outer, inner = Router(middleware=[counting]), Router(prefix="/inner", middleware=[counting])

    @inner.get("/asks", middleware=[counting])
    @cell.handler
    def asks(count: Annotated[int, counting]) -> Any:
        return [count]

    outer.include(inner)
    app.include(outer)
    assert client.get("/inner/asks").json() == [1]


@pytest.mark.parametrize("blocking", [False, True])
def test_a_handler_is_given_what_a_layer_has_for_it(app: App, client: Client, cell: Cell, blocking: bool) -> None:
    counting = Counting(blocking=blocking)

    @app.get("/asks")
    @cell.handler
    def asks(count: Annotated[int, "how many", counting]) -> Any:
        return [count]

    @app.get("/{a}/{b}/{c}")
    @cell.handler
    def among(a: str, request: Request, count: Annotated[int, counting], b: int, *, c: Annotated[str, "third"]) -> Any:
        return [a, request.method, count, b, c]

    @app.get("/named/{a}", middleware=[counting])
    @cell.handler
    def named(a: str, count: Annotated[int, counting], again: Annotated[int, counting]) -> Any:
        return [a, count, again]

    @app.get("/unasked")
    @cell.handler
    def unasked() -> Any:
        return "not counted"

    assert client.get("/asks").json() == [1]
    assert client.get("/x/2/y").json() == ["x", "GET", 2, 2, "y"]
    assert client.get("/named/a").json() == ["a", 3, 3]  # one layer, though it is named three times
    assert client.get("/unasked").text == "not counted"
    assert client.get("/asks").json() == [4]


def test_a_layer_that_has_no_value_says_so() -> None:
    """Nothing is served, so there is no cell."""

    def nothing(request: Request) -> Middleware:
        yield

    request: Any = None
    with pytest.raises(NotImplementedError, match="<Layer nothing> has no value for handlers"):
        Provider(nothing).value_of(request)
