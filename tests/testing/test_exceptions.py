"""An exception that became a 500 is raised in the test as itself, in every cell."""

from typing import Any

import pytest

from ambi import App, HTTPError, Middleware, Request, Response, Stream, Text
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient


class Crash(Exception):
    """What a handler fails with."""


CRASH = Crash("on purpose")


@pytest.fixture
def raising(app: App, make_client: MakeClient) -> Client:
    """Give a client that raises, as users have it."""
    return make_client(app, raise_server_exceptions=True)


def test_the_very_exception_is_raised_with_the_line_of_the_handler(app: App, raising: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise CRASH

    with pytest.raises(Crash) as caught:
        raising.get("/")
    assert caught.value is CRASH
    assert caught.traceback[-1].frame.code.name == "handler"


def test_it_is_raised_whatever_the_answer_would_have_been(app: App, raising: Client, cell: Cell) -> None:
    app.error(500)(cell.handler(lambda request, error: Text("sorry", 500)))

    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise CRASH

    with pytest.raises(Crash):
        raising.get("/")


def test_what_is_mounted_raises_when_it_has_answered(app: App, make_client: MakeClient) -> None:
    """As frameworks of ASGI do it: a page for the user, and the exception for the server's log."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"sorry"})
            raise CRASH

    app.mount("/guest", guest)
    with pytest.raises(Crash) as caught:
        make_client(app, raise_server_exceptions=True).get("/guest/")
    assert caught.value is CRASH
    assert make_client(app).get("/guest/").text == "sorry"


def test_without_it_the_500_is_an_answer(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise CRASH

    response = client.get("/")
    assert (response.status_code, response.is_server_error) == (500, True)


def test_an_exception_that_has_an_answer_is_none(app: App, raising: Client, cell: Cell) -> None:
    def refuse() -> None:
        raise HTTPError(503)

    def fail() -> None:
        raise Crash

    app.error(Crash)(cell.handler(lambda request, error: Text("handled", 400)))
    app.get("/refused")(cell.handler(refuse))
    app.get("/failed")(cell.handler(fail))
    assert [raising.get(path).status_code for path in ("/refused", "/failed", "/missing")] == [503, 400, 404]


def test_a_middleware_may_crash_as_well(app: App, raising: Client, cell: Cell) -> None:
    @app.middleware
    def broken(request: Request) -> Middleware:
        yield
        raise CRASH

    app.get("/")(cell.handler(lambda: "fine"))
    with pytest.raises(Crash):
        raising.get("/")


def test_a_failing_error_handler_is_behind_what_it_was_to_handle(app: App, raising: Client, cell: Cell) -> None:
    def fail(request: Request, error: Exception) -> Response:
        raise RuntimeError("in the handler")

    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise CRASH

    app.error(500)(cell.handler(fail))
    with pytest.raises(Crash):
        raising.get("/")


def test_a_stream_that_fails_at_once_is_a_crash(app: App, raising: Client, client: Client, cell: Cell) -> None:
    def items() -> Any:
        raise CRASH
        yield "never"

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    with pytest.raises(Crash):
        raising.get("/")
    assert client.get("/").status_code == 500


@pytest.mark.parametrize("raises", [True, False])
def test_a_stream_that_fails_later_is_raised_in_any_case(
    app: App, make_client: MakeClient, cell: Cell, raises: bool
) -> None:
    def items() -> Any:
        yield "first"
        raise CRASH

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    client = make_client(app, raise_server_exceptions=raises)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"first"
        with pytest.raises(Crash) as caught:
            next(chunks)
    assert caught.value is CRASH


@pytest.mark.parametrize("when", ["after", "on_response"])
def test_a_failure_of_what_a_request_calls_back_is_only_logged(
    app: App, raising: Client, cell: Cell, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    def late(*response: Response) -> None:
        raise CRASH

    def handler(request: Request) -> str:
        getattr(request, when)(late)
        return "fine"

    app.get("/")(cell.handler(handler))
    assert raising.get("/").text == "fine"
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [CRASH]


def test_a_start_up_that_fails_at_the_first_request_is_raised(cell: Cell) -> None:
    def lifespan() -> Any:
        raise CRASH
        yield

    app = App(lifespan=lifespan)
    app.get("/")(cell.handler(lambda: "never"))
    with pytest.raises(Crash):
        Client(app, gateway=cell.gateway, backend=cell.backend).get("/")


async def answers_and_raises(scope: Any, receive: Any, send: Any) -> None:
    """Be an ASGI application that answers 500 and raises, as Starlette's error middleware does."""
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"sorry"})
    raise CRASH


def test_an_asgi_application_may_raise_behind_its_answer() -> None:
    """ASGI alone: a WSGI application that has answered has returned."""
    with pytest.raises(Crash):
        Client(answers_and_raises).get("/")
    assert Client(answers_and_raises, raise_server_exceptions=False).get("/").text == "sorry"


def test_what_leaves_an_application_is_raised(cell: Cell) -> None:
    def wsgi(environ: Any, start_response: Any) -> Any:
        raise CRASH

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise CRASH

    app: Any = wsgi if cell.gateway == "wsgi" else asgi
    with pytest.raises(Crash):
        Client(app, gateway=cell.gateway, backend=cell.backend, raise_server_exceptions=False).get("/")
