import http
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.json import StandardJSON
from ambi.core.response import (
    HTML,
    JSON,
    Redirect,
    Response,
    Stream,
    Text,
    as_bytes,
    declared_length,
    encode_location,
    finalize,
    make_response,
    settle_status,
)
from tests.core.fakes import make_request
from tests.core.scaling import assert_linear

CODEC = StandardJSON()


def handler() -> None: ...


class Source:
    """What called the function that a value came from."""

    function: Callable[..., Any] = staticmethod(handler)


SOURCE = Source()
REQUEST = make_request()
AT = f"handler ({__file__}:{handler.__code__.co_firstlineno})"


def sent(response: Response, method: str = "GET", **options: Any) -> tuple[dict[str, str], Any]:
    """Give the header fields and the body that go out; no field may go out twice."""
    pairs, body = finalize(make_request(method=method, **options), response)
    names = [name for name, _ in pairs if name != "set-cookie"]
    assert len(names) == len(set(names))
    return {name: value for name, value in pairs if name != "set-cookie"}, body


# --- made by the application ---


@pytest.mark.parametrize(
    ("response", "content_type", "body"),
    [
        (Response("ü"), "text/plain; charset=utf-8", "ü".encode()),
        (Response(b"\0"), "application/octet-stream", b"\0"),
        (Response(), "text/plain; charset=utf-8", b""),
        (Response(b"\0", content_type="image/png"), "image/png", b"\0"),
        (Response(b"\0", headers={"Content-Type": "image/png"}), "image/png", b"\0"),
        (Text("<b>"), "text/plain; charset=utf-8", b"<b>"),
        (Text("\ud800"), "text/plain; charset=utf-8", b"?"),
        (HTML("<b>ü</b>"), "text/html; charset=utf-8", "<b>ü</b>".encode()),
        (make_response(JSON({"a": "ü"}), CODEC, SOURCE, REQUEST), "application/json", '{"a":"ü"}'.encode()),
        (make_response(JSON(None), CODEC, SOURCE, REQUEST), "application/json", b"null"),
    ],
)
def test_a_response_has_its_type_and_its_length(response: Response, content_type: str, body: bytes) -> None:
    fields, data = sent(response)
    assert (fields["content-type"], data) == (content_type, body)
    assert fields["content-length"] == str(len(body))
    assert fields["x-content-type-options"] == "nosniff"


def test_a_codec_may_write_text() -> None:
    class Codec:
        def dumps(self, value: Any, /) -> str:
            return "ü"

        def loads(self, data: bytes, /) -> Any: ...

    assert make_response(JSON(1), Codec(), SOURCE, REQUEST).body == "ü".encode()
    assert make_response({"a": 1}, Codec(), SOURCE, REQUEST).body == "ü".encode()


@pytest.mark.parametrize(
    "make",
    [
        lambda s: Response(b"", s),
        lambda s: Text("", s),
        lambda s: HTML("", s),
        lambda s: JSON(1, s),
        lambda s: Stream([], status=s),
    ],
)
def test_a_status_is_one_that_can_be_sent(make: Any) -> None:
    for status in (200, 299, 404, 599, http.HTTPStatus.CREATED):
        made = make(status)
        assert made.status == status
        assert type(made.status) is int
    for wrong in (0, 99, 100, 199, 600, -200, True, "200", None, 200.0):
        with pytest.raises(ValueError, match="status from 200 to 599, not"):
            make(wrong)


def test_a_status_that_is_set_later_is_checked_before_it_is_sent() -> None:
    response = Text("")
    response.status = http.HTTPStatus.NOT_FOUND
    assert settle_status(response) is None
    assert type(response.status) is int
    response.status = 1000
    assert "status from 200 to 599, not 1000" in str(settle_status(response))


@pytest.mark.parametrize(
    "make",
    [
        lambda h: Response(b"", headers=h),
        lambda h: Text("", headers=h),
        lambda h: HTML("", headers=h),
        lambda h: JSON(1, headers=h),
        lambda h: Redirect("/", headers=h),
        lambda h: Stream([], headers=h),
    ],
)
def test_header_fields_are_checked_when_they_are_given(make: Any) -> None:
    assert make({"X-Y": "1"}).headers["x-y"] == "1"
    for headers in (
        {"x": "a\r\nset-cookie: b"},
        {"x\n": "a"},
        {"x": "\0"},
        {"connection": "close"},
        {"Transfer-Encoding": "chunked"},
    ):
        with pytest.raises(ValueError, match="control character|token|hop-by-hop"):
            make(headers)


@pytest.mark.parametrize("content_type", ["text/plain\r\nx: y", "text/plain\0"])
def test_a_content_type_is_checked(content_type: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        Response(b"", content_type=content_type)
    with pytest.raises(ValueError, match="control character"):
        Stream([], content_type)


def test_what_one_response_sets_another_does_not_have() -> None:
    for make in (lambda: Text("a"), lambda: HTML("a"), lambda: JSON(1), lambda: Response(b"a"), lambda: Stream([])):
        first = make()
        first.headers["x"] = "1"
        first.headers["content-type"] = "a/b"
        first.set_cookie("a", "1")
        second = make()
        assert "x" not in second.headers
        assert second.headers["content-type"] != "a/b"
        assert second._cookies is None


def test_a_response_shows_its_class_and_status() -> None:
    assert repr(HTML("", 404)) == "<HTML 404>"


# --- redirects ---


@pytest.mark.parametrize(
    ("location", "encoded"),
    [
        ("/a?b=c&d#e", "/a?b=c&d#e"),
        ("https://shop.example:8443/a", "https://shop.example:8443/a"),
        ("../a b", "../a%20b"),
        ("/ü/€", "/%C3%BC/%E2%82%AC"),
        ("/%C3%BC%2F", "/%C3%BC%2F"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("\\\\evil.example", "%5C%5Cevil.example"),
        ('/"<>`{}|^', "/%22%3C%3E%60%7B%7D%7C%5E"),
        ("/\u2028\ud800", "/%E2%80%A8%ED%A0%80"),
        ("http://[::1]/", "http://[::1]/"),
    ],
)
def test_a_location_is_encoded_once(location: str, encoded: str) -> None:
    response = Redirect(location)
    assert (response.status, response.headers["location"], response.body) == (303, encoded, b"")


@pytest.mark.parametrize(
    "location", ["/a\r\nset-cookie: b=1", "/a\n", "\t//evil.example", "/\0", "java\x01script:alert(1)", "/\x7f"]
)
def test_a_location_holds_no_control_character(location: str) -> None:
    with pytest.raises(ValueError, match="holds a control character"):
        Redirect(location)


@given(st.text(max_size=30))
def test_a_path_of_our_own_stays_on_our_own_host(path: str) -> None:
    """Browsers take a backslash for a slash, and drop tabs and line breaks."""
    try:
        location = encode_location("/x" + path)
    except ValueError:
        return
    assert location.isascii()
    assert urlsplit(urljoin("http://shop.example/a", location)).netloc == "shop.example"
    assert "\\" not in location


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 309, 400, True, "303"])
def test_a_redirect_has_the_status_of_one(status: Any) -> None:
    with pytest.raises(ValueError, match="a redirect has status 301, 302, 303, 307 or 308, not"):
        Redirect("/", status)
    assert [Redirect("/", good).status for good in (301, 302, 303, 307, 308)] == [301, 302, 303, 307, 308]


def test_a_location_takes_linear_time() -> None:
    for piece in ("\\", "ü", "%", "/", " "):
        assert_linear(lambda n, piece=piece: "/" + piece * n, encode_location)  # type: ignore[misc]


# --- cookies ---


def cookies(response: Response, **options: Any) -> list[str]:
    pairs, _ = finalize(make_request(**options), response)
    return [value for name, value in pairs if name == "set-cookie"]


def test_cookies_are_lines_of_their_own() -> None:
    response = Text("")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", max_age=60)
    assert cookies(response) == [
        "a=1; Path=/; HttpOnly; SameSite=Lax; Secure", "b=2; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure"
    ]  # fmt: skip


def test_a_cookie_is_not_secure_over_plain_http_to_this_machine() -> None:
    response = Text("")
    response.set_cookie("a", "1")
    assert cookies(response, host="localhost:8000") == ["a=1; Path=/; HttpOnly; SameSite=Lax"]
    assert cookies(response, host="localhost:8000", scheme="https") == ["a=1; Path=/; HttpOnly; SameSite=Lax; Secure"]


def test_a_cookie_that_is_set_again_is_sent_once() -> None:
    response = Text("")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    response.set_cookie("a", "3")
    assert [line.partition(";")[0] for line in cookies(response)] == ["b=2", "a=3"]


def test_cookies_of_one_name_in_different_places_are_two() -> None:
    response = Text("")
    response.delete_cookie("a", path="/old")
    response.delete_cookie("a", domain="shop.example")
    response.set_cookie("a", "1")
    response.set_cookie("a", "2", secure=True, partitioned=True)
    response.set_cookie("a", "", domain="SHOP.example")
    assert [line.partition(" HttpOnly")[0] for line in cookies(response)] == [
        "a=; Max-Age=0; Path=/old;", "a=1; Path=/;", "a=2; Path=/;", "a=; Domain=SHOP.example; Path=/;",
    ]  # fmt: skip


def test_a_cookie_is_deleted_as_it_was_set() -> None:
    response = Text("")
    response.delete_cookie("__Host-a")
    response.delete_cookie("b", path="/b", domain="shop.example", samesite="none", partitioned=True)
    response.delete_cookie("c", secure=False)
    assert cookies(response) == [
        "__Host-a=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",
        "b=; Max-Age=0; Domain=shop.example; Path=/b; HttpOnly; SameSite=None; Partitioned; Secure",
        "c=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]


def test_what_sets_a_cookie_is_kept_by_no_shared_cache_unless_said_otherwise() -> None:
    response = Text("")
    assert "cache-control" not in sent(response)[0]
    response.set_cookie("a", "1")
    assert sent(response)[0]["cache-control"] == "private"
    response.headers["cache-control"] = "no-store"
    assert sent(response)[0]["cache-control"] == "no-store"


def test_a_cookie_set_as_a_header_field_is_kept_by_no_shared_cache_either() -> None:
    assert sent(Text("", headers={"set-cookie": "a=1"}))[0]["cache-control"] == "private"


# --- what a handler returns ---


class Words(str):
    __slots__ = ()


class Page(HTML):
    __slots__ = ()


class Items(JSON):
    __slots__ = ()


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("<b>ü", 200, "text/plain; charset=utf-8", "<b>ü".encode()),
        (Words("a"), 200, "text/plain; charset=utf-8", b"a"),
        (b"\0", 200, "application/octet-stream", b"\0"),
        (b"", 200, "application/octet-stream", b""),
        (None, 204, None, b""),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, "ü"], 200, "application/json", '[1,"ü"]'.encode()),
        (Point(1), 200, "application/json", b'{"x":1}'),
        (Page("<b>", 404), 404, "text/html; charset=utf-8", b"<b>"),
        (Items([1]), 200, "application/json", b"[1]"),
        (("a", 201), 201, "text/plain; charset=utf-8", b"a"),
        ((None, 202), 202, "text/plain; charset=utf-8", b""),
        (({"a": 1}, http.HTTPStatus.CREATED), 201, "application/json", b'{"a":1}'),
        ((JSON(1, 200), 299), 299, "application/json", b"1"),
        ((Point(1), 201, {"Content-Type": "a/b"}), 201, "a/b", b'{"x":1}'),
    ],
)
def test_a_value_becomes_a_response(value: Any, status: int, content_type: str | None, body: bytes) -> None:
    response = make_response(value, CODEC, SOURCE, REQUEST)
    assert (response.status, response.body) == (status, body)
    fields, _ = sent(response)
    assert fields.get("content-type") == content_type


def test_of_a_response_a_copy_is_made_that_is_like_it() -> None:
    for response in (Response(b""), Text(""), HTML(""), Redirect("/"), Stream([])):
        made = make_response(response, CODEC, SOURCE, REQUEST)
        assert (type(made), made.status, made.body) == (type(response), response.status, response.body)
        assert made.headers.items() == response.headers.items()
        assert made is not response


def test_header_fields_of_a_tuple_are_set_and_checked() -> None:
    assert make_response(("", 200, {"X-Y": "1"}), CODEC, SOURCE, REQUEST).headers["x-y"] == "1"
    with pytest.raises(ValueError, match="control character"):
        make_response(("", 200, {"x": "\n"}), CODEC, SOURCE, REQUEST)


def test_generators_of_either_colour_are_streamed_as_text() -> None:
    def items() -> Iterator[str]:
        yield "a"

    async def async_items() -> AsyncIterator[str]:
        yield "a"

    for stream in (items(), async_items()):
        response = make_response(stream, CODEC, SOURCE, REQUEST)
        assert isinstance(response, Stream)
        assert response.body is stream
        fields, body = sent(response)
        assert (fields["content-type"], body) == ("text/plain; charset=utf-8", stream)
        assert "content-length" not in fields


@pytest.mark.parametrize(
    "value", [7, 1.5, True, object(), {1}, bytearray(b"x"), len, Text, range(3), iter([]), ValueError("x")], ids=repr
)
def test_a_value_that_no_response_can_be_made_of_names_the_function(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make_response(value, CODEC, SOURCE, REQUEST)
    assert str(caught.value).startswith(f"{AT} returned {type(value).__name__}; a Response, str, bytes, dict")


@pytest.mark.parametrize(
    "value", [(), ("a",), ("a", "b"), ("a", 200, {}, 1), ("a", None), (1, 2.0), ("a", {})], ids=repr
)
def test_a_tuple_of_another_form_names_the_function(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make_response(value, CODEC, SOURCE, REQUEST)
    assert str(caught.value).startswith(f"{AT} returned a tuple of {len(value)}; (value, status)")


@pytest.mark.parametrize("status", [0, 100, 600, True])
def test_the_status_of_a_tuple_is_one_that_can_be_sent(status: int) -> None:
    with pytest.raises(ValueError, match="status from 200 to 599"):
        make_response(("a", status), CODEC, SOURCE, REQUEST)


def test_a_coroutine_that_nobody_awaits_is_closed_and_named() -> None:
    async def forgotten() -> None: ...

    with pytest.raises(TypeError, match="returned a coroutine; a function that gives one must be an `async def`"):
        make_response(forgotten(), CODEC, SOURCE, REQUEST)


def test_what_cannot_be_json_is_the_codecs_error() -> None:
    with pytest.raises(TypeError, match="object is not JSON serializable"):
        make_response({"a": object()}, CODEC, SOURCE, REQUEST)


@pytest.mark.parametrize("value", ["text", b"bytes", 7, None, object()])
def test_a_stream_takes_an_iterable(value: Any) -> None:
    with pytest.raises(
        TypeError, match=f"Stream takes an iterable or async iterable of items, not {type(value).__name__}"
    ):
        Stream(value)


# --- what is sent ---


def test_the_length_is_that_of_the_body_whatever_was_set() -> None:
    assert sent(Text("abc", headers={"content-length": "99"}))[0]["content-length"] == "3"
    for size in (0, 4095, 4096, 100_000):
        assert sent(Response(b"x" * size))[0]["content-length"] == str(size)


def test_a_length_that_is_the_only_field_is_right_too() -> None:
    response = Response(b"abc")
    del response.headers["content-type"]
    response.headers["content-length"] = "99"
    assert sent(response)[0]["content-length"] == "3"


def test_a_stream_keeps_the_length_that_was_set() -> None:
    fields, _ = sent(Stream([b"abc"], headers={"content-length": "3"}))
    assert fields["content-length"] == "3"


def test_sniffing_is_off_and_stays_off() -> None:
    assert sent(Text("", headers={"X-Content-Type-Options": "sniff"}))[0]["x-content-type-options"] == "nosniff"
    assert sent(Response(b"", 204))[0] == {"x-content-type-options": "nosniff"}


def test_a_head_has_the_fields_of_the_get_and_no_body() -> None:
    assert sent(Text("abc"), "HEAD") == (sent(Text("abc"))[0], None)
    stream = Stream([b"abc"])
    assert sent(stream, "HEAD") == (sent(stream)[0], None)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [b"abc", b"", iter([b"abc"])], ids=["bytes", "nothing", "stream"])
def test_no_content_is_no_content(status: int, body: Any) -> None:
    response = Response(body, status, {"content-length": "3", "etag": '"x"'})
    fields, data = sent(response)
    assert data is None
    assert fields == {"etag": '"x"', "x-content-type-options": "nosniff"}


def test_no_content_may_set_a_cookie() -> None:
    response = Response(b"", 204)
    response.set_cookie("a", "1")
    assert len(cookies(response)) == 1


def test_reset_content_has_no_content() -> None:
    fields, data = sent(Response(b"abc", 205))
    assert data in (None, b"")
    assert fields["content-length"] == "0"


def test_sending_a_response_twice_sends_the_same() -> None:
    response = Text("abc", headers={"x": "1", "content-length": "7"})
    response.set_cookie("a", "1")
    assert finalize(make_request(), response) == finalize(make_request(), response)


@pytest.mark.parametrize(
    ("item", "data"),
    [
        (b"a", b"a"),
        ("ü", "ü".encode()),
        ("\ud800", b"?"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"abc")[::2], b"ac"),
        (b"", b""),
    ],
)
def test_an_item_of_a_stream_is_sent_as_bytes(item: Any, data: bytes) -> None:
    assert as_bytes(item) == data
    assert type(as_bytes(item)) is bytes


@pytest.mark.parametrize("item", [None, 7, {"a": 1}, [b"a"], object()])
def test_an_item_that_is_neither_bytes_nor_text_is_refused(item: Any) -> None:
    with pytest.raises(TypeError, match="its items must be bytes or str"):
        as_bytes(item)


def test_a_refused_item_is_not_shown_whole() -> None:
    with pytest.raises(TypeError) as caught:
        as_bytes(["x" * 10_000])
    assert len(str(caught.value)) < 200


def test_a_declared_length_is_a_number() -> None:
    assert declared_length([("a", "1"), ("content-length", "42")]) == 42
    assert declared_length([("a", "1")]) is None
    for text in ("", "-1", "+1", "1.0", "0x1", " 1", "١", "1_0"):
        with pytest.raises(ValueError, match="content-length must be a number, not"):
            declared_length([("content-length", text)])


def test_a_json_response_is_written_once_for_what_it_holds_at_the_end() -> None:
    response = JSON({"a": 1})
    response.value["b"] = 2
    assert json.loads(make_response(response, CODEC, SOURCE, REQUEST).body) == {"a": 1, "b": 2}  # type: ignore[arg-type]
