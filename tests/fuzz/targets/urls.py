"""Hosts, URLs, origins and where a redirect leads: beside what a browser makes of the same text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ambi import Redirect
from ambi.core.origins import _read as read_origin
from ambi.core.origins import is_allowed
from ambi.core.request import Request
from ambi.core.url import URL, split_host
from ambi.features.auth.redirects import is_safe_target
from tests.core.fakes import FakeApplication, FakeEdge
from tests.fuzz.finding import found, of_corpus, table, values_of
from tests.fuzz.properties import Refusal, attempt, check_work

OWN = "example.test"
PATTERNS = ("example.test", "*.example.test")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def check(data: bytes) -> None:
    """Check one text as a host, as an origin, and as a place to go to."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "replace")):
        _check_host(text)
        _check_target(text)
        origin = read_origin(text)
        assert origin is None or split_host(origin[1])[0] == origin[1]
        _, slashes, rest = text.partition("://")
        if slashes:
            _check_host(rest)
    check_work(data, lambda large: (attempt(split_host, large.decode("latin-1")), read_origin(large.decode("latin-1"))))


def _check_host(text: str) -> None:
    host = attempt(split_host, text)
    if isinstance(host, Refusal):
        return
    name, port = host
    assert split_host(name if port is None else f"{name}:{port}") == host
    assert not set("/?#@,\\ \t\r\n\0").intersection(name)
    url = URL("http", text, "/a b", "q=1")
    parts = urlsplit(str(url))
    assert (parts.path, parts.query) == ("/a%20b", "q=1")
    assert (parts.hostname or "").lower() == name.strip("[]")  # the library takes "%" for the zone of an address
    assert parts.port == port
    assert (url.hostname, url.port) == (name, 80 if port is None else port)
    labels = name.split(".")
    wanted = labels[-2:] == ["example", "test"] and (len(labels) == 2 or labels[-3] != "" or len(labels) > 3)
    if is_allowed(name, PATTERNS):
        assert wanted, name


def _check_target(text: str) -> None:
    for scheme in ("http", "https"):
        request: Any = Request(FakeApplication(), FakeEdge(scheme=scheme), {}, "GET", "/", "", "", OWN, False)  # type: ignore[arg-type]
        if is_safe_target(request, text):
            assert place(text, scheme) in ((scheme, OWN), ("https", OWN)), text
            location = dict(Redirect(text)._pairs)["location"]
            assert place(location, scheme) == place(text, scheme), text
    with suppress(ValueError):  # a control character
        location = dict(Redirect(text)._pairs)["location"]
        assert location.isascii()
        assert location.isprintable()
        assert dict(Redirect(location)._pairs)["location"] == location


def place(text: str, own_scheme: str) -> tuple[str, str]:
    r"""Give the scheme and the host that a browser would go to. See: the URL standard, 4.4."""
    text = text.strip("".join(map(chr, range(0x21))))
    text = text.replace("\t", "").replace("\n", "").replace("\r", "")
    scheme = own_scheme
    found_scheme = _SCHEME.match(text)
    if found_scheme:
        scheme, text = found_scheme[1].lower(), found_scheme[2]
        if scheme not in ("http", "https"):
            return scheme, text
    text = text.replace("\\", "/")
    if scheme == own_scheme and not text.startswith("//"):
        return scheme, OWN
    authority = re.split("[/?#]", text.lstrip("/"), maxsplit=1)[0].rpartition("@")[2].lower()
    name, _, port = authority.partition(":") if not authority.startswith("[") else (authority, "", "")
    default = "443" if scheme == "https" else "80"
    return scheme, name if port.lstrip("0") in ("", default) else authority


def seeds() -> Iterator[bytes]:
    """Give hosts, origins and targets."""
    yield from found("urls")
    yield from table("hosts", "host")
    yield from of_corpus("headers", values_of("host"))
    yield from of_corpus("csrf", values_of("origin"))
    yield from (
        b"/a?b#c", b"//evil.test", b"/\\evil.test", b"https:evil.test", b"https://example.test/a", b"http://example.test:80/", b"///x",
        b"https://example.test@evil.test", b"https://example.test\\@evil.test", b"javascript:alert(1)", b"a.example.test",
        b"https://[::1]:443", b"/\t/evil.test", b"https://example.test:443?x", b"/%2e%2e/\xc3\xbc", b"https://example.test:0443/",
    )  # fmt: skip
