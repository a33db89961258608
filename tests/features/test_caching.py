"""What may be kept: the value of Cache-Control, and entity tags of what is sent, in every cell."""

import copy
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ambi import JSON, App, ConfigurationError, File, Middleware, Request, Response, Stream
from ambi.features.caching import CacheControl
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

ONE_FOR_EACH_GATEWAY = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
"""For what has no colour: the layer is a generator."""
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture
def app() -> App:
    """Give an application that tags what it sends."""
    app = App()
    app.etags()
    return app


# --- Cache-Control. Nothing is served, so there is no cell ---


def through_pickle(protocol: int) -> Callable[[Any], Any]:
    """Give what makes a value again from its pickle."""
    return lambda value: pickle.loads(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ({"max_age": 60}, "max-age=60"),
        ({"max_age": 0}, "max-age=0"),
        ({"no_store": True}, "no-store"),
        ({"no_store": True, "max_age": 0}, "no-store, max-age=0"),
        ({"no_store": True, "no_transform": True}, "no-store, no-transform"),
        ({"private": True, "no_cache": True}, "private, no-cache"),
        ({"public": True, "max_age": timedelta(days=365), "immutable": True}, "public, immutable, max-age=31536000"),
        (
            {"max_age": 60, "s_maxage": 600, "stale_while_revalidate": 30, "stale_if_error": timedelta(hours=1)},
            "max-age=60, s-maxage=600, stale-while-revalidate=30, stale-if-error=3600",
        ),
        (
            {"must_revalidate": True, "proxy_revalidate": True, "must_understand": True, "max_age": 1},
            "must-revalidate, proxy-revalidate, must-understand, max-age=1",
        ),
    ],
)
def test_cache_control_is_put_together(parts: dict[str, Any], value: str) -> None:
    made = CacheControl(**parts)
    assert made == value
    assert isinstance(made, str)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "says nothing"),
        ({"private": True, "public": True}, "both private and public"),
        ({"private": True, "s_maxage": 1}, "both private and s-maxage"),
        ({"no_store": True, "max_age": 60}, "no-store and a max-age above 0"),
        ({"no_store": True, "stale_if_error": 60}, "both no-store and stale-if-error"),
        ({"no_cache": True, "immutable": True}, "both no-cache and immutable"),
        ({"max_age": -1}, "max-age must be whole seconds, 0 or more, or a timedelta; not -1"),
        ({"max_age": timedelta(seconds=-1)}, "max-age must be"),
        ({"max_age": 1.5}, "max-age must be"),
        ({"max_age": "60"}, "max-age must be"),
        ({"max_age": True}, "max-age must be"),
    ],
)
def test_what_a_cache_control_cannot_say_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CacheControl(**parts)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, *map(through_pickle, range(pickle.HIGHEST_PROTOCOL + 1))])
def test_it_can_be_copied_and_sent_to_another_process(again: Callable[[CacheControl], CacheControl]) -> None:
    made = CacheControl(max_age=5, private=True)
    assert (again(made), type(again(made))) == ("private, max-age=5", CacheControl)


def test_a_cache_control_is_a_header_field(client: Client, app: App, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Response("a", headers={"cache-control": CacheControl(max_age=60)})))
    assert client.get("/").headers["cache-control"] == "max-age=60"


# --- entity tags of what is sent ---


@pytest.mark.parametrize("answer", [lambda: "text", lambda: {"a": 1}, lambda: b"bytes"])
@ONE_FOR_EACH_GATEWAY
def test_what_is_sent_again_is_a_304(app: App, client: Client, cell: Cell, answer: Callable[[], Any]) -> None:
    app.get("/")(cell.handler(answer))
    first = client.get("/")
    assert (first.status_code, first.headers["etag"][0]) == (200, '"')
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert not {"content-length", "content-type"} & set(again.headers)
    head = client.request("HEAD", "/", headers={"if-none-match": "W/" + first.headers["etag"]})
    assert head.status_code == 304


def test_other_bytes_have_another_tag(app: App, client: Client, cell: Cell) -> None:
    app.get("/{text}")(cell.handler(lambda text: text))
    one, other = client.get("/a").headers["etag"], client.get("/b").headers["etag"]
    assert one != other
    assert client.get("/b", headers={"if-none-match": one}).text == "b"
    assert client.get("/b", headers={"if-none-match": f'"x", {other}'}).status_code == 304


def test_a_304_has_the_fields_that_caches_go_by(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def page() -> Response:
        fields = {"cache-control": "max-age=60", "vary": "Cookie", "content-language": "de", "x-a": "b"}
        response = Response("a", headers={**fields, "content-location": "/a"})
        response.set_cookie("seen", "1")
        return response

    again = client.get("/", headers={"if-none-match": client.get("/").headers["etag"]})
    assert again.status_code == 304
    assert (again.headers["cache-control"], again.headers["vary"]) == ("max-age=60", "Cookie")
    assert (again.headers["content-location"], again.headers["x-a"]) == ("/a", "b")
    assert again.headers["set-cookie"].startswith("seen=1")
    assert "content-language" not in again.headers


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response("a", 404),
        lambda: Response("a", headers={"cache-control": "private, No-Store"}),
        lambda: Response(b""),
        lambda: Stream(["a"]),
        lambda: "x" * (1024 * 1024 + 1),
    ],
)
@ONE_FOR_EACH_GATEWAY
def test_what_has_no_tag(app: App, client: Client, cell: Cell, answer: Callable[[], Any]) -> None:
    app.get("/")(cell.handler(answer))
    response = client.get("/", headers={"if-none-match": "*"})
    assert response.status_code in (200, 404)
    assert "etag" not in response.headers


@ONE_FOR_EACH_GATEWAY
def test_what_is_not_read_has_no_tag(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda: "a"))
    response = client.post("/", headers={"if-none-match": "*"})
    assert (response.status_code, response.headers.get("etag")) == (200, None)


@ONE_FOR_EACH_GATEWAY
def test_how_large_is_tagged_can_be_said(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.etags(max_bytes=3)
    app.get("/{text}")(cell.handler(lambda text: text))
    client = make_client(app)
    assert ["etag" in client.get(path).headers for path in ("/abc", "/abcd")] == [True, False]


@pytest.mark.parametrize("value", [-1, True, "1", 1.5])
def test_a_number_of_bytes_that_cannot_be_is_refused(value: Any) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ConfigurationError, match="max_bytes must be a number of bytes"):
        App().etags(max_bytes=value)


def test_a_response_that_is_kept_has_the_tag_of_what_it_sends_now(app: App, client: Client, cell: Cell) -> None:
    """Else a client would be told that what it has still holds."""
    value = {"n": 1}
    kept = JSON(value)
    app.get("/")(cell.handler(lambda: kept))
    first = client.get("/").headers["etag"]
    value["n"] = 2
    second = client.get("/", headers={"if-none-match": first})
    assert (second.status_code, second.json()) == (200, {"n": 2})
    assert second.headers["etag"] != first


def test_conditions_are_held_to_what_the_answer_says_of_itself(app: App, client: Client, cell: Cell) -> None:
    """A stream that says its tag is closed, and not sent."""
    closed = []

    class Rows:
        def __iter__(self) -> Any:
            return iter("ab")

        def close(self) -> None:
            closed.append(True)

    app.get("/tag")(cell.handler(lambda: Response(Rows(), headers={"etag": '"v1"'})))
    app.get("/date")(cell.handler(lambda: Response(Rows(), headers={"last-modified": THEN})))
    assert client.get("/tag").text == client.get("/date").text == "ab"
    closed.clear()
    assert client.get("/tag", headers={"if-none-match": '"v1"'}).status_code == 304
    assert client.get("/date", headers={"if-modified-since": THEN}).status_code == 304
    assert len(closed) == 2
    assert client.get("/tag", headers={"if-match": '"v2"'}).status_code == 412
    assert client.get("/tag", headers={"if-match": '"v1"'}).status_code == 200
    assert client.get("/date", headers={"if-unmodified-since": "Sun, 06 Nov 1994 08:49:36 GMT"}).status_code == 412


def test_with_compression_around_it_the_tag_is_weak(make_client: MakeClient, cell: Cell) -> None:
    pytest.importorskip("ambi.features.compression")
    app = App()
    app.compression(codings=["gzip"])
    app.etags()
    app.get("/")(cell.handler(lambda: "abc " * 1000))
    client = make_client(app)
    fields = {"accept-encoding": "gzip"}
    first = client.get("/", headers=fields)
    assert (first.headers["content-encoding"], first.headers["etag"][:2]) == ("gzip", "W/")
    again = client.get("/", headers={**fields, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, first.headers["etag"])
    assert again.headers["vary"] == "Accept-Encoding"
    assert client.get("/", headers={"if-none-match": first.headers["etag"]}).status_code == 304


@ONE_FOR_EACH_GATEWAY
def test_with_compression_inside_the_tag_is_that_of_the_packed_bytes(make_client: MakeClient) -> None:
    pytest.importorskip("ambi.features.compression")
    app = App()
    app.etags()
    app.compression(codings=["gzip"])
    app.get("/")(lambda: "abc " * 1000)
    client = make_client(app)
    plain, packed = (
        client.get("/").headers["etag"],
        client.get("/", headers={"accept-encoding": "gzip"}).headers["etag"],
    )
    assert plain != packed
    assert client.get("/", headers={"accept-encoding": "gzip", "if-none-match": packed}).status_code == 304


@ONE_FOR_EACH_GATEWAY
def test_files_keep_their_own(app: App, client: Client, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")
    app.get("/")(lambda: File(tmp_path / "a.txt", etag="mine"))
    assert client.get("/").headers["etag"] == '"mine"'
    assert client.get("/", headers={"if-none-match": '"mine"'}).status_code == 304
    assert client.request("HEAD", "/").status_code == 200

    @app.middleware
    def replaces(request: Request) -> Middleware:
        yield
        return File(tmp_path / "a.txt")

    assert client.get("/").text == "a"


@ONE_FOR_EACH_GATEWAY
def test_a_mounted_application_is_tagged_too(app: App, make_client: MakeClient) -> None:
    def guest(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"abc"] if environ["REQUEST_METHOD"] == "GET" else []

    app.mount("/guest", guest, interface="wsgi")
    client = make_client(app)
    etag = client.get("/guest").headers["etag"]
    assert client.get("/guest", headers={"if-none-match": etag}).status_code == 304
    assert "etag" not in client.request("HEAD", "/guest").headers  # nobody knows the bytes
