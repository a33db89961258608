"""`gateway="both"` sends each request through both gateways and tells what differs. The client is both: there is no cell."""

import itertools
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from ambi import (
    SSE,
    App,
    BodyStream,
    Event,
    Middleware,
    Request,
    Response,
    Router,
    Stream,
    Text,
    WebSocket,
    WebSocketClosed,
)
from ambi.testing import Client, GatewaysDiffer, WebSocketRefused


@pytest.fixture
def app(no_leaks: None, no_blocking: None) -> App:
    """Give an empty application."""
    return App()


@pytest.fixture
def client(app: App) -> Iterator[Client]:
    """Give a client of both gateways."""
    with Client(app, "both") as client:
        yield client


def difference(client: Client, url: str = "/", method: str = "GET", **options: Any) -> str:
    """Give what is said of the difference."""
    with pytest.raises(GatewaysDiffer) as caught:
        client.request(method, url, **options)
    return str(caught.value)


def test_what_is_the_same_is_one_answer(app: App, client: Client) -> None:
    seen: list[str] = []

    @app.post("/{name}")
    async def handler(request: Request, name: str) -> dict[str, str]:
        seen.append(request.gateway)
        return {"name": name, "body": request.text}

    assert client.post("/ü", content="x").json() == {"name": "ü", "body": "x"}
    assert seen == ["wsgi", "asgi"]
    assert client.post("/a", content=iter([b"x", b"y"])).json()["body"] == "xy"
    assert client.get("/missing").status_code == 405
    assert client.get("/", follow_redirects=True).history == []


def test_another_status_is_told(app: App, client: Client) -> None:
    app.get("/")(lambda request: Response(b"", 200 if request.gateway == "wsgi" else 201))
    assert difference(client) == "GET / is not answered the same\n- status: 200 under WSGI, 201 under ASGI"


def test_other_fields_are_told(app: App, client: Client) -> None:
    app.get("/")(lambda request: Text("x", headers={"x-a": request.gateway, "x-b": "same"}))
    said = difference(client)
    assert "- header fields:" in said
    assert "    -x-a: wsgi\n    +x-a: asgi" in said


def test_the_order_of_lines_counts_within_a_field_alone(app: App, client: Client) -> None:
    def handler(request: Request, what: str) -> Text:
        response = Text("x")
        names = [("x-a", "1"), ("x-b", "2")] if what == "fields" else [("link", "<1>"), ("link", "<2>")]
        for name, value in names if request.gateway == "wsgi" else names[::-1]:
            response.headers.append(name, value)
        return response

    app.get("/{what}")(handler)
    assert client.get("/fields").status_code == 200
    assert "link: <1>" in difference(client, "/lines")


def test_what_belongs_to_the_connection_is_not_compared(app: App, client: Client) -> None:
    app.post("/", max_body_bytes=1)(lambda request: "never")
    assert client.post("/", content=b"too large").status_code == 413  # ASGI asks the server to close


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        (("one\ntwo", "one\nthree"), "- body:\n    --- WSGI\n    +++ ASGI\n     one\n    -two\n    +three"),
        ((b"\xff\x00", b"\xff\x01"), r"- body: 2 bytes under WSGI, 2 under ASGI, from byte 1 on b'\x00' and b'\x01'"),
        (("a\n", "a"), r"- body: 2 bytes under WSGI, 1 under ASGI, from byte 1 on b'\n' and b''"),
        (("\n".join(map(str, range(100))), ""), "lines more"),
    ],
)
def test_another_body_is_told(app: App, client: Client, bodies: tuple[Any, Any], said: str) -> None:
    app.get("/")(lambda request: Stream([bodies[request.gateway == "asgi"]]))
    assert said in difference(client)


def test_how_a_body_is_cut_is_not_compared(app: App, client: Client) -> None:
    app.get("/")(lambda request: Stream(["ab"] if request.gateway == "wsgi" else ["a", "b"]))
    assert client.get("/").text == "ab"


def test_the_order_of_layers_is_compared(app: App, client: Client) -> None:
    @app.middleware
    def outer(request: Request) -> Middleware:
        yield

    router = Router()

    @router.middleware(blocking=True)
    def inner(request: Request) -> Middleware:
        if request.gateway == "asgi" and request.query:
            return Text("same")
        yield

    @router.middleware
    async def innermost(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    router.get("/")(lambda: "same")
    app.include(router)
    assert client.get("/").text == "same"
    said = difference(client, "/?early=1")
    assert "- middlewares:" in said
    assert "    -inner closes\n    +inner answers" in said
    assert "-innermost opens" in said


def test_layers_of_mounted_applications_are_seen_as_well(app: App, client: Client) -> None:
    mounted = App()

    @mounted.middleware
    def deep(request: Request) -> Middleware:
        if request.gateway == "asgi":
            raise LookupError
        yield

    mounted.get("/")(lambda: "x")
    app.mount("/m", mounted)
    said = difference(client, "/m/")
    assert "deep raises LookupError" in said
    assert "- crashed:" in said


def test_a_crash_of_both_is_raised_and_of_one_is_a_difference(app: App, client: Client) -> None:
    def handler(request: Request) -> None:
        if request.query or request.gateway == "asgi":
            raise LookupError("both")

    app.get("/")(handler)
    with pytest.raises(LookupError, match="both"):
        client.get("/?all=1")
    said = difference(client)
    assert "- status: 204 under WSGI, 500 under ASGI" in said
    with Client(app, "both", raise_server_exceptions=False) as lenient:
        assert lenient.get("/?all=1").status_code == 500


@pytest.mark.parametrize(
    ("wsgi", "asgi"), [(LookupError, LookupError), (LookupError, None), (LookupError, ValueError), (None, LookupError)]
)
def test_a_stream_that_fails_must_fail_on_both(
    app: App, client: Client, wsgi: type[Exception] | None, asgi: type[Exception] | None
) -> None:
    def items(failure: type[Exception] | None) -> Iterator[str]:
        yield "a"
        if failure is not None:
            raise failure

    app.get("/")(lambda request: Stream(items(wsgi if request.gateway == "wsgi" else asgi)))
    with pytest.raises(LookupError if wsgi == asgi else GatewaysDiffer) as caught:
        client.get("/")
    if wsgi != asgi:
        ends = [end.__name__ if end is not None else "its own end" for end in (wsgi, asgi)]
        assert f"the body comes to {ends[0]} under WSGI, to {ends[1]} under ASGI" in str(caught.value)


def test_a_stream_that_is_left_is_compared_as_far_as_it_was_read(app: App, client: Client) -> None:
    def numbers(request: Request) -> Stream:
        first = 0 if request.gateway == "wsgi" or not request.query else 1
        return Stream(f"{n}\n" for n in itertools.count(first))

    app.get("/")(numbers)
    with client.stream("GET", "/") as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(GatewaysDiffer, match="-0"), client.stream("GET", "/?q=1") as response:
        next(response.iter_lines())


def test_an_answer_without_end_is_no_trouble_where_the_other_is_another(app: App, client: Client) -> None:
    app.get("/")(lambda request: Stream(itertools.repeat("x" * 1000)) if request.gateway == "asgi" else Text("x", 404))
    assert "- status: 404 under WSGI, 200 under ASGI" in difference(client)


def test_a_guest_may_be_mounted(app: App, client: Client) -> None:
    """Of what it does inside, nothing is seen."""

    def guest(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"guest"]

    app.mount("/guest", guest, interface="wsgi")
    assert client.get("/guest/").text == "guest"


def test_events_are_compared(app: App, client: Client) -> None:
    async def endless(start: int) -> AsyncIterator[Event]:
        for n in itertools.count(start):
            yield Event(str(n))

    app.get("/same")(lambda: SSE(endless(0)))
    app.get("/other")(lambda request: SSE(endless(request.gateway == "asgi")))
    with client.events("/same") as events:
        assert [next(events).data, next(events).data] == ["0", "1"]
    with pytest.raises(GatewaysDiffer), client.events("/other") as events:
        next(events)


def test_a_factory_gives_each_gateway_an_application_of_its_own() -> None:
    made: list[App] = []

    def make(prefix: str = "n") -> App:
        app = App()
        made.append(app)
        numbers = itertools.count()
        app.get("/")(lambda: f"{prefix}{next(numbers)}")
        return app

    with Client(make, "both") as client:
        assert [client.get("/").text, client.get("/").text] == ["n0", "n1"]
    assert len(made) == 2
    with Client(make()) as client:
        assert client.get("/").text == "n0"
    shared = made[0]
    with Client(shared, "both") as client:
        assert "-n2" in difference(client)


def test_both_lifespans_run() -> None:
    events: list[str] = []

    def make() -> App:
        name = f"app {len(events)}"

        async def lifespan() -> Any:
            events.append(f"start {name}")
            yield {"name": "state"}
            events.append(f"stop {name}")

        app = App(lifespan=lifespan)
        app.get("/")(lambda request: request.state["name"])
        return app

    with Client(make, "both") as client:
        assert client.get("/").text == "state"
    assert [event.partition(" ")[0] for event in events] == ["start", "start", "stop", "stop"]


def test_one_application_may_be_started_on_both() -> None:
    async def lifespan() -> Any:
        yield {"n": 1}

    app = App(lifespan=lifespan)
    app.get("/")(lambda request: str(request.state["n"]))
    with Client(app, "both") as client:
        assert client.get("/").text == "1"


def test_cookies_are_kept_and_redirects_followed(app: App, client: Client) -> None:
    def login() -> Response:
        response = Response(b"", 303, {"location": "/who"})
        response.set_cookie("who", "me")
        return response

    app.get("/login")(login)
    app.get("/who")(lambda request: request.cookies["who"])
    assert client.get("/login", follow_redirects=True).text == "me"


def test_what_runs_after_a_response_has_run(app: App, client: Client) -> None:
    ran: list[str] = []

    def handler(request: Request) -> str:
        request.after(ran.append, request.gateway)
        return "x"

    app.get("/")(handler)
    client.get("/")
    assert sorted(ran) == ["asgi", "wsgi"]
    client._transport.settle = False
    assert client._transport.settle is False


def test_a_streamed_upload_goes_through_both(app: App, client: Client) -> None:
    async def count(stream: BodyStream) -> str:
        return str(sum([len(chunk) async for chunk in stream]))

    app.post("/")(count)
    assert client.post("/", content=(b"x" * n for n in range(4))).text == "6"


# --- WebSockets ---


def test_a_websocket_is_held_against_the_other(app: App, client: Client) -> None:
    @app.websocket("/echo")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    with client.websocket("/echo") as ws:
        ws.send("same")
        assert ws.receive_text() == "same"
        ws.close(4000, "bye")


def test_another_message_is_told(app: App, client: Client) -> None:
    @app.websocket("/")
    async def tell(ws: WebSocket) -> None:
        await ws.send(ws.request.gateway)

    with (
        pytest.raises(GatewaysDiffer, match="received: 'wsgi' under WSGI, 'asgi' under ASGI"),
        client.websocket("/") as ws,
    ):
        ws.receive()


def test_another_end_is_told(app: App, client: Client) -> None:
    @app.websocket("/")
    async def close(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000 if ws.request.gateway == "wsgi" or ws.query else 4001)

    with pytest.raises(GatewaysDiffer, match="WebSocketClosed"), client.websocket("/") as ws:
        ws.receive()
    with client.websocket("/?same=1") as ws, pytest.raises(WebSocketClosed):
        ws.receive()


def test_another_answer_to_the_handshake_is_told(app: App, client: Client) -> None:
    @app.websocket("/")
    async def deny(ws: WebSocket) -> Text:
        return Text("no", 418 if ws.request.gateway == "wsgi" or ws.query else 403)

    with pytest.raises(GatewaysDiffer, match="418 under WSGI, 403 under ASGI"), client.websocket("/"):
        pass
    with pytest.raises(WebSocketRefused), client.websocket("/?same=1"):
        pass


def test_layers_around_a_websocket_are_compared(app: App, client: Client) -> None:
    @app.middleware
    def outer(request: Request) -> Middleware:
        if request.gateway == "asgi":
            yield
        else:
            _ = yield

    @app.middleware
    async def inner(request: Request, call_next: Any) -> Response:
        if request.gateway == "asgi":
            raise LookupError
        response: Response = await call_next(request)
        return response

    @app.websocket("/")
    async def close(ws: WebSocket) -> None:
        await ws.accept()

    with pytest.raises(GatewaysDiffer, match="101 under WSGI, 500 under ASGI"), client.websocket("/"):
        pass


def test_random_values_differ(app: App, client: Client) -> None:
    """As the documentation says: nothing of an answer is ignored."""
    numbers = random.Random(1)
    app.get("/")(lambda: str(numbers.randint(1000, 9999)))
    assert "- body:" in difference(client)
