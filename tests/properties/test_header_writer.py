"""Whatever a handler sets, another reader of HTTP (h11) reads just that: no field more, no field less, no byte else."""

from __future__ import annotations

import contextlib
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi import App, Response
from ambi.testing import Client

NAMES = st.text("abcXYZ-_09 :\r\n\0é", max_size=8) | st.sampled_from(
    ["x-a", "etag", "set-cookie", "content-type", "X-B"]
)
VALUES = st.text(st.characters(max_codepoint=0x17F), max_size=20) | st.text('a \t\r\n\0;,"=', max_size=8)
STATUSES = st.sampled_from([200, 201, 204, 301, 304, 404, 499, 500, 599])
OURS = {
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "server",
    "set-cookie",
    "vary",
    "x-content-type-options",
}


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


def set_as_asked(response: Response, fields: list[tuple[str, str]], cookies: list[tuple[str, str]]) -> set[str]:
    """Set what is taken, and give the names of the cookies. What is refused is refused here, not when it is sent."""
    taken: set[str] = set()
    for name, value in fields:
        try:
            response.headers.append(name, value)
        except ValueError:
            continue
    for name, value in cookies:
        try:
            response.set_cookie(name, value)
        except ValueError:
            continue
        taken.add(name)
    return taken


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
    framing = {"content-length", "transfer-encoding", "connection"}
    kept = set_as_asked(response, [field for field in fields if field[0].lower() not in framing], cookies)
    wanted = [(name.lower(), value) for name, value in response.headers._pairs]
    read_status, read_fields, read_body = read_by_h11(*answer_of(gateway, response))
    assert read_status == status
    assert read_body == (b"" if status in (204, 304) else body)
    got = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in read_fields]
    cookies_read = [value.partition("=")[0] for name, value in got if name == "set-cookie"]
    by_hand = sum(name == "set-cookie" for name, _ in wanted)
    assert len(cookies_read) == len(kept) + by_hand
    assert kept <= set(cookies_read)
    assert [field for field in got if field[0] not in OURS] == [field for field in wanted if field[0] not in OURS]


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
