"""The body of a request: read within limits before the handler runs, or streamed to it.

Facts
- A request has a body only if it says so: Content-Length above zero, or Transfer-Encoding (RFC 9110 6.4); over
  HTTP/2, and in what ASGI knows of a request, it may say neither. Then it is read to see whether there is one.
- Bytes received are counted, whatever the length declared.
- Reading has a side like any other piece: the server's thread under WSGI, the event loop under ASGI.
"""

from __future__ import annotations

from typing import Protocol

from .errors import HTTPError
from .forms import MultipartReader, boundary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .request import Request
    from .sides import Side


MULTIPART = "multipart/form-data"


class BodySource(Protocol):
    """Where a gateway's request bodies come from; one object a request that has a body.

    Attributes:
        side: where `read` may be awaited.
        declared: the Content-Length; None without one.
        ahead: the whole body, where it was read ahead.
    """

    side: Side
    declared: int | None
    ahead: bytes | None

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        ...

    async def read(self) -> bytes:
        """Give the next bytes, b"" at the end.

        Raises:
            ClientDisconnected: the client left first.
            HTTPError: 408 without progress, 400 for framing that the server refused.
        """
        ...

    def read_blocking(self) -> bytes:
        """As `read`, from the sync side, whichever side is the source's."""
        ...

    async def read_async(self) -> bytes:
        """As `read`, from the async side, whichever side is the source's."""
        ...

    async def read_ahead(self) -> None:
        """Take in a small body that the client is sending anyway, where that spares a way back to `side` for it.

        Raises:
            ClientDisconnected, HTTPError: as `read`.
        """
        ...

    async def run_io(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run blocking file work where it harms nobody."""
        ...


async def reach_body(request: Request, here: Side) -> Side:
    """Go where the body can be read.

    Raises:
        HTTPError: with which it was refused before the layers were opened.
    """
    request.check_body()
    source = request._body_source
    if source is None:
        source = request._body_source = request._edge.body_source(request)
    return here if source.side is here or source.ahead is not None else await source.side


async def read_ahead(request: Request) -> None:
    """Take in a small body before a thread is taken; a refusal waits for who asks for it, as in `load_body_first`."""
    try:
        await request._edge.body_source(request).read_ahead()
    except HTTPError as exc:
        request.refuse_body(exc)


async def load_body_first(request: Request, here: Side, max_bytes: int, *, raw: bool) -> Side:
    """Do as `reach_body` and `load_body` before the layers are opened.

    A refusal waits for who asks for the body, inside of them.
    """
    try:
        here = await reach_body(request, here)
        await load_body(request, request._body_source, max_bytes, raw=raw)
    except HTTPError as exc:
        request.refuse_body(exc)
    return here


def load_body(
    request: Request, source: BodySource, max_bytes: int, *, raw: bool = False, first: bytes = b""
) -> Awaitable[None]:
    """Read the whole body into the request: as bytes, or as a form that is parsed while it arrives.

    Args:
        request: takes it.
        source: where it comes from.
        max_bytes: of the whole body.
        raw: it is another application's to understand, and stays bytes as it was sent.
        first: what was read of it already.

    Raises:
        HTTPError: 413 past a limit, 415 for a coded body, 400 for a malformed form.
    """
    if source.declared is not None and source.declared > max_bytes:
        raise too_large(max_bytes)
    if raw:
        return _load_bytes(request, source, max_bytes)
    if source.declared is None and not first and request._edge.field(request, "transfer-encoding") is None:
        return _load_unannounced(request, source, max_bytes)
    coding = request._edge.field(request, "content-encoding")
    if coding is not None and coding.strip(" \t").lower() not in ("", "identity"):
        raise HTTPError(
            415,
            "request bodies with a content coding are not accepted",
            headers={"accept-encoding": "identity"},
        )
    if request.content_type[0] == MULTIPART:
        return _load_form(request, source, max_bytes, first)
    return _load_bytes(request, source, max_bytes, first)


async def _load_unannounced(request: Request, source: BodySource, max_bytes: int) -> None:
    """Load what may be a body, which neither a length nor a coding told of; where nothing comes there is none.

    As HTTP/2 and ASGI have it. What the content type says of no body is no reason to refuse it.
    """
    first = b""
    while not (first or source.ended):
        first = await source.read()
    if first:
        await load_body(request, source, max_bytes, first=first)
    else:
        request.loaded_body(first)


async def _load_bytes(request: Request, source: BodySource, max_bytes: int, first: bytes = b"") -> None:
    start = first if source.ahead is None else source.ahead
    chunks: list[bytes] = [start] if start else []
    left = max_bytes - sum(map(len, chunks))
    if left < 0:
        raise too_large(max_bytes)
    while not source.ended:
        chunk = await source.read()
        left -= len(chunk)
        if left < 0:
            raise too_large(max_bytes)
        chunks.append(chunk)
    request.loaded_body(chunks[0] if len(chunks) == 1 else b"".join(chunks))


async def _load_form(request: Request, source: BodySource, max_bytes: int, first: bytes) -> None:
    """Parse a multipart body while it arrives; large files go to disk where blocking harms nobody."""
    reader = MultipartReader(boundary_of(request.headers["content-type"]), request.limits)
    chunk, left = first, max_bytes
    try:
        while chunk or not source.ended:
            left -= len(chunk)
            if left < 0:
                raise too_large(max_bytes)
            if chunk:
                reader.feed(chunk)
            if reader.wants_to_write:
                await source.run_io(reader.write)
            chunk = b"" if source.ended else await source.read()
        if reader.has_unwritten:
            await source.run_io(reader.write)
        request.loaded_form(reader.finish())
    except BaseException:
        reader.close()
        raise


class CountedSource:
    """A body source, for a handler that streams, which refuses to give more than `max_bytes`.

    Raises:
        HTTPError: 413 at once when more is declared.
    """

    __slots__ = ("_left", "_max_bytes", "_source")

    def __init__(self, source: BodySource, max_bytes: int) -> None:
        if source.declared is not None and source.declared > max_bytes:
            raise too_large(max_bytes)
        self._source = source
        self._max_bytes = self._left = max_bytes

    def read_blocking(self) -> bytes:
        """As `BodySource.read_blocking`. Raises: HTTPError 413 past the limit."""
        return self._count(self._source.read_blocking())

    async def read_async(self) -> bytes:
        """As `BodySource.read_async`. Raises: HTTPError 413 past the limit."""
        return self._count(await self._source.read_async())

    def _count(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise too_large(self._max_bytes)
        return chunk


def too_large(max_bytes: int) -> HTTPError:
    """Make the refusal of a body that is too large. See: RFC 9110 15.5.14."""
    return HTTPError(413, f"the request body is larger than {max_bytes} bytes")


class BodyStream:
    """The body of a request, read by the handler itself: `for` in a `def`, `async for` in an `async def`.

    Chunks are bytes, never empty, of whatever size the server gives; read once. Nothing is read ahead: while the
    handler works, the client waits (backpressure). The body limit of the route holds. A streamed response may read it
    while it is sent; a client that sends all before it reads then fills both directions and waits.

    A response may be a stream that is made of it.

    Raises:
        HTTPError: while iterating: 413 past the limit, 400 for framing that the server refused, 408 when nothing came
            for `Limits.body_timeout_s` (under WSGI: for as long as the server waits).
        ClientDisconnected: while iterating: the client left before its body was complete.
        RuntimeError: it was read by `for` on the event loop of an ASGI server.

    Example:
        @app.post("/count")
        async def count(stream: BodyStream):
            total = 0
            async for chunk in stream:
                total += len(chunk)
            return {"bytes": total}
    """

    __slots__ = ("_source",)

    def __init__(self, source: CountedSource | None) -> None:
        self._source = source

    def __iter__(self) -> BodyStream:
        return self

    def __next__(self) -> bytes:
        chunk = b"" if self._source is None else self._source.read_blocking()
        if not chunk:
            raise StopIteration
        return chunk

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        chunk = b"" if self._source is None else await self._source.read_async()
        if not chunk:
            raise StopAsyncIteration
        return chunk
