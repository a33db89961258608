"""What a handler returns is the same answer in every cell."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from ambi import HTML, JSON, App, Redirect, Request, Response, Stream, Text
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

TEXT, MARKUP, DATA, BYTES = (
    "text/plain; charset=utf-8",
    "text/html; charset=utf-8",
    "application/json",
    "application/octet-stream",
)


class Colour(Enum):
    RED = "red"


class Name(str):
    __slots__ = ()


class Item(dict[str, int]):
    pass


@dataclass
class Point:
    x: int
    y: int
    tags: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("héllo", 200, TEXT, "héllo".encode()),
        ("", 200, TEXT, b""),
        ("<script>", 200, TEXT, b"<script>"),
        (Name("sub"), 200, TEXT, b"sub"),
        (b"\x00\xff", 200, BYTES, b"\x00\xff"),
        (None, 204, None, b""),
        ({"a": 1}, 200, DATA, b'{"a":1}'),
        ({}, 200, DATA, b"{}"),
        (Item(a=1), 200, DATA, b'{"a":1}'),
        ([1, "ü", None], 200, DATA, '[1,"ü",null]'.encode()),
        (Point(1, 2, ["a"]), 200, DATA, b'{"x":1,"y":2,"tags":["a"]}'),
        (("made", 201), 201, TEXT, b"made"),
        (({"a": 1}, 202), 202, DATA, b'{"a":1}'),
        ((None, 200), 200, TEXT, b""),
        (Text("text", 418), 418, TEXT, b"text"),
        (HTML("<p>ü"), 200, MARKUP, "<p>ü".encode()),
        (HTML("<p>", 404), 404, MARKUP, b"<p>"),
        (JSON([1]), 200, DATA, b"[1]"),
        (JSON("text", 201), 201, DATA, b'"text"'),
        (Response(), 200, TEXT, b""),
        (Response(b"x"), 200, BYTES, b"x"),
        (Response(bytearray(b"a")), 200, BYTES, b"a"),
        (Response(memoryview(b"m")), 200, BYTES, b"m"),
        (Response("ü"), 200, TEXT, "ü".encode()),
        (Response(b"x", 203, content_type="a/b"), 203, "a/b", b"x"),
        (Response("x", headers={"content-type": "a/b"}), 200, "a/b", b"x"),
        (Text("x", headers={"content-type": "a/b"}), 200, "a/b", b"x"),
        (HTML("<p>", headers={"Content-Type": "application/xhtml+xml"}), 200, "application/xhtml+xml", b"<p>"),
        (JSON(1, headers={"content-type": "application/ld+json"}), 200, "application/ld+json", b"1"),
        ("\ud800", 200, TEXT, b"?"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_becomes_a_response(
    app: App, client: Client, cell: Cell, value: Any, status: int, content_type: str | None, body: bytes
) -> None:
    app.get("/")(cell.handler(lambda: value))
    response = client.get("/")
    assert (response.status_code, response.headers.get("content-type"), response.content) == (
        status,
        content_type,
        body,
    )
    assert response.headers.get("content-length") == (None if status == 204 else str(len(body)))


def test_a_stream_has_the_type_of_its_header_fields(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Stream(iter(["a,b"]), headers={"content-type": "text/csv"})))
    response = client.get("/")
    assert (response.headers.get("content-type"), response.content) == ("text/csv", b"a,b")


def test_a_tuple_may_bring_header_fields(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: ("made", 201, {"location": "/1", "x-a": "b"})))
    response = client.get("/")
    assert (response.status_code, response.headers["location"], response.headers["x-a"]) == (201, "/1", "b")


def test_json_knows_the_common_types(app: App, client: Client, cell: Cell) -> None:
    value = {
        "datetime": datetime(2024, 1, 2, 3, 4, tzinfo=UTC), "date": date(2024, 1, 2), "uuid": UUID(int=1),
        "decimal": Decimal("1.10"), "enum": Colour.RED, "set": {1}, "point": Point(1, 2), "lone": "\ud800",
    }  # fmt: skip
    app.get("/")(cell.handler(lambda: value))
    assert client.get("/").json() == {
        "datetime": "2024-01-02T03:04:00+00:00", "date": "2024-01-02", "uuid": "00000000-0000-0000-0000-000000000001",
        "decimal": "1.10", "enum": "red", "set": [1], "point": {"x": 1, "y": 2, "tags": []}, "lone": "\ud800",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, float("nan"), {1, 2}, 3, True, ("a",), ("a", "b"), ("a", 1, 2, 3), [b"x"], ("x", 99)],
    ids=repr,
)
def test_a_value_that_is_no_response_is_a_500_that_names_the_handler(
    app: App, client: Client, cell: Cell, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @cell.handler
    def odd_handler() -> Any:
        return value

    app.get("/")(odd_handler)
    assert client.get("/").status_code == 500
    assert "odd_handler" in caplog.text
    assert __file__ in caplog.text


def test_a_coroutine_for_a_value_is_told_apart(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    async def other() -> str:
        return "never awaited"

    app.get("/")(cell.handler(lambda: other()))
    assert client.get("/").status_code == 500
    assert "must be an `async def`" in caplog.text


def test_a_callable_object_is_a_handler(app: App, client: Client, cell: Cell) -> None:
    class Sync:
        def __call__(self, request: Request) -> str:
            return request.path

    class Async:
        async def __call__(self, request: Request) -> str:
            return request.path

    app.get("/path")(Async() if cell.is_async else Sync())
    assert client.get("/path").text == "/path"


def test_a_partial_is_a_handler(app: App, client: Client, cell: Cell) -> None:
    from functools import partial

    def hello(greeting: str, name: str) -> str:
        return f"{greeting}, {name}"

    app.get("/{name}")(partial(cell.handler(hello), "Hello"))
    assert client.get("/Bob").text == "Hello, Bob"


# --- no body ---


@pytest.mark.parametrize(
    "make", [lambda: "hello", lambda: {"a": 1}, lambda: Response(b"x" * 5000), lambda: HTML("<p>")]
)
def test_head_has_the_fields_of_get_and_no_body(app: App, client: Client, cell: Cell, make: Callable[[], Any]) -> None:
    app.get("/")(cell.handler(make))
    get, head = client.get("/"), client.head("/")
    assert (head.status_code, head.header_lines, head.content) == (get.status_code, get.header_lines, b"")


def test_head_of_a_stream_iterates_nothing_and_closes_it(app: App, client: Client, cell: Cell) -> None:
    events = []

    def items() -> Any:
        events.append("iterated")
        yield "x"

    async def items_async() -> Any:
        events.append("iterated")
        yield "x"

    class Closable:
        def __init__(self) -> None:
            self.items: Any = items_async() if cell.is_async else items()

        if cell.is_async:

            def __aiter__(self) -> Any:
                return self.items

            async def aclose(self) -> None:
                await self.items.aclose()
                events.append("closed")
        else:

            def __iter__(self) -> Any:
                return self.items

            def close(self) -> None:
                self.items.close()
                events.append("closed")

    app.get("/")(cell.handler(lambda: Stream(Closable(), "a/b", headers={"x-a": "b"})))
    head = client.head("/")
    assert (head.status_code, head.headers["content-type"], head.headers["x-a"]) == (200, "a/b", "b")
    assert (head.content, events) == (b"", ["closed"])


def test_a_handler_for_head_is_preferred_to_the_one_for_get(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: pytest.fail("GET was called")))
    app.head("/")(cell.handler(lambda: Response(b"abc", headers={"x-head": "yes"})))
    response = client.head("/")
    assert (response.headers["x-head"], response.headers["content-length"], response.content) == ("yes", "3", b"")


@pytest.mark.parametrize(("given", "sent"), [("12345", "12345"), ("0", "0"), (None, None), ("-1", None)])
@pytest.mark.parametrize("methods", [["HEAD"], ["HEAD", "GET"]], ids=str)
def test_an_empty_answer_to_head_has_the_length_that_its_handler_knows_and_no_other(
    app: App, client: Client, cell: Cell, given: str | None, sent: str | None, methods: list[str]
) -> None:
    """RFC 9110 8.6: a length in it is that of the answer to GET."""
    headers = {"etag": '"a"'} if given is None else {"etag": '"a"', "content-length": given}
    app.route("/", methods=methods)(cell.handler(lambda: Response(b"", headers=headers)))
    response = client.head("/")
    assert (response.headers.get("content-length"), response.headers["etag"], response.content) == (sent, '"a"', b"")


def test_an_empty_answer_of_get_has_its_length_for_head_too(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Response(b"")))
    assert client.get("/").headers["content-length"] == client.head("/").headers["content-length"] == "0"


def test_the_handler_of_get_may_say_the_length_instead_of_making_the_body_for_head(
    app: App, client: Client, cell: Cell
) -> None:
    app.get("/")(cell.handler(lambda: Response(b"", headers={"content-length": "7"})))
    assert client.head("/").headers["content-length"] == "7"
    assert client.get("/").headers["content-length"] == "0"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [b"", b"body", "stream"])
def test_204_and_304_have_no_body_and_no_length(app: App, client: Client, cell: Cell, status: int, body: Any) -> None:
    app.get("/")(
        cell.handler(
            lambda: Stream(iter(["x"]), status=status) if body == "stream"
            else Response(body, status, {"content-length": "4", "etag": '"a"'})
        )
    )  # fmt: skip
    response = client.get("/")
    assert (response.status_code, response.content) == (status, b"")
    assert "content-length" not in response.headers
    assert "content-type" not in response.headers


def test_a_304_keeps_what_a_cache_needs(app: App, client: Client, cell: Cell) -> None:
    fields = {"etag": '"a"', "cache-control": "max-age=60", "vary": "accept", "x-mine": "b"}
    app.get("/")(cell.handler(lambda: Response(b"", 304, fields)))
    assert fields.items() <= dict(client.get("/").headers).items()


# --- header fields ---


@pytest.mark.parametrize("declared", ["1", "99", "abc"])
def test_the_length_of_a_whole_body_is_always_right(app: App, client: Client, cell: Cell, declared: str) -> None:
    app.get("/")(cell.handler(lambda: Response(b"hello", headers={"content-length": declared})))
    response = client.get("/")
    assert ([v for n, v in response.header_lines if n == "content-length"], response.content) == (["5"], b"hello")


def test_the_length_follows_a_body_that_a_middleware_changed(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def longer(request: Request) -> Any:
        response = yield
        response.body = bytes(response.body) + b", world"

    app.get("/")(cell.handler(lambda: "hello"))
    response = client.get("/")
    assert (response.text, response.headers["content-length"]) == ("hello, world", "12")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 100_000])
def test_a_body_of_any_size_says_its_length(app: App, client: Client, cell: Cell, size: int) -> None:
    app.get("/")(cell.handler(lambda: b"x" * size))
    assert client.get("/").headers["content-length"] == str(size)


def test_every_answer_forbids_sniffing(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Text("x", headers={"x-content-type-options": "sniff"})))
    app.get("/stream")(cell.handler(lambda: Stream(["x"])))
    app.get("/none")(cell.handler(lambda: None))
    app.get("/crash")(cell.handler(lambda: 1 / 0))
    for path in ("/", "/stream", "/none", "/crash", "/missing"):
        lines = client.get(path).header_lines
        assert [value for name, value in lines if name == "x-content-type-options"] == ["nosniff"], path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "b\r\nset-cookie: c=d"), ("x-a", "b\n"), ("x-a", "\x00"), ("x a", "b"), ("", "b"), ("x-a:", "b"),
        ("connection", "close"), ("transfer-encoding", "chunked"), ("x-a", "€"), ("ü", "b"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_sent_is_refused_when_it_is_set(
    app: App, client: Client, cell: Cell, name: str, value: str
) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("fine")
        for attempt in (
            lambda: response.headers.update({name: value}),
            lambda: response.headers.append(name, value),
            lambda: Response(b"", headers={name: value}),
            lambda: JSON({}, headers={name: value}),
            lambda: Text("", headers={name: value}),
        ):
            with pytest.raises(ValueError, match="field"):
                attempt()
        return response

    response = client.get("/")
    assert (response.text, {n for n, _ in response.header_lines}) == (
        "fine", {"content-type", "content-length", "x-content-type-options"},
    )  # fmt: skip


def test_a_field_may_have_several_lines(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x", headers={"Link": "<a>"})
        response.headers.append("link", "<b>")
        response.headers["X-One"] = "first"
        response.headers["x-one"] = "second"
        response.headers.append("x-gone", "1")
        del response.headers["X-Gone"]
        response.headers.add_vary("Accept", "accept", "Cookie")
        return response

    lines = client.get("/").header_lines
    assert [value for name, value in lines if name == "link"] == ["<a>", "<b>"]
    assert [value for name, value in lines if name == "x-one"] == ["second"]
    assert [value for name, value in lines if name == "vary"] == ["Accept, Cookie"]
    assert "x-gone" not in dict(lines)


def test_a_field_is_sent_as_latin_1(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Text("x", headers={"x-name": "Müller"})))
    assert client.get("/").headers["x-name"] == "Müller"


@pytest.mark.parametrize("status", [100, 199, 600, 0, -1, "200", 200.0, True])
def test_a_status_that_cannot_be_sent_is_refused_when_it_is_made(
    app: App, client: Client, cell: Cell, status: Any
) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> str:
        for attempt in (lambda: Response(b"", status), lambda: Text("", status), lambda: JSON({}, status)):
            with pytest.raises(ValueError, match="status"):
                attempt()
        return "fine"

    assert client.get("/").text == "fine"


@pytest.mark.parametrize("status", [200, 299, 418, 499, 599])
def test_any_final_status_can_be_sent(app: App, client: Client, cell: Cell, status: int) -> None:
    app.get("/")(cell.handler(lambda: ("x", status)))
    assert client.get("/").status_code == status


def test_a_status_set_later_is_checked_before_it_is_sent(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x")
        response.status = 999
        return response

    assert client.get("/").status_code == 500


# --- cookies ---


def test_cookies_are_safe_by_default(app: App, make_client: MakeClient, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", max_age=60, path="/x", domain="shop.example", samesite="strict", httponly=False)
        response.set_cookie("c", "3", secure=False)
        response.set_cookie("d", "a b,c")
        response.set_cookie("a", "4", expires=datetime(2030, 1, 1, tzinfo=UTC))
        return response

    assert make_client(app, base_url="http://shop.example").get("/").set_cookies == [
        "b=2; Max-Age=60; Domain=shop.example; Path=/x; SameSite=Strict; Secure",
        "c=3; Path=/; HttpOnly; SameSite=Lax",
        'd="a b\\054c"; Path=/; HttpOnly; SameSite=Lax; Secure',
        "a=4; Expires=Tue, 01 Jan 2030 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax; Secure",
    ]


@pytest.mark.parametrize(
    ("base_url", "secure"),
    [("http://localhost:8000", False), ("http://shop.example", True), ("https://localhost", True)],
)
def test_a_cookie_is_secure_but_on_loopback_http(
    app: App, make_client: MakeClient, cell: Cell, base_url: str, secure: bool
) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x")
        response.set_cookie("a", "1")
        return response

    (line,) = make_client(app, base_url=base_url).get("/").set_cookies
    assert line.endswith("; Secure") is secure


@pytest.mark.parametrize("status", [200, 204, 205, 304, 404])
@pytest.mark.parametrize("cache_control", [None, "no-store"])
def test_an_answer_with_a_cookie_is_private(
    app: App, client: Client, cell: Cell, cache_control: str | None, status: int
) -> None:
    """One without a body, too: a 204 may be stored, and a 304 brings what is stored up to date (RFC 9111 3.2, 4.2.2)."""

    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x", status)
        response.set_cookie("a", "1")
        if cache_control:
            response.headers["cache-control"] = cache_control
        return response

    assert client.get("/").headers["cache-control"] == (cache_control or "private")


def test_a_cookie_can_be_deleted(app: App, client: Client, cell: Cell) -> None:
    def with_cookie(change: Callable[[Response], None]) -> Text:
        response = Text("x")
        change(response)
        return response

    app.get("/set")(cell.handler(lambda: with_cookie(lambda r: r.set_cookie("a", "1"))))
    app.get("/delete")(cell.handler(lambda: with_cookie(lambda r: r.delete_cookie("a"))))
    app.get("/get")(cell.handler(lambda request: request.cookies.get("a", "none")))
    client.get("/set")
    assert client.get("/get").text == "1"
    client.get("/delete")
    assert client.get("/get").text == "none"


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("a b", "1", {}), ("", "1", {}), ("a", "\n", {}), ("a", "ü", {}), ("a", "x" * 4096, {}), ("a", "1", {"path": "/;x"}),
        ("a", "1", {"domain": "x\ny"}), ("a", "1", {"samesite": "no"}), ("a", "1", {"samesite": "none", "secure": False}),
        ("__Host-a", "1", {"path": "/x"}), ("__Secure-a", "1", {"secure": False}),
    ],
)  # fmt: skip
def test_a_cookie_that_cannot_be_set_is_refused_at_once(
    app: App, client: Client, cell: Cell, name: str, value: str, options: dict[str, Any]
) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("fine")
        with pytest.raises(ValueError, match="cookie|samesite"):
            response.set_cookie(name, value, **options)
        return response

    response = client.get("/")
    assert (response.text, response.set_cookies) == ("fine", [])


# --- redirects ---


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/a?b=c#d", "/a?b=c#d"), ("https://x.example/ü", "https://x.example/%C3%BC"), ("/a b", "/a%20b"), ("/%20", "/%20"),
        ("/\\x", "/%5Cx"), ('/"<>', "/%22%3C%3E"),
    ],
)  # fmt: skip
def test_a_redirect_has_a_location_fit_to_be_sent(
    app: App, client: Client, cell: Cell, location: str, sent: str
) -> None:
    app.get("/")(cell.handler(lambda: Redirect(location)))
    response = client.get("/")
    assert (response.status_code, response.headers["location"], response.content) == (303, sent, b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_may_have_any_status_of_its_kind(app: App, client: Client, cell: Cell, status: int) -> None:
    app.get("/")(cell.handler(lambda: Redirect("/x", status, {"x-a": "b"})))
    response = client.get("/")
    assert (response.status_code, response.headers["x-a"]) == (status, "b")


@pytest.mark.parametrize(("location", "status"), [("/a\r\nx: y", 303), ("/a\x00", 303), ("/", 200), ("/", 304)])
def test_a_redirect_that_cannot_be_sent_is_refused_when_it_is_made(location: str, status: int) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ValueError, match="redirect|location"):
        Redirect(location, status)


def test_a_response_shows_its_status() -> None:
    """Nothing is served here, so there is no cell."""
    assert (repr(Text("secret", 418)), repr(Response())) == ("<Text 418>", "<Response 200>")


def test_json_of_a_middleware_is_written_too(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def replace(request: Request) -> Any:
        response = yield
        return JSON({"was": json.loads(response.body)})

    app.get("/")(cell.handler(lambda: [1]))
    assert client.get("/").json() == {"was": [1]}


def test_subclasses_of_responses_are_responses(app: App, client: Client, cell: Cell) -> None:
    class Page(HTML):
        pass

    class Data(JSON):
        pass

    app.get("/page")(cell.handler(lambda: Page("<p>")))
    app.get("/data")(cell.handler(lambda: Data([1])))
    assert (client.get("/page").text, client.get("/data").json()) == ("<p>", [1])


def test_many_different_fields_are_sent_right(app: App, client: Client, cell: Cell) -> None:
    """More than are remembered as encoded."""
    app.get("/{n:int}")(cell.handler(lambda n: Text("x", headers={"cache-control": f"max-age={n}"})))
    for number in range(0, 4200, 7):
        assert client.get(f"/{number}").headers["cache-control"] == f"max-age={number}"
