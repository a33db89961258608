"""Answers: how what a handler returns becomes a response, by what its signature says that it returns.

The annotation decides what is sent: fields that it does not name stay here, whatever the value has. A `Response` is
sent as it is; the value beside a status, `(value, 201)`, is written like any other.
"""

from __future__ import annotations

from http import HTTPStatus
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ...core.binding import is_plain_return, is_response, is_stream
from ...core.contract import Given
from ...core.errors import ConfigurationError, describe
from ...core.events import Event
from ...core.response import JSON, Response, check_status, make_response, own, split_answer
from .marks import Status
from .media import BODY_TYPES, write
from .parameters import bare, split_marks
from .shapes import shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.request import Request
    from .shapes import Shape

    Answer = Callable[[Request, Any], Response]
    StreamKind = Callable[[Literal["lines", "events"]], type[Any]]


def answer_of(function: Callable[..., Any], returns: Any, stream_kind: StreamKind) -> tuple[Answer | None, Given]:
    """Make what turns the values of a handler into responses, and say what it gives.

    Args:
        function: the handler.
        returns: the annotation of what it returns.
        stream_kind: gives what sends "lines" or "events".

    Raises:
        ConfigurationError: the annotation is of a type that cannot be written.
    """
    annotation, marks = split_marks(returns)
    status = next((mark.code for mark in marks if isinstance(mark, Status)), None)
    if status is not None:
        try:
            check_status(status)
        except ValueError as exc:
            raise ConfigurationError.at(function, f"its return annotation says {status}: {exc}") from None
    annotation = _content_of(annotation)
    if is_plain_return(annotation):
        content = None if annotation is NoneType else annotation
        return (_plain_answer(function, status) if status else None), Given(status, content)
    if is_stream(get_origin(annotation)):
        return _stream_answer(function, get_args(annotation)[0], status, stream_kind)
    shape = shape_of(annotation, function, "what it returns")
    is_tuple = tuple in (bare(annotation), get_origin(bare(annotation)))
    return _shaped_answer(function, shape, status or 200, is_content=is_tuple), Given(status, annotation, BODY_TYPES)


def _content_of(annotation: Any) -> Any:
    """Give the type of the content: inside of a `Response[T]`, beside a status, without the responses of a union."""
    origin, args = get_origin(annotation), get_args(annotation)
    if is_response(origin):
        return args[0]
    if is_response(annotation):
        return Any
    if origin is tuple and len(args) in (2, 3) and args[1] in (int, HTTPStatus):
        return _content_of(args[0])
    if origin in (Union, UnionType):
        parts = [(_content_of(arg), arg) for arg in args]
        left = [part for part, arg in parts if part is not Any or arg is Any]
        return Any if not left or Any in left else Union[tuple(left)]  # noqa: UP007  # of a tuple
    return annotation


def _with_status(response: Response, status: int | None) -> Response:
    if status is not None:
        response.status = status
    return response


def _plain_answer(function: Callable[..., Any], status: int) -> Answer:
    source = _Source(function)

    def answer(request: Request, value: Any) -> Response:
        response = make_response(value, request.app.json, source, request)
        return response if isinstance(value, (Response, tuple)) else _with_status(response, status)

    return answer


def _shaped_answer(function: Callable[..., Any], shape: Shape, usual: int, *, is_content: bool) -> Answer:
    """Make what writes values by their shape; `is_content`: a tuple is the value itself, and has no status in it."""
    source = _Source(function)

    def answer(request: Request, value: Any) -> Response:
        status, headers = usual, None
        if isinstance(value, Response):
            return _narrowed(request, value)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        if value.__class__ is tuple and not is_content and (parts := split_answer(value)):
            value, status, headers = parts
            status = check_status(status)
        written = write(request, shape, narrow(request, value), status)
        if headers:
            written.headers.update(headers)
        return written

    def _narrowed(request: Request, response: Response) -> Response:
        if not isinstance(response, JSON):
            return make_response(response, request.app.json, source, request)
        made = own(response)
        made.value = shape.plain(narrow(request, made.value))
        made.encode(request.app.json)
        made._is_encoded = True
        return made

    def narrow(request: Request, value: Any) -> Any:
        try:
            return shape.narrow(value, strict=request.app.debug)
        except TypeError as exc:
            kind = type(value).__name__
            if isinstance(value, Response):
                request.drop(value)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
            raise TypeError(f"{describe(function)} returned {kind}, which is not what it says: {exc}") from exc

    return answer


def _stream_answer(
    function: Callable[..., Any], item: Any, status: int | None, stream_kind: StreamKind
) -> tuple[Answer, Given]:
    source = _Source(function)
    kind: Literal["lines", "events"] = "lines"
    if isinstance(item, type) and issubclass(item, Event):
        kind = "events"
    make = stream_kind(kind)
    codec: Any = None if kind == "events" else _ItemCodec(shape_of(item, function, "an item that it gives"))

    def answer(request: Request, value: Any) -> Response:
        if isinstance(value, Response):
            return make_response(value, (isinstance(value, make) and codec) or request.app.json, source, request)
        response: Response = make(value)
        response.encode(codec or request.app.json)
        response._is_encoded = True
        return _with_status(response, status)

    media_type = "text/event-stream" if kind == "events" else "application/jsonl"
    return answer, Given(status, item, (media_type,), kind)


class _Source:
    """Whose values they are, for messages."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


class _ItemCodec:
    """Writes the items of a stream by their shape."""

    __slots__ = ("_shape",)

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def dumps(self, value: Any, /) -> bytes:
        """Write an item. Raises: TypeError for what is none of the type."""
        return self._shape.write_json(self._shape.narrow(value))

    def loads(self, data: bytes, /) -> Any:
        """Read an item."""
        return self._shape.read_json(data)
