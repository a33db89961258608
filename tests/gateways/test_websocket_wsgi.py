"""Our own WebSocket, on the socket that a WSGI server lends. Under WSGI alone: under ASGI this is the server's affair."""

import asyncio
import contextlib
import contextvars
import os
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from ambi import App, Limits, Middleware, Request, WebSocket, WebSocketClosed
from ambi.bridge.background import settle_in_process
from ambi.bridge.inbox import MAX_MESSAGES
from ambi.bridge.ticking import ticker_here
from ambi.gateways import socket_link, wsgi_websocket
from ambi.gateways.deflate import agree
from tests.calls import call_wsgi, environ_of
from tests.cells import GATEWAYS, Cell
from tests.gateways.peers import LEFT_WHILE_ANSWERED, Closed, SocketPeer, connecting, left_while_answered

HANDSHAKE: dict[str, Any] = {
    "HTTP_CONNECTION": "keep-alive, Upgrade", "HTTP_UPGRADE": "WebSocket", "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==", "HTTP_HOST": "testserver", "CONTENT_LENGTH": None,
}  # fmt: skip


def handshake(**changes: Any) -> dict[str, Any]:
    """Make the environ of a handshake."""
    keys: dict[str, Any] = {**HANDSHAKE, **changes}
    return environ_of(**keys)


@pytest.fixture
def cell(no_leaks: None, no_blocking: None) -> Cell:
    """Give the one way in."""
    return GATEWAYS[0]


@pytest.fixture
def connect(cell: Cell) -> Iterator[Any]:
    """Give what connects a client."""
    with connecting(cell) as connect:
        yield connect


def echo_app(**limits: float) -> App:
    app = App(limits=Limits(**limits))

    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    return app


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False, masked: bool = True) -> bytes:
    """Make a frame, with a mask of zeros."""
    length = len(payload)
    size = (
        bytes([length])
        if length < 126
        else b"\x7e" + struct.pack("!H", length)
        if length < 65536
        else b"\x7f" + struct.pack("!Q", length)
    )
    first = bytes([fin << 7 | rsv1 << 6 | opcode, size[0] | masked << 7])
    return first + size[1:] + (b"\0\0\0\0" if masked else b"") + payload


def closed(peer: SocketPeer) -> tuple[int, str]:
    with pytest.raises(Closed) as caught:
        while True:
            peer.receive()
    return caught.value.args


# --- the handshake ---


def test_the_answer_is_that_of_the_rfc(connect: Any) -> None:
    peer = connect(echo_app(), environ=HANDSHAKE, waits=False)
    answer = peer.socket.recv(65536)
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # RFC 6455 1.3
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("changes", "status", "fields"),
    [
        ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, 426, {"sec-websocket-version": "13"}),
        ({"HTTP_SEC_WEBSOCKET_VERSION": None}, 426, {"sec-websocket-version": "13"}),
        ({"HTTP_SEC_WEBSOCKET_KEY": None}, 400, {}),
        ({"HTTP_SEC_WEBSOCKET_KEY": "c2hvcnQ="}, 400, {}),
        ({"HTTP_SEC_WEBSOCKET_KEY": "not base64!"}, 400, {}),
        ({"HTTP_HOST": "a b"}, 400, {}),
        ({"PATH_INFO": "/missing"}, 404, {}),
        # These ask for no WebSocket: they are ordinary requests to the path of one.
        ({"HTTP_CONNECTION": "keep-alive"}, 426, {}),
        ({"HTTP_CONNECTION": None}, 426, {}),
        ({"HTTP_UPGRADE": "h2c"}, 426, {}),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, 426, {}),
        ({"REQUEST_METHOD": "POST"}, 405, {"allow": "GET, OPTIONS"}),
    ],
)
def test_a_handshake_that_is_none_is_answered_in_http(
    cell: Cell, changes: Any, status: int, fields: dict[str, str]
) -> None:
    here, there = socket.socketpair()
    with here, there:
        environ = handshake(**{"gunicorn.socket": there, **changes})
        found, headers, _ = call_wsgi(echo_app(), environ)
    assert (found, {name: headers.get(name) for name in fields}) == (status, fields)


@pytest.mark.parametrize(("how", "status"), LEFT_WHILE_ANSWERED)
def test_what_was_not_answered_was_not_accepted(cell: Cell, how: str, status: int) -> None:
    app, events = left_while_answered(how)
    here, there = socket.socketpair()
    here.close()
    with there, pytest.raises(ConnectionError):  # by which Werkzeug lets go of the connection
        call_wsgi(app, handshake(**{"werkzeug.socket": there}))
    assert events == [(False, True), status, (499, False)]


def test_the_500_of_what_was_cancelled_is_made_in_the_context_of_the_request(cell: Cell) -> None:
    app, seen = App(), []
    user = contextvars.ContextVar("user", default="nobody")

    @app.middleware
    def layer(request: Request) -> Middleware:
        user.set("set by the layer")
        request.on_response(lambda response: seen.append(f"{response.status}, {user.get()}"))
        yield

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        raise asyncio.CancelledError

    here, there = socket.socketpair()
    with here, there:
        assert call_wsgi(app, handshake(**{"gunicorn.socket": there}))[0] == 500
    assert seen == ["500, set by the layer"]


def test_a_server_without_a_socket_is_told_apart(cell: Cell) -> None:
    status, _, body = call_wsgi(echo_app(), handshake())
    assert (status, b"lends no socket" in body) == (501, True)


def test_a_socket_with_tls_is_told_apart(cell: Cell) -> None:
    class Encrypted:
        def unwrap(self) -> None: ...

    status, _, body = call_wsgi(echo_app(), handshake(**{"gunicorn.socket": Encrypted()}))
    assert (status, b"TLS" in body) == (501, True)


@pytest.mark.parametrize("missing", ["wsproto", "another"])
def test_without_the_extra_the_answer_names_it(cell: Cell, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "ambi.gateways.socket_link", raising=False)
    monkeypatch.delitem(sys.modules, "ambi.gateways.deflate", raising=False)
    name = "wsproto" if missing == "wsproto" else "ambi.bridge.inbox"
    monkeypatch.delattr("ambi.gateways.socket_link", raising=False)
    for loaded in [module for module in sys.modules if module.startswith("wsproto") or module == "ambi.bridge.inbox"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, name, None)
    here, there = socket.socketpair()
    with here, there:
        status, _, body = call_wsgi(echo_app(), handshake(**{"gunicorn.socket": there}))
    if missing == "wsproto":
        assert (status, b"pip install 'ambi[websocket]'" in body) == (501, True)
    else:
        assert status == 500  # a broken installation is no missing extra


@pytest.mark.parametrize(("lend", "raised"), [("gunicorn.socket", StopIteration), ("werkzeug.socket", ConnectionError)])
def test_the_server_is_left_by_the_exception_it_knows(connect: Any, lend: str, raised: type[Exception]) -> None:
    peer = connect(echo_app(), lend=lend)
    assert peer.lent.gettimeout() == 0
    peer.close()
    peer.ended()
    assert type(peer.raised) is raised


def test_the_socket_blocks_again_as_it_did(connect: Any) -> None:
    settings: list[float | None] = []
    app = echo_app()

    def server(environ: Any, start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        finally:
            settings.append(environ["werkzeug.socket"].gettimeout())

    peer = connect(server)
    peer.close()
    peer.ended()
    assert settings == [10.0]


def test_there_are_so_many_websockets_and_no_more(connect: Any) -> None:
    app = echo_app(max_websockets=2)
    peers = [connect(app), connect(app)]
    refused = connect(app)
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    peers[0].close()
    peers[0].ended()
    assert connect(app).status == 101


# --- frames ---


def test_fragments_with_control_frames_between_them_are_one_message(connect: Any) -> None:
    peer = connect(echo_app())
    peer.socket.sendall(
        frame(1, b"\xc3", fin=False) + frame(9, b"now") + frame(0, b"\xbc", fin=False) + frame(10) + frame(0, b"!")
    )
    pong, message = peer.next_event(), peer.next_event()
    assert isinstance(pong, Pong)
    assert (bytes(pong.payload), message.data) == (b"now", "ü!")


@pytest.mark.parametrize(
    ("opcode", "parts"),
    [
        (1, ["", "", ""]), (2, [b"", b""]), (1, ["", "a\r\n", "", "ü€", "\U0001f600"]), (2, [b"a", b"", b"\r\n"]),
    ],
)  # fmt: skip
def test_fragments_without_a_byte_are_part_of_a_message_too(connect: Any, opcode: int, parts: list[Any]) -> None:
    peer = connect(echo_app())
    whole = type(parts[0])().join(parts)
    data = [part.encode() if isinstance(part, str) else part for part in parts]
    for _ in range(2):
        peer.socket.sendall(
            frame(opcode, data[0], fin=False)
            + b"".join(frame(0, part, fin=False) for part in data[1:-1])
            + frame(0, data[-1])
        )
        assert peer.receive() == whole


@pytest.mark.parametrize("part", ["", "xy", b"", b"xy"])
def test_what_is_kept_of_fragments_is_not_much_more_than_their_bytes(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, part: Any
) -> None:
    """A limit on the bytes of a message is none on memory where every part of it, or one without a byte, is kept."""
    import tracemalloc

    async def take() -> int:
        link: Any = socket_link.SocketLink({}, None, Limits())  # type: ignore[arg-type]  # nothing asks for it here
        link._max_message_bytes = 20_000
        make: Any = TextMessage if isinstance(part, str) else BytesMessage
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            assert await link._take_part(make(data=part[:1] + part[1:], message_finished=False))
        return tracemalloc.get_traced_memory()[0] - before

    monkeypatch.setattr(socket_link, "LentSocket", lambda lent: lent)
    tracemalloc.start()
    try:
        assert anyio.run(take) < 50_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"\xff"), 1007),
        (frame(1, b"\xc3", fin=False) + frame(0, b"x"), 1007),
        (frame(1, b"x", masked=False), 1002),
        (frame(3, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(1, b"x", rsv1=True), 1002),
        (frame(8, b"\x03"), 1002),
        (frame(8, b"\x03\xed"), 1002),
        (frame(8, b"\x03\xe8\xff"), 1007),
        (frame(2, b"x" * 101), 1009),
        (frame(2, b"x" * 60, fin=False) + frame(0, b"x" * 41), 1009),
    ],
)
def test_a_violation_fails_the_connection_with_its_code(connect: Any, data: bytes, code: int) -> None:
    app, seen = App(limits=Limits(max_message_bytes=100)), []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send("ready")
        with contextlib.suppress(WebSocketClosed):
            await ws.receive()
        seen.append(ws.close_code)

    peer = connect(app)
    assert peer.receive() == "ready"
    peer.socket.sendall(data + b"more that nobody reads" * 1000)
    assert closed(peer)[0] == code  # it arrives, though there were unread bytes
    peer.ended()
    assert seen == [code]


def test_a_close_frame_without_a_code_is_1005(connect: Any) -> None:
    app, seen = App(), []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        seen.append((ws.close_code, ws.close_reason))

    peer = connect(app)
    peer.socket.sendall(frame(8))
    assert closed(peer) == (1005, "")
    peer.ended()
    assert seen == [(1005, "")]


# --- compression ---


NO_WINDOW_BITS = (
    "", '""', "010", "1_0", "+10", "10.", "\xa010", "\v10", "１０", '1"0', '"10', '"10""', '"1\\0"', "100",
)  # fmt: skip
"""What `int` reads, or is no number from 8 to 15 in the digits of ASCII. See: RFC 7692 7.1.2.1, 7.1.2.2."""


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        ('permessage-deflate; server_max_window_bits="10"', "permessage-deflate; server_max_window_bits=10"),
        ("permessage-deflate;server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=x", None),
        *((f"permessage-deflate; client_max_window_bits={bits}", None) for bits in NO_WINDOW_BITS),
        *((f"permessage-deflate; server_max_window_bits={bits}", None) for bits in NO_WINDOW_BITS),
        ('permessage-deflate; client_max_window_bits = "9"', "permessage-deflate; client_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; client_no_context_takeover=1", None),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
        ("other, permessage-deflate", "permessage-deflate"),
    ],
)
def test_the_first_offer_that_can_be_had_is_taken(offer: str, answer: str | None) -> None:
    agreed = agree(offer, 100)
    assert (agreed and agreed[1]) == answer


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_messages_are_deflated_both_ways(connect: Any) -> None:
    peer = connect(echo_app(), offer_deflate=True)
    for message in ("x" * 100_000, b"y" * 10, "", "ünï" * 1000):
        peer.send(message)
        assert peer.receive() == message


@pytest.mark.parametrize("opcode", [9, 10])
def test_a_control_frame_that_comes_in_two_pieces_changes_nothing(opcode: int) -> None:
    """wsproto shows the header of a frame again when the rest of it was not there yet."""
    agreed = agree("permessage-deflate", 1000)
    assert agreed is not None
    connection = Connection(ConnectionType.SERVER, [agreed[0]])
    sent = frame(opcode, b"p") + frame(1, deflate(b"hello"), rsv1=True)
    for cut in range(1, len(sent)):
        said: list[str] = []
        for piece in (sent[:cut], sent[cut:]):
            connection.receive_data(piece)
            said += [event.data for event in connection.events() if isinstance(event, TextMessage)]
        assert "".join(said) == "hello", cut


def test_a_control_frame_between_deflated_fragments_changes_nothing(connect: Any) -> None:
    peer = connect(echo_app(), offer_deflate=True)
    data = deflate(b"hello, hello, hello")
    peer.socket.sendall(frame(9) + frame(1, data[:4], fin=False, rsv1=True) + frame(9) + frame(0, data[4:]))
    assert peer.receive() == "hello, hello, hello"
    peer.socket.sendall(frame(1, b"pl", fin=False) + frame(10) + frame(0, b"ain"))
    assert peer.receive() == "plain"
    peer.socket.sendall(frame(10) + frame(2, deflate(b"again"), rsv1=True))
    assert peer.receive() == b"again"


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_bomb_is_noticed_before_it_goes_off(connect: Any, fragmented: bool) -> None:
    import tracemalloc

    bomb = deflate(bytes(64 << 20))
    assert len(bomb) < 70_000
    peer = connect(echo_app(max_message_bytes=1 << 20), offer_deflate=True)
    tracemalloc.start()
    try:
        if fragmented:
            parts = [bomb[at : at + 1000] for at in range(0, len(bomb), 1000)]
            data = b"".join(
                frame(0 if at else 2, part, rsv1=not at, fin=at == len(parts) - 1) for at, part in enumerate(parts)
            )
        else:
            data = frame(2, bomb, rsv1=True)
        peer.socket.sendall(data)
        assert closed(peer)[0] == 1009
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("size", "code"), [(100, None), (101, 1009)])
def test_a_message_is_weighed_when_it_is_inflated(connect: Any, size: int, code: int | None) -> None:
    peer = connect(echo_app(max_message_bytes=100), offer_deflate=True)
    peer.send(b"x" * size)
    if code is None:
        assert peer.receive() == b"x" * size
    else:
        assert closed(peer)[0] == code


def test_what_does_not_inflate_is_1007(connect: Any) -> None:
    peer = connect(echo_app(), offer_deflate=True)
    peer.socket.sendall(frame(2, b"\xff\xff\xff", rsv1=True))
    assert closed(peer)[0] == 1007


def ended_deflate(data: bytes) -> bytes:
    """Deflate with a last block, behind which stands the rest of an empty one. See: RFC 7692 7.2.3.4."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush() + b"\0"


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("offer", ["permessage-deflate", "permessage-deflate; client_no_context_takeover"])
def test_a_message_whose_last_block_is_the_last_of_its_stream_does_not_silence_those_behind_it(
    offer: str, size: int
) -> None:
    said = [b"one", b"two", b"", b"three" * 9, b"four", b"five"]
    stream = zlib.compressobj(wbits=-15)
    deflated = [ended_deflate(said[0]), ended_deflate(said[1])[:-1], ended_deflate(said[2])]
    deflated += [(stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4] for data in said[3:5]]
    sent = b"".join(frame(2, data, rsv1=True) for data in deflated) + frame(2, said[5])
    agreed = agree(offer, 1000)
    assert agreed is not None
    connection, heard = Connection(ConnectionType.SERVER, [agreed[0]]), [b""]
    for at in range(0, len(sent), size):
        connection.receive_data(sent[at : at + size])
        for event in connection.events():
            assert isinstance(event, BytesMessage), event
            heard[-1] += event.data
            heard += [b""] * event.message_finished
    assert heard == [*said, b""]


@pytest.mark.parametrize("more", [b"\0\0", b"x", ended_deflate(b"more"), deflate(b"more"), bytes(5000)])
def test_what_stands_behind_the_last_block_of_a_stream_is_1007(connect: Any, more: bytes) -> None:
    peer = connect(echo_app(), offer_deflate=True)
    peer.socket.sendall(frame(1, ended_deflate(b"one") + more, rsv1=True))
    assert closed(peer)[0] == 1007


# --- waiting ---


def test_a_silent_client_is_pinged_and_one_that_answers_stays(connect: Any) -> None:
    peer = connect(echo_app(websocket_ping_s=0.05, websocket_pong_s=5))
    for _ in range(3):
        assert isinstance(peer.next_event(), Ping)
    peer.send("still here")
    assert peer.receive() == "still here"


def test_a_client_that_answers_no_ping_is_given_up(connect: Any) -> None:
    app, seen = App(limits=Limits(websocket_ping_s=0.05, websocket_pong_s=0.05)), []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        seen.append(ws.close_code)

    peer = connect(app)
    peer.ended()
    assert seen == [1011]


def test_a_connection_without_messages_ends_with_1001(connect: Any) -> None:
    peer = connect(echo_app(websocket_idle_s=0.1))
    assert closed(peer) == (1001, "no message for a long time")


def test_a_client_that_does_not_answer_a_close_is_left(connect: Any) -> None:
    app = App(limits=Limits(websocket_close_s=0.05))

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000)

    peer = connect(app)
    began = time.monotonic()
    peer.ended()
    assert time.monotonic() - began < 3
    event = peer.next_event()
    assert isinstance(event, CloseConnection)
    assert event.code == 4000


def test_a_client_that_takes_nothing_is_left(connect: Any) -> None:
    app, seen = App(limits=Limits(websocket_pong_s=0.1)), []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        try:
            while True:
                await ws.send(bytes(100_000))
        except WebSocketClosed as exc:
            seen.append((exc.code, isinstance(exc.__cause__, TimeoutError)))

    peer = connect(app)
    peer.ended()
    assert seen == [(1006, True)]


def test_a_handler_that_takes_nothing_makes_the_client_wait(connect: Any) -> None:
    app, go_on = App(), threading.Event()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        while not go_on.is_set():
            await anyio.sleep(0.01)
        total = 0
        while (message := await ws.receive()) != "last":
            total += len(message)
        await ws.send(str(total))

    peer = connect(app)
    peer.socket.settimeout(0.5)
    data, sent = frame(2, bytes(100_000)), 0
    with pytest.raises(TimeoutError):
        while True:
            sent += peer.socket.send(data[sent % len(data) :])
    assert sent < (MAX_MESSAGES + 40) * len(data)
    go_on.set()
    peer.socket.settimeout(10)
    peer.socket.sendall(data[sent % len(data) :] + frame(1, b"last"))
    assert peer.receive() == str((sent // len(data) + 1) * 100_000)


def test_a_handler_that_ends_with_messages_left_closes_all_the_same(connect: Any) -> None:
    app = App()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.receive()

    peer = connect(app)
    for _ in range(100):
        peer.send("x" * 10_000)
    assert closed(peer) == (1000, "")


def test_a_ping_is_answered_while_a_large_message_is_written(connect: Any) -> None:
    app = App()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send(bytes(5_000_000))
        async for message in ws:
            await ws.send(message)

    peer = connect(app)
    peer.socket.sendall(frame(9, b"1") + frame(9, b"2"))  # the handler waits for room by now
    time.sleep(0.1)
    received, pongs = 0, []
    while received < 5_000_000 or not pongs:
        event = peer.next_event()
        if isinstance(event, BytesMessage):
            received += len(event.data)
        else:
            pongs.append(bytes(event.payload))
    assert (received, pongs) == (5_000_000, [b"2"])  # of several, only the last is due
    peer.send("x")
    event = peer.next_event()
    assert isinstance(event, TextMessage)
    assert event.data == "x"


@pytest.mark.parametrize("offer_deflate", [False, True], ids=["plain", "deflated"])
@pytest.mark.parametrize("then", ["a message", "a ping", "nothing", "the end"])
def test_what_a_cancelled_send_has_begun_is_finished(connect: Any, offer_deflate: bool, then: str) -> None:
    app, noise, cancelled = App(), os.urandom(2_000_000), threading.Event()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        with anyio.move_on_after(0.1):
            await ws.send(noise)
        cancelled.set()
        if then == "a message":
            await ws.send("x")
        if then != "the end":
            await ws.receive()

    peer = connect(app, offer_deflate=offer_deflate)
    assert cancelled.wait(10)
    if then == "a ping":
        peer.socket.sendall(frame(9, b"1"))
    assert b"".join(parts_of(peer)) == noise
    if then == "a message":
        assert peer.receive() == "x"
    elif then == "a ping":
        event = peer.next_event()
        assert isinstance(event, Pong)
    elif then == "the end":
        assert closed(peer) == (1000, "")


def test_a_send_that_is_cancelled_behind_another_one_has_begun_nothing(connect: Any) -> None:
    app, noise, cancelled = App(), os.urandom(2_000_000), threading.Event()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        for message in (noise, noise, "lost"):
            with anyio.move_on_after(0.1):
                await ws.send(message)
        cancelled.set()
        await ws.send("last")

    peer = connect(app, offer_deflate=True)
    assert cancelled.wait(10)
    assert b"".join(parts_of(peer)) == noise
    assert peer.receive() == "last"


def test_the_rest_of_a_cancelled_send_is_given_up_where_the_client_takes_nothing(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_link, "_LINGER_S", 0.1)
    app, seen = App(limits=Limits(websocket_pong_s=0.2)), []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        with anyio.move_on_after(0.1):
            await ws.send(bytes(5_000_000))
        try:
            await ws.receive()
        except WebSocketClosed as exc:
            seen.append(exc.code)

    connect(app).ended()
    assert seen == [1006]


def test_a_client_that_takes_the_rest_of_a_cancelled_send_slowly_does_not_hold_the_end(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_link, "_LINGER_S", 0.1)
    app = App(limits=Limits(websocket_pong_s=0.3, websocket_close_s=0.1))

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        with anyio.move_on_after(0.1):
            await ws.send(bytes(50_000_000))

    peer = connect(app)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while peer._thread.is_alive() and time.monotonic() - began < 5:
            peer.socket.recv(100_000)
            time.sleep(0.05)
    peer.ended()
    assert time.monotonic() - began < 4  # the whole of it would take 25 seconds


def parts_of(peer: SocketPeer) -> Iterator[bytes]:
    """Give the parts of the binary message that comes next."""
    while True:
        event = peer.next_event()
        assert isinstance(event, BytesMessage), event
        yield bytes(event.data)
        if event.message_finished:
            return


def test_a_flood_of_pings_leaves_turns_of_the_loop_to_others(connect: Any) -> None:
    app, turns = App(), [0]

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async def count() -> None:
            while True:
                turns[0] += 1
                await anyio.sleep(0)

        async with anyio.create_task_group() as group:
            await ws.send("ready")
            group.start_soon(count)
            await ws.receive()
            began = turns[0]
            await ws.receive()
            await ws.send(str(turns[0] - began))
            group.cancel_scope.cancel()

    peer = connect(app)
    assert peer.receive() == "ready"
    peer.socket.sendall(
        frame(1, b"begin") + frame(9) * 200 + frame(1, b"end")
    )  # as many answers as the socket takes at once
    assert int(peer.receive()) >= 10


# --- the end ---


def test_both_sides_may_close_at_once(connect: Any) -> None:
    app, go_on = App(), threading.Event()

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        while not go_on.is_set():
            await anyio.sleep(0.01)
        await ws.close(4001)

    peer = connect(app)
    peer.socket.sendall(peer.connection.send(CloseConnection(code=4002)))
    go_on.set()
    peer.ended()


def test_nothing_is_left_open_when_the_client_breaks_off(connect: Any) -> None:
    peer = connect(echo_app())
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)) if os.name == "posix" else None
    peer.vanish()
    peer.ended()
    assert wsgi_websocket._open == set()


def cancelled_within() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("end", "raised", "code"), [(cancelled_within, ConnectionError, 1011), (sys.exit, SystemExit, 1006)]
)
def test_a_handler_that_ends_in_no_ordinary_error_leaves_its_connection(
    connect: Any, end: Any, raised: type[BaseException], code: int
) -> None:
    """Who exits is the server's to deal with: an ASGI server has the same exit."""
    app = App()
    events: list[Any] = []
    links: list[Any] = []

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        ws.request.on_sent(lambda sent: events.append((sent.status, sent.is_complete)))
        ws.request.after(events.append, "after")
        await ws.accept()
        links.append((ws._link, ticker_here()))
        end()

    peer = connect(app)
    assert closed(peer)[0] == code
    peer.ended()
    assert isinstance(peer.raised, raised)
    ((link, ticker),) = links
    assert (link in ticker._open, link._socket._tasks, link in wsgi_websocket._open) == (False, set(), False)
    settle_in_process()
    assert events == [(101, True), "after"]
