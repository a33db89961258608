"""The event: what a broadcast delivers and an event stream sends. One small value that both know.

See: the HTML standard, "Server-sent events", https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_put = object.__setattr__


class Event:
    """One event of an event stream; immutable.

    Args:
        data: text, sent as it is, or any other JSON-able value; None sends no data, and then a browser is told of no
            event: it takes note of `id` and `retry` alone.
        event: the event's type, for `addEventListener`; a browser takes "message" when there is none.
        id: what the client sends as `Last-Event-ID` when it comes back; "" makes it forget the id it has.
        retry: how long the client waits before it comes back, in milliseconds.
        comment: text that clients skip.

    Raises:
        ValueError: `event` or `id` holds what would end its line, `retry` is negative, or there is an `event`
            without data, which no browser would tell of.

    Example:
        >>> Event({"price": 12}, event="quote", id="7")
        Event({'price': 12}, event='quote', id='7')
    """

    __slots__ = ("_encoded", "comment", "data", "event", "id", "retry")

    data: Any
    event: str | None
    id: str | None
    retry: int | None
    comment: str | None
    _encoded: Any  # kept by who encodes it: one event goes to many clients

    def __init__(
        self,
        data: Any = None,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None:
        if event is not None:
            _check_line("event", event, "\r\n")
            if data is None:
                raise ValueError(f'the event {event!r:.80} has no data, so no browser would tell of it; give data=""')
        if id is not None:
            _check_line("id", id, "\r\n\0")
        if retry is not None:
            check_retry(retry)
        if comment is not None and not isinstance(comment, str):
            raise TypeError(f"the comment of an event must be a str, not {comment!r:.80}")
        _put(self, "data", data)
        _put(self, "event", event)
        _put(self, "id", id)
        _put(self, "retry", retry)
        _put(self, "comment", comment)
        _put(self, "_encoded", None)

    def with_id(self, id: str) -> Event:
        """Give the same event with this id. Raises: ValueError as for an event."""
        return Event(self.data, event=self.event, id=id, retry=self.retry, comment=self.comment)

    def keep_encoded(self, encoded: Any) -> None:
        """Keep an encoded form of this event, for the next client that it goes to."""
        _put(self, "_encoded", encoded)

    def _parts(self) -> tuple[Any, ...]:
        return self.data, self.event, self.id, self.retry, self.comment

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Event cannot be changed; make another one (tried to set {name!r})")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an Event cannot be changed; make another one (tried to delete {name!r})")

    def __eq__(self, other: object) -> bool:
        return self._parts() == other._parts() if isinstance(other, Event) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.event, self.id))  # the data may be a dict

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _remake, self._parts()

    def __repr__(self) -> str:
        given = [repr(self.data)] if self.data is not None else []
        for name in ("event", "id", "retry", "comment"):
            value = getattr(self, name)
            if value is not None:
                given.append(f"{name}={value!r}")
        return f"Event({', '.join(given)})"


def _remake(data: Any, event: str | None, id: str | None, retry: int | None, comment: str | None) -> Event:
    return Event(data, event=event, id=id, retry=retry, comment=comment)


def _check_line(name: str, value: str, refused: str) -> None:
    """Refuse what would end a line early. An id with NUL is ignored by browsers, so it would be of no use."""
    if not isinstance(value, str):
        raise TypeError(f"the {name} of an event must be a str, not {value!r:.80}")
    for character in refused:
        if character in value:
            raise ValueError(f"the {name} of an event must be one line without NUL, not {value!r:.80}")


def check_retry(retry: int) -> int:
    """Give a reconnection time in milliseconds. Raises: TypeError, ValueError for what is none."""
    if not isinstance(retry, int) or isinstance(retry, bool):
        raise TypeError(f"retry must be a whole number of milliseconds, not {retry!r:.80}")
    if retry < 0:
        raise ValueError(f"retry must be 0 or more milliseconds, not {retry!r}")
    return int(retry)
