import contextlib
import re
from string import ascii_letters, digits, hexdigits
from urllib.parse import parse_qsl, unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ambi.core.errors import HTTPError
from ambi.core.url import (
    URL,
    decode_path,
    encode_path,
    encode_query,
    parse_urlencoded,
    percent_decode,
    percent_encode,
    reference_beside,
    split_host,
    strip_root,
)
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors

TEXT = st.text(st.characters(exclude_categories=["Cs"]))

# RFC 3986 3.2.2, but for IPvFuture and the comma, which are refused.
H16 = "[0-9A-Fa-f]{1,4}"
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])"
LS32 = rf"({H16}:{H16}|{OCTET}(\.{OCTET}){{3}})"
IPV6 = "|".join([
    f"({H16}:){{6}}{LS32}",
    f"::({H16}:){{5}}{LS32}",
    f"({H16})?::({H16}:){{4}}{LS32}",
    f"(({H16}:){{0,1}}{H16})?::({H16}:){{3}}{LS32}",
    f"(({H16}:){{0,2}}{H16})?::({H16}:){{2}}{LS32}",
    f"(({H16}:){{0,3}}{H16})?::{H16}:{LS32}",
    f"(({H16}:){{0,4}}{H16})?::{LS32}",
    f"(({H16}:){{0,5}}{H16})?::{H16}",
    f"(({H16}:){{0,6}}{H16})?::",
])  # fmt: skip
HOST = re.compile(rf"(\[({IPV6})\]|([A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{{2}})+)(:[0-9]{{0,5}})?", re.ASCII)


def raw(text: str) -> bytes:
    return text.encode("latin-1")


# --- percent-encoding ---


@given(st.binary() | st.text("%0123456789abcdefABCDEFg+").map(str.encode))
def test_decoding_gives_what_the_standard_library_gives(data: bytes) -> None:
    assert percent_decode(data) == unquote_to_bytes(data)


@given(TEXT)
@example("%41")
@example("é/ \0")
def test_a_segment_comes_back_as_it_was_encoded(text: str) -> None:
    encoded = percent_encode(text)
    assert re.fullmatch(r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*", encoded), "not a segment of RFC 3986 3.3"
    assert percent_decode(encoded.encode("ascii")).decode() == text


@given(TEXT)
def test_a_path_comes_back_as_it_was_encoded(text: str) -> None:
    path = "/" + text
    encoded = encode_path(path)
    assert encoded.count("/") == path.count("/")
    assert decode_path(encoded.encode("ascii")) == path
    assert decode_path(encode_path(encoded).encode("ascii")) == encoded, "decoded more than once"


def test_a_lone_surrogate_is_encoded_and_breaks_nothing() -> None:
    assert percent_encode("\ud800") == "%ED%A0%80"


@vectors("paths", "raw", "path")
def test_a_path_is_decoded_once_or_refused(raw: str, path: str | None) -> None:
    data = raw.encode("latin-1")
    if path is None:
        with pytest.raises(HTTPError) as caught:
            decode_path(data)
        assert caught.value.status == 400
    else:
        assert decode_path(data) == path


@pytest.mark.parametrize("piece", ["/", "%", "%41", "%2", "é", "/%C3%BC"])
def test_a_path_takes_linear_time(piece: str) -> None:
    assert_linear(lambda n: b"/" + piece.encode() * n, decode_path)
    assert_linear(lambda n: "/" + piece * n, encode_path)


SEGMENT = TEXT.filter(lambda text: "/" not in text and text not in ("", ".", ".."))
SLASH = st.sampled_from(["/", "%2F", "%2f"])


@given(st.lists(st.tuples(SLASH, SEGMENT), min_size=1, max_size=5), st.none() | SLASH)
@example([("/", "u"), ("%2F", "x"), ("/", "b")], "%2F")
def test_a_reference_leads_beside_the_path_as_it_was_sent(parts: list[tuple[str, str]], end: str | None) -> None:
    sent = "".join(slash + percent_encode(segment) for slash, segment in [("/", parts[0][1]), *parts[1:]]) + (end or "")
    path = decode_path(raw(sent))
    reference = reference_beside("/prefix" + path, raw(sent), slash=end is None)
    found = decode_path(raw(urljoin(sent, reference)))
    assert found == (path + "/" if end is None else path.removesuffix("/"))


@pytest.mark.parametrize("sent", [b"", b"/before", b"/before%2Fb"])
def test_a_reference_goes_by_the_path_where_that_is_not_as_it_was_sent(sent: bytes) -> None:
    assert reference_beside("/a/c b", sent, slash=True) == "./c%20b/"
    assert reference_beside("/a/c b/", sent, slash=False) == "../c%20b"


# --- the mount prefix ---


@pytest.mark.parametrize(
    ("path", "root_path", "rest"),
    [
        ("/api/users", "/api", "/users"),
        ("/api", "/api", "/"),
        ("/api/", "/api", "/"),
        ("/apis", "/api", "/apis"),
        ("/users", "/api", "/users"),
        ("/users", "", "/users"),
        ("", "", "/"),
        ("", "/api", "/"),
        ("/api/api/x", "/api", "/api/x"),
        ("/api//x", "/api", "//x"),
        ("/abc/x", "/api", "/abc/x"),
    ],
)
def test_a_prefix_is_taken_off_at_a_border_of_segments(path: str, root_path: str, rest: str) -> None:
    assert strip_root(path, root_path) == rest


# --- queries and forms ---


@vectors("queries", "text", "pairs")
def test_a_query_is_parsed_into_pairs(text: str, pairs: list[list[str]]) -> None:
    assert parse_urlencoded(text, 1000) == [tuple(pair) for pair in pairs]


@given(st.text("ab&=+%41C3BCgz;[]?", max_size=40))
def test_a_query_reads_as_the_standard_library_reads_it(text: str) -> None:
    assert parse_urlencoded(text, 1000) == parse_qsl(text, keep_blank_values=True)


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_pairs_come_back_as_they_were_encoded(pairs: list[tuple[str, str]]) -> None:
    query = encode_query(pairs)
    assert query.isascii()
    assert parse_urlencoded(query, 1000) == pairs


def test_values_that_are_no_text_are_written_as_text() -> None:
    assert encode_query([("n", 1), ("f", 1.5), ("b", True), ("s", "a b&c")]) == "n=1&f=1.5&b=True&s=a%20b%26c"


def test_as_many_fields_as_allowed_are_taken_and_no_more() -> None:
    assert len(parse_urlencoded("a&b&c", 3)) == 3
    with pytest.raises(HTTPError, match="more than 3 fields") as caught:
        parse_urlencoded("a&b&c&d", 3)
    assert caught.value.status == 400
    with pytest.raises(HTTPError) as caught:
        parse_urlencoded("a&b", 1, status=413)
    assert caught.value.status == 413


@pytest.mark.parametrize("piece", ["a=1&", "&", "=", "%41", "%", "+", "é"])
def test_a_query_takes_linear_time(piece: str) -> None:
    assert_linear(lambda n: raw(piece * n + "%").decode("latin-1"), lambda text: parse_urlencoded(text, 10**9))


# --- hosts ---


@vectors("hosts", "host", "name", "port")
def test_a_host_is_split_or_refused(host: str, name: str | None, port: int | None) -> None:
    if name is None:
        with pytest.raises(HTTPError, match="not a valid host") as caught:
            split_host(host)
        assert caught.value.status == 400
    else:
        assert split_host(host) == (name, port)


@given(
    st.from_regex(HOST, fullmatch=True, alphabet=st.characters(codec="ascii"))
    | st.text("019afAFgz:.[]%-_~,@/ \\", max_size=12)
    | st.text("0:1f.", max_size=20).map(lambda inner: f"[{inner}]")
)
def test_hosts_are_those_of_the_grammar(host: str) -> None:
    _, _, port = host.rpartition("]")[2].partition(":")
    if HOST.fullmatch(host) and int(port or 0) < 65536 and len(host) <= 255:
        name, number = split_host(host)
        assert number == (int(port) if port else None)
        assert host.lower().removesuffix(f":{port}") == name
    else:
        with pytest.raises(HTTPError):
            split_host(host)


def test_the_characters_of_a_host_are_those_of_rfc_3986() -> None:
    """In 3.2.2, but for the comma, which joins the lines of a field that came twice; and of the percent sign alone."""

    def taken(form: str) -> set[str]:
        found = set()
        for character in map(chr, range(0x180)):
            with contextlib.suppress(HTTPError):
                split_host(form.replace("*", character))
                found.add(character)
        return found

    name = {*ascii_letters, *digits, *"-._~", *"!$&'()*+;="}
    assert taken("*a") == taken("a*") - {":"} == name
    assert taken("%*0") == taken("%0*") == {*hexdigits}
    assert taken("a:1*") == {*digits}
    assert taken("[::*]") == {*hexdigits}


def test_a_host_has_255_characters_at_most() -> None:
    assert split_host("a" * 255 + ":80")[1] == 80
    with pytest.raises(HTTPError):
        split_host("a" * 256)


def test_a_host_takes_linear_time() -> None:
    def refuse(host: str) -> None:
        with pytest.raises(HTTPError):
            split_host(host)

    for make in ("[" + ":" * 9, "a%41" * 9, "[1:" * 9, ":0" * 9):
        assert_linear(lambda n, make=make: make * n, refuse)  # type: ignore[misc]


# --- URLs ---


def test_a_url_is_written_so_that_it_can_be_sent() -> None:
    url = URL("https", "shop.example:8443", "/ü/a b/100%?#", 'q=a%20b&x=[1]&y="<>')
    assert str(url) == "https://shop.example:8443/%C3%BC/a%20b/100%25%3F%23?q=a%20b&x=%5B1%5D&y=%22%3C%3E"
    assert repr(url) == f"URL('{url}')"
    assert (url.hostname, url.port) == ("shop.example", 8443)


def test_a_url_without_a_query_has_no_question_mark() -> None:
    assert str(URL("http", "shop.example", "/")) == "http://shop.example/"


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("http", "a", 80),
        ("https", "a", 443),
        ("https", "a:80", 80),
        ("http", "[::1]", 80),
        ("https", "[::1]:1", 1),
        ("http", "a:0", 0),
    ],
)
def test_a_url_without_a_port_has_that_of_its_scheme(scheme: str, host: str, port: int) -> None:
    assert URL(scheme, host, "/").port == port


def test_urls_are_equal_when_they_are_written_alike() -> None:
    one, same, other = URL("http", "a", "/ü"), URL("http", "a", "/ü"), URL("http", "a", "/u")
    assert one == same == "http://a/%C3%BC"
    assert hash(one) == hash(same)
    assert one != other
    assert one != 7
    assert {one: 1}[same] == 1


@given(TEXT, st.from_regex(HOST, fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_other_parsers_read_a_url_as_it_was_meant(path: str, host: str) -> None:
    if int(host.rpartition("]")[2].partition(":")[2] or 0) > 65535 or len(host) > 255:
        return
    url = URL("https", host, "/" + path, "a=1")
    read = urlsplit(str(url))
    assert (read.netloc, read.query, read.fragment) == (host, "a=1", "")
    assert unquote_to_bytes(read.path).decode() == "/" + path
