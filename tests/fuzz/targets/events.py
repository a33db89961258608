"""Event streams: the same events however the stream is cut, as the standard's own words have them, and as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from ambi import Event
from ambi.core.json import StandardJSON
from ambi.features.sse import encode_event
from ambi.testing.event_stream import EventStreamReader
from tests.features.event_stream import Reader
from tests.fuzz.finding import found
from tests.fuzz.properties import check_work, chunks

CODEC = StandardJSON()
CUTS = 3


def check(data: bytes) -> None:
    """Check one stream, and one event made of it."""
    cuts, stream = data[:CUTS], data[CUTS:]
    whole, cut = EventStreamReader(), EventStreamReader()
    events = whole.feed(stream)
    assert [event for piece in chunks(stream, cuts) for event in cut.feed(piece)] == events
    assert (cut.last_event_id, cut.retry, cut.comments) == (whole.last_event_id, whole.retry, whole.comments)
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff").encode()
    wanted = Reader().feed(text)
    assert [event[:3] for event in events] == [tuple(event) for event in wanted.events]
    assert whole.last_event_id == wanted.last_id
    assert whole.retry == wanted.retry or re.search("[0-9]{19}", text.decode()) is not None  # more than anybody waits
    _check_writer(stream.decode("utf-8", "replace"))
    check_work(stream, lambda large: EventStreamReader().feed(large))


def _check_writer(text: str) -> None:
    name, _, rest = text.partition(";")
    number, _, content = rest.partition(";")
    with suppress(ValueError):  # what would end a line
        event = Event(content, event=name or None, id=number, comment=name)
        [read] = EventStreamReader().feed(encode_event(event, CODEC))
        lines = content.replace("\r\n", "\n").replace("\r", "\n")
        assert (read.data, read.event, read.id) == (lines, name or "message", number)


def seeds() -> Iterator[bytes]:
    """Give streams."""
    yield from found("events")
    yield b"\1\2\3: hi\r\ndata: a\ndata: b\rid: 7\nevent: quote\nretry: 10\n\n\r\n"
    yield b"\0\0\0\xef\xbb\xbfdata:\xc3\xbc\n\ndata\n\nid: \0\n\n"
    yield b"\1\1\1quote;7;two\nlines\r\nand\rmore"
