"""What is well-formed is read as the standard library reads it, wherever that is the better judge."""

from __future__ import annotations

import email.policy
from email.parser import BytesParser
from email.utils import formatdate, parsedate_to_datetime
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from ambi.core.cookies import parse_cookies
from ambi.core.preconditions import parse_http_date
from ambi.core.url import encode_query, parse_urlencoded
from tests.fuzz.targets.multipart import read

repeatable = settings(max_examples=150, derandomize=True, database=None, deadline=None)
anything = st.text(max_size=12)
latin = st.text(st.characters(max_codepoint=0xFF), max_size=12)
token = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=6)


@repeatable
@given(st.lists(st.tuples(anything, anything), max_size=5))
def test_a_query_of_urllib_is_read_as_it_reads_ours(pairs: list[tuple[str, str]]) -> None:
    sendable = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in pairs
    ]
    assert parse_urlencoded(urlencode(sendable), 1000) == sendable
    assert parse_qsl(encode_query(sendable), keep_blank_values=True) == sendable


@repeatable
@given(st.dictionaries(token, latin, max_size=4))
def test_cookies_that_http_cookies_has_written_come_back(cookies: dict[str, str]) -> None:
    jar: SimpleCookie = SimpleCookie()
    for name, value in cookies.items():
        if name.lower() not in (
            "path",
            "expires",
            "domain",
            "max-age",
            "secure",
            "httponly",
            "version",
            "samesite",
            "comment",
        ):
            jar[name] = value
    header = "; ".join(f"{morsel.key}={morsel.coded_value}" for morsel in jar.values())
    assert parse_cookies(header, 1000, 1 << 20) == {name: morsel.value for name, morsel in jar.items()}


@repeatable
@given(st.integers(0, 253402300799))
def test_a_date_of_email_is_the_same_moment(seconds: int) -> None:
    text = formatdate(seconds, usegmt=True)
    assert parse_http_date(text) == parsedate_to_datetime(text)


content = st.lists(st.sampled_from([b"x", b"\r\n", b"--B", b"--", b"-", b" ", b"\xff", b"\0"]), max_size=6).map(
    b"".join
)
# `email` drops spaces around what is in quotes.
part = st.tuples(st.text("abc;=,", max_size=5), st.none() | st.text("xyz.;=", min_size=1, max_size=6), content)


@repeatable
@given(st.lists(part, min_size=1, max_size=4))
def test_a_form_has_the_parts_that_email_finds(parts: list[tuple[str, str | None, bytes]]) -> None:
    body = b""
    for name, filename, data in parts:
        shown = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
        body += b"--BOUNDARY\r\nContent-Disposition: " + shown.encode() + b"\r\n\r\n" + data + b"\r\n"
    body += b"--BOUNDARY--\r\n"
    head = b'Content-Type: multipart/form-data; boundary="BOUNDARY"\r\n\r\n'
    message: Any = BytesParser(policy=email.policy.compat32).parsebytes(head + body)
    found = [
        (each.get_param("name", header="content-disposition"), each.get_filename(), each.get_payload(decode=True))
        for each in message.get_payload()
    ]
    ours = [
        (name, value[0], value[3]) if isinstance(value, tuple) else (name, None, data)
        for (name, value), (_, _, data) in zip(read([body], "BOUNDARY"), parts, strict=True)
    ]
    assert ours == parts
    assert [(name, filename, data) for name, filename, data in found] == parts
