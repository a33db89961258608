"""What fails at a beginning or an end: lifespans, providers, callbacks, error handlers, work after the response.

Each failure has one line in the log, keeps nobody else from its own end, and changes no answer that is on its way.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import anyio
import pytest

from ambi import App, BodyStream, HTTPError, Limits, Middleware, Request
from ambi.features.typed import Provide
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.faults import ALL


class Broken(Exception):
    """What is raised here."""


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """Give what was logged as an error since it was asked for last."""

    def lines() -> list[str]:
        found = [
            f"{record.getMessage()}: {record.exc_info and record.exc_info[1]}"
            for record in caplog.records
            if record.levelno >= logging.ERROR
        ]
        caplog.clear()
        return found

    return lines


# --- lifespans ---


def lifespan(cell: Cell, events: list[str], name: str, fails: str) -> Any:
    """Make one that notes when it is up and down, and may fail at either."""

    def up() -> None:
        if fails == "start":
            raise Broken(f"{name} does not start")
        events.append(f"{name} up")

    def down() -> None:
        events.append(f"{name} down")
        if fails == "stop":
            raise Broken(f"{name} does not stop")

    def sync() -> Iterator[None]:
        up()
        yield
        down()

    async def asynchronous() -> AsyncIterator[None]:
        await anyio.sleep(0)
        up()
        yield
        await anyio.sleep(0)
        down()

    return cell.pick(sync, asynchronous)


@pytest.mark.parametrize("phase", ["start", "stop"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_each_lifespan_of_several_may_fail(cell: Cell, which: int, phase: str, lines: Any) -> None:
    events: list[str] = []
    app = App()
    for number in range(3):
        app.lifespan(lifespan(cell, events, str(number), phase if number == which else ""))
    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    with pytest.raises(Broken, match=f"{which} does not {phase}"), client:
        events.append("serves")
    begun = range(which) if phase == "start" else range(3)
    middle = [] if phase == "start" else ["serves"]
    assert events == [*(f"{n} up" for n in begun), *middle, *(f"{n} down" for n in reversed(begun))]
    told = lines()
    wanted = [
        f"the {'startup' if phase == 'start' else 'shutdown'} of the application failed: {which} does not {phase}"
    ]
    assert told == (wanted if cell.gateway == "asgi" else []), "a WSGI server gets, and logs, the exception itself"


def test_a_stop_at_which_two_fail_runs_the_third(cell: Cell) -> None:
    events: list[str] = []
    app = App()
    for number in range(3):
        app.lifespan(lifespan(cell, events, str(number), "stop" if number else ""))
    with pytest.raises(Broken), Client(app, gateway=cell.gateway, backend=cell.backend):
        pass
    assert events == ["0 up", "1 up", "2 up", "2 down", "1 down", "0 down"]


def test_a_value_of_the_application_whose_end_fails_keeps_no_other_from_its_own(cell: Cell) -> None:
    ended: list[str] = []

    def first() -> Iterator[str]:
        yield "first"
        ended.append("first")

    def second() -> Iterator[str]:
        yield "second"
        ended.append("second")
        raise Broken("of the second")

    app = App()

    @app.get("/")
    @cell.handler
    def handler(
        first: Annotated[str, Provide(first, scope="app")], second: Annotated[str, Provide(second, scope="app")]
    ) -> str:
        return f"{first} {second}"

    with (
        pytest.raises(Broken, match="of the second"),
        Client(app, gateway=cell.gateway, backend=cell.backend) as client,
    ):
        assert client.get("/").text == "first second"
    assert sorted(ended) == ["first", "second"]


# --- providers ---


@pytest.mark.parametrize("until", ["response", "sent"])
@pytest.mark.parametrize("form", ["generator", "async-generator"])
def test_a_provider_that_fails_at_its_end_keeps_no_other_from_its_own(
    app: App, client: Client, cell: Cell, until: Literal["response", "sent"], form: str, lines: Any
) -> None:
    ended: list[str] = []

    def outer() -> Iterator[str]:
        try:
            yield "outer"
        finally:
            ended.append("outer")

    def inner() -> Iterator[str]:
        yield "inner"
        raise Broken("of the inner")

    async def inner_async() -> AsyncIterator[str]:
        yield "inner"
        await anyio.sleep(0)
        raise Broken("of the inner")

    made = inner if form == "generator" else inner_async

    @app.get("/")
    @cell.handler
    def handler(
        outer: Annotated[str, Provide(outer, until=until)], inner: Annotated[str, Provide(made, until=until)]
    ) -> str:
        return "answered"

    answered = client.get("/")
    told = lines()
    assert (answered.status_code, answered.text == "answered") == ((500, False), (200, True))[until == "sent"]
    assert ended == ["outer"]
    assert len(told) == 1
    assert told[0].endswith("of the inner")


# --- callbacks, and what runs after the response ---


@pytest.mark.parametrize("where", ["on_response", "on_sent", "after", "after_async"])
@pytest.mark.parametrize("which", [0, 1, 2] if ALL else [1])
def test_each_of_several_callbacks_may_fail(
    app: App, client: Client, cell: Cell, where: str, which: int, lines: Any
) -> None:
    called: list[int] = []

    def call(number: int) -> None:
        called.append(number)
        if number == which:
            raise Broken(f"number {number}")

    async def call_async(number: int) -> None:
        await anyio.sleep(0)
        call(number)

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        for number in range(3):
            if where.startswith("after"):
                request.after(call_async if where == "after_async" else call, number)
            else:
                getattr(request, where)(lambda _, number=number: call(number))
        return "answered"

    assert client.get("/").text == "answered"
    assert called == [0, 1, 2]
    told = lines()
    assert len(told) == 1
    assert told[0].endswith(f"number {which}")


# --- error handlers ---


@pytest.mark.parametrize(("key", "count"), [(Broken, 1), (404, 1), (500, 2), (Exception, 2)])
def test_an_error_handler_that_fails_is_a_500(
    app: App, client: Client, cell: Cell, key: Any, count: int, lines: Any
) -> None:
    """One line for what it raised, and one for the crash that it was to answer, which was logged before."""

    @app.error(key)
    @cell.handler
    def fail(request: Request, error: Exception) -> None:
        raise ValueError("of the error handler")

    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise HTTPError(404) if key == 404 else Broken("of the handler")

    answered = client.get("/")
    assert answered.status_code == 500
    assert "of the" not in answered.text
    told = lines()
    assert len(told) == count
    assert told[-1].endswith("of the error handler")


def test_when_all_fails_there_is_an_answer_and_the_next_one(app: App, client: Client, cell: Cell, lines: Any) -> None:
    left: list[str] = []

    def fail(*args: Any) -> None:
        raise Broken("as well")

    @app.middleware
    def layer(request: Request) -> Middleware:
        if request.path != "/":
            yield
            return
        request.on_response(fail)
        request.on_sent(fail)
        request.after(fail)
        try:
            yield
        finally:
            left.append("layer")
            fail()

    @app.error(500)
    @cell.handler
    def handle(request: Request, error: Exception) -> None:
        fail()

    @app.get("/")
    @cell.handler
    def handler() -> None:
        fail()

    app.get("/next")(cell.handler(lambda: "fine"))
    assert client.get("/").status_code == 500
    assert left == ["layer"]
    assert len(lines()) == 5, "the crash, the error handler, three callbacks"
    assert client.get("/next").text == "fine"
    assert lines() == []


# --- refusals that come too late ---


def test_a_body_that_grows_too_large_for_a_stream_that_reads_it_is_no_crash(
    make_client: MakeClient, cell: Cell, lines: Any
) -> None:
    """The answer has begun, so the server can only cut it; but that is the client's fault, as a 413 would be."""
    app = App(limits=Limits(max_body_bytes=100))

    def echo(stream: BodyStream) -> Any:
        yield from stream

    async def echo_async(stream: BodyStream) -> Any:
        async for chunk in stream:
            yield chunk

    app.post("/", csrf=False)(cell.pick(echo, echo_async))
    client = make_client(app, judged=False)

    def grows() -> Iterator[bytes]:
        yield b"x" * 60
        yield b"x" * 60

    with contextlib.suppress(Exception):  # how a cut answer is told is the client's affair
        client.post("/", content=grows())
    assert lines() == []
