"""Hostile WebSockets, in process; over sockets, with those that are frames: `test_sockets.py`."""

import io
from typing import Any

import pytest

from ambi import App, Request, WebSocket, WebSocketClosed
from ambi.testing import Client, WebSocketRefused
from tests.corpus.test_calls import covers

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(params=["wsgi", "asgi"])
def gateway(request: pytest.FixtureRequest) -> Any:
    """Give one gateway after the other; a handler of a WebSocket is always an `async def`."""
    return request.param


def echo_app() -> App:
    app = App(allowed_hosts=["example.test"])

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    return app


@covers("websocket/no-origin")
def test_a_client_that_is_no_browser_may_connect(gateway: Any) -> None:
    with Client(echo_app(), gateway, base_url="http://example.test") as client, client.websocket("/ws") as ws:
        ws.send("hello")
        assert ws.receive_text() == "hello"


@covers("websocket/session-cookie")
@pytest.mark.parametrize("origin", ["https://evil.test", "https://example.test.evil.test", "null", "http://evil.test"])
def test_a_page_of_another_site_may_not_connect(gateway: Any, origin: str) -> None:
    fields = {"origin": origin, "cookie": "sid=1"}
    with (
        Client(echo_app(), gateway, base_url="http://example.test") as client,
        pytest.raises(WebSocketRefused) as refused,
        client.websocket("/ws", headers=fields),
    ):
        pass
    assert refused.value.response.status_code == 403


@covers("websocket/wrong-path")
def test_an_unknown_path_is_refused_before_it_is_accepted(gateway: Any) -> None:
    with (
        Client(echo_app(), gateway, base_url="http://example.test") as client,
        pytest.raises(WebSocketRefused) as refused,
        client.websocket("/nope"),
    ):
        pass
    assert refused.value.response.status_code == 404


@covers("websocket/receive-after-disconnect")
def test_a_handler_that_goes_on_receiving_is_told_each_time(gateway: Any) -> None:
    app, told = App(), []

    @app.websocket("/ws")
    async def stubborn(ws: WebSocket) -> None:
        await ws.send("ready")
        for _ in range(3):
            try:
                await ws.receive()
            except WebSocketClosed as exc:
                told.append(exc.code)

    with Client(app, gateway) as client, client.websocket("/ws") as ws:
        assert ws.receive_text() == "ready"
        ws.close(1000)
    assert told == [1000, 1000, 1000]


@covers("websocket/subprotocol")
def test_a_subprotocol_that_nobody_offered_is_not_taken(gateway: Any) -> None:
    app, told = App(), []

    @app.websocket("/ws")
    async def insist(ws: WebSocket) -> None:
        with pytest.raises(ValueError, match="x") as refused:
            await ws.accept(subprotocol="x")
        told.append(refused.value)
        await ws.accept()
        await ws.send("ready")

    with Client(app, gateway) as client, client.websocket("/ws") as ws:
        assert ws.receive_text() == "ready"
    assert len(told) == 1


@covers("websocket/upgrade-under-wsgi")
def test_an_upgrade_that_a_server_cannot_make_is_answered() -> None:
    """WSGI alone: this server lends no socket."""
    answers: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/ws", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.test",
        "SERVER_PORT": "80", "HTTP_HOST": "example.test", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
    }  # fmt: skip
    app: Any = echo_app()
    body = b"".join(app(environ, lambda status, fields: answers.append(status)))
    assert answers == ["501 Not Implemented"]
    assert b"WebSocket" in body


def test_a_request_is_not_a_websocket(gateway: Any) -> None:
    """Beside the corpus: what is sent without an upgrade is told what it has to be."""
    app = echo_app()

    @app.get("/")
    def page(request: Request) -> str:
        return request.path

    with Client(app, gateway, base_url="http://example.test") as client:
        assert client.get("/ws").status_code == 426
        assert client.get("/").text == "/"
