"""The acceptance application answers as its routes are described, through both gateways."""

import json
import time
from typing import Any

import pytest

from ambi.testing import Client
from tests.acceptance import app as slot
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient


@pytest.fixture(params=GATEWAYS, ids=str)  # the application has handlers of both colours itself
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    found: Cell = request.param
    return found


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client(slot.app)


def test_one_object_stands_under_both_names() -> None:
    assert slot.wsgi is slot.asgi is slot.app


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/hello", "text/plain", "hello"),
        ("/stream", "text/plain", "a\nb\nc\n"),
        ("/big", "text/plain", "x" * 20_000),
    ],
)
def test_a_text_route_answers_its_text(client: Client, path: str, content_type: str, body: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == content_type
    assert response.text == body


def test_three_events_are_told_with_their_ids(client: Client) -> None:
    response = client.get("/events")
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert read_events(response.text) == [{"event": "tick", "id": str(n), "data": str(n)} for n in range(3)]


def test_a_body_of_known_size_says_its_length(client: Client) -> None:
    assert client.get("/big").headers["content-length"] == "20000"


def test_head_answers_the_fields_of_get_and_no_body(client: Client) -> None:
    head = client.head("/big")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "20000"


def test_json_is_json(client: Client) -> None:
    response = client.get("/json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"hello": "world"}


def test_an_unexpected_error_is_a_500_that_tells_nothing(client: Client) -> None:
    response = client.get("/boom")
    assert response.status_code == 500
    assert "boom" not in response.text.replace("/boom", "")


def test_where_tells_the_parts_of_the_address(client: Client) -> None:
    where = client.get("/where", headers={"host": "shop.example:8080"}).json()
    assert (where["scheme"], where["host"], where["root"], where["path"]) == (
        "http",
        "shop.example:8080",
        "",
        "/where",
    )
    assert where["url"] == "http://shop.example:8080/where"


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"z" * 300_000], ids=["empty", "bytes", "large"])
def test_echo_gives_the_body_and_its_type_back(client: Client, body: bytes) -> None:
    response = client.post("/echo", content=body, headers={"content-type": "a/b"})
    assert (response.content, response.headers["content-type"]) == (body, "a/b")


def test_an_urlencoded_form_has_its_fields_in_order(client: Client) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = client.post("/form", content=b"a=1&b=%26&a=%C3%A9", headers=headers)
    assert response.json() == {"fields": {"a": ["1", "é"], "b": ["&"]}, "files": {}}


def test_a_multipart_form_has_fields_and_files(client: Client) -> None:
    body = (
        b'--limit\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--limit\r\ncontent-disposition: form-data; name="a"\r\n\r\n2\r\n'
        b'--limit\r\ncontent-disposition: form-data; name="f"; filename="na\xc3\xafve.txt"\r\n'
        b"content-type: text/csv\r\n\r\nx,y\r\n--limit--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=limit"}
    response = client.post("/form", content=body, headers=headers)
    assert response.json() == {"fields": {"a": ["1", "2"]}, "files": {"f": ["naïve.txt", "text/csv", 3]}}


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({}, "1"),
        ({"cookie": "seen=41"}, "42"),
        ({"cookie": "seen=x"}, "1"),
        ({"cookie": "seen=" + "9" * 5000}, "1"),
    ],
    ids=["none", "number", "text", "too long"],
)
def test_the_cookie_counts_up(client: Client, sent: dict[str, str], answered: str) -> None:
    response = client.get("/cookie", headers=sent)
    assert response.text == answered
    assert response.headers["set-cookie"].startswith(f"seen={answered};")


def test_native_lists_what_the_server_gave(client: Client) -> None:
    names = client.get("/native").json()
    assert "method" in names or "REQUEST_METHOD" in names


@pytest.mark.parametrize(("path", "status"), [("/items/12", 200), ("/items/x", 404), ("/items/1.5", 404)])
def test_an_item_has_a_number(client: Client, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    if status == 200:
        assert response.json() == {"id": 12}


def test_the_state_counts_every_start(client: Client) -> None:
    before = client.get("/state").json()
    with Client(slot.app, gateway="asgi") as another:
        assert another.get("/state").json() == before + 1


def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    response = client.delete("/hello")
    assert response.status_code == 405
    assert {"GET", "HEAD"} <= set(response.headers["allow"].replace(" ", "").split(","))


# ------------------------------------------------------------------ /c


@pytest.mark.parametrize(
    ("header", "cookies"),
    [("a=b; c=d", {"a": "b", "c": "d"}), ('a="b\\073c"', {"a": "b;c"}), ("; ;;x=", {"x": ""})],
)
def test_cookies_are_read(client: Client, header: str, cookies: dict[str, str]) -> None:
    assert client.get("/c/cookies", headers={"cookie": header}).json() == cookies


def test_the_query_and_a_form_give_the_same_pairs_in_order(client: Client) -> None:
    pairs, expected = "b=2&a=1+1&&b=%C3%A9&c", [["b", "2"], ["a", "1 1"], ["b", "é"], ["c", ""]]
    assert client.get(f"/c/args?{pairs}").json() == expected
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/c/form-pairs", content=pairs.encode(), headers=headers).json() == expected


@pytest.mark.parametrize(
    ("target", "rest"),
    [("a/b", "a/b"), ("a%20b/%C3%A9", "a b/é"), ("a/", "a/"), ("a%252Fb", "a%2Fb"), ("~;x=1", "~;x=1")],
)
def test_the_rest_of_the_path_is_decoded_once(client: Client, target: str, rest: str) -> None:
    assert client.get(f"/c/path/{target}").json() == rest


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({}, 200, "abcdefghijklmnopqrstuvwxyz"),
        ({"range": "bytes=0-4"}, 206, "abcde"),
        ({"range": "bytes=-3", "if-range": '"v1"'}, 206, "xyz"),
        ({"range": "bytes=26-"}, 416, None),
        ({"if-none-match": '"v1"'}, 304, ""),
        ({"if-modified-since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 304, ""),
        ({"if-match": '"v2"'}, 412, None),
    ],
)
def test_a_file_is_whole_in_part_or_unchanged(
    client: Client, fields: dict[str, str], status: int, body: str | None
) -> None:
    response = client.get("/c/file", headers=fields)
    assert response.status_code == status
    assert body is None or response.text == body
    assert status not in (200, 206, 304) or response.headers["etag"] == '"v1"'


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("text/plain", ["text/plain", {}]),
        ('Text/HTML; Charset="utf-8"', ["text/html", {"charset": "utf-8"}]),
        ('multipart/form-data; boundary="a;b"', ["multipart/form-data", {"boundary": "a;b"}]),
    ],
)
def test_a_content_type_is_taken_apart(client: Client, header: str, answer: list[Any]) -> None:
    assert client.post("/c/ctype", content=b"x", headers={"content-type": header}).json() == answer


@pytest.mark.parametrize(
    ("path", "field", "value", "answer"),
    [
        (
            "/c/negotiate?offers=text/html,application/json",
            "accept",
            "application/*;q=0.9, text/*;q=0.1",
            "application/json",
        ),
        ("/c/negotiate?offers=text/html", "accept", "image/png", None),
        ("/c/encoding?offers=gzip,br", "accept-encoding", "br;q=1, gzip;q=0.5", "br"),
        ("/c/encoding?offers=gzip", "accept-encoding", "br", "identity"),
        ("/c/language?offers=en,de", "accept-language", "de-AT, de;q=0.8", "de"),
        ("/c/language?offers=en", "accept-language", "fr, en;q=0", None),
    ],
)
def test_an_offer_is_chosen_by_the_field(client: Client, path: str, field: str, value: str, answer: str | None) -> None:
    response = client.get(path, headers={field: value})
    assert (response.text if response.status_code == 200 else None) == answer
    assert response.status_code in (200, 406)
    assert field in response.headers["vary"].split(", ")


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ["Aladdin", "open sesame"]),
        ("basic dGVzdDoxMjPCow==", ["test", "123£"]),
        ("BASIC Og==", ["", ""]),
        ("Basic YTpiOmM=", ["a", "b:c"]),
        ("Basic !!!", None),
        ("Basic YQ==", None),  # no colon
        ("Basic YQA6Yg==", None),  # a control character in the user's name
        ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
        (None, None),
    ],
)
def test_basic_credentials_are_decoded_or_asked_for(
    client: Client, header: str | None, answer: list[str] | None
) -> None:
    response = client.get("/c/auth", headers={} if header is None else {"authorization": header})
    if answer is None:
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic realm=")
    else:
        assert response.json() == answer


# ------------------------------------------------------------------ /r


@pytest.mark.parametrize(
    ("method", "path", "route", "params"),
    [
        ("GET", "/", "root", {}),
        ("GET", "/users", "users", {}),
        ("POST", "/users", "users-new", {}),
        ("GET", "/users/7", "user", {"id": 7}),
        ("DELETE", "/users/7", "user-del", {"id": 7}),
        ("GET", "/users/me", "me", {}),
        ("GET", "/users/7/posts/hello-world", "post", {"id": 7, "slug": "hello-world"}),
        ("GET", "/files/a%20b/c.txt", "file", {"rest": "a b/c.txt"}),
        ("GET", "/tags/%C3%A9", "tag", {"t": "é"}),
        ("GET", "/tags/list", "tag-list", {}),
        ("GET", "/a/x/c", "axc", {"x": "x"}),
        ("GET", "/a/b/c", "abc", {}),
        ("GET", "/a/b/d", "abd", {"y": "d"}),
    ],
)
def test_the_nearest_route_answers(client: Client, method: str, path: str, route: str, params: dict[str, Any]) -> None:
    assert client.request(method, "/r" + path).json() == {"route": route, "params": params}


@pytest.mark.parametrize("path", ["/users/-7", "/users/7x", "/users/7/posts/", "/tags/", "/TAGS/x", "/a/x/d", "/nope"])
def test_what_no_route_matches_is_not_found(client: Client, path: str) -> None:
    assert client.get("/r" + path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/users/7", {"GET", "DELETE"}),
        ("PATCH", "/users", {"GET", "POST"}),
        ("DELETE", "/users/me", {"GET"}),
    ],
)
def test_a_path_without_the_method_tells_which_it_has(
    client: Client, method: str, path: str, allowed: set[str]
) -> None:
    response = client.request(method, "/r" + path)
    assert response.status_code == 405
    assert allowed <= set(response.headers["allow"].replace(" ", "").split(","))


# ------------------------------------------------------------------ /b


def test_the_page_has_the_form(client: Client) -> None:
    response = client.get("/b/page")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<form id=f method=post action=/b/upload enctype=multipart/form-data>" in response.text


def upload(client: Client, file: bytes) -> Any:
    body = (
        '--limit\r\ncontent-disposition: form-data; name="t"\r\n\r\nä & b\r\n'
        '--limit\r\ncontent-disposition: form-data; name="u"; filename="'.encode()
    )
    headers = {"content-type": "multipart/form-data; boundary=limit"}
    return client.post("/b/upload", content=body + file + b"\r\n--limit--\r\n", headers=headers)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ('ü%.txt"\r\ncontent-type: text/plain\r\n\r\nabc'.encode(), {"name": "ü%.txt", "size": "3", "t": "ä & b"}),
        (b'"\r\ncontent-type: application/octet-stream\r\n\r\n', {"name": "", "size": "0", "t": "ä & b"}),
    ],
    ids=["a file", "no file chosen"],
)
def test_an_upload_leads_to_what_was_uploaded(client: Client, file: bytes, told: dict[str, str]) -> None:
    response = upload(client, file)
    assert response.status_code == 303
    location = response.headers["location"]
    assert location.startswith("/b/done?name=")
    done = client.get(location)
    assert done.headers["content-type"].startswith("text/plain")
    assert json.loads(done.text) == told


def test_the_events_end_and_go_on_after_the_last_that_was_seen(client: Client) -> None:
    first = client.get("/b/events")
    assert first.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert read_events(first.text) == [{"data": "one"}, {"event": "tick", "id": "7", "data": "a\nb"}]
    again = client.get("/b/events", headers={"last-event-id": "7"})
    assert read_events(again.text) == [{"event": "back", "data": "7"}]


def read_events(text: str) -> list[dict[str, str]]:
    """Take an event stream apart, comments left out."""
    events: list[dict[str, str]] = []
    for block in text.split("\n\n")[:-1]:
        event: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if name:
                event[name] = f"{event[name]}\n{value}" if name in event else value
        events.extend([event] if event else [])
    return events


def test_the_slow_page_comes_in_two_pieces(client: Client) -> None:
    with client.stream("GET", "/b/slow") as response:
        pieces = response.iter_bytes()
        first, began = next(pieces), time.monotonic()
        assert (first, b"".join(pieces)) == (b"a", b"b")
    assert time.monotonic() - began > 0.35


def test_three_cookies_are_set_and_one_of_them_is_gone(client: Client) -> None:
    response = client.get("/b/set")
    assert (response.status_code, response.content) == (204, b"")
    plain, http, gone = response.set_cookies
    assert plain.startswith("plain=1;")
    assert "httponly" not in plain.lower()
    assert http.startswith("http=2;")
    assert "httponly" in http.lower()
    assert gone.startswith("gone=;")
    assert "max-age=0" in gone.lower()
    assert client.get("/b/cookies", headers={"cookie": "plain=1; http=2"}).json() == {"plain": "1", "http": "2"}


def test_what_was_seen_before_is_not_sent_again_and_counted(client: Client) -> None:
    before = client.get("/b/static-count").json()
    first = client.get("/b/static")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client.get("/b/static", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get("/b/static-count").json() == {"200": before["200"] + 1, "304": before["304"] + 1}


def test_pages_of_one_other_site_may_read_and_put(client: Client) -> None:
    asked = {
        "origin": "https://a.test",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "x-a",
    }
    preflight = client.options("/c/cors", headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert {name: value for name, value in preflight.headers.items() if name.startswith("access-control-")} == {
        "access-control-allow-origin": "https://a.test",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "X-A",
        "access-control-max-age": "600",
    }
    headers = {"origin": "https://a.test", "sec-fetch-site": "cross-site", "cookie": "sid=1"}
    for response in (client.get("/c/cors", headers=headers), client.put("/c/cors", headers=headers)):
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://a.test"
        assert response.headers["access-control-expose-headers"] == "X-B"
        assert response.headers["vary"] == "Origin"
    foreign = client.get("/c/cors", headers={"origin": "https://b.test"})
    assert (foreign.status_code, foreign.headers["vary"]) == (200, "Origin")
    assert "access-control-allow-origin" not in foreign.headers


# ------------------------------------------------------------------ an API for pages of any site


def test_a_page_of_another_site_keeps_its_list_here(client: Client) -> None:
    origin = {"origin": "https://todobackend.com"}
    client.delete("/todos", headers=origin)
    added = client.post("/todos", json={"title": "walk the dog"}, headers=origin)
    assert (added.status_code, added.headers["access-control-allow-origin"]) == (201, "*")
    assert client.patch(added.json()["url"], json={"completed": True}).json() == {**added.json(), "completed": True}
    assert len(client.get("/todos").json()) == 1
