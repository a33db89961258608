"""Content codings: answers that compress well are sent compressed, in the coding that the client likes best.

    Codings       what is installed: zstd, br, gzip       Coder         one body on its way, as all libraries have it
    Compression   which answers, and how                  Compressed    the response that is sent instead

Facts
- A coding is part of the representation (RFC 9110 8.4): what is sent differs byte for byte from what is not
  compressed, so a strong entity tag becomes a weak one, and caches are told by Vary what was chosen by.
- 204, 205 and 304 have no body to compress; the bytes of a 206 are those of the file, and stay so.
- A stream's item goes out with a flush: whoever has it unpacked has all of it. So the body keeps its colour, its
  closing and its bound: only what is made of an item differs, and one more item says that the body has ended.
- Between two flushes the bytes are whole: an empty block may stand there, which shows life and unpacks to nothing.
- Compressing 64 KiB takes 0.2 to 0.8 ms (see docs/how-to/compression.md). More than that is done piece by piece, and
  under ASGI so in a worker thread: the event loop does not wait for it.

See: RFC 9110 8.4 and 12.5.3; RFC 1952 (gzip), RFC 7932 (br), RFC 8878 and 9659 (zstd).
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Protocol

from ..core.arguments import check_texts
from ..core.errors import ConfigurationError
from ..core.files import SMALL_BYTES, File, FileBody
from ..core.headers import split_list
from ..core.limits import check_size
from ..core.response import WITHOUT_BODY, Response, declared_length, take_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

    from ..core.headers import Pair
    from ..core.middleware import Middleware
    from ..core.request import Request
    from ..core.routing import Router

TYPES = (
    "text/*", "*+json", "*+xml", "application/json", "application/javascript", "application/jsonl",
    "application/x-ndjson", "application/x-javascript", "application/xml", "application/graphql", "application/rtf",
    "application/sql", "application/toml", "application/yaml", "application/wasm", "application/x-sh",
    "application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/bmp",
    "image/vnd.microsoft.icon", "image/x-icon",
)  # fmt: skip
"""What is compressed by default: text in all its forms. Pictures, films and archives are compressed already."""

EVENT_STREAM = "text/event-stream"
LARGE_BYTES = SMALL_BYTES
"""Bodies above are compressed while they are sent, in pieces of this size."""

_BOUND_TO_BYTES = frozenset(("content-encoding", "content-range", "content-digest", "repr-digest", "digest"))
"""Fields that speak of the very bytes they come with. See: RFC 9530."""

_NOT_KEPT = frozenset(("content-length", "accept-ranges", "content-md5"))


class Coder(Protocol):
    """One body on its way through a coding. Used by one thread at a time."""

    def add(self, data: bytes, /) -> bytes:
        """Take more; give what is ready."""
        ...

    def flush(self) -> bytes:
        """Give all that has been taken, up to a whole byte."""
        ...

    def finish(self) -> bytes:
        """Give the rest and the end."""
        ...


# --- the codings ---


class _Gzip:
    """RFC 1952. There is no name and no time in it, so the same body is the same bytes."""

    levels = range(1, 10)
    default = 5
    idle = b"\x00\x00\x00\xff\xff"
    """A stored block of no bytes (RFC 1951 3.2.4)."""

    def pack(self, data: bytes, level: int) -> bytes:
        coder = zlib.compressobj(level, zlib.DEFLATED, 31)
        return coder.compress(data) + coder.flush()

    def begin(self, level: int, *, is_endless: bool) -> Coder:
        return _GzipCoder(level, is_endless=is_endless)


class _GzipCoder:
    def __init__(self, level: int, *, is_endless: bool) -> None:
        # 0.3 MiB of memory; 30 KiB where thousands may be open at the same time, and say little.
        wide, deep = (16 + 12, 5) if is_endless else (16 + 15, 8)
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, wide, deep)

    def add(self, data: bytes) -> bytes:
        return self._zlib.compress(data)

    def flush(self) -> bytes:
        return self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._zlib.flush()


class _Brotli:
    """RFC 7932, by the package `brotli`."""

    levels = range(12)
    default = 4
    idle = b"\x06"
    """A block of metadata, of no bytes (RFC 7932 9.2)."""

    def __init__(self) -> None:
        self._library: Any = import_module("brotli")

    def pack(self, data: bytes, level: int) -> bytes:
        packed: bytes = self._library.compress(data, quality=level)
        return packed

    def begin(self, level: int, *, is_endless: bool) -> Coder:
        quality, window = (min(level, 3), 14) if is_endless else (level, 19)  # 0.3 MiB, else 0.6 and more
        return _BrotliCoder(self._library.Compressor(quality=quality, lgwin=window))


class _BrotliCoder:
    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def add(self, data: bytes) -> bytes:
        ready: bytes = self._compressor.process(data)
        return ready

    def flush(self) -> bytes:
        ready: bytes = self._compressor.flush()
        return ready

    def finish(self) -> bytes:
        rest: bytes = self._compressor.finish()
        return rest


class _Zstandard:
    """RFC 8878, by the standard library from Python 3.14 on, and by its backport before.

    Clients need not unpack what looks back further than 8 MiB (RFC 9659), so the levels end where they do.
    """

    levels = range(1, 20)
    default = 3
    idle = b"\x00\x00\x00"
    """A raw block of no bytes, which is not the last (RFC 8878 3.1.1.2)."""

    def __init__(self) -> None:
        try:
            self._library: Any = import_module("compression.zstd")
        except ImportError:
            self._library = import_module("backports.zstd")

    def pack(self, data: bytes, level: int) -> bytes:
        packed: bytes = self._library.compress(data, level=level)
        return packed

    def begin(self, level: int, *, is_endless: bool) -> Coder:
        names = self._library.CompressionParameter
        options = {names.compression_level: level, names.window_log: 14 if is_endless else 19}
        if is_endless:  # 90 KiB of memory; it would be 0.8 MiB
            options |= {names.hash_log: 12, names.chain_log: 12}
        return _ZstandardCoder(self._library.ZstdCompressor(options=options))


class _ZstandardCoder:
    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def add(self, data: bytes) -> bytes:
        ready: bytes = self._compressor.compress(data)
        return ready

    def flush(self) -> bytes:
        ready: bytes = self._compressor.flush(self._compressor.FLUSH_BLOCK)
        return ready

    def finish(self) -> bytes:
        rest: bytes = self._compressor.flush()
        return rest


Coding = _Gzip | _Brotli | _Zstandard
_CODINGS: dict[str, type[_Gzip | _Brotli | _Zstandard]] = {"zstd": _Zstandard, "br": _Brotli, "gzip": _Gzip}
"""In order of preference: of what a client likes as much, what costs least for what it saves."""


def load_codings(names: Iterable[str] | None) -> dict[str, Coding]:
    """Load codings by their names, in that order; all that are installed for None.

    Raises:
        ConfigurationError: a name that is none of a coding.
        ImportError: one that was asked for is not installed.
    """
    loaded: dict[str, Coding] = {}
    for name in _CODINGS if names is None else check_texts("codings", names):
        if name not in _CODINGS:
            raise ConfigurationError(f"there is no content coding {name!r} here; there are {', '.join(_CODINGS)}")
        try:
            loaded[name] = _CODINGS[name]()
        except ImportError as exc:
            if names is not None:
                raise ImportError(
                    f"the content coding {name!r} needs a package that is not installed:"
                    " pip install 'ambi[compression]'"
                ) from exc
    return loaded


# --- which answers, and how ---


def setup(
    app: Router,
    *,
    min_bytes: int,
    types: Iterable[str] | None,
    codings: Iterable[str] | None,
    level: int | Mapping[str, int] | None,
    files: bool,
    event_streams: bool,
) -> None:
    """Add the layer that compresses; arguments and errors as for `App.compression`."""
    compression_of = Compression(
        load_codings(codings), min_bytes=min_bytes, types=types, level=level, files=files, event_streams=event_streams
    )

    @app.middleware
    def compression(request: Request) -> Middleware:
        response = yield
        return compression_of.answer(request, response)


class Compression:
    """Which answers are compressed, and how: what `App.compression` was told.

    Raises:
        ConfigurationError: an argument that cannot be.
    """

    def __init__(
        self,
        codings: Mapping[str, Coding],
        *,
        min_bytes: int,
        types: Iterable[str] | None,
        level: int | Mapping[str, int] | None,
        files: bool,
        event_streams: bool,
    ) -> None:
        self._codings = codings
        self._names = tuple(codings)
        self._min_bytes = max(check_size("min_bytes", min_bytes), 1)  # nothing stays nothing
        self._types = check_types(TYPES if types is None else types)
        self._levels = check_levels(codings, level)
        self._has_files = files
        self._has_events = event_streams
        self._known: dict[str, bool] = {}

    def answer(self, request: Request, response: Response) -> Response | None:
        """Give what is sent instead of a response; None where that is sent as it is."""
        is_partly_sent = response.status in (206, 304)
        size = 0 if is_partly_sent else size_of(request, response)
        is_small = size is not None and size < self._min_bytes
        if (is_small and not is_partly_sent) or not self._is_for(request, response):
            return None
        add_vary(response)
        if is_partly_sent:
            keep_weak(request, response)
            return None
        name = request.accepts_encoding(*self._names)
        if name == "identity":
            return None
        coding, level = self._codings[name], self._levels[name]
        if isinstance(response.body, bytes) and len(response.body) <= LARGE_BYTES:
            if not response.body:  # of a HEAD that a mounted application has answered
                return Compressed(response, name, b"")
            packed = coding.pack(response.body, level)
            return Compressed(response, name, packed) if len(packed) < len(response.body) else None
        is_endless = response.ends_at_stop or bool(response.idle_s)
        packing = Packing(response, coding.begin(level, is_endless=is_endless), size)
        body = take_body(response)
        if not isinstance(body, bytes):
            request.closes(body)  # be it sent or not; one that a layer made, nobody else has taken note of
        compressed = Compressed(response, name, body_to_pack(body))
        compressed.pack_items(response, packing, coding.idle)
        return compressed

    def _is_for(self, request: Request, response: Response) -> bool:
        """Tell whether a response may be compressed, or could have been if it had a body."""
        status = response.status
        if not response.is_open or status < 200 or (status in WITHOUT_BODY and status != 304):
            return False
        fields = dict(response._pairs)
        if status != 206 and not _BOUND_TO_BYTES.isdisjoint(fields):
            return False
        media_type = fields.get("content-type", "").partition(";")[0].strip(" \t").lower()
        if media_type == EVENT_STREAM:
            return self._has_events
        if "cache-control" in fields and "no-transform" in split_list(response.headers["cache-control"].lower()):
            return False
        if isinstance(response, File) and not self._has_files and is_sent_by_server(request, response):
            return False
        return self._takes(media_type)

    def _takes(self, media_type: str) -> bool:
        if media_type not in self._known:
            if len(self._known) >= 256:
                self._known.clear()
            self._known[media_type] = matches(self._types, media_type)
        return self._known[media_type]


def check_types(types: Iterable[str]) -> tuple[str, ...]:
    """Check patterns of media types, and give them in lower case. Raises: ConfigurationError."""
    patterns = tuple(pattern.lower() for pattern in check_texts("types", types))
    for pattern in patterns:
        literal = pattern[2:] if pattern.startswith("*+") else pattern.removesuffix("/*")
        if not literal or "*" in literal or ";" in pattern or ("/" in pattern) is pattern.startswith("*+"):
            raise ConfigurationError(
                f"{pattern!r} is no pattern of media types; 'text/html', 'text/*' or '*+json' was expected"
            )
    return patterns


def check_levels(codings: Iterable[str], level: int | Mapping[str, int] | None) -> dict[str, int]:
    """Give each coding its level; a number alone is that of gzip. Raises: ConfigurationError."""
    wanted: Mapping[str, int] = {"gzip": level} if isinstance(level, int) else level or {}
    if strange := set(wanted) - set(_CODINGS):
        raise ConfigurationError(f"level names codings that are none: {sorted(strange)}; there are {list(_CODINGS)}")
    for name, number in wanted.items():
        allowed = _CODINGS[name].levels
        if not isinstance(number, int) or isinstance(number, bool) or number not in allowed:
            raise ConfigurationError(f"the level of {name} is from {allowed[0]} to {allowed[-1]}, not {number!r}")
    defaults = {name: _CODINGS[name].default for name in codings}
    return {name: wanted.get(name, default) for name, default in defaults.items()}


def matches(patterns: Iterable[str], media_type: str) -> bool:
    """Tell whether one of the patterns is that of a media type."""
    for pattern in patterns:
        if pattern.startswith("*+"):
            if media_type.endswith(pattern[1:]):
                return True
        elif pattern.endswith("/*"):
            if media_type.startswith(pattern[:-1]):
                return True
        elif media_type == pattern:
            return True
    return False


def is_sent_by_server(request: Request, file: File) -> bool:
    """Tell whether a file is handed over to the server, or would be, if it were asked for its body."""
    return isinstance(file.body, FileBody) or (request.method == "HEAD" and (_declared(file) or 0) > SMALL_BYTES)


def size_of(request: Request, response: Response) -> int | None:
    """Give how many bytes the body has, or has where it is not there as none is sent; None when nobody knows."""
    if isinstance(response.body, bytes) and not (response.is_verbatim and request.method == "HEAD"):
        return len(response.body)
    size = _declared(response)
    return 0 if size is None and isinstance(response.body, bytes) else size


def _declared(response: Response) -> int | None:
    """Give the Content-Length; 0 for what is no number, which is the gateway's to refuse."""
    try:
        return declared_length([("content-length", value) for value in response.headers.getlist("content-length")])
    except ValueError:
        return 0


def add_vary(response: Response) -> None:
    """Say that the answer was chosen by Accept-Encoding: also of a 304 and a 206 (RFC 9110 15.3.7 and 15.4.5)."""
    if "vary" in response.headers:
        response.headers.add_vary("Accept-Encoding")
    else:
        response._pairs.append(_VARY)


_VARY = ("vary", "Accept-Encoding")


def keep_weak(request: Request, response: Response) -> None:
    """Give the entity tag of a 304 as the whole answer had it, which may have been compressed.

    A client that has a weak tag has got it from here; and a cache updates what it keeps only where the tag is the same,
    weakness included. See: RFC 9111 4.3.4.
    """
    etag = response.headers.get("etag", "")
    if response.status == 304 and etag.startswith('"') and etag.strip('"') in request.if_none_match.weak:
        response.headers["etag"] = "W/" + etag


# --- what is sent instead ---


class _End:
    """What comes behind the last item of a body."""

    def __repr__(self) -> str:
        return "<the end of a body>"


END = _End()


class Packing:
    """The items of one body on their way: encoded as its response says, then packed.

    Args:
        size: how many bytes the items are to be; what is too much is cut, what is missing raises.
    """

    __slots__ = ("_coder", "_encode", "_flushes", "_left")

    def __init__(self, response: Response, coder: Coder, size: int | None) -> None:
        self._coder = coder
        self._encode = response.encode_item
        self._left = size
        self._flushes = not isinstance(response.body, (bytes, FileBody))  # for those nobody waits to be made

    def pack(self, item: Any) -> bytes:
        """Give the bytes to send for an item.

        Raises:
            RuntimeError: the body ended before its Content-Length.
            TypeError: and whatever else the response raises for an item.
        """
        if item is END:
            if self._left:
                raise RuntimeError(f"the streamed body ended {self._left} bytes before its Content-Length")
            return self._coder.finish()
        chunk = self._encode(item)
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        return self.squeeze(chunk) if chunk else b""

    def squeeze(self, chunk: bytes) -> bytes:
        """Give the bytes to send for so many."""
        packed = self._coder.add(chunk)
        return packed + self._coder.flush() if self._flushes else packed


class Compressed(Response):
    """A response whose body is sent in a content coding, with the status and the fields of another one."""

    __slots__ = (
        "_packing", "ends_at_stop", "ends_when_left", "idle_item", "idle_s", "is_verbatim", "opening", "starts_at_once",
    )  # fmt: skip

    def __init__(self, response: Response, coding: str, body: Any) -> None:
        self.status = response.status
        self._cookies = response._cookies
        self._pairs = [_weakened(pair) for pair in response._pairs if pair[0] not in _NOT_KEPT]
        self._pairs.append(("content-encoding", coding))
        self.body = body
        self.is_verbatim = response.is_verbatim
        if response.is_verbatim and body.__class__ is bytes and body:
            self._pairs.append(("content-length", str(len(body))))
        self.opening = b""
        self.idle_s = 0.0
        self.ends_at_stop = self.ends_when_left = self.starts_at_once = False

    def pack_items(self, response: Response, packing: Packing, idle_item: bytes) -> None:
        """Send the items of a stream as the other response would, each of them packed."""
        self._packing = packing
        self.idle_s = response.idle_s
        self.idle_item = idle_item
        self.ends_at_stop = response.ends_at_stop
        self.ends_when_left = response.ends_when_left
        self.starts_at_once = response.starts_at_once
        self.opening = packing.squeeze(response.opening) if response.opening else b""

    def encode_item(self, item: Any) -> bytes:
        """Pack one item. Raises what the other response raises."""
        return self._packing.pack(item)


def _weakened(pair: Pair) -> Pair:
    return (pair[0], "W/" + pair[1]) if pair[0] == "etag" and pair[1].startswith('"') else pair


def body_to_pack(body: Any) -> Any:
    """Give the body with `END` behind its items, in each colour that it has."""
    if body.__class__ is bytes:
        return Ended(body[start : start + LARGE_BYTES] for start in range(0, len(body), LARGE_BYTES))
    if not hasattr(body, "__aiter__"):
        return Ended(body)
    return EndedOfBoth(body) if hasattr(body, "__iter__") else EndedAsync(body)


class _Source:
    """What is iterated, and whether its end has been told."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._iterator = body
        self._is_over = False

    def _end(self, stop: type[Exception]) -> _End:
        """Give the end, once. Raises: `stop`."""
        if self._is_over:
            raise stop
        self._is_over = True
        return END


class Ended(_Source):
    """A body of a `def`, and `END`. Where the body can be waited for with a time-out (`next_within`), so can this."""

    def __getattr__(self, name: str) -> Any:
        if name == "next_within" and hasattr(self._body, name):
            return self._next_within
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __iter__(self) -> Self:
        self._iterator = iter(self._body)
        return self

    def __next__(self) -> Any:
        try:
            return next(self._iterator)
        except StopIteration:
            return self._end(StopIteration)

    def _next_within(self, timeout_s: float) -> Any:
        """Give the next item. Raises: TimeoutError when none comes in time; StopIteration behind the end."""
        try:
            return self._body.next_within(timeout_s)
        except StopIteration:
            return self._end(StopIteration)

    def close(self) -> None:
        """Close what is iterated, and what that came from."""
        try:
            if self._iterator is not self._body and hasattr(self._iterator, "close"):
                self._iterator.close()
        finally:
            if hasattr(self._body, "close"):
                self._body.close()


class EndedAsync(_Source):
    """A body of an `async def`, and `END`."""

    def __aiter__(self) -> Self:
        self._iterator = aiter(self._body)
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            return self._end(StopAsyncIteration)

    async def aclose(self) -> None:
        """Close what is iterated, and what that came from."""
        try:
            if self._iterator is not self._body and hasattr(self._iterator, "aclose"):
                await self._iterator.aclose()
        finally:
            if hasattr(self._body, "aclose"):
                await self._body.aclose()


class EndedOfBoth(Ended, EndedAsync):
    """A body that either side iterates, and `END`."""
