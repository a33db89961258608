"""Reaching a thread that waits for the next item of a stream that nobody wants any more.

Nobody can interrupt a thread. But what it waits for may be ours (a subscription): that says where it waits, and is
told when the client has left or the server stops, however many generators stand between it and the stream.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Leaving:
    """Tells those who wait in the maker of one stream that it is left."""

    __slots__ = ("_functions", "_is_left")

    def __init__(self) -> None:
        self._functions: list[Callable[[], object]] = []
        self._is_left = False

    def add(self, function: Callable[[], object]) -> None:
        """Call `function`, which must not wait, when the stream is left; at once where it is left already."""
        self._functions.append(function)
        if self._is_left:
            function()

    def discard(self, function: Callable[[], object]) -> None:
        """Do not call it any more."""
        self._functions.remove(function)

    def leave(self) -> None:
        """Tell all, from any thread. Idempotent."""
        self._is_left = True
        for function in list(self._functions):
            function()


current_leaving: ContextVar[Leaving | None] = ContextVar("ambi_leaving", default=None)
"""That of the stream whose items are made by the code that asks, in a thread; None elsewhere."""
