"""What proxies say, and traceparent: a client that is an address, a host, a prefix that is a path; or a 400."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from ambi.core.tracing import Trace, is_request_id, parse_traceparent
from ambi.core.url import encode_path, split_host
from ambi.features.proxy import TrustedProxies, parse_forwarded
from tests.core.fakes import FakeEdge
from tests.fuzz.finding import found, in_bytes, table
from tests.fuzz.properties import Refusal, attempt, check_work

NAMES = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.DOTALL
)


class Edge(FakeEdge):
    """A peer that is a proxy."""

    def client(self, native: Any) -> tuple[str, int | None]:
        return "10.0.0.1", 80

    def server(self, native: Any) -> str:
        return "own.test"

    def scheme(self, native: Any) -> str:
        return "http"


PROXIES = (
    TrustedProxies(hops=1, trusted=None, headers=NAMES), TrustedProxies(hops=3, trusted=None, headers=NAMES),
    TrustedProxies(hops=None, trusted=["10.0.0.0/8"], headers=NAMES), TrustedProxies(hops=2, trusted=None, headers=["forwarded"]),
    TrustedProxies(hops=None, trusted=["10.0.0.0/8", "::1"], headers=["forwarded"]),
)  # fmt: skip


def check(data: bytes) -> None:
    """Check lines, one for each of the fields; the first of them as Forwarded and as traceparent, too."""
    lines = [line.strip(" \t\r") for line in data.decode("latin-1").split("\n")]
    fields = {name: line for name, line in zip(NAMES, lines, strict=False) if line}
    fields["forwarded"] = lines[0]
    for proxies in PROXIES:
        _check_told(attempt(proxies.read, Edge(), fields))
    _check_forwarded(lines[0])
    _check_trace(lines[0])
    check_work(data, lambda large: attempt(parse_forwarded, large.decode("latin-1")))
    check_work(
        data,
        lambda large: [attempt(p.read, Edge(), dict.fromkeys(NAMES, large.decode("latin-1"))) for p in PROXIES[:3]],
    )


def _check_told(told: Any) -> None:
    if isinstance(told, Refusal):
        return
    assert told is not None
    if told.client is not None:
        ip_address(told.client[0])
        assert told.client[1] is None or 0 < told.client[1] < 65536
    assert told.scheme in ("http", "https")
    if told.prefix:
        assert told.prefix[0] == "/" != told.prefix[1:2]
        assert not {"", ".", ".."}.intersection(told.prefix.split("/")[1:])
        assert encode_path(told.prefix).isascii()
        assert told.prefix.isprintable()
        assert "\\" not in told.prefix
    attempt(split_host, told.host or "x")


def _check_forwarded(text: str) -> None:
    elements = attempt(parse_forwarded, text)
    if isinstance(elements, Refusal):
        return
    assert all(elements)
    written = ", ".join(
        ";".join(
            '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in element.items()
        )
        for element in elements
    )
    assert parse_forwarded(written) == elements, written
    # What the proxy adds behind it is read as it stands.
    assert parse_forwarded(f"{text}, for=192.0.2.1")[-1] == {"for": "192.0.2.1"}


def _check_trace(text: str) -> None:
    parsed = parse_traceparent(text)
    wanted = _TRACEPARENT.fullmatch(text)
    if wanted is None or (text[:2] == "00" and len(text) > 55):
        assert parsed is None, text
    else:
        assert parsed == (text[3:35], int(text[53:55], 16))
    trace = Trace(text, text, text)
    assert parse_traceparent(trace.traceparent) is not None
    assert is_request_id(trace.request_id)
    assert trace.state in ("", text)


def seeds() -> Iterator[bytes]:
    """Give fields."""
    yield from found("proxies")
    yield from table("traceparents", "traceparent")
    yield b"203.0.113.7, 10.0.0.2\nhttps\nshop.example\n8443\n/shop"
    yield b'for="[2001:db8::1]:4711";proto=https;host=shop.example, for=10.0.0.2'
    for name in ("forwarded", "forwarded-refused"):
        yield from _lines_of(name)


def _lines_of(name: str) -> Iterator[bytes]:
    import json

    from tests.fuzz.finding import DATA

    for case in json.loads((DATA / f"{name}.json").read_text("utf-8")):
        headers = case["headers"]
        if "forwarded" in headers:
            yield in_bytes(headers["forwarded"])
        else:
            yield b"\n".join(in_bytes(headers.get(field, "")) for field in NAMES)
