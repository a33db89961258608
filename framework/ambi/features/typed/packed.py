"""MessagePack, read as strictly as JSON: what JSON cannot say is refused, where the type does not name it.

Facts
- msgspec makes tuples of arrays that are keys. Python hashes numbers in tuples to what anybody can foretell: many keys
  of one hash take as many comparisons each, so they are refused before anything is read.
- It reads NaN and the infinities, which JSON has not; and where anything may stand also bytes, times and extensions,
  and keys that are nil, true or false. A handler that was written for JSON does not await them, and what it makes of
  them may be nothing that can be written.

See: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from sys import maxsize

from ...core.errors import HTTPError
from .shapes import most_steps, too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any

    from .shapes import Packed

_EXPONENTS = {0xCA: 0x7F80, 0xCB: 0x7FF0}
"""Which bits of the first two bytes of a float are its exponent; in what is not finite all of them are set."""
_BYTES = frozenset(range(0xC4, 0xC7))
_EXTENSIONS = frozenset((*range(0xC7, 0xCA), *range(0xD4, 0xD9)))
_NO_KEYS = frozenset((*range(0x80, 0xA0), *range(0xC0, 0xC4), *range(0xDC, 0xE0)))
"""With what the keys do not begin that are neither text nor numbers: arrays, maps, nil, false, true."""


def read_msgpack(data: bytes, max_depth: int, packed: Packed) -> Any:
    """Read MessagePack. Raises: HTTPError 400 for what is none, or holds more than JSON and the type that is read."""
    from msgspec import DecodeError, msgpack

    _check(data, min(max_depth, packed.max_depth), packed)
    try:
        return msgpack.decode(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise HTTPError(400, "the body is not valid MessagePack") from None


def _check(data: bytes, max_depth: int, packed: Packed) -> None:
    """Go from value to value, as far as there are any, and make nothing of them."""
    outer: list[tuple[int, bool]] = []
    left, is_map, position, end, steps = 1, False, 0, len(data), 0
    max_steps = most_steps(end) if packed.holds_itself else maxsize
    while position < end and left:
        first = data[position]
        if is_map and first in _NO_KEYS and not left % 2:
            raise HTTPError(400, "the body has a key that is neither text nor a number")
        if size := _SIZES[first]:
            position += size
            left -= 1
        else:
            width, size, values = _HEADS[first]
            position += 1
            if width:
                size += int.from_bytes(data[position : position + width], "big")
                position += width
            if values:
                outer.append((left - 1, is_map))
                left, is_map = size * values, values == 2
                depth = len(outer)
                steps += left * depth
                if depth > max_depth or steps > max_steps:
                    raise too_deep()
            else:
                _check_leaf(first, data[position : position + 2], packed.kinds)
                position += size
                left -= 1
        while not left and outer:
            left, is_map = outer.pop()


def _check_leaf(first: int, start: bytes, kinds: AbstractSet[str]) -> None:
    """Refuse a number that is not finite, and what is of a kind that JSON has not and the type does not name."""
    exponent = _EXPONENTS.get(first)
    if exponent is not None:
        if int.from_bytes(start, "big") & exponent == exponent:
            raise HTTPError(400, "the body has a number that is not finite")
        return
    if first in _BYTES:
        kind = "bytes"
    elif first in _EXTENSIONS:
        kind = "times" if start[:1] == b"\xff" else "extensions"
    else:
        return
    if kind not in kinds:
        raise HTTPError(400, f"the body has {kind} in it, which were not asked for")


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
_SIZES = [
    0 if width or values or first in (*_EXPONENTS, *_EXTENSIONS) else size + 1
    for first, (width, size, values) in enumerate(_HEADS)
]
"""How many bytes a value has that begins so, where that is all there is to know of it; 0 for any other."""
