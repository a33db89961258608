"""Decimal numbers in bodies: those that are not finite are refused, as they are in a query.

Facts
- `Decimal` reads "NaN", "sNaN12" and "Infinity", in any case and with blanks around; of sNaN the mere `>` raises.
- msgspec asks nobody about it. So what it read is looked through, where such a text was sent at all: what a class has
  of its own, a default of Infinity say, is nobody's fault.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import msgspec

from .faults import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MARKS = re.compile("nan|inf", re.ASCII | re.IGNORECASE)
_MARKS_IN_JSON = re.compile(rb"nan|inf|\\u", re.IGNORECASE)


def may_be_infinite(data: bytes) -> bool:
    """Tell whether a text in this JSON may be read as a number that is not finite."""
    return _MARKS_IN_JSON.search(data) is not None


def find_infinite(sent: Any, value: Any) -> list[Fault]:
    """Tell of the decimal numbers in a value that are not finite, and were sent as plain data."""
    infinite = {
        str(number) for _, text in _leaves(sent) if text.__class__ is str and (number := _infinite(text)) is not None
    }
    if not infinite:
        return []
    read = _leaves(msgspec.to_builtins(value, builtin_types=(Decimal,)))
    places = [path for path, one in read if one.__class__ is Decimal and str(one) in infinite]
    return [Fault(path, "Expected a decimal number") for path in places]


def _infinite(text: str) -> Decimal | None:
    try:
        number = Decimal(text) if _MARKS.search(text) else None
    except InvalidOperation:
        return None
    return None if number is None or number.is_finite() else number


def _leaves(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Give all that holds nothing more, keys included, with its place."""
    outer: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    for path, one in outer:  # which grows meanwhile
        if isinstance(one, dict):
            yield from (((*path, str(key)), key) for key in one)
            outer += [((*path, str(key)), inner) for key, inner in one.items()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            outer += [((*path, index), inner) for index, inner in enumerate(one)]
        else:
            yield path, one
