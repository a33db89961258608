"""Which transport a client has, for a gateway and an application or the factory of one."""

from __future__ import annotations

from ..app import is_app

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from typing import Any, Protocol

    from .messages import Request, Response
    from .websocket import AsyncWire, Wire

    class Transport(Protocol):
        """What takes requests to an application."""

        @property
        def settle(self) -> bool:
            """Whether an exchange waits for what runs after it."""
            ...

        @settle.setter
        def settle(self, settle: bool) -> None: ...

        def start(self) -> None:
            """Run the start-up of the lifespan."""
            ...

        def stop(self) -> None:
            """Run the shutdown of the lifespan."""
            ...

        def exchange(self, request: Request) -> AbstractContextManager[Response]:
            """Send one request."""
            ...

        def websocket(self, request: Request) -> Wire:
            """Make the connection of a WebSocket."""
            ...

    class AsyncTransport(Protocol):
        """The same for an `AsyncClient`."""

        async def start(self) -> None:
            """Run the start-up of the lifespan."""
            ...

        async def stop(self) -> None:
            """Run the shutdown of the lifespan."""
            ...

        def exchange(self, request: Request) -> AbstractAsyncContextManager[Response]:
            """Send one request."""
            ...

        def websocket(self, request: Request) -> AsyncWire:
            """Make the connection of a WebSocket."""
            ...


GATEWAYS = ("wsgi", "asgi", "both")


def application_of(app: Any, gateway: str) -> Any:
    """Give an application for a gateway: what a factory makes, anything else as it is.

    Raises:
        TypeError: it is none, or one of the other gateway.
    """
    application = app() if not is_app(app) and is_factory(app) else app
    if is_app(application):
        return application
    if not callable(application):
        raise TypeError(
            f"an App, a WSGI or ASGI application, or a factory of one was expected, not {application!r:.100}"
        )
    from ..core.interfaces import detected_interface

    found = detected_interface(application)
    if found not in (None, gateway):
        raise TypeError(
            f"{application!r:.100} takes the arguments of {found.upper()}: it is tested with gateway={found!r} alone;"
            f" an App is for both. A factory takes none"
        )
    return application


def is_factory(function: Any) -> bool:
    """Tell whether something can be called without arguments, which no WSGI or ASGI application can."""
    from inspect import Parameter, signature

    if not callable(function):
        return False
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not Parameter.empty or p.kind is Parameter.VAR_KEYWORD for p in parameters)


def make_transport(app: Any, gateway: str, backend: str, root_path: str, *, raises: bool) -> Transport:
    """Make the transport of a client. Raises: ValueError for a gateway that there is none of."""
    check_gateway(gateway)
    if gateway == "both":
        from .both import BothTransport

        sides = (make_transport(app, side, backend, root_path, raises=False) for side in ("wsgi", "asgi"))
        return BothTransport(*sides, raises=raises)
    if gateway == "wsgi":
        from .wsgi import WSGITransport

        return WSGITransport(application_of(app, gateway), root_path, raises=raises)
    from .asgi import ASGITransport

    return ASGITransport(application_of(app, gateway), root_path, backend, raises=raises)


def make_async_transport(app: Any, gateway: str, root_path: str, *, raises: bool) -> AsyncTransport:
    """Make the transport of an `AsyncClient`. Raises: ValueError for a gateway that there is none of."""
    check_gateway(gateway)
    if gateway == "both":
        from .both import AsyncBothTransport

        sides = (make_async_transport(app, side, root_path, raises=False) for side in ("wsgi", "asgi"))
        return AsyncBothTransport(*sides, raises=raises)
    if gateway == "wsgi":
        from .wsgi import WSGITransport
        from .wsgi_in_thread import AsyncWSGITransport

        return AsyncWSGITransport(WSGITransport(application_of(app, gateway), root_path, raises=raises))
    from .asgi import AsyncASGITransport

    return AsyncASGITransport(application_of(app, gateway), root_path, raises=raises)


def check_gateway(gateway: str) -> None:
    """Refuse a gateway that there is none of. Raises: ValueError."""
    if gateway not in GATEWAYS:
        raise ValueError(f"gateway must be 'wsgi', 'asgi' or 'both', not {gateway!r}")
