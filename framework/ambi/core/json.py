"""JSON: a strict reader and an encoder that knows the common types. Replaceable as a pair: `App(json=...)`.

Facts
- How deep a reader goes depends on how deep the stack is from which it is called, and on the version of Python; what
  was read may be too deep to be written again. So the depth is counted before anything is read.
- `json.loads` raises ValueError for integers over 4,300 digits: a 400.
- NaN and the infinities are no JSON (RFC 8259 6): refused on reading and on writing. `1e999` reads as infinity and
  is refused as well.
- Of repeated names the last wins, as in every common reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from typing import Protocol, cast

from .errors import HTTPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class JSONCodec(Protocol):
    """What `App(json=...)` takes: an object (or module) with these two functions."""

    def dumps(self, value: Any, /) -> str | bytes:
        """Write a value; raise TypeError for what cannot be written."""
        ...

    def loads(self, data: bytes, /) -> Any:
        """Read bytes; raise ValueError for what is no JSON."""
        ...


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # only the infinities and NaN are not equal to themselves minus themselves
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def encode_special(value: Any) -> Any:
    """Turn a dataclass, datetime, date, time, UUID, Decimal, Enum, set or mapping into what JSON knows.

    Raises:
        TypeError: the type is not known; the message names it.
    """
    kind = cast("type[object]", type(value))
    fields: Any = getattr(kind, "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name, field in fields.items() if field._field_type.name == "_FIELD"}
    if hasattr(kind, "isoformat"):  # datetime, date, time
        return value.isoformat()
    module = kind.__module__
    if module in ("uuid", "decimal", "_decimal", "_pydecimal"):
        return str(value)
    if hasattr(kind, "_member_map_"):  # an Enum
        return value.value
    if kind in (set, frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise TypeError(
        f"{kind.__qualname__} is not JSON serializable; return a dict, a list, a dataclass or a plain value,"
        " or give App(json=...) a codec that knows it"
    )


def _encoder(*, ensure_ascii: bool) -> Callable[[Any], str]:
    return json.JSONEncoder(
        ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"), default=encode_special
    ).encode


class StandardJSON:
    """The codec of an application that names none: the standard library's, strict, compact, UTF-8."""

    def __init__(self) -> None:
        self._encode = _encoder(ensure_ascii=False)
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode

    def __reduce__(self) -> tuple[type[StandardJSON], tuple[()]]:
        """Copy and pickle as a new one: what it holds of the standard library can be neither."""
        return StandardJSON, ()

    def dumps(self, value: Any, /) -> bytes:
        """Write a value. Raises: TypeError or ValueError for what is no JSON."""
        try:
            return self._encode(value).encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate, which clients can send as an escape: give it back as one
            return _encoder(ensure_ascii=True)(value).encode("ascii")

    def loads(self, data: bytes, /) -> Any:
        """Read UTF-8 bytes. Raises: ValueError for what is no JSON."""
        return self._decode(data.decode("utf-8"))


def read_json(codec: JSONCodec, data: bytes, max_depth: int) -> Any:
    """Read a request body. Raises: HTTPError 400 for what is no JSON, or nested more deeply than `max_depth`."""
    check_depth(data, max_depth)
    try:
        return codec.loads(data)
    except RecursionError:
        raise too_deep() from None
    except ValueError as exc:
        raise HTTPError(400, "the body is not valid JSON") from exc


_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
_STEPS_AT_ONCE = 10_000
_NO_BRACKETS = bytes(set(range(256)).difference(b'[]{}"'))


def check_depth(data: bytes, max_depth: int) -> None:
    """See that in a JSON document no more than so many lists and objects are inside of each other.

    It reads in one pass what is outside of strings, and that only where there are brackets enough.

    Raises:
        HTTPError: 400.
    """
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # What is left begins and ends strings, and opens and closes. Where a string ends as another begins, or holds
    # nothing more, is of no interest.
    marks = data.translate(None, _NO_BRACKETS).replace(b'""', b"")
    steps = memoryview(b"".join(marks.split(b'"')[::2]).translate(_STEPS)).cast("b")
    depth = 0
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        depths = list(accumulate(steps[start : start + _STEPS_AT_ONCE], initial=depth))
        if max(depths) > max_depth:
            raise too_deep()
        depth = depths[-1]


def too_deep() -> HTTPError:
    """Make the refusal of a document that is nested too deeply."""
    return HTTPError(400, "the JSON document is nested too deeply")
