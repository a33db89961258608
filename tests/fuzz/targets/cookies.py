"""The reader and the writer of cookies: a header is the sum of its parts, and what is set comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ambi.core.cookies import SetCookie, parse_cookies
from tests.fuzz.finding import found, of_corpus, table, values_of
from tests.fuzz.properties import check_work

MANY, LONG = 10_000, 1 << 20


def read(text: str) -> dict[str, str]:
    """Read a header without a limit that matters."""
    return parse_cookies(text, MANY, LONG)


def check(data: bytes) -> None:
    """Check one Cookie header, and the set of one cookie."""
    text = data.decode("latin-1")
    cookies = read(text)
    pairs = [part.partition(b"=") for part in data.split(b";")]
    names = [name.strip(b" \t").decode("utf-8", "replace") for name, equals, _ in pairs if equals]
    assert list(cookies) == [name for name in dict.fromkeys(names) if name]
    _check_limits(text, cookies)
    for at in {len(text) // 2, text.find(";"), text.rfind(";")}:
        if at >= 0:  # in two headers, which a gateway joins
            ours, theirs = text[:at], text[at:]
            assert read(f"{ours}; {theirs}") == read(theirs) | read(ours)
    _check_writer(text)
    check_work(data, lambda large: read(large.decode("latin-1")))


def _check_limits(text: str, cookies: dict[str, str]) -> None:
    few = parse_cookies(text, 3, LONG)
    assert list(few.items()) == list(cookies.items())[:3]
    short = parse_cookies(text, MANY, 20)
    assert short.items() <= cookies.items()
    assert short == cookies or len(text) > 20


def _check_writer(text: str) -> None:
    name, _, rest = text.partition("=")
    value, _, path = rest.partition(";")
    with suppress(ValueError):  # what cannot be sent
        line = SetCookie(name, value, path=path or "/").header_value(loopback=False)
        assert line.isascii()
        assert line.isprintable()
        pair, *attributes = line.split("; ")
        assert read(pair) == {name: value}, line
        assert len(attributes) == 4, line


def seeds() -> Iterator[bytes]:
    """Give Cookie headers."""
    yield from found("cookies")
    yield from table("cookies", "header")
    yield from of_corpus("cookies", values_of("cookie"))
    yield from (
        b"a=b, c;/path",
        b'session="a\\073b\\""; x=\xc3\xbc',
        b"__Host-a=1;/",
        b"__Secure-a=b c",
        b"\x0b__Host-a=1; a=2",
    )
