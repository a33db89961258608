"""Telling a WSGI application from an ASGI application, once, when it is mounted.

Where both could be (`*args`), or a signature cannot be read, only whoever mounts it knows.
"""

from __future__ import annotations

import inspect

from ...core.errors import ConfigurationError
from ...core.interfaces import detected_interface

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
