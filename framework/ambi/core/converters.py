"""Converters: what the text of a path parameter may be, and the value it becomes.

Facts
- A text that a converter refuses is no match: another route may match it, else the answer is 404.
- Only ASCII digits are digits. `int()` would take "+1_0" and Arabic digits; the converters do not.
- An integer is at most what 64 bits hold, as in databases: to bind a larger one is an error of the driver, and no row
  has it.
- Typed converters are tried before text whatever the order of registration, in the order of their `rank`.
"""

from __future__ import annotations

from typing import Literal, get_origin

from .url import DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_HEX = frozenset("0123456789abcdefABCDEF-")
LARGEST_INT = (1 << 63) - 1


class Converter:
    """Turn the text of one path segment into a value and back.

    Args:
        name: as written in a path, `{id:name}`.
        convert: text -> value; raises ValueError for text that is no match.
        format: value -> text, for `url_for`.
        rank: typed converters of lower rank are tried first.
        choices: all values there are, if they are few.
    """

    __slots__ = ("choices", "convert", "format", "name", "rank")

    def __init__(
        self,
        name: str,
        convert: Callable[[str], Any],
        format: Callable[[Any], str] = str,
        rank: int = 6,
        choices: tuple[Any, ...] = (),
    ) -> None:
        self.name = name
        self.choices = choices
        self.convert = convert
        self.format = format
        self.rank = rank

    def __repr__(self) -> str:
        return f"<Converter {self.name}>"


def _int(text: str) -> int:
    if not text or not DIGITS.issuperset(text) or (value := int(text)) > LARGEST_INT:
        raise ValueError(text)
    return value


def _number(text: str) -> str:
    whole, point, fraction = text.partition(".")
    if not whole or not DIGITS.issuperset(whole + fraction) or (point and not fraction):
        raise ValueError(text)
    return text


def _float(text: str) -> float:
    value = float(_number(text))
    if value == float("inf"):
        raise ValueError(text)
    return value


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(_number(text))


def _digits(value: Any) -> str:
    """Write a number without an exponent, which the converters do not read."""
    text = str(value)
    if "e" not in text.lower():
        return text
    from decimal import Decimal

    return format(Decimal(text), "f")


def _uuid(text: str) -> Any:
    from uuid import UUID

    if len(text) != 36 or not _HEX.issuperset(text):
        raise ValueError(text)
    value = UUID(text)
    if str(value) != text.lower():  # UUID() takes hyphens anywhere
        raise ValueError(text)
    return value


def _date(text: str) -> Any:
    from datetime import date

    value = date.fromisoformat(text)
    if value.isoformat() != text:  # it takes weeks, dates without hyphens, and digits behind those
        raise ValueError(text)
    return value


TEXT = Converter("str", str, rank=7)
PATH = Converter("path", str, rank=8)

CONVERTERS: Mapping[str, Converter] = {
    converter.name: converter
    for converter in (
        TEXT,
        PATH,
        Converter("int", _int, rank=1),
        Converter("date", _date, rank=2),
        Converter("uuid", _uuid, rank=3),
        Converter("float", _float, _digits, rank=4),
        Converter("decimal", _decimal, _digits, rank=5),
    )
}

_BY_TYPE_NAME = {
    ("builtins", "str"): "str", ("builtins", "int"): "int", ("builtins", "float"): "float", ("uuid", "UUID"): "uuid",
    ("datetime", "date"): "date", ("decimal", "Decimal"): "decimal",
}  # fmt: skip


_choices: dict[Any, Converter] = {}


def converter_for(annotation: Any) -> Converter | None:
    """Give the converter of a handler's annotation, always the same one; None when there is none."""
    known = _BY_TYPE_NAME.get((getattr(annotation, "__module__", ""), getattr(annotation, "__qualname__", "")))
    if known is not None:
        return CONVERTERS[known]
    members = getattr(annotation, "_member_map_", None)
    if members is not None:
        return _choice(annotation, annotation.__name__, {_plain(member.value): member for member in members.values()})
    if get_origin(annotation) is Literal:
        return _choice(annotation, repr(annotation), {_plain(value): value for value in annotation.__args__})
    return None


def _choice(annotation: Any, name: str, values: dict[str, Any]) -> Converter:
    if annotation in _choices:
        return _choices[annotation]

    def convert(text: str) -> Any:
        try:
            return values[text]
        except KeyError:
            raise ValueError(text) from None

    choices = tuple(getattr(value, "value", value) for value in values.values())
    _choices[annotation] = Converter(name, convert, _plain, rank=0, choices=choices)
    return _choices[annotation]


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))
