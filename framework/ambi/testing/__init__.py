"""A client for tests: the application in process, through the gateway of your choice, or through both.

    from ambi.testing import Client

    with Client(app, gateway="wsgi") as client:      # `with` runs the lifespan
        assert client.get("/hello/world").text == "Hello, world!"

Names and shapes are httpx's. It needs nothing but ambi; for WebSockets under WSGI, the extra `websocket`.

    client.py  async_client.py   what a test holds in its hands
    user_agent.py                what of them does no I/O: requests, redirects
    messages.py  framing.py  cookies.py  encoding.py  event_stream.py  lines.py  errors.py
    wsgi.py  asgi.py  wsgi_in_thread.py  transports.py     how a request gets to the application
    websocket.py  websocket_asgi.py  websocket_wsgi.py     the same for a WebSocket
    both.py  watching.py         one gateway held against the other
    plugin.py                    fixtures for pytest
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.websocket import WebSocketClosed
    from .async_client import AsyncClient
    from .client import Client
    from .cookies import Cookie, Cookies
    from .errors import (
        BrokenAnswer,
        ClientError,
        CookieConflict,
        GatewaysDiffer,
        HTTPStatusError,
        NotAnEventStream,
        RedirectImpossible,
        TooManyRedirects,
        WebSocketRefused,
    )
    from .event_stream import EventStream, EventStreamReader, ServerSentEvent
    from .messages import Request, Response
    from .websocket import AsyncWebSocketSession, WebSocketSession

__all__ = [
    "AsyncClient",
    "AsyncWebSocketSession",
    "BrokenAnswer",
    "Client",
    "ClientError",
    "Cookie",
    "CookieConflict",
    "Cookies",
    "EventStream",
    "EventStreamReader",
    "GatewaysDiffer",
    "HTTPStatusError",
    "NotAnEventStream",
    "RedirectImpossible",
    "Request",
    "Response",
    "ServerSentEvent",
    "TooManyRedirects",
    "WebSocketClosed",
    "WebSocketRefused",
    "WebSocketSession",
]

_MODULES = {
    "AsyncClient": "async_client", "Client": "client", "Cookie": "cookies", "Cookies": "cookies",
    "EventStream": "event_stream", "EventStreamReader": "event_stream", "ServerSentEvent": "event_stream",
    "Request": "messages", "Response": "messages", "WebSocketClosed": "websocket", "WebSocketSession": "websocket",
    "AsyncWebSocketSession": "websocket",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Load what is named when it is first named: the plugin of pytest is loaded in projects that use none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_MODULES.get(name, 'errors')}", __name__)
    value = globals()[name] = getattr(module, name)
    return value
