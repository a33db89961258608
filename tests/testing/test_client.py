"""The client for tests says what was asked and what came back, in every cell."""

from datetime import UTC
from typing import Any

import pytest

import ambi.testing
from ambi import App, Request, Stream, Text
from ambi.testing import Client, Cookies, HTTPStatusError
from ambi.testing.transports import is_factory
from tests.cells import Cell
from tests.conftest import MakeClient


@pytest.fixture
def echo(app: App, cell: Cell) -> None:
    """Register a route that says what it got."""

    def tell(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "query": request.query.pairs(),
            "headers": dict(request.headers),
            "body": "" if request.content_type[0].startswith("multipart") else request.text,
        }

    app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(cell.handler(tell))


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options"])
def test_there_is_a_verb_for_each_method(echo: None, client: Client, verb: str) -> None:
    assert getattr(client, verb)("/").json()["method"] == verb.upper()


@pytest.mark.parametrize(
    ("url", "params", "pairs"),
    [
        ("/", {"a": 1, "b": "x y"}, [["a", "1"], ["b", "x y"]]),
        ("/?a=1", [("a", 2), ("b", "ü&")], [["a", "1"], ["a", "2"], ["b", "ü&"]]),
        ("/", None, []),
    ],
)
def test_params_go_to_the_query(echo: None, client: Client, url: str, params: Any, pairs: list[list[str]]) -> None:
    assert client.get(url, params=params).json()["query"] == pairs


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ({"content": b"bytes"}, None, "bytes"),
        ({"content": "téxt"}, None, "téxt"),
        ({"content": [b"in ", b"chunks"]}, None, "in chunks"),
        ({"json": {"a": [1]}}, "application/json", '{"a": [1]}'),
        ({"data": {"a": "1 2", "b": "ü"}}, "application/x-www-form-urlencoded", "a=1%202&b=%C3%BC"),
        ({"files": {"f": b"x"}}, "multipart/form-data; boundary=ambi-testing-boundary", ""),
        ({"content": b"x", "headers": {"content-type": "a/b"}}, "a/b", "x"),
        ({}, None, ""),
    ],
    ids=str,
)
def test_a_body_is_given_in_one_of_many_ways(
    echo: None, client: Client, options: dict[str, Any], content_type: str | None, body: str
) -> None:
    told = client.post("/", **options).json()
    assert (told["headers"].get("content-type"), told["body"]) == (content_type, body)


def test_a_post_without_a_body_says_so(echo: None, client: Client) -> None:
    assert client.post("/").json()["headers"]["content-length"] == "0"
    assert "content-length" not in client.get("/").json()["headers"]


def test_header_fields_of_the_client_go_with_every_request(echo: None, app: App, make_client: MakeClient) -> None:
    client = make_client(app, headers={"X-Always": "1"})
    headers = client.get("/", headers={"x-once": "2"}).json()["headers"]
    assert (headers["x-always"], headers["x-once"], headers["host"]) == ("1", "2", "localhost")


def test_an_answer_shows_its_lines_and_its_text(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("M\xfcller", headers={"content-type": "text/plain; charset=latin-1"})
        response.body = "Müller".encode("latin-1")
        response.headers.append("link", "<a>")
        response.headers.append("link", "<b>")
        response.set_cookie("a", "1")
        return response

    response = client.get("/")
    assert (response.text, response.content, repr(response)) == ("Müller", b"M\xfcller", "<Response 200>")
    assert (response.headers["link"], response.cookies) == ("<a>, <b>", {"a": "1"})
    assert [value for name, value in response.header_lines if name == "link"] == ["<a>", "<b>"]


def test_cookies_stay_below_their_path_and_end(app: App, client: Client, cell: Cell) -> None:
    from datetime import datetime

    @app.get("/set")
    @cell.handler
    def set_cookies() -> Text:
        response = Text("x")
        response.set_cookie("here", "1", path="/a")
        response.set_cookie("there", "2", path="/b/")
        response.set_cookie("ended", "3", expires=datetime(2000, 1, 1, tzinfo=UTC))
        return response

    app.get("/{rest:path}")(cell.handler(lambda request: ",".join(request.cookies)))
    client.get("/set")
    assert [client.get(path).text for path in ("/a", "/a/x", "/ab", "/b/x", "/c")] == ["here", "here", "", "there", ""]


def test_an_answer_is_read_item_by_item(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Stream(["a", "b", "c"])))
    with client.stream("GET", "/") as response:
        assert list(response.iter_bytes()) == [b"a", b"b", b"c"]


def test_a_client_may_be_used_without_its_start_up(app: App, cell: Cell) -> None:
    """Each request then has a loop of its own under ASGI."""
    app.get("/")(cell.handler(lambda: "ok"))
    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    assert [client.get("/").text, client.get("/").text] == ["ok", "ok"]


def test_there_are_two_gateways() -> None:
    with pytest.raises(ValueError, match="must be 'wsgi', 'asgi' or 'both', not 'rsgi'"):
        Client(App(), gateway="rsgi")  # type: ignore[arg-type]


def test_an_application_that_never_answers_is_told() -> None:
    """ASGI alone: a WSGI application cannot return without an iterable."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    with pytest.raises(RuntimeError, match="ended without an answer"):
        Client(silent).get("/")


# --- where a request goes ---


@pytest.mark.parametrize(
    ("base_url", "url", "asked"),
    [
        ("http://localhost", "/a?b=c", "http://localhost/a?b=c"), ("http://localhost", "a", "http://localhost/a"),
        ("http://localhost", "", "http://localhost/"), ("http://localhost", "?b=c", "http://localhost/?b=c"), ("http://localhost/a", "?b=c", "http://localhost/a?b=c"),
        ("https://shop.example:8443/api/", "/a", "https://shop.example:8443/api/a"),
        ("https://shop.example/api", "http://other.example/a", "http://other.example/a"),
        ("http://localhost", "HTTPS://Me:secret@other.example:1?b=c", "https://other.example:1/?b=c"),
        ("http://localhost", "/ü#there", "http://localhost/%C3%BC"), ("http://localhost", "/a?url=http://b", "http://localhost/a?url=http://b"),
    ],
)  # fmt: skip
def test_a_url_is_a_path_or_absolute(
    app: App, make_client: MakeClient, cell: Cell, base_url: str, url: str, asked: str
) -> None:
    app.get("/{rest:path}")(cell.handler(lambda request, rest: f"{request.scheme}://{request.host}{request.path}"))
    app.get("/")(cell.handler(lambda request: f"{request.scheme}://{request.host}/"))
    client = make_client(app, base_url=base_url)
    response = client.get(url)
    assert str(response.url) == str(response.request.url) == asked
    assert response.text == asked.partition("?")[0].replace("%C3%BC", "ü")


@pytest.mark.parametrize("url", ["ftp://localhost/", "http://", "http:///path"])
def test_a_url_that_is_not_served_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        Client(App()).get(url)


@pytest.mark.parametrize("base_url", ["localhost", "ftp://localhost", "http://"])
def test_a_base_url_names_a_host(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url must begin with http"):
        Client(App(), base_url=base_url)
    assert Client(App(), base_url="http://a.example/b/").base_url == "http://a.example/b"


# --- headers and cookies ---


def test_a_request_overrules_the_fields_of_the_client(echo: None, app: App, make_client: MakeClient) -> None:
    client = make_client(app, headers={"X-A": "client", "x-b": "client"})
    headers = client.get("/", headers={"x-a": "request"}).json()["headers"]
    assert (headers["x-a"], headers["x-b"]) == ("request", "client")


def test_a_name_and_a_password_are_sent_as_basic(echo: None, app: App, make_client: MakeClient) -> None:
    client = make_client(app, headers={"authorization": "Bearer of-the-client"})
    sent = client.get("/", auth=("Aladdin", "open sesame")).json()["headers"]
    assert sent["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 2
    sent = client.get("/", auth=("test", "123£")).json()["headers"]
    assert sent["authorization"] == "Basic dGVzdDoxMjPCow=="  # RFC 7617 2.1
    assert client.get("/").json()["headers"]["authorization"] == "Bearer of-the-client"


@pytest.mark.parametrize(
    ("auth", "error"), [("ann:secret", TypeError), (("a", None), TypeError), (("a:b", "c"), ValueError)]
)
def test_what_is_no_name_and_password_is_refused(auth: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="name"):
        Client(App()).get("/", auth=auth)


def test_cookies_may_be_given_to_begin_with_and_replaced(echo: None, app: App, make_client: MakeClient) -> None:
    client = make_client(app, cookies={"a": "1"})
    assert client.get("/", cookies={"b": "2"}).request.headers["cookie"] == "a=1; b=2"
    client.cookies = {"c": "3"}
    assert client.get("/").json()["headers"]["cookie"] == "c=3"
    client.cookies = Cookies({"d": "4"})
    assert client.get("/").json()["headers"]["cookie"] == "d=4"


# --- what an answer tells ---


@pytest.mark.parametrize(
    ("status", "phrase", "kinds"),
    [
        (200, "OK", ["is_success"]), (302, "Found", ["is_redirect"]), (404, "Not Found", ["is_client_error", "is_error"]),
        (503, "Service Unavailable", ["is_error", "is_server_error"]), (599, "", ["is_error", "is_server_error"]),
    ],
)  # fmt: skip
def test_an_answer_tells_what_kind_it_is(
    app: App, client: Client, cell: Cell, status: int, phrase: str, kinds: list[str]
) -> None:
    app.get("/")(cell.handler(lambda: Text("x", status)))
    response = client.get("/")
    names = ["is_informational", "is_success", "is_redirect", "is_client_error", "is_server_error", "is_error"]
    assert (response.reason_phrase, sorted(name for name in names if getattr(response, name))) == (
        phrase,
        sorted(kinds),
    )
    if status == 200:
        assert response.raise_for_status() is response
    else:
        with pytest.raises(HTTPStatusError, match=f"{status} {phrase}: x") as caught:
            response.raise_for_status()
        assert (caught.value.response, caught.value.request) == (response, response.request)


def test_lines_of_a_field_can_be_had_singly(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Text:
        response = Text("x")
        response.headers.append("link", "<a>")
        response.headers.append("link", "<b>")
        return response

    headers = client.get("/").headers
    assert (headers.get_list("Link"), headers["LINK"]) == (["<a>", "<b>"], "<a>, <b>")
    assert ("link", "<b>") in headers.multi_items()


def test_an_answer_knows_its_request(echo: None, client: Client) -> None:
    request = client.post("/", content=b"x", headers={"x-a": "1"}).request
    assert (repr(request), request.content, request.headers["X-A"]) == ("<Request POST />", b"x", "1")
    with pytest.raises(RuntimeError, match="sent in chunks"):
        assert client.post("/", content=[b"x"]).request.content


# --- applications ---


def test_a_factory_is_called(cell: Cell) -> None:
    def make(name: str = "made") -> App:
        app = App()
        app.get("/")(cell.handler(lambda: name))
        return app

    assert Client(make, gateway=cell.gateway, backend=cell.backend).get("/").text == "made"


def test_an_application_of_another_kind_is_no_factory(cell: Cell) -> None:
    def wsgi(*args: Any) -> Any:
        args[1]("200 OK", [])
        return [b"wsgi"]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"asgi"})

    app: Any = wsgi if cell.gateway == "wsgi" else asgi
    assert Client(app, gateway=cell.gateway, backend=cell.backend).get("/").text == cell.gateway
    assert not is_factory("no callable")
    assert not is_factory(_NoSignature())


class _NoSignature:
    """A callable that tells nothing of its parameters."""

    __signature__ = "none"

    def __call__(self) -> None: ...


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        assert ambi.testing.Nothing
    assert [name for name in ambi.testing.__all__ if not getattr(ambi.testing, name).__doc__] == []


@pytest.mark.parametrize(
    ("base_url", "server"),
    [("http://[::1]:8000", ("::1", 8000)), ("https://[::1]", ("::1", 443)), ("http://a:1", ("a", 1))],
)
def test_the_server_may_be_an_address_of_ipv6(make_client: MakeClient, base_url: str, server: tuple[str, int]) -> None:
    app = App()

    @app.get("/")
    def index(request: Request) -> str:
        if request.gateway == "asgi":
            return repr(request.native["server"])
        return repr((request.native["SERVER_NAME"], int(request.native["SERVER_PORT"])))

    assert make_client(app, base_url=base_url).get("/").text == repr(server)
