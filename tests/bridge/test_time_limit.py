"""An `async def` handler has the time of its route, on every loop; a `def` cannot be given one."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from ambi import App, CallNext, ConfigurationError, HTTPError, Middleware, Request, Response, Stream
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient


@pytest.fixture(params=[cell._replace(colour="async") for cell in GATEWAYS], ids=str)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the cells of `async def` handlers: no other can have a time limit."""
    found: Cell = request.param
    return found


def test_a_handler_that_takes_too_long_is_cancelled_and_answered_with_503(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    @app.get("/", timeout_s=0.02)
    async def slow() -> str:
        try:
            await anyio.sleep(30)
        except BaseException as exc:
            ended.append(type(exc).__name__)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0)
            ended.append("closed")
        return "never"

    with caplog.at_level(logging.WARNING, "ambi.request"):
        answer = client.get("/")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the answer was not ready within 0.02 s"
    assert ended[0].startswith("Cancelled")
    assert ended[1:] == ["closed"]
    [record] = caplog.records
    assert "GET /: " in record.message
    assert "slow (" in record.message
    assert record.message.endswith("was cancelled after 0.02 s")


def test_a_handler_that_is_in_time_is_not_touched(app: App, client: Client) -> None:
    @app.get("/at-once", timeout_s=0.02)
    async def at_once() -> str:
        return "at once"

    @app.get("/soon/{name}", timeout_s=30)
    async def soon(name: str) -> str:
        await anyio.sleep(0.001)
        return name

    assert client.get("/at-once").text == "at once"
    assert client.get("/soon/x").text == "x"


@pytest.mark.parametrize("ends", [TimeoutError, asyncio.TimeoutError, ValueError])
def test_what_the_handler_raises_itself_is_its_own(app: App, client: Client, ends: type[Exception]) -> None:
    @app.get("/", timeout_s=30)
    async def fails() -> None:
        await anyio.sleep(0)
        raise ends

    assert client.get("/").status_code == 500


def test_a_time_limit_of_the_handlers_own_is_no_affair_of_the_routes(app: App, client: Client) -> None:
    @app.get("/", timeout_s=30)
    async def own() -> str:
        with anyio.move_on_after(0.001):
            await anyio.sleep(30)
        return "went on"

    assert client.get("/").text == "went on"


def test_layers_and_error_handlers_see_the_503(app: App, client: Client) -> None:
    seen: list[Any] = []

    @app.middleware
    def outer(request: Request) -> Middleware:
        response = yield
        seen.append(response.status)

    @app.middleware
    async def around(request: Request, call_next: CallNext) -> Response:
        response = await call_next(request)
        await anyio.sleep(0)  # nothing of the cancellation is left
        seen.append(response.status)
        return response

    @app.error(503)
    def busy(request: Request, error: HTTPError) -> str:
        return "sorry"

    @app.get("/", timeout_s=0.01)
    async def slow() -> None:
        await anyio.sleep(30)

    answer = client.get("/")
    assert (answer.status_code, answer.text, seen) == (503, "sorry", [503, 503])


def test_the_items_of_a_stream_are_not_timed(app: App, client: Client) -> None:
    async def items() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep(0.05)
        yield "b"

    @app.get("/", timeout_s=0.02)
    async def stream() -> Stream:
        return Stream(items())

    assert client.get("/").text == "ab"


def test_a_body_that_comes_slowly_takes_nothing_of_the_time(app: App, client: Client) -> None:
    """It is read before the handler is called, and has a limit of its own."""

    @app.post("/", timeout_s=30)
    async def length(request: Request) -> str:
        return str(len(request.body))

    assert client.post("/", content=b"x" * 100_000).text == "100000"


def test_a_route_that_is_mounted_keeps_its_time(app: App, make_client: MakeClient) -> None:
    @app.get("/", timeout_s=0.01)
    async def slow() -> None:
        await anyio.sleep(30)

    host = App()
    host.mount("/app", app)
    assert make_client(host).get("/app/").status_code == 503


# --- registration: nothing is served, so there is no cell ---


def a_def() -> None: ...


def a_generator() -> Any:
    yield "a"


async def an_async_generator() -> Any:
    yield "a"


@pytest.mark.parametrize("handler", [a_def, a_generator, an_async_generator])
def test_only_an_async_def_can_be_given_a_time(handler: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout_s=2 is for an `async def`.*cannot be cancelled") as caught:
        App().get("/", timeout_s=2)(handler)
    assert f"{handler.__name__} ({__file__}:" in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, "5", True])
def test_a_time_is_a_positive_number(value: Any) -> None:
    async def handler() -> None: ...

    with pytest.raises(ConfigurationError, match=f"must be a positive number of seconds, not {value!r}"):
        App().get("/", timeout_s=value)(handler)
