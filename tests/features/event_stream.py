"""An independent reader of event streams, written after the HTML standard's algorithm line by line.

See: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from typing import NamedTuple


class Received(NamedTuple):
    """An event as a page is told of it."""

    data: str
    event: str = "message"
    id: str = ""


class Reader:
    """Reads a stream that may come in pieces.

    Attributes:
        events: those told of.
        last_id: what would be sent as Last-Event-ID.
        retry: the reconnection time, in milliseconds, if one was given.
        comments: without their colon.
    """

    def __init__(self) -> None:
        self.events: list[Received] = []
        self.comments: list[str] = []
        self.last_id = ""
        self.retry: int | None = None
        self._data, self._type, self._id = "", "", ""
        self._rest = ""

    def feed(self, chunk: bytes) -> "Reader":
        text = self._rest + chunk.decode("utf-8")
        while True:
            ends = [at for at in (text.find("\n"), text.find("\r")) if at >= 0]
            if not ends:
                break
            end = min(ends)
            width = 2 if text[end : end + 2] == "\r\n" else 1
            self._line(text[:end])
            text = text[end + width :]
        self._rest = text
        return self

    def _line(self, line: str) -> None:
        if line == "":
            self._dispatch()
        elif line[0] == ":":
            self.comments.append(line[1:])
        elif ":" in line:
            name, _, value = line.partition(":")
            self._field(name, value[1:] if value[:1] == " " else value)
        else:
            self._field(line, "")

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value and all(digit in "0123456789" for digit in value):
            self.retry = int(value)

    def _dispatch(self) -> None:
        self.last_id = self._id
        if self._data == "":
            self._type = ""
            return
        data = self._data.removesuffix("\n")
        self.events.append(Received(data, self._type or "message", self.last_id))
        self._data, self._type = "", ""
