"""Queries and urlencoded forms: the sum of their parts, read again as they were written, and as a library reads them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

from ambi.core.url import encode_query, encode_raw_query, parse_urlencoded
from tests.fuzz.finding import found, of_corpus, small_body, table
from tests.fuzz.properties import Refusal, attempt, check_work

MANY = 1 << 20


def check(data: bytes) -> None:
    """Check one query, and a form of the same bytes."""
    text = data.decode("latin-1")
    pairs = parse_urlencoded(text, MANY)
    written = encode_query(pairs)
    assert parse_urlencoded(written, MANY) == [pair for pair in pairs if pair != ("", "")] or ("", "") in pairs
    assert parse_urlencoded(encode_raw_query(text), MANY) == pairs
    middle = len(text) // 2
    parts = parse_urlencoded(text[:middle], MANY) + parse_urlencoded(text[middle:], MANY)
    assert parse_urlencoded(f"{text[:middle]}&{text[middle:]}", MANY) == parts
    limited = attempt(parse_urlencoded, text, 5, 413, statuses=frozenset((413,)))
    assert limited == (pairs if text.count("&") < 5 else Refusal(413))
    assert pairs == _by_library(data)
    check_work(data, lambda large: parse_urlencoded(large.decode("latin-1"), MANY))


def _by_library(data: bytes) -> list[tuple[str, str]]:
    text = "".join(chr(byte) if byte < 0x80 else f"%{byte:02x}" for byte in data)
    return parse_qsl(text, keep_blank_values=True, errors="replace")


def seeds() -> Iterator[bytes]:
    """Give queries."""
    yield from found("urlencoded")
    yield from (b"a&b&c&d&e", b"a&b&c&d&e&f")
    yield from table("queries", "text")
    yield from of_corpus("query", lambda case: [case.target.partition("?")[2].encode("latin-1")])
    yield from of_corpus("form", small_body)
