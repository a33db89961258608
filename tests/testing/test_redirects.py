"""Redirects are followed as RFC 9110 15.4 has it, in every cell."""

from typing import Any

import pytest

from ambi import App, Redirect, Request, Response, Text
from ambi.testing import Client, HTTPStatusError, RedirectImpossible, TooManyRedirects
from tests.cells import Cell
from tests.conftest import MakeClient


@pytest.fixture
def app(app: App, cell: Cell) -> App:
    """Give an application that redirects to `?to=` with the status in its path, and tells at `/told/…` what came."""

    def redirect(request: Request, status: int) -> Response:
        return Response(b"moved", status, {"location": request.query["to"]})

    def tell(request: Request, rest: str) -> dict[str, Any]:
        return {
            "method": request.method, "body": request.text, "type": request.headers.get("content-type"),
            "authorization": request.headers.get("authorization"), "host": request.host, "path": request.path,
            "scheme": request.scheme, "cookies": dict(request.cookies), "query": request.query_string,
        }  # fmt: skip

    methods = ["GET", "POST", "PUT"]
    app.route("/to/{status}", methods=methods)(cell.handler(redirect))
    app.route("/told/{rest:path}", methods=methods)(cell.handler(tell))
    return app


def to(status: int, location: str) -> dict[str, Any]:
    """Give the options of a request that is redirected."""
    return {"url": f"/to/{status}", "params": {"to": location}, "follow_redirects": True}


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("POST", 301, ("GET", "", None)), ("POST", 302, ("GET", "", None)), ("POST", 303, ("GET", "", None)),
        ("POST", 307, ("POST", "a=1", "application/x-www-form-urlencoded")),
        ("POST", 308, ("POST", "a=1", "application/x-www-form-urlencoded")),
        ("PUT", 301, ("PUT", "a=1", "application/x-www-form-urlencoded")), ("PUT", 303, ("GET", "", None)),
    ],
)  # fmt: skip
def test_the_status_says_what_becomes_of_method_and_body(
    client: Client, method: str, status: int, expected: tuple[str, str, str | None]
) -> None:
    told = client.request(method, **to(status, "/told/x"), data={"a": "1"}).json()
    assert (told["method"], told["body"], told["type"]) == expected


def test_a_head_stays_a_head(client: Client) -> None:
    response = client.head(**to(303, "/told/x"))
    assert (response.request.method, response.status_code, response.content) == ("HEAD", 200, b"")


def test_redirects_are_not_followed_unless_asked_for(client: Client, make_client: MakeClient, app: App) -> None:
    response = client.get("/to/302", params={"to": "/told/x?a=1#there"})
    assert (response.status_code, response.history, response.is_redirect, response.has_redirect_location) == (
        302,
        [],
        True,
        True,
    )
    assert response.next_request is not None
    assert response.next_request.fragment == "there"
    assert client.send(response.next_request).json()["query"] == "a=1"
    following = make_client(app, follow_redirects=True)
    assert following.get("/to/302", params={"to": "/told/x"}).status_code == 200
    assert following.get("/to/302", params={"to": "/told/x"}, follow_redirects=False).status_code == 302


def test_the_way_is_kept(client: Client) -> None:
    response = client.get(**to(302, "/to/307?to=/told/x%23end"))
    assert [step.status_code for step in response.history] == [302, 307]
    assert [str(step.url) for step in response.history] == [
        "http://localhost/to/302?to=%2Fto%2F307%3Fto%3D%2Ftold%2Fx%2523end", "http://localhost/to/307?to=/told/x%23end",
    ]  # fmt: skip
    assert (response.history[1].history, response.history[0].content) == ([response.history[0]], b"moved")
    assert response.url == "http://localhost/told/x"
    assert response.request.fragment == "end"


@pytest.mark.parametrize(
    ("location", "host", "path"),
    [
        ("../told/y", "localhost", "/told/y"), ("//shop.example/told/y", "shop.example", "/told/y"),
        ("http://shop.example:81/told/y", "shop.example:81", "/told/y"), ("/told/ü", "localhost", "/told/ü"),
    ],
)  # fmt: skip
def test_a_location_may_be_relative(client: Client, location: str, host: str, path: str) -> None:
    if not location.isascii():
        location = location.replace("ü", "%C3%BC")
    told = client.get(**to(302, location)).json()
    assert (told["host"], told["path"]) == (host, path)


@pytest.mark.parametrize(
    ("location", "authorization"),
    [("/told/x", "secret"), ("http://localhost/told/x", "secret"), ("http://shop.example/told/x", None), ("https://localhost/told/x", None), ("http://localhost:81/told/x", None)],
)  # fmt: skip
def test_another_origin_gets_no_credentials(client: Client, location: str, authorization: str | None) -> None:
    assert client.get(**to(302, location), headers={"authorization": "secret"}).json()["authorization"] == authorization


def test_cookies_are_those_of_where_it_leads(client: Client) -> None:
    client.cookies.set("here", "1", domain="localhost")
    client.cookies.set("there", "2", domain="shop.example")
    told = client.get(**to(302, "http://shop.example/told/x"), cookies={"once": "3"}).json()
    assert told["cookies"] == {"there": "2"}


def test_a_circle_ends(app: App, client: Client, cell: Cell) -> None:
    app.get("/circle")(cell.handler(lambda: Redirect("/circle")))
    with pytest.raises(TooManyRedirects, match="21st redirect") as caught:
        client.get("/circle", follow_redirects=True)
    assert len(caught.value.response.history) == 20


@pytest.mark.parametrize("location", ["mailto:me@shop.example", "ftp://shop.example/"])
def test_what_is_no_url_of_http_cannot_be_followed(client: Client, location: str) -> None:
    with pytest.raises(RedirectImpossible, match="no URL of HTTP"):
        client.get(**to(302, location))
    assert client.get("/to/302", params={"to": location}).next_request is None


def test_a_body_that_is_gone_cannot_be_sent_again(client: Client) -> None:
    with pytest.raises(RedirectImpossible, match="its body was sent in chunks"):
        client.post(**to(307, "/told/x"), content=iter([b"a"]))
    assert client.post(**to(303, "/told/x"), content=iter([b"a"])).json()["method"] == "GET"


def test_a_status_without_a_location_is_no_redirect(app: App, client: Client, cell: Cell) -> None:
    app.get("/304")(cell.handler(lambda: Response(b"", 304)))
    app.get("/302")(cell.handler(lambda: Text("nowhere", 302)))
    for path in ("/304", "/302"):
        response = client.get(path, follow_redirects=True)
        assert (response.has_redirect_location, response.next_request) == (False, None)
    with pytest.raises(HTTPStatusError, match=r"GET http://localhost/302 was answered with 302 Found: nowhere"):
        client.get("/302").raise_for_status()
