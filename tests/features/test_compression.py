"""Answers that compress well are sent compressed, whole and streamed, in every cell.

gzip alone, which every Python has; zstd and br are in `tests/interop/test_codings.py`.
"""

import gzip
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from ambi import (
    App,
    BodyStream,
    ConfigurationError,
    File,
    HTTPError,
    Middleware,
    Request,
    Response,
    Stream,
    WebSocket,
)
from ambi.core.files import SMALL_BYTES
from ambi.features import compression
from ambi.features.compression import LARGE_BYTES, TYPES, check_types, matches
from ambi.testing import Client, WebSocketRefused
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

TEXT = "The quick brown fox jumps over the lazy dog. " * 100
LARGE = "".join(f"{number * 7919 % 10007} " for number in range(LARGE_BYTES // 2))
GZIP = {"accept-encoding": "gzip"}
ONE_FOR_EACH_GATEWAY = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
"""For what has no colour: the layer is a generator, and so neither it nor a body of bytes crosses to another side."""


@pytest.fixture
def app() -> App:
    """Give an application that compresses with gzip."""
    app = App()
    app.compression(codings=["gzip"])
    return app


def unpacked(response: Any) -> bytes:
    """Give the body of a response that says that it is compressed."""
    assert response.headers["content-encoding"] == "gzip"
    return gzip.decompress(response.content)


def feature(name: str) -> Any:
    """Give a module of the features; where it was taken out, what is said of both has nothing to say."""
    return pytest.importorskip(f"ambi.features.{name}", reason=f"there is no {name} here")


def fields_of(response: Any) -> dict[str, str]:
    return dict(response.headers)


# --- whole bodies ---


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (lambda: TEXT, TEXT.encode()),
        (lambda: {"text": TEXT}, b'{"text":"%b"}' % TEXT.encode()),
        (lambda: Response(TEXT, 404, content_type="Text/HTML ; charset=utf-8"), TEXT.encode()),
        (lambda: Response(TEXT.encode(), content_type="image/svg+xml"), TEXT.encode()),
        (lambda: Response(TEXT.encode(), headers={"x": "y"}, content_type="application/problem+json"), TEXT.encode()),
    ],
)
@ONE_FOR_EACH_GATEWAY
def test_what_compresses_well_is_compressed(
    app: App, client: Client, cell: Cell, answer: Callable[[], Any], sent: bytes
) -> None:
    app.get("/")(cell.handler(answer))
    response = client.get("/", headers=GZIP)
    assert unpacked(response) == sent
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["content-length"] == str(len(response.content))
    assert len(response.content) < len(sent) / 10


@pytest.mark.parametrize(
    "accepts",
    [
        "",
        "identity",
        "gzip;q=0",
        "gzip;q=0, identity;q=0",
        "gzip;q=0, *;q=1, identity;q=0",
        "br",
        "gzip;q=x",
        "\xff",
        ",",
    ],
)
@ONE_FOR_EACH_GATEWAY
def test_who_takes_no_coding_gets_none(app: App, client: Client, cell: Cell, accepts: str) -> None:
    app.get("/")(cell.handler(lambda: TEXT))
    response = client.get("/", headers={"accept-encoding": accepts})
    assert (response.status_code, response.text, response.headers["vary"]) == (200, TEXT, "Accept-Encoding")
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("accepts", ["*", "GZIP", "br, gzip;q=0.1", "deflate, gzip;q=1.0, *;q=0.5"])
@ONE_FOR_EACH_GATEWAY
def test_who_takes_it_gets_it(app: App, client: Client, cell: Cell, accepts: str) -> None:
    app.get("/")(cell.handler(lambda: TEXT))
    assert unpacked(client.get("/", headers={"accept-encoding": accepts})) == TEXT.encode()


def test_what_is_small_is_sent_as_it_is_to_everybody(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: "x" * 999))
    app.get("/more")(cell.handler(lambda: "x" * 1000))
    response = client.get("/", headers=GZIP)
    assert not {"content-encoding", "vary"} & set(response.headers)
    assert unpacked(client.get("/more", headers=GZIP)) == b"x" * 1000


@ONE_FOR_EACH_GATEWAY
def test_how_small_that_is_can_be_said(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.compression(min_bytes=0, codings=["gzip"], level=1)
    app.get("/")(cell.handler(lambda: "x" * 30))
    app.get("/none")(cell.handler(lambda: ""))
    client = make_client(app)
    assert unpacked(client.get("/", headers=GZIP)) == b"x" * 30
    assert "content-encoding" not in client.get("/none", headers=GZIP).headers


@ONE_FOR_EACH_GATEWAY
def test_what_would_become_larger_is_sent_as_it_is(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.compression(min_bytes=1, codings=["gzip"])
    app.get("/")(cell.handler(lambda: "ab"))
    response = make_client(app).get("/", headers=GZIP)
    assert (response.text, response.headers["content-length"], response.headers["vary"]) == (
        "ab",
        "2",
        "Accept-Encoding",
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(TEXT.encode(), content_type="image/png"),
        lambda: Response(TEXT.encode(), headers={"content-encoding": "br"}, content_type="text/plain"),
        lambda: Response(TEXT, headers={"cache-control": "max-age=60, No-Transform"}),
        lambda: Response(TEXT, headers={"content-digest": "sha-256=:AAAA:"}),
        lambda: Response(TEXT, 206, {"content-range": "bytes 0-9/99"}, "image/png"),
        lambda: Response(TEXT, content_type="text/event-stream"),
        lambda: Stream([TEXT], "video/mp4"),
        lambda: Stream([TEXT], headers={"content-length": "10"}),
    ],
)
@ONE_FOR_EACH_GATEWAY
def test_what_must_not_be_compressed_is_not(app: App, client: Client, cell: Cell, answer: Callable[[], Any]) -> None:
    app.get("/")(cell.handler(answer))
    response = client.get("/", headers=GZIP)
    assert TEXT.encode().startswith(response.content)
    assert response.headers.get("content-encoding") in (None, "br")
    assert "vary" not in response.headers


@pytest.mark.parametrize("status", [204, 205])
@ONE_FOR_EACH_GATEWAY
def test_what_has_no_body_is_left_alone(app: App, client: Client, cell: Cell, status: int) -> None:
    app.get("/")(cell.handler(lambda: Response(TEXT, status)))
    response = client.get("/", headers=GZIP)
    assert (response.status_code, response.content) == (status, b"")
    assert not {"content-encoding", "vary"} & set(response.headers)


@pytest.mark.parametrize("make", [lambda: TEXT, lambda: LARGE, lambda: Stream([TEXT]), lambda: "small"])
def test_a_head_has_the_fields_of_the_get(app: App, client: Client, cell: Cell, make: Callable[[], Any]) -> None:
    app.get("/")(cell.handler(make))
    get, head = client.get("/", headers=GZIP), client.request("HEAD", "/", headers=GZIP)
    assert fields_of(get) == fields_of(head)
    assert head.content == b""


def test_a_strong_entity_tag_becomes_a_weak_one(app: App, client: Client, cell: Cell) -> None:
    tags = {"strong": '"a"', "weak": 'W/"a"'}

    @app.get("/{kind}")
    @cell.handler
    def tagged(kind: str) -> Response:
        return Response(TEXT, headers={"etag": tags[kind], "accept-ranges": "bytes"})

    for kind, etag in tags.items():
        response = client.get(f"/{kind}", headers=GZIP)
        assert (unpacked(response), response.headers["etag"]) == (TEXT.encode(), 'W/"a"')
        assert "accept-ranges" not in response.headers
        assert client.get(f"/{kind}").headers["etag"] == etag


@pytest.mark.parametrize(
    ("known", "sent"), [('W/"a"', 'W/"a"'), ('"a"', '"a"'), ('W/"b"', '"a"'), ("*", '"a"')], ids=repr
)
@ONE_FOR_EACH_GATEWAY
def test_a_304_has_the_tag_that_the_client_has(app: App, client: Client, cell: Cell, known: str, sent: str) -> None:
    app.get("/")(cell.handler(lambda: Response(b"", 304, {"etag": '"a"', "vary": "Cookie"})))
    response = client.get("/", headers={"if-none-match": known, **GZIP})
    assert (response.status_code, response.headers["etag"]) == (304, sent)
    assert response.headers["vary"] == "Cookie, Accept-Encoding"


def test_a_response_that_is_kept_is_not_changed_for_the_next_client(app: App, client: Client, cell: Cell) -> None:
    kept = Response(TEXT, headers={"etag": '"a"'})
    app.get("/")(cell.handler(lambda: kept))
    for _ in range(2):
        assert unpacked(client.get("/", headers=GZIP)) == TEXT.encode()
        plain = client.get("/")
        assert (plain.text, plain.headers["etag"]) == (TEXT, '"a"')
        assert plain.headers["vary"] == "Accept-Encoding"


@ONE_FOR_EACH_GATEWAY
def test_cookies_and_other_fields_stay(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler() -> Response:
        response = Response(TEXT, 201, {"x-a": "b", "vary": "Accept-Encoding, Cookie"})
        response.set_cookie("seen", "1")
        return response

    response = client.get("/", headers=GZIP)
    assert (response.status_code, response.headers["x-a"]) == (201, "b")
    assert response.headers["set-cookie"].startswith("seen=1;")
    assert (response.headers["vary"], response.headers["cache-control"]) == ("Cookie, Accept-Encoding", "private")


def test_a_stream_of_a_layer_is_closed_though_nobody_iterates_it(app: App, client: Client, cell: Cell) -> None:
    closed = []

    class Rows:
        def __iter__(self) -> Any:
            pytest.fail("iterated")

        def close(self) -> None:
            closed.append(True)

    @app.middleware
    def answers(request: Request) -> Middleware:
        yield
        return Stream(Rows())

    app.get("/")(cell.handler(lambda: "a"))
    assert client.request("HEAD", "/", headers=GZIP).headers["content-encoding"] == "gzip"
    assert closed


def test_answers_of_errors_and_of_layers_are_compressed(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def guard(request: Request) -> Middleware:
        if request.path == "/guarded":
            return Response(TEXT, 403)
        yield
        return None

    @app.get("/")
    @cell.handler
    def fails() -> None:
        raise HTTPError(409, TEXT)

    for path, status in (("/guarded", 403), ("/", 409)):
        response = client.get(path, headers=GZIP)
        assert (response.status_code, TEXT.strip().encode() in unpacked(response)) == (status, True)


@ONE_FOR_EACH_GATEWAY
def test_a_value_is_written_as_json_once(make_client: MakeClient, cell: Cell) -> None:
    class Counting:
        count = 0

        def dumps(self, value: Any) -> str:
            self.count += 1
            return f'"{TEXT}"'

        def loads(self, data: bytes) -> Any:
            return None

    codec = Counting()
    app = App(json=codec)
    app.compression(codings=["gzip"])
    app.get("/")(cell.handler(lambda: {"a": 1}))
    assert unpacked(make_client(app).get("/", headers=GZIP)) == f'"{TEXT}"'.encode()
    assert codec.count == 1


# --- large bodies ---


def test_a_large_body_is_compressed_while_it_is_sent(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: LARGE))
    response = client.get("/", headers=GZIP)
    assert unpacked(response) == LARGE.encode()
    assert "content-length" not in response.headers


def test_the_event_loop_does_not_wait_for_a_large_body(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    add = compression._GzipCoder.add

    def noting(coder: Any, data: bytes) -> bytes:
        threads.add(threading.current_thread().name)
        return add(coder, data)

    monkeypatch.setattr(compression._GzipCoder, "add", noting)
    app.get("/")(cell.handler(lambda: LARGE))
    assert unpacked(client.get("/", headers=GZIP)) == LARGE.encode()
    assert threads == {"ambi-worker" if cell.gateway == "asgi" else "MainThread"}


# --- streams ---


@pytest.fixture(params=["of the handler's colour", "of the other"])
def stream_of(request: pytest.FixtureRequest, cell: Cell) -> Callable[..., tuple[Any, list[str]]]:
    """Give what makes a generator of items, and the list of what happens to it."""
    is_async = cell.is_async is (request.param == "of the handler's colour")

    def make(*items: Any) -> tuple[Any, list[str]]:
        events: list[str] = []

        def sync() -> Iterator[Any]:
            try:
                for item in items:
                    if isinstance(item, Exception):
                        raise item
                    yield item
            finally:
                events.append("closed")

        async def asynchronous() -> AsyncIterator[Any]:
            try:
                for item in items:
                    await anyio.sleep(0)
                    if isinstance(item, Exception):
                        raise item
                    yield item
            finally:
                events.append("closed")

        return (asynchronous() if is_async else sync()), events

    return make


def test_a_stream_is_compressed(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of("ü", b"\xff", "", bytearray(b"a"), *["b" * 1000] * 100)
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    response = client.get("/", headers=GZIP)
    assert unpacked(response) == b"\xc3\xbc\xffa" + b"b" * 100_000
    assert len(response.content) < 5000
    assert made[1] == ["closed"]
    assert "content-length" not in response.headers


def test_an_item_can_be_unpacked_when_it_comes(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of(*(f"item {number}\n" for number in range(20)))
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    reader = zlib.decompressobj(31)
    with client.stream("GET", "/", headers=GZIP) as response:
        chunks = [reader.decompress(chunk) for chunk in response.iter_bytes()]
    assert [chunk for chunk in chunks if chunk] == [b"item %d\n" % number for number in range(20)]
    assert reader.eof


def test_an_item_is_not_held_back_for_the_next(app: App, client: Client, cell: Cell) -> None:
    """The next item is made only when the client has unpacked the last one."""
    received = 0 if cell.gateway == "asgi" or cell.is_async else 9  # else this very thread makes them

    def items() -> Iterator[str]:
        for number in range(3):
            yield str(number)
            deadline = time.monotonic() + 2
            while received <= number and time.monotonic() < deadline:
                time.sleep(0.001)
            assert received > number

    async def items_async() -> AsyncIterator[str]:
        for number in range(3):
            yield str(number)
            with anyio.fail_after(2):
                while received <= number:
                    await anyio.sleep(0.001)

    app.get("/")(cell.pick(items, items_async))
    reader = zlib.decompressobj(31)
    text = b""
    with client.stream("GET", "/", headers=GZIP) as response:
        for chunk in response.iter_bytes():
            text += reader.decompress(chunk)
            received = max(received, len(text))
    assert (text, reader.eof) == (b"012", True)


def test_a_stream_without_items_is_a_whole_body(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of()
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    assert (unpacked(client.get("/", headers=GZIP)), made[1]) == (b"", ["closed"])


def test_an_iterable_that_is_kept_is_sent_each_time(app: App, client: Client, cell: Cell) -> None:
    kept = Stream(["a", "b"])
    app.get("/")(cell.handler(lambda: kept))
    assert [unpacked(client.get("/", headers=GZIP)) for _ in range(2)] == [b"ab", b"ab"]
    assert client.get("/").text == "ab"


def test_an_iterator_is_sent_once(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    """The second client must not be given nothing as if it were the whole."""
    made = stream_of("a", "b")
    kept = Stream(made[0])
    app.get("/")(cell.handler(lambda: kept))
    assert unpacked(client.get("/", headers=GZIP)) == b"ab"
    assert client.get("/", headers=GZIP).status_code == 500


def test_a_stream_is_closed_when_the_client_leaves(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of(*(str(number) for number in range(100_000)))
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    with client.stream("GET", "/", headers=GZIP) as response:
        next(response.iter_bytes())
    assert made[1] == ["closed"]


def test_what_an_iterable_gives_is_closed_with_it(app: App, client: Client, cell: Cell) -> None:
    closed = []

    class Rows:
        def __iter__(self) -> Iterator[str]:
            try:
                yield from "abc"
            finally:
                closed.append("iterator")

        def close(self) -> None:
            closed.append("rows")

    class AsyncRows:
        async def __aiter__(self) -> AsyncIterator[str]:
            try:
                for item in "abc":
                    yield item
            finally:
                closed.append("iterator")

        async def aclose(self) -> None:
            closed.append("rows")

    app.get("/")(cell.handler(lambda: Stream(AsyncRows() if cell.is_async else Rows())))
    with client.stream("GET", "/", headers=GZIP) as response:
        next(response.iter_bytes())
    assert closed[:2] == ["iterator", "rows"]
    closed.clear()
    assert unpacked(client.get("/", headers=GZIP)) == b"abc"
    assert closed[:2] == ["iterator", "rows"]


def test_a_head_iterates_nothing_and_closes_it(app: App, client: Client, cell: Cell) -> None:
    events = []

    class Rows:
        def __iter__(self) -> Any:
            pytest.fail("iterated")

        def close(self) -> None:
            events.append("closed")

    app.get("/")(cell.handler(lambda: Stream(Rows())))
    assert client.request("HEAD", "/", headers=GZIP).headers["content-encoding"] == "gzip"
    assert set(events) == {"closed"}


def test_a_failure_before_the_first_item_is_a_plain_500(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of(ValueError("no"))
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    response = client.get("/", headers=GZIP)
    assert (response.status_code, made[1]) == (500, ["closed"])
    assert "content-encoding" not in response.headers


def test_a_failure_after_it_cuts_the_answer(app: App, make_client: MakeClient, cell: Cell, stream_of: Any) -> None:
    made = stream_of("a", ValueError("no"))
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    client = make_client(app, judged=False)
    received = []
    with pytest.raises(ValueError, match="no"), client.stream("GET", "/", headers=GZIP) as response:
        received.extend(response.iter_bytes())
    assert made[1] == ["closed"]


def test_what_is_no_item_is_an_error_as_before(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of(3)
    app.get("/")(cell.handler(lambda: Stream(made[0])))
    assert client.get("/", headers=GZIP).status_code == 500


def test_a_stream_is_held_to_its_length(app: App, make_client: MakeClient, cell: Cell, stream_of: Any) -> None:
    """Else what was cut on the way to here would look whole when it is unpacked."""
    made = stream_of("a" * 1500, "b" * 600)
    app.get("/")(cell.handler(lambda: Stream(made[0], headers={"content-length": "2000"})))
    assert unpacked(make_client(app).get("/", headers=GZIP)) == b"a" * 1500 + b"b" * 500
    short = stream_of("a" * 1500)
    app.get("/short")(cell.handler(lambda: Stream(short[0], headers={"content-length": "2000"})))
    client = make_client(app, judged=False)
    with pytest.raises(RuntimeError, match="500 bytes before its Content-Length"):
        client.get("/short", headers=GZIP)


def test_a_length_that_is_none_is_refused_as_before(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Stream(["a"], headers={"content-length": "many"})))
    assert client.get("/", headers=GZIP).status_code == 500


def test_a_stream_may_read_the_body_of_its_request(app: App, client: Client, cell: Cell) -> None:
    """A `BodyStream` is iterated in either colour."""
    app.post("/")(cell.pick(_echo, _echo_async))
    assert unpacked(client.post("/", content=[b"abc", b"def"], headers=GZIP)) == b"abcdef"


def _echo(stream: BodyStream) -> Stream:
    return Stream(stream)


async def _echo_async(stream: BodyStream) -> Stream:
    return Stream(stream)


def test_json_lines_come_one_by_one(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of({"a": 1}, [2])
    json_lines = feature("json_lines")
    app.get("/")(cell.handler(lambda: json_lines.JSONLines(made[0])))
    reader = zlib.decompressobj(31)
    with client.stream("GET", "/", headers=GZIP) as response:
        lines = [reader.decompress(chunk) for chunk in response.iter_bytes()]
    assert [line for line in lines if line] == [b'{"a":1}\n', b"[2]\n"]


# --- event streams ---


def test_event_streams_are_left_alone(app: App, client: Client, cell: Cell, stream_of: Any) -> None:
    made = stream_of("a", "b")
    sse = feature("sse")
    app.get("/")(cell.handler(lambda: sse.SSE(made[0])))
    response = client.get("/", headers=GZIP)
    assert response.text == ": open\n\ndata: a\n\ndata: b\n\n"
    assert not {"content-encoding", "vary"} & set(response.headers)


def test_events_come_one_by_one_where_asked_for(make_client: MakeClient, cell: Cell, stream_of: Any) -> None:
    app = App()
    app.compression(codings=["gzip"], event_streams=True)
    made = stream_of("a", "b")
    sse = feature("sse")
    app.get("/")(cell.handler(lambda: sse.SSE(made[0])))
    reader = zlib.decompressobj(31)
    with make_client(app).stream("GET", "/", headers=GZIP) as response:
        assert response.headers["content-encoding"] == "gzip"
        parts = [reader.decompress(chunk) for chunk in response.iter_bytes()]
    assert [part for part in parts if part] == [b": open\n\n", b"data: a\n\n", b"data: b\n\n"]
    assert (reader.eof, made[1]) == (True, ["closed"])


def test_a_quiet_stream_shows_life_by_a_block_of_nothing(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.compression(codings=["gzip"], event_streams=True)

    nothing, seen = b"\x00\x00\x00\xff\xff", threading.Event()

    def events() -> Iterator[str]:
        yield "a" * 100
        assert seen.wait(10)
        yield "a" * 100

    async def events_async() -> AsyncIterator[str]:
        yield "a" * 100
        with anyio.fail_after(10):
            while not seen.is_set():
                await anyio.sleep(0.001)
        yield "a" * 100

    sse, chunks = feature("sse"), []
    app.get("/")(cell.handler(lambda: sse.SSE(cell.pick(events, events_async)(), keep_alive_s=0.05)))
    with make_client(app).stream("GET", "/", headers=GZIP) as response:
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            if chunk == nothing:
                seen.set()
    assert nothing in chunks
    event = b"data: %b\n\n" % (b"a" * 100)
    assert gzip.decompress(b"".join(chunks)) == b": open\n\n" + event + event


def test_the_events_of_a_broadcast_are_waited_for_as_before(make_client: MakeClient, cell: Cell) -> None:
    broadcast = feature("broadcast").Broadcast()
    app = App()
    app.compression(codings=["gzip"], event_streams=True)
    sse = feature("sse")
    app.get("/")(cell.handler(lambda: sse.SSE(broadcast.subscribe("news"))))
    reader = zlib.decompressobj(31)
    text = b""
    with make_client(app).stream("GET", "/", headers=GZIP) as response:
        for chunk in response.iter_bytes():
            text += reader.decompress(chunk)
            if b"data: b" in text:
                break
            broadcast.publish("news", "b" if b"data: a" in text else "a")
    broadcast.close()
    assert [line for line in text.split(b"\n") if line.startswith(b"data")] == [b"data: a", b"data: b"]


def test_the_end_of_what_can_be_waited_for_is_told() -> None:
    """Nothing is served, so there is no cell."""

    class Source:
        items = iter("a")

        def next_within(self, timeout_s: float) -> str:
            return next(self.items)

    ended = compression.Ended(Source())
    assert ended.next_within(1) == "a"
    assert repr(ended.next_within(1)) == "<the end of a body>"
    with pytest.raises(StopIteration):
        ended.next_within(1)
    assert not hasattr(compression.Ended("ab"), "next_within")


# --- files ---


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a directory with a file that is read at once, and one that the server sends."""
    (tmp_path / "small.txt").write_text(TEXT)
    (tmp_path / "large.txt").write_text("x" * (SMALL_BYTES + 1))
    return tmp_path


@ONE_FOR_EACH_GATEWAY
def test_small_files_are_compressed_and_large_ones_left_to_the_server(app: App, client: Client, files: Path) -> None:
    feature("static")
    app.static("/", files)
    small = client.get("/small.txt", headers=GZIP)
    assert (unpacked(small), small.headers["etag"][:3]) == (TEXT.encode(), 'W/"')
    for method in ("GET", "HEAD"):
        large = client.request(method, "/large.txt", headers=GZIP)
        assert (large.headers["content-length"], large.headers["etag"][0]) == (str(SMALL_BYTES + 1), '"')
        assert (large.headers["accept-ranges"], large.headers.get("content-encoding")) == ("bytes", None)
    again = client.get("/small.txt", headers={**GZIP, "if-none-match": small.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, small.headers["etag"])
    head = client.request("HEAD", "/small.txt", headers=GZIP)
    assert (head.headers["content-encoding"], head.headers["etag"]) == ("gzip", small.headers["etag"])


@ONE_FOR_EACH_GATEWAY
def test_a_range_of_a_file_is_of_its_own_bytes(app: App, client: Client, files: Path) -> None:
    feature("static")
    app.static("/", files)
    response = client.get("/small.txt", headers={**GZIP, "range": "bytes=4-8"})
    assert (response.status_code, response.content) == (206, b"quick")
    assert response.headers["vary"] == "Accept-Encoding"
    tag = client.get("/small.txt", headers=GZIP).headers["etag"]
    whole = client.get("/small.txt", headers={**GZIP, "range": "bytes=4-8", "if-range": tag})
    assert (whole.status_code, unpacked(whole)) == (200, TEXT.encode())


def test_large_files_are_compressed_where_asked_for(make_client: MakeClient, cell: Cell, files: Path) -> None:
    app = App()
    app.compression(codings=["gzip"], files=True)
    app.get("/")(cell.handler(lambda: File(files / "large.txt")))
    client = make_client(app)
    response = client.get("/", headers=GZIP)
    assert unpacked(response) == b"x" * (SMALL_BYTES + 1)
    head = client.request("HEAD", "/", headers=GZIP)
    assert fields_of(head) == fields_of(response)
    part = client.get("/", headers={**GZIP, "range": "bytes=0-1"})
    assert (part.status_code, part.content) == (206, b"xx")
    with client.stream("GET", "/", headers=GZIP) as left:
        next(left.iter_bytes())


@ONE_FOR_EACH_GATEWAY
def test_a_file_that_a_layer_answers_with_is_sent_as_it_is(app: App, client: Client, files: Path) -> None:
    """It is opened only when all layers are through."""

    @app.middleware
    def replaces(request: Request) -> Middleware:
        yield
        return File(files / "small.txt")

    assert client.get("/", headers=GZIP).text == TEXT


# --- mounted applications ---


@ONE_FOR_EACH_GATEWAY
@pytest.mark.parametrize("path", ["/wsgi", "/asgi"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_answers_of_mounted_applications_are_compressed(
    app: App, make_client: MakeClient, path: str, pieces: int
) -> None:
    length = str(len(TEXT) * pieces)

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", length), ("ETag", '"a"')])
        return [TEXT.encode()] * pieces if environ["REQUEST_METHOD"] == "GET" else []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        fields = [(b"content-type", b"text/html"), (b"content-length", length.encode()), (b"etag", b'"a"')]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        for _ in range(pieces if scope["method"] == "GET" else 0):
            await send({"type": "http.response.body", "body": TEXT.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/wsgi", wsgi, interface="wsgi")
    app.mount("/asgi", asgi, interface="asgi")
    client = make_client(app)
    response = client.get(path, headers=GZIP)
    assert (unpacked(response), response.headers["etag"]) == (TEXT.encode() * pieces, 'W/"a"')
    assert response.headers.get("content-length") in (None, str(len(response.content)))
    assert "x-content-type-options" not in response.headers  # the fields are the guest's
    head = client.request("HEAD", path, headers=GZIP)
    assert (head.content, head.headers["content-encoding"], head.headers["etag"]) == (b"", "gzip", 'W/"a"')
    assert "content-length" not in head.headers
    plain = client.get(path)
    assert (plain.text, plain.headers["content-length"], plain.headers["etag"]) == (TEXT * pieces, length, '"a"')


@ONE_FOR_EACH_GATEWAY
def test_what_a_mounted_application_has_compressed_is_not_compressed_again(app: App, client: Client) -> None:
    inner = App()
    inner.compression(codings=["gzip"])
    inner.get("/")(lambda: TEXT)
    app.mount("/inner", inner)
    response = client.get("/inner/", headers=GZIP)
    assert (unpacked(response), response.headers["vary"]) == (TEXT.encode(), "Accept-Encoding")


@ONE_FOR_EACH_GATEWAY
def test_a_websocket_passes(app: App, make_client: MakeClient) -> None:
    @app.websocket("/ws")
    async def chat(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @app.websocket("/refused")
    async def refused(ws: WebSocket) -> None:
        raise HTTPError(403, TEXT)

    client = make_client(app, judged=False)
    with client.websocket("/ws", headers=GZIP) as ws:
        ws.send("a")
        assert ws.receive() == "a"
    with pytest.raises(WebSocketRefused) as info, client.websocket("/refused", headers=GZIP):
        pass
    assert TEXT.strip().encode() in unpacked(info.value.response)  # an answer like any other


# --- what it is told ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_bytes": -1}, "min_bytes must be a number of bytes"),
        ({"min_bytes": True}, "min_bytes must be"),
        ({"min_bytes": 1.5}, "min_bytes must be"),
        ({"types": "text/html"}, "types= takes a list"),
        ({"types": ["text"]}, "'text' is no pattern"),
        ({"types": ["*/*"]}, r"'\*/\*' is no pattern"),
        ({"types": ["text/*+json"]}, "is no pattern"),
        ({"types": ["*+"]}, "is no pattern"),
        ({"types": ["text/html; charset=utf-8"]}, "is no pattern"),
        ({"codings": ["deflate"]}, "there is no content coding 'deflate'"),
        ({"level": 0}, "the level of gzip is from 1 to 9, not 0"),
        ({"level": True}, "the level of gzip"),
        ({"level": {"gzip": 5.0}}, "the level of gzip"),
        ({"level": {"br": 12}}, "the level of br is from 0 to 11"),
        ({"level": {"zstd": 20}}, "the level of zstd is from 1 to 19"),
        ({"level": {"deflate": 1}}, "codings that are none: .'deflate'"),
    ],
)
def test_what_cannot_be_is_refused_at_start_up(options: dict[str, Any], message: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ConfigurationError, match=message):
        App().compression(**options)


def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_nothing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(compression, "import_module", import_nothing)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_coding_that_is_not_installed_says_what_to_install(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is served here, so there is no cell."""
    missing(monkeypatch)
    with pytest.raises(ImportError, match=rf"{coding}.*pip install 'ambi\[compression\]'"):
        App().compression(codings=["gzip", coding])


def test_without_the_extra_there_is_gzip(make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch)
    app = App()
    app.compression()
    app.get("/")(cell.handler(lambda: TEXT))
    assert unpacked(make_client(app).get("/", headers={"accept-encoding": "zstd, br, gzip;q=0.1"})) == TEXT.encode()


@pytest.mark.parametrize(
    ("media_type", "is_taken"),
    [
        ("text/html", True), ("text/x-anything", True), ("application/json", True), ("application/ld+json", True),
        ("image/svg+xml", True), ("application/wasm", True), ("image/png", False), ("application/zip", False),
        ("application/octet-stream", False), ("video/mp4", False), ("", False), ("textual/html", False),
        ("application/jsonx", False), ("font/woff2", False),
    ],
)  # fmt: skip
def test_types_that_compress_well(media_type: str, is_taken: bool) -> None:
    """Nothing is served here, so there is no cell."""
    assert matches(check_types(TYPES), media_type) is is_taken


@ONE_FOR_EACH_GATEWAY
def test_types_can_be_said(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.compression(types=["Application/X-Mine"], codings=["gzip"])
    app.get("/{kind:path}")(lambda kind: Response(TEXT.encode(), content_type=kind))
    client = make_client(app)
    assert unpacked(client.get("/application/x-mine", headers=GZIP)) == TEXT.encode()
    assert client.get("/text/plain", headers=GZIP).text == TEXT
    for number in range(300):  # of as many as there are, no more than some are remembered
        assert client.get(f"/text/x-{number}", headers=GZIP).text == TEXT


@ONE_FOR_EACH_GATEWAY
def test_the_same_body_is_the_same_bytes(app: App, client: Client) -> None:
    """So both gateways send the same, and a cache can compare."""
    app.get("/")(lambda: TEXT)
    sent = client.get("/", headers=GZIP).content
    assert sent == zlib.compress(TEXT.encode(), 5, 31)
