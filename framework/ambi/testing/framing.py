"""Holding a body against what its answer said of it: what a server would choke on, a test has to see.

See: RFC 9110 6.4.1 and 8.6.
"""

from __future__ import annotations

from .errors import BrokenAnswer


class Framing:
    """Counts the body of one answer.

    Args:
        method, status: which say whether there may be a body.
        declared: the field Content-Length, None for none.
    """

    __slots__ = ("_declared", "_is_bodiless", "_size", "_what")

    def __init__(self, method: str, status: int, declared: str | None) -> None:
        self._what = f"{method} with status {status}"
        self._is_bodiless = method == "HEAD" or status in (204, 304)
        self._declared = int(declared) if declared is not None and declared.isdecimal() else None
        self._size = 0

    def take(self, chunk: bytes) -> bytes:
        """Give a chunk that may be there. Raises: BrokenAnswer."""
        self._size += len(chunk)
        if self._declared is not None and self._size > self._declared and not self._is_bodiless:
            raise BrokenAnswer(f"the body goes on after the {self._declared} bytes that Content-Length says")
        return chunk

    def end(self) -> None:
        """Note that there is no more. Raises: BrokenAnswer."""
        if self._is_bodiless and self._size:
            raise BrokenAnswer(f"the answer to {self._what} has a body of {self._size} bytes, and may have none")
        if self._declared is not None and self._size < self._declared and not self._is_bodiless:
            raise BrokenAnswer(f"the body ended after {self._size} bytes; Content-Length says {self._declared}")
