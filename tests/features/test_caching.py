"""What may be kept: the value of Cache-Control, and entity tags of what is sent, in every cell."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ambi import JSON, App, ConfigurationError, File, HTTPError, Middleware, Request, Response, Stream
from ambi.features.caching import CacheControl
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

ONE_FOR_EACH_GATEWAY = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
"""For what has no colour: the layer is a generator, and conditions are looked at where the handler runs."""
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture
def app() -> App:
    """Give an application that tags what it sends."""
    app = App()
    app.etags()
    return app


# --- Cache-Control. Nothing is served, so there is no cell ---


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


# --- before the work is done ---


@pytest.fixture
def article(client: Client, app: App, cell: Cell) -> list[str]:
    """Serve an article that says its version; what is done of the work comes back."""
    done: list[str] = []

    def show(request: Request) -> Response:
        unchanged = request.check_conditions(
            etag="v1", last_modified=datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC), headers={"vary": "Cookie"}
        )
        if unchanged:
            return unchanged
        done.append("rendered")
        response = Response("page", headers={"vary": "Cookie"})
        response.etag = "v1"
        response.last_modified = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
        return response

    def change(request: Request) -> None:
        request.check_conditions(etag="v1")
        done.append("changed")

    def create(request: Request) -> str:
        request.check_conditions(exists=False)
        done.append("created")
        return "created"

    async def show_async(request: Request) -> Response:
        return show(request)

    async def change_async(request: Request) -> None:
        change(request)

    async def create_async(request: Request) -> str:
        return create(request)

    app.get("/")(cell.pick(show, show_async))
    app.put("/")(cell.pick(change, change_async))
    app.put("/new")(cell.pick(create, create_async))
    return done


def test_nothing_is_done_for_a_client_that_has_it(article: list[str], client: Client) -> None:
    first = client.get("/")
    assert (first.headers["etag"], first.headers["last-modified"], article) == ('"v1"', THEN, ["rendered"])
    for fields in ({"if-none-match": '"v1"'}, {"if-none-match": 'W/"v1"'}, {"if-modified-since": THEN}):
        again = client.get("/", headers=fields)
        assert (again.status_code, again.headers["etag"], again.headers["last-modified"]) == (304, '"v1"', THEN)
        assert again.headers["vary"] == "Cookie"
    assert client.request("HEAD", "/", headers={"if-none-match": "*"}).status_code == 304
    assert article == ["rendered"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 204),
        ({"if-match": '"v1"'}, 204),
        ({"if-match": "*"}, 204),
        ({"if-match": '"v0", "v1"'}, 204),
        ({"if-match": '"v0"'}, 412),
        ({"if-match": 'W/"v1"'}, 412),
        ({"if-match": "v1"}, 412),
        ({"if-none-match": "*"}, 412),
        ({"if-none-match": '"v1"'}, 412),
        ({"if-none-match": '"v0"'}, 204),
        ({"if-modified-since": "Sun, 06 Nov 2044 08:49:37 GMT"}, 204),
    ],
    ids=str,
)
@ONE_FOR_EACH_GATEWAY
def test_a_change_of_another_version_is_refused(
    article: list[str], client: Client, fields: dict[str, str], status: int
) -> None:
    response = client.put("/", headers=fields)
    assert (response.status_code, article) == (status, ["changed"] if status == 204 else [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, 200), ({"if-none-match": "*"}, 200), ({"if-match": "*"}, 412), ({"if-match": '"a"'}, 412)],
)
@ONE_FOR_EACH_GATEWAY
def test_what_is_not_there_yet_meets_no_tag(
    article: list[str], client: Client, fields: dict[str, str], status: int
) -> None:
    assert client.put("/new", headers=fields).status_code == status
    assert article == (["created"] if status == 200 else [])


@pytest.mark.parametrize(
    "fields",
    [
        {"if-modified-since": "Sun, 99 Zzz 99999 99:99:99 GMT"},
        {"if-none-match": 'abc, "a,b", W/, W/"'},
        {"if-none-match": '"a",' * 5000},
    ],
    ids=["date", "tags", "many"],
)
@ONE_FOR_EACH_GATEWAY
def test_conditions_that_cannot_be_read_hold_nothing_up(
    article: list[str], client: Client, fields: dict[str, str]
) -> None:
    assert client.get("/", headers=fields).text == "page"


def test_a_refusal_can_be_handled_like_any_error(app: App, client: Client, cell: Cell) -> None:
    @app.error(412)
    def conflict(request: Request, error: HTTPError) -> str:
        return "read it again"

    @app.put("/")
    def change(request: Request) -> None:
        request.check_conditions(etag="v2")

    response = client.put("/", headers={"if-match": '"v1"'})
    assert (response.status_code, response.text) == (412, "read it again")


# --- what a response says of its version. Nothing is served, so there is no cell ---


def test_a_response_says_its_version() -> None:
    response = Response("a")
    assert (response.etag, response.last_modified) == (None, None)
    response.etag, response.last_modified = "a", 784111777
    assert (response.etag, response.last_modified) == ('"a"', datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC))
    assert response.headers["last-modified"] == THEN
    response.etag = 'W/"b"'
    assert response.headers["etag"] == 'W/"b"'
    response.etag = response.last_modified = None
    response.etag = None  # which may be said twice
    assert not {"etag", "last-modified"} & set(response.headers)


def test_what_is_modified_in_the_future_was_modified_now() -> None:
    response = Response("a")
    response.last_modified = datetime.now(UTC) + timedelta(days=1)
    assert response.last_modified is not None
    assert response.last_modified <= datetime.now(UTC)


@pytest.mark.parametrize("etag", ['a"b', "a b", "a\nb", "W/a b"])
def test_a_tag_that_cannot_be_sent_is_refused(etag: str) -> None:
    with pytest.raises(ValueError, match="entity tag"):
        Response("a").etag = etag


def test_a_date_says_its_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Response("a").last_modified = datetime(2026, 1, 1)  # noqa: DTZ001
