from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.errors import HTTPError
from ambi.core.limits import Limits
from ambi.core.request import Request
from tests.core.fakes import FakeBody, make_request
from tests.core.scaling import assert_linear


def with_body(body: bytes, content_type: str = "", **options: Any) -> Request:
    request = make_request(
        {"content-type": content_type} if content_type else {}, method="POST", body=FakeBody(), **options
    )
    request.loaded_body(body)
    return request


def status_of(ask: Any) -> int:
    with pytest.raises(HTTPError) as caught:
        ask()
    return caught.value.status


# --- where it was sent to ---


def test_the_url_is_absolute_and_has_the_mount_prefix() -> None:
    request = make_request(path="/a b/ü", query="q=1", host="Shop.example:8443", scheme="https")
    request.root_path = "/api v1"
    assert str(request.url) == "https://Shop.example:8443/api%20v1/a%20b/%C3%BC?q=1"
    assert request.url.hostname == "shop.example"


def test_a_request_that_names_no_host_has_that_of_the_server() -> None:
    assert make_request().host == "server.example:8000"
    assert make_request(host="").host == "server.example:8000"
    assert make_request(host="a").host == "a"


@pytest.mark.parametrize(
    ("host", "scheme", "loopback"),
    [
        ("localhost", "http", True),
        ("LOCALHOST:8000", "http", True),
        ("127.0.0.1:1", "http", True),
        ("[::1]", "http", True),
        ("a.localhost", "http", True),
        ("localhost", "https", False),
        ("127.0.0.2", "http", False),
        ("localhost.evil.example", "http", False),
        ("evillocalhost", "http", False),
        ("localhost.", "http", False),
        ("0.0.0.0", "http", False),
        ("127.0.0.1.evil.example", "http", False),
    ],
)
def test_loopback_is_plain_http_to_this_machine(host: str, scheme: str, loopback: bool) -> None:
    assert make_request(host=host, scheme=scheme).is_loopback is loopback


def test_path_parameters_without_a_route_are_none() -> None:
    assert make_request().path_params == {}


# --- what it says about itself ---


def test_a_query_is_parsed_within_limits() -> None:
    request = make_request(query="a=1&a=2", limits=Limits(max_query_fields=2))
    assert request.query.getlist("a") == ["1", "2"]
    assert request.query is request.query
    assert not make_request().query
    assert status_of(lambda: make_request(query="a&b&c", limits=Limits(max_query_fields=2)).query) == 400


def test_cookies_are_read_within_limits() -> None:
    request = make_request({"cookie": "a=1; b=2; c=3"}, limits=Limits(max_cookies=2))
    assert request.cookies == {"a": "1", "b": "2"}
    assert request.cookies is request.cookies
    assert make_request().cookies == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/plain", ("text/plain", {})),
        ('Text/Plain; Charset="UTF-8"; b=2', ("text/plain", {"charset": "UTF-8", "b": "2"})),
        ("a/b; x=1; x=2", ("a/b", {"x": "1"})),
        (None, ("", {})),
        (";", ("", {})),
    ],
)
def test_the_content_type_is_apart_from_its_parameters(header: str | None, expected: Any) -> None:
    request = make_request({} if header is None else {"content-type": header})
    assert request.content_type == request.content_type == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic YTpi", ("basic", "YTpi")),
        ("BEARER  a.b.c \t", ("bearer", "a.b.c")),
        ('Digest username="a b", realm="c"', ("digest", 'username="a b", realm="c"')),
        ("Basic ", ("basic", "")),
        ("Basic", None),
        (" x", None),
        ("", None),
        (None, None),
    ],
)
def test_credentials_are_apart_from_their_scheme(header: str | None, expected: tuple[str, str] | None) -> None:
    assert make_request({} if header is None else {"authorization": header}).authorization == expected


def test_a_request_negotiates_by_its_own_header_fields() -> None:
    request = make_request({"accept": "b/c", "accept-language": "de", "accept-encoding": "br", "host": "a"})
    assert (request.accepts("a/b", "b/c"), request.accepts("a/b")) == ("b/c", None)
    assert (request.accepts_language("en", "de"), request.accepts_language("en")) == ("de", None)
    assert (request.accepts_encoding("gzip", "br"), request.accepts_encoding("gzip")) == ("br", "identity")
    assert make_request().accepts("a/b") == "a/b"


def test_a_request_has_its_own_conditions() -> None:
    date = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    request = make_request(
        {
            "if-match": '"a"', "if-none-match": 'W/"b"', "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT",
            "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT",
        }
    )  # fmt: skip
    assert (request.if_match.strong, request.if_none_match.weak) == ({"a"}, {"b"})
    assert request.if_modified_since == request.if_unmodified_since == date
    plain = make_request()
    assert not plain.if_match
    assert not plain.if_none_match
    assert plain.if_modified_since is plain.if_unmodified_since is None


@pytest.mark.parametrize("piece", ["Basic ", " ", "=", "a", "\t", ","])
def test_credentials_take_linear_time(piece: str) -> None:
    assert_linear(
        lambda n: make_request({"authorization": "Basic " + piece * n}),
        lambda request: request.authorization,
    )  # larger ones are new pages of the system each time, which cost more than the work on them


# --- text ---


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("", "ü".encode(), "ü"),
        ("text/plain", "€".encode(), "€"),
        ("text/plain; charset=UTF-8", "€".encode(), "€"),
        ("text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        ('text/plain; charset="Latin-1"', b"\xfc", "ü"),
        ("text/plain; charset=us-ascii", b"abc", "abc"),
    ],
)
def test_a_body_is_text_in_its_charset(content_type: str, body: bytes, text: str) -> None:
    assert with_body(body, content_type).text == text


@pytest.mark.parametrize(
    "charset",
    ["utf-7", "utf-16", "idna", "zip", "rot13", "unknown", "undefined", "x" * 5000, "utf_8_sig", "unicode_escape"],
)
def test_a_charset_that_is_not_supported_is_a_415(charset: str) -> None:
    assert status_of(lambda: with_body(b"abc", f"text/plain; charset={charset}").text) == 415


@pytest.mark.parametrize(("charset", "body"), [("utf-8", b"\xff"), ("utf-8", b"\xed\xa0\x80"), ("ascii", b"\xfc")])
def test_a_body_that_is_not_in_its_charset_is_a_400(charset: str, body: bytes) -> None:
    assert status_of(lambda: with_body(body, f"text/plain; charset={charset}").text) == 400


# --- JSON ---


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "Application/JSON; charset=utf-8", "application/problem+json", "application/vnd.api+JSON"],
)
def test_a_json_body_is_read_once(content_type: str) -> None:
    request = with_body(b'{"a": [1]}', content_type)
    assert request.json() == {"a": [1]}
    assert request.json() is request.json()


def test_null_is_a_value_and_is_read_once_too() -> None:
    calls: list[bytes] = []

    class Codec:
        def loads(self, data: bytes, /) -> None:
            calls.append(data)

        def dumps(self, value: Any, /) -> bytes:
            return b""

    request = with_body(b"null", json=Codec())
    assert request.json() is None
    assert request.json() is None
    assert calls == [b"null"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json-seq",
        "json",
        "text/json; x=+json",
    ],
)
def test_a_body_of_another_type_is_no_json(content_type: str) -> None:
    """What a page of another site may send without asking first is none of these types."""
    assert status_of(with_body(b"{}", content_type).json) == 415


def test_json_is_read_within_the_limit_where_there_is_no_route_too() -> None:
    """As in the handler of an error, or a middleware that asks for the body."""
    assert with_body(b"[12345]", limits=Limits(max_json_bytes=7)).json() == [12345]
    assert status_of(with_body(b"[123456]", limits=Limits(max_json_bytes=7)).json) == 413


def test_a_body_that_is_no_json_is_a_400_whenever_it_is_asked_for() -> None:
    request = with_body(b"{", "application/json")
    assert status_of(request.json) == 400
    assert status_of(request.json) == 400


# --- forms ---


FORM = "application/x-www-form-urlencoded"


def test_a_form_is_read_and_the_body_stays() -> None:
    request = with_body(b"a=1&b=%C3%BC&a=2", FORM)
    assert request.form.pairs() == (("a", "1"), ("b", "ü"), ("a", "2"))
    assert request.form is request.form
    assert request.body == b"a=1&b=%C3%BC&a=2"
    assert request.form.field("b") == "ü"


@pytest.mark.parametrize("content_type", ["", FORM, "multipart/form-data; boundary=B", "multipart/form-data"])
def test_no_body_is_an_empty_form_and_stays_no_body(content_type: str) -> None:
    request = make_request({"content-type": content_type})
    assert len(request.form) == 0
    assert (request.body, request.text, len(request.form)) == (b"", "", 0)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json", "multipart/mixed; boundary=B", "application/x-www-form-urlencodedx"],
)
def test_a_body_of_another_type_is_no_form(content_type: str) -> None:
    assert status_of(lambda: with_body(b"a=1", content_type).form) == 415


def test_no_body_of_another_type_is_no_form_either() -> None:
    assert status_of(lambda: make_request({"content-type": "application/json"}).form) == 415


def test_a_form_is_read_within_limits() -> None:
    assert status_of(lambda: with_body(b"a&b&c", FORM, limits=Limits(max_form_fields=2)).form) == 413
    assert status_of(lambda: with_body(b"a=12345", FORM, limits=Limits(max_fields_bytes=6)).form) == 413
    assert with_body(b"a=12345", FORM, limits=Limits(max_fields_bytes=7)).form["a"] == "12345"
    one = Limits(max_field_bytes=5)
    assert dict(with_body(b"a=12345&12345=b", FORM, limits=one).form) == {"a": "12345", "12345": "b"}
    assert status_of(lambda: with_body(b"a=123456", FORM, limits=one).form) == 413
    assert status_of(lambda: with_body(b"a&123456=1", FORM, limits=one).form) == 413


@given(st.binary(max_size=50))
def test_any_bytes_are_a_form_of_text(body: bytes) -> None:
    assert all(
        name.encode() is not None and str(value).encode() is not None
        for name, value in with_body(body, FORM).form.pairs()
    )


# --- too early ---


@pytest.mark.parametrize("ask", [lambda r: r.body, lambda r: r.text, lambda r: r.json(), lambda r: r.form])
def test_a_body_that_is_not_loaded_says_how_to_have_it(ask: Any) -> None:
    with pytest.raises(RuntimeError, match=r"not loaded.*@app.middleware\(body=True\)") as caught:
        ask(make_request(body=FakeBody(b"x")))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__  # a traceback begins with this one


# --- what belongs to it ---


def test_every_request_has_a_state_of_its_own() -> None:
    one, other = make_request(), make_request()
    one.app.lifespan_state = other.app.lifespan_state = {"pool": []}  # type: ignore[misc]
    one.state.user = "alice"
    assert "user" not in other.state
    assert one.state.pool is other.state.pool
    assert "user" not in one.app.lifespan_state
