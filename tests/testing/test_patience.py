"""A test that gives up on an application gets away from it."""

import signal
import threading
from typing import Any

import pytest

from ambi import App, WebSocket
from ambi.testing import AsyncClient, Client
from ambi.testing.cookies import Cookies
from tests.testing.waiting import join_servers


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("asgi", "websocket", "websocket_asgi", "websocket_wsgi"):
        monkeypatch.setattr(f"ambi.testing.{module}.PATIENCE_S", 0.05)


async def stubborn(scope: Any, receive: Any, send: Any) -> None:
    """Begin an answer and then wait for nothing, whoever leaves."""
    import anyio

    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await anyio.sleep_forever()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_application_that_sees_nobody_leave_is_cancelled(no_leaks: None, backend: Any) -> None:
    with Client(stubborn, backend=backend) as client:
        said = "went on for 0.05 seconds when the client had left its answer"
        with pytest.raises(TimeoutError, match=said), client.stream("GET", "/") as response:
            assert next(response.iter_bytes()) == b"x"
        with pytest.raises(KeyboardInterrupt), client.stream("GET", "/"):
            raise KeyboardInterrupt


@pytest.mark.anyio
async def test_the_same_awaited() -> None:
    async with AsyncClient(stubborn) as client:
        with pytest.raises(TimeoutError, match="when the client had left its answer"):
            async with client.stream("GET", "/"):
                pass


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_a_handshake_is_not_waited_for_without_end(no_leaks: None, gateway: Any) -> None:
    import anyio

    app, gate = App(), threading.Event()

    @app.websocket("/")
    async def wait(ws: WebSocket) -> None:
        while not gate.is_set():
            await anyio.sleep(0.002)

    with Client(app, gateway) as client:
        try:
            with pytest.raises(TimeoutError) as caught, client.websocket("/"):
                raise AssertionError("it is open")
        finally:
            gate.set()
            join_servers()
    told = f"{caught.value} {caught.value.__context__}"
    assert "the handshake of the WebSocket was not answered within 0.05 seconds" in told


@pytest.mark.anyio
async def test_the_same_handshake_awaited() -> None:
    async def wait(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            while (await receive())["type"] != "websocket.disconnect":
                pass

    async with AsyncClient(wait) as client:
        with pytest.raises(TimeoutError, match="the handshake of the WebSocket was not answered"):
            async with client.websocket("/"):
                raise AssertionError("it is open")


def test_cookies_are_read_while_another_thread_keeps_some() -> None:
    """One client may be used by many threads."""
    cookies, has_ended = Cookies(), threading.Event()

    def keep() -> None:
        for n in range(3000):
            cookies.keep(f"c{n}=1", "localhost", "/")
        has_ended.set()

    thread = threading.Thread(target=keep)
    thread.start()
    while not has_ended.is_set():
        cookies.for_request("http", "localhost", "/")
        assert len(cookies.jar) <= 3000
    thread.join()


def test_a_start_up_without_end_can_be_interrupted(no_leaks: None) -> None:
    begun, waiting = threading.Event(), threading.get_ident()

    async def sleepy(scope: Any, receive: Any, send: Any) -> None:
        import anyio

        begun.set()
        await anyio.sleep_forever()

    def interrupt() -> None:
        if begun.wait(10):
            signal.pthread_kill(waiting, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        with Client(sleepy):
            raise AssertionError("it has started")
    thread.join()
