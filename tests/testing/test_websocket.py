"""WebSockets of the client behave the same on both gateways. A handler is an `async def`, so a cell is a way in."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from ambi import App, HTTPError, Text, WebSocket, WebSocketClosed
from ambi.testing import Client, WebSocketRefused
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.testing.waiting import join_servers


@pytest.fixture(params=GATEWAYS, ids=lambda cell: cell.gateway if cell.gateway == "wsgi" else cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one way in after the other."""
    found: Cell = request.param
    return found


@pytest.fixture
def make_client(cell: Cell) -> Callable[..., Client]:
    """Give what makes a client. The judges of HTTP do not know WebSockets."""
    return lambda app, **options: Client(app, gateway=cell.gateway, backend=cell.backend, **options)


@pytest.fixture
def echo(app: App) -> None:
    """Register a handler that sends back what it gets."""

    @app.websocket("/echo", subprotocols=["v2", "v1"])
    async def echo(ws: WebSocket) -> None:
        await ws.accept(headers={"x-answer": "1"})
        async for message in ws:
            await ws.send(message)


@pytest.mark.parametrize("entered", [True, False])
def test_messages_go_both_ways(echo: None, client: Client, entered: bool) -> None:
    if entered:
        client.__enter__()
    try:
        with client.websocket("/echo") as ws:
            ws.send("text")
            assert ws.receive() == "text"
            ws.send(b"bytes")
            assert ws.receive_bytes() == b"bytes"
            ws.send_json({"a": 1})
            assert ws.receive_json() == {"a": 1}
            assert (ws.headers["x-answer"], ws.subprotocol, ws.close_code) == ("1", None, None)
            assert ws.response.status_code == 101
        assert (ws.close_code, ws.close_reason) == (1000, "")
    finally:
        if entered:
            client.__exit__(None, None, None)


def test_a_large_message_comes_in_one_piece(echo: None, client: Client) -> None:
    with client.websocket("/echo") as ws:
        ws.send("ü" * 300_000)
        assert ws.receive_text() == "ü" * 300_000


@pytest.mark.parametrize(("offered", "chosen"), [(["v1", "v2"], "v2"), (["v1"], "v1"), (["v9"], None)])
def test_a_subprotocol_is_chosen(echo: None, client: Client, offered: list[str], chosen: str | None) -> None:
    with client.websocket("/echo", subprotocols=offered) as ws:
        assert ws.subprotocol == chosen


def test_a_message_of_the_wrong_kind_is_told(echo: None, client: Client) -> None:
    with client.websocket("/echo") as ws:
        ws.send("text")
        with pytest.raises(TypeError, match="a binary message was expected, not 'text'"):
            ws.receive_bytes()
        ws.send(b"bytes")
        with pytest.raises(TypeError, match="a text message was expected, not b'bytes'"):
            ws.receive_text()


def test_iterating_ends_with_the_connection(app: App, client: Client) -> None:
    @app.websocket("/")
    async def count(ws: WebSocket) -> None:
        for n in range(3):
            await ws.send(str(n))
        await ws.close(4001, "enough")

    with client.websocket("/") as ws:
        assert list(ws) == ["0", "1", "2"]
        assert (ws.close_code, ws.close_reason) == (4001, "enough")
        for _ in range(2):
            with pytest.raises(WebSocketClosed) as caught:
                ws.receive()
            assert (caught.value.code, caught.value.reason) == (4001, "enough")
        with pytest.raises(WebSocketClosed):
            ws.send("too late")
        ws.close()
        assert ws.close_code == 4001


def test_the_handler_learns_how_the_client_closed(app: App, client: Client) -> None:
    seen: list[Any] = []

    @app.websocket("/")
    async def wait(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        seen.append((ws.close_code, ws.close_reason))

    with client.websocket("/") as ws:
        ws.close(4000, "bye")
        assert (ws.close_code, ws.close_reason) == (4000, "bye")
    with client.websocket("/"):
        pass
    assert seen == [(4000, "bye"), (1000, "")]


def test_a_message_that_does_not_come_is_not_waited_for_for_ever(echo: None, client: Client) -> None:
    with client.websocket("/echo") as ws:
        with pytest.raises(TimeoutError, match=r"no message came within 0\.01 seconds"):
            ws.receive(timeout=0.01)
        ws.send("still open")
        assert ws.receive_text(timeout=None) == "still open"


@pytest.mark.parametrize(
    ("path", "status", "body"), [("/denied", 418, "teapot"), ("/refused", 403, ""), ("/missing", 404, "")]
)
def test_a_refusal_has_its_response(app: App, client: Client, path: str, status: int, body: str) -> None:
    app.websocket("/denied")(_denies)
    app.websocket("/refused")(_refuses)
    with pytest.raises(WebSocketRefused, match=f"was refused with {status}") as caught, client.websocket(path):
        pass
    assert caught.value.response.status_code == status
    assert body in caught.value.response.text


async def _denies(ws: WebSocket) -> Text:
    return Text("teapot", 418)


async def _refuses(ws: WebSocket) -> None:
    raise HTTPError(403)


def test_the_handshake_is_a_request_as_any_other(app: App, client: Client) -> None:
    @app.websocket("/{name}")
    async def tell(ws: WebSocket, name: str) -> None:
        await ws.accept(headers={"set-cookie": "new=2; Path=/"})
        await ws.send_json(
            [name, ws.query["q"], dict(ws.cookies), ws.headers["x-a"], ws.request.host, ws.request.scheme]
        )

    client.cookies.set("kept", "1")
    with client.websocket("wss://shop.example/ü", params={"q": 1}, headers={"x-a": "b"}, cookies={"own": "3"}) as ws:
        assert ws.receive_json() == ["ü", "1", {"kept": "1", "own": "3"}, "b", "shop.example", "https"]
    assert client.cookies.get("new") == "2"


class Crash(Exception):
    """What a handler fails with."""


def test_a_handler_that_crashes_is_raised_where_the_test_waits(app: App, make_client: MakeClient) -> None:
    crash = Crash()

    @app.websocket("/")
    async def fail(ws: WebSocket) -> None:
        await ws.receive()
        raise crash

    with make_client(app).websocket("/") as ws:
        ws.send("now")
        with pytest.raises(Crash) as caught:
            ws.receive()
    assert caught.value is crash


def test_a_handler_that_crashes_is_raised_at_the_end(app: App, make_client: MakeClient) -> None:
    @app.websocket("/")
    async def fail(ws: WebSocket) -> None:
        await ws.accept()
        try:
            await ws.receive()
        except WebSocketClosed:
            raise Crash from None

    with pytest.raises(Crash), make_client(app).websocket("/"):
        pass


def test_a_handler_that_crashes_before_it_accepts_is_raised(app: App, make_client: MakeClient) -> None:
    @app.websocket("/")
    async def fail(ws: WebSocket) -> None:
        raise Crash

    with pytest.raises(Crash), make_client(app).websocket("/"):
        pass
    with pytest.raises(WebSocketRefused) as caught, make_client(app, raise_server_exceptions=False).websocket("/"):
        pass
    assert caught.value.response.status_code == 500


def test_without_it_a_crash_is_a_1011(app: App, make_client: MakeClient) -> None:
    @app.websocket("/")
    async def fail(ws: WebSocket) -> None:
        await ws.accept()
        raise Crash

    with make_client(app, raise_server_exceptions=False).websocket("/") as ws:
        assert list(ws) == []
    assert ws.close_code == 1011


def test_the_exception_of_the_test_comes_first(app: App, make_client: MakeClient) -> None:
    @app.websocket("/")
    async def fail(ws: WebSocket) -> None:
        await ws.accept()
        try:
            await ws.receive()
        finally:
            raise Crash

    with pytest.raises(LookupError), make_client(app).websocket("/"):
        raise LookupError("of the test")


def test_a_handler_that_does_not_end_fails_the_test(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("websocket_asgi", "websocket_wsgi"):
        monkeypatch.setattr(f"ambi.testing.{module}.PATIENCE_S", 0.05)

    gate = threading.Event()

    @app.websocket("/")
    async def stay(ws: WebSocket) -> None:
        await ws.accept()
        with anyio.CancelScope(shield=cell.gateway == "wsgi"):
            while not gate.is_set():
                await anyio.sleep(0.002)

    try:
        with pytest.raises(TimeoutError, match="went on for"), client.websocket("/"):
            pass
    finally:
        gate.set()
        join_servers()


def test_an_application_that_is_none_of_ours_may_answer_wrongly() -> None:
    """ASGI alone: what an application may send, and when, is known there alone."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def hasty(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "too early"})

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def leaves(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    with pytest.raises(RuntimeError, match="without an answer to the handshake"), Client(silent).websocket("/"):
        pass
    with pytest.raises(RuntimeError, match=r"'websocket.send' was sent while the connection was connecting"), Client(hasty).websocket("/"):  # fmt: skip
        pass
    with pytest.raises(WebSocketRefused, match="403"), Client(plain).websocket("/"):
        pass
    with Client(leaves).websocket("/") as ws:
        with pytest.raises(WebSocketClosed) as caught:
            ws.receive()
        assert caught.value.code == 1006


def test_text_that_has_no_utf_8_is_sent_by_neither_side(echo: None, client: Client) -> None:
    async def sends(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "\ud800"})

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000, "reason": "\ud800"})

    for application in (sends, closes):
        with pytest.raises(UnicodeEncodeError), Client(application).websocket("/"):
            pass
    with client.websocket("/echo") as ws:
        with pytest.raises(UnicodeEncodeError):
            ws.send("\ud800")
        with pytest.raises(UnicodeEncodeError):
            ws.close(4000, "\ud800")
        ws.send("still open")
        assert ws.receive_text() == "still open"


@pytest.mark.parametrize("gateway", ["wsgi", "asgi", "both"])
def test_after_its_own_close_a_test_is_told_its_own_code(no_leaks: None, app: App, gateway: Any) -> None:
    @app.websocket("/own-close")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    with Client(app, gateway) as client, client.websocket("/own-close") as ws:
        with pytest.raises(
            TypeError, match="text or bytes can be sent, not {'a': 1}; any other value goes to send_json"
        ):
            ws.send({"a": 1})  # type: ignore[arg-type]  # on purpose
        ws.close(4000, "enough")
        for use in (ws.receive, lambda: ws.send("late")):
            with pytest.raises(WebSocketClosed) as caught:
                use()
            assert (caught.value.code, caught.value.reason) == (4000, "enough")
