"""A mounted ASGI application has WebSockets wherever a handler has them: on ASGI, and on a WSGI server's socket."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ambi import App, Middleware, Request
from ambi.testing import WebSocketRefused
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.gateways.peers import Closed, Connect, connecting


@pytest.fixture(params=GATEWAYS, ids=lambda cell: cell.gateway if cell.gateway == "wsgi" else cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one way in after the other."""
    found: Cell = request.param
    return found


@pytest.fixture
def app(no_leaks: None) -> Iterator[App]:
    """Give an empty application, whose lifespan is stopped at the end."""
    app = App()
    yield app
    if app.lifespans is not None:
        app.lifespans.stop_in_process()


@pytest.fixture
def connect(app: App, cell: Cell) -> Iterator[Connect]:
    """Give what connects a client."""
    with connecting(cell) as connect:
        yield connect


@pytest.fixture
def events() -> list[Any]:
    """Give a list for what happens."""
    return []


@pytest.fixture
def mount(app: App) -> Callable[[Any], App]:
    """Give what mounts a guest of what handles its WebSockets."""

    def mount(handle: Any) -> App:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "websocket":
                raise ValueError("only websockets are served")
            await handle(scope, receive, send)

        app.mount("/guest", application)
        return app

    return mount


Mount = Callable[[Any], App]


def closed(peer: Any) -> tuple[Any, ...]:
    with pytest.raises(Closed) as caught:
        while True:
            peer.receive()
    return caught.value.args


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4001, "reason": "done"})
        else:
            await send({**message, "type": "websocket.send"})


def test_messages_of_both_kinds_come_back(mount: Mount, connect: Connect) -> None:
    peer = connect(mount(echo), path="/guest/")
    for message in ("hello", "", "ünï", b"\0\xff", b"", "x" * 200_000):
        peer.send(message)
        assert peer.receive() == message
    peer.close()
    peer.ended()


def test_it_is_told_of_the_handshake(mount: Mount, connect: Connect, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.append(scope)
        await echo(scope, receive, send)

    peer = connect(mount(handle), path="/guest/room?a=1", subprotocols=["chat", "other"])
    assert peer.subprotocol == "chat"
    peer.close()
    peer.ended()
    (scope,) = events
    assert (scope["scheme"], scope["root_path"], scope["path"]) == ("ws", "/guest", "/guest/room")
    assert (scope["query_string"], scope["subprotocols"]) == (b"a=1", ["chat", "other"])
    assert "method" not in scope


def test_it_is_told_of_no_field_with_an_underscore(mount: Mount, connect: Connect, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.extend(name for name, _ in scope["headers"] if name.startswith(b"x"))
        await echo(scope, receive, send)

    peer = connect(mount(handle), path="/guest/", headers={"x_remote_user": "admin", "x-one": "1"})
    peer.close()
    peer.ended()
    assert events == [b"x-one"]


def test_it_closes_with_a_code_and_a_reason(mount: Mount, connect: Connect) -> None:
    peer = connect(mount(echo), path="/guest/")
    peer.send("bye")
    assert closed(peer) == (4001, "done")


def test_it_is_told_how_the_client_closed(mount: Mount, connect: Connect, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        events.append(await receive())
        with pytest.raises(OSError, match="left"):
            await send({"type": "websocket.send", "text": "too late"})

    peer = connect(mount(handle), path="/guest/")
    peer.close(4002, "enough")
    peer.ended()
    assert events == [{"type": "websocket.disconnect", "code": 4002, "reason": "enough"}]


def test_it_sends_header_fields_with_the_handshake(mount: Mount, connect: Connect) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-guest", b"1"), (b"set-cookie", b"a=1")]})

    peer = connect(mount(handle), path="/guest/")
    assert (peer.status, peer.headers["x-guest"], peer.headers["set-cookie"]) == (101, "1", "a=1")
    assert closed(peer)[0] == 1000


def test_it_refuses_with_a_403(mount: Mount, connect: Connect) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    assert connect(mount(handle), path="/guest/").status == 403


def test_it_refuses_with_an_answer_of_its_own(mount: Mount, connect: Connect) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert "websocket.http.response" in scope["extensions"]
        start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})

    peer = connect(mount(handle), path="/guest/")
    assert (peer.status, peer.headers["www-authenticate"], peer.body) == (401, "Basic", b"who are you?")


def test_a_crash_closes_with_1011(mount: Mount, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError("no good")

    assert closed(connect(mount(handle), path="/guest/"))[0] == 1011
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


def test_what_it_makes_of_the_leaving_is_no_crash(
    mount: Mount, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Disconnected(Exception):
        pass

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if (await receive())["type"] == "websocket.disconnect":
            raise Disconnected

    with caplog.at_level(logging.INFO, "ambi.request"):
        peer = connect(mount(handle), path="/guest/", headers={"Host": "localhost"})
        peer.close()
        peer.ended()
    about = [record for record in caplog.records if "the client left" in record.getMessage()]
    assert [record.levelname for record in about] == ["INFO"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("kind", ["websocket.http.response.body", "http.response.start", "websocket.nonsense"])
def test_a_message_that_cannot_come_is_an_error(mount: Mount, connect: Connect, kind: str) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": kind, "body": b""})

    assert connect(mount(handle), path="/guest/").status == 500


def test_middlewares_wrap_it(mount: Mount, app: App, connect: Connect, events: list[Any]) -> None:
    @app.middleware
    def guard(request: Request) -> Middleware:
        if "x-no" in request.headers:
            return {"guard": True}, 401  # type: ignore[return-value]  # as plain as a handler may say it
        response = yield
        events.append(response.status)
        return None

    mount(echo)
    assert connect(app, path="/guest/", headers={"x-no": "1"}).status == 401
    peer = connect(app, path="/guest/")
    peer.close()
    peer.ended()
    assert events == [101]


def test_a_wsgi_application_has_none_under_asgi(app: App, connect: Connect, cell: Cell) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"plain"]

    app.mount("/guest", application)
    peer = connect(app, path="/guest/")
    if cell.gateway == "asgi":
        assert peer.status == 501
    else:  # it is asked, as it may take the socket itself
        assert (peer.status, peer.body) == (200, b"plain")


def test_pages_of_other_sites_may_be_kept_from_it(app: App, make_client: MakeClient) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await echo(scope, receive, send)

    app.csrf(origins=["https://admin.test"])
    app.mount("/guest", application, csrf=True)
    client = make_client(app, judged=False)
    for origin in ("https://evil.test", "null"):
        with pytest.raises(WebSocketRefused) as caught, client.websocket("/guest/", headers={"origin": origin}):
            pass
        assert caught.value.response.status_code == 403
    for origin in ("http://localhost", "https://admin.test"):
        with client.websocket("/guest/", headers={"origin": origin}) as ws:
            ws.send("hello")
            assert ws.receive() == "hello"
