"""From the text of a variable to a value, as an annotation says; and from JSON, where the text holds that.

    str bytes Path                     the text
    int float Decimal                  decimal digits; finite
    bool                               true false, yes no, on off, 1 0; in either case
    timedelta                          seconds, or with units: 500ms 30s 5m 2h 7d 1h30m
    datetime date time                 ISO 8601
    UUID, Enum, Literal                its form; a value or a name of the enum; one of the literals
    list tuple set frozenset           a,b,c   or   ["a", "b,c"]
    dict, classes in lists and dicts   JSON
    X | None                           empty text is None, where X is no text

Facts
- Only ASCII digits are digits, and a number has no `_`: what a person may misread is refused.
- "False" is a text that `bool()` takes for true. So words for truth are a closed set.
"""

from __future__ import annotations

import json
import math
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import EnumType
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, NewType, Union, cast, get_args, get_origin
from uuid import UUID

from ...core.errors import ConfigurationError
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Readers = Mapping[Any, Callable[[str], Any]]


class Reader(NamedTuple):
    """How a value is read.

    Attributes:
        expected: in words, for messages.
        of_text: raises ValueError for a text that is none, and `Unfit` where the message says more.
        of_json: the same of what JSON holds.
        is_text: any text is a value, the empty one too.
    """

    expected: str
    of_text: Callable[[str], Any]
    of_json: Callable[[Any], Any]
    is_text: bool = False


class Unfit(ValueError):
    """Say why a value will not do, in words that may be shown where the value may; any other ValueError's may not."""


class Number(str):
    """A number in JSON, as it was written: only what it is read for knows what it is."""

    __slots__ = ()


def reader_of(hint: Any, own: Readers, structure: Callable[[Any], Reader | None]) -> Reader:
    """Give the reader of an annotation.

    Args:
        hint: with strings resolved.
        own: an application's readers, which come first.
        structure: gives the reader of a class that has fields; None for any other.

    Raises:
        ConfigurationError: there is no reader for it.
    """
    own_reader = next((function for kind, function in own.items() if kind == hint), None)
    if own_reader is not None:
        return _own(hint, own_reader)
    hint = getattr(hint, "__value__", hint) if type(hint).__name__ == "TypeAliasType" else hint
    if (isinstance(hint, type) or hint is Any) and hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, NewType):
        return reader_of(hint.__supertype__, own, structure)
    inside = _Inside(own, structure)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _constrained(hint, inside.reader(args[0]))
    if origin is Literal:
        return _choice({_word(value): value for value in args})
    if origin in (Union, UnionType):
        return _union(args, inside)
    if (origin or hint) is Secret:
        return _secret(inside.reader(args[0] if args else str))
    if isinstance(hint, EnumType):
        return _enum(hint)
    collection = _COLLECTIONS.get(origin or hint)
    if collection is not None:
        return _many(collection, args, inside)
    if (origin or hint) in (dict, abc.Mapping, abc.MutableMapping):
        return _mapping(args, inside)
    found = structure(hint)
    if found is None:
        raise ConfigurationError(
            f"{hint!r} cannot be read from a variable: use a type that can, or say how:"
            " load_settings(..., readers={TheType: function of the text})"
        )
    return found


class _Inside(NamedTuple):
    """What reads the parts of a type."""

    own: Readers
    structure: Callable[[Any], Reader | None]

    def reader(self, hint: Any) -> Reader:
        return reader_of(hint, self.own, self.structure)


# --- scalars ---


def _scalar(expected: str, of_text: Callable[[str], Any], *, is_text: bool = False) -> Reader:
    def of_json(value: Any) -> Any:
        if isinstance(value, bool):
            value = Number("true" if value else "false")
        if not isinstance(value, str) or (is_text and isinstance(value, Number)):
            raise ValueError
        return of_text(str(value))

    return Reader(expected, of_text, of_json, is_text)


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _own(hint: Any, function: Callable[[str], Any]) -> Reader:
    def of_text(text: str) -> Any:
        try:
            return function(text)
        except ValueError as exc:
            raise Unfit(str(exc)) from exc

    return _scalar(getattr(hint, "__name__", repr(hint)), of_text)


def _bool(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError
    return _TRUTH[text.lower()]


def _checked(text: str, more: str = "") -> str:
    """Give the text of a number that has digits, a sign and what else is named, and nothing besides."""
    if not text.isascii() or not frozenset(text) <= frozenset("0123456789+-" + more):
        raise ValueError
    return text


def _float(text: str) -> float:
    value = float(_checked(text, ".eE"))
    if not math.isfinite(value):
        raise ValueError
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(_checked(text, ".eE"))
    except ArithmeticError:
        raise ValueError from None


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _timedelta(text: str) -> timedelta:
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text)
    if not rest:
        raise ValueError
    seconds = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyz"))]
        rest = rest[len(unit) :]
        if (not unit and number != text.lstrip("-")) or (unit or "s") not in _UNITS:
            raise ValueError
        seconds += float(number) * _UNITS[unit or "s"]
    try:
        return sign * timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError from None


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    return Path(text)


def _any_of_json(value: Any) -> Any:
    """Give what the standard library would have made of JSON."""
    if isinstance(value, Number):
        return json.loads(value)
    if isinstance(value, dict):
        return {name: _any_of_json(item) for name, item in cast("dict[str, Any]", value).items()}
    return [_any_of_json(item) for item in cast("abc.Collection[Any]", value)] if isinstance(value, list) else value


_ANY = Reader("text", str, _any_of_json, is_text=True)

_SCALARS: dict[Any, Reader] = {
    str: _scalar("text", str, is_text=True),
    bytes: _scalar("text", str.encode, is_text=True),
    int: _scalar("a whole number", lambda text: int(_checked(text))),
    float: _scalar("a number", _float),
    Decimal: _scalar("a decimal number", _decimal),
    bool: _scalar("true or false", _bool),
    Path: _scalar("a path", _path),
    timedelta: _scalar("seconds, or a time such as 500ms, 30s, 5m, 2h, 7d or 1h30m", _timedelta),
    datetime: _scalar("a date and time such as 2026-01-31T12:00:00+00:00", datetime.fromisoformat),
    date: _scalar("a date such as 2026-01-31", date.fromisoformat),
    time: _scalar("a time such as 12:00:00", time.fromisoformat),
    UUID: _scalar("a UUID", UUID),
    Any: _ANY,
    object: _ANY,
}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choice(values: Mapping[str, Any], shown: list[str] | None = None) -> Reader:
    def of_text(text: str) -> Any:
        if text not in values:
            raise ValueError
        return values[text]

    return _scalar(f"one of {', '.join(map(repr, shown or values))}", of_text)


def _enum(kind: Any) -> Reader:
    by_value = {_word(member.value): member for member in kind}
    return _choice({**kind.__members__, **by_value}, list(by_value))


# --- around others ---


def _secret(reader: Reader) -> Reader:
    def of_text(text: str) -> Secret[Any]:
        return Secret(reader.of_text(text))

    def of_json(value: Any) -> Secret[Any]:
        return Secret(reader.of_json(value))

    return reader._replace(of_text=of_text, of_json=of_json)


def _constrained(hint: Any, reader: Reader) -> Reader:
    """Hold a value to the constraints of msgspec that stand in its annotation; what else stands there says nothing."""
    if not any(type(mark).__module__.partition(".")[0] == "msgspec" for mark in hint.__metadata__):
        return reader
    import msgspec

    def checked(value: Any) -> Any:
        try:
            return msgspec.convert(value, hint)
        except msgspec.ValidationError as exc:
            raise Unfit(str(exc)) from exc

    def of_text(text: str) -> Any:
        return checked(reader.of_text(text))

    def of_json(value: Any) -> Any:
        return checked(reader.of_json(value))

    return reader._replace(of_text=of_text, of_json=of_json)


def _union(members: tuple[Any, ...], inside: _Inside) -> Reader:
    """Read the first member that takes the text; those that take any text come last."""
    may_be_none = NoneType in members
    readers = sorted((inside.reader(hint) for hint in members if hint is not NoneType), key=lambda one: one.is_text)
    is_text = any(reader.is_text for reader in readers)

    def first(value: Any, name: Literal["of_text", "of_json"]) -> Any:
        failure: ValueError | None = None
        for reader in readers:
            try:
                return getattr(reader, name)(value)
            except ValueError as exc:
                failure = exc
        raise failure or ValueError

    def of_text(text: str) -> Any:
        return None if may_be_none and not text and not is_text else first(text, "of_text")

    def of_json(value: Any) -> Any:
        return None if may_be_none and value is None else first(value, "of_json")

    return Reader(" or ".join(reader.expected for reader in readers), of_text, of_json, is_text)


# --- several values ---


_COLLECTIONS: dict[Any, Callable[[Any], Any]] = {
    list: list, tuple: tuple, set: set, frozenset: frozenset, abc.Sequence: tuple, abc.Set: frozenset,
    abc.Collection: tuple, abc.Iterable: tuple, abc.MutableSequence: list, abc.MutableSet: set,
}  # fmt: skip


def json_of(text: str) -> Any:
    """Give what JSON holds, numbers as they are written.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_number)
    except RecursionError:
        raise ValueError from None
    except ValueError:
        raise ValueError from None  # its message has nothing that helps, and may have a secret


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _many(make: Callable[[Any], Any], args: tuple[Any, ...], inside: _Inside) -> Reader:
    is_row = make is tuple and bool(args) and args[-1] is not ...
    readers = [inside.reader(hint) for hint in (args if is_row else args[:1] or (Any,))]
    count = len(args) if is_row else None

    def of_items(items: abc.Collection[Any], name: Literal["of_text", "of_json"]) -> Any:
        if count is not None and len(items) != count:
            raise ValueError
        return make(getattr(readers[place if is_row else 0], name)(item) for place, item in enumerate(items))

    def of_text(text: str) -> Any:
        if text.lstrip(" \t\n")[:1] == "[":
            return of_json(json_of(text))
        return of_items([item.strip(" \t\n") for item in text.split(",")] if text.strip(" \t\n") else [], "of_text")

    def of_json(value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError
        return of_items(cast("abc.Collection[Any]", value), "of_json")

    each = ", ".join(reader.expected for reader in readers) if is_row else f"each {readers[0].expected}"
    return Reader(f"values separated by commas, or a list of JSON ({each})", of_text, of_json)


def _mapping(args: tuple[Any, ...], inside: _Inside) -> Reader:
    key, item = map(inside.reader, args or (str, Any))

    def of_json(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError
        members = cast("dict[str, Any]", value)
        return {key.of_text(name): item.of_json(each) for name, each in members.items()}

    def of_text(text: str) -> Any:
        return of_json(json_of(text))

    expected = f"an object of JSON, each of whose values is {item.expected}"
    return Reader(expected, of_text, of_json)
