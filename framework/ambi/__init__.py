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
    testing.py       a client for tests, on either gateway
    gunicorn.py      hooks: gunicorn -c python:ambi.gunicorn shop:app
"""

from __future__ import annotations

from .app import App
from .core.body import BodyStream
from .core.errors import AmbiError, ClientDisconnected, ConfigurationError, HTTPError
from .core.files import File
from .core.forms import Form, UploadFile
from .core.headers import Headers
from .core.limits import Limits
from .core.middleware import CallNext, Layer, Middleware
from .core.request import Request
from .core.response import HTML, JSON, Redirect, Response, Stream, Text
from .core.routing import Route, Router
from .core.state import State
from .core.url import URL

__version__ = "0.1.0"

__all__ = [
    "HTML",
    "JSON",
    "URL",
    "AmbiError",
    "App",
    "BodyStream",
    "CallNext",
    "ClientDisconnected",
    "ConfigurationError",
    "File",
    "Form",
    "HTTPError",
    "Headers",
    "Layer",
    "Limits",
    "Middleware",
    "Redirect",
    "Request",
    "Response",
    "Route",
    "Router",
    "State",
    "Stream",
    "Text",
    "UploadFile",
    "__version__",
]
