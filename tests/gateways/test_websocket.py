"""WebSockets behave the same on both gateways. The handler is an `async def`, so a cell is a way in; layers have colours."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from ambi import App, HTTPError, Limits, Middleware, Request, Response, Router, Text, WebSocket, WebSocketClosed
from ambi.bridge.stopping import forget_stopping, tell_stopping
from ambi.testing import Client, WebSocketRefused
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.gateways.peers import Closed, Connect, connecting


@pytest.fixture(params=GATEWAYS, ids=lambda cell: cell.gateway if cell.gateway == "wsgi" else cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one way in after the other."""
    found: Cell = request.param
    return found


@pytest.fixture
def connect(cell: Cell) -> Iterator[Connect]:
    """Give what connects a client."""
    with connecting(cell) as connect:
        yield connect


@pytest.fixture
def events() -> list[Any]:
    """Give a list for what happens in handlers."""
    return []


def closed(peer: Any) -> tuple[int, str]:
    """Receive until the other side closes; tell how."""
    with pytest.raises(Closed) as caught:
        while True:
            peer.receive()
    return caught.value.args


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


# --- messages ---


def test_text_and_binary_messages_come_back_as_what_they_were(app: App, connect: Connect, events: list[Any]) -> None:
    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)
        events.append((ws.closed, ws.close_code, ws.close_reason))

    peer = connect(app)
    assert (peer.status, peer.subprotocol) == (101, None)
    for message in ("hello", "", "ünï\U0001f600", b"\0\xff", b"", "x" * 200_000):
        peer.send(message)
        assert peer.receive() == message
    peer.close(4002, "enough")
    peer.ended()
    assert events == [(True, 4002, "enough")]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_holds_bytes_is_sent_as_a_binary_message(app: App, connect: Connect, kind: Any) -> None:
    @app.websocket("/")
    async def give(ws: WebSocket) -> None:
        await ws.send(kind(b"abc"))

    assert connect(app).receive() == b"abc"


def test_other_values_are_no_messages(app: App, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/")
    async def give(ws: WebSocket) -> None:
        await ws.send({"a": 1})  # type: ignore[arg-type]

    assert connect(app).status == 500  # nothing was sent yet, not even that it is accepted
    assert "crashed in" in errors(caplog)[0]
    assert "ws.send_json(value)" in str(caplog.records[-1].exc_info)


def test_a_lone_surrogate_goes_out_as_a_question_mark(
    app: App, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients can send one as an escape of JSON; a body of HTTP holds a question mark for it too."""

    @app.websocket("/")
    async def say(ws: WebSocket) -> None:
        text = (await ws.receive_json())["text"]
        await ws.send(text)
        await ws.close(4000, text)
        assert ws.close_reason == "ü?!"

    peer = connect(app)
    peer.send('{"text": "ü\\ud800!"}')
    assert peer.receive() == "ü?!"
    assert closed(peer) == (4000, "ü?!")
    peer.ended()
    assert errors(caplog) == []


def test_json_is_written_and_read_by_the_codec_of_the_application(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def add(ws: WebSocket) -> None:
        while True:
            await ws.send_json({"sum": sum(await ws.receive_json())})

    peer = connect(app)
    for message in ("[1, 2]", b"[3]"):
        peer.send(message)
    assert [peer.receive(), peer.receive()] == ['{"sum":3}', '{"sum":3}']
    peer.send("[1")
    assert closed(peer) == (1007, "a message in JSON was expected")


@pytest.mark.parametrize(
    ("method", "right", "wrong"), [("receive_text", "a", b"a"), ("receive_bytes", b"a", "a")], ids=["text", "bytes"]
)
def test_a_message_of_the_wrong_kind_closes_with_1003(
    app: App, connect: Connect, events: list[Any], method: str, right: Any, wrong: Any
) -> None:
    @app.websocket("/")
    async def take(ws: WebSocket) -> None:
        try:
            while True:
                events.append(await getattr(ws, method)())
        except WebSocketClosed as exc:
            events.append(exc.code)
            raise

    peer = connect(app)
    peer.send(right)
    peer.send(wrong)
    assert closed(peer)[0] == 1003
    peer.ended()
    assert events == [right, 1003]


def test_what_came_before_the_end_is_still_given(app: App, connect: Connect, events: list[Any]) -> None:
    may_read = threading.Event()

    @app.websocket("/")
    async def slow(ws: WebSocket) -> None:
        await ws.accept()
        while not may_read.is_set():
            await anyio.sleep(0.01)
        while not ws.closed:
            await anyio.sleep(0.01)
        events.extend([message async for message in ws])

    peer = connect(app)
    peer.send("a")
    peer.send("b")
    peer.vanish()
    may_read.set()
    peer.ended()
    assert events == ["a", "b"]


def test_messages_of_several_tasks_go_out_whole(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def shout(ws: WebSocket) -> None:
        async def say(letter: str) -> None:
            for _ in range(20):
                await ws.send(letter * 10_000)

        async with anyio.create_task_group() as group:
            for letter in "abc":
                group.start_soon(say, letter)

    peer = connect(app)
    received = [peer.receive() for _ in range(60)]
    assert sorted(message[:1] for message in received) == sorted("abc" * 20)
    assert all(len(message) == 10_000 and len(set(message)) == 1 for message in received)
    assert closed(peer) == (1000, "")


# --- what the handler is given ---


def test_the_handler_gets_parameters_of_the_path_and_the_request(app: App, connect: Connect) -> None:
    @app.websocket("/rooms/{room}/{number}")
    async def join(number: int, ws: WebSocket, room: str, request: Request) -> None:
        assert request is ws.request
        await ws.send_json([room, number, request.method, request.scheme, request.gateway in ("wsgi", "asgi")])
        await ws.send_json([ws.path_params, ws.query.get("q"), ws.cookies.get("c"), ws.headers["x-a"]])
        await ws.send_json([str(request.url), request.url_for("join", room="a", number=1), ws.state.get("missing")])

    peer = connect(app, "/rooms/tea/7?q=1", headers={"X-A": "b", "Cookie": "c=d"})
    assert peer.receive() == '["tea",7,"GET","http",true]'
    assert peer.receive() == '[{"room":"tea","number":7},"1","d","b"]'
    assert peer.receive() == '["http://testserver/rooms/tea/7?q=1","/rooms/a/1",null]'


def test_a_parameter_that_does_not_convert_is_a_404(app: App, connect: Connect) -> None:
    @app.websocket("/{number}")
    async def handler(ws, number: int) -> None: ...

    assert connect(app, "/x").status == 404


def test_routers_and_mounted_applications_have_websockets_too(app: App, connect: Connect) -> None:
    router, inner = Router(prefix="/api"), App()

    @router.websocket("/ws")
    async def in_router(websocket) -> None:
        await websocket.send("router")

    @inner.websocket("/ws")
    async def in_mount(ws) -> None:
        await ws.send(ws.request.root_path)

    app.include(router)
    app.mount("/inner", inner)
    assert connect(app, "/api/ws").receive() == "router"
    assert connect(app, "/inner/ws").receive() == "/inner"


# --- accepting ---


def test_accept_tells_the_subprotocol_and_header_fields(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        assert (ws.subprotocols, ws.accepted) == (("chat", "mqtt"), False)
        await ws.accept("mqtt", {"X-Room": "a"})
        assert (ws.subprotocol, ws.accepted, ws.closed, ws.close_code, ws.close_reason) == (
            "mqtt",
            True,
            False,
            None,
            "",
        )
        await ws.send("x")

    peer = connect(app, subprotocols=["chat", "mqtt"])
    assert (peer.subprotocol, peer.headers["x-room"]) == ("mqtt", "a")
    assert peer.receive() == "x"


@pytest.mark.parametrize(("offered", "agreed"), [(["mqtt", "chat"], "chat"), (["x"], None), ([], None)])
def test_the_subprotocol_is_the_routes_first_that_the_client_offers(
    app: App, connect: Connect, offered: list[str], agreed: str | None
) -> None:
    @app.websocket("/", subprotocols=["chat", "mqtt"])
    async def handler(ws: WebSocket) -> None:
        await ws.send("x")

    assert connect(app, subprotocols=offered).subprotocol == agreed


@pytest.mark.parametrize("offered", ["a b", '"x,y"', "chat, v=1", "chat;", "(chat)"])
def test_a_subprotocol_that_is_no_token_is_a_400(app: App, make_client: MakeClient, offered: str) -> None:
    @app.websocket("/", subprotocols=["chat"])
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    client = make_client(app, judged=False)
    with (
        pytest.raises(WebSocketRefused, match="subprotocol .* is a token") as caught,
        client.websocket("/", headers={"sec-websocket-protocol": offered}),
    ):
        pass
    assert caught.value.response.status_code == 400


def test_a_list_of_subprotocols_may_have_empty_elements(app: App, connect: Connect) -> None:
    @app.websocket("/", subprotocols=["chat"])
    async def handler(ws: WebSocket) -> None:
        await ws.send("x")

    assert connect(app, headers={"sec-websocket-protocol": "mqtt,, \tchat,"}).subprotocol == "chat"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("irc",), "did not offer the subprotocol 'irc'; it offered chat"),
        ((None, {"x": "a\nb"}), "holds a control character"),
        ((None, {"sec-websocket-accept": "x"}), "belongs to the handshake"),
        ((None, {"connection": "close"}), "connection"),
    ],
)
def test_what_cannot_be_accepted_is_told_before_anything_is_sent(
    app: App, connect: Connect, events: list[Any], arguments: Any, message: str
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        with pytest.raises(ValueError, match=message):
            await ws.accept(*arguments)
        await ws.send("still connecting")

    assert connect(app, subprotocols=["chat"]).receive() == "still connecting"


def test_accepting_twice_is_an_error(app: App, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(RuntimeError, match="that is open already"):
            await ws.accept()

    assert closed(connect(app)) == (1000, "")
    assert errors(caplog) == []


# --- denying ---


def test_a_handler_denies_with_an_ordinary_response(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> Any:
        return Text("members only", 418, {"x-a": "b"})

    peer = connect(app)
    assert (peer.status, peer.body, peer.headers["x-a"]) == (418, b"members only", "b")


def test_a_denial_may_be_a_stream(app: App, connect: Connect, events: list[Any]) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> Any:
        def items() -> Iterator[str]:
            try:
                yield "a"
                yield "b"
            finally:
                events.append("closed")

        return items(), 403

    peer = connect(app)
    peer.ended()
    assert (peer.status, peer.body, events) == (403, b"ab", ["closed"])


@pytest.mark.parametrize("how", ["HTTPError", "close", "receive", "nothing"])
def test_what_is_not_accepted_is_refused(app: App, connect: Connect, how: str, events: list[Any]) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        if how == "HTTPError":
            raise HTTPError(401, "who are you?")
        if how == "receive":
            await ws.close(4000)
            await ws.receive()
        if how == "close":
            await ws.close(4000)
            await ws.close(4000)
            events.append(ws.closed)
            with pytest.raises(WebSocketClosed):
                await ws.send("x")
            with pytest.raises(WebSocketClosed):
                await ws.receive()
            with pytest.raises(RuntimeError, match="that is refused already"):
                await ws.accept()

    peer = connect(app)
    assert peer.status == (401 if how == "HTTPError" else 403)
    assert peer.headers["content-type"] == "application/problem+json"
    assert events == ([True] if how == "close" else [])


def test_a_crash_before_accept_is_a_500(app: App, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        raise KeyError("x")

    assert connect(app).status == 500
    assert len(errors(caplog)) == 1


def test_paths_and_methods_that_are_none(app: App, connect: Connect) -> None:
    @app.get("/page")
    def page() -> str:
        return "page"

    @app.websocket("/ws")
    async def handler(ws: WebSocket) -> None: ...

    @app.websocket("/both")
    async def both(ws: WebSocket) -> None:
        await ws.send("socket")

    app.get("/both")(lambda: "page")
    assert connect(app, "/missing").status == 404
    assert connect(app, "/page").status == 404  # a GET, but not of a WebSocket
    assert connect(app, "/both").receive() == "socket"


def test_an_ordinary_request_to_a_websocket_is_told_to_upgrade(app: App, client: Client, cell: Cell) -> None:
    @app.websocket("/ws")
    async def handler(ws: WebSocket) -> None: ...

    app.get("/both")(lambda: "page")
    app.websocket("/both")(handler)
    answer = client.get("/ws")
    assert answer.status_code == 426
    if cell.gateway == "asgi":  # WSGI forbids applications to send these two
        assert (answer.headers["upgrade"], answer.headers["connection"]) == ("websocket", "upgrade")
    assert client.head("/ws").status_code == 426
    assert (client.post("/ws").status_code, client.post("/ws").headers["allow"]) == (405, "GET, OPTIONS")
    assert client.options("/ws").headers["allow"] == "GET, OPTIONS"
    assert client.get("/both").text == "page"
    assert client.post("/both").headers["allow"] == "GET, HEAD, OPTIONS"


def test_no_method_of_a_client_reaches_a_websocket(app: App, make_client: MakeClient) -> None:
    @app.websocket("/ws")
    async def handler(ws: WebSocket) -> None: ...

    assert make_client(app, judged=False).request("WEBSOCKET", "/ws").status_code == 405


# --- closing ---


def test_the_handler_closes_with_a_code_and_a_reason(app: App, connect: Connect, events: list[Any]) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4001, "dönë")
        await ws.close()
        events.append((ws.closed, ws.close_code, ws.close_reason))
        for action in (ws.send("x"), ws.receive()):
            with pytest.raises(WebSocketClosed, match="4001 dönë"):
                await action
        events.append([message async for message in ws])
        with pytest.raises(RuntimeError, match="that is closed already"):
            await ws.accept()

    peer = connect(app)
    assert closed(peer) == (4001, "dönë")
    peer.ended()
    assert events == [(True, 4001, "dönë"), []]


@pytest.mark.parametrize(
    ("code", "reason"), [(999, ""), (1004, ""), (1005, ""), (1006, ""), (1015, ""), (2999, ""), (5000, ""), (True, ""), (1000, "ü" * 62)]
)  # fmt: skip
def test_a_close_frame_that_may_not_be_is_not_sent(app: App, connect: Connect, code: int, reason: str) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(ValueError, match=r"cannot be closed with|123 are the most"):
            await ws.close(code, reason)
        await ws.close(1013, "ü" * 61)

    assert closed(connect(app)) == (1013, "ü" * 61)


def test_a_handler_that_returns_closes_with_1000(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send("only this")

    peer = connect(app)
    assert peer.receive() == "only this"
    assert closed(peer) == (1000, "")


def test_a_crash_closes_with_1011_and_is_logged_once(
    app: App, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise KeyError("secret")

    peer = connect(app)
    assert closed(peer) == (1011, "")
    peer.ended()
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize(
    ("error", "close"),
    [(HTTPError(404, "no such room"), (4404, "no such room")), (HTTPError(403), (4403, "Forbidden")), (HTTPError(503), (1011, ""))],
)  # fmt: skip
def test_an_http_error_after_accept_closes_with_its_status(
    app: App, connect: Connect, error: Exception, close: Any
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise error

    assert closed(connect(app)) == close


def test_a_long_detail_is_cut_to_what_a_close_frame_holds(app: App, connect: Connect) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise HTTPError(400, "ü" * 100)

    assert closed(connect(app)) == (4400, "ü" * 61)


def test_what_is_returned_after_accept_is_an_error(
    app: App, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> Any:
        await ws.accept()
        return "too late"

    peer = connect(app)
    assert closed(peer) == (1011, "")
    peer.ended()
    assert "returned str after the connection was accepted" in str(caplog.records[-1].exc_info)


def test_an_error_handler_decides_how_it_is_closed(app: App, connect: Connect, events: list[Any]) -> None:
    @app.error(KeyError)
    def handle(request: Request, error: KeyError) -> Any:
        events.append(error.args)
        return "gone", 410

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise KeyError("x")

    assert (closed(connect(app)), events) == ((4410, ""), [("x",)])


# --- a client that leaves ---


@pytest.mark.parametrize("how", ["iteration", "receive", "send"])
def test_a_client_that_vanishes_ends_the_handler(
    app: App, connect: Connect, events: list[Any], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        try:
            await ws.send("ready")
            if how == "iteration":
                async for _ in ws:
                    pass
            while how == "receive":
                await ws.receive()
            while how == "send":
                await ws.send("x" * 1000)
        except WebSocketClosed as exc:
            events.append(exc.code)
            raise
        finally:
            events.append("ended")

    peer = connect(app)
    assert peer.receive() == "ready"
    peer.vanish()
    peer.ended()
    assert events == (["ended"] if how == "iteration" else [1006, "ended"])
    assert errors(caplog) == []


def test_what_came_before_a_message_that_is_too_large_is_not_lost(
    app: App, connect: Connect, events: list[Any]
) -> None:
    @app.websocket("/", max_message_bytes=10)
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await anyio.sleep(0.1)  # until the large one has come
        events.extend([message async for message in ws])

    peer = connect(app)
    peer.send("first")
    peer.send("x" * 11)
    peer.ended()
    assert events == ["first"]


def test_a_message_that_is_too_large_closes_with_1009(app: App, connect: Connect, events: list[Any]) -> None:
    @app.websocket("/", max_message_bytes=10)
    async def handler(ws: WebSocket) -> None:
        events.extend([message async for message in ws])

    peer = connect(app)
    peer.send("ü" * 5)
    peer.send("ü" * 5 + "x")
    assert closed(peer) == (1009, "a message has 10 bytes at most")
    peer.ended()
    assert events == ["ü" * 5]


def test_the_limit_of_the_application_holds_without_one_of_the_route(connect: Connect) -> None:
    app = App(limits=Limits(max_message_bytes=3))

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    peer = connect(app)
    peer.send(b"123")
    assert peer.receive() == b"123"
    peer.send(b"1234")
    assert closed(peer)[0] == 1009


def test_a_message_that_is_too_large_to_be_parsed_as_json_closes_with_1009(connect: Connect) -> None:
    app = App(limits=Limits(max_json_bytes=10))

    async def handler(ws: WebSocket) -> None:
        while True:
            await ws.send_json(await ws.receive_json())

    app.websocket("/")(handler)
    app.websocket("/own", max_message_bytes=12)(handler)
    for path, largest in (("/", 10), ("/own", 12)):
        peer = connect(app, path)
        peer.send('"' + "x" * (largest - 2) + '"')
        assert peer.receive() == '"' + "x" * (largest - 2) + '"'
        peer.send('"' + "ü" * (largest // 2) + '"')
        reason = "a message in JSON has 10 bytes at most" if path == "/" else "a message has 12 bytes at most"
        assert closed(peer) == (1009, reason)


# --- a server that stops ---


@pytest.fixture
def stop() -> Iterator[Any]:
    """Give what makes the server be about to stop, until the test is over."""
    yield tell_stopping
    forget_stopping()


def test_a_server_that_stops_closes_with_1001(app: App, connect: Connect, stop: Any, events: list[Any]) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        events.append((ws.close_code, ws.close_reason))

    peers = [connect(app), connect(app)]
    stop()
    for peer in peers:
        assert closed(peer) == (1001, "the server stops")
        peer.ended()
    assert events == [(1001, "the server stops")] * 2


def test_a_handler_that_goes_on_when_the_server_stops_is_cancelled(
    connect: Connect, stop: Any, events: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = App(limits=Limits(graceful_stop_s=0.1))

    @app.middleware
    def layer(request: Request) -> Middleware:
        try:
            yield
        finally:
            events.append("layer")

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        try:
            await anyio.sleep(60)
        finally:
            events.append("handler")

    peer = connect(app)
    stop()
    assert closed(peer)[0] in (1001, 1006)
    peer.ended()
    assert events == ["handler", "layer"]
    assert errors(caplog) == []


def test_a_handler_may_ask_whether_its_client_has_left(app: App, connect: Connect, events: list[Any]) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        assert not ws.request.is_disconnected()
        await anyio.sleep(0.02)
        await ws.send("ready")
        events.append(await ws.receive())  # which asking has not taken away
        while not ws.request.is_disconnected():
            await anyio.sleep(0.01)
        while not ws.closed:
            await anyio.sleep(0.01)
        events.append(ws.close_code)

    peer = connect(app)
    assert peer.receive() == "ready"
    peer.send("x")
    peer.vanish()
    peer.ended()
    assert events == ["x", 1006]


# --- layers ---


@pytest.mark.parametrize("form", ["generator", "blocking", "async"])
def test_layers_see_how_a_websocket_ended(app: App, connect: Connect, events: list[Any], form: str) -> None:
    def note(response: Response) -> None:
        events.append((response.status, response.websocket.close_code))  # type: ignore[attr-defined]

    if form == "async":

        @app.middleware
        async def around(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            note(response)
            return response
    else:

        @app.middleware(blocking=form == "blocking")
        def layer(request: Request) -> Middleware:
            response = yield
            note(response)

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    peer = connect(app)
    peer.send("x")
    assert peer.receive() == "x"
    peer.close(4002)
    peer.ended()
    assert events == [(101, 4002)]


@pytest.mark.parametrize("form", ["generator", "blocking", "async", "raises"])
def test_a_layer_denies(app: App, connect: Connect, events: list[Any], form: str) -> None:
    denial = Text("no", 403)
    if form == "async":

        async def around(request: Request, call_next: Any) -> Response:
            return denial

        app.middleware(around)
    else:

        def layer(request: Request) -> Middleware:
            if form == "raises":
                raise HTTPError(403)
            return denial
            yield

        app.middleware(blocking=form == "blocking")(layer)

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        events.append("called")

    assert (connect(app).status, events) == (403, [])


def test_a_layer_of_the_route_sees_a_crash_and_may_roll_back(app: App, connect: Connect, events: list[Any]) -> None:
    def transaction(request: Request) -> Middleware:
        try:
            yield
        except KeyError:
            events.append("rolled back")
            raise

    @app.websocket("/", middleware=[transaction])
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise KeyError

    peer = connect(app)
    assert closed(peer) == (1011, "")
    peer.ended()
    assert events == ["rolled back"]


def test_a_layer_that_fails_when_all_was_well_closes_with_1011(app: App, connect: Connect) -> None:
    @app.middleware
    def commit(request: Request) -> Middleware:
        yield
        raise OSError("the database is gone")

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    assert closed(connect(app)) == (1011, "")


def test_what_was_asked_for_after_the_response_runs_when_it_is_over(
    app: App, connect: Connect, events: list[Any]
) -> None:
    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        ws.request.after(events.append, "after")
        events.extend([message async for message in ws])

    peer = connect(app)
    peer.send("x")
    peer.close()
    peer.ended()
    deadline = time.monotonic() + 5  # it runs beside the server's call
    while len(events) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert events == ["x", "after"]


def test_the_lifespan_has_started_and_its_state_is_there(connect: Connect) -> None:
    async def lifespan() -> Any:
        yield {"db": "open"}

    app = App(lifespan=lifespan)

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.send(ws.state.db)

    assert connect(app).receive() == "open"
    if app.lifespans is not None:
        app.lifespans.stop_in_process()


# --- origins ---


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "a.example", 101),
        ("http://a.example", "a.example", 101),
        ("https://a.example", "a.example", 101),
        ("https://A.example:443", "a.example", 101),
        ("https://a.example", "a.example:443", 101),
        ("http://a.example:8000", "a.example:8000", 101),
        ("http://a.example", "a.example:8000", 403),
        ("http://a.example:8000", "a.example", 403),
        ("http://evil.example", "a.example", 403),
        ("http://a.example.evil.example", "a.example", 403),
        ("null", "a.example", 403),
        ("", "a.example", 101),
        ("a.example", "a.example", 403),
        ("://a.example", "a.example", 403),
        ("http://a.example, http://a.example", "a.example", 403),
        ("https://partner.example", "a.example", 101),
        ("https://PARTNER.example", "a.example", 101),
        ("https://partner.example:444", "a.example", 403),
    ],
)
def test_pages_of_other_origins_may_not_connect(connect: Connect, origin: str | None, host: str, status: int) -> None:
    app = App()

    @app.websocket("/", origins=["https://Partner.example"])
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    headers = {"Host": host} if origin is None else {"Host": host, "Origin": origin}
    assert connect(app, headers=headers).status == status


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://app.site.example", "a.example", 101),
        ("https://site.example", "a.example", 403),
        ("https://other.example:444", "a.example", 101),
        ("https://evil.example", "a.example", 403),
        ("https://evil.example", "evil.example", 400),
        ("https://a.example", "evil.example", 400),
    ],
)
def test_pages_of_the_hosts_of_the_site_may_connect(connect: Connect, origin: str, host: str, status: int) -> None:
    app = App(allowed_hosts=["a.example", "*.site.example", "other.example"])

    @app.websocket("/")
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    assert connect(app, headers={"Host": host, "Origin": origin}).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://a.example", 101),
        ("https://b.example", 101),
        ("http://trusted.example", 101),
        ("http://a.example", 403),
        ("http://b.example", 403),
    ],
)
def test_a_page_that_came_in_clear_may_not_connect_over_tls(connect: Connect, origin: str, status: int) -> None:
    """Whoever is in between could have written it; cookies marked Secure would be sent along."""
    app = App(allowed_hosts=["a.example", "b.example"])
    app.proxy(hops=1)

    @app.websocket("/", origins=["http://trusted.example"])
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    headers = {"Host": "a.example", "Origin": origin, "X-Forwarded-Proto": "wss"}
    assert connect(app, headers=headers).status == status


@pytest.mark.parametrize(("origins", "status"), [(["*"], 101), (["null"], 101), ([], 403)])
def test_a_route_may_let_everybody_in(app: App, connect: Connect, origins: list[str], status: int) -> None:
    @app.websocket("/", origins=origins)
    async def handler(ws: WebSocket) -> None:
        await ws.accept()

    assert connect(app, headers={"Origin": "null"}).status == status
