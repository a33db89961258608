"""Requests as a test sends them, and responses as a client sees them. Names and shapes are httpx's.

A response is read to its end, or item by item and once. That of an `AsyncClient` is read by the names that begin with
`a`; when it was read, all others work as well.
"""

from __future__ import annotations

import codecs
import json as json_module
from http import HTTPStatus
from typing import Generic, TypeVar

from ..core.headers import Headers, parse_parameters
from ..core.url import DEFAULT_PORTS, URL, percent_decode
from .errors import HTTPStatusError
from .lines import LineCutter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from typing import Any, Self

    from .encoding import Body
    from .framing import Framing
    from .watching import Watch

    Lines = list[tuple[str, str]]

Piece = TypeVar("Piece")


def decoded_lines(pairs: Iterable[tuple[bytes, bytes]]) -> Lines:
    """Give header lines that came as bytes as text, names in lower case."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]


class Request:
    """A request as it is sent.

    Attributes:
        method: as it is sent.
        scheme: "http" or "https".
        host: as in the Host field, with the port if there is one.
        target: path and query, percent-encoded.
        header_lines: (name in lower case, value), in order.
        body: bytes, or an iterable of bytes that is sent in chunks.
        fragment: of the URL; not sent, but handed on when a redirect names none. See: RFC 9110 10.2.2.
    """

    __slots__ = ("body", "fragment", "header_lines", "host", "method", "scheme", "target")

    def __init__(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        *,
        header_lines: Lines,
        body: Body = b"",
        fragment: str = "",
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.host = host
        self.target = target
        self.header_lines = header_lines
        self.body = body
        self.fragment = fragment

    @property
    def url(self) -> URL:
        """Where it is sent to, without a fragment; equal to its text."""
        path, _, query = self.target.partition("?")
        return URL(self.scheme, self.host, percent_decode(path.encode()).decode("utf-8", "replace"), query)

    @property
    def server(self) -> tuple[str, str]:
        """Name and port of the server it is sent to; an IPv6 address without its brackets."""
        name, _, port = self.host.rpartition(":") if self.host[-1:] != "]" and ":" in self.host else (self.host, "", "")
        return name.strip("[]"), port or str(DEFAULT_PORTS.get(self.scheme, 80))

    @property
    def headers(self) -> Headers:
        """The header fields, without case; the lines of a repeated one joined."""
        return Headers(self.header_lines)

    @property
    def content(self) -> bytes:
        """The body. Raises: RuntimeError where it is sent in chunks."""
        if isinstance(self.body, bytes):
            return self.body
        raise RuntimeError("the body of this request is sent in chunks; its content is not kept")

    def with_body(self, body: Body) -> Request:
        """Give the same request with another body, its header fields as they are."""
        return Request(
            self.method, self.scheme, self.host, self.target,
            header_lines=self.header_lines, body=body, fragment=self.fragment,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


class Fields(Headers):
    """The header fields of a response, with what httpx calls the ways to their lines; joined as there, by ", "."""

    __slots__ = ()

    _joiner = ", "

    def get_list(self, name: str) -> list[str]:
        """Give the lines of one field, in order."""
        lowered = name.lower()
        return [value for existing, value in self._pairs if existing == lowered]

    def multi_items(self) -> Lines:
        """Give all lines, in order, names in lower case."""
        return list(self._pairs)


class Response:
    """An answer as the client saw it.

    Attributes:
        status_code: of the answer.
        headers: without case; the lines of a repeated field joined, but see `headers.get_list` and `set_cookies`.
        header_lines: every line in order, names in lower case.
        request: what it answers; after redirects the last one that was sent.
        history: the redirects that were followed, the first one first.
        next_request: where a redirect leads that was not followed; give it to `client.send`. Else None.
    """

    request: Request

    def __init__(
        self, status_code: int, header_lines: Lines, chunks: Iterator[bytes] | None, achunks: Any = None
    ) -> None:
        self.status_code = status_code
        self.header_lines = header_lines
        self.headers = Fields(header_lines)
        self.history: list[Response] = []
        self.next_request: Request | None = None
        self._chunks = chunks
        self._achunks: AsyncIterator[bytes] | None = achunks
        self._content: bytes | None = None
        self._is_consumed = self._is_left = False
        self._watch: Watch | None = None
        self._framing: Framing | None = None

    # --- reading ---

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the body item by item, as the application sends it; once, unless it was read before.

        Raises:
            RuntimeError: it was given out already, or belongs to an `AsyncClient`.
        """
        if self._content is not None:
            yield from (self._content,) if self._content else ()
            return
        if self._chunks is None:
            raise RuntimeError("this response comes from an AsyncClient: write `async for chunk in aiter_bytes()`")
        self._consume()
        framing, chunks, self._chunks = self._framing, self._chunks, iter(())  # who leaves this lets go of the chunks
        for chunk in chunks:
            yield framing.take(chunk) if framing is not None else chunk
        if framing is not None:
            framing.end()

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """As `iter_bytes`, of an `AsyncClient`."""
        return _Pieces(self, lambda chunk: [chunk] if chunk else [], list)

    def _consume(self) -> None:
        if self._is_left:
            raise RuntimeError("the body of this response was not read before its `with` block was left")
        if self._is_consumed:
            raise RuntimeError("the body of this response was given out item by item already; read() keeps it")
        self._is_consumed = True

    def iter_text(self) -> Iterator[str]:
        """Give the body item by item, decoded; a character is never cut in two."""
        decoder = self._decoder()
        for chunk in self.iter_bytes():
            if text := decoder.decode(chunk):
                yield text
        if rest := decoder.decode(b"", True):
            yield rest

    def aiter_text(self) -> AsyncIterator[str]:
        """As `iter_text`, of an `AsyncClient`."""
        decoder = self._decoder()
        return _Pieces(self, lambda chunk: _filled(decoder.decode(chunk)), lambda: _filled(decoder.decode(b"", True)))

    def iter_lines(self) -> Iterator[str]:
        """Give the body line by line, without what ends them: LF, CRLF or CR."""
        lines = LineCutter()
        for text in self.iter_text():
            yield from lines.feed(text)
        if lines.rest:
            yield lines.rest

    def aiter_lines(self) -> AsyncIterator[str]:
        """As `iter_lines`, of an `AsyncClient`."""
        decoder, lines = self._decoder(), LineCutter()

        def end() -> list[str]:
            return lines.feed(decoder.decode(b"", True)) + _filled(lines.rest)

        return _Pieces(self, lambda chunk: lines.feed(decoder.decode(chunk)), end)

    async def _next_chunk(self) -> bytes:
        """Give the next item of the body, b"" at the end. Raises: RuntimeError where it comes from a `Client`."""
        if self._achunks is None:
            raise RuntimeError("this response comes from a Client: write `for chunk in response.iter_bytes()`")
        chunk = await anext(self._achunks, b"")
        if self._framing is not None:
            self._framing.take(chunk) if chunk else self._framing.end()
        return chunk

    def read(self) -> bytes:
        """Read the body to its end; cached."""
        if self._content is None:
            self._content = b"".join(self.iter_bytes())
        return self._content

    async def aread(self) -> bytes:
        """As `read`, of an `AsyncClient`."""
        if self._content is None:
            self._content = b"".join([chunk async for chunk in self.aiter_bytes()])
        return self._content

    # --- the body as a whole ---

    @property
    def content(self) -> bytes:
        """The whole body."""
        return self.read()

    @property
    def text(self) -> str:
        """The body as text, in the charset of its content type, else UTF-8."""
        return self.content.decode(self.encoding)

    @property
    def encoding(self) -> str:
        """The charset of the content type, else "utf-8"."""
        return dict(parse_parameters(self.headers.get("content-type", ""))[1]).get("charset", "utf-8")

    def _decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self.encoding)()

    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.content)

    # --- the head ---

    @property
    def url(self) -> URL:
        """Where it was asked for, after redirects; equal to its text."""
        return self.request.url

    @property
    def reason_phrase(self) -> str:
        """The usual phrase of the status, "" for an unknown one."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def set_cookies(self) -> list[str]:
        """The Set-Cookie lines."""
        return self.headers.get_list("set-cookie")

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets, by name."""
        pairs = (line.partition(";")[0].partition("=") for line in self.set_cookies)
        return {name.strip(" \t"): value.strip(" \t") for name, _, value in pairs}

    @property
    def is_informational(self) -> bool:
        """Whether the status is from 100 to 199."""
        return self.status_code < 200

    @property
    def is_success(self) -> bool:
        """Whether the status is from 200 to 299."""
        return 200 <= self.status_code < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the status is from 300 to 399."""
        return 300 <= self.status_code < 400

    @property
    def has_redirect_location(self) -> bool:
        """Whether it is a redirect that says where to."""
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def is_client_error(self) -> bool:
        """Whether the status is from 400 to 499."""
        return 400 <= self.status_code < 500

    @property
    def is_server_error(self) -> bool:
        """Whether the status is from 500 to 599."""
        return self.status_code >= 500

    @property
    def is_error(self) -> bool:
        """Whether the status is from 400 to 599."""
        return self.status_code >= 400

    def raise_for_status(self) -> Self:
        """Give the response itself if it is a success.

        Raises:
            HTTPStatusError: it is none; the message has the beginning of the body, if that was read.
        """
        if self.is_success:
            return self
        said = f": {self._content[:200].decode('utf-8', 'replace')}" if self._content else ""
        raise HTTPStatusError(
            f"{self.request.method} {self.url} was answered with {self.status_code} {self.reason_phrase}{said}", self
        )

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"


def _filled(text: str) -> list[str]:
    return [text] if text else []


class _Pieces(Generic[Piece]):
    """The pieces of a body that is awaited. No generator: nobody has to close it where it is left.

    Args:
        response: whose body it is.
        cut: makes pieces of a chunk.
        end: gives what is left at the end.
    """

    def __init__(self, response: Response, cut: Callable[[bytes], list[Piece]], end: Callable[[], list[Piece]]) -> None:
        self._response = response
        self._cut = cut
        self._end = end
        self._ready: list[Piece] = []
        self._has_begun = self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        while not self._ready:
            if self._has_ended:
                raise StopAsyncIteration
            chunk = await self._take()
            self._has_ended |= not chunk
            self._ready = self._cut(chunk) if chunk else self._end()
        return self._ready.pop(0)

    async def _take(self) -> bytes:
        response, has_begun = self._response, self._has_begun
        self._has_begun = True
        if response._content is not None:  # read before this began, or meanwhile
            return b"" if has_begun else response._content
        if not has_begun:
            response._consume()
        return await response._next_chunk()
