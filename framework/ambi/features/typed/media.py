"""Media types: how a body is read by its Content-Type, and an answer written by the client's Accept.

Facts
- `application/vnd.msgpack` is registered; `application/msgpack` and `application/x-msgpack` are what clients write.
- A client that accepts none of what there is gets JSON all the same (RFC 9110 12.5.1 allows that), not a 406 that
  its author has to find out about.

See: RFC 9110 8.3 and 12.5.1.
"""

from __future__ import annotations

from ...core.errors import HTTPError
from ...core.json import check_depth
from ...core.response import JSON_TYPE, assemble
from ...core.url import encode_query
from .faults import NoBody
from .packed import read_msgpack
from .shapes import as_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.headers import Pair
    from ...core.request import Request
    from ...core.response import Response
    from .shapes import Shape

JSON = "application/json"
MSGPACK = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")
URLENCODED = "application/x-www-form-urlencoded"
FORM_TYPES = (URLENCODED, "multipart/form-data")
BODY_TYPES = (JSON, MSGPACK[0])
_OFFERS = (JSON, *MSGPACK, URLENCODED)
_VARY: Pair = ("vary", "accept")


def body_reader(shape: Shape, lists: frozenset[str], *, is_form: bool) -> Callable[[Request], Any]:
    """Make what reads the body as a value of a shape.

    Args:
        shape: of the value.
        lists: the names of fields that are lists, for forms.
        is_form: a form will do as well.

    The function raises NoBody where there is no body, Misfit for what does not fit, and HTTPError: 400 for what
    cannot be read, 413 for more than is parsed in one go, 415 for another media type.
    """

    def read(request: Request) -> Any:
        media_type = request.content_type[0]
        if is_form and media_type in FORM_TYPES:
            return shape.read_data(as_texts(request.form, lists), lax=True)
        body = request.body
        if not body:
            raise NoBody
        is_json = media_type == JSON or media_type.endswith("+json")
        if not is_json and media_type not in MSGPACK:
            wanted = BODY_TYPES + (FORM_TYPES if is_form else ())
            raise HTTPError(415, f"a body of type {' or '.join(wanted)} was expected")
        limits = request.app.limits
        if body[limits.max_json_bytes :]:  # a call less than `len`
            request.check_parsed_size()
        max_depth = limits.max_json_depth
        if not is_json:
            return shape.read_data(read_msgpack(body, max_depth, shape.packed))
        if body[max_depth + max_depth :]:  # a level takes two bytes at least; a slice asks for that without a call
            check_depth(body, max_depth)
        return shape.read_json(body)

    return read


def write(request: Request, shape: Shape, value: Any, status: int) -> Response:
    """Make the response of a value that was narrowed, in the media type that the client likes best."""
    accept = request._edge.field(request, "accept")
    if accept is not None and ("msgpack" in accept or "urlencoded" in accept):
        chosen = request.accepts(*_OFFERS)
        if chosen in MSGPACK:
            from msgspec import msgpack

            return assemble(msgpack.encode(shape.plain(value)), status, [("content-type", chosen), _VARY])
        if chosen == URLENCODED:
            plain: Any = shape.plain(value)
            if plain.__class__ is dict:
                return assemble(_urlencoded(plain), status, [("content-type", chosen), _VARY])
    return assemble(shape.write_json(value), status, [JSON_TYPE, _VARY])


def _urlencoded(values: dict[str, Any]) -> bytes:
    """Write the fields of an object as a form; lists as repeated names, nested objects as JSON."""
    from msgspec import json

    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.encode(value).decode()

    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        items = value if value.__class__ is list else [value]
        pairs += [(name, text(item)) for item in items if item is not None]
    return encode_query(pairs).encode()
