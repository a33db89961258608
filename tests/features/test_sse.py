"""Event streams: what is sent, byte by byte, and what an independent reader makes of it."""

import dataclasses
import datetime
import enum
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi import SSE, App, Event, Middleware, Request, Response
from ambi.core.json import StandardJSON
from ambi.testing import Client
from tests.cells import Cell
from tests.features.event_stream import Reader, Received

JSON = StandardJSON()


def encode(item: Any, **options: Any) -> bytes:
    stream = SSE([], **options)
    stream.encode(JSON)
    return stream.encode_item(item)


def read(*chunks: bytes) -> Reader:
    reader = Reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader


# --- in every cell ---


def events_of(cell: Cell, *items: Any) -> Any:
    """Give a stream of items in the colour of the cell."""

    def sync() -> Iterator[Any]:
        yield from items

    async def asynchronous() -> AsyncIterator[Any]:
        for item in items:
            await anyio.sleep(0)
            yield item

    return asynchronous() if cell.is_async else sync()


def test_events_are_sent_in_order(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def stream() -> Response:
        return SSE(events_of(cell, "one", {"n": 2}, Event("three", event="x", id="3"), Event(id="4"), 5))

    response = client.get("/")
    assert response.status_code == 200
    reader = read(response.content)
    assert reader.events == [
        Received("one"), Received('{"n":2}'), Received("three", "x", "3"), Received("5", id="4")
    ]  # fmt: skip
    assert (reader.comments, reader.last_id) == ([" open"], "4")


def test_header_fields_keep_proxies_from_holding_events_back(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: SSE(events_of(cell))))
    headers = client.get("/").headers
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


def test_header_fields_can_be_added_and_replaced(app: App, client: Client, cell: Cell) -> None:
    given_headers = {"cache-control": "no-cache", "x-stream": "7"}
    app.get("/")(cell.handler(lambda: SSE(events_of(cell), headers=given_headers)))
    headers = client.get("/").headers
    assert (headers["cache-control"], headers["x-stream"]) == ("no-cache", "7")


def test_the_stream_opens_before_there_is_an_event(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: SSE(events_of(cell))))
    app.get("/retry")(cell.handler(lambda: SSE(events_of(cell), retry=1500)))
    assert client.get("/").content == b": open\n\n"
    assert client.get("/retry").content == b"retry: 1500\n\n"


def test_values_are_written_by_the_codec_of_the_application(make_client: Any, cell: Cell) -> None:
    class Loud:
        def dumps(self, value: Any) -> str:
            return f"{value!r}!"

        def loads(self, data: bytes) -> Any:
            return None

    app = App(json=Loud())
    app.get("/")(cell.handler(lambda: SSE(events_of(cell, [1], Event([2]), "text"))))
    assert read(make_client(app).get("/").content).events == [Received("[1]!"), Received("[2]!"), Received("text")]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [(None, None), ("", None), ("7", "7"), ("a b", "a b"), ("für", "für"), ("\U0001f600", "\U0001f600")],
)
def test_a_client_says_which_event_it_saw_last(
    app: App, client: Client, cell: Cell, sent: str | None, seen: str | None
) -> None:
    @app.get("/")
    @cell.handler
    def show(request: Request) -> Any:
        return {"id": request.last_event_id}

    # As browsers send it: UTF-8, which the servers hand on as latin-1.
    headers = {} if sent is None else {"last-event-id": sent.encode().decode("latin-1")}
    assert client.get("/", headers=headers).json() == {"id": seen}


def test_an_id_that_is_no_utf_8_is_an_id_that_nobody_knows(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def show(request: Request) -> Any:
        return {"id": request.last_event_id}

    assert client.get("/", headers={"last-event-id": "a\xff"}).json() == {"id": "a\ufffd"}


def test_a_head_iterates_no_event(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: SSE(events_of(cell, "never"))))
    response = client.head("/")
    assert (response.headers["content-type"], response.content) == ("text/event-stream", b"")


def test_a_layer_sees_events_before_they_are_encoded(app: App, client: Client, cell: Cell) -> None:
    def doubled(items: Any) -> Iterator[Any]:
        for item in items:
            yield from (item, item)

    async def doubled_async(items: Any) -> AsyncIterator[Any]:
        async for item in items:
            yield item
            yield item

    @app.middleware
    def double(request: Request) -> Middleware:
        response = yield
        response.body = doubled_async(response.body) if cell.is_async else doubled(response.body)

    app.get("/")(cell.handler(lambda: SSE(events_of(cell, {"a": 1}))))
    assert read(client.get("/").content).events == [Received('{"a":1}')] * 2


def test_items_that_are_no_events_end_the_stream(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: SSE(events_of(cell, "one", b"bytes", "never"))))
    received = bytearray()
    with pytest.raises(TypeError, match="b'bytes'; its items are Events"), client.stream("GET", "/") as response:
        for chunk in response.iter_bytes():
            received += chunk
    assert read(bytes(received)).events == [Received("one")]


# --- how an event is written; nothing is served, so there is no cell ---


@dataclasses.dataclass
class Point:
    x: int


class Mood(enum.Enum):
    GOOD = "good"


@pytest.mark.parametrize(
    ("item", "written"),
    [
        ("hello", b"data: hello\n\n"),
        ("", b"data: \n\n"),
        (" space", b"data:  space\n\n"),
        ("a\nb\r\nc\rd", b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("a\n", b"data: a\ndata: \n\n"),
        ("\r\n\r\n", b"data: \ndata: \ndata: \n\n"),
        ("a\u2028b\x85c\x0bd", "data: a\u2028b\x85c\x0bd\n\n".encode()),
        ("\ud800", b"data: ?\n\n"),
        ({"a": "\n"}, b'data: {"a":"\\n"}\n\n'),
        ([1], b"data: [1]\n\n"),
        (7, b"data: 7\n\n"),
        (True, b"data: true\n\n"),
        (Point(3), b'data: {"x":3}\n\n'),
        (Mood.GOOD, b'data: "good"\n\n'),
        (datetime.date(2026, 1, 2), b'data: "2026-01-02"\n\n'),
        (Event(), b"\n"),
        (Event(id=""), b"id: \n\n"),
        (Event(retry=0), b"retry: 0\n\n"),
        (Event(comment="a\nb: c"), b": a\n: b: c\n\n"),
        (Event("d", event="", id="ü"), "id: ü\nevent: \ndata: d\n\n".encode()),
        (Event({"a": 1}, event="e", id="i", retry=5, comment="c"),
         b': c\nid: i\nevent: e\nretry: 5\ndata: {"a":1}\n\n'),
    ],
)  # fmt: skip
def test_an_event_is_written_as_the_standard_has_it(item: Any, written: bytes) -> None:
    assert encode(item) == written


@pytest.mark.parametrize("item", [b"a", bytearray(b"a"), memoryview(b"a"), None])
def test_bytes_and_none_are_no_events(item: Any) -> None:
    with pytest.raises(TypeError, match="Events, text or JSON-able values"):
        encode(item)


def test_what_is_no_json_is_no_event() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        encode(object())


LINES = st.text(st.sampled_from("ab:\n\r \u2028\x85\x0b\0\ufeffdatid")) | st.text()
ONE_LINE = LINES.map(lambda text: text.replace("\r", "").replace("\n", "").replace("\0", ""))
FIELDS = st.fixed_dictionaries(
    {"data": st.none() | LINES | st.dictionaries(st.text(), st.integers() | st.text())},
    optional={"id": ONE_LINE, "retry": st.integers(0, 10**9), "comment": LINES, "event": ONE_LINE},
).filter(lambda fields: "event" not in fields or fields["data"] is not None)


@given(st.lists(FIELDS, max_size=5), st.integers(1, 7))
def test_a_reader_gets_back_what_was_sent(sent: list[dict[str, Any]], size: int) -> None:
    stream = encode(Event(comment=": open")) + b"".join(
        encode(Event(fields["data"], **{k: v for k, v in fields.items() if k != "data"})) for fields in sent
    )
    text = stream.decode()  # cut between characters: a reader decodes as it goes
    reader = read(*(text[at : at + size].encode() for at in range(0, len(text), size)))
    expected, last_id, retry = [], "", None
    for fields in sent:
        last_id = fields.get("id", last_id).encode("utf-8", "replace").decode()
        retry = fields.get("retry", retry)
        data = fields["data"]
        if data is not None:
            if not isinstance(data, str):
                data = JSON.dumps(data).decode()
            data = data.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
            expected.append(Received(data, fields.get("event") or "message", last_id))
    assert (reader.events, reader.last_id, reader.retry) == (expected, last_id, retry)


@given(st.text() | LINES)
def test_hostile_text_never_leaves_its_event(text: str) -> None:
    reader = read(encode(text), encode("end"))
    assert len(reader.events) == 2
    assert reader.events[1] == Received("end")
    assert (reader.last_id, reader.retry, reader.comments) == ("", None, [])


def test_an_event_for_many_clients_is_encoded_once() -> None:
    class Counting(StandardJSON):
        calls = 0

        def dumps(self, value: Any, /) -> bytes:
            self.calls += 1
            return super().dumps(value)

    event, codec = Event({"a": 1}), Counting()
    for _ in range(3):
        stream = SSE([])
        stream.encode(codec)
        assert stream.encode_item(event) == b'data: {"a":1}\n\n'
    assert codec.calls == 1
    other = SSE([])
    other.encode(again := Counting())
    assert other.encode_item(event) == b'data: {"a":1}\n\n'
    assert again.calls == 1, "another application has a codec of its own"


# --- the response ---


def test_how_it_is_sent() -> None:
    stream = SSE([])
    assert (stream.idle_s, stream.idle_item, stream.ends_at_stop) == (15, b": keep-alive\n\n", True)
    assert SSE([], keep_alive_s=0).idle_s == 0
    assert repr(stream) == "<SSE 200>"


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, 7, None, lambda: None])
def test_what_is_no_stream_of_events_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="SSE takes an iterable or async iterable"):
        SSE(value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keep_alive_s": -1}, ValueError, "0 or more seconds, not -1"),
        ({"keep_alive_s": float("nan")}, ValueError, "0 or more seconds"),
        ({"retry": -1}, ValueError, "0 or more milliseconds"),
        ({"retry": "1"}, TypeError, "whole number"),
        ({"headers": {"x": "a\nb"}}, ValueError, "a\\\\nb"),
    ],
)
def test_options_that_cannot_be_are_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SSE([], **options)
