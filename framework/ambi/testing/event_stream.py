"""Reading event streams. See: the HTML standard, "Interpreting an event stream".

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
import json as json_module
from typing import NamedTuple

from ..core.url import DIGITS
from .encoding import over_defaults
from .errors import NotAnEventStream
from .lines import LineCutter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from .encoding import RequestOptions
    from .messages import Response

_MAX_DIGITS = 18
"""Of a reconnection time: more are more than anybody waits, and `int` refuses thousands of them."""


class ServerSentEvent(NamedTuple):
    """An event as a page is told of it.

    Attributes:
        data: its text; several lines are joined by LF.
        event: its type; "message" where none was sent.
        id: the last id that was sent up to here, "" for none.
        retry: the reconnection time in milliseconds that came with it, None for none.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data as JSON."""
        return json_module.loads(self.data)


class EventStreamReader:
    """Makes events of bytes that come in pieces.

    Attributes:
        last_event_id: what a client sends as `Last-Event-ID` when it comes back.
        retry: the last reconnection time, in milliseconds; None where none was sent.
        comments: all comments up to here, without their colon and the space behind it.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines = LineCutter()
        self._is_first = True
        self._data: list[str] = []
        self._type = self._id = ""
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes; give the events that are complete with them."""
        text = self._decoder.decode(chunk)
        if self._is_first and text:
            self._is_first, text = False, text.removeprefix("\ufeff")
        return [event for event in map(self._read_line, self._lines.feed(text)) if event is not None]

    def _read_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if colon and not name:
            self.comments.append(value)
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and 0 < len(value) <= _MAX_DIGITS and DIGITS.issuperset(value):
            self.retry = self._retry = int(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id
        data, kind, retry = self._data, self._type, self._retry
        self._data, self._type, self._retry = [], "", None
        return ServerSentEvent("\n".join(data), kind or "message", self._id, retry) if data else None


class EventStream(EventStreamReader):
    """The events of an answer: `for event in events`, or `async for` of an `AsyncClient`.

    It has what a reader has, and `response`.

    Raises:
        NotAnEventStream: the answer is none.
    """

    def __init__(self, response: Response) -> None:
        content_type = response.headers.get("content-type", "")
        if response.status_code != 200 or content_type.partition(";")[0].strip().lower() != "text/event-stream":
            raise NotAnEventStream(
                f"{response.request.method} {response.url} was answered with {response.status_code}"
                f" {content_type or 'without a type'}; 200 text/event-stream was expected",
                response,
            )
        super().__init__()
        self.response = response
        self._events = self._iterate()
        self._chunks = response.aiter_bytes()
        self._ready: list[ServerSentEvent] = []

    def _iterate(self) -> Iterator[ServerSentEvent]:
        for chunk in self.response.iter_bytes():
            yield from self.feed(chunk)

    def __iter__(self) -> Iterator[ServerSentEvent]:
        return self._events

    def __next__(self) -> ServerSentEvent:
        return next(self._events)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        while not self._ready:
            self._ready = self.feed(await anext(self._chunks))
        return self._ready.pop(0)


def as_event_stream(options: RequestOptions, last_event_id: str | None) -> RequestOptions:
    """Give the options of a request for an event stream: what a browser sends, and what is given."""
    lines = [("accept", "text/event-stream"), ("cache-control", "no-store")]
    if last_event_id is not None:
        lines.append(("last-event-id", last_event_id))
    return {**options, "headers": over_defaults(lines, options.get("headers"))}
