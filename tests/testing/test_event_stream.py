"""Event streams are read as the HTML standard has it. Bytes alone: there is no cell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambi.testing import EventStreamReader, ServerSentEvent
from tests.features.event_stream import Reader


def read(*chunks: bytes) -> list[ServerSentEvent]:
    reader = EventStreamReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("a",)]),
        (b"data: a\r\n\r\ndata:b\r\rdata\n\n", [("a",), ("b",), ("",)]),
        (b"\xef\xbb\xbfdata: bom\n\n", [("bom",)]),
        (b"data: a\ndata:  b\ndata:\n\n", [("a\n b\n",)]),
        (b"event: add\ndata: 1\n\ndata: 2\n\n", [("1", "add"), ("2",)]),
        (
            b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [("a", "message", "7"), ("b", "message", "7"), ("c", "message", "")],
        ),
        (b"id: a\0b\ndata: a\n\n", [("a",)]),
        (b"retry: 500\ndata: a\n\nretry: x\ndata: b\n\n", [("a", "message", "", 500), ("b",)]),
        (b"id: 1\n\nevent: none\n\ndata: a\n\n", [("a", "message", "1")]),
        (b": comment\nother: x\n:\ndata: a\n\n", [("a",)]),
        (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [("a",)]),  # more than anybody waits, and than `int` takes
        (b"data: never ended", []),
        (b"data: \xff\n\n", [("\ufffd",)]),
    ],
)
def test_a_stream_is_read_as_a_browser_does(stream: bytes, events: list[tuple[str, ...]]) -> None:
    expected = [ServerSentEvent(*event) for event in events]  # type: ignore[arg-type]
    assert read(stream) == expected
    assert read(*(bytes([byte]) for byte in stream)) == expected


def test_an_event_is_there_with_the_cr_that_ends_it() -> None:
    reader = EventStreamReader()
    assert reader.feed(b"data: a\r\r") == [ServerSentEvent("a")]
    assert reader.feed(b"\ndata: b\r\n\r") == [ServerSentEvent("b")]


def test_a_reader_knows_what_is_no_event() -> None:
    reader = EventStreamReader()
    reader.feed(b": hello\n:there\nid: 3\nretry: 20\n\n")
    assert (reader.comments, reader.last_event_id, reader.retry) == (["hello", "there"], "3", 20)


def test_the_data_of_an_event_may_be_json() -> None:
    assert ServerSentEvent('{"a": 1}').json() == {"a": 1}


fields = st.sampled_from(["data", "event", "id", "retry", "", "other"])
lines = st.builds(
    lambda f, c, v: f + c + v,
    fields,
    st.sampled_from([":", ": ", ""]),
    st.sampled_from(["", "1", "a b", ":", "\0", "ü"]),
)
streams = st.lists(lines | st.just(""), max_size=12).flatmap(
    lambda found: st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=len(found), max_size=len(found)).map(
        lambda ends: "".join(line + end for line, end in zip(found, ends, strict=True)).encode()
    )
)


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(stream=streams, cut=st.integers(0, 80))
def test_it_reads_what_the_standard_says_line_by_line(stream: bytes, cut: int) -> None:
    """Held against the reader of the tests of SSE, which was written after the standard independently."""
    ours, theirs = EventStreamReader(), Reader().feed(stream + b"\n")
    found = ours.feed(stream[:cut]) + ours.feed(stream[cut:]) + ours.feed(b"\n")
    assert [(e.data, e.event, e.id) for e in found] == [(e.data, e.event, e.id) for e in theirs.events]
    assert ours.retry == theirs.retry
