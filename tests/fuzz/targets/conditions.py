"""Range, If-Match and their like: beside slow models, and on the answer of a file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ambi import File
from ambi.core.cookies import http_date
from ambi.core.files import FileBody
from ambi.core.preconditions import ETags, parse_http_date
from ambi.core.ranges import ByteRange
from ambi.gateways.entry import parse_content_length
from tests.core.fakes import FakeApplication, FakeEdge
from tests.fuzz.finding import found, of_corpus, table, values_of
from tests.fuzz.properties import Refusal, attempt, check_work

from ambi.core.request import Request  # isort: skip

NAMES = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")
CONTENT = b"0123456789"
MODIFIED = 784_111_777
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
_RANGE = re.compile(r"(?i:bytes)=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*")
_TAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,[ \t,]*(?:W/)?"[^"]*")*[ \t,]*')
_TAG = re.compile(r'(W/)?"([^"]*)"')
_FIXDATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


def check(data: bytes) -> None:
    """Check one value as each of the fields, then lines as all of them together."""
    text = data.decode("latin-1")
    lines = text.split("\n")
    for line in lines[:8]:
        _check_range(line)
        _check_tags(line)
        _check_date(line)
        length = attempt(parse_content_length, line, statuses=frozenset((400, 413)))
        assert isinstance(length, Refusal) or length == int(line)
    fields = {name: line.strip(" \t") for name, line in zip(NAMES, lines, strict=False) if line.strip(" \t")}
    for method in ("GET", "HEAD", "PUT"):
        _check_file(method, fields)
    check_work(data, _all)


def _all(data: bytes) -> None:
    text = data.decode("latin-1")
    ByteRange.parse(text)
    ByteRange.parse("bytes=" + text)
    ETags(text)
    parse_http_date(text)


def _check_range(text: str) -> None:
    asked = ByteRange.parse(text)
    wanted = _RANGE.fullmatch(text)
    if wanted is None or wanted[1] + wanted[2] == "":
        assert asked is None, text
        return
    first, last = (wanted[1].lstrip("0")[:30] or wanted[1][:1]), (wanted[2].lstrip("0")[:30] or wanted[2][:1])
    if asked is None:  # backwards, or in too long a list of nothing
        assert (first and last and int(last) < int(first)) or ("," in text and len(text) >= 64)
        return
    for size in (0, 1, 9, 10, 11, 1 << 40):
        _check_within(asked, first, last, size)


def _check_within(asked: ByteRange, first: str, last: str, size: int) -> None:
    """See: RFC 9110 14.1.2: positions beyond the end are as good as the end, a suffix longer than all is all."""
    found = asked.within(size)
    if not first:
        offset, stop = max(0, size - int(last)), size
        satisfiable = int(last) > 0
    else:
        offset, stop = int(first), min(size, int(last) + 1) if last else size
        satisfiable = offset < size
    assert found == ((offset, stop - offset) if satisfiable else None)


def _check_tags(text: str) -> None:
    tags = ETags(text)
    assert bool(tags) == bool(text.strip(" \t"))
    assert tags.any == (text.strip(" \t") == "*")
    if len(text) < 500:
        wanted = _TAG.findall(text) if _TAGS.fullmatch(text) else []
        assert tags.is_whole == bool(wanted or tags.any or not tags)
        assert tags.strong == {opaque for weak, opaque in wanted if not weak}
        assert tags.weak == {opaque for weak, opaque in wanted if weak}
    for opaque in tags.strong | tags.weak:
        assert tags.matches_weak(f'"{opaque}"')
        assert tags.matches_weak(f'W/"{opaque}"')
        assert tags.matches_strong(f'"{opaque}"') == (opaque in tags.strong)
        assert not tags.matches_strong(f'W/"{opaque}"')


def _check_date(text: str) -> None:
    date = parse_http_date(text)
    if date is not None and date.year >= 1970:
        assert parse_http_date(http_date(date.timestamp())) == date
    if _FIXDATE.fullmatch(text):
        assert date == _by_library(text) or text[23:25] == "60", text


def _by_library(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text[12:16] >= "0100" else parse_http_date(text)
    except ValueError:
        return None


def _answer(method: str, fields: dict[str, str]) -> Any:
    request = Request(FakeApplication(), FakeEdge(), fields, method, "/", "", "", "example.test", False)  # type: ignore[arg-type]
    response = File(io.BytesIO(CONTENT), etag="v1", last_modified=MODIFIED).open(request)
    body = response.body
    content = b"".join(body) if isinstance(body, FileBody) else bytes(body) if isinstance(body, bytes) else b""
    return response.status, dict(response._pairs), content


def _check_file(method: str, fields: dict[str, str]) -> None:
    answer = attempt(_answer, method, fields, statuses=frozenset((412, 416)))
    if isinstance(answer, Refusal):
        return
    status, pairs, content = answer
    if status == 304:
        assert method != "PUT"
        assert (content, pairs.get("etag")) == (b"", '"v1"')
        return
    assert status == 200 or (status, method) == (206, "GET")
    if status == 206:
        offset, _, rest = pairs["content-range"].removeprefix("bytes ").partition("-")
        last, _, size = rest.partition("/")
        assert content == CONTENT[int(offset) : int(last) + 1] != b""
        assert int(size) == len(CONTENT)
        assert int(pairs["content-length"]) == len(content)


def seeds() -> Iterator[bytes]:
    """Give values, and lines of them."""
    yield from found("conditions")
    yield b"bytes=3-3"
    yield from table("dates-refused", "text")
    for name in NAMES:
        yield from of_corpus("range", values_of(name))
        yield from of_corpus("caching", values_of(name))
    yield from (
        b"bytes=0-4\n\n\n\n\n\"v1\"", b"bytes=-3\n*\n\"v2\"", b"bytes=2-\n\n\n\n\n" + THEN.encode(), b"\n\"v0\", \"v1\"",
        b"\nW/\"v1\"\nW/\"v1\", \"x\"", b"\n\n\n" + THEN.encode(), b"\n\n\n\nSunday, 06-Nov-94 08:49:37 GMT",
        b"\n\n\nSun Nov  6 08:49:37 1994", b"bytes=1-2,3-4", b"bytes=00000000000000000000009-99999999999999999999999",
    )  # fmt: skip
