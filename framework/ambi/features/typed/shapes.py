"""Shapes: a type as the library that knows it reads, checks and writes its values.

msgspec knows the standard library's types, dataclasses, TypedDicts, attrs classes and its own; pydantic its models, its
dataclasses, and whatever is annotated with its `Field` or with `annotated_types`.
"""

from __future__ import annotations

import sys
from types import NoneType, UnionType
from typing import Annotated, NamedTuple, Protocol, Union, get_args, get_origin

from ...core.errors import ConfigurationError, HTTPError, describe
from ...core.multidict import MultiDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

INSTALL = "pip install 'ambi[typed]'"


class Field(NamedTuple):
    """A field of a model, as clients write it.

    Attributes:
        name: the name on the wire.
        annotation: its type.
        required: it has no default.
    """

    name: str
    annotation: Any
    required: bool


class Packed(NamedTuple):
    """What MessagePack may hold for a type.

    Attributes:
        kinds: which of "bytes", "times" and "extensions" the type names. JSON has none of those.
        max_depth: arrays and maps inside of each other.
        holds_itself: a path into it may be as long as the body is deep, and each fault is made with its path.
    """

    kinds: frozenset[str]
    max_depth: int = sys.maxsize
    holds_itself: bool = False


def most_steps(size: int) -> int:
    """Give how many steps the paths to all values may have together in a body of so many bytes, where that counts.

    With an error for each value pydantic takes some 64 bytes for each step: 32 MiB, or as much by the byte as for the
    errors of a long list that is not nested.
    """
    return max(500_000, 4 * size)


class Shape(Protocol):
    """A type, and what can be done with its values. Every reader raises `Misfit` for what is not of the type."""

    annotation: Any

    @property
    def packed(self) -> Packed:
        """What MessagePack may hold for it."""
        ...

    def read_text(self, text: str | list[str], /) -> Any:
        """Read a value from text, as it stands in a query, a header field, a cookie or a form; a list from several."""
        ...

    def read_data(self, data: Any, /, *, lax: bool = False) -> Any:
        """Read a value from plain data: dicts, lists, text, numbers; `lax` reads numbers from text as well."""
        ...

    def read_json(self, data: bytes, /) -> Any:
        """Read a value from JSON. Raises: HTTPError 400 for what is no JSON."""
        ...

    def narrow(self, value: Any, /, *, strict: bool = False) -> Any:
        """Give the value as one of the type, with what the type does not name left out.

        Args:
            value: one of the type, or something with the same fields or attributes.
            strict: check all of it, also where it has the right class.

        Raises:
            TypeError: it cannot be one of the type.
        """
        ...

    def write_json(self, value: Any, /) -> bytes:
        """Write a value that was narrowed."""
        ...

    def plain(self, value: Any, /) -> Any:
        """Give a value that was narrowed as plain data: dicts, lists, text, numbers."""
        ...

    def fields(self) -> list[Field] | None:
        """Give the fields of a model; None for any other type."""
        ...


def shape_of(annotation: Any, function: Callable[..., Any], what: str) -> Shape:
    """Give the shape of a type.

    Args:
        annotation: the type, with its constraints.
        function: the user's, for messages.
        what: which part of it: "the parameter 'limit'".

    Raises:
        ConfigurationError: no library here knows the type.
        ImportError: the one that does is not installed.
    """
    kind = _library_of(annotation, function, what)
    try:
        return kind(annotation)
    except Exception as exc:
        is_class = isinstance(annotation, type) and not get_args(annotation)
        shown = annotation.__qualname__ if is_class else str(annotation)
        problem = f"{what} is annotated {shown!r}, which cannot be read or written: {exc}"
        raise ConfigurationError.at(function, problem) from exc


def _library_of(annotation: Any, function: Callable[..., Any], what: str) -> Callable[[Any], Shape]:
    if is_pydantics(annotation):
        from .pydantic_shape import PydanticShape

        return PydanticShape
    try:
        from .msgspec_shape import MsgspecShape
    except ImportError as exc:
        raise ImportError(f"{what} of {describe(function)} is typed, which needs msgspec: {INSTALL}") from exc
    return MsgspecShape


def is_pydantics(annotation: Any, seen: set[int] | None = None) -> bool:
    """Tell whether a type, or one that it is made of, is pydantic's. Where that is not imported there is none."""
    seen = set() if seen is None else seen
    pydantic = sys.modules.get("pydantic")
    if id(annotation) in seen:
        return False
    seen.add(id(annotation))
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_core_schema__"):
        return True
    if pydantic is None and "annotated_types" not in sys.modules:
        return False
    if get_origin(annotation) is Annotated:
        notes = get_args(annotation)[1:]
        if any(type(note).__module__.partition(".")[0] in ("pydantic", "annotated_types") for note in notes):
            return True
    return any(is_pydantics(part, seen) for part in get_args(annotation))


def without_none(annotation: Any) -> Any:
    """Give a type without its None: where text is read, "null" is a text like any other."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        bare = without_none(inner)
        return annotation if bare is inner else Annotated[(bare, *notes)]
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        left = tuple(part for part in get_args(annotation) if part is not NoneType)
        return Union[left] if left else annotation  # noqa: UP007  # of a tuple
    return annotation


def walk(annotation: Any) -> Iterable[Any]:
    """Give a type and all types that it is made of, without going into the fields of classes."""
    yield annotation
    for part in get_args(annotation):
        if not isinstance(part, (str, int, bytes)):
            yield from walk(part)


class WholeNumbers:
    """Read numbers of JSON: as integers also those written as 1.0, which JSON does not tell apart.

    Attributes:
        has_some: there were such.

    See: JSON Schema 2020-12, core, 4.2.1.
    """

    def __init__(self) -> None:
        self.has_some = False

    def read(self, text: str) -> float:
        """Read one that has a point or an exponent. Raises: ValueError when it is larger than floats are."""
        number = float(text)
        if number.is_integer():
            self.has_some = True
            return int(number)
        if number - number != 0:
            raise ValueError("the number is too large")
        return number


def too_deep() -> HTTPError:
    """Make the refusal of a body that is nested more deeply than Python calls go."""
    return HTTPError(400, "the body is nested too deeply")


def as_texts(given: Mapping[str, Any], lists: frozenset[str]) -> dict[str, Any]:
    """Give what was sent by name: a list where one is wanted, or where a name came twice, which does not fit."""
    return {name: one_or_all(values, name in lists) for name, values in by_name(given).items()}


def one_or_all(values: list[Any], is_list: bool) -> Any:
    """Give the one value of a name; all where a list is wanted, or where there are several, which do not fit."""
    return values if is_list or len(values) > 1 else values[0]


def by_name(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Give each name with all its values."""
    if not isinstance(given, MultiDict):
        return {name: [value] for name, value in given.items()}
    found: dict[str, list[Any]] = {}
    for name, value in given.pairs():
        found.setdefault(name, []).append(value)
    return found
