"""`AsyncClient` does what `Client` does, awaited: on asyncio and on trio, through either gateway and through both."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ambi import SSE, App, BodyStream, Event, HTTPError, Redirect, Request, Stream, Text, WebSocket, WebSocketClosed
from ambi.testing import AsyncClient, GatewaysDiffer, NotAnEventStream, WebSocketRefused
from tests.leaks import nothing_left_behind

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Give one event loop after the other."""
    backend: str = request.param
    return backend


@pytest.fixture(params=["wsgi", "asgi", "both"])
def gateway(request: pytest.FixtureRequest) -> Any:
    """Give one gateway after the other."""
    return request.param


class Crash(Exception):
    """What a handler fails with."""


@pytest.fixture
def closed() -> list[str]:
    """Give a list for the streams that were closed."""
    return []


@pytest.fixture
def app(closed: list[str]) -> App:
    """Give an application with handlers of both colours."""

    async def lifespan() -> AsyncIterator[dict[str, int]]:
        yield {"started": 1}

    app = App(lifespan=lifespan)

    @app.post("/echo")
    def echo(request: Request) -> dict[str, Any]:
        return {"body": request.text, "q": request.query.get("q"), "cookies": dict(request.cookies)}

    @app.post("/chunks")
    async def chunks(stream: BodyStream) -> list[str]:
        return [chunk.decode() async for chunk in stream]

    @app.get("/state")
    async def state(request: Request) -> dict[str, int]:
        return {"started": request.state["started"]}

    @app.get("/login")
    def login() -> Text:
        response = Redirect("/state", 303)
        response.set_cookie("who", "me")
        return response  # type: ignore[return-value]

    @app.get("/stream")
    def stream() -> Stream:
        return Stream(items())

    def items() -> Iterator[str]:
        try:
            for n in range(1000):
                yield f"{n}\n"
        finally:
            closed.append("sync")

    @app.get("/crash")
    async def crash() -> None:
        raise Crash

    @app.get("/late")
    def late() -> Stream:
        return Stream(failing())

    def failing() -> Iterator[str]:
        yield "first"
        raise Crash

    @app.get("/events")
    async def events() -> SSE:
        return SSE([Event("a", id="1"), Event("b")])

    @app.websocket("/ws", subprotocols=["v1"])
    async def ws(ws: WebSocket) -> None:
        async for message in ws:
            if message == "crash":
                raise Crash
            await ws.send(message)

    @app.websocket("/refused")
    async def refused(ws: WebSocket) -> None:
        raise HTTPError(403)

    return app


@pytest.fixture
def client(app: App, gateway: Any) -> AsyncClient:
    """Give a client; each test enters it, in its own task."""
    return AsyncClient(app, gateway)


async def test_a_request_is_sent_and_the_answer_read(client: AsyncClient) -> None:
    async with client:
        response = await client.post("/echo", content="text", params={"q": "1"}, cookies={"a": "1"})
        assert response.json() == {"body": "text", "q": "1", "cookies": {"a": "1"}}
        assert (await client.get("/state")).json() == {"started": 1}
        assert (await client.send(client.build_request("GET", "/missing"))).status_code == 404


async def test_it_works_without_being_entered(client: AsyncClient) -> None:
    app = App()
    app.get("/")(lambda: "ok")
    assert (await AsyncClient(app, client.gateway).get("/")).text == "ok"


async def test_redirects_and_cookies_are_those_of_the_other_client(client: AsyncClient) -> None:
    async with client:
        response = await client.get("/login")
        assert (response.status_code, response.next_request is not None) == (303, True)
        response = await client.get("/login", follow_redirects=True)
        assert ([step.status_code for step in response.history], response.json()) == ([303], {"started": 1})
        assert dict(client.cookies) == {"who": "me"}


async def test_a_body_may_be_awaited_chunk_by_chunk(client: AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"a", b"b"):
            await anyio.sleep(0)
            yield chunk

    async with client:
        assert (await client.post("/chunks", content=chunks())).json() == ["a", "b"]
        assert (await client.post("/chunks", content=[b"a", b"b"])).json() == ["a", "b"]


async def test_what_the_chunks_raise_is_raised_in_the_test(app: App, gateway: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        raise LookupError("of the test")

    async with AsyncClient(app, gateway) as client:
        with pytest.raises(LookupError, match="of the test"):
            await client.post("/chunks", content=chunks())


async def test_a_stream_is_read_item_by_item_and_left(client: AsyncClient, closed: list[str]) -> None:
    async with client:
        async with client.stream("GET", "/stream") as response:
            lines = response.aiter_lines()
            assert [await anext(lines), await anext(lines)] == ["0", "1"]
            with pytest.raises(RuntimeError, match="comes from an AsyncClient"):
                response.read()
        assert set(closed) == {"sync"}
        async with client.stream("GET", "/stream") as response:
            assert len([text async for text in response.aiter_text()]) > 0
        async with client.stream("GET", "/stream") as response:
            assert (await response.aread()).startswith(b"0\n1\n")
            assert [chunk async for chunk in response.aiter_bytes()] == [response.content]


async def test_an_exception_is_raised_as_itself(app: App, gateway: Any) -> None:
    async with AsyncClient(app, gateway) as client:
        with pytest.raises(Crash):
            await client.get("/crash")
        with pytest.raises(Crash):
            await client.get("/late")
    async with AsyncClient(app, gateway, raise_server_exceptions=False) as client:
        assert (await client.get("/crash")).status_code == 500


async def test_what_the_test_raises_is_not_wrapped(client: AsyncClient) -> None:
    with pytest.raises(LookupError):
        async with client, client.stream("GET", "/stream"):
            raise LookupError


async def test_no_thread_is_left_behind(app: App, gateway: Any) -> None:
    """Neither by what crashes nor by what is given up while it waits."""

    async def waiting() -> AsyncIterator[str]:
        yield "first"
        await anyio.sleep(60)

    app.get("/waiting")(lambda: Stream(waiting()))
    with nothing_left_behind():
        async with AsyncClient(app, gateway) as client:
            with pytest.raises(Crash):
                await client.get("/crash")
            with anyio.move_on_after(0.05):
                await client.get("/waiting")
            with pytest.raises(LookupError):
                async with client.stream("GET", "/stream"):
                    raise LookupError


async def test_events_are_awaited(client: AsyncClient) -> None:
    async with client:
        async with client.events("/events") as events:
            first = await anext(events)
            assert (first.data, first.id, [event.data async for event in events]) == ("a", "1", ["b"])
        with pytest.raises(NotAnEventStream):
            async with client.events("/state"):
                pass


async def test_a_websocket_is_awaited(client: AsyncClient) -> None:
    async with client:
        async with client.websocket("/ws", subprotocols=["v1"]) as ws:
            await ws.send("a")
            assert (await ws.receive(), ws.subprotocol) == ("a", "v1")
            await ws.send_json([1])
            assert await ws.receive_json() == [1]
            await ws.send(b"b")
            assert await ws.receive_bytes() == b"b"
            with pytest.raises(TimeoutError, match="no message came"):
                await ws.receive_text(timeout=0.01)
            await ws.close(4000, "bye")
            await ws.close()
        assert (ws.close_code, ws.close_reason) == (4000, "bye")
        with pytest.raises(WebSocketRefused, match="refused with 403"):
            async with client.websocket("/refused"):
                pass
        with pytest.raises(Crash):
            async with client.websocket("/ws") as ws:
                await ws.send("crash")
                assert [message async for message in ws] == []


async def test_a_websocket_that_is_closed_says_so(app: App, gateway: Any) -> None:
    async with AsyncClient(app, gateway, raise_server_exceptions=False) as client, client.websocket("/ws") as ws:
        await ws.send("crash")
        assert [message async for message in ws] == []
        with pytest.raises(WebSocketClosed):
            await ws.receive()
        assert ws.close_code == 1011


async def test_leaving_the_block_closes_the_websocket(client: AsyncClient) -> None:
    async with client, client.websocket("/ws") as ws:
        await ws.send("a")
        assert await ws.receive_text() == "a"
    assert ws.close_code == 1000


async def test_what_leaves_a_foreign_websocket_is_raised() -> None:
    """ASGI alone: a WSGI application has other ways, see test_websocket_wire.py."""

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise Crash

    async def fails_at_once(scope: Any, receive: Any, send: Any) -> None:
        raise Crash

    for app in (fails, fails_at_once):
        with pytest.raises(Crash):
            async with AsyncClient(app).websocket("/") as ws:
                assert [message async for message in ws] == []


async def test_a_handler_that_does_not_end_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASGI alone: under WSGI it is the same wire as for `Client`."""
    monkeypatch.setattr("ambi.testing.websocket_asgi.PATIENCE_S", 0.05)

    async def stays(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await anyio.sleep(60)

    with pytest.raises(TimeoutError, match="went on for"):
        async with AsyncClient(stays).websocket("/"):
            pass


@pytest.mark.parametrize(("failing", "ends"), [("wsgi", ("Crash", "its own end")), ("asgi", ("its own end", "Crash"))])
async def test_streams_must_end_alike_when_awaited(failing: str, ends: tuple[str, str]) -> None:
    async def items(gateway: str) -> AsyncIterator[str]:
        yield "a"
        if gateway == failing:
            raise Crash

    app = App()
    app.get("/")(lambda request: Stream(items(request.gateway)))
    with pytest.raises(GatewaysDiffer, match=f"comes to {ends[0]} under WSGI, to {ends[1]} under ASGI"):
        await AsyncClient(app, "both").get("/")


async def test_requests_run_side_by_side(app: App, gateway: Any) -> None:
    together = threading.Barrier(4)
    app.get("/together")(lambda: str(together.wait(10) >= 0))
    async with AsyncClient(app, gateway) as client, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(client.get, "/together")


async def give_up(scope: anyio.CancelScope, begun: threading.Event, gate: threading.Event) -> None:
    """Cancel what waits for a handler that has begun, and let the handler go on then."""
    while not begun.is_set():
        await anyio.sleep(0.002)
    scope.cancel()
    gate.set()


async def test_a_request_may_be_given_up(app: App, gateway: Any) -> None:
    """Where its handler is a thread, that is waited for."""
    begun, gate = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert gate.wait(10)
        return "slow"

    app.get("/slow")(slow)
    async with AsyncClient(app, gateway) as client:
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(give_up, scope, begun, gate)
                await client.get("/slow")
        assert scope.cancelled_caught
        assert (await client.get("/state")).status_code == 200


async def test_a_stream_that_waits_may_be_given_up(gateway: Any) -> None:
    left: list[str] = []

    async def items() -> AsyncIterator[str]:
        try:
            yield "first"
            await anyio.sleep(60)
        finally:
            left.append("closed")

    app = App()
    app.get("/")(lambda: Stream(items()))
    async with AsyncClient(app, gateway) as client:
        with anyio.CancelScope() as scope:
            async with client.stream("GET", "/") as response:
                async for _ in response.aiter_bytes():
                    scope.deadline = anyio.current_time() + 0.05
        assert scope.cancelled_caught
    assert set(left) == {"closed"}


async def test_a_start_up_that_fails_is_told(gateway: Any) -> None:
    async def lifespan() -> AsyncIterator[None]:
        raise Crash("no database")
        yield

    with pytest.raises(Crash, match="no database"):
        async with AsyncClient(App(lifespan=lifespan), gateway):
            pass


async def test_a_response_of_the_other_client_is_not_awaited() -> None:
    from ambi.testing import Response

    with pytest.raises(RuntimeError, match="comes from a Client"):
        await Response(200, [], iter([b""])).aread()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_is_left_by_another_task_than_the_one_that_entered_it(app: App, gateway: Any, backend: str) -> None:
    """As in fixtures of pytest-asyncio, and with `enterAsyncContext` of unittest."""

    async def main() -> None:
        client = AsyncClient(app, gateway)
        for step in (client.__aenter__, lambda: client.get("/state"), client.__aexit__):
            async with anyio.create_task_group() as group:
                group.start_soon(step)

    anyio.run(main, backend=backend)
