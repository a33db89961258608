from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.headers import (
    Headers,
    ResponseHeaders,
    check_name,
    check_value,
    is_private,
    is_token,
    parse_parameters,
    split_list,
)
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors

TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CONTROLS = [chr(n) for n in (*range(0x20), 0x7F) if chr(n) != "\t"]
HOP_BY_HOP = ("Connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "transfer-encoding", "Upgrade")


def response_headers(*pairs: tuple[str, str]) -> ResponseHeaders:
    headers = ResponseHeaders([])
    for name, value in pairs:
        headers.append(name, value)
    return headers


# --- what a client sent ---


def test_a_field_is_found_in_any_case() -> None:
    headers = Headers([("content-type", "text/plain")])
    assert headers["Content-Type"] == headers["content-type"] == headers.get("CONTENT-TYPE") == "text/plain"
    assert "Content-TYPE" in headers
    assert "content" not in headers
    assert 7 not in headers  # type: ignore[comparison-overlap]


def test_a_field_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="accept"):
        Headers()["accept"]


def test_lines_of_a_repeated_field_are_joined_with_a_comma() -> None:
    headers = Headers([("accept", "a/b"), ("host", "h"), ("accept", "c/d"), ("accept", "e/f")])
    assert headers["accept"] == "a/b,c/d,e/f"
    assert headers["host"] == "h"


def test_lines_of_cookies_are_joined_with_a_semicolon() -> None:
    assert Headers([("cookie", "a=1"), ("cookie", "b=2"), ("x", "1"), ("x", "2")])["cookie"] == "a=1; b=2"


def test_fields_come_in_the_order_received_and_each_name_once() -> None:
    headers = Headers([("b", "1"), ("a", "2"), ("b", "3")])
    assert list(headers.items()) == [("b", "1,3"), ("a", "2")]
    assert len(headers) == 2
    assert repr(headers) == "Headers([('b', '1,3'), ('a', '2')])"


def test_what_a_client_sent_cannot_be_changed() -> None:
    headers = Headers([("a", "1")])
    with pytest.raises(TypeError):
        headers["a"] = "2"  # type: ignore[index]
    with pytest.raises(AttributeError):
        headers.more = 1  # type: ignore[attr-defined]


# --- what may be sent ---


@given(st.text(max_size=20) | st.text(TOKEN_CHARS, max_size=20))
def test_a_name_is_taken_only_if_all_of_it_are_token_characters(name: str) -> None:
    wanted = bool(name) and all(c in TOKEN_CHARS for c in name)
    assert is_token(name) is wanted
    if not wanted:
        with pytest.raises(ValueError, match=r"no header field name: a token was expected"):
            check_name(name)
    elif name.lower() not in {hop.lower() for hop in HOP_BY_HOP}:
        assert check_name(name) == name.lower()


def test_token_characters_are_those_of_rfc_9110() -> None:
    """In 5.6.2."""
    assert {chr(n) for n in range(0x180) if is_token(chr(n))} == {*ascii_letters, *digits, *"!#$%&'*+-.^_`|~"}


@pytest.mark.parametrize("name", ["", "a b", "a:", ":a", "a\r\nb", "é", "a\0", "\u212aey", "ſet-cookie", "a\u0130"])
def test_a_look_alike_of_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no header field name"):
        check_name(name)


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_fields_of_the_connection_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is a hop-by-hop field; only the server sends it"):
        check_name(name)


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_a_value_holds_no_control_character(control: str) -> None:
    for value in (control, f"a{control}b", f"{control}a", f"a{control}", f"é{control}"):
        with pytest.raises(ValueError, match="holds a control character"):
            check_value(value)


@given(st.text(st.characters(max_codepoint=0x180), max_size=30))
def test_a_value_is_taken_as_it_is_or_refused(value: str) -> None:
    if any(c in value for c in CONTROLS):
        with pytest.raises(ValueError, match="holds a control character"):
            check_value(value)
    elif any(c > "\xff" for c in value):
        with pytest.raises(ValueError, match="holds a character outside latin-1; encode it"):
            check_value(value)
    else:
        assert check_value(value) == value.strip(" \t")


def test_space_around_a_value_is_no_part_of_it() -> None:
    """RFC 9110 5.5; a server that checks what it sends drops the connection."""
    headers = response_headers(("x", " \ta b\t "))
    assert headers["x"] == "a b"
    headers["x"] = " "
    assert headers["x"] == ""
    with pytest.raises(ValueError, match="control character"):
        headers["x"] = "a \r"


def test_a_long_refused_value_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="control") as caught:
        check_value("x" * 100_000 + "\n")
    assert len(str(caught.value)) < 200


def test_a_refused_field_leaves_the_others_as_they_were() -> None:
    headers = response_headers(("x", "1"))
    for name, value in (("x", "a\r\nset-cookie: b"), ("a b", "c"), ("te", "trailers")):
        with pytest.raises(ValueError, match=r"control character|token|hop-by-hop"):
            headers[name] = value
        with pytest.raises(ValueError, match=r"control character|token|hop-by-hop"):
            headers.append(name, value)
    assert dict(headers) == {"x": "1"}


def test_setting_a_field_replaces_all_its_lines_where_the_first_stood() -> None:
    headers = response_headers(("link", "<a>"), ("x", "1"), ("link", "<b>"), ("y", "2"), ("link", "<c>"))
    headers["Link"] = "<d>"
    assert list(headers.items()) == [("link", "<d>"), ("x", "1"), ("y", "2")]
    assert headers.getlist("LINK") == ["<d>"]


def test_a_new_field_is_set_behind_the_others() -> None:
    headers = response_headers(("x", "1"))
    headers["X-Y"] = "2"
    assert list(headers) == ["x", "x-y"]


def test_a_line_may_be_added_to_a_field() -> None:
    headers = response_headers(("WWW-Authenticate", "Basic"), ("x", "1"), ("www-authenticate", "Bearer"))
    assert headers["www-authenticate"] == "Basic, Bearer"
    assert headers.getlist("Www-Authenticate") == ["Basic", "Bearer"]
    assert len(headers) == 2
    assert repr(headers).endswith("('x', '1'), ('www-authenticate', 'Bearer')])")


def test_removing_a_field_removes_all_its_lines() -> None:
    headers = response_headers(("a", "1"), ("b", "2"), ("a", "3"))
    del headers["A"]
    assert dict(headers) == {"b": "2"}
    with pytest.raises(KeyError):
        del headers["a"]
    assert "A" not in headers
    assert "B" in headers
    assert 7 not in headers  # type: ignore[comparison-overlap]
    with pytest.raises(KeyError):
        headers["a"]


@pytest.mark.parametrize(
    ("present", "added", "expected"),
    [
        ([], ["accept"], "accept"),
        (["accept"], ["cookie"], "accept, cookie"),
        (["Accept, Cookie"], ["cookie", "origin"], "Accept, Cookie, origin"),
        (["accept", "origin"], ["cookie"], "accept, origin, cookie"),
        ([], ["accept", "ACCEPT", "accept"], "accept"),
        (["*"], ["cookie"], "*"),
        (["accept"], ["*"], "*"),
    ],
)
def test_vary_names_each_field_once(present: list[str], added: list[str], expected: str) -> None:
    headers = response_headers(*(("vary", value) for value in present))
    headers.add_vary(*added)
    assert headers["vary"] == expected
    assert len(headers.getlist("vary")) == 1


# --- token; name="value" ---


@vectors("parameters", "text", "value", "parameters")
def test_parameters_are_split_from_their_value(text: str, value: str, parameters: list[list[str]]) -> None:
    assert parse_parameters(text) == (value, [tuple(pair) for pair in parameters])


def test_only_what_is_escapable_is_unescaped() -> None:
    text = 'form-data; filename="C:\\new\\\\a\\".txt"'
    assert parse_parameters(text, escapable='"\\')[1] == [("filename", 'C:\\new\\a".txt')]
    assert parse_parameters(text)[1] == [("filename", 'C:new\\a".txt')]


@given(
    st.text("abc/", min_size=1),
    st.lists(st.tuples(st.text("abcXYZ-*", min_size=1), st.text(st.characters(max_codepoint=0xFF)))),
    st.sampled_from(["; ", ";", " \t;\t "]),
)
def test_quoted_parameters_come_back_as_they_were_written(
    value: str, parameters: list[tuple[str, str]], separator: str
) -> None:
    quoted = [n + '="' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for n, v in parameters]
    written = separator.join([value, *quoted])
    assert parse_parameters(written) == (value, [(name.lower(), content) for name, content in parameters])


@given(st.text(st.sampled_from('a=;," \\\t'), max_size=40))
def test_no_header_breaks_the_scanner(text: str) -> None:
    value, parameters = parse_parameters(text)
    assert len(value) + sum(len(n) + len(c) for n, c in parameters) <= len(text)
    assert all(len(part.strip(" \t")) == len(part) > 0 for part in split_list(text))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" \t", []),
        ("a", ["a"]),
        ("a,b , c\t,d", ["a", "b", "c", "d"]),
        (",, ,a,,b, ,", ["a", "b"]),
        ('a;p="x,y", b', ['a;p="x,y"', "b"]),
        ('"a,b","c"', ['"a,b"', '"c"']),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ('"a\\\\", b', ['"a\\\\"', "b"]),
        ('a, "b, c', ["a", '"b, c']),
        ('a, "b\\', ["a", '"b\\']),
        ('"", ,""', ['""', '""']),
        ('\ta\t,\t"b"\t,\tc\t', ["a", '"b"', "c"]),
    ],
)
def test_a_list_is_split_outside_of_quotes(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize("piece", ["\\", '\\"', ";", "; a", ";a=", '";', ';a="b', '="', ";a=\\", '";"', " ", '\\";a="'])
@pytest.mark.parametrize("start", ['a; b="', "a; ", "a"])
def test_parameters_take_linear_time(start: str, piece: str) -> None:
    assert_linear(lambda n: start + piece * n, parse_parameters, size=1000)


@pytest.mark.parametrize("piece", [",", '"', '",', '\\"', '"\\', "\\", '","', " "])
def test_a_list_takes_linear_time(piece: str) -> None:
    assert_linear(lambda n: 'a"' + piece * n, split_list, size=1000)


@pytest.mark.parametrize("text", ["private", "Private, max-age=60", "max-age=60, no-store", "NO-STORE"])
def test_what_keeps_an_answer_out_of_shared_caches(text: str) -> None:
    assert is_private(text)


@pytest.mark.parametrize(
    "text", ["", "public", "no-cache", 'private="set-cookie"', 'x="private, no-store"', "x-private=1"]
)
def test_what_keeps_it_only_in_part_or_not_at_all(text: str) -> None:
    assert not is_private(text)


def test_joining_repeated_fields_takes_linear_time() -> None:
    assert_linear(lambda n: [("a", "x" * 10)] * n, Headers)


@pytest.mark.parametrize("value", ["a\tb", "é\tb", "é b", "\xa0", "a  b", "\x80\xff"])
def test_a_tab_and_a_space_inside_a_value_are_part_of_it(value: str) -> None:
    assert check_value(value) == value


@pytest.mark.parametrize(
    ("values", "joined"),
    [(["", "x", ""], ",x,"), (["", ""], ","), (["\tx", "y"], "x,y"), (["x", "y\t"], "x,y"), ([" x", "y "], "x,y")],
    ids=repr,
)
def test_joined_lines_have_no_white_space_around_them(values: list[str], joined: str) -> None:
    assert Headers(("a", value) for value in values)["a"] == joined


def test_fields_show_what_they_hold() -> None:
    assert repr(Headers([("a", "1"), ("b", "2")])) == "Headers([('a', '1'), ('b', '2')])"
    assert repr(ResponseHeaders([("a", "1")])) == "ResponseHeaders([('a', '1')])"


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ("Accept, Origin", ["origin"], "Accept, Origin"),
        ("Accept\t,\tOrigin", ["origin", "Cookie"], "Accept, Origin, Cookie"),
        ("Accept,\t, ,Origin,", ["Cookie"], "Accept, Origin, Cookie"),
        ("Accept", [" Cookie\t", "\taccept "], "Cookie, Accept"),
        ("*\t", ["Cookie"], "*"),
    ],
)
def test_vary_is_read_whatever_white_space_stands_in_it(before: str, names: list[str], after: str) -> None:
    headers = ResponseHeaders([("vary", before)])
    headers.add_vary(*names)
    assert headers["vary"] == after


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('v; n="a;"=y; m=1', [("n", "a;"), ("m", "1")]),
        (r'v; n="\a;"=y; m=1', [("n", "a;"), ("m", "1")]),
        ('v; n="a"=; m=1', [("n", "a"), ("m", "1")]),
        ('v;n="a";m=1;o="b"', [("n", "a"), ("m", "1"), ("o", "b")]),
        (r'v; n="\"x' + "\\", [("n", '"x\\')]),
    ],
)
def test_what_follows_a_quoted_string_is_no_parameter(text: str, parameters: list[tuple[str, str]]) -> None:
    assert parse_parameters(text) == ("v", parameters)
