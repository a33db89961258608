"""Event streams (server-sent events), and resuming them after the id that a client saw.

    SSE       the response: fills in how its items are sent; the gateways send them
    Replay    the last events of one process, by id

Facts
- A line ends with CRLF, LF or CR, and with no other of Unicode's line ends. A blank line ends an event.
- A client skips lines that begin with a colon: a comment opens the stream at once, and keeps it alive.
- An event without a `data` line is not told of, but its id counts.
- `no-store`: nobody may keep a copy of what never ends. `no-transform`: proxies and development servers that compress
  would hold events back (RFC 9110 7.7). `X-Accel-Buffering: no` tells nginx the same.
- The stream is UTF-8 always, so its content type needs no charset.

See: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import collections
import os
import threading
import weakref

from ..core.chance import random_bytes
from ..core.events import Event, check_retry
from ..core.response import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from typing import Any

    from ..core.json import JSONCodec

_HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


class SSE(Stream):
    """Send events as they come, to an `EventSource` in a browser or any other client of event streams.

    Args:
        iterable: its items are `Event`s, text (the data of an event), or other values, written as JSON by the
            application's codec; of either colour. It is closed on every exit.
        keep_alive_s: a comment is sent whenever nothing was for so many seconds, 15 by default, so that proxies do
            not take the connection for dead and a client that left is noticed; 0 for never.
        retry: how long clients wait before they come back, in milliseconds; their own choice by default.
        headers: further header fields; those that keep proxies from holding events back can be replaced.

    Raises:
        TypeError: it is no iterable of events; or, while it is sent, an item is bytes, None, or no JSON-able value.
        ValueError: a number that cannot be.

    Example:
        >>> @app.get("/clock")
        ... def clock():
        ...     return SSE(Event(time.ctime(), event="tick") for _ in iter(lambda: time.sleep(1), 0))

    The response starts at once, before there is an event, and the stream ends when the server is about to stop: the
    client comes back by itself, to another process, with the last id it saw. Under WSGI each stream takes a thread of
    the server for as long as it lasts.

    See: the HTML standard, "Server-sent events", https://html.spec.whatwg.org/multipage/server-sent-events.html
    """

    __slots__ = ("_codec", "idle_s", "opening")

    idle_item = b": keep-alive\n\n"
    _codec: JSONCodec

    def __init__(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        *,
        keep_alive_s: float = 15,
        retry: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not keep_alive_s >= 0:
            raise ValueError(f"keep_alive_s must be 0 or more seconds, not {keep_alive_s!r}")
        super().__init__(iterable, "text/event-stream", headers=_HEADERS, ends_at_stop=True)
        if headers:
            self.headers.update(headers)
        self.idle_s = keep_alive_s
        self.opening = b": open\n\n" if retry is None else b"retry: %d\n\n" % check_retry(retry)

    def encode(self, codec: JSONCodec) -> None:
        """Take the application's codec."""
        self._codec = codec

    def encode_item(self, item: Any) -> bytes:
        """Write one event. Raises: TypeError for bytes and None, and what the codec raises."""
        if not isinstance(item, Event):
            if item is None or isinstance(item, (bytes, bytearray, memoryview)):
                raise TypeError(
                    f"an event stream was given {item!r:.80}; its items are Events, text or JSON-able values"
                    " (decode bytes; send JSON's null as text)"
                )
            return b"%b\n" % _field(b"data: ", _text_of(item, self._codec))
        kept = item._encoded
        if kept is None or kept[0] is not self._codec:
            kept = self._codec, encode_event(item, self._codec)
            item.keep_encoded(kept)  # the next client of a broadcast gets the same bytes
        encoded: bytes = kept[1]
        return encoded


def encode_event(event: Event, codec: JSONCodec) -> bytes:
    """Write an event as it is sent, blank line included. Raises what the codec raises."""
    out = b""
    if event.comment is not None:
        out += _field(b": ", event.comment.encode("utf-8", "replace"))
    if event.id is not None:
        out += b"id: %b\n" % event.id.encode("utf-8", "replace")
    if event.event is not None:
        out += b"event: %b\n" % event.event.encode("utf-8", "replace")
    if event.retry is not None:
        out += b"retry: %d\n" % event.retry
    if event.data is not None:
        out += _field(b"data: ", _text_of(event.data, codec))
    return out + b"\n"


def _text_of(data: Any, codec: JSONCodec) -> bytes:
    """Give the data as it stands in the stream: text as it is, anything else as JSON."""
    if not isinstance(data, str):
        data = codec.dumps(data)
        if isinstance(data, bytes):
            return data
    return str.encode(data, "utf-8", "replace")


def _field(name: bytes, value: bytes) -> bytes:
    """Write a value of any number of lines, each with the field's name: none can break out of its event."""
    if b"\r" in value:
        value = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in value:
        value = value.replace(b"\n", b"\n" + name)
    return b"%b%b\n" % (name, value)


class Replay:
    """Remember the last events, so that a client that comes back gets what it missed.

    One process, one stream of events; `Broadcast` does this over processes, and delivers new events too. Usable from
    any thread and from both colours: nothing here waits.

    Args:
        size: how many events are remembered, 1,000 by default.

    Example:
        >>> replay = Replay(size=100)
        >>> first = replay.add("one")
        >>> replay.add("two").data
        'two'
        >>> [event.data for event in replay.after(first.id)]
        ['two']
    """

    def __init__(self, size: int = 1000) -> None:
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be a number of events, at least 1, not {size!r}")
        self._events: collections.deque[Event] = collections.deque(maxlen=size)
        self._locks: dict[str, threading.Lock] = {}  # made when first needed: gevent patches locks after a preload
        self._origin = ""  # of ids that are made here: a number alone would look like one of an earlier process
        self._count = 0
        _all.add(self)

    def _lock(self) -> threading.Lock:
        return self._locks.setdefault("", threading.Lock())

    def add(self, event: Any) -> Event:
        """Remember an event, and give it as it is to be sent: with an id. What is no `Event` is the data of one."""
        added: Event = event if isinstance(event, Event) else Event(event)
        with self._lock():
            self._count += 1
            if not added.id:
                self._origin = self._origin or random_bytes(8).hex()
                added = added.with_id(f"{self._origin}-{self._count}")
            self._events.append(added)
        return added

    def after(self, last_event_id: str | None, *, if_missed: Event | None = None) -> list[Event]:
        """Give the events after the one with this id, oldest first.

        Args:
            last_event_id: `request.last_event_id`; None, a client that comes for the first time, gets nothing.
            if_missed: sent first where the id is not known (any more): something may be lost that nobody can give
                back, and the client should fetch afresh what it shows.

        Returns:
            the events; all that are left where the id is not known.
        """
        if last_event_id is None:
            return []
        with self._lock():
            events = list(self._events)
        for index in range(len(events) - 1, -1, -1):
            if events[index].id == last_event_id:
                return events[index + 1 :]
        return events if if_missed is None else [if_missed, *events]

    def _forget(self) -> None:
        """Make ids of this process from now on, and wait for no thread of the one before it."""
        self._origin = ""
        self._locks.clear()


_all: weakref.WeakSet[Replay] = weakref.WeakSet()


def _forget_after_fork() -> None:
    for replay in list(_all):
        replay._forget()


os.register_at_fork(after_in_child=_forget_after_fork)
