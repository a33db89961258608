"""What ASGI servers do differently. One gateway alone, since each of these is a habit of some ASGI server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from ambi import App, BodyStream, Middleware, Request, Stream
from ambi.gateways import asgi, asgi_connection
from tests.calls import Receive, call_asgi, nothing_comes, scope_of, sending_body
from tests.cells import CELLS, Cell
from tests.checkers import CheckedASGI


@pytest.fixture(params=[cell for cell in CELLS if cell.gateway == "asgi"], ids=str)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the cells of ASGI."""
    found: Cell = request.param
    return found


def call(
    app: Any, cell: Cell, changes: dict[str, Any], receive: Receive = nothing_comes
) -> tuple[int, dict[str, str], bytes]:
    """Call the application with a scope of these keys, on a loop of the cell."""
    with start_blocking_portal(cell.backend) as portal:
        return portal.call(call_asgi, CheckedASGI(app), scope_of(**changes), receive)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"path": "/a"}, "/a"),
        ({"path": "/a", "raw_path": b""}, "/a"),
        ({"path": "/a", "raw_path": None}, "/a"),
        ({"path": "/ü", "raw_path": b"/%C3%BC"}, "/ü"),
        # Mangum, a2wsgi: no raw_path, and the path is decoded
        ({"path": "/a%41%2F#%", "raw_path": None}, "/a%41%2F#%"),
        ({"path": "/a%41%2F#%"}, "/a%41%2F#%"),
        # fastpysgi: an empty one, and %2F is left alone
        ({"path": "/a%41%2F#%2fb%", "raw_path": b""}, "/a%41/#/b%"),
        # m0serve: %2F is left alone
        ({"path": "/a%2Fb", "raw_path": b"/a%2Fb"}, "/a/b"),
        # freastal: nothing is decoded
        ({"path": "/%C3%BC%20", "raw_path": b"/%C3%BC%20"}, "/ü "),
        # tremolo: latin-1
        ({"path": "/Ã¼", "raw_path": b"/%C3%BC"}, "/ü"),
        # a middleware rewrote the path
        ({"path": "/new", "raw_path": b"/old"}, "/new"),
        # raw_path with a query
        ({"path": "/a b", "raw_path": b"/a%20b?x=1"}, "/a b"),
        # the absolute form: uvicorn with h11 passes it whole
        ({"path": "http://x.example/a%20b", "raw_path": b"http://x.example/a%20b"}, "/a b"),
        ({"path": "http://x.example/a", "raw_path": None}, "/a"),
        # the mount prefix: added by uvicorn, by nobody else
        ({"path": "/app/a", "raw_path": b"/app/a", "root_path": "/app"}, "/a"),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/app"}, "/a"),
        ({"path": "/app", "raw_path": b"/app", "root_path": "/app"}, "/"),
        ({"path": "/apple", "raw_path": b"/apple", "root_path": "/app"}, "/apple"),
        ({"path": "/ü/a", "raw_path": b"/%C3%BC/a", "root_path": "/ü"}, "/a"),
        ({"path": "", "raw_path": b"", "root_path": "/app"}, "/"),
        ({"path": ""}, "/"),
    ],
)
def test_a_path_is_the_same_whatever_the_server_makes_of_it(cell: Cell, changes: dict[str, Any], path: str) -> None:
    app = App()
    app.get("/{rest:path}")(cell.handler(lambda request: request.path))
    app.get("/")(cell.handler(lambda request: request.path))
    assert call(app, cell, changes)[2].decode() == path


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/\ufffd", "raw_path": b"/%FF"}, {"path": "/a\x00", "raw_path": b"/a\x00"}, {"path": "/a#b", "raw_path": b"/a#b"},
        {"path": "a", "raw_path": b"a"}, {"path": "ftp://x/", "raw_path": b"ftp://x/"},
        {"path": "a", "raw_path": None}, {"path": "%2Fa", "raw_path": None}, {"path": "ftp://x/", "raw_path": None},
    ],
)  # fmt: skip
def test_a_path_that_is_none_is_a_400(cell: Cell, changes: dict[str, Any]) -> None:
    app = App()
    app.get("/{rest:path}")(cell.handler(lambda rest: rest))
    assert call(app, cell, changes)[0] == 400


@pytest.mark.parametrize("half", [0xDCFF, 0xD800], ids=["of bad bytes by surrogateescape", "of no bytes"])
@pytest.mark.parametrize("raw_path", [None, b"/%FF", b"/a"])
def test_a_path_with_half_of_a_character_in_it_is_a_400(cell: Cell, half: int, raw_path: bytes | None) -> None:
    app = App()
    seen: list[str] = []

    @app.middleware
    def layer(request: Request) -> Middleware:
        seen.append(str(request.url))
        yield

    app.get("/{rest:path}")(cell.handler(lambda rest: rest))
    assert call(app, cell, {"path": f"/a{chr(half)}", "raw_path": raw_path})[0] == 400
    assert seen == ["http:///a%3F"]


@pytest.mark.parametrize(
    ("changes", "client", "host"),
    [
        ({}, None, ""),
        ({"client": ("1.2.3.4", 99), "server": ("inside", 8000)}, ["1.2.3.4", 99], "inside:8000"),
        # daphne gives lists, granian ports as text
        ({"client": ["1.2.3.4", "99"], "server": ["inside", "80"]}, ["1.2.3.4", 99], "inside"),
        ({"client": ["/tmp/socket", None], "server": ("/tmp/socket", None)}, ["/tmp/socket", None], ""),
        ({"client": None, "server": None}, None, ""),
        ({"client": ("", 0), "server": ("inside", 443), "scheme": "https"}, None, "inside"),
        ({"client": ("1.2.3.4",)}, ["1.2.3.4", None], ""),
    ],
)
def test_addresses_come_in_many_forms(cell: Cell, changes: dict[str, Any], client: list[Any] | None, host: str) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: {"client": request.client, "host": request.host}))
    assert json.loads(call(app, cell, changes)[2]) == {"client": client, "host": host}


@pytest.mark.parametrize(
    "headers", [[[b"x-a", b"b"]], [(b"x-a", b"b")], ((b"x-a", b"b"),)], ids=["lists", "pairs", "tuple"]
)
def test_header_fields_may_be_lists_or_tuples(cell: Cell, headers: Any) -> None:
    """ASGI asks for an iterable of two-item iterables; daphne gives lists."""
    app = App()
    app.get("/")(cell.handler(lambda request: request.headers["x-a"]))
    assert call(app, cell, {"headers": headers})[2] == b"b"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_http_2_may_have_a_body_without_saying_so(cell: Cell, method: str) -> None:
    app = App()
    app.route("/", methods=(method,))(cell.handler(lambda request: request.body))
    messages = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"b"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    assert call(app, cell, {"method": method, "http_version": "2"}, receive)[2] == b"ab"


@pytest.mark.parametrize("body", [b"abc", b""])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "QUERY"])
def test_a_post_may_have_a_body_without_saying_so(cell: Cell, method: str, body: bytes) -> None:
    """Events of a cloud's gateway, which Mangum brings, and some test clients have none of the fields that tell."""
    app = App()
    app.route("/", methods=(method,))(cell.handler(lambda request: request.body))

    async def main() -> tuple[int, dict[str, str], bytes]:
        return await call_asgi(app, scope_of(method=method), sending_body(body))

    assert anyio.run(main, backend=cell.backend)[::2] == (200, body)


def test_an_asgi_middleware_may_wrap_one_side(cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: request.scheme))
    inner = app.asgi

    async def proxied(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "scheme": "https"}, receive, send)

    app.asgi = proxied
    assert call(app, cell, {})[2] == b"https"


def test_a_version_of_http_need_not_be_told(cell: Cell) -> None:
    app = App(allowed_hosts=["shop.example"])
    app.get("/")(cell.handler(lambda request: request.method))

    async def main() -> tuple[int, dict[str, str], bytes]:
        return await call_asgi(app, scope_of(http_version=None))

    assert anyio.run(main, backend=cell.backend)[::2] == (200, b"GET")


@pytest.mark.parametrize(("version", "status"), [("1.0", 400), ("1.1", 200)])
def test_chunks_are_of_http_1_1(cell: Cell, version: str, status: int) -> None:
    app = App()
    app.post("/", csrf=False)(cell.handler(lambda request: request.body))
    changes = {"method": "POST", "http_version": version, "headers": [(b"transfer-encoding", b"chunked")]}
    assert call(app, cell, changes, sending_body(b"abc"))[0] == status


def test_trailer_fields_that_a_server_takes_for_header_fields_come_too_late(cell: Cell) -> None:
    """uvicorn adds them to the list of the scope, with httptools, while the body is read. See: RFC 9110 6.5.1."""
    app = App()
    fields = [(b"transfer-encoding", b"chunked"), (b"x-known", b"one")]

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> list[str | None]:
        assert request.body == b"body"
        return [request.headers.get("x-known"), request.headers.get("authorization")]

    async def receive() -> Any:
        fields.extend([(b"x-known", b"another"), (b"authorization", b"Bearer x")])
        return {"type": "http.request", "body": b"body", "more_body": False}

    status, _, body = call(app, cell, {"method": "POST", "headers": fields}, receive)
    assert (status, json.loads(body)) == (200, ["one", None])


def test_what_is_no_ascii_in_a_query_is_encoded(cell: Cell) -> None:
    app = App()
    app.get("/a")(cell.handler(lambda request: [request.query_string, request.root_path, str(request.url)]))
    changes = {"path": "/a", "query_string": b"b=\xc3\xbc\x7f", "server": ("inside", 80)}
    assert json.loads(call(app, cell, changes)[2]) == ["b=%C3%BC\x7f", "", "http://inside/a?b=%C3%BC%7F"]


def test_256_hosts_are_remembered_at_most(cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda: ""))
    known, sizes = asgi._hosts, []

    async def main() -> None:
        for number in range(600):
            host = f"h{number}.example".encode()
            assert (await call_asgi(app, scope_of(headers=[(b"host", host)])))[0] == 200
            assert (await call_asgi(app, scope_of(headers=[(b"host", b"a b")])))[0] == 400
            assert known[host] == host.decode()
            sizes.append(len(known))

    anyio.run(main, backend=cell.backend)
    assert (max(sizes), min(sizes[300:])) == (256, 1)


@pytest.mark.parametrize("kind", ["webtransport", ""])
def test_a_scope_that_is_not_served_says_so(cell: Cell, kind: str) -> None:
    with pytest.raises(RuntimeError, match=f"'{kind}' is not served"), start_blocking_portal(cell.backend) as portal:
        app: Any = App()
        portal.call(app, {"type": kind}, nothing_comes, nothing_comes)


def test_a_body_that_nobody_wants_is_waited_for_once_not_for_each_piece(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_connection, "_DRAIN_S", 0.1)
    read = 0

    async def receive() -> Any:
        nonlocal read
        read += 1
        await anyio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": read < 40}

    assert call(App(), cell, {"method": "POST", "headers": [(b"content-length", b"40")]}, receive)[0] == 404
    assert read < 10


def test_an_error_that_leaves_before_the_body_was_read_closes_the_connection(cell: Cell) -> None:
    """HTTP/1.1 alone: what is left of the body is not worth reading. WSGI has no way to say so."""
    from ambi import Limits

    app = App(limits=Limits(max_body_bytes=1))
    app.post("/")(cell.handler(lambda request: request.body))
    changes = {"method": "POST", "headers": [(b"content-length", b"2")]}
    assert call(app, cell, changes)[1]["connection"] == "close"
    assert "connection" not in call(app, cell, {**changes, "http_version": "2"})[1]


def test_a_server_that_never_suspends_does_not_starve_the_others(cell: Cell) -> None:
    """After a disconnect `send` is silent and does not suspend on five servers: an endless stream must notice it."""
    app = App()
    made = []

    async def forever() -> AsyncIterator[str]:
        while True:
            made.append(1)
            yield "x"

    def forever_sync() -> Any:
        while True:
            made.append(1)
            yield "x"

    app.get("/")(cell.handler(lambda: Stream(forever() if cell.is_async else forever_sync())))
    gone = None

    async def receive() -> Any:
        nonlocal gone
        gone = gone or anyio.Event()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if len(made) > 20 and gone is not None:
            gone.set()

    with start_blocking_portal(cell.backend) as portal:
        portal.call(app, scope_of(), receive, send)
    assert 20 < len(made) < 200


GONE = (
    OSError("the connection is gone"),
    RuntimeError("unable to perform operation on <TCPTransport closed=True 0x1>; the handler is closed"),
)
"""What servers raise for an answer that nobody takes any more: uvicorn's own, and on uvloop."""


@pytest.mark.parametrize("gone", GONE, ids=repr)
def test_a_disconnect_that_send_reports_is_no_error(
    cell: Cell, caplog: pytest.LogCaptureFixture, gone: Exception
) -> None:
    """The checker of these tests would take it for an error of the application's."""
    app = App()
    closed = []

    async def items() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append(1)

    def items_sync() -> Any:
        try:
            while True:
                yield "x"
        finally:
            closed.append(1)

    app.get("/")(cell.handler(lambda: Stream(items() if cell.is_async else items_sync())))
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 5:
            raise gone

    with start_blocking_portal(cell.backend) as portal:
        portal.call(app, scope_of(), nothing_comes, send)
    assert (len(sent), closed) == (6, [1])
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize("gone", GONE, ids=repr)
def test_a_disconnect_that_send_reports_of_a_whole_answer_is_no_error(
    cell: Cell, caplog: pytest.LogCaptureFixture, gone: Exception
) -> None:
    app = App()
    after = []

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(after.append, 1)
        return "x"

    async def send(message: Any) -> None:
        raise gone

    with start_blocking_portal(cell.backend) as portal:
        portal.call(app, scope_of(), nothing_comes, send)
    assert after == [1]
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize("has_left", [True, False])
def test_a_server_that_has_refused_a_body_is_given_no_answer_and_that_is_no_crash(
    cell: Cell, caplog: pytest.LogCaptureFixture, has_left: bool
) -> None:
    """uvicorn with h11 answers malformed chunks by itself, closes, and raises an error of h11's for an answer of ours."""
    app = App()

    @app.post("/", csrf=False)
    @cell.handler
    def handler(stream: BodyStream) -> str:
        return "I did not look"

    async def receive() -> Any:
        if has_left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        raise LookupError("this state machine is elsewhere")

    scope = scope_of(method="POST", headers=[(b"transfer-encoding", b"chunked")])
    with start_blocking_portal(cell.backend) as portal:
        if has_left:
            portal.call(app, scope, receive, send)
        else:
            with pytest.raises(LookupError):
                portal.call(app, scope, receive, send)
    assert any(record.levelname == "ERROR" for record in caplog.records) is not has_left
