"""Whatever a handler sets, another reader of HTTP (h11) reads just that: no field more, no field less, no byte else."""

from __future__ import annotations

import contextlib
import operator
import re
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi import App, Response
from ambi.testing import Client

NAMES = st.text("abcXYZ-_09 :\r\n\0é", max_size=8) | st.sampled_from(
    ["x-a", "etag", "set-cookie", "content-type", "X-B", "Vary", "cache-control", "x-content-type-options"]
)
VALUES = st.text(st.characters(max_codepoint=0x17F), max_size=20) | st.text('a \t\r\n\0;,"=', max_size=8)
STATUSES = st.sampled_from([200, 201, 204, 205, 301, 304, 404, 499, 500, 599])
WITHOUT_BODY = (204, 205, 304)
FRAMING = {"content-length", "transfer-encoding", "connection"}
_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Lax"
_OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
"""What a cookie's value is made of: RFC 6265 4.1.1."""


def answer_of(gateway: Any, response: Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Let the gateway write a response, and give what it gave to the server."""
    app = App()
    app.get("/", blocking=False)(lambda: response)
    if gateway == "wsgi":
        got: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "", "wsgi.url_scheme": "http",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "wsgi.input": None, "wsgi.errors": None, "wsgi.version": (1, 0), "wsgi.multithread": True,
            "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        chunks: Any = app(environ, lambda status, headers: got.extend([status, headers]))
        body = b"".join(chunks)
        getattr(chunks, "close", lambda: None)()
        return int(got[0][:3]), [(n.encode("latin-1"), v.encode("latin-1")) for n, v in got[1]], body
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/",
        "raw_path": b"/", "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")], "client": None,
        "server": ("localhost", 80),
    }  # fmt: skip
    with contextlib.suppress(StopIteration):
        app(scope, None, send).send(None)  # type: ignore[call-overload]
    return sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:])


def read_by_h11(
    status: int, fields: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Write a response as servers do, and let h11 read it."""
    head = b"HTTP/1.1 %d X\r\n" % status + b"".join(b"%s: %s\r\n" % field for field in fields)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "localhost")]))
    client.send(h11.EndOfMessage())
    client.receive_data(head + b"\r\n" + body)
    read, got = client.next_event(), b""
    assert isinstance(read, h11.Response)
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        got += bytes(event.data)
    assert client.trailing_data == (b"", False)  # nothing that could be another response
    return read.status_code, list(read.headers.raw_items()), got


def set_as_asked(
    response: Response, fields: list[tuple[str, str]], cookies: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Set what is taken; give fields and cookies of it. What is refused is refused here, not when it is sent."""
    wanted = [("content-type", "application/octet-stream" if response.body else "text/plain; charset=utf-8")]
    for name, value in fields:
        with contextlib.suppress(ValueError):
            response.headers.append(name, value)
            wanted.append((name.lower(), value.strip(" \t")))  # what surrounds a value is none of it: RFC 9110 5.5
    taken: dict[str, str] = {}
    for name, value in cookies:
        with contextlib.suppress(ValueError):
            response.set_cookie(name, value)
            taken.pop(name, None)  # the last of a name counts, and comes where it was set
            taken[name] = value
    return wanted, list(taken.items())


def line_of(name: str, value: str) -> str:
    """Write a cookie's line: as it is what may stand there, in quotes all else, the separators as octal digits."""
    if not _OCTETS.fullmatch(value):
        shown = [f"\\{ord(c):03o}" if c in ",;" else f"\\{c}" if c in '"\\' else c for c in value]
        value = f'"{"".join(shown)}"'
    return f"{name}={value}{_ATTRIBUTES}"


def sent_with(
    status: int, fields: list[tuple[str, str]], cookies: list[tuple[str, str]], body: bytes
) -> list[tuple[str, str]]:
    """Give the fields that should be sent: those that were set, the cookies, and what goes with an answer like this."""
    dropped = {"x-content-type-options"} | ({"content-type"} if status in (204, 304) else set())
    sent = [field for field in fields if field[0] not in dropped]
    sent += [("set-cookie", line_of(*cookie)) for cookie in cookies]
    names = {name for name, _ in sent}
    if "set-cookie" in names and "cache-control" not in names:
        sent.append(("cache-control", "private"))
    if status not in (204, 304):
        sent.append(("content-length", "0" if status == 205 else str(len(body))))
    return [*sent, ("x-content-type-options", "nosniff")]


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@given(
    status=STATUSES,
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    cookies=st.lists(st.tuples(NAMES, VALUES), max_size=2),
    body=st.binary(max_size=20),
)
def test_what_is_set_is_what_is_read(
    gateway: str, status: int, fields: list[tuple[str, str]], cookies: list[tuple[str, str]], body: bytes
) -> None:
    response = Response(body, status)
    taken = set_as_asked(response, [field for field in fields if field[0].lower() not in FRAMING], cookies)
    wanted = sent_with(status, *taken, body)
    read_status, read_fields, read_body = read_by_h11(*answer_of(gateway, response))
    assert read_status == status
    assert read_body == (b"" if status in WITHOUT_BODY else body)
    got = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in read_fields]
    by_name = operator.itemgetter(0)  # what is of one name keeps its order
    assert sorted(got, key=by_name) == sorted(wanted, key=by_name)


@given(VALUES)
def test_a_redirect_has_one_location(value: str) -> None:
    from ambi import Redirect

    app = App()
    try:
        response = Redirect(f"/{value}")
    except ValueError:
        return
    app.get("/")(lambda: response)
    with Client(app, "both") as client:
        fields = client.get("/", follow_redirects=False).headers.multi_items()
        assert [name for name, _ in fields if name == "location"] == ["location"]
