"""The response: status, checked header fields, and a body that is bytes or an iterable of either colour.

Facts
- A HEAD has the header fields of the GET and no body (RFC 9110 9.3.2); 204 and 304 have no body (6.4.1); a 204 has no
  Content-Length (8.6). More than half of the WSGI servers get one of these wrong, so `finalize` makes them right.
- Content-Length of a body of bytes is always its length. A stream keeps a length that was set, and is held to it.
- Handlers return a Response or a plain value; `make_response` knows which values become what.
- A Response may be kept and returned for every client. Layers set the header fields and cookies of one client, so what
  a user's function returned is never changed: `make_response` gives a copy of it.
"""

from __future__ import annotations

from types import AsyncGeneratorType, GeneratorType, MemberDescriptorType
from typing import Generic, Protocol, cast

from .cookies import SetCookie
from .errors import describe
from .headers import ResponseHeaders, check_value
from .preconditions import format_date, format_etag, parse_http_date
from .url import percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Any, ClassVar, Self

    from typing_extensions import TypeVar

    from .headers import Pair
    from .json import JSONCodec
    from .request import Request
    from .websocket import WebSocket

    Body = bytes | Iterable[bytes | str] | AsyncIterable[bytes | str]
    R = TypeVar("R", bound="Response")
    T_co = TypeVar("T_co", default=Any, covariant=True)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

TEXT_TYPE: Pair = ("content-type", "text/plain; charset=utf-8")
HTML_TYPE: Pair = ("content-type", "text/html; charset=utf-8")
JSON_TYPE: Pair = ("content-type", "application/json")
BYTES_TYPE: Pair = ("content-type", "application/octet-stream")
NOSNIFF: Pair = ("x-content-type-options", "nosniff")
_OK = 200
_lengths: dict[int, Pair] = {}
_LOCATION_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%")


def as_bytes(item: object) -> bytes:
    """Give one item of a streamed body as bytes. Raises: TypeError for what is neither bytes nor str."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8", "replace")
    if isinstance(item, bytearray):
        return bytes(item)
    if isinstance(item, memoryview):
        return item.tobytes()
    raise TypeError(f"a streamed body gave {item!r:.80}; its items must be bytes or str")


class Response(Generic[T_co]):
    """An answer to a request; `Response[User]` says of a typed handler's what its content is.

    One may be kept and returned for every client: what is sent is a copy, and nothing of one client comes into it. Only
    an iterator as the body is used up by the first. What a layer is given is the one that is sent, which the layers
    outside of it change: a cache keeps `copy.copy(response)`.

    Args:
        body: bytes, text (sent as UTF-8), or an iterable or async iterable of either, sent item by item.
        status: 200 to 599.
        headers: field name -> value.
        content_type: of the body; "application/octet-stream" for bytes, "text/plain; charset=utf-8" else.

    Raises:
        ValueError: a header field or status that cannot be sent.

    How a body that is an iterable is sent; kinds of streams say otherwise:
        encode_item: makes bytes of an item, where the item is made; raises TypeError for what is none.
        opening: sent at once, before there is an item; b"" lets the response start with its first item.
        idle_s, idle_item: what is sent whenever nothing was for so many seconds; 0 for never.
        ends_at_stop: the stream ends when the server is about to stop, instead of being waited for.
        starts_at_once: the response begins before there is an item, though nothing is sent of its body.
        ends_when_left: under WSGI a quiet stream is cut when the client has left, where that is seen; else with its
            next item.
    """

    __slots__ = ("_cookies", "_is_encoded", "_pairs", "body", "status")

    _pairs: list[Pair]
    _is_encoded: bool
    """There once it has taken a codec: what layers make of its body afterwards stands, whoever returns it again."""
    encode_item: Callable[[Any], bytes] = staticmethod(as_bytes)
    opening: bytes = b""
    idle_s: float = 0
    idle_item: bytes = b""
    ends_at_stop: bool = False
    starts_at_once: bool = False
    ends_when_left: bool = False
    is_open: bool = True
    """False: something has to be opened on the sync side, by `open`, before it is known what is sent."""
    is_verbatim: bool = False
    """True: its header fields are those of another application, and are sent as they stand."""
    _slots: ClassVar[tuple[Any, ...]]
    """The descriptors of the further slots of the class itself, once one of it was copied."""

    def __init__(
        self,
        body: Body | str | bytearray | memoryview = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> None:
        self.status = check_status(status)
        self._cookies: list[SetCookie] | None = None
        if isinstance(body, str):
            body = body.encode("utf-8", "replace")
            self._pairs = [TEXT_TYPE]
        else:
            if isinstance(body, (bytes, bytearray, memoryview)):
                body = bytes(body)
            self._pairs = [BYTES_TYPE if body and isinstance(body, bytes) else TEXT_TYPE]
        self.body: Body = body
        if content_type is not None:
            self._pairs = [("content-type", check_value(content_type))]
        if headers:
            self.headers.update(headers)

    @property
    def headers(self) -> ResponseHeaders:
        """The header fields: mutable, checked when set."""
        return ResponseHeaders(self._pairs)

    @property
    def etag(self) -> str | None:
        """The entity tag, with its quotes; None for none. It is set without them, or as `W/"..."` for a weak one.

        It tells clients and caches which version they have; `request.check_conditions` answers them by it.

        See: RFC 9110 8.8.3.
        """
        return self.headers.get("etag")

    @etag.setter
    def etag(self, value: str | None) -> None:
        self._set_or_delete("etag", None if value is None else format_etag(value))

    @property
    def last_modified(self) -> datetime | None:
        """When what is sent was last changed; None for unknown. Set to an aware datetime or seconds since the epoch.

        See: RFC 9110 8.8.2.
        """
        return parse_http_date(self.headers.get("last-modified", ""))

    @last_modified.setter
    def last_modified(self, value: datetime | float | None) -> None:
        self._set_or_delete("last-modified", None if value is None else format_date(value))

    def _set_or_delete(self, name: str, value: str | None) -> None:
        if value is not None:
            self.headers[name] = value
        else:
            self.headers.pop(name, None)

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool = True,
        samesite: str = "lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie, in place of one of the same name, domain and path; arguments and errors as for `SetCookie`."""
        cookie = SetCookie(
            name, value, max_age=max_age, expires=expires, path=path, domain=domain,
            secure=secure, httponly=httponly, samesite=samesite, partitioned=partitioned,
        )  # fmt: skip
        if self._cookies is None:
            self._cookies = []
        self._cookies = [other for other in self._cookies if other.key != cookie.key] + [cookie]

    def delete_cookie(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        samesite: str = "lax",
        partitioned: bool = False,
    ) -> None:
        """Make the client forget a cookie; the arguments as for `set_cookie`, with the values that it was set with."""
        self.set_cookie(
            name,
            "",
            max_age=0,
            path=path,
            domain=domain,
            secure=secure,
            samesite=samesite,
            partitioned=partitioned,
        )

    def encode(self, codec: JSONCodec) -> None:
        """Take a JSON codec: called once, when the response has been made. Raises what the codec raises."""

    def open(self, request: Request) -> Response:
        """Give the response that is sent, with all open that has to be. Called on the sync side if not `is_open`.

        Raises:
            HTTPError: the response that is sent instead.
        """
        return self

    def __copy__(self) -> Self:
        """Give another one like it, with header fields and cookies of its own; what else it holds is the same."""
        kind = self.__class__
        made = object.__new__(kind)
        made.status = self.status
        made.body = self.body
        made._pairs = [*self._pairs]
        made._cookies = self._cookies  # a list that is never changed but replaced
        if kind not in _WITHOUT_MORE:
            _copy_more(self, made)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


def _copy_more(response: Response, made: Response) -> None:
    """Copy what the class of a response has beside what each of them has: further slots, and attributes."""
    kind = response.__class__
    if hasattr(response, "_is_encoded"):
        made._is_encoded = True
    if "_slots" not in kind.__dict__:
        kind._slots = _slots_of(kind)
    for slot in kind._slots:
        try:
            value = slot.__get__(response)
        except AttributeError:  # it was never set
            continue
        slot.__set__(made, value)
    if kind.__dictoffset__:
        made.__dict__.update(response.__dict__)


def _slots_of(kind: type) -> tuple[Any, ...]:
    """Give the descriptors of the further slots: by name some may be hidden, by those of a subclass."""
    of_all = (value for one in kind.__mro__ if one is not Response for value in vars(one).values())
    return tuple(value for value in of_all if isinstance(value, MemberDescriptorType))


class Text(Response):
    """Plain text. Never HTML: text with user input in it must not become script.

    Args:
        text: what is sent, as UTF-8.
        status, headers: as for `Response`.
    """

    __slots__ = ()

    def __init__(self, text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self._cookies = None
        self._pairs = [TEXT_TYPE]
        try:
            self.body = text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8
            self.body = text.encode("utf-8", "replace")
        if headers is not None or status is not _OK:
            self.status = check_status(status)
            self.headers.update(headers or {})


class HTML(Response):
    """An HTML document. Escape what users wrote (`html.escape`), or use a template that does.

    Args:
        markup: what is sent, as UTF-8.
        status, headers: as for `Response`.
    """

    __slots__ = ()

    def __init__(self, markup: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(markup, status)
        self._pairs = [HTML_TYPE]
        if headers:
            self.headers.update(headers)


class JSON(Response[T_co]):
    """A value as JSON, written by the application's codec when the handler has returned.

    Args:
        value: what the codec can write.
        status, headers: as for `Response`.

    Attributes:
        value: what is written when the handler has returned; from then on `body` is what is sent, and what layers
            change.
    """

    __slots__ = ("value",)

    def __init__(self, value: T_co, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.value: Any = value
        self.status = status
        self._cookies = None
        self._pairs = [JSON_TYPE]
        self.body = b""
        if headers is not None or status is not _OK:
            self.status = check_status(status)
            self.headers.update(headers or {})

    def encode(self, codec: JSONCodec) -> None:
        """Write the value. Raises what the codec raises."""
        data = codec.dumps(self.value)
        self.body = data if isinstance(data, bytes) else data.encode("utf-8")


class Redirect(Response):
    """Send the client elsewhere.

    Args:
        location: a URL reference; characters that may not stand in one are percent-encoded. Whoever takes it from a
            request must check it: this class does not.
        status: 303 (ask again with GET) by default; 307 and 308 repeat the request as it was.
        headers: further header fields.

    Raises:
        ValueError: status is no redirect, or the location holds a control character.

    See: RFC 9110 15.4.
    """

    __slots__ = ()

    def __init__(self, location: str, status: int = 303, headers: Mapping[str, str] | None = None) -> None:
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"a redirect has status 301, 302, 303, 307 or 308, not {status!r}")
        super().__init__(b"", status, headers)
        self._pairs = [*self._pairs, ("location", encode_location(location))]


class Stream(Response):
    r"""A body sent item by item: any iterable or async iterable of bytes or str.

    The response begins with its first item, so that an exception before it is a 500, and an `HTTPError` its own answer;
    but no `@app.error` sees either, so refuse in the handler what can be refused there. An exception after it cuts the
    connection, so that the client can tell.

    Args:
        iterable: its items are sent as they come; it is closed on every exit. One that has not the colour of the server
            runs ahead, by at most 64 items or 1 MiB.
        content_type: "text/plain; charset=utf-8" by default.
        status: 200 to 599.
        headers: field name -> value; the body is held to a Content-Length.
        ends_at_stop: it has no end of its own, so a server that stops ends it at once. Any other stream is waited for,
            and cut when it takes too long: a client must not take a part for the whole.

    Raises:
        TypeError: it is no iterable of items; or, while it is sent, an item is neither bytes nor str.
        ValueError: a header field or status that cannot be sent.

    Example:
        >>> @app.get("/rows.csv")
        ... def rows():
        ...     return Stream((f"{row.id},{row.name}\n" for row in query()), "text/csv; charset=utf-8")
    """

    __slots__ = ("ends_at_stop",)

    def __init__(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        content_type: str = "text/plain; charset=utf-8",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        ends_at_stop: bool = False,
    ) -> None:
        if isinstance(iterable, (bytes, str, dict)) or not (
            hasattr(iterable, "__iter__") or hasattr(iterable, "__aiter__")
        ):
            raise TypeError(
                f"{type(self).__name__} takes an iterable or async iterable of items,"
                f" not {type(cast('object', iterable)).__name__}"
            )
        super().__init__(b"", status, headers, content_type)
        self.body = iterable
        self.ends_at_stop = ends_at_stop


class Switched(Response):
    """What layers are shown when the handler of an accepted WebSocket is through. Nothing of it is sent.

    Attributes:
        status: 101.
        websocket: the connection; `websocket.closed` and `close_code` tell whether and how it ended. None where a
            mounted WSGI application has taken the server's socket for itself.
    """

    __slots__ = ("websocket",)

    def __init__(self, websocket: WebSocket | None) -> None:
        self.websocket = websocket
        self.status = 101
        self._cookies = None
        self._pairs = []
        self.body = b""


def check_status(status: int) -> int:
    """Give the status as a plain int. Raises: ValueError unless it is one that a response can have."""
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise ValueError(f"a response has a status from 200 to 599, not {status!r}")
    return int(status)


def settle_status(response: Response) -> ValueError | None:
    """Make a status that was set later (an `http.HTTPStatus`) a plain int; give the error for one that cannot be."""
    if response.__class__ is Switched and response.status == 101:
        return None
    try:
        response.status = check_status(response.status)
    except ValueError as exc:
        return exc
    return None


def encode_location(location: str) -> str:
    """Make a URL reference fit for a Location header. Raises: ValueError for control characters."""
    if any(c < " " or c == "\x7f" for c in location):
        raise ValueError(f"the location {location[:80]!r} holds a control character")
    return percent_encode(location.replace("\\", "%5C"), _LOCATION_SAFE)


# --- what handlers return ---


def assemble(body: bytes, status: int, pairs: list[Pair]) -> Response:
    """Put a response together of parts that need no checking: the framework's own."""
    response = Response.__new__(Response)
    response.body = body
    response.status = status
    response._pairs = pairs
    response._cookies = None
    return response


class HasFunction(Protocol):
    """Whatever calls a function of the user: a plan, a layer, an error handler."""

    function: Callable[..., Any]


def make_response(value: Any, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    """Make a response of what the function of `source` returned.

    Raises:
        TypeError: the value is none that a response can be made of; the message names the function.
        Exception: a part of it cannot be sent. The request closes the streams in it.
    """
    kind = value.__class__
    if kind is str:
        return Text(value)
    if kind in _MAKERS:
        return _MAKERS[kind](value, codec, source, request)
    return _make_other(value, codec, source, request)


def own(response: R) -> R:
    """Give what a user's function returned as this request's own, to be changed at will: the user may have kept it.

    An iterator goes over to the copy: it can be sent once.
    """
    made = response.__copy__()
    if made.body.__class__ is not bytes:
        take_body(response)
    return made


def _from_text(value: str, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return Text(value)


def _from_bytes(value: bytes, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return Response(value, content_type="application/octet-stream")


def _from_none(value: None, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return Response(b"", 204)


def _from_data(value: Any, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    response = JSON(value)
    response.encode(codec)
    response._is_encoded = True
    return response


def _from_response(value: Response, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    response = own(value)
    if not hasattr(response, "_is_encoded"):  # else a layer gives back what it was given
        response.encode(codec)
        response._is_encoded = True
    return response


def split_answer(value: tuple[Any, ...]) -> tuple[Any, int, Mapping[str, str]] | None:
    """Split `(value, status)` or `(value, status, headers)` into the three; None for a tuple of another form.

    The status is not checked yet.
    """
    if not (len(value) in (2, 3) and isinstance(value[1], int)):
        return None
    return value[0], value[1], value[2] if len(value) == 3 else {}


def _from_tuple(value: tuple[Any, ...], codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    parts = split_answer(value)
    if parts is None:
        for part in value:
            if isinstance(part, Response):
                request.drop(part)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        raise TypeError(
            f"{describe(source.function)} returned a tuple of {len(value)};"
            " (value, status) or (value, status, headers) was expected"
        )
    content, status, headers = parts
    response = make_response(content, codec, source, request)
    try:
        response.status = check_status(status)
        if headers:
            response.headers.update(headers)
    except Exception:
        request.drop(response)
        raise
    return response


def _from_generator(value: Any, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return Stream(value)


def _from_simple(value: Response, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return own(value)


def _unchanged(value: Switched, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    return value


def _make_other(value: Any, codec: JSONCodec, source: HasFunction, request: Request) -> Response:
    """Make a response of a value whose class is not in the table itself: a subclass, or a dataclass."""
    if isinstance(value, Response):
        return _from_response(value, codec, source, request)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    if hasattr(value.__class__, "__dataclass_fields__"):
        return _from_data(value, codec, source, request)
    for kind in (str, bytes, dict, list, tuple):
        if isinstance(value, kind):
            return _MAKERS[kind](value, codec, source, request)
    if hasattr(value, "__await__") and hasattr(value, "close"):
        value.close()
        raise TypeError(
            f"{describe(source.function)} returned a coroutine; a function that gives one must be an `async def`"
        )
    raise TypeError(
        f"{describe(source.function)} returned {value.__class__.__name__};"
        " a Response, str, bytes, dict, list, dataclass, None, generator,"
        " (value, status) or (value, status, headers) was expected"
    )


_MAKERS: dict[type, Callable[[Any, JSONCodec, HasFunction, Request], Response]] = {
    str: _from_text, bytes: _from_bytes, type(None): _from_none, dict: _from_data, list: _from_data,
    tuple: _from_tuple, GeneratorType: _from_generator, AsyncGeneratorType: _from_generator,
    Response: _from_simple, Text: _from_simple, HTML: _from_simple, Redirect: _from_simple,
    JSON: _from_response, Stream: _from_simple, Switched: _unchanged,
}  # fmt: skip
_WITHOUT_MORE = frozenset((Response, Text, HTML, Redirect))
"""The classes without slots of their own, beside those that each response has."""


# --- what is sent ---


_HARMLESS = frozenset(("content-type", "vary", "location", "etag"))
"""Fields that say nothing of what is decided below."""


def finalize(request: Request, response: Response) -> tuple[list[Pair], Body | None]:
    """Decide what goes out: all header fields, and the body or None where there must be none.

    A body that must not be sent is the caller's to close.
    """
    pairs, body = response._pairs, response.body
    status = response.status
    if response._cookies is not None:
        pairs = _with_cookies(request, response)
    if response.is_verbatim:
        return _as_they_stand(request, response, pairs)
    if status in WITHOUT_BODY:
        return _without_body(pairs, status), None
    is_bytes = type(body) is bytes
    is_usual = not (pairs[1:] or (pairs and pairs[0][0] != "content-type"))
    if not is_usual and not _HARMLESS.issuperset([name for name, _ in pairs]):  # the application set some itself
        pairs = [p for p in pairs if p[0] != NOSNIFF[0] and not (is_bytes and p[0] == "content-length")]
        pairs = _private_with_cookie(pairs)
    if type(body) is bytes:
        length = len(body)
        if not length and request.method == "HEAD":
            return [*pairs, NOSNIFF, *_length_for_head(request, response)], None
        pairs = [*pairs, NOSNIFF, _lengths[length] if length in _lengths else _length_pair(length)]
    else:
        pairs = [*pairs, NOSNIFF]
    return pairs, None if request.method == "HEAD" else body


def _as_they_stand(request: Request, response: Response, pairs: list[Pair]) -> tuple[list[Pair], Body | None]:
    """Decide the same for another application's answer; of its fields only the length is mended.

    A layer may have changed the body; and where there must be none, a client or a server would wait for its bytes.
    """
    body = response.body
    if response.status in WITHOUT_BODY:
        kept = [pair for pair in pairs if pair[0] != "content-length"]
        return [*kept, ("content-length", "0")] if response.status == 205 else kept, None
    if request.method == "HEAD":
        return pairs, None
    if type(body) is bytes and any(name == "content-length" for name, _ in pairs):
        pairs = [*(pair for pair in pairs if pair[0] != "content-length"), _length_pair(len(body))]
    return pairs, body


def _length_for_head(request: Request, response: Response) -> list[Pair]:
    """Give the Content-Length of an empty answer to HEAD: that of the answer to GET, or none. See: RFC 9110 8.6.

    The handler may have said it. Else nobody knows it, but where the handler is that of GET.
    """
    given = [pair for pair in response._pairs if pair[0] == "content-length"]
    if len(given) == 1 and given[0][1].isascii() and given[0][1].isdecimal():
        return given
    route = request.route
    return [_length_pair(0)] if route is None or "HEAD" not in route.methods else []


def _length_pair(length: int) -> Pair:
    """Give the Content-Length; those of small bodies are kept."""
    pair = ("content-length", str(length))
    if length < 4096:
        _lengths[length] = pair
    return pair


WITHOUT_BODY = frozenset((204, 205, 304))


def _without_body(pairs: list[Pair], status: int) -> list[Pair]:
    """Give the header fields where there must be no body. See: RFC 9110 15.3.5, 15.3.6, 15.4.5."""
    left_out = ("content-length", NOSNIFF[0]) if status == 205 else ("content-length", "content-type", NOSNIFF[0])
    kept = _private_with_cookie([NOSNIFF, *(pair for pair in pairs if pair[0] not in left_out)])
    return [*kept, ("content-length", "0")] if status == 205 else kept


def _private_with_cookie(pairs: list[Pair]) -> list[Pair]:
    """Give the header fields of what a cookie is set with: what one user is given is no one else's.

    Without a body, too: a 204 may be stored, and a 304 brings what is stored up to date. See: RFC 9111 3.2, 4.2.2.
    """
    names = [name for name, _ in pairs]
    return [*pairs, ("cache-control", "private")] if "set-cookie" in names and "cache-control" not in names else pairs


def _with_cookies(request: Request, response: Response) -> list[Pair]:
    """Give the header fields with those of the cookies, which depend on how the request came."""
    loopback = request.is_loopback
    return [*response._pairs, *(("set-cookie", c.header_value(loopback=loopback)) for c in response._cookies or ())]


class _Spent:
    """The body of a stream whose iterator was taken to be sent: there is nothing left in it."""

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        raise RuntimeError("a stream of an iterator is sent once: make a new one for each request")


_SPENT = _Spent()


def take_body(response: Response) -> Any:
    """Give the body of a stream to be sent, and leave nothing of an iterator: what it gave cannot be had again."""
    body = response.body
    if hasattr(body, "__next__") or hasattr(body, "__anext__"):
        response.body = _SPENT
    return body


def declared_length(pairs: list[Pair]) -> int | None:
    """Give the Content-Length among header fields; None without one.

    Raises:
        ValueError: it is no number.
    """
    for name, value in pairs:
        if name == "content-length":
            if not (value.isascii() and value.isdecimal()):
                raise ValueError(f"content-length must be a number, not {value!r}")
            return int(value)
    return None
