"""Types that pydantic knows: its models and dataclasses, and what its `Field` or `annotated_types` constrain.

Facts
- It makes an error of each value that does not fit, with the whole path to it, before anybody can say that those are
  enough: of a type that holds itself that takes memory as its depth times the number of values. So that is bounded.
- It reads NaN and the infinities in JSON, which are no JSON, and as infinities the numbers that are larger than floats
  are, be they written as integers; and all of those in text, of queries and forms too. Only what may have some is read
  twice: that takes longer than all the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import Any, cast, get_args

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from ...core.errors import HTTPError
from ...core.json import check_depth
from .faults import MAX_FAULTS, Fault, Misfit
from .leaves import leaves_of, path_of
from .shapes import Field, Packed, WholeNumbers, most_steps, too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_DEPTH = 200
"""Of JSON, for pydantic; what is deeper than 250 it does not write."""
_NEVER_MANY = most_steps(0) // _MAX_DEPTH
"""So many bytes have no more values than may be as deep as any."""
_PACKED = {"bytes": {"bytes", "uuid"}, "times": {"datetime", "date"}}
"""By which types of a schema a kind is named."""
_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")
_MANY_DIGITS = b"0" * 200
_MOST_DIGITS = 308
_MARKS_IN_TEXT = re.compile(rb"nan|inf|\\u", re.IGNORECASE)


class PydanticShape:
    """A type, read and written by pydantic.

    Raises:
        TypeError: pydantic does not know it.
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        try:
            self.adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUserError) as exc:
            raise TypeError(str(exc)) from exc

    @property
    def packed(self) -> Packed:
        """What MessagePack may hold for it: no deeper than JSON may be, for pydantic writes what is little deeper."""
        named = self._schema_types
        kinds = frozenset(kind for kind, types in _PACKED.items() if named & types)
        return Packed(kinds, _MAX_DEPTH, self._holds_itself)

    @cached_property
    def _schema_types(self) -> set[str]:
        return set(_types_in(self.adapter.core_schema))

    @cached_property
    def _holds_itself(self) -> bool:
        """A path into it may be as long as the body is deep."""
        return "definition-ref" in self._schema_types

    @cached_property
    def _holds_floats(self) -> bool:
        return "float" in self._schema_types

    # --- in ---

    def read_text(self, text: str | list[str], /) -> Any:
        """Read a value from text; a list from several."""
        return self.read_data(text, lax=True)

    def read_data(self, data: Any, /, *, lax: bool = False) -> Any:
        """Read a value from plain data; pydantic itself is as lax as the model says."""
        try:
            value = self.adapter.validate_python(data)
        except ValidationError as exc:
            raise _misfit(exc) from None
        if self._holds_floats and _has_infinite_text(data):
            self._refuse_infinite(value)
        return value

    def read_json(self, data: bytes, /) -> Any:
        """Read a value from JSON."""
        if data[_NEVER_MANY:] and self._holds_itself:
            _check_steps(data)
        if _may_be_infinite(data) or (self._holds_floats and _MARKS_IN_TEXT.search(data)):
            return self._read_finite(data)
        return self._read_json(data)

    def _read_finite(self, data: bytes) -> Any:
        may_be_infinite = _check_finite(data)
        value = self._read_json(data)
        if may_be_infinite:
            self._refuse_infinite(value)
        return value

    def _refuse_infinite(self, value: Any) -> None:
        """Refuse what was read of something that was sent; a default of infinity is nobody's fault."""
        plain = self.adapter.dump_python(value, exclude_unset=True, by_alias=True, warnings=False)
        places = (place for *place, leaf in leaves_of(plain) if leaf.__class__ is float and leaf - leaf != 0)
        if faults := [Fault(path_of(*place), "Expected a finite number") for place in islice(places, MAX_FAULTS)]:
            raise Misfit(faults)

    def _read_json(self, data: bytes) -> Any:
        try:
            return self.adapter.validate_json(data)
        except ValidationError as exc:
            if exc.error_count() == 1 and exc.errors(include_url=False)[0]["type"] == "json_invalid":
                raise _no_json() from None
            numbers = WholeNumbers()
            plain = json.loads(data, parse_float=numbers.read)
            if numbers.has_some:  # a strict model takes them for something else
                return self._read_again(json.dumps(plain).encode())
            raise _misfit(exc) from None

    def _read_again(self, data: bytes) -> Any:
        try:
            return self.adapter.validate_json(data)
        except ValidationError as exc:
            raise _misfit(exc) from None

    # --- out ---

    def narrow(self, value: Any, /, *, strict: bool = False) -> Any:
        """Give the value as one of the type; what the type does not name is left out when it is written."""
        try:
            if strict:
                value = self.plain(self.adapter.validate_python(value, from_attributes=True))
            return self.adapter.validate_python(value, from_attributes=True)
        except ValidationError as exc:
            raise TypeError(str(exc)) from exc

    def write_json(self, value: Any, /) -> bytes:
        """Write a value that was narrowed."""
        return self.adapter.dump_json(value, by_alias=True)

    def plain(self, value: Any, /) -> Any:
        """Give a value that was narrowed as plain data."""
        return self.adapter.dump_python(value, mode="json", by_alias=True)

    def fields(self) -> list[Field] | None:
        """Give the fields of a model; None for any other type."""
        kinds = (self.annotation, *get_args(self.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return [
                    Field(_wire_name(name, info), info.annotation, info.is_required())
                    for name, info in kind.model_fields.items()
                ]
        return None


def _types_in(schema: object) -> Iterator[str]:
    """Give the types of a schema of pydantic's core, and of all that is in it."""
    parts: Iterable[object] = ()
    if isinstance(schema, Mapping):
        mapping = cast("Mapping[str, object]", schema)
        parts = mapping.values()
        if isinstance(named := mapping.get("type"), str):
            yield named
    elif isinstance(schema, (list, tuple)):
        parts = cast("list[object]", schema)
    for part in parts:
        yield from _types_in(part)


def _check_steps(data: bytes) -> None:
    """Refuse JSON in which all values together may be too many steps away: each has a step for each level at most."""
    filled = data.count(b"[") - data.count(b"[]") + data.count(b"{") - data.count(b"{}")
    values = data.count(b",") + filled
    max_depth = most_steps(len(data)) // max(values, 1)
    if max_depth < _MAX_DEPTH:
        check_depth(data, max_depth)


def _may_be_infinite(data: bytes) -> bool:
    """Tell whether there may be numbers beyond all floats: less than 200 digits with two of an exponent are none."""
    zeros = data.translate(_ZEROS, b"+_")
    is_large = b"0e000" in zeros or b"0.e000" in zeros or _MANY_DIGITS in zeros
    return is_large or b"NaN" in data or b"Infinity" in data


def _check_finite(data: bytes) -> bool:
    """Refuse what is not finite, and tell whether there are integers, or is text, that as floats would not be."""
    large: list[str] = []

    def read_integer(text: str) -> int:
        if len(text) > _MOST_DIGITS:
            large.append(text)
        return 0

    read_float = WholeNumbers().read
    try:
        plain = json.loads(data, parse_float=read_float, parse_int=read_integer, parse_constant=_refuse_constant)
    except ValueError:
        raise _no_json() from None
    except RecursionError:
        raise too_deep() from None
    return bool(large) or _has_infinite_text(plain)


def _has_infinite_text(plain: Any) -> bool:
    return any(leaf.__class__ is str and _is_infinite(leaf) for _, _, leaf in leaves_of(plain))


def _is_infinite(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return number - number != 0


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _no_json() -> HTTPError:
    return HTTPError(400, "the body is not valid JSON")


def _wire_name(name: str, info: Any) -> str:
    alias = info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


_MOST_ERRORS = 5000
"""Of more, only their number is told: pydantic describes all or none, which takes some ten milliseconds for so many."""


def _misfit(failure: ValidationError) -> Misfit:
    if failure.error_count() > _MOST_ERRORS:
        return Misfit([Fault((), f"{failure.error_count()} values in it are not what was expected")])
    errors = failure.errors(include_url=False, include_input=False)
    return Misfit(Fault(error["loc"], _message(error)) for error in errors[:MAX_FAULTS])


def _message(error: Any) -> str:
    """Give what was expected, without the tag that was sent, which the message of pydantic repeats."""
    if error["type"] == "union_tag_invalid":
        return f"The tag does not match any of the expected ones: {error['ctx']['expected_tags']}"
    return str(error["msg"])
