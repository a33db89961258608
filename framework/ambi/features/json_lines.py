"""A stream of JSON values, one a line.

Facts
- `application/jsonl` is what OpenAPI's registry of media types and other frameworks call the format; neither it nor
  the older `application/x-ndjson` is registered with IANA, and an `x-` is no longer given to new types (RFC 6648).
- A line break in a JSON text can only stand between tokens (RFC 8259 7: control characters in strings are escaped), so
  a codec that writes some for looks may have them replaced by spaces.

See: https://jsonlines.org
"""

from __future__ import annotations

from ..core.response import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from typing import Any

    from ..core.json import JSONCodec


class JSONLines(Stream):
    """Send values as JSON, one a line, as they come.

    Args:
        iterable: its items are JSON-able values, written by the application's codec; of either colour.
        content_type: "application/jsonl" by default.
        status: 200 to 599.
        headers: further header fields. By default nginx is told not to hold lines back.

    Raises:
        TypeError: it is no iterable of values; or, while it is sent, an item cannot be written as JSON.

    Example:
        >>> @app.get("/orders.jsonl")
        ... def orders():
        ...     return JSONLines({"id": row.id} for row in rows)
    """

    __slots__ = ("_codec",)

    _codec: JSONCodec

    def __init__(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        *,
        content_type: str = "application/jsonl",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(iterable, content_type, status, {"x-accel-buffering": "no", **(headers or {})})

    def encode(self, codec: JSONCodec) -> None:
        """Take the application's codec."""
        self._codec = codec

    def encode_item(self, item: Any) -> bytes:
        """Write one value and the end of its line. Raises what the codec raises."""
        data = self._codec.dumps(item)
        if not isinstance(data, bytes):
            data = data.encode("utf-8", "replace")
        if b"\n" in data or b"\r" in data:
            data = data.replace(b"\r", b" ").replace(b"\n", b" ")
        return data + b"\n"
