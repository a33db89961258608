"""The client for tests says what was asked and what came back, in every cell."""

from datetime import UTC
from typing import Any

import pytest

from ambi import App, Request, Stream, Text
from ambi.testing import Client
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
