"""Telling a WSGI application from an ASGI application by looking at it, once, when it is mounted or tested.

Facts
- An ASGI application is a coroutine function, or an object whose `__call__` is one; or it takes three arguments.
- A WSGI application takes two. It may be a function, a method, a `partial`, or an object with `__call__`.
"""

from __future__ import annotations

import inspect

from .binding import is_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def detected_interface(application: Any) -> str | None:
    """Tell the interface of a callable, "wsgi" or "asgi"; None where it cannot be told."""
    if is_async(application):
        return "asgi"
    counts = _argument_counts(application)
    if len(counts) == 1:
        return "asgi" if counts == {3} else "wsgi"
    return None


def _argument_counts(application: Any) -> set[int]:
    """Give those of 2 and 3 that it can be called with; none where its signature cannot be read."""
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return set()
    return {count for count in (2, 3) if _takes(signature, count)}


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
