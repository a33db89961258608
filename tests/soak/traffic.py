"""Who sends what. A request that is plain data goes to a test client and over a socket alike; what needs a client is a
function that is given one.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ambi.testing import Client, WebSocketClosed, WebSocketRefused
from ambi.testing.messages import Request
from tests.corpus.cases import HOST, Case, cases_of

FORM = "application/x-www-form-urlencoded"
LINES = "".join(f"line {number}\n" for number in range(20)).encode()
HOSTILE_EACH = 4
"""Each fourth thing that is done is hostile, of all requests more than a fifth: some of what people do is several."""
HEAVY_EACH = 400
"""One of so many of those is one that takes its time, or many bytes, on purpose."""
HEAVY = frozenset((
    "body-limits/chunked-too-big", "body-limits/per-route", "headers/auth-timing", "multipart/crlf-then-flood",
    "multipart/huge-field",
))  # fmt: skip


@dataclass
class Tally:
    """How many requests were sent, and how many of them were hostile."""

    sent: int = 0
    hostile: int = 0


@dataclass(frozen=True)
class Exchange:
    """A request, and what is expected."""

    method: str
    target: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    expected: bytes | None = None


def _json(target: str, value: Any, status: int = 200, expected: bytes | None = None) -> Exchange:
    fields = (("content-type", "application/json"),)
    return Exchange("POST", target, status, fields, json.dumps(value).encode(), expected)


def _multipart(target: str, size: int) -> Exchange:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\na title\r\n--b\r\nContent-Disposition: form-data; '
        b'name="file"; filename="f.bin"\r\nContent-Type: application/octet-stream\r\n\r\n' + b"x" * size
    ) + b"\r\n--b--\r\n"
    return Exchange("POST", target, 200, (("content-type", "multipart/form-data; boundary=b"),), body)


ITEM = {"name": "n", "price": 2, "tags": ["a"]}
PLAIN = (
    Exchange("GET", "/echo?a=1&a=2&b=%C3%A9", headers=(("cookie", "a=1; b=2"), ("x-a", "b"))),
    Exchange("HEAD", "/echo"),
    Exchange("OPTIONS", "/echo", 204),
    Exchange("GET", "/items/7", expected=b'{"id":7}'),
    Exchange("GET", "/items/seven", 404),
    Exchange("GET", "/nowhere", 404),
    Exchange("DELETE", "/items/7", 405),
    Exchange("GET", "/raise", 500),
    Exchange("GET", "/soak/refused", 409),
    # values of types
    Exchange("GET", "/soak/items/7?fields=a&fields=b", expected=b'{"name":"item 7","price":1.5,"tags":["a","b"]}'),
    Exchange("GET", "/soak/items/7?fields=a", headers=(("accept", "application/msgpack"),)),
    Exchange("GET", "/soak/search?q=a&limit=5&tags=x"),
    Exchange("GET", "/soak/search?limit=many", 422),
    _json("/soak/items", ITEM),
    _json("/soak/items", {"price": "much", "tags": [1]}, 422),
    _json("/soak/mixed", ITEM),
    Exchange("POST", "/soak/mixed", 200, (("content-type", FORM),), b"name=n&price=2&tags=a"),
    Exchange("GET", "/soak/rows?count=5"),
    # bodies
    _json("/json", {"a": [1, 2.5, None, "x" * 100]}),
    Exchange("POST", "/json", 400, (("content-type", "application/json"),), b'{"a":'),
    Exchange("POST", "/form", 200, (("content-type", FORM),), b"a=1&b=2&a=3"),
    _multipart("/form", 100),
    _multipart("/upload", 80_000),  # to the disk
    Exchange("POST", "/upload-little", 413, (), b"x" * 11),
    Exchange("POST", "/soak/stream", body=b"x" * 100_000, expected=b'{"bytes":100000}'),
    Exchange("POST", "/ignore-body", body=b"x" * 1000),
    # streams
    Exchange("GET", "/soak/lines", expected=LINES),
    Exchange("GET", "/soak/async-lines", expected=LINES),
    Exchange("GET", "/soak/events"),
    # files, and what may be kept
    Exchange("GET", "/static/a.txt", expected=b"the file a.txt"),
    Exchange("GET", "/static/sub/b.txt", headers=(("accept-encoding", "gzip"),)),
    Exchange("GET", "/static/none.txt", 404),
    Exchange("GET", "/file", 206, (("range", "bytes=10-99"),), b"", bytes(range(10, 100))),
    Exchange("GET", "/big", headers=(("accept-encoding", "gzip"),)),
    Exchange("GET", "/cached-vary", headers=(("x-tenant", "a"),)),
    Exchange("PUT", "/res", 412, (("if-match", '"v2"'),)),
    Exchange("GET", "/api", headers=(("origin", "https://example.test"),)),
    Exchange("GET", "/login?next=/items/1", 303),
    Exchange("GET", "/auth-bearer", headers=(("authorization", "Bearer a-long-random-token"),)),
    Exchange("GET", "/auth-bearer", 401, (("authorization", "Bearer another"),)),
    # work, and applications within
    Exchange("GET", "/soak/after"),
    Exchange("GET", "/soak/spawn"),
    Exchange("POST", "/soak/wsgi/a", body=b"a body", expected=b"wsgi:a body"),
    Exchange("POST", "/soak/asgi/a", body=b"a body", expected=b"asgi:a body"),
    Exchange("POST", "/soak/inner/count", expected=b'{"n":1}'),
)


# --- what needs a client ---


def keep_a_session(client: Client, some: random.Random) -> None:
    """Come back with a cookie of a session in a store, and be forgotten."""
    for number in range(1, 4):
        assert client.post("/soak/inner/count").json() == {"n": number}
    assert client.post("/soak/inner/forget").status_code == 200


def see_a_form(client: Client, some: random.Random) -> None:
    """Be given a token."""
    assert b"_csrf" in client.get("/csrf").content


def validate_a_copy(client: Client, some: random.Random) -> None:
    """Ask whether a file has changed."""
    tag = client.get("/static/a.txt").headers["etag"]
    assert client.get("/static/a.txt", headers={"if-none-match": tag}).status_code == 304


def ask_too_often(client: Client, some: random.Random) -> None:
    """Run into a limit, as one of some people."""
    who = {"x-who": str(some.randrange(200))}
    assert {client.get("/soak/limited", headers=who).status_code for _ in range(4)} <= {200, 429}


def leave_in_the_middle(client: Client, some: random.Random) -> None:
    """Leave a stream after its first item."""
    path = some.choice(("/soak/lines", "/soak/async-lines", "/soak/events", "/file", "/soak/rows?count=50"))
    with client.stream("GET", path) as response:
        next(response.iter_bytes())


def see_it_break(client: Client, some: random.Random) -> None:
    """Get half of an answer."""
    told = ""
    try:
        client.get("/soak/broken")
    except RuntimeError as exc:
        told = str(exc)
    assert told == "in the middle"


def talk(client: Client, some: random.Random) -> None:
    """Send messages through a WebSocket, and close it."""
    with client.websocket("/soak/ws") as ws:
        for message in ("text", b"\0bytes" * 100):
            ws.send(message)
            assert ws.receive() == message


def talk_until_it_fails(client: Client, some: random.Random) -> None:
    """Have a handler of a WebSocket fail."""
    try:
        with client.websocket("/soak/ws") as ws:
            ws.send("fail")
            ws.receive()
    except (RuntimeError, WebSocketClosed):
        return
    raise AssertionError("nothing was told of the failure")


def be_refused(client: Client, some: random.Random) -> None:
    """Come from a page of another site."""
    try:
        with client.websocket("/ws", headers={"origin": "https://evil.test"}):
            pass
    except WebSocketRefused:
        return
    raise AssertionError("it was let in")


Journey = Callable[[Client, random.Random], None]
JOURNEYS: tuple[tuple[Journey, int], ...] = (
    (keep_a_session, 4), (see_a_form, 1), (validate_a_copy, 2), (ask_too_often, 4), (leave_in_the_middle, 1),
    (see_it_break, 1), (talk, 1), (talk_until_it_fails, 1),
)  # fmt: skip
"""Each with how many requests it is."""


# --- hostile ones ---


def hostile_cases(gateway: str) -> Iterator[Case]:
    """Give the cases of HTTP again and again, heavy ones seldom."""
    cases = [case for case in cases_of("http") if gateway in case.gateways]
    light, heavy = ([case for case in cases if (case.id in HEAVY) is is_heavy] for is_heavy in (False, True))
    given = 0
    while True:
        for case in light:
            given += 1
            yield case
            if given % HEAVY_EACH == 0:
                yield heavy[given // HEAVY_EACH % len(heavy)]


def sent_by(case: Case) -> Request:
    """Give what a test client sends, as it stands."""
    fields = [(name.lower(), value) for name, value in case.headers]
    body = case.pieces() if case.is_chunked else case.body
    return Request(case.method, "http", HOST, case.target, header_lines=fields, body=body)
