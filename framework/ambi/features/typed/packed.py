"""MessagePack, read as strictly as JSON: no arrays as keys, no numbers that are not finite, and so deep and no deeper.

Facts
- msgspec makes tuples of arrays that are keys. Python hashes numbers in tuples to what anybody can foretell: many keys
  of one hash take as many comparisons each, so they are refused before anything is read.
- It reads NaN and the infinities, which JSON has not.

See: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from ...core.errors import HTTPError
from .shapes import too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXPONENTS = {0xCA: 0x7F80, 0xCB: 0x7FF0}
"""Which bits of the first two bytes of a float are its exponent; in what is not finite all of them are set."""


def read_msgpack(data: bytes, max_depth: int) -> Any:
    """Read MessagePack. Raises: HTTPError 400 for what is none, or is what JSON could not be."""
    from msgspec import DecodeError, msgpack

    _check(data, max_depth)
    try:
        return msgpack.decode(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise HTTPError(400, "the body is not valid MessagePack") from None


def _check(data: bytes, max_depth: int) -> None:
    """Go from value to value, as far as there are any, and make nothing of them."""
    outer: list[tuple[int, bool]] = []
    left, is_map, position, end = 1, False, 0, len(data)
    while position < end and left:
        first = data[position]
        width, size, values = _HEADS[first]
        position += 1
        if width:
            size += int.from_bytes(data[position : position + width], "big")
            position += width
        if values:
            if is_map and not left % 2:
                raise HTTPError(400, "the body has a key that is an array or a map")
            outer.append((left - 1, is_map))
            left, is_map = size * values, values == 2
            if len(outer) > max_depth:
                raise too_deep()
        else:
            if first in _EXPONENTS:
                _check_finite(data[position : position + 2], _EXPONENTS[first])
            position += size
            left -= 1
        while not left and outer:
            left, is_map = outer.pop()


def _check_finite(start: bytes, exponent: int) -> None:
    if int.from_bytes(start, "big") & exponent == exponent:
        raise HTTPError(400, "the body has a number that is not finite")


def _heads() -> list[tuple[int, int, int]]:
    """Give for each first byte: how many bytes tell a length, how many follow besides, how many values to one of it."""
    heads = [(0, 0, 0)] * 256
    for length in range(32):
        heads[0xA0 + length] = (0, length, 0)  # text
    for length in range(16):
        heads[0x80 + length], heads[0x90 + length] = (0, length, 2), (0, length, 1)  # maps, arrays
    for first, more in ((0xC4, 0), (0xC7, 1), (0xD9, 0)):  # bytes, extensions with their type, text
        heads[first : first + 3] = [(width, more, 0) for width in (1, 2, 4)]
    for first, values in ((0xDC, 1), (0xDE, 2)):  # arrays, maps
        heads[first : first + 2] = [(width, 0, values) for width in (2, 4)]
    for first, sizes in ((0xCA, (4, 8)), (0xCC, (1, 2, 4, 8)), (0xD0, (1, 2, 4, 8)), (0xD4, (2, 3, 5, 9, 17))):
        heads[first : first + len(sizes)] = [(0, size, 0) for size in sizes]  # numbers, extensions of one size
    return heads


_HEADS = _heads()
