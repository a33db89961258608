"""Mounting an application of another framework: below a path it answers as if it stood alone, on either gateway.

A mounted application is a plan like any other. One of WSGI is a blocking `def` handler that gives a response whose body
is the application's iterable (`wsgi_guest.py`); one of ASGI an `async def` handler that runs the application in a task
beside the request and gives a response whose body are its messages (`asgi_guest.py`). So the middlewares around it, the
threads, the loop, the streams and their bounds are those of every handler, and nothing here asks what the gateway is
for more than the shape of an environ or a scope.

    detecting.py        which of the two an object is
    addresses.py        what a guest is told of where it stands
    wsgi_guest.py       environ.py, what it is given
    asgi_guest.py       scopes.py; exchange.py, one request of it, and incoming.py, its body; conversation.py, one
                        WebSocket; lifetime.py, start-up and shutdown; answers.py, the responses of both
"""

from __future__ import annotations

from ...core.limits import check_limit
from .detecting import interface_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from ...core.plan import Plan
    from ...core.request import Application, Request

    class Guest(Protocol):
        """A mounted application of another framework."""

        @property
        def lifespan(self) -> Callable[[], Any] | None:
            """What runs its start-up and shutdown, as `App(lifespan=...)` takes it; None where it has none."""
            ...

        def plan_for(self, request: Request) -> Plan:
            """Give the plan by which it answers."""
            ...


def guest_of(
    path: str, application: Any, host: Application, interface: str | None, max_body_bytes: int | None
) -> Guest:
    """Make a guest of an application: of the interface named, or of the one that it is seen to have.

    Args:
        path: where it is mounted.
        application: a WSGI or ASGI application.
        host: what it is mounted in.
        interface: "wsgi" or "asgi"; None to tell by looking.
        max_body_bytes: of its requests; None leaves the limit to it.

    Raises:
        ConfigurationError: it has neither, or the other one; or the limit is none.
    """
    if max_body_bytes is not None:
        check_limit("max_body_bytes", max_body_bytes)
    if interface_of(path, application, interface) == "wsgi":
        from .wsgi_guest import WSGIGuest

        return WSGIGuest(application, host, max_body_bytes)
    from .asgi_guest import ASGIGuest

    return ASGIGuest(application, host, max_body_bytes)
