"""ambi: one `app` object for WSGI and ASGI servers alike.

    from ambi import App

    app = App()

    @app.get("/hello/{name}")
    def hello(name: str):
        return f"Hello, {name}!"

    gunicorn shop:app        uvicorn shop:app

The map of the package:

    app.py           App: what users hold in their hands
    core/            pure: requests, responses, routing, and the pipeline that is the life of a request
    bridge/          threads and event loops: how a request travels between `def` and `async def`
    gateways/        WSGI and ASGI
    features/        what an application may have besides; loaded when it is named
    testing/         a client for tests, on either gateway
    gunicorn.py      hooks: gunicorn -c python:ambi.gunicorn shop:app
"""

from __future__ import annotations

from .app import App
from .core.body import BodyStream
from .core.errors import AmbiError, ClientDisconnected, ConfigurationError, HTTPError
from .core.forms import Form, UploadFile
from .core.headers import Headers
from .core.limits import Limits
from .core.middleware import CallNext, Layer, Middleware
from .core.request import Request
from .core.response import HTML, JSON, Redirect, Response, Stream, Text
from .core.routing import Route, Router
from .core.state import State as State  # for annotations; the map below is short
from .core.url import URL
from .core.websocket import WebSocket, WebSocketClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.events import Event
    from .core.files import File
    from .features.broadcast import Broadcast
    from .features.json_lines import JSONLines
    from .features.sse import SSE

__version__ = "0.1.0"

__all__ = [
    "HTML",
    "JSON",
    "SSE",
    "URL",
    "AmbiError",
    "App",
    "BodyStream",
    "Broadcast",
    "CallNext",
    "ClientDisconnected",
    "ConfigurationError",
    "Event",
    "File",
    "Form",
    "HTTPError",
    "Headers",
    "JSONLines",
    "Layer",
    "Limits",
    "Middleware",
    "Redirect",
    "Request",
    "Response",
    "Route",
    "Router",
    "Stream",
    "Text",
    "UploadFile",
    "WebSocket",
    "WebSocketClosed",
]

_LOADED_WHEN_NAMED = {
    "Broadcast": "features.broadcast", "Event": "core.events", "File": "core.files",
    "JSONLines": "features.json_lines", "SSE": "features.sse",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Load a feature when it is first named: an application that has no use for it does not wait for it."""
    if name not in _LOADED_WHEN_NAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LOADED_WHEN_NAMED[name]}", __name__), name)
    return value
