"""Bodies are streamed both ways: a test can send step by step, and read step by step. In every cell."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ambi import SSE, App, BodyStream, Event, Limits, Request, Stream, Text
from ambi.testing import Client, NotAnEventStream, ServerSentEvent
from ambi.testing.wsgi import ChunkedInput
from tests.cells import Cell
from tests.conftest import MakeClient


@pytest.fixture
def events() -> list[str]:
    """Give a list for what happens, on either side."""
    return []


@pytest.fixture
def reading(app: App, cell: Cell, events: list[str]) -> None:
    """Register a handler that reads its body chunk by chunk."""

    def got(chunk: bytes) -> None:
        events.append(f"got {chunk.decode()}")

    def read(stream: BodyStream) -> str:
        for chunk in stream:
            got(chunk)
        return "all"

    async def read_async(stream: BodyStream) -> str:
        async for chunk in stream:
            got(chunk)
        return "all"

    app.post("/")(cell.pick(read, read_async))


def test_a_chunk_is_taken_when_the_application_asks_for_it(reading: None, client: Client, events: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        for name in (b"a", b"b", b"c"):
            events.append(f"send {name.decode()}")
            yield name

    assert client.post("/", content=chunks()).text == "all"
    assert events == ["send a", "got a", "send b", "got b", "send c", "got c"]


def test_chunks_that_nobody_reads_are_not_taken(app: App, client: Client, cell: Cell, events: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        events.append("send")
        yield b"a"

    def ignore(stream: BodyStream) -> str:
        return "no, thanks"

    app.post("/")(cell.handler(ignore))
    assert (client.post("/", content=chunks()).text, events) == ("no, thanks", [])


def test_a_body_that_is_too_large_is_taken_no_further(make_client: MakeClient, cell: Cell, events: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            events.append("send")
            yield b"x" * 1000

    app = App(limits=Limits(max_body_bytes=3000))
    app.post("/")(cell.handler(lambda request: str(len(request.body))))
    assert (make_client(app).post("/", content=chunks()).status_code, len(events)) == (413, 4)


def test_what_the_chunks_raise_is_raised_in_the_test(reading: None, client: Client, events: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("of the test")

    with pytest.raises(LookupError, match="of the test"):
        client.post("/", content=chunks())
    assert events == ["got a"]


def test_a_body_may_be_answered_while_it_is_sent(app: App, client: Client, cell: Cell, events: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        for name in (b"a", b"b"):
            events.append(f"send {name.decode()}")
            yield name

    def echo(stream: BodyStream) -> Stream:
        return Stream(chunk.upper() for chunk in stream)

    async def echo_async(stream: BodyStream) -> Stream:
        async def chunks() -> Any:
            async for chunk in stream:
                yield chunk.upper()

        return Stream(chunks())

    app.post("/")(cell.pick(echo, echo_async))
    with client.stream("POST", "/", content=chunks()) as response:
        assert b"".join(response.iter_bytes()) == b"AB"
    assert events == ["send a", "send b"]


def test_an_iterable_with_a_length_of_its_own_is_not_called_chunked(app: App, client: Client, cell: Cell) -> None:
    def tell(request: Request) -> list[Any]:
        return [request.headers.get("content-length"), request.headers.get("transfer-encoding"), request.text]

    app.post("/")(cell.handler(tell))
    assert client.post("/", content=[b"a", b"b"], headers={"content-length": "2"}).json() == ["2", None, "ab"]
    assert client.post("/", content=[b"a", b"b"]).json() == [None, "chunked", "ab"]


def test_a_body_that_can_only_be_awaited_is_refused(client: Client) -> None:
    async def chunks() -> Any:
        yield b""

    with pytest.raises(TypeError, match="see AsyncClient"):
        client.post("/", content=chunks())


# --- reading ---


@pytest.fixture
def streaming(app: App, cell: Cell) -> None:
    """Register a handler that streams text whose characters and lines are cut."""
    data = "één\r\ntwo\nthree\rfour".encode()
    app.get("/")(cell.handler(lambda: Stream([data[:1], data[1:6], data[6:7], data[7:]], content_type="text/plain; charset=utf-8")))  # fmt: skip


def test_text_is_not_cut_within_a_character(streaming: None, client: Client) -> None:
    with client.stream("GET", "/") as response:
        assert "".join(response.iter_text()) == "één\r\ntwo\nthree\rfour"


def test_lines_end_as_they_like(streaming: None, client: Client) -> None:
    with client.stream("GET", "/") as response:
        assert list(response.iter_lines()) == ["één", "two", "three", "four"]


def test_what_was_read_can_be_read_again(streaming: None, client: Client) -> None:
    response = client.get("/")
    assert b"".join(response.iter_bytes()) == response.content == response.read()
    assert list(response.iter_lines()) == ["één", "two", "three", "four"]


def test_what_was_given_out_is_gone(streaming: None, client: Client) -> None:
    with client.stream("GET", "/") as response:
        list(response.iter_bytes())
        with pytest.raises(RuntimeError, match="given out item by item already"):
            response.read()


def test_what_was_not_read_in_time_is_gone(streaming: None, client: Client) -> None:
    with client.stream("GET", "/") as response:
        pass
    with pytest.raises(RuntimeError, match="was not read before its `with` block was left"):
        assert response.text


def test_what_the_test_raises_comes_before_what_the_application_raises(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[str]:
        yield "first"
        raise LookupError("of the application")

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    with pytest.raises(KeyError, match="of the test"), client.stream("GET", "/"):
        raise KeyError("of the test")


def test_a_stream_may_be_left(app: App, client: Client, cell: Cell, events: list[str]) -> None:
    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            events.append("closed")

    app.get("/")(cell.handler(lambda: Stream(cell.handler(endless)())))
    with client.stream("GET", "/") as response:
        assert next(response.iter_bytes()) == b"x"
    assert events == ["closed"]


@pytest.mark.parametrize(("length", "most"), [(1, 3000), (1000, 3000), (1 << 20, 4)])
def test_an_application_does_not_run_ahead_for_ever(
    app: App, client: Client, cell: Cell, length: int, most: int
) -> None:
    """As it does not of a slow client of a server: what is held for it is about a mebibyte."""
    made: list[int] = []
    chunk = "x" * length

    def endless() -> Iterator[str]:
        while True:
            made.append(1)
            yield chunk

    app.get("/")(cell.handler(lambda: Stream(cell.handler(endless)())))
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        next(chunks)
        time.sleep(0.1)
        assert len(made) < most
        before = len(made)
        for _ in range(before + 100):
            next(chunks)
        assert len(made) > before


# --- events ---


@pytest.fixture
def sse(app: App, cell: Cell) -> None:
    """Register an event stream."""

    def stream() -> Iterator[Event]:
        yield Event({"n": 1}, event="count", id="1", retry=500)
        yield Event("two\nlines")
        yield Event(id="9")

    app.get("/events")(cell.handler(lambda: SSE(cell.handler(stream)())))
    app.get("/told")(cell.handler(lambda request: SSE([request.headers["accept"], request.headers["last-event-id"]])))
    app.get("/text")(cell.handler(lambda: "text"))


def test_events_come_one_by_one(sse: None, client: Client) -> None:
    with client.events("/events") as events:
        first = next(events)
        assert (first, first.json()) == (ServerSentEvent('{"n":1}', "count", "1", 500), {"n": 1})
        assert list(events) == [ServerSentEvent("two\nlines", "message", "1")]
        assert (events.last_event_id, events.retry, events.comments) == ("9", 500, ["open"])
        assert events.response.headers["content-type"] == "text/event-stream"


def test_a_client_that_comes_back_says_what_it_has_seen(sse: None, client: Client) -> None:
    with client.events("/told", last_event_id="7") as events:
        assert [event.data for event in events] == ["text/event-stream", "7"]


def test_what_is_no_event_stream_is_told(sse: None, client: Client) -> None:
    with pytest.raises(NotAnEventStream, match=r"with 200 text/plain; charset=utf-8; 200 text/event-stream"), client.events("/text"):  # fmt: skip
        pass
    with pytest.raises(NotAnEventStream, match="answered with 404") as caught, client.events("/missing"):
        pass
    assert caught.value.response.status_code == 404


# --- the input of a WSGI application ---


def test_an_input_in_chunks_is_read_as_a_file() -> None:
    """WSGI alone, and what ambi itself does not use of it."""
    assert ChunkedInput([b"a", b"", b"bc"]).read() == b"abc"
    source = ChunkedInput([b"one\ntw", b"o\nlast"])
    assert (source.read(2), source.readline(), source.readline(2), source.readlines()) == (
        b"on",
        b"e\n",
        b"tw",
        [b"o\n", b"last"],
    )
    assert (source.read(1), list(source)) == (b"", [])


def test_text_is_read_with_the_charset_of_its_type(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: Stream(["ü".encode("latin-1")], content_type="text/plain; charset=latin-1")))
    with client.stream("GET", "/") as response:
        assert (list(response.iter_text()), response.encoding) == (["ü"], "latin-1")
    app.get("/plain")(cell.handler(lambda: Text("ü")))
    assert client.get("/plain").encoding == "utf-8"
