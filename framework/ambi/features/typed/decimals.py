"""Decimal numbers in bodies: those that are not finite are refused, as they are in a query.

Facts
- `Decimal` reads "NaN", "sNaN12" and "Infinity", in any case and with blanks around; of sNaN the mere `>` raises.
- msgspec asks nobody about it. So what it read is looked through, where such a text was sent at all: what a class has
  of its own, a default of Infinity say, is nobody's fault.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from itertools import islice

import msgspec

from .faults import MAX_FAULTS, Fault
from .leaves import leaves_of, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MARKS = re.compile("nan|inf", re.ASCII | re.IGNORECASE)
_MARKS_IN_JSON = re.compile(rb"nan|inf|\\u", re.IGNORECASE)


def may_be_infinite(data: bytes) -> bool:
    """Tell whether a text in this JSON may be read as a number that is not finite."""
    return _MARKS_IN_JSON.search(data) is not None


def find_infinite(sent: Any, value: Any) -> list[Fault]:
    """Tell of the decimal numbers in a value that are not finite, and were sent as plain data."""
    texts = {leaf for _, _, leaf in leaves_of(sent) if leaf.__class__ is str and _MARKS.search(leaf)}
    infinite = {str(number) for text in texts if (number := _infinite(text)) is not None}
    if not infinite:
        return []
    read = leaves_of(msgspec.to_builtins(value, builtin_types=(Decimal,)))
    places = (path_of(*place) for *place, leaf in read if leaf.__class__ is Decimal and str(leaf) in infinite)
    return [Fault(path, "Expected a decimal number") for path in islice(places, MAX_FAULTS)]


def _infinite(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return None if number.is_finite() else number
