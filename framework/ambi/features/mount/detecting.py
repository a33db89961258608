"""Telling a WSGI application from an ASGI application, once, when it is mounted.

Facts
- An ASGI application is a coroutine function, or an object whose `__call__` is one; or it takes three arguments.
- A WSGI application takes two. It may be a function, a method, a `partial`, or an object with `__call__`.
- Where both could be (`*args`), or a signature cannot be read, only whoever mounts it knows.
"""

from __future__ import annotations

import inspect

from ...core.binding import is_async
from ...core.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def interface_of(path: str, application: Any, named: str | None) -> str:
    """Tell the interface of an application, "wsgi" or "asgi".

    Args:
        path: where it is mounted, for messages.
        application: whatever was given.
        named: the interface that was given with it.

    Raises:
        ConfigurationError: it is no application, it cannot be told, or the name is none.
    """
    if named not in (None, "wsgi", "asgi"):
        raise ConfigurationError(f"app.mount({path!r}, ..., interface={named!r}): 'wsgi' or 'asgi' was expected")
    if not callable(application):
        raise ConfigurationError(
            f"app.mount({path!r}, ...) takes an App, a WSGI or an ASGI application, not {application!r:.100}"
        )
    if inspect.isclass(application):
        raise ConfigurationError(
            f"app.mount({path!r}, {application.__name__}) was given a class; give an object of it, the application"
        )
    if named is not None:
        return named
    found = detected_interface(application)
    if found is not None:
        return found
    raise ConfigurationError(
        f"app.mount({path!r}, {application!r:.100}): it cannot be told whether this is a WSGI application, which takes"
        " (environ, start_response), or an ASGI application, which takes (scope, receive, send);"
        " say interface='wsgi' or interface='asgi'"
    )


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
