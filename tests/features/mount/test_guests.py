"""A mounted application is asked and answers as if it stood alone; the same in every cell, by guests of both interfaces."""

import contextvars
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, HTTPError, Limits, Middleware, Request, Response, Text
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.mount.guests import Answer, Seen, guest


class LateClient:
    """A client that is made with its first request, when all is mounted that has a lifespan."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        self.__dict__["_made"] = made = self.__dict__.get("_made") or self._make()
        return getattr(made, name)


@pytest.fixture
def client(app: App, make_client: MakeClient) -> LateClient:
    """Give a client of `app`, once it is used."""
    return LateClient(lambda: make_client(app))


@pytest.fixture
def seen() -> list[Seen]:
    """Give a list for what guests are told."""
    return []


@pytest.fixture
def noted(cell: Cell, seen: list[Seen]) -> Any:
    """Give a guest that notes what it is told."""

    def answer(request: Seen) -> Answer:
        seen.append(request)
        return Answer()

    return guest(cell, answer)


def answering(cell: Cell, **parts: Any) -> Any:
    """Make a guest that always answers the same."""
    return guest(cell, lambda seen: Answer(**parts))


TEXT = ("content-type", "text/plain")


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# --- what it is told ---


def test_a_guest_is_told_of_the_whole_request(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    app.mount("/guest", noted)
    response = client.put("/guest/a/b?x=1&y=%C3%BC", content=b"body", headers={"x-one": "1", "cookie": "a=b"})
    assert (response.status_code, response.text) == (200, "guest")
    (request,) = seen
    assert (request.method, request.query, request.body) == ("PUT", "x=1&y=%C3%BC", b"body")
    assert (request.prefix, request.path, request.raw_path) == ("/guest", "/a/b", "/guest/a/b")
    named = {name: request.headers[name] for name in ("host", "x-one", "cookie", "content-length")}
    assert named == {"host": "localhost", "x-one": "1", "cookie": "a=b", "content-length": "4"}


def test_the_address_of_the_connection(
    make_client: MakeClient, app: App, noted: Any, seen: list[Seen], cell: Cell
) -> None:
    app.mount("/guest", noted)
    make_client(app, base_url="https://shop.example:8443").get("/guest/")
    native = seen[0].native
    if cell.is_async:
        address = native["scheme"], list(native["server"]), list(native["client"]), native["http_version"]
        assert address == ("https", ["shop.example", 8443], ["127.0.0.1", 50000], "1.1")
    else:
        keys = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_PROTOCOL")
        assert [native[key] for key in keys] == ["https", "shop.example", "8443", "127.0.0.1", "50000", "HTTP/1.1"]


def test_a_path_is_passed_on_decoded_and_as_it_was_sent(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    app.mount("/guest", noted)
    for target in ("/guest/%C3%BC%20x", "/guest/a%2Fb", "/guest//a/", "/guest/100%25"):
        client.get(target)
    assert [request.path for request in seen] == ["/ü x", "/a/b", "//a/", "/100%"]
    assert [request.raw_path for request in seen] == [
        "/guest/%C3%BC%20x", "/guest/a%2Fb", "/guest//a/", "/guest/100%25",
    ]  # fmt: skip


def test_a_field_with_an_underscore_does_not_reach_a_guest(
    app: App, client: Client, noted: Any, seen: list[Seen]
) -> None:
    """A guest that makes keys of an environ of the names, as Django does, would take it for the one with a hyphen."""
    app.mount("/guest", noted)
    client.get("/guest/", headers=[("x_remote_user", "admin"), ("X_Other", "1"), ("x-one", "1")])
    assert {name for name in seen[0].headers if name.startswith("x")} == {"x-one"}


def test_the_prefix_itself_is_an_empty_path(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    """Whether a slash is missing there, the guest knows: one of metrics answers, one of pages redirects."""
    app.mount("/guest", noted)
    assert client.get("/guest?a=1").status_code == 200
    assert (seen[0].prefix, seen[0].path, seen[0].query) == ("/guest", "", "a=1")
    assert client.get("/guests").status_code == 404


def test_prefixes_add_up_three_levels_deep(make_client: MakeClient, noted: Any, seen: list[Seen]) -> None:
    outer, middle, inner = App(), App(), App()
    outer.mount("/ä", middle)
    middle.mount("/two", inner)
    inner.mount("/three", noted)
    make_client(outer, root_path="/srv").get("/%C3%A4/two/three/x%2Fy")
    (request,) = seen
    assert (request.prefix, request.path) == ("/srv/ä/two/three", "/x/y")
    assert request.raw_path == "/srv/%C3%A4/two/three/x%2Fy"


def test_url_for_counts_all_prefixes(make_client: MakeClient, cell: Cell) -> None:
    """An App inside two others links to itself below all of them, and so does what it has around a guest.

    A layer of an outer application may name a route of its own, also when an inner one serves the request.
    """
    outer, middle, inner = App(), App(), App()
    outer.mount("/one", middle)
    middle.mount("/two", inner)
    links: list[str] = []

    @inner.get("/item/{id}", name="item")
    @cell.handler
    def item(request: Request, id: int) -> str:
        return request.url_for("item", id=id + 1)

    @inner.middleware
    def note(request: Request) -> Middleware:
        links.append(request.url_for("item", id=0))
        yield

    @outer.get("/login", name="login")
    @cell.handler
    def login() -> str:
        return "login"

    @outer.middleware
    def link(request: Request) -> Middleware:
        links.append(request.url_for("login", absolute=True))
        yield

    inner.mount("/three", answering(cell))
    client = make_client(outer, root_path="/srv")
    assert client.get("/one/two/item/6").text == "/srv/one/two/item/7"
    assert links == ["http://localhost/srv/login", "/srv/one/two/item/0"]
    links.clear()
    client.get("/one/two/three/x")
    assert links == ["http://localhost/srv/login", "/srv/one/two/item/0"]


def test_a_mount_at_the_root_takes_what_is_left(
    app: App, client: Client, noted: Any, seen: list[Seen], cell: Cell
) -> None:
    app.get("/own")(cell.handler(lambda: "own"))
    app.mount("/", noted)
    app.mount("/deep", answering(cell, items=[b"deep"]))
    assert [client.get(path).text for path in ("/own", "/deep/x", "/else", "/")] == ["own", "deep", "guest", "guest"]
    assert [(request.prefix, request.path) for request in seen] == [("", "/else"), ("", "/")]
    assert client.post("/own").status_code == 405


# --- its body ---


def test_a_body_that_comes_in_chunks(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    app.mount("/guest", noted)
    client.post("/guest/", content=iter([b"a" * 70_000, b"b", b"c" * 9]))
    assert seen[0].body == b"a" * 70_000 + b"b" + b"c" * 9


def test_a_body_that_a_layer_has_loaded_reaches_the_guest_unparsed(
    app: App, client: Client, noted: Any, seen: list[Seen]
) -> None:
    bodies: list[bytes] = []

    @app.middleware(body=True)
    def sign(request: Request) -> Middleware:
        bodies.append(request.body)
        yield

    app.mount("/guest", noted)
    client.post("/guest/", files={"file": ("a.txt", b"content")}, data={"field": "1"})
    client.post("/guest/", content=b"zipped", headers={"content-encoding": "gzip"})
    assert [request.body for request in seen] == bodies
    assert b"content" in bodies[0]
    assert bodies[1] == b"zipped"
    assert [request.headers["content-length"] for request in seen] == [str(len(body)) for body in bodies]


def test_a_loaded_body_is_held_to_the_limit(make_client: MakeClient, noted: Any, seen: list[Seen]) -> None:
    app = App(limits=Limits(max_body_bytes=10))

    @app.middleware(body=True)
    def sign(request: Request) -> Middleware:
        yield

    app.mount("/guest", noted)
    client = make_client(app)
    assert client.post("/guest/", content=b"x" * 11).status_code == 413
    assert client.post("/guest/", content=b"x" * 10).status_code == 200
    assert len(seen) == 1


def test_a_guest_has_limits_of_its_own(make_client: MakeClient, noted: Any, seen: list[Seen]) -> None:
    app = App(limits=Limits(max_body_bytes=10))
    app.mount("/guest", noted)
    assert make_client(app).post("/guest/", content=b"x" * 100).status_code == 200
    assert seen[0].body == b"x" * 100


@pytest.mark.parametrize("chunks", [1, 2], ids=["declared", "chunked"])
def test_a_limit_may_be_set_for_a_guest(app: App, client: Client, cell: Cell, chunks: int) -> None:
    app.mount("/guest", answering(cell), max_body_bytes=10)
    response = client.post("/guest/", content=b"x" * 11 if chunks == 1 else iter([b"x" * 6, b"x" * 6]))
    assert (response.status_code, response.json()["status"]) == (413, 413)
    assert client.post("/guest/", content=b"x" * 10).text == "guest"


# --- its answer ---


def test_nothing_is_added_to_its_header_fields(app: App, client: Client, cell: Cell) -> None:
    fields = [("content-type", "text/x"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-empty", "")]
    app.mount("/guest", answering(cell, status=203, headers=fields, items=[b"a", b"b"]))
    response = client.get("/guest/")
    assert (response.status_code, response.text, response.header_lines) == (203, "ab", fields)


def test_what_belongs_to_the_connection_stays_the_servers(app: App, client: Client, cell: Cell) -> None:
    fields = [("connection", "close"), ("transfer-encoding", "chunked"), ("keep-alive", "1"), TEXT]
    app.mount("/guest", answering(cell, headers=fields))
    assert client.get("/guest/").header_lines == [TEXT]


@pytest.mark.parametrize("fields", [[("a b", "c")], [("a", "b\r\nc: d")]], ids=["name", "value"])
def test_a_header_field_that_cannot_be_sent_is_a_500(
    app: App, client: Client, cell: Cell, fields: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.mount("/guest", answering(cell, headers=fields))
    assert client.get("/guest/").status_code == 500
    assert len(errors(caplog)) == 1


def test_a_head_has_the_length_and_no_body(app: App, client: Client, cell: Cell) -> None:
    app.mount("/guest", answering(cell, headers=[TEXT, ("content-length", "5")]))
    response = client.head("/guest/")
    assert (response.header_lines, response.content) == ([TEXT, ("content-length", "5")], b"")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(app: App, client: Client, cell: Cell, status: int) -> None:
    app.mount("/guest", answering(cell, status=status, headers=[("etag", '"x"')], items=[]))
    response = client.get("/guest/")
    assert (response.status_code, response.header_lines, response.content) == (status, [("etag", '"x"')], b"")


@pytest.mark.parametrize(("status", "left"), [(204, []), (205, [TEXT, ("content-length", "0")]), (304, [])])
def test_a_length_of_no_body_is_taken_back(app: App, client: Client, cell: Cell, status: int, left: Any) -> None:
    """A client would wait for those bytes (RFC 9110 8.6), and some servers count them."""
    app.mount("/guest", answering(cell, status=status, headers=[*left[:1], ("content-length", "5")]))
    response = client.get("/guest/")
    assert (response.status_code, response.header_lines, response.content) == (status, left, b"")


def test_a_body_shorter_than_its_length_is_not_passed_off_as_whole(app: App, client: Client, cell: Cell) -> None:
    app.mount("/guest", answering(cell, headers=[TEXT, ("content-length", "9")]))
    with pytest.raises(RuntimeError, match="4 bytes before its Content-Length"), client.stream("GET", "/guest/") as got:
        assert got.headers["content-length"] == "9"
        got.read()


def test_its_404_is_its_own(app: App, client: Client, cell: Cell) -> None:
    @app.error(404)
    def ours(request: Request, error: HTTPError) -> str:
        return "ours"

    app.mount("/guest", answering(cell, status=404, items=[b"theirs"]))
    assert client.get("/guest/none").text == "theirs"
    assert client.get("/none").text == "ours"


def test_a_guest_that_fails_before_its_answer(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    caught: list[BaseException] = []

    @app.middleware
    def watch(request: Request) -> Middleware:
        try:
            yield
        except ValueError as exc:
            caught.append(exc)
            raise

    def fail(seen: Seen) -> Answer:
        raise ValueError("no good")

    app.mount("/guest", guest(cell, fail))
    assert client.get("/guest/").status_code == 500
    assert [str(exc) for exc in caught] == ["no good"]
    (line,) = errors(caplog)
    assert line.startswith("GET / crashed in ")


def test_a_guest_that_fails_behind_its_first_item_is_cut(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("too late")

    app.mount("/guest", answering(cell, items=items()))
    with pytest.raises(ValueError, match="too late"), client.stream("GET", "/guest/") as response:
        response.read()
    assert response.status_code == 200


# --- around it ---


@pytest.mark.parametrize("colour", ["generator", "blocking", "async"])
def test_middlewares_wrap_a_guest(app: App, client: Client, cell: Cell, colour: str) -> None:
    def layer(request: Request) -> Middleware:
        response = yield
        response.headers["x-layer"] = f"{response.status} {request.root_path} {request.path}"
        response.set_cookie("layer", "1", secure=True)

    async def async_layer(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        response.headers["x-layer"] = f"{response.status} {request.root_path} {request.path}"
        response.set_cookie("layer", "1", secure=True)
        return response

    if colour == "async":
        app.middleware(async_layer)
    else:
        app.middleware(blocking=colour == "blocking")(layer)
    app.mount(
        "/guest", answering(cell, headers=[TEXT, ("x-guest", "1"), ("set-cookie", "guest=1")], items=[b"a", b"b"])
    )
    response = client.get("/guest/x")
    assert response.text == "ab"
    assert response.headers["x-layer"] == "200  /guest/x"  # as it came to the application whose layer this is
    assert [line.partition(";")[0] for line in response.set_cookies] == ["guest=1", "layer=1"]


def test_a_layer_may_answer_instead(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    @app.middleware
    def guard(request: Request) -> Middleware:
        if request.path == "/guest/no":
            return {"guard": True}, 403  # type: ignore[return-value]  # as plain as a handler may say it
        yield
        return None

    app.mount("/guest", noted)
    assert (client.get("/guest/no").json(), client.get("/guest/yes").text) == ({"guard": True}, "guest")
    assert [request.path for request in seen] == ["/yes"]


def test_a_layer_may_change_the_body(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def shout(request: Request) -> Middleware:
        response = yield
        assert isinstance(response.body, bytes)
        response.body = response.body.upper() + b"!"

    app.mount("/guest", answering(cell, headers=[TEXT, ("content-length", "5")]))
    response = client.get("/guest/")
    assert (response.text, response.headers["content-length"]) == ("GUEST!", "6")


def test_a_layer_may_replace_an_answer_which_is_closed(app: App, client: Client, cell: Cell) -> None:
    closed: list[str] = []

    def items() -> Iterator[bytes]:
        try:
            for _ in range(1000):
                yield b"x" * 10_000
        finally:
            closed.append("closed")

    @app.middleware
    def replace(request: Request) -> Middleware:
        yield
        return Text("instead")

    app.mount("/guest", answering(cell, items=items()))
    assert client.get("/guest/").text == "instead"
    assert closed == ["closed"]


def test_what_layers_set_in_the_context_is_seen(app: App, client: Client, cell: Cell) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    @app.middleware
    def log_in(request: Request) -> Middleware:
        token = user.set("ada")
        yield
        user.reset(token)

    app.mount("/guest", guest(cell, lambda seen: Answer(items=[user.get().encode()])))
    assert client.get("/guest/").text == "ada"


# --- streams ---


def test_items_are_sent_as_they_come(app: App, client: Client, cell: Cell) -> None:
    """The next item is made only when the client has the last one."""
    received = 0

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        for number in range(5):
            for _ in range(5000):
                if received >= number:
                    break
                time.sleep(0.001)
            yield str(received).encode()

    async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            for number in range(5):
                with anyio.move_on_after(5):
                    while received < number:
                        await anyio.sleep(0.001)
                await send({"type": "http.response.body", "body": str(received).encode(), "more_body": True})
            await send({"type": "http.response.body"})

    app.mount("/guest", cell.pick(application, asgi_application))
    seen = []
    with client.stream("GET", "/guest/") as response:
        for item in response.iter_bytes():
            received += 1
            seen.append(item)
    assert seen == [b"0", b"1", b"2", b"3", b"4"]


def test_a_stream_that_is_left_is_closed(app: App, client: Client, cell: Cell) -> None:
    closed: list[int] = []
    made = 0

    def items() -> Iterator[bytes]:
        nonlocal made
        try:
            for _ in range(100_000):
                made += 1
                yield b"x" * 1000
        finally:
            closed.append(made)

    app.mount("/guest", answering(cell, items=items()))
    with client.stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    assert len(closed) == 1
    assert closed[0] < 100_000


# --- pages of other sites ---

FOREIGN = {"cookie": "sid=1", "sec-fetch-site": "cross-site", "origin": "https://evil.test"}


def test_it_is_sent_what_pages_of_other_sites_send(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    """As where it stands alone: it has a protection of its own, or rules for other sites that are wider."""
    app.mount("/guest", noted)
    assert client.post("/guest/", headers=FOREIGN).status_code == 200
    assert len(seen) == 1


def test_it_may_be_checked_for_it(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    app.csrf(origins=["https://admin.test"])
    app.mount("/guest", noted, csrf=True)
    for headers, status in (
        (FOREIGN, 403),
        ({"cookie": "sid=1", "origin": "null"}, 403),
        ({**FOREIGN, "sec-fetch-site": "same-origin"}, 200),
        ({**FOREIGN, "origin": "https://admin.test"}, 200),
        ({"sec-fetch-site": "cross-site"}, 200),  # nothing that says who the user is
        ({"cookie": "sid=1"}, 200),  # no browser
    ):
        for path in ("/guest", "/guest/a"):
            assert (client.post(path, headers=headers).status_code, headers) == (status, headers)
    assert client.get("/guest/", headers=FOREIGN).status_code == 200
    assert len(seen) == 9


def test_a_refusal_in_its_place_is_the_applications(app: App, client: Client, noted: Any, seen: list[Seen]) -> None:
    @app.middleware
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-outer"] = request.path

    app.mount("/guest", noted, csrf=True)
    response = client.post("/guest/a", headers=FOREIGN)
    assert (response.status_code, response.headers["x-outer"]) == (403, "/guest/a")
    assert "page of another site" in response.text
    assert seen == []
