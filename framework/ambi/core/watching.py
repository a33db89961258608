"""What a client for tests may watch of a request: the exception that became its 500, or that its server is told of.

Nothing watches in production; then it costs one look at a context variable where a request crashes, and nothing else.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

crash_watcher: ContextVar[Callable[[Exception], object] | None] = ContextVar("ambi.crash_watcher", default=None)
"""What is told of a crash, in the context in which the application was called."""


def tell_of_crash(error: Exception) -> None:
    """Tell who watches that a client gets a 500, or a server a message, instead of this exception and its traceback."""
    watcher = crash_watcher.get()
    if watcher is not None:
        watcher(error)
