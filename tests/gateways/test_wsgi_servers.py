"""What WSGI servers do differently. One gateway alone, since each of these is a habit of some WSGI server."""

import asyncio
import gc
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from ambi import App, BodyStream, HTTPError, Limits, Middleware, Request, Stream
from ambi.bridge import run_ahead
from ambi.bridge.background import settle_in_process
from ambi.bridge.run_ahead import RunAhead
from ambi.gateways import wsgi, wsgi_streams
from tests.calls import call_wsgi, environ_of
from tests.cells import CELLS, Cell
from tests.gateways.taps import in_threads


@pytest.fixture(params=[cell for cell in CELLS if cell.gateway == "wsgi"], ids=str)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the two cells of WSGI."""
    found: Cell = request.param
    return found


class Input:
    """`wsgi.input` of a server that hangs when it is read past the end of the body."""

    def __init__(self, body: bytes, *, ends: bool = False) -> None:
        self._left = body
        self._ends = ends

    def read(self, size: int = -1) -> bytes:
        if not self._ends and (size < 0 or size > len(self._left)):
            pytest.fail("this read would hang: the client keeps its connection open")
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def call(app: Any, changes: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Call the application with an environ of these keys, on a server that hangs when asked for more than there is."""
    keys: dict[str, Any] = {"CONTENT_LENGTH": None, "wsgi.input": Input(b""), **changes}
    return call_wsgi(app, environ_of(**keys))


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        # wsgi.input_terminated: to the end, whatever the fields say (gunicorn, gevent, bjoern, mod_wsgi, granian)
        (
            {
                "wsgi.input_terminated": True,
                "wsgi.input": Input(b"abc", ends=True),
                "HTTP_TRANSFER_ENCODING": "chunked",
            },
            200,
            b"abc",
        ),
        ({"wsgi.input_terminated": True, "wsgi.input": Input(b"abc", ends=True), "CONTENT_LENGTH": "3"}, 200, b"abc"),
        # granian over HTTP/2 says neither
        (
            {"wsgi.input_terminated": True, "wsgi.input": Input(b"abc", ends=True), "SERVER_PROTOCOL": "HTTP/2"},
            200,
            b"abc",
        ),
        # a length: exactly that many bytes (cheroot says input_terminated is False)
        ({"wsgi.input_terminated": False, "wsgi.input": Input(b"abcdef"), "CONTENT_LENGTH": "3"}, 200, b"abc"),
        ({"wsgi.input": Input(b"abcdef"), "CONTENT_LENGTH": "3"}, 200, b"abc"),
        # a BytesIO (hypercorn)
        ({"wsgi.input": io.BytesIO(b"abc"), "HTTP_TRANSFER_ENCODING": "chunked"}, 200, b"abc"),
        # none of these: reading would hang, or eat the next request (wsgiref, uWSGI)
        ({"wsgi.input": Input(b""), "HTTP_TRANSFER_ENCODING": "chunked"}, 411, None),
        # no body is announced at all
        ({"wsgi.input": Input(b"")}, 200, b""),
        ({"wsgi.input": Input(b""), "CONTENT_LENGTH": ""}, 200, b""),
        ({"wsgi.input": Input(b""), "CONTENT_LENGTH": "0"}, 200, b""),
        ({"wsgi.input_terminated": True, "wsgi.input": Input(b"")}, 200, b""),
        # nor over HTTP/2, which nginx speaks with clients and names to uWSGI
        ({"wsgi.input": Input(b""), "CONTENT_LENGTH": "", "SERVER_PROTOCOL": "HTTP/2.0"}, 200, b""),
        ({"wsgi.input": Input(b"abcdef"), "CONTENT_LENGTH": "3", "SERVER_PROTOCOL": "HTTP/2.0"}, 200, b"abc"),
        ({"wsgi.input": io.BytesIO(b"abc"), "SERVER_PROTOCOL": "HTTP/2"}, 200, b"abc"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["loaded", "streamed"])
def test_a_body_is_read_as_far_as_the_server_says(
    cell: Cell, changes: dict[str, Any], status: int, body: bytes | None, streamed: bool
) -> None:
    app = App()

    def read(stream: BodyStream) -> bytes:
        return b"".join(stream)

    async def read_async(stream: BodyStream) -> bytes:
        return b"".join([chunk async for chunk in stream])

    app.post("/")(cell.pick(read, read_async) if streamed else cell.handler(lambda request: request.body))
    source = changes["wsgi.input"]
    again = io.BytesIO(source.getvalue()) if isinstance(source, io.BytesIO) else Input(source._left, ends=source._ends)
    found, _, answer = call(app, {**changes, "wsgi.input": again, "REQUEST_METHOD": "POST"})
    assert found == status
    if body is not None:
        assert answer == body


@pytest.mark.parametrize("is_touched", [False, True], ids=["left alone", "touched"])
@pytest.mark.parametrize(("length", "refusal"), [(None, 411), ("3", 400)])
def test_the_layers_see_the_refusal_of_a_body_that_the_server_cannot_give(
    cell: Cell, is_touched: bool, length: str | None, refusal: int
) -> None:
    seen: list[Any] = []
    app = App()

    @app.middleware
    def outer(request: Request) -> Middleware:
        response = yield
        seen.append(response.status)

    @app.middleware(body=True)
    def inner(request: Request) -> Middleware:
        if is_touched:
            request.json()
        yield

    app.error(refusal)(cell.handler(lambda request, error: "refused"))
    app.post("/")(cell.handler(lambda request: request.body))
    changes = {"REQUEST_METHOD": "POST", "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": length}
    status, _, body = call(app, {**changes, "CONTENT_TYPE": "application/json"})
    assert (status, body, seen) == (refusal, b"refused", [refusal])


@pytest.mark.parametrize(
    "error", [Exception("bad chunk"), ValueError("framing"), OSError("gone"), TimeoutError()], ids=repr
)
def test_an_error_of_the_servers_input_is_no_crash(
    cell: Cell, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise error

    app = App()
    app.post("/")(cell.handler(lambda request: request.body))
    found, _, _ = call(app, {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "3", "wsgi.input": Broken()})
    assert found == (408 if isinstance(error, TimeoutError) else 400)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("changes", "path", "url"),
    [
        ({"PATH_INFO": ""}, "/", "http://inside:8000/"),
        ({"PATH_INFO": None}, "/", "http://inside:8000/"),
        ({"PATH_INFO": "/a", "QUERY_STRING": None, "SCRIPT_NAME": None}, "/a", "http://inside:8000/a"),
        ({"PATH_INFO": "/a", "QUERY_STRING": "b=\xc3\xbc"}, "/a", "http://inside:8000/a?b=%C3%BC"),
        ({"PATH_INFO": "/it's\\a"}, "/it's\\a", "http://inside:8000/it's%5Ca"),
        ({"PATH_INFO": "/\xc3\xbc"}, "/ü", "http://inside:8000/%C3%BC"),
        ({"PATH_INFO": "/a/b", "SCRIPT_NAME": "/\xc3\xbc"}, "/a/b", "http://inside:8000/%C3%BC/a/b"),
        ({"PATH_INFO": "", "SCRIPT_NAME": "/app"}, "/", "http://inside:8000/app/"),
        # cheroot leaves %2F alone and decodes the rest; the raw target tells
        ({"PATH_INFO": "/a%2Fb c", "REQUEST_URI": "/a%2Fb%20c?x"}, "/a/b c", "http://inside:8000/a/b%20c"),
        # the others decode it; a path with a percent sign of its own stays
        ({"PATH_INFO": "/a%2Fb", "RAW_URI": "/a%252Fb"}, "/a%2Fb", "http://inside:8000/a%252Fb"),
        ({"PATH_INFO": "/a%2Fb"}, "/a%2Fb", "http://inside:8000/a%252Fb"),
        # a proxy middleware rewrote the path, and left the raw target as it was
        ({"PATH_INFO": "/new%2Fer", "RAW_URI": "/old/path"}, "/new%2Fer", "http://inside:8000/new%252Fer"),
        ({"PATH_INFO": "/x", "RAW_URI": "http://other.example/x"}, "/x", "http://inside:8000/x"),
        # defaults
        ({"SERVER_PORT": "80"}, "/", "http://inside/"),
        ({"SERVER_PORT": "443", "wsgi.url_scheme": "https"}, "/", "https://inside/"),
        ({"HTTP_HOST": "shop.example"}, "/", "http://shop.example/"),
        ({"HTTP_HOST": ""}, "/", "http://inside:8000/"),
    ],
)
def test_a_path_is_the_same_whatever_the_server_makes_of_it(
    cell: Cell, changes: dict[str, Any], path: str, url: str
) -> None:
    app = App()
    app.get("/{rest:path}")(cell.handler(lambda request: f"{request.path} {request.url}"))
    app.get("/")(cell.handler(lambda request: f"{request.path} {request.url}"))
    assert call(app, changes)[2].decode() == f"{path} {url}"


@pytest.mark.parametrize("path", ["/\xff", "/\xc3", "x"])
def test_a_path_that_is_none_is_a_400(cell: Cell, path: str) -> None:
    app = App()
    app.get("/{rest:path}")(cell.handler(lambda rest: rest))
    assert call(app, {"PATH_INFO": path})[0] == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"PATH_INFO": "/abcde", "QUERY_STRING": "xyz"}, 200),
        ({"PATH_INFO": "/abcde", "QUERY_STRING": "wxyz"}, 414),
        ({"PATH_INFO": "/abcdefghi", "QUERY_STRING": ""}, 200),
        ({"PATH_INFO": "/abcdefghij", "QUERY_STRING": ""}, 414),
        ({"PATH_INFO": "/a", "RAW_URI": "/%61?wxyz"}, 200),
        ({"PATH_INFO": "/a", "RAW_URI": "/%61?vwxyzz"}, 414),
    ],
)
def test_a_target_is_weighed_as_it_was_sent_or_as_the_server_tells_it(
    cell: Cell, changes: dict[str, Any], status: int
) -> None:
    app = App(limits=Limits(max_target_bytes=10))
    app.get("/{rest:path}")(cell.handler(lambda rest: rest))
    assert call(app, changes)[0] == status


def test_256_hosts_are_remembered_at_most(cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda: ""))
    known = wsgi._hosts
    sizes = []
    for number in range(600):
        assert call(app, {"HTTP_HOST": f"h{number}.example"})[0] == 200
        assert call(app, {"HTTP_HOST": "a b"})[0] == 400
        assert {None, f"h{number}.example"} <= known
        sizes.append(len(known))
    assert (max(sizes), min(sizes[300:])) == (256, 2), "none at all is known ever after"


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize("target", ["/ad\tmin", "/ad\tmin?x", "/%61d\tmin", "/admin\x01"])
def test_a_control_byte_that_the_server_left_out_of_the_path_is_a_400(cell: Cell, key: str, target: str) -> None:
    """waitress leaves out tabs: what a proxy before it has read is another path."""
    app = App()
    app.get("/admin")(cell.handler(lambda: "secret"))
    assert call(app, {"PATH_INFO": "/admin", key: target})[0] == 400
    for harmless in ("/admin", "/%61dmin", "/old?x=\xc3\xbc", "/\xc2\xa0"):
        assert call(app, {"PATH_INFO": "/admin", key: harmless})[0] == 200


@pytest.mark.parametrize(
    ("changes", "client"),
    [
        ({}, None), ({"REMOTE_ADDR": ""}, None), ({"REMOTE_ADDR": "::1"}, ["::1", None]),
        ({"REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": "99"}, ["1.2.3.4", 99]), ({"REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": 99}, ["1.2.3.4", 99]),
        ({"REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": ""}, ["1.2.3.4", None]),
    ],
)  # fmt: skip
def test_a_client_may_be_unknown(cell: Cell, changes: dict[str, Any], client: list[Any] | None) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: {"client": request.client}))
    assert json.loads(call(app, changes)[2]) == {"client": client}


def test_fields_of_the_content_stand_apart_in_an_environ(cell: Cell) -> None:
    app = App()
    app.post("/")(cell.handler(lambda request: dict(request.headers)))
    changes = {
        "REQUEST_METHOD": "POST", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "0", "HTTP_CONTENT_TYPE": "spoofed/type",
        "HTTP_CONTENT_LENGTH": "7", "HTTP_X_A": "b",
    }  # fmt: skip
    assert call(app, changes)[2] == b'{"x-a":"b","content-type":"text/plain","content-length":"0"}'


def test_secrets_of_the_process_in_an_environ_are_no_header_fields(cell: Cell) -> None:
    """granian and wsgiref put all of os.environ there; `HTTP_PROXY` alone looks like a field."""
    app = App()
    app.get("/")(cell.handler(lambda request: dict(request.headers)))
    assert call(app, {"AWS_SECRET_KEY": "x", "PATH": "/bin"})[2] == b"{}"


def test_a_wsgi_middleware_may_wrap_one_side(cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: request.scheme))
    inner = app.wsgi

    def proxied(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.url_scheme"] = "https"
        return inner(environ, start_response)

    app.wsgi = proxied
    assert call(app, {})[2] == b"https"


# --- the iterable of an answer ---


def started(app: Any) -> Any:
    """Call the application; give its iterable."""
    return app(environ_of(), lambda status, headers, exc_info=None: None)


def stream_app(cell: Cell, events: list[str]) -> App:
    """Make an application that streams and notes when its source is closed, and what runs after."""
    app = App()

    def items() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            events.append("closed")

    async def items_async() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            events.append("closed")

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        from ambi import Stream

        request.after(events.append, "after")
        return Stream(items_async() if cell.is_async else items())

    return app


def test_an_iterable_may_be_closed_before_it_is_read(cell: Cell) -> None:
    events: list[str] = []
    started(stream_app(cell, events)).close()
    settle_in_process()
    assert events == ["closed", "after"]


def test_an_iterable_may_be_closed_twice(cell: Cell) -> None:
    events: list[str] = []
    chunks = started(stream_app(cell, events))
    assert next(iter(chunks)) == b"a"
    chunks.close()
    chunks.close()
    settle_in_process()
    assert events == ["closed", "after"]
    assert list(chunks) == []


def test_an_iterable_may_be_closed_by_another_thread(cell: Cell) -> None:
    """As granian does."""
    events: list[str] = []
    chunks = started(stream_app(cell, events))
    next(iter(chunks))
    thread = threading.Thread(target=chunks.close)
    thread.start()
    thread.join()
    settle_in_process()
    assert events == ["closed", "after"]


def test_an_iterable_may_be_read_in_another_thread(cell: Cell) -> None:
    events: list[str] = []
    chunks = started(stream_app(cell, events))
    assert in_threads(1, lambda _: list(chunks)) == [[b"a", b"b"]]
    chunks.close()
    settle_in_process()
    assert events == ["closed", "after"]


def test_an_iterable_has_one_item_and_no_length_where_there_is_no_body(cell: Cell) -> None:
    """hypercorn starts an answer with its first item; wsgiref makes a Content-Length out of `len`."""
    app = App()
    app.get("/")(cell.handler(lambda: None))
    chunks = started(app)
    assert not hasattr(chunks, "__len__")
    assert list(chunks) == [b""]


def test_many_threads_share_one_application(cell: Cell) -> None:
    app = App()
    app.get("/{n:int}")(cell.handler(lambda request, n: f"{n} {request.query['q']}"))

    def ask(index: int) -> list[bytes]:
        return [call(app, {"PATH_INFO": f"/{index}", "QUERY_STRING": f"q={n}"})[2] for n in range(20)]

    assert in_threads(8, ask) == [[f"{index} {n}".encode() for n in range(20)] for index in range(8)]


# --- when and from where `close` comes ---


def late_stream(app: App, events: list[Any], items: Any, form: str) -> None:
    """Register a stream with something to do after it, at "/"."""

    @app.get("/")
    def handler(request: Request) -> Stream:
        if form == "after":
            request.after(events.append, "after")
        else:
            request.drop(Stream(Closing(events)))
        return Stream(items(), ends_at_stop=form == "in a worker thread")


class Closing(list[str]):
    """A stream that is not sent."""

    def __init__(self, events: list[Any]) -> None:
        super().__init__()
        self._events = events

    def close(self) -> None:
        self._events.append("after")


@pytest.mark.parametrize("form", ["after", "dropped", "in a worker thread"])
def test_a_close_from_another_thread_finishes_the_request(
    app: App, form: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The generator makes an item meanwhile, in the context of the request."""
    monkeypatch.setattr(wsgi_streams, "_LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(run_ahead, "CLOSE_S", 0.2)
    events, go_on, makes = list[Any](), threading.Event(), threading.Event()

    def items() -> Iterator[str]:
        try:
            yield "a"
            makes.set()
            go_on.wait(5)
            yield "b"
        finally:
            events.append("closed")

    late_stream(app, events, items, form)
    start: Any = lambda status, headers, exc_info=None: None  # noqa: E731
    chunks: Any = app(environ_of(), start)
    iterator = iter(chunks)
    assert next(iterator) == b"a"
    server = threading.Thread(target=list, args=(iterator,))
    server.start()
    assert makes.wait(5)
    chunks.close()
    settle_in_process()
    assert events == ["after"]
    go_on.set()
    server.join(5)
    deadline = time.monotonic() + 2
    while events != ["after", "closed"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (events, caplog.records) == (["after", "closed"], [])


@pytest.mark.parametrize("form", ["after", "in a worker thread"])
def test_a_server_that_refuses_the_header_fields_leaves_nothing_open(app: App, form: str) -> None:
    events: list[Any] = []

    def items() -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            events.append("closed")

    late_stream(app, events, items, form)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise AssertionError("a hop-by-hop field")

    with pytest.raises(AssertionError, match="hop-by-hop"):
        app(environ_of(), start_response)
    settle_in_process()
    assert sorted(events) == ["after", "closed"]


@pytest.mark.parametrize("form", ["def that shows life", "async"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_a_stream_may_need_the_context_at_once(
    app: App, form: str, fails: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever makes it elsewhere has left the context when it says that it is through; it may be slow after that."""
    finish = RunAhead.finish

    def finish_slowly(self: RunAhead, failure: BaseException | None = None) -> None:
        finish(self, failure)
        time.sleep(0.05)

    monkeypatch.setattr(RunAhead, "finish", finish_slowly)
    events: list[str] = []

    def items() -> Iterator[str]:
        if fails:
            raise HTTPError(418)
        yield "a"

    async def items_async() -> AsyncIterator[str]:
        for item in items():
            yield item

    @app.get("/")
    def handler(request: Request) -> Stream:
        request.after(events.append, "after")
        return Stream(items(), ends_at_stop=True) if form != "async" else Stream(items_async())

    assert call_wsgi(app)[::2] == ((418, ANY) if fails else (200, b"a"))
    settle_in_process()
    assert (events, [record for record in caplog.records if record.levelname == "ERROR"]) == (["after"], [])


class TimeUp(BaseException):
    """What gevent raises in a greenlet that takes too long."""


def test_an_exit_finishes_the_request(app: App, cell: Cell) -> None:
    events: list[Any] = []
    uploads: list[Any] = []

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> str:
        uploads.append(request.form["file"])
        request.after(events.append, "after")
        raise TimeUp

    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nabc\r\n--x--\r\n'
    with pytest.raises(TimeUp):
        call_wsgi(app, environ_of(body=body, CONTENT_TYPE="multipart/form-data; boundary=x"))
    settle_in_process()
    assert (events, uploads[0].file.closed) == (["after"], True)


class SlowInput:
    """`wsgi.input` of a client that sends a byte now and then."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        time.sleep(0.03)
        self._count += 1
        return b"%d" % self._count


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "wsgi" and cell.is_async], indirect=True)
@pytest.mark.parametrize("readers", [1, 2])
def test_a_time_out_of_a_read_loses_nothing(cell: Cell, readers: int) -> None:
    """A server's thread that reads cannot be interrupted: what it has read then is for whoever reads next."""
    app = App()
    chunks: list[bytes] = []

    async def read_some(stream: BodyStream) -> None:
        while True:
            try:
                chunks.append(await asyncio.wait_for(anext(stream), 0.01))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                return

    @app.post("/")
    async def read(stream: BodyStream) -> bytes:
        await asyncio.gather(*(read_some(stream) for _ in range(readers)))
        return b"".join(sorted(chunks))

    assert call_wsgi(app, environ_of("/", b"....", **{"wsgi.input": SlowInput()}))[2] == b"1234"


def test_files_of_a_form_are_closed_where_nobody_calls_close(cell: Cell) -> None:
    """Some wrappers take the items, and forget what PEP 3333 asks for at the end."""
    app, kept = App(), list[Any]()
    app.post("/")(cell.handler(lambda request: kept.append(request.form["f"])))
    body = b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 100_000 + b"\r\n--b--\r\n"
    environ = environ_of(body=body, CONTENT_TYPE="multipart/form-data; boundary=b")
    assert list(app(environ, lambda status, headers: None)) in ([], [b""])
    assert kept[0].file.closed


def delegating(app: Any, environ: Any) -> Iterator[bytes]:
    """Wrap as Werkzeug's debugger does: `close` is called at the end alone."""
    chunks = app(environ, lambda status, headers: None)
    yield from chunks
    chunks.close()


def forgetting(app: Any, environ: Any) -> Iterator[bytes]:
    """Wrap as Elastic's middleware does: `close` is not called at all."""
    for chunk in app(environ, lambda status, headers: None):  # noqa: UP028  # so that it is not closed either
        yield chunk


@pytest.mark.parametrize("wrapped", [delegating, forgetting])
def test_a_stream_that_is_left_is_closed_within_a_wrapper_that_does_not(cell: Cell, wrapped: Any) -> None:
    app, closed = App(), threading.Event()

    @app.get("/")
    @cell.handler
    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.set()

    chunks = wrapped(app, environ_of())
    assert next(chunks) == b"x"
    chunks.close()
    del chunks
    gc.collect()  # nobody else is left to close it
    assert closed.wait(2)
