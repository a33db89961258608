"""A request runs in one context, whichever thread does its pieces; nothing of it is left behind."""

import asyncio
import contextvars
import decimal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, CallNext, Layer, Middleware, Request, Response, Stream
from ambi.testing import Client
from tests.calls import call_asgi, call_wsgi, environ_of
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient
from tests.gateways.taps import in_threads

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """The context of the tests themselves stays as it was."""
    yield
    assert user.get() == "nobody"


def setting(form: str) -> Layer:
    """Make a layer that sets the variable on the way in, and finds there what was set inside on the way out."""

    def generator(request: Request) -> Middleware:
        user.set("set by the layer")
        response = yield
        response.headers["x-user"] = user.get()

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        user.set("set by the layer")
        await anyio.sleep(0)
        response = await call_next(request)
        response.headers["x-user"] = user.get()
        return response

    return Layer(asynchronous if form == "async" else generator, blocking=form == "blocking")


def resetting(form: str) -> Layer:
    """Make a layer that sets the variable and resets it by its token."""

    def generator(request: Request) -> Middleware:
        token = user.set("for a while")
        yield
        user.reset(token)

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        token = user.set("for a while")
        await anyio.sleep(0)
        response = await call_next(request)
        user.reset(token)
        return response

    return Layer(asynchronous if form == "async" else generator, blocking=form == "blocking")


@pytest.fixture(params=["generator", "blocking", "async"])
def form(request: pytest.FixtureRequest) -> str:
    """Give one form of a middleware after the other."""
    form: str = request.param
    return form


def test_what_a_layer_sets_the_handler_sees_and_the_other_way_round(
    app: App, client: Client, cell: Cell, form: str
) -> None:
    @app.get("/", middleware=[setting(form)])
    @cell.handler
    def handler() -> str:
        seen = user.get()
        user.set("set by the handler")
        return seen

    response = client.get("/")
    assert (response.text, response.headers["x-user"]) == ("set by the layer", "set by the handler")


@pytest.mark.parametrize("inner", ["generator", "blocking", "async"])
def test_a_token_resets_across_the_steps_of_a_layer(
    app: App, client: Client, cell: Cell, form: str, inner: str
) -> None:
    layers = [setting("generator"), resetting(form), resetting(inner)]
    app.get("/", middleware=layers)(cell.handler(lambda: user.get()))
    response = client.get("/")
    assert (response.text, response.headers["x-user"]) == ("for a while", "set by the layer")


def test_a_token_of_the_handler_resets_in_an_error_handler(app: App, client: Client, cell: Cell) -> None:
    tokens: list[contextvars.Token[str]] = []

    def handler() -> None:
        tokens.append(user.set("in trouble"))
        raise KeyError

    def handle(request: Request, error: KeyError) -> str:
        seen = user.get()
        user.reset(tokens.pop())
        return f"{seen}, then {user.get()}"

    app.get("/")(cell.handler(handler))
    other = Cell(cell.gateway, cell.backend, "def" if cell.is_async else "async")
    app.error(KeyError)(other.handler(handle))
    assert client.get("/").text == "in trouble, then nobody"


def test_nothing_is_left_for_the_next_request(app: App, client: Client, cell: Cell, form: str) -> None:
    """On the same thread, the same worker and the same loop."""

    @app.get("/", middleware=[setting(form)])
    @cell.handler
    def handler() -> str:
        user.set("left over")
        return "ok"

    app.get("/next")(cell.handler(lambda: user.get()))
    for _ in range(3):
        client.get("/")
        assert client.get("/next").text == "nobody"


@pytest.mark.parametrize("how", ["crash", "stream", "after"])
def test_nothing_is_left_whatever_the_end_of_a_request(app: App, client: Client, cell: Cell, how: str) -> None:
    def items() -> Any:
        user.set("left over")
        yield "a"
        user.set("left over")

    async def items_async() -> AsyncIterator[str]:
        user.set("left over")
        yield "a"
        user.set("left over")

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        user.set("left over")
        if how == "crash":
            raise KeyError
        if how == "after":
            request.after(lambda: user.set("left over"))
        return Stream(items_async() if cell.is_async else items()) if how == "stream" else "ok"

    app.get("/next")(cell.handler(lambda: user.get()))
    client.get("/")
    assert client.get("/next").text == "nobody"


def test_what_the_server_sets_is_seen(cell: Cell) -> None:
    """By a middleware around one side, as tracers are."""
    app = App()

    def handler() -> str:
        seen = user.get()
        user.set("set by the handler")
        return seen

    app.get("/")(cell.handler(handler))

    async def main() -> tuple[bytes, str]:
        user.set("set by the server")
        return (await call_asgi(app))[2], user.get()

    def main_sync() -> tuple[bytes, str]:
        user.set("set by the server")
        return call_wsgi(app)[2], user.get()

    context = contextvars.copy_context()
    found = context.run(main_sync) if cell.gateway == "wsgi" else anyio.run(main, backend=cell.backend)
    # What the handler sets stays within its request: the server's thread or task is not ours to change.
    assert found == (b"set by the server", "set by the server")


def test_requests_at_once_do_not_see_each_other(make_client: MakeClient, cell: Cell, form: str) -> None:
    app = App()

    def named(request: Request) -> Middleware:
        token = user.set(request.query["user"])
        yield
        user.reset(token)

    @app.get("/", middleware=[named, resetting_to_query(form)])
    @cell.handler
    def handler(request: Request) -> str:
        return user.get()

    client = make_client(app)
    answers = in_threads(6, lambda n: [client.get(f"/?user={n}").text for _ in range(10)])
    assert answers == [[str(n)] * 10 for n in range(6)]


def resetting_to_query(form: str) -> Layer:
    """Make a layer that waits a little, so that requests interleave."""
    import time

    def generator(request: Request) -> Middleware:
        assert user.get() == request.query["user"]
        if form == "blocking":
            time.sleep(0.001)
        yield
        assert user.get() == request.query["user"]

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        await anyio.sleep(0.001)
        assert user.get() == request.query["user"]
        response = await call_next(request)
        await anyio.sleep(0.001)
        assert user.get() == request.query["user"]
        return response

    return Layer(asynchronous if form == "async" else generator, blocking=form == "blocking")


def test_the_precision_of_decimals_is_one_of_the_request(app: App, client: Client, cell: Cell, form: str) -> None:
    """The standard library keeps things in the context as well."""

    def precise(request: Request) -> Middleware:
        decimal.setcontext(decimal.Context(prec=3))
        yield

    app.get("/", middleware=[precise, resetting(form)])(cell.handler(lambda: str(decimal.Decimal(1) / 3)))
    app.get("/next")(cell.handler(lambda: str(decimal.Decimal(1) / 3)))
    assert client.get("/").text == "0.333"
    assert len(client.get("/next").text) > 20


ASYNCIO = [cell for cell in CELLS if cell.backend == "asyncio"]


@pytest.mark.parametrize("cell", ASYNCIO, indirect=True, ids=str)
def test_a_task_that_a_layer_starts_has_a_copy(app: App, client: Client, cell: Cell) -> None:
    """As every task has; asyncio alone, whose `create_task` this is."""
    seen: list[str] = []

    @app.middleware
    async def starting(request: Request, call_next: CallNext) -> Response:
        user.set("set by the layer")

        async def later() -> None:
            seen.append(user.get())
            user.set("of the task alone")

        await asyncio.create_task(later())
        response = await call_next(request)
        seen.append(user.get())
        return response

    app.get("/")(cell.handler(lambda: user.get()))
    assert client.get("/").text == "set by the layer"
    assert seen == ["set by the layer"] * 2


@pytest.mark.parametrize("inner", ["generator", "blocking", "async"])
def test_what_lies_inside_may_run_in_a_task_and_sees_what_was_set(
    app: App, client: Client, cell: Cell, inner: str
) -> None:
    """A task has a copy, as every task has: what is set inside of it stays there."""
    seen: list[str] = []

    @app.middleware
    async def beside(request: Request, call_next: CallNext) -> Response:
        responses: list[Response] = []
        user.set("set before the task")

        async def run() -> None:
            responses.append(await call_next(request))

        async with anyio.create_task_group() as group:
            group.start_soon(run)
        seen.append(user.get())
        return responses[0]

    app.get("/", middleware=[resetting(inner)])(cell.handler(lambda: user.get()))
    assert client.get("/").text == "for a while"
    assert seen == ["set before the task"]


def telling(seen: list[str]) -> Any:
    """Make a layer that tells in which context the response is shown that is sent at last."""

    def layer(request: Request) -> Middleware:
        user.set("set by the layer")
        request.on_response(lambda response: seen.append(f"{response.status}, {user.get()}"))
        yield

    return layer


def test_the_500_of_what_was_cancelled_is_made_in_the_context_of_the_request(wsgi_cell: Cell) -> None:
    """WSGI alone: under ASGI a cancellation is the server's, and nothing is sent any more."""
    app, seen = App(), []

    @app.get("/", middleware=[telling(seen)])
    async def handler() -> None:
        raise asyncio.CancelledError

    assert call_wsgi(app)[0] == 500
    assert seen == ["500, set by the layer"]


def test_the_context_of_a_wsgi_thread_may_be_entered_already(wsgi_cell: Cell) -> None:
    """WSGI alone: a server or a test that runs the application inside a context of its own."""
    app = App()
    app.get("/")(wsgi_cell.handler(lambda: user.get()))
    context = contextvars.copy_context()
    context.run(user.set, "inside")
    assert context.run(call_wsgi, app, environ_of("/"))[2] == b"inside"
