"""What a Range header says: one range of bytes, or nothing that has to be heeded.

Facts
- A server may ignore any Range (RFC 9110 14.2). Several ranges, other units and what is malformed are ignored here:
  the whole body is always a right answer, and many overlapping ranges of one file cannot be made to cost anything.
- Only ASCII digits are digits, and a position of any length is read in linear time.
"""

from __future__ import annotations

from .headers import split_list
from .url import DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_BEYOND = 10**19
"""More than any file has: what a position of more digits is taken for."""


class ByteRange:
    """One range of bytes, as it was asked for.

    Attributes:
        first: the first position; None for a suffix.
        last: the last position, inclusive; the length for a suffix; None for "to the end".

    See: RFC 9110 14.1.2.
    """

    __slots__ = ("first", "last")

    def __init__(self, first: int | None, last: int | None) -> None:
        self.first = first
        self.last = last

    @classmethod
    def parse(cls, header: str) -> Self | None:
        """Read a Range header; None for what is no single, valid range of bytes."""
        unit, _, text = header.partition("=")
        if unit.lower() != "bytes":
            return None
        found = split_list(text) if len(text) < 64 or "," not in text else []
        if len(found) != 1:
            return None
        start, hyphen, end = found[0].partition("-")
        if not hyphen or not DIGITS.issuperset(start + end) or not start + end:
            return None
        first, last = _position(start), _position(end)
        if first is not None and last is not None and last < first:
            return None
        return cls(first, last)

    def within(self, size: int) -> tuple[int, int] | None:
        """Give the offset and the length of what there is of it in so many bytes; None when it cannot be satisfied.

        The last so many of no bytes are no bytes: the length is 0 only for a suffix of nothing.
        """
        if self.first is None:
            if not self.last:
                return None
            length = min(self.last, size)
            return size - length, length
        if self.first >= size:
            return None
        stop = size if self.last is None else min(self.last + 1, size)
        return self.first, stop - self.first

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByteRange) and (self.first, self.last) == (other.first, other.last)

    def __hash__(self) -> int:
        return hash((self.first, self.last))

    def __repr__(self) -> str:
        return f"ByteRange({self.first}, {self.last})"


def _position(digits: str) -> int | None:
    digits = digits.lstrip("0") or digits[:1]
    if not digits:
        return None
    return int(digits) if len(digits) < 20 else _BEYOND
