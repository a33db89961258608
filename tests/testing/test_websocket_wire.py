"""What applications may do that are none of ours, seen from each wire. Each test is for one gateway, whose protocol it is about."""

import socket
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Request

from ambi import App, WebSocket, WebSocketClosed
from ambi.testing import BrokenAnswer, Client, WebSocketRefused
from tests.children import run_python


class Crash(Exception):
    """What an application fails with."""


def accepted(environ: dict[str, Any]) -> tuple[socket.socket, WSConnection]:
    """Accept a handshake on the socket that is lent, as a server made of wsproto alone."""
    lent: socket.socket = environ["gunicorn.socket"]
    connection = WSConnection(ConnectionType.SERVER)
    names = ("host", "connection", "upgrade", "sec-websocket-version", "sec-websocket-key")
    fields = "".join(f"{name}: {environ['HTTP_' + name.upper().replace('-', '_')]}\r\n" for name in names)
    connection.receive_data(f"GET / HTTP/1.1\r\n{fields}\r\n".encode())
    assert isinstance(next(connection.events()), Request)
    lent.sendall(connection.send(AcceptConnection()))
    return lent, connection


# --- WSGI ---


def test_a_wsgi_application_may_fail_before_it_answers(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise Crash

    with pytest.raises(Crash), Client(app, "wsgi").websocket("/"):
        pass


def test_a_wsgi_application_may_let_go_without_a_word(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise StopIteration

    with pytest.raises(RuntimeError, match="without an answer to the handshake"), Client(app, "wsgi").websocket("/"):
        pass


def test_a_wsgi_application_may_know_no_websockets(no_leaks: None) -> None:
    closed: list[str] = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append("closed")

    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a ")
        return Body([b"pa", b"ge"])

    with pytest.raises(WebSocketRefused, match="was refused with 200 OK: a page") as caught, Client(app, "wsgi").websocket("/"):  # fmt: skip
        pass
    assert (caught.value.response.headers["content-type"], closed) == ("text/plain", ["closed"])


def test_a_wsgi_application_has_to_say_what_the_answer_to_a_handshake_is(no_leaks: None) -> None:
    def silent(environ: Any, start_response: Any) -> Any:
        return [b"x"]

    with pytest.raises(BrokenAnswer, match="without a call of start_response"), Client(silent, "wsgi").websocket("/"):
        pass


def test_a_wsgi_application_that_breaks_the_protocol_fails_the_test(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["gunicorn.socket"].sendall(b"nonsense\r\n\r\n")
        raise StopIteration

    with pytest.raises(AssertionError, match="broke the protocol of WebSockets"), Client(app, "wsgi").websocket("/"):
        pass


def test_a_connection_that_a_wsgi_application_breaks_off_is_a_1006(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        accepted(environ)
        raise StopIteration

    with Client(app, "wsgi").websocket("/") as ws:
        for _ in range(2):
            with pytest.raises(WebSocketClosed) as caught:
                ws.receive()
            assert caught.value.code == 1006
        with pytest.raises(WebSocketClosed):
            ws.send("too late")


def test_a_wsgi_application_may_fail_in_the_middle(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        accepted(environ)
        raise Crash

    with pytest.raises(Crash), Client(app, "wsgi").websocket("/") as ws:
        assert list(ws) == []


def test_pings_are_answered(no_leaks: None) -> None:
    seen: list[bytes] = []

    def app(environ: Any, start_response: Any) -> Any:
        lent, connection = accepted(environ)
        lent.sendall(connection.send(Ping(b"1")))
        connection.receive_data(lent.recv(1000))
        seen.extend(bytes(event.payload) for event in connection.events())  # type: ignore[attr-defined]
        raise StopIteration

    with Client(app, "wsgi").websocket("/") as ws:
        assert list(ws) == []
    assert seen == [b"1"]


def test_a_client_that_does_not_see_the_end_closes_anyway(no_leaks: None) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        lent, _ = accepted(environ)
        while lent.recv(1000):
            pass
        raise StopIteration

    with Client(app, "wsgi").websocket("/") as ws, pytest.MonkeyPatch.context() as patched:
        patched.setattr("ambi.testing.websocket_wsgi.PATIENCE_S", 0.05)
        ws.close()


def test_without_wsproto_the_install_line_is_told() -> None:
    said = run_python("""
        import sys
        sys.modules["wsproto"] = None
        from ambi import App
        from ambi.testing import Client
        try:
            with Client(App(), "wsgi").websocket("/"): pass
        except ImportError as error:
            print(error)
    """)
    assert "pip install 'ambi[websocket]'" in said


# --- ASGI ---


async def _denies_bit_by_bit(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"X-A", b"1")]})
    await send({"type": "websocket.http.response.body", "body": b"tea", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"pot"})


def test_a_denial_may_come_bit_by_bit(no_leaks: None) -> None:
    with pytest.raises(WebSocketRefused) as caught, Client(_denies_bit_by_bit).websocket("/"):
        pass
    response = caught.value.response
    assert (response.status_code, response.headers["x-a"], response.text) == (418, "1", "teapot")


def test_an_asgi_application_may_fail_in_the_middle(no_leaks: None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": "v1"})
        await send({"type": "websocket.send", "bytes": b"x"})
        raise Crash

    with pytest.raises(Crash), Client(app).websocket("/", subprotocols=["v1"]) as ws:
        assert (ws.subprotocol, ws.receive()) == ("v1", b"x")
        assert list(ws) == []


def test_a_send_to_a_client_that_has_left_is_an_os_error(no_leaks: None) -> None:
    seen: list[type] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": "websocket.send", "text": "x"})
        except Exception as exc:
            seen.append(type(exc))

    with Client(app).websocket("/"):
        pass
    assert seen == [OSError]


def test_a_session_is_used_in_its_block(no_leaks: None) -> None:
    """On either gateway there is nothing to send through before and after it."""
    app = App()

    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    for gateway in ("wsgi", "asgi"):
        with Client(app, gateway).websocket("/") as ws:
            pass
        with pytest.raises((WebSocketClosed, RuntimeError, OSError)):
            ws.send("after")


def test_a_client_of_another_loop_is_no_trouble(no_leaks: None) -> None:
    """Many connections at once, each on a loop of its own where the client was not entered."""
    app = App()

    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    client = Client(app)
    with client.websocket("/") as one, client.websocket("/") as two:
        one.send("1")
        two.send("2")
        assert (one.receive(), two.receive()) == ("1", "2")
